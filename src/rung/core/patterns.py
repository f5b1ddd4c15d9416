r"""RE2 over UTF-8 bytes: the words of a policy as patterns, and one set that says which of them a text holds.

RE2 runs in linear time whatever the pattern (https://github.com/google/re2/wiki/WhyRE2), so a policy cannot
hang the engine. ``\b`` and ``\w`` are ASCII in RE2; case folding happens inside RE2, so offsets hold.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import re2
from ahocorasick_rs import AhoCorasick

from rung.core.literals import Branch, Folding, branches, worth

_SET_MEMORY = 512 << 20
_ONE_MEMORY = 64 << 20
TELLING = 2.0
"""Conditions worth less (see ``literals.worth``) hold in most texts and rule nothing out."""
CONDITIONS = 3
"""At most so many conditions of a pattern are looked at before RE2 is."""


def _options(memory: int) -> Any:
    options = re2.Options()
    options.max_mem = memory
    options.log_errors = False
    return options


_ONE = _options(_ONE_MEMORY)


class BadPattern(ValueError):
    """RE2 refuses a pattern; the message is RE2's own."""


def compile_one(pattern: str) -> Any:
    """A compiled RE2 pattern that searches bytes.

    Raises:
        BadPattern: RE2 refuses it (look-around, back-references, syntax).
    """
    try:
        return re2.compile(pattern.encode("utf-8", "replace"), _ONE)
    except re2.error as refused:
        message = refused.args[0] if refused.args else refused
        text = message.decode("utf-8", "replace") if isinstance(message, bytes) else str(message)
        raise BadPattern(text) from None


def _escape(word: str) -> str:
    return "".join(c if c.isalnum() or c == "_" or ord(c) > 127 else "\\" + c for c in word)  # noqa: PLR2004 # ASCII ends at 127


def _edge(character: str) -> str:
    r"""A word boundary beside ``character`` where RE2's ASCII ``\b`` means something."""
    return r"\b" if character.isascii() and (character.isalnum() or character == "_") else ""


def words(phrase: str) -> str:
    """The pattern of literal words: any case, any white space between them, on word boundaries."""
    parts = phrase.split()
    if not parts:
        raise BadPattern("an empty phrase matches everything")
    return f"(?i){_edge(parts[0][0])}" + r"\s+".join(map(_escape, parts)) + _edge(parts[-1][-1])


def folded(pattern: str) -> str:
    """The pattern of a policy author: any case."""
    return f"(?i){pattern}"


def exception(name: str) -> str:
    """A class name with or without its package, in any language's notation, as it is written."""
    return rf"(?:[A-Za-z_$][\w$]*(?:\.|::|\\))*\b{_escape(name)}\b"


@dataclass(frozen=True, slots=True)
class _Unit:
    """One alternative of a pattern, found through its rarest condition."""

    pattern: int
    search: Any
    width: int | None
    primary: int
    others: frozenset[int]


