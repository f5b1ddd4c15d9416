r"""RE2 over UTF-8 bytes: the words of a policy as patterns, and one set that says which of them a text holds.

RE2 runs in linear time whatever the pattern (https://github.com/google/re2/wiki/WhyRE2), so a policy cannot
hang the engine. ``\b`` and ``\w`` are ASCII in RE2; case folding happens inside RE2, so offsets hold.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, TypeAlias

import re2
from ahocorasick_rs import BytesAhoCorasick

from rung.core.folding import Folding
from rung.core.literals import EDGE, UNBOUNDED, Alternatives, Branch, Need, branches

Span: TypeAlias = tuple[int, int]
_Phrase: TypeAlias = tuple[int, bool, bool]
"""Length of a pattern that is nothing but words, and whether it stands on word edges to the left and right."""
_Stretch: TypeAlias = tuple[int, int, int, int]
"""A part of the folded text where a match may lie: begin, first and last place of a literal in it, end."""

SET_MEMORY = 512 << 20
"""Bytes that the automaton of a set may use."""
_ONE_MEMORY = 64 << 20
NEEDS = 3
"""At most so many needs of a way are looked at before RE2 is."""
COMMON = 10.0
"""Needs that stand oftener in a text are looked at only where a way has no rarer one."""
_WORD = frozenset(b"0123456789abcdefghijklmnopqrstuvwxyz_")
_LEFT, _RIGHT = 1, 2
_NEAR = 160
_WHOLE = -1
"""Order of a match of the whole pattern: it says more than those of single alternatives."""


def _options(memory: int, *, captures: bool) -> Any:
    options = re2.Options()
    options.max_mem = memory
    options.log_errors = False
    options.never_capture = not captures
    return options


_ONE = _options(_ONE_MEMORY, captures=True)
_SPANS = _options(_ONE_MEMORY, captures=False)
_NOWHERE = (-1, -1)
_NO_BREAKS: list[int] = []
_SOMEWHERE = (0, 0)
_ANYWHERE = re2._Anchor.UNANCHORED  # noqa: SLF001


class BadPattern(ValueError):
    """RE2 refuses a pattern; the message is RE2's own."""


def compile_one(pattern: str) -> Any:
    """A compiled RE2 pattern that searches bytes.

    Raises:
        BadPattern: RE2 refuses it (look-around, back-references, syntax).
    """
    return _compiled(pattern, _ONE)


def _compiled(pattern: str, options: Any) -> Any:
    try:
        return re2.compile(pattern.encode("utf-8", "replace"), options)
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


class _Search:
    """A pattern that is compiled at its first search; it yields spans only, which RE2 finds without captures."""

    __slots__ = ("_match", "_source")

    def __init__(self, source: str) -> None:
        self._source = source
        self._match: Any = None

    def __call__(self, data: bytes, begin: int = 0, end: int = UNBOUNDED) -> Span | None:
        if self._match is None:
            # The wrapper's search spends as long on its generator and match object as RE2 on such a window.
            self._match = _compiled(self._source, _SPANS)._regexp.Match  # noqa: SLF001
        span: Span = self._match(_ANYWHERE, data, begin, min(end, len(data)))[0]
        return None if span == _NOWHERE else span


@dataclass(slots=True)
class _Unit:
    """One alternative of a pattern; ``order`` is its place among them, since RE2 prefers the first."""

    number: int
    pattern: int
    order: int
    search: _Search
    width: int
    one_line: bool
    gate: bool
    phrase: _Phrase | None


@dataclass(slots=True)
class _Way:
    """How a unit is found: where a literal of its rarest condition stands, the others stand around it.

    A match starts ``low`` to ``high`` characters before the literal; ``others`` are conditions with the least and
    the greatest distance of their literals from it.
    """

    unit: _Unit
    low: int
    high: int
    anchored: bool
    others: tuple[tuple[int, int, int], ...]


@dataclass(slots=True)
class _Matches:
    """The hits of one text so far: the first span of each pattern, with the place of its alternative."""

    spans: dict[int, tuple[int, int, int]] = field(default_factory=dict)  # pattern → start, order, end

    def keep(self, pattern: int, order: int, span: Span) -> None:
        """Note a match; the one that starts first counts, of those the alternative that stands first."""
        own = (span[0], order, span[1])
        before = self.spans.get(pattern)
        if before is None or own < before:
            self.spans[pattern] = own


