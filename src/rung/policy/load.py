"""A folder of YAML → a ``Policy``, or every problem of it with file, line and the nearest valid name."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from rung.core.rules import Place, Policy
from rung.errors import PolicyInvalid, Problem
from rung.policy.build import Checked, build
from rung.policy.document import Document
from rung.policy.fields import Names, Strict
from rung.policy.names import cells, doubled_ids, names, wrong_steps
from rung.policy.problems import CODES, nearest, one_of, shown
from rung.policy.schema import (
    MatrixFile,
    PolicyFile,
    RoutesFile,
    ServicesFile,
    SignatureFile,
    TriggersFile,
)
from rung.policy.source import REQUIRED, folder_files, kind_of, read_documents, starter_files, version

__all__ = ["Source", "load_files", "load_policy", "read_source", "starter_files"]

Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Source:
    """A policy and the files it was made of, with the line of every key and item."""

    policy: Policy
    documents: Mapping[str, Document]

    def place(self, file: str, *path: str | int) -> Place:
        """Where the key or item at ``path`` stands; the nearest thing around it when it is not written."""
        document = self.documents.get(file)
        return Place(file, document.line(path)) if document else Place(file)


def load_policy(folder: Path) -> Policy:
    """The policy in a folder.

    Raises:
        PolicyInvalid: with all problems.
    """
    return load_files(folder_files(folder))


def load_files(files: Mapping[str, str], *, checked_before: bool = False) -> Policy:
    """The policy given as text by relative path; what ``load_policy`` makes of the same files.

    ``checked_before`` says that RE2 took every pattern when the policy was published; it is not asked again.

    Raises:
        PolicyInvalid: with all problems.
    """
    return read_source(files, checked_before=checked_before).policy


def read_source(files: Mapping[str, str], *, checked_before: bool = False) -> Source:
    """The policy and where everything in it stands, for the linter.

    Raises:
        PolicyInvalid: with all problems, ordered by file and line.
    """
    documents, problems = read_documents(files)
    problems += _missing_files(files, documents, {problem.file for problem in problems})
    known = replace(names(documents, files), checked_before=checked_before)
    checking = _Checking(documents, known, problems)
    checked = checking.files(files)
    problems += wrong_steps(documents, known)
    problems += doubled_ids(documents)
    problems += _silent_levels(documents)
    if problems or checked is None:
        raise PolicyInvalid(sorted(set(problems), key=lambda p: (p.file, p.line, p.code, p.message, p.found)))
    return Source(build(checked, documents, version(documents)), documents)


def _missing_files(
    files: Mapping[str, str], documents: Mapping[str, Document], broken: Collection[str]
) -> list[Problem]:
    problems = []
    for file in REQUIRED:
        if file not in files:
            problems.append(Problem("missing-file", f"a policy needs {file}", file))
        elif file not in documents and file not in broken:
            problems.append(Problem("missing-file", f"{file} says nothing", file))
    return problems


class _Checking:
    """Validates files one by one and gathers the problems of all."""

    def __init__(self, documents: Mapping[str, Document], known: Names, problems: list[Problem]) -> None:
        self.documents = documents
        self.known = known
        self.problems = problems

    def files(self, files: Mapping[str, str]) -> Checked | None:
        policy = self._file("policy.yaml", PolicyFile, PolicyFile())
        matrix = self._file("matrix.yaml", MatrixFile, None)
        services = self._file("services.yaml", ServicesFile, ServicesFile(services=[]))
        triggers = self._file("triggers.yaml", TriggersFile, TriggersFile(triggers=[]))
        routes = self._file("routes.yaml", RoutesFile, None)
        signatures = {}
        for file in sorted(f for f in files if kind_of(f) == "signature"):
            name = self._signature_name(file)
            signature = self._file(file, SignatureFile, None)
            if signature is not None:
                signatures[name] = signature
        if policy is None or matrix is None or services is None or triggers is None or routes is None:
            return None
        return Checked(policy, matrix, services, triggers, routes, signatures)

    def _signature_name(self, file: str) -> str:
        name = PurePosixPath(file).stem
        if not re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,63}", name):
            expected = "lower-case letters, digits, '-' and '_', at most 64"
            self.problems.append(
                Problem("bad-value", "the file name is the signature's id", file, 0, shown(name), expected)
            )
        return name

    def _file(self, file: str, model: type[Model], otherwise: Model | None) -> Model | None:
        document = self.documents.get(file)
        if document is None:
            return otherwise
        try:
            return model.model_validate(document.value, context=self.known)
        except ValidationError as error:
            details = error.errors(include_url=False)
            self.problems.extend(problem_from(detail, document, model) for detail in details)
            return None


def problem_from(detail: ErrorDetails, document: Document, model: Any) -> Problem:
    """What pydantic found, with its line, in words for the author of the file.

    ``model`` is what the document was validated as: a model, or a list of them.
    """
    place = tuple(step for step in detail["loc"] if step != "[key]")
    kind, found = detail["type"], detail["input"]
    where = document.file
    if kind in CODES:
        context: Mapping[str, Any] = detail.get("ctx", {})
        line = document.line(place)
        return Problem(
            kind,
            context["message"],
            where,
            line,
            context["found"],
            context["expected"],
            context["suggestion"],
        )
    if kind == "extra_forbidden":
        key, line = str(place[-1]), document.line(place)
        known = _keys(model, place[:-1])
        close = nearest(key, known)
        return Problem("unknown-key", "unknown key", where, line, shown(key), one_of(known, most=20), close)
    if kind == "missing":
        return Problem("missing-key", f"the key {place[-1]} is missing", where, document.line(place[:-1]))
    subject, line = _subject(document.written(place)), document.line(place)
    if detail["loc"] and detail["loc"][-1] == "[key]":
        subject = f"the key {place[-1]}"
    if kind == "literal_error":
        allowed = re.findall(r"'([^']*)'", str(detail.get("ctx", {}).get("expected", ""))) or ["true"]
        close = nearest(found, allowed) if isinstance(found, str) else ""
        return Problem(
            "bad-value", f"{subject} is not known", where, line, shown(found), one_of(allowed, most=20), close
        )
    if kind in _KINDS:
        expected = _KINDS[kind]
        if expected == "text" and not isinstance(found, list | dict):
            expected = "text; put it in quotes"
        return Problem("wrong-type", f"{subject} is of the wrong kind", where, line, shown(found), expected)
    words, limit = _LIMITS.get(kind, ("", ""))
    expected = f"{words} {detail.get('ctx', {})[limit]:g}" if words else detail["msg"]
    return Problem("bad-value", f"{subject} is not allowed", where, line, shown(found), expected)


_LIMITS = {
    "greater_than_equal": ("at least", "ge"),
    "greater_than": ("more than", "gt"),
    "less_than_equal": ("at most", "le"),
    "less_than": ("less than", "lt"),
    "too_short": ("at least as many items:", "min_length"),
}
"""pydantic's error → how its limit reads, and its name in the context."""

