"""What a policy defines, read off its raw values: the names that its other files may use.

This works on files that may still be wrong elsewhere, so that one mistake does not hide another and one broken
file does not make every name in it look unknown.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from rung.core.facts import FACTS
from rung.errors import Problem
from rung.model import Json
from rung.policy.document import Document
from rung.policy.fields import LEVELS, Names
from rung.policy.problems import nearest, one_of, shown
from rung.policy.source import kind_of

Path = tuple[str | int, ...]


class AnyName(Collection[str]):
    """Stands for the names of a file that could not be read: each is taken as known."""

    def __contains__(self, name: object) -> bool:
        return True

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell of the matrix as written: its id, where it stands, and what it holds."""

    id: str
    path: Path
    value: Mapping[str, Json]


def cells(matrix: Json) -> tuple[list[str], list[Cell]]:
    """The ids of all teams, and their cells."""
    teams: list[str] = []
    found: list[Cell] = []
    for team, path, entry in _teams(_mapping(matrix).get("teams"), "", ("teams",)):
        teams.append(team)
        for level, value in _mapping(entry.get("levels")).items():
            if level in LEVELS:
                found.append(Cell(f"{team}/{level}", (*path, "levels", level), _mapping(value)))
    return teams, found


def _teams(value: Json, prefix: str, path: Path) -> Iterator[tuple[str, Path, Mapping[str, Json]]]:
    for name, entry in _mapping(value).items():
        own = _mapping(entry)
        if not prefix and _mapping(own.get("teams")):
            yield from _teams(own["teams"], f"{name}/", (*path, name, "teams"))
        else:
            yield f"{prefix}{name}", (*path, name), own


def names(documents: Mapping[str, Document], files: Collection[str]) -> Names:
    """Everything that may be named. ``files`` are all paths, those included that could not be parsed."""
    teams, matrix = cells(_value(documents, "matrix.yaml"))
    scopes = [f"{cell.id}/{item}" for cell in matrix for item in _mapping(cell.value.get("scope"))]
    unread = {file for file in files if file not in documents and kind_of(file) in _DEFINING}
    lost = "matrix.yaml" not in documents
    return Names(
        teams=AnyName() if lost else teams,
        cells=AnyName() if lost else [cell.id for cell in matrix],
        scopes=AnyName() if lost else scopes,
        signatures=sorted(PurePosixPath(file).stem for file in files if kind_of(file) == "signature"),
        triggers=_ids(documents, "triggers", lost="triggers.yaml" in unread),
        services=_ids(documents, "services", lost="services.yaml" in unread),
        facts=sorted(FACTS),
    )


_DEFINING = {"matrix", "triggers", "services"}


def _ids(documents: Mapping[str, Document], kind: str, *, lost: bool) -> Collection[str]:
    if lost:
        return AnyName()
    entries = _mapping(_value(documents, f"{kind}.yaml")).get(kind)
    return (
        [str(e["id"]) for e in entries if isinstance(e, dict) and "id" in e]
        if isinstance(entries, list)
        else []
    )


def wrong_steps(documents: Mapping[str, Document], known: Names) -> list[Problem]:
    """The escalation steps (``next``) that lead to no level."""
    document = documents.get("matrix.yaml")
    if document is None:
        return []
    problems = []
    for cell in cells(document.value)[1]:
        step = cell.value.get("next")
        if not isinstance(step, str) or step == "none" or (step not in LEVELS and "/L" not in step):
            continue  # terminal, or refused by the schema already
        team = cell.id.rpartition("/")[0]
        target = f"{team}/{step}" if step in LEVELS else step
        if target in known.cells:
            continue
        valid = [c.rpartition("/")[2] if c.startswith(f"{team}/") else c for c in known.cells if c != cell.id]
        line = document.line((*cell.path, "next"))
        suggestion = nearest(step, known.cells) if "/" in step else ""
        problems.append(
            Problem(
                "unknown-name", f"the next level of {cell.id} does not exist", document.file, line, shown(step),
                one_of([*valid, "none"]), suggestion,
            )
        )  # fmt: skip
    return problems


_LISTS = {
    "services.yaml": ("services",),
    "triggers.yaml": ("triggers",),
    "routes.yaml": ("routes",),
    "policy.yaml": ("redactions", "severity"),
}


def doubled_ids(documents: Mapping[str, Document]) -> list[Problem]:
    """Ids that stand twice in one list."""
    problems = []
    for file, keys in _LISTS.items():
        for key in keys:
            entries = _mapping(_value(documents, file)).get(key)
            first: dict[str, int] = {}
            for index, entry in enumerate(entries if isinstance(entries, list) else ()):
                name = _mapping(entry).get("id")
                if not isinstance(name, str):
                    continue
                line = documents[file].line((key, index, "id"))
                if name in first:
                    message = f"the id {name} stands twice in {key}; it is first on line {first[name]}"
                    problems.append(Problem("duplicate-id", message, file, line, expected="an id of its own"))
                first.setdefault(name, line)
    return problems


def _value(documents: Mapping[str, Document], file: str) -> Json:
    document = documents.get(file)
    return document.value if document else None


def _mapping(value: Json) -> Mapping[str, Json]:
    return value if isinstance(value, dict) else {}