_PHRASE = re.compile(r"\(\?i\)(\\b)?((?:\w|\\[^\w\s]|\\s\+)+?)(\\b)?", re.ASCII)


def _phrase(source: str) -> _Phrase | None:
    """What a pattern asks for that is nothing but words in ASCII, as ``words`` makes them."""
    found = _PHRASE.fullmatch(source)
    if found is None or not source.isascii():
        return None
    left, inside, right = found.groups()
    plain = re.sub(r"\\(\W)", r"\1", inside.replace(r"\s+", " "))
    if plain != " ".join(plain.split()) or (left and not _edge(plain[0])) or (right and not _edge(plain[-1])):
        return None
    return len(plain), bool(left), bool(right)


_LENGTH = re.compile(r"(?:\(\?i\))?\^\[\\s\\S\]\{(\d+)(?:(,)(\d*))?\}(\$?)")


class PatternSet:
    """Which of many patterns occur in a text and where, in time that hardly grows with their number.

    One pass over the folded text finds all literals that patterns need. Only patterns whose needs stand there, in
    order and near enough, are searched, and only where they stand. Patterns of which no rare literal is known
    stand in one RE2 set, which is quick as long as they hold no wide gaps. Every hit is one of RE2's: the literals
    only save work.

    The first ``gates`` patterns are only asked whether they occur: the span of such a hit means nothing. When
    ``memory`` does not suffice the set's patterns are searched one by one.
    """

    def __init__(self, patterns: Sequence[str], gates: int = 0, *, memory: int = SET_MEMORY) -> None:
        numbers: dict[tuple[str, bool], list[int]] = {}  # one pattern may stand for several indexes
        for index, pattern in enumerate(patterns):
            numbers.setdefault((pattern, index < gates), []).append(index)
        self._indexes = tuple(tuple(own) for own in numbers.values())
        self._singles = tuple(_Search(pattern) for pattern, _ in numbers)
        self._gates = frozenset(number for number, (_, gate) in enumerate(numbers) if gate)
        self._lengths: list[tuple[int, int, int, bool]] = []
        self._always: list[int] = []
        self._narrow: list[int] = []
        self._units: list[_Unit] = []
        self._ways: dict[int, list[_Way]] = {}  # by primary condition
        self._needing: list[list[int]] = []  # literal → conditions that it fulfils
        self._literals: dict[str, int] = {}
        self._edges: list[int] = []
        self._conditions: dict[Alternatives, int] = {}
        self._set: Any = re2.Set.SearchSet(_options(memory, captures=False))
        for number, (pattern, _) in enumerate(numbers):
            self._add(number, pattern)
        # The sentinel matches every text: without it the binding cannot tell "nothing matched" from "the
        # automaton ran out of memory".
        self._set.Add(rb"\z")
        try:
            self._set.Compile()
        except re2.error:  # it does not fit into the memory
            self._set = None
        self._automaton = BytesAhoCorasick([literal.encode() for literal in self._literals])

    def _add(self, number: int, pattern: str) -> None:
        length = _LENGTH.fullmatch(pattern)
        if length:
            low, comma, high, to_end = length.groups()
            most = int(high) if high else (UNBOUNDED if comma else int(low))
            self._lengths.append((number, int(low), most, bool(to_end)))
            return
        for order, branch in enumerate(branches(pattern)):
            if branch.ways:
                self._add_unit(number, order, branch)
            elif branch.gap:
                self._always.append(number)
            else:
                self._narrow.append(number)
                self._add_to_set(branch.source)

    def _add_to_set(self, pattern: str) -> None:
        try:
            self._set.Add(pattern.encode("utf-8", "replace"))
        except re2.error as refused:
            raise BadPattern(f"{pattern}: {refused}") from None

    def _add_unit(self, number: int, order: int, branch: Branch) -> None:
        gate = number in self._gates
        unit = _Unit(
            len(self._units), number, order, _Search(branch.source), branch.width,
            branch.one_line, gate, _phrase(branch.source),
        )  # fmt: skip
        self._units.append(unit)
        for way in branch.ways:
            first, *rest = way[:NEEDS]
            others = tuple(
                (self._condition(n.literals), *_distance(first, n)) for n in rest if n.rate() <= COMMON
            )
            primary = self._condition(first.literals)
            self._ways.setdefault(primary, []).append(
                _Way(unit, first.low, first.high, branch.anchored, others)
            )

    def _condition(self, literals: Alternatives) -> int:
        number = self._conditions.get(literals)
        if number is None:
            number = self._conditions[literals] = len(self._conditions)
            for literal in sorted(literals):
                self._literal(literal, number)
        return number

    def _literal(self, literal: str, condition: int) -> None:
        bare = literal.strip(EDGE)
        edges = _LEFT * (literal[0] == EDGE and ord(bare[0]) in _WORD) + _RIGHT * (
            literal[-1] == EDGE and ord(bare[-1]) in _WORD
        )
        number = self._literals.setdefault(bare, len(self._literals))
        if number == len(self._needing):
            self._needing.append([])
            self._edges.append(edges)
        self._edges[number] &= edges
        if condition not in self._needing[number]:
            self._needing[number].append(condition)

    def hits(self, data: bytes) -> dict[int, Span]:
        """Index → first span in bytes, ascending, of the patterns that occur in ``data`` (valid UTF-8)."""
        matches = _Matches()
        if self._lengths:
            self._by_length(data, matches)
        for number in self._in_set(data):
            if number in self._gates:
                matches.keep(number, _WHOLE, _SOMEWHERE)
            else:
                self._anywhere(number, data, matches)
        for number in self._always:
            self._anywhere(number, data, matches)
        if self._literals:
            self._around_literals(Folding(data), matches)
        found = {
            index: (start, end)
            for number, (start, _, end) in matches.spans.items()
            for index in self._indexes[number]
        }
        return dict(sorted(found.items()))

    def _anywhere(self, number: int, data: bytes, matches: _Matches) -> None:
        span = self._singles[number](data)
        if span:
            matches.keep(number, _WHOLE, span)

    def _by_length(self, data: bytes, matches: _Matches) -> None:
        size = len(data) if data.isascii() else len(data.decode())
        for number, low, high, to_end in self._lengths:
            if low <= size and (size <= high or not to_end):
                matches.keep(number, 0, (0, _bytes_of(data, min(size, high))))

    def _in_set(self, data: bytes) -> Iterable[int]:
        if not self._narrow:
            return ()
        matched = None if self._set is None else self._set.Match(data)
        if matched is None:  # out of memory inside RE2: slower, but never silently blind
            return self._narrow
        last = len(self._narrow)
        return [self._narrow[m] for m in matched if m != last]

    def _around_literals(self, folding: Folding, matches: _Matches) -> None:
        needing, ways = self._needing, self._ways
        holding: dict[int, list[list[int]]] = {}
        for literal, starts in self._standing(folding).items():
            for condition in needing[literal]:
                if condition in holding:
                    holding[condition].append(starts)
                else:
                    holding[condition] = [starts]
        places = _Places(holding, folding)
        units: dict[int, list[_Stretch]] = {}
        for condition in holding.keys() & ways.keys():
            for way in ways[condition]:
                for other in way.others:
                    if other[0] not in holding:
                        break
                else:
                    self._use(way, condition, places, units, matches)
        for number, stretches in units.items():
            self._search(self._units[number], stretches, folding, matches)

    def _use(
        self, way: _Way, condition: int, places: _Places, units: dict[int, list[_Stretch]], matches: _Matches
    ) -> None:
        """Look where one way leads: at once if that settles it, else by noting where its unit may match."""
        unit = way.unit
        if unit.gate:
            if unit.pattern not in matches.spans:
                self._search(unit, places.around(condition, way), places.folding, matches)
        elif unit.phrase and places.folding.exact:
            span = places.phrase(condition, unit.phrase)
            if span:
                matches.keep(unit.pattern, unit.order, span)
        else:
            found = places.around(condition, way)
            if unit.number in units:
                units[unit.number] = _joined([*units[unit.number], *found])
            elif found:
                units[unit.number] = found

    def _standing(self, folding: Folding) -> dict[int, list[int]]:
        """Literal → where it begins in the folded text; word edges are heeded where all patterns ask for them."""
        places: dict[int, list[int]] = {}
        edges = self._edges if folding.exact else [0] * len(self._edges)
        padded = b" %b " % folding.folded
        for literal, start, end in self._automaton.find_matches_as_indexes(folding.folded, overlapping=True):
            edge = edges[literal]
            if edge and (
                (edge & _LEFT and padded[start] in _WORD) or (edge & _RIGHT and padded[end + 1] in _WORD)
            ):
                continue
            if literal in places:
                places[literal].append(start)
            else:
                places[literal] = [start]
        return places

    def _search(self, unit: _Unit, stretches: list[_Stretch], folding: Folding, matches: _Matches) -> None:
        for stretch in stretches:
            begin, end = folding.around(*stretch, one_line=unit.one_line)
            span = unit.search(folding.data, begin, end)
            if span:
                matches.keep(unit.pattern, unit.order, span)
                return


