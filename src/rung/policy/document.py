"""One YAML file as plain values, with the line of every key and item.

Scalars follow the YAML 1.2 core schema, not PyYAML's 1.1: ``no``, ``on`` and ``2026-11-22`` are text, ``0123`` is
text, and only ``true``, ``false``, ``null``, ``~`` and plain decimal numbers are something else. What a policy
does not need (tags, merge keys, several documents) is refused; aliases work but may not unfold without bound.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import yaml

from rung.errors import Problem
from rung.model import Json

MOST_CHARACTERS = 16_000_000
"""A file above this is refused unread."""
DEEPEST = 40
"""How deep lists and mappings may be nested."""
MOST_UNFOLDED = 20_000
"""How many values the aliases of one file may add."""

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml reads about ten times faster
_INTEGER = re.compile(r"-?(0|[1-9][0-9]{0,17})")
_DECIMAL = re.compile(r"-?(0|[1-9][0-9]{0,17})\.[0-9]{1,17}")
_WORDS: dict[str, Json] = {
    "": None, "~": None, "null": None, "Null": None, "NULL": None,
    "true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False,
}  # fmt: skip


@dataclass(slots=True)
class Marks:
    """The line of one value and, inside it, of its keys or items. ``size`` counts the values it stands for."""

    line: int
    inside: dict[str | int, Marks] = field(default_factory=dict)
    size: int = 1


@dataclass(frozen=True, slots=True)
class Document:
    """One file that could be read: its plain value and where everything stands."""

    file: str
    value: Json
    marks: Marks

    def line(self, path: Sequence[str | int] = ()) -> int:
        """The line of the key or item at ``path``; of the nearest thing around it that has one."""
        return self._at(path)[1].line

    def written(self, path: Sequence[str | int]) -> tuple[str | int, ...]:
        """As much of ``path`` as stands in the file; a short form leaves its last key out."""
        return tuple(path[: self._at(path)[0]])

    def _at(self, path: Sequence[str | int]) -> tuple[int, Marks]:
        marks = self.marks
        for depth, step in enumerate(path):
            inner = marks.inside.get(step)
            if inner is None:
                return depth, marks
            marks = inner
        return len(path), marks


class _Unreadable(Exception):
    """The file cannot be read any further."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.problem = problem


def read_document(file: str, text: str) -> tuple[Document | None, list[Problem]]:
    """The plain value of a YAML text; ``None`` and the reason when there is none.

    Duplicate keys are reported together, the first value of each is kept.
    """
    if len(text) > MOST_CHARACTERS:
        limit = f"at most {MOST_CHARACTERS:,} characters"
        return None, [Problem("too-large", "the file is too large", file, 1, f"{len(text):,}", limit)]
    reader = _Reader(file, text)
    try:
        document = reader.document()
    except _Unreadable as error:
        return None, [*reader.problems, error.problem]
    except UnicodeEncodeError as error:
        line = text.count("\n", 0, error.start) + 1
        found = f"half a surrogate pair (U+{ord(text[error.start]):04X})"
        return None, [Problem("bad-encoding", "the text cannot be written as UTF-8", file, line, found)]
    except yaml.YAMLError as error:
        return None, [_yaml_problem(file, text, error)]
    return document, reader.problems


