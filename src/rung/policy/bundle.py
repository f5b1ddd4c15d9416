"""A whole policy folder as one blob for the store, and the difference between two folders for people."""

from __future__ import annotations

import difflib
import json
import zlib
from collections.abc import Iterable, Mapping
from itertools import chain

from rung.errors import Broken
from rung.model import Json
from rung.policy.document import read_document
from rung.policy.source import kind_of, version_of

__all__ = ["diff", "pack", "unpack", "version_of"]

_MAGIC = b"rung-policy 1\n"
LARGEST = 128_000_000
"""What a blob may unfold to, in bytes; more is not a policy."""


def pack(files: Mapping[str, str]) -> bytes:
    """Every file, stories and comments included; the same files give the same bytes, whatever their order.

    The blob is stored under ``version_of(files)``, which is the version of the policy that ``load_files`` makes.
    """
    content = json.dumps(dict(files), sort_keys=True, ensure_ascii=True, separators=(",", ":"))
    return _MAGIC + zlib.compress(content.encode("ascii"), 9)


def unpack(blob: bytes) -> dict[str, str]:
    """The files that ``pack`` was given.

    Raises:
        Broken: the blob was not made by ``pack``, or is damaged.
    """
    if not blob.startswith(_MAGIC):
        raise Broken("this is no stored policy: it does not begin as one")
    unfolding = zlib.decompressobj()
    try:
        content = unfolding.decompress(blob[len(_MAGIC) :], LARGEST)
    except zlib.error as error:
        raise Broken(f"the stored policy is damaged: {error}") from error
    if not unfolding.eof or unfolding.unused_data:
        raise Broken("the stored policy is damaged: it is cut, or larger than a policy can be")
    try:
        files = json.loads(content)
    except ValueError as error:
        raise Broken(f"the stored policy is damaged: {error}") from error
    if not isinstance(files, dict) or not all(isinstance(text, str) for text in files.values()):
        raise Broken("the stored policy is damaged: it holds no files")
    return files


def diff(before: Mapping[str, str], after: Mapping[str, str]) -> str:
    """What changed, for people: a summary of rules added, removed, changed and moved, then each file's lines.

    Empty when nothing changed. Works on files that do not load, too.
    """
    changed = [f for f in sorted({*before, *after}) if before.get(f) != after.get(f)]
    if not changed:
        return ""
    summary = [*_summary(before, after)] or ["no rule changes: only comments, stories or layout"]
    return (
        "\n".join([*summary, *chain.from_iterable(_lines(f, before.get(f), after.get(f)) for f in changed)])
        + "\n"
    )


def _lines(file: str, before: str | None, after: str | None) -> Iterable[str]:
    old = "/dev/null" if before is None else f"before/{file}"
    new = "/dev/null" if after is None else f"after/{file}"
    yield ""
    lines = difflib.unified_diff(
        (before or "").splitlines(), (after or "").splitlines(), old, new, lineterm="", n=3
    )
    yield from lines


def _summary(before: Mapping[str, str], after: Mapping[str, str]) -> Iterable[str]:
    for what, olds, news in (
        ("route", _listed(before, "routes"), _listed(after, "routes")),
        ("trigger", _listed(before, "triggers"), _listed(after, "triggers")),
        ("signature", _signatures(before), _signatures(after)),
        ("service", _listed(before, "services"), _listed(after, "services")),
        ("team", _teams(before), _teams(after)),
    ):
        yield from _changes(what, olds, news, ordered=what == "route")
    old, new = _value(before, "policy.yaml"), _value(after, "policy.yaml")
    keys = sorted({*_mapping(old), *_mapping(new)})
    settings = [key for key in keys if _mapping(old).get(key) != _mapping(new).get(key)]
    if settings:
        yield f"settings changed: {', '.join(settings)}"


def _changes(
    what: str, olds: Mapping[str, Json], news: Mapping[str, Json], *, ordered: bool
) -> Iterable[str]:
    added = [name for name in news if name not in olds]
    removed = [name for name in olds if name not in news]
    changed = [name for name in news if name in olds and olds[name] != news[name]]
    if added:
        yield f"{what}s added: {', '.join(added)}"
    if removed:
        yield f"{what}s removed: {', '.join(removed)}"
    if changed:
        yield f"{what}s changed: {', '.join(changed)}"
    if ordered and (moved := _moved([n for n in olds if n in news], [n for n in news if n in olds])):
        yield f"{what}s moved: {', '.join(moved)}"


def _moved(olds: list[str], news: list[str]) -> list[str]:
    """The names that left their place among the others."""
    steps = difflib.SequenceMatcher(a=olds, b=news, autojunk=False).get_opcodes()
    return [name for tag, _, _, start, end in steps if tag != "equal" for name in news[start:end]]


def _value(files: Mapping[str, str], file: str) -> Json:
    document, _ = read_document(file, files.get(file, ""))
    return document.value if document else None


def _mapping(value: Json) -> Mapping[str, Json]:
    return value if isinstance(value, dict) else {}


def _listed(files: Mapping[str, str], key: str) -> dict[str, Json]:
    entries = _mapping(_value(files, f"{key}.yaml")).get(key)
    rules = entries if isinstance(entries, list) else []
    return {str(rule["id"]): rule for rule in rules if isinstance(rule, dict) and "id" in rule}


def _signatures(files: Mapping[str, str]) -> dict[str, Json]:
    own = sorted(file for file in files if kind_of(file) == "signature")
    return {file.removeprefix("signatures/").removesuffix(".yaml"): _value(files, file) for file in own}


def _teams(files: Mapping[str, str]) -> dict[str, Json]:
    return dict(_mapping(_mapping(_value(files, "matrix.yaml")).get("teams")))