def _distance(first: Need, other: Need) -> Span:
    """The least and the greatest distance of the other's literal from the first one's."""
    low, high = other.low - first.high, other.high - first.low
    return max(low, -UNBOUNDED), min(high, UNBOUNDED)


def _bytes_of(data: bytes, characters: int) -> int:
    """How many bytes the first characters take."""
    return characters if data.isascii() else len(data.decode()[:characters].encode())


def _joined(stretches: list[_Stretch]) -> list[_Stretch]:
    """Ascending stretches that cover the same, joined where they nearly meet: a search costs more than a stretch."""
    stretches.sort()
    joined = []
    begin, first, last, end = stretches[0]
    for stretch in stretches:
        if stretch[0] <= end + _NEAR:
            first, last, end = min(first, stretch[1]), max(last, stretch[2]), max(end, stretch[3])
        else:
            joined.append((begin, first, last, end))
            begin, first, last, end = stretch
    joined.append((begin, first, last, end))
    return joined


class _Places:
    """Where the conditions of one text hold."""

    __slots__ = ("_holding", "folding")

    def __init__(self, holding: dict[int, list[list[int]]], folding: Folding) -> None:
        self.folding = folding
        self._holding = holding  # condition → where its literals begin, a list for each or one for all

    def of(self, condition: int) -> list[int]:
        """Where literals of a condition begin in the folded text, ascending."""
        lists = self._holding[condition]
        if len(lists) > 1:
            lists[:] = [sorted(chain.from_iterable(lists))]
        return lists[0]

    def phrase(self, condition: int, phrase: _Phrase) -> Span | None:
        """Where a phrase stands first, on the word edges that it asks for."""
        text = self.folding.folded
        length, left, right = phrase
        for start in self.of(condition):
            end = start + length
            if left and start and text[start - 1] in _WORD:
                continue
            if right and end < len(text) and text[end] in _WORD:
                continue
            return self.folding.byte(start), self.folding.byte(end - 1) + 1
        return None

    def around(self, condition: int, way: _Way) -> list[_Stretch]:
        """Where a match may lie, ascending: all needs stand there, near enough and in order."""
        slack = self.folding.slack
        kept = self.of(condition)
        if way.anchored:
            kept = [p for p in kept if way.low <= p <= way.high + slack]
        if way.others:
            breaks = self.folding.breaks if way.unit.one_line else _NO_BREAKS
            for other, low, high in way.others:
                kept = _near(kept, self.of(other), low - slack * (low < 0), high + slack * (high > 0), breaks)
                if not kept:
                    return []
        if not kept:
            return []
        before, after = way.high + slack, way.unit.width - way.low + slack
        first = last = kept[0]
        if len(kept) == 1:
            return [(first - before, first, first, first + after)]
        stretches = []
        reach = before + after + _NEAR
        for place in kept:
            if place - last > reach:
                stretches.append((first - before, first, last, last + after))
                first = place
            last = place
        stretches.append((first - before, first, last, last + after))
        return stretches


def _near(places: list[int], others: list[int], low: int, high: int, breaks: list[int]) -> list[int]:
    """The places that have another one ``low`` to ``high`` after them with none of ``breaks`` between."""
    if not places or places[-1] + high < others[0] or places[0] + low > others[-1]:
        return _NO_BREAKS
    kept: list[int] = []
    if len(others) < len(places):
        done = 0
        for other in others:
            begin, end = _on_line(breaks, other, other - high, other - low)
            start = bisect_left(places, begin, done)
            done = bisect_right(places, end, start)
            kept += places[start:done]
        return kept
    last = len(others)
    for place in places:
        begin, end = _on_line(breaks, place, place + low, place + high)
        at = bisect_left(others, begin)
        if at < last and others[at] <= end:
            kept.append(place)
    return kept


def _on_line(breaks: list[int], place: int, begin: int, end: int) -> Span:
    """The part of ``begin`` to ``end`` that is on the line of ``place``."""
    line = bisect_right(breaks, place)  # a literal that begins with the space of a break goes on after it
    if line and breaks[line - 1] > begin:
        begin = breaks[line - 1]
    if line < len(breaks) and breaks[line] <= end:
        end = breaks[line] - 1
    return begin, end