_KINDS = {
    "string_type": "text",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "list_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
}


def _subject(place: tuple[str | int, ...]) -> str:
    """What a place is called: its key, or its number in the list of that key."""
    if not place:
        return "the file"
    last = place[-1]
    if isinstance(last, str):
        return f"the value of {last}"
    outer = next((step for step in reversed(place) if isinstance(step, str)), "the list")
    return f"item {last + 1} of {outer}"


def _keys(model: Any, place: tuple[str | int, ...]) -> list[str]:
    """The keys that the mapping at ``place`` may have."""
    current: Any = model
    for step in place:
        current = _step(current, step)
        if current is None:
            return []
    current = _mapping_type(current)
    return list(current.model_fields) if current is not None else []


def _step(annotation: Any, step: str | int) -> Any:
    origin = get_origin(annotation)
    if origin is list:
        return get_args(annotation)[0]
    if origin is dict:
        return get_args(annotation)[1]
    owner = _mapping_type(annotation)
    if owner is not None and step in owner.model_fields:
        return owner.model_fields[str(step)].annotation
    inner = [arg for arg in get_args(annotation) if arg is not type(None)]
    return _step(inner[0], step) if inner else None


def _mapping_type(annotation: Any) -> type[Strict] | None:
    if isinstance(annotation, type) and issubclass(annotation, Strict):
        return annotation
    for inner in get_args(annotation):
        found = _mapping_type(inner)
        if found is not None:
            return found
    return None


def _silent_levels(documents: Mapping[str, Document]) -> list[Problem]:
    """Levels without a chat channel, neither their own nor their team's: nobody would know where to paste."""
    document = documents.get("matrix.yaml")
    if document is None:
        return []
    problems = []
    for cell in cells(document.value)[1]:
        around: Any = document.value
        has_channel = bool(cell.value.get("channel"))
        for step in cell.path:
            around = around[step]
            has_channel = has_channel or (isinstance(around, dict) and bool(around.get("channel")))
        if not has_channel:
            message = f"{cell.id} has no channel, and its team has none"
            problems.append(Problem("missing-key", message, document.file, document.line(cell.path)))
    return problems