class _Reader:
    """Turns the event stream into values; recursion is bounded by ``DEEPEST``."""

    def __init__(self, file: str, text: str) -> None:
        self.file = file
        self.problems: list[Problem] = []
        self._events: Iterator[Any] = yaml.parse(text.removeprefix("\ufeff"), Loader=_Loader)
        self._anchors: dict[str, tuple[Json, Marks] | None] = {}
        self._unfolded = 0

    def document(self) -> Document:
        next(self._events)  # the stream begins
        if isinstance(next(self._events), yaml.StreamEndEvent):
            return Document(self.file, None, Marks(1))
        value, marks = self._value(next(self._events), depth=0)
        next(self._events)  # the document ends
        after: Any = next(self._events)
        if not isinstance(after, yaml.StreamEndEvent):
            message = "a policy file holds one document; there is a second one after '---'"
            raise self._stop("bad-yaml", message, after)
        return Document(self.file, value, marks)

    def _stop(self, code: str, message: str, event: Any, found: str = "", expected: str = "") -> _Unreadable:
        return _Unreadable(Problem(code, message, self.file, _line(event), found, expected))

    def _value(self, event: Any, depth: int) -> tuple[Json, Marks]:
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event)
        if event.tag not in (None, "!", "tag:yaml.org,2002:str"):
            raise self._stop("bad-yaml", "tags are not supported", event, f"{event.tag!r}", "a plain value")
        if isinstance(event, yaml.ScalarEvent):
            plain = event.implicit[0] and event.tag is None
            made: tuple[Json, Marks] = (
                _scalar(event.value) if plain else event.value,
                Marks(_line(event)),
            )
            if event.anchor:
                self._anchors[event.anchor] = made
            return made
        if depth >= DEEPEST:
            raise self._stop("too-large", f"lists and mappings are nested deeper than {DEEPEST}", event)
        if event.anchor:
            self._anchors[event.anchor] = None  # known, but not complete: an alias to it would never end
        is_list = isinstance(event, yaml.SequenceStartEvent)
        made = self._list(event, depth) if is_list else self._mapping(event, depth)
        if event.anchor:
            self._anchors[event.anchor] = made
        return made

    def _alias(self, event: Any) -> tuple[Json, Marks]:
        made = self._anchors.get(event.anchor)
        if made is None:
            if event.anchor in self._anchors:
                raise self._stop("bad-yaml", f"the alias *{event.anchor} stands inside what it names", event)
            known = ", ".join(f"&{name}" for name in self._anchors) or "an anchor before it"
            raise self._stop("bad-yaml", "an alias names no anchor", event, f"*{event.anchor}", known)
        value, marks = made
        self._unfolded += marks.size
        if self._unfolded > MOST_UNFOLDED:
            raise self._stop("too-large", f"aliases unfold to more than {MOST_UNFOLDED:,} values", event)
        return value, Marks(_line(event), size=marks.size)

    def _list(self, start: Any, depth: int) -> tuple[Json, Marks]:
        items: list[Json] = []
        marks = Marks(_line(start))
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            value, inner = self._value(event, depth + 1)
            marks.inside[len(items)] = inner
            marks.size += inner.size
            items.append(value)
        return items, marks

    def _mapping(self, start: Any, depth: int) -> tuple[Json, Marks]:
        entries: dict[str, Json] = {}
        marks = Marks(_line(start))
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            if not isinstance(event, yaml.ScalarEvent):
                raise self._stop("bad-yaml", "a key must be a word", event, "a list, mapping or alias")
            key = event.value
            if key == "<<" and event.implicit[0]:
                message = "merge keys are not supported; write the values out, or alias each"
                raise self._stop("bad-yaml", message, event, "'<<'")
            value, inner = self._value(next(self._events), depth + 1)
            inner.line = _line(event)
            if key in entries:
                first = marks.inside[key].line
                problem = Problem(
                    "duplicate-key",
                    f"{key!r} stands twice; it is first on line {first}",
                    self.file,
                    inner.line,
                )
                self.problems.append(problem)
                continue
            entries[key] = value
            marks.inside[key] = inner
            marks.size += inner.size
        return entries, marks


def _line(event: Any) -> int:
    return int(event.start_mark.line) + 1


def _scalar(text: str) -> Json:
    """A plain scalar by the YAML 1.2 core schema."""
    if text in _WORDS:
        return _WORDS[text]
    first = text[0]
    if first == "-" or first.isdigit():
        if _INTEGER.fullmatch(text):
            return int(text)
        if _DECIMAL.fullmatch(text):
            return float(text)
    return text


_OPENED = {
    "while scanning a quoted scalar": "a quote",
    "while parsing a flow mapping": "'{'",
    "while parsing a flow sequence": "'['",
}


def _yaml_problem(file: str, text: str, error: yaml.YAMLError) -> Problem:
    """The parser's complaint in words that name the usual cause."""
    mark = getattr(error, "problem_mark", None)
    if mark is None:  # the reader refuses a character
        character = getattr(error, "character", 0)
        code = ord(character) if isinstance(character, str) else character
        line = text.count("\n", 0, text.find(chr(code))) + 1
        return Problem("bad-yaml", "YAML allows no control characters", file, line, f"U+{code:04X}")
    context = str(getattr(error, "context", "") or "")
    words = str(getattr(error, "problem", "") or "not valid YAML")
    line, column = int(mark.line), int(mark.column)
    lines = text.split("\n")
    here = lines[line][column : column + 1] if line < len(lines) else ""
    if "tab character" in words or ("cannot start any token" in words and here == "\t"):
        return Problem("bad-yaml", "YAML cannot be indented with tabs", file, line + 1, "a tab", "spaces")
    if "cannot start any token" in words:
        return Problem(
            "bad-yaml", f"text that begins with {here!r} needs quotes", file, line + 1, f"{here!r}"
        )
    if words == "mapping values are not allowed in this context":
        expected = "quotes around text that contains ': ', or a line of its own"
        return Problem("bad-yaml", "a second ': ' on this line", file, line + 1, "", expected)
    begun = getattr(error, "context_mark", None)
    unclosed = "unexpected end of stream" in words or "did not find expected" in words
    if begun is not None and unclosed and context in _OPENED:
        return Problem("bad-yaml", f"{_OPENED[context]} is opened here and not closed", file, begun.line + 1)
    return Problem("bad-yaml", f"not valid YAML: {words}", file, line + 1)
