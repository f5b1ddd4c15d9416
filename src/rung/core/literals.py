"""What a text must contain for a pattern to match: the literals that let one RE2 set stand for all patterns.

The idea is that of RE2's own prefilter (https://github.com/google/re2, ``re2/prefilter.h``) and of trigram search
(https://swtch.com/~rsc/regexp/regexp4.html), made for texts whose white space was collapsed: a run of white
space counts as one space, so words of a phrase stay together as one long, rare literal.

A condition is a conjunction of alternatives: from each alternative set at least one literal must occur. It is
necessary, never sufficient; a pattern of which nothing is known gives no condition.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

Alternatives: TypeAlias = frozenset[str]

MOST = 160
"""At most so many literals stand for one part of a pattern."""
PRODUCT = 40
"""At most so many literals come of multiplying neighbours out."""
LONGEST = 28
"""Characters of one literal; longer ones are cut into pieces."""
WIDEST = 1_000
"""A pattern that can match more than this counts as unbounded."""
SMALL_CLASS = 6
WIDE_REPEAT = 8
"""Repeating something wide more often than this is a gap."""
_WIDE = frozenset("dDwWSpPCXQ")
_EDGES = frozenset("bBAz")
_CONTROL = {"n": " ", "t": " ", "r": " ", "f": " ", "v": " ", "a": "\a"}
_UNBOUNDED = 1 << 30


@dataclass(slots=True)
class _Known:
    """What is known of one part: all texts it can match (``exact``), or what each of them must contain.

    ``width`` is the most characters it can match, white space collapsed; ``gap`` says that it repeats something
    wide, such as ``.{0,40}``, which makes a set of many such patterns explode.
    """

    exact: frozenset[str] | None = None
    needs: list[Alternatives] = field(default_factory=list)
    width: int = 1
    gap: bool = False

    def conditions(self) -> list[Alternatives]:
        """The needs, with those that follow from ``exact``."""
        if self.exact is None or "" in self.exact:
            return self.needs
        return [*self.needs, self.exact]


@dataclass(frozen=True, slots=True)
class Branch:
    """One top-level alternative of a pattern, or the whole of a pattern without alternatives.

    ``source`` is its own RE2 pattern. ``conditions`` must all hold, the most telling first; the literals that
    fulfil them stand within ``width`` characters (None: anywhere). ``gap`` says that it repeats something wide.
    """

    source: str
    conditions: tuple[Alternatives, ...]
    width: int | None
    gap: bool


def branches(pattern: str) -> tuple[Branch, ...]:
    """What each alternative of an RE2 pattern needs; one of them must be fulfilled.

    Literals are folded and have single spaces; look for them in ``folded`` text.
    """
    flags = "(?i)" if pattern.startswith("(?i)") else ""
    parser = _Parser(pattern.removeprefix(flags))
    try:
        parts = parser.parse_branches()
    except _Unknown:
        return (Branch(pattern, (), None, gap=True),)
    if any(source.startswith("(?") and ")" in source[:6] and ":" not in source[:6] for source, _ in parts):
        parts = [(parser.text, _any_of([known for _, known in parts]))]  # flags reach over branches
    return tuple(
        Branch(flags + source, _ranked(known), known.width if known.width < WIDEST else None, known.gap)
        for source, known in parts
    )


def _ranked(known: _Known) -> tuple[Alternatives, ...]:
    useful = {minimal(a) for a in known.conditions()}
    return tuple(sorted((a for a in useful if _telling(a)), key=lambda a: (-worth(a), sorted(a))))


_FOLDS = str.maketrans("ſςϐϵϑϰµϖϱϕẛ", "sσβεθκμπρφṡ")


class Folding:
    """A text folded for comparing with literals: case ignored as RE2 does it, a run of white space as one space.

    Knows the way back: which bytes of the original's UTF-8 a window of the folded text covers.
    """

    __slots__ = ("_ascii", "_runs", "_shrunk", "_text", "folded")

    def __init__(self, text: str) -> None:
        self._text = text
        self._ascii = text.isascii()
        lower = text.lower() if self._ascii else text.lower().translate(_FOLDS)
        if len(lower) != len(
            text
        ):  # a few capitals have longer small letters: fold one by one, keep the length
            lower = "".join(_folded(c) for c in text)
        # (end of the run in the folded text, characters removed up to there)
        self._runs: list[int] = []
        self._shrunk: list[int] = []
        pieces, last, removed = [], 0, 0
        for run in _RUN.finditer(lower):
            start, end = run.span()
            pieces.append(lower[last:start])
            last = end
            removed += end - start - 1
            self._runs.append(end - removed)
            self._shrunk.append(removed)
        if pieces:
            pieces.append(lower[last:])
            lower = " ".join(pieces)
        self.folded = lower.translate(_SPACES)

    def _byte(self, place: int) -> int:
        """The byte of the original's UTF-8 where the folded character at ``place`` stands."""
        run = bisect_right(self._runs, place)
        point = place + (self._shrunk[run - 1] if run else 0)
        if self._ascii:
            return point
        return len(self._text[:point].encode("utf-8", "replace"))

    def windows(self, starts: Sequence[int], width: int) -> Iterator[tuple[int, int]]:
        """Byte ranges of the original around places of the folded text, joined where they meet.

        A match at most ``width`` folded characters long that covers one of ``starts`` lies inside one of them.
        """
        begin, end = -1, -1
        for start in starts:
            low, high = max(0, start - width), start + width + 1
            if begin < 0:
                begin, end = low, high
            elif low <= end:
                end = high
            else:
                yield self._byte(begin), self._byte(min(end, len(self.folded)))
                begin, end = low, high
        if begin >= 0:
            yield self._byte(begin), self._byte(min(end, len(self.folded)))


