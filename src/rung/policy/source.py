"""The files of a policy as they are written: which belong to it, what they say, and the version that makes.

The version is ``sha256:`` and the hash of the parsed values of every file but the stories: comments, white
space, quoting and the order of keys do not change it; the order of list items does, and so do examples, because
whatever is trained on a policy depends on them. Stories test a policy and are no part of it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from importlib.resources import files as package_files
from pathlib import Path, PurePosixPath

from rung.errors import PolicyInvalid, Problem
from rung.policy.document import Document, read_document
from rung.policy.problems import nearest, one_of, shown

SINGLE_FILES: Mapping[str, str] = {
    "policy.yaml": "policy",
    "matrix.yaml": "matrix",
    "services.yaml": "services",
    "triggers.yaml": "triggers",
    "routes.yaml": "routes",
}
"""File name → kind, for the files of which there is one."""
FOLDERS: Mapping[str, str] = {"signatures": "signature", "stories": "stories"}
"""Folder → kind of every file in it."""
REQUIRED = ("matrix.yaml", "routes.yaml")
"""What every policy needs; the other files may be left out."""


def kind_of(file: str) -> str:
    """What a relative path holds: ``policy``, ``matrix``, …, ``signature``, ``stories``; empty when nothing."""
    path = PurePosixPath(file)
    if path.suffix != ".yaml":
        return ""
    if len(path.parts) == 1:
        return SINGLE_FILES.get(file, "")
    return FOLDERS.get(path.parts[0], "") if len(path.parts) == 2 else ""  # noqa: PLR2004 # folder and file


def folder_files(folder: Path) -> dict[str, str]:
    """The YAML files of a policy folder as text, by relative path; hidden files and other kinds are left out.

    Raises:
        PolicyInvalid: there is no such folder, or a file is not UTF-8.
    """
    if not folder.is_dir():
        raise PolicyInvalid([Problem("missing-file", "there is no such policy folder", str(folder))])
    places = (folder, *(folder / name for name in FOLDERS))
    paths = [path for place in places if place.is_dir() for path in sorted(place.iterdir())]
    return _read_texts((path for path in paths if _is_yaml(path)), folder)


def text_files(path: Path) -> dict[str, str]:
    """The YAML files directly in a folder, or one file, as text by relative path.

    Raises:
        PolicyInvalid: there is nothing at ``path``, or a file is not UTF-8.
    """
    if path.is_dir():
        return _read_texts((entry for entry in sorted(path.iterdir()) if _is_yaml(entry)), path)
    if path.is_file():
        return _read_texts((path,), path.parent)
    raise PolicyInvalid([Problem("missing-file", "there is no such file or folder", str(path))])


def _is_yaml(path: Path) -> bool:
    return path.suffix in {".yaml", ".yml"} and not path.name.startswith(".") and path.is_file()


def _read_texts(paths: Iterable[Path], folder: Path) -> dict[str, str]:
    found: dict[str, str] = {}
    problems: list[Problem] = []
    for path in paths:
        _read_text(path, path.relative_to(folder).as_posix(), found, problems)
    if problems:
        raise PolicyInvalid(problems)
    return found


def _read_text(path: Path, file: str, found: dict[str, str], problems: list[Problem]) -> None:
    content = path.read_bytes()
    try:
        found[file] = content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        byte = f"byte 0x{content[error.start]:02X}"
        problems.append(Problem("bad-encoding", "the file is not UTF-8", file, line, byte, "UTF-8 text"))


def starter_files() -> dict[str, str]:
    """The starter policy that comes with Rung, as text by relative path."""
    root = package_files("rung.policy").joinpath("starter")
    found: dict[str, str] = {}
    for prefix, place in (("", root), *((f"{name}/", root.joinpath(name)) for name in FOLDERS)):
        if not place.is_dir():
            continue
        for entry in sorted(place.iterdir(), key=lambda e: e.name):
            if entry.name.endswith(".yaml") and entry.is_file():
                found[prefix + entry.name] = entry.read_text(encoding="utf-8")
    return found


def read_documents(files: Mapping[str, str]) -> tuple[dict[str, Document], list[Problem]]:
    """Every file that is part of a policy, parsed; with what could not be and what belongs to no policy.

    Files that say nothing (comments alone) are left out. Stories are not read here.
    """
    documents: dict[str, Document] = {}
    problems: list[Problem] = []
    for file in sorted(files):
        kind = kind_of(file)
        if not kind:
            problems.append(_stray(file))
        elif kind != "stories":
            document, found = read_document(file, files[file])
            problems.extend(found)
            if document is not None and (document.value is not None or kind == "signature"):
                documents[file] = document
    return documents, problems


def _stray(file: str) -> Problem:
    path = PurePosixPath(file)
    yaml_name = str(path.with_suffix(".yaml"))
    names = (*SINGLE_FILES, *(f"{folder}/" for folder in FOLDERS))
    suggestion = yaml_name if kind_of(yaml_name) else nearest(yaml_name, list(SINGLE_FILES))
    expected = one_of(names)
    return Problem(
        "unknown-file", "no part of a policy has this name", file, 0, shown(file), expected, suggestion
    )


def version(documents: Mapping[str, Document]) -> str:
    """The version that these documents make."""
    content = {file: document.value for file, document in documents.items() if kind_of(file) != "stories"}
    canonical = json.dumps(content, sort_keys=True, ensure_ascii=True, separators=(",", ":"), allow_nan=False)
    return "sha256:" + hashlib.sha256(canonical.encode("ascii")).hexdigest()


def version_of(files: Mapping[str, str]) -> str:
    """The version of a policy given as text; the same as that of the loaded policy.

    Raises:
        PolicyInvalid: a file is not YAML, or belongs to no policy.
    """
    documents, problems = read_documents(files)
    if problems:
        raise PolicyInvalid(problems)
    return version(documents)