class PatternSet:
    """Which of many patterns occur in a text and where, in time that hardly grows with their number.

    One pass over the folded text finds all literals that patterns need; only patterns whose conditions hold are
    searched, and only around those literals. Patterns without telling literals stand in one RE2 set, which is
    quick as long as they hold no wide gaps. Every hit is one of RE2's: the literals only save work.
    """

    def __init__(self, patterns: Sequence[str]) -> None:
        self._patterns = tuple(patterns)
        self._singles: dict[int, Any] = {}
        self._always: list[int] = []
        self._narrow: list[int] = []
        self._units: dict[int, list[_Unit]] = {}  # by primary condition
        self._needing: list[list[int]] = []  # literal → conditions that it fulfils
        self._literals: dict[str, int] = {}
        self._conditions: dict[frozenset[str], int] = {}
        self._fulfilling: list[frozenset[int]] = []  # condition → its literals
        self._set = re2.Set.SearchSet(_options(_SET_MEMORY))
        for index, pattern in enumerate(self._patterns):
            self._add(index, pattern)
        # The sentinel matches every text: without it the binding cannot tell "nothing matched" from "the
        # automaton ran out of memory".
        self._set.Add(rb"\z")
        self._set.Compile()
        self._automaton = AhoCorasick(list(self._literals))

    def _add(self, index: int, pattern: str) -> None:
        for branch in branches(pattern):
            worthy = [c for c in branch.conditions if worth(c) >= TELLING]
            if not worthy and not branch.gap:
                self._narrow.append(index)
                try:
                    self._set.Add(branch.source.encode("utf-8", "replace"))
                except re2.error as refused:
                    raise BadPattern(f"{pattern}: {refused}") from None
            elif not branch.conditions:
                self._always.append(index)
            else:
                self._add_unit(index, branch, worthy or list(branch.conditions))

    def _add_unit(self, index: int, branch: Branch, conditions: Sequence[frozenset[str]]) -> None:
        numbers = [self._condition(c) for c in conditions[:CONDITIONS]]
        primary, others = numbers[0], frozenset(numbers[1:])
        compiled = _Lazy(branch.source)
        self._units.setdefault(primary, []).append(_Unit(index, compiled, branch.width, primary, others))

    def _condition(self, literals: frozenset[str]) -> int:
        number = self._conditions.get(literals)
        if number is None:
            number = self._conditions[literals] = len(self._conditions)
            own = set()
            for literal in sorted(literals):
                place = self._literals.setdefault(literal.strip(), len(self._literals))
                if place == len(self._needing):
                    self._needing.append([])
                self._needing[place].append(number)
                own.add(place)
            self._fulfilling.append(frozenset(own))
        return number

    def hits(self, data: bytes) -> dict[int, tuple[int, int]]:
        """Index → first span in bytes, ascending, of the patterns that occur in ``data`` (valid UTF-8)."""
        found: dict[int, tuple[int, int]] = {}
        for index in self._always:
            _keep(found, index, self.single(index).search(data))
        for index in self._in_set(data):
            _keep(found, index, self.single(index).search(data))
        if self._literals:
            self._around_literals(data, found)
        return dict(sorted(found.items()))

    def _in_set(self, data: bytes) -> Iterable[int]:
        if not self._narrow:
            return ()
        matched = self._set.Match(data)
        if matched is None:  # out of memory inside RE2: slower, but never silently blind
            return dict.fromkeys(self._narrow)
        last = len(self._narrow)
        return dict.fromkeys(self._narrow[m] for m in matched if m != last)

    def _around_literals(self, data: bytes, found: dict[int, tuple[int, int]]) -> None:
        folding = Folding(data.decode())
        places: dict[int, list[int]] = {}
        for literal, start, _ in self._automaton.find_matches_as_indexes(folding.folded, overlapping=True):
            if literal in places:
                places[literal].append(start)
            else:
                places[literal] = [start]
        needing, units = self._needing, self._units
        holding: set[int] = set()
        for literal in places:
            holding.update(needing[literal])
        for condition in holding & units.keys():
            starts: list[int] | None = None
            for unit in units[condition]:
                if not unit.others <= holding:
                    continue
                if unit.width is None:
                    _keep(found, unit.pattern, unit.search(data))
                    continue
                if starts is None:
                    own = self._fulfilling[condition]
                    starts = sorted(s for literal in own & places.keys() for s in places[literal])
                for begin, end in folding.windows(starts, unit.width):
                    if _keep(found, unit.pattern, unit.search(data, begin, end)):
                        break

    def single(self, index: int) -> Any:
        """The pattern alone, compiled at its first use."""
        compiled = self._singles.get(index)
        if compiled is None:
            compiled = self._singles[index] = compile_one(self._patterns[index])
        return compiled


class _Lazy:
    """Searches with a pattern that is compiled at its first use."""

    __slots__ = ("_search", "_source")

    def __init__(self, source: str) -> None:
        self._source = source
        self._search: Any = None

    def __call__(self, data: bytes, begin: int = 0, end: int | None = None) -> Any:
        if self._search is None:
            self._search = compile_one(self._source).search
        return self._search(data, begin, end)


def _keep(found: dict[int, tuple[int, int]], index: int, match: Any) -> bool:
    """Note a match; of several alternatives the one that stands first counts."""
    if match is None:
        return False
    span = match.span()
    before = found.get(index)
    if before is None or span < before:
        found[index] = span
    return True