_RUN = re.compile(r"\s\s+")
_SPACES = str.maketrans(dict.fromkeys("\t\n\r\f\v\x1c\x1d\x1e\x1f\x85\xa0\u2028\u2029\u3000", " "))


def minimal(literals: Iterable[str]) -> Alternatives:
    """The same alternatives without those that contain another one."""
    kept: list[str] = []
    for literal in sorted(set(literals), key=len):
        if not any(k in literal for k in kept):
            kept.append(literal)
    return frozenset(kept)


def _size(literal: str) -> int:
    return len(literal.strip().encode("utf-8", "replace"))


def _telling(alternatives: Alternatives) -> bool:
    """Whether the condition rules anything out: single letters and spaces occur everywhere."""
    return bool(alternatives) and all(
        _size(a) > 1 or (_size(a) == 1 and not a.strip().isalnum()) for a in alternatives
    )


def worth(alternatives: Collection[str]) -> float:
    """How rare the alternatives are together: long is rare, many are not."""
    return min(map(_size, alternatives)) - 0.15 * len(alternatives)


class _Unknown(Exception):
    """Syntax of which nothing is concluded; RE2 itself says whether it is valid."""


class _Parser:
    """A recursive descent over RE2 syntax that keeps only what can be concluded."""

    def __init__(self, pattern: str) -> None:
        self.text = pattern
        self._at = 0

    def parse_branches(self) -> list[tuple[str, _Known]]:
        """The top-level alternatives, each with its source."""
        found = []
        while True:
            start = self._at
            known = self._sequence()
            found.append((self.text[start : self._at], known))
            if self._peek() != "|":
                break
            self._next()
        if self._at < len(self.text):
            raise _Unknown
        return found

    def _peek(self) -> str:
        return self.text[self._at] if self._at < len(self.text) else ""

    def _next(self) -> str:
        if self._at >= len(self.text):
            raise _Unknown
        self._at += 1
        return self.text[self._at - 1]

    def _alternation(self) -> _Known:
        branches = [self._sequence()]
        while self._peek() == "|":
            self._next()
            branches.append(self._sequence())
        return branches[0] if len(branches) == 1 else _any_of(branches)

    def _sequence(self) -> _Known:
        parts = []
        while self._peek() not in ("", "|", ")"):
            atom = self._atom()
            least, most = self._quantifier()
            parts.append(_repeated(atom, least, most))
        return _in_order(parts)

    def _quantifier(self) -> tuple[int, int]:
        match self._peek():
            case "*":
                bounds = (0, _UNBOUNDED)
            case "+":
                bounds = (1, _UNBOUNDED)
            case "?":
                bounds = (0, 1)
            case "{":
                return self._counted()
            case _:
                return 1, 1
        self._next()
        self._lazy()
        return bounds

    def _counted(self) -> tuple[int, int]:
        end = self.text.find("}", self._at)
        inside = self.text[self._at + 1 : end] if end > 0 else ""
        low, comma, high = inside.partition(",")
        if not low.isdecimal() or (high and not high.isdecimal()):
            return 1, 1  # a literal brace; the next turn reads it as one
        self._at = end + 1
        self._lazy()
        return int(low), int(high) if high else (_UNBOUNDED if comma else int(low))

    def _lazy(self) -> None:
        if self._peek() == "?":
            self._next()

    def _atom(self) -> _Known:
        character = self._next()
        match character:
            case "(":
                return self._group()
            case "[":
                return self._class()
            case ".":
                return _Known()
            case "^" | "$":
                return _Known(frozenset([""]))
            case "\\":
                return self._escape()
            case _:
                return _Known(frozenset([_folded(character)]))

    def _group(self) -> _Known:
        if self._peek() == "?":
            self._next()
            flags = ""
            while self._peek() not in (":", ")"):
                flags += self._next()
                if flags in ("P<", "<"):
                    while self._next() != ">":
                        pass
                    break
            if self._peek() == ")":  # flags for what follows; case is ignored anyway
                if "x" in flags or "U" in flags:
                    raise _Unknown
                self._next()
                return _Known(frozenset([""]))
            if self._peek() == ":":
                self._next()
        inner = self._alternation()
        if self._next() != ")":
            raise _Unknown
        return inner

    def _escape(self) -> _Known:
        character = self._next()
        if character in _EDGES:
            return _Known(frozenset([""]))
        if character == "s":
            return _Known(frozenset([" "]))
        if character in _WIDE:
            if character in "pP" and self._next() == "{":
                while self._next() != "}":
                    pass
            if character in "QX":
                raise _Unknown
            return _Known()
        return _Known(frozenset([_folded(self._escaped(character))]))

    def _escaped(self, character: str) -> str:
        """The character that an escape stands for."""
        if character in _CONTROL:
            return _CONTROL[character]
        if character == "x":
            digits = ""
            if self._peek() == "{":
                self._next()
                while (one := self._next()) != "}":
                    digits += one
            else:
                digits = self._next() + self._next()
            return chr(int(digits, 16))
        if character.isalnum():
            raise _Unknown
        return character

    def _class(self) -> _Known:
        """A small class gives its characters; a large or negated one says nothing."""
        negated = self._peek() == "^"
        if negated:
            self._next()
        found: set[str] = set()
        wide = negated
        first = True
        while first or self._peek() != "]":
            first = False
            character = self._next()
            if character == "[" and self._peek() == ":":
                while self._next() != "]":
                    pass
                wide = True
                continue
            if character == "\\":
                character = self._next()
                if character in _WIDE:
                    wide = True
                    if character in "pP" and self._next() == "{":
                        while self._next() != "}":
                            pass
                    continue
                character = " " if character == "s" else self._escaped(character)
            if self._peek() == "-" and self.text[self._at + 1 : self._at + 2] not in ("]", ""):
                wide = True
                self._next()
                if self._next() == "\\":
                    self._escaped(self._next())
                continue
            found.add(_folded(character))
        self._next()
        return _Known() if wide or len(found) > SMALL_CLASS else _Known(frozenset(found))


def _folded(character: str) -> str:
    if character.isspace():
        return " "
    lower = character.lower()
    return lower.translate(_FOLDS) if len(lower) == 1 else character


def _repeated(known: _Known, least: int, most: int) -> _Known:
    if (least, most) == (1, 1):
        return known
    if known.exact == frozenset([" "]):  # white space is collapsed
        return _Known(frozenset([" "]) if least else frozenset(["", " "]), width=1)
    width = min(known.width * most, _UNBOUNDED)
    gap = known.gap or (known.exact is None and most > WIDE_REPEAT)
    if least == 0:
        exact = known.exact | {""} if most == 1 and known.exact is not None else None
        return _Known(exact, [], width, gap)
    if least == most <= LONGEST and known.exact is not None and len(known.exact) == 1:
        return _Known(frozenset([next(iter(known.exact)) * least]), [], width, gap)
    return _Known(None, known.conditions(), width, gap)


def _any_of(parts: list[_Known]) -> _Known:
    """Any branch may match: exact if all are, else one condition from each, together."""
    width, gap = max(p.width for p in parts), any(p.gap for p in parts)
    if all(p.exact is not None for p in parts):
        together = frozenset(x for p in parts for x in p.exact or ())
        if len(together) <= MOST:
            return _Known(together, [], width, gap)
    chosen: set[str] = set()
    for part in parts:
        own = [a for a in map(minimal, part.conditions()) if _telling(a)]
        if not own:
            return _Known(None, [], width, gap)
        chosen |= max(own, key=lambda a: (worth(a), sorted(a)))
    return _Known(None, [frozenset(chosen)] if len(chosen) <= MOST else [], width, gap)


def _in_order(parts: list[_Known]) -> _Known:
    """One after the other: neighbouring exact parts are multiplied out while they stay few and short."""
    needs: list[Alternatives] = []
    run: frozenset[str] = frozenset([""])
    whole = True
    for part in parts:
        needs.extend(part.needs)
        if part.exact is None:
            whole = False
            needs.extend(_closed(run))
            run = frozenset([""])
            continue
        if len(run) * len(part.exact) > PRODUCT or max(map(len, run)) + max(map(len, part.exact)) > LONGEST:
            whole = False
            needs.extend(_closed(run))
            run = part.exact
        else:
            run = frozenset(_joined(run, part.exact))
    width = min(sum(p.width for p in parts), _UNBOUNDED)
    gap = any(p.gap for p in parts)
    if whole:
        return _Known(run, needs, width, gap)
    needs.extend(_closed(run))
    return _Known(None, needs, width, gap)


def _joined(lefts: frozenset[str], rights: frozenset[str]) -> Iterator[str]:
    """Every left with every right; two spaces that meet are one."""
    for left in lefts:
        for right in rights:
            yield left + (right[1:] if left.endswith(" ") and right.startswith(" ") else right)


def _closed(run: frozenset[str]) -> list[Alternatives]:
    return [] if "" in run else [run]
