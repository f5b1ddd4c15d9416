r"""What a text must contain for a pattern to match, and where: the literals that let one pass gate all patterns.

The idea is that of RE2's own prefilter (https://github.com/google/re2, ``re2/prefilter.h``) and of trigram search
(https://swtch.com/~rsc/regexp/regexp4.html), made for texts whose white space was collapsed: a run of white
space counts as one space, so words of a phrase stay together as one long, rare literal.

A pattern is analysed into *branches* (its top-level alternatives), a branch into *ways* (one of them must be
fulfilled), a way into *needs* (all of them must be). A need says which literals serve and how far from the
start of the match they begin. Needs are necessary, never sufficient; of a pattern of which nothing is known
there is no way.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import product
from typing import TypeAlias

from rung.core.folding import folded_literal
from rung.core.rarity import rate

Alternatives: TypeAlias = frozenset[str]

EDGE = "\uffff"
r"""Stands in a literal for ``\b``: at its start, its end or both, never inside."""
MOST = 600
"""At most so many literals stand for one part of a pattern."""
PRODUCT = 24
"""At most so many literals come of multiplying neighbours out."""
MOST_WAYS = 24
"""At most so many ways come of multiplying alternations out."""
FREQUENT = 10.0
"""Literals that stand oftener in a text rule nothing out."""
UNBOUNDED = 1 << 30
"""The width of what may match any number of characters."""
_WIDEST = 2_000
_SMALL_CLASS = 6
_WIDE_REPEAT = 8
_WIDE = frozenset("dDwWSpPC")
_CONTROL = {"n": "\n", "t": "\t", "r": "\r", "f": "\f", "v": "\v", "a": "\a"}


@dataclass(frozen=True, slots=True)
class Need:
    """One of ``literals`` begins ``low`` to ``high`` folded characters after the start of the match."""

    literals: Alternatives
    low: int
    high: int

    def rate(self) -> float:
        """How often one of the literals stands in an ordinary ticket."""
        return sum(map(rate, self.literals))


Way: TypeAlias = tuple[Need, ...]
_NOTHING_KNOWN: tuple[Way, ...] = ((),)


@dataclass(frozen=True, slots=True)
class Branch:
    """One top-level alternative of a pattern, or the whole of a pattern without alternatives.

    ``source`` is its own RE2 pattern. The needs of one of ``ways`` must hold, the rarest first; no ways: it may
    match anything. ``width`` is the most folded characters it matches; ``gap`` says that it repeats something
    wide, such as ``.{0,40}``, which makes a set of many such patterns explode; ``anchored`` that it matches at
    the start of the text only; ``one_line`` that no match holds a line break.
    """

    source: str
    ways: tuple[Way, ...]
    width: int
    gap: bool
    anchored: bool
    one_line: bool


@dataclass(frozen=True, slots=True)
class _Known:
    """What is known of one part: all texts it can match (``exact``), or the ways to match it.

    It matches ``least`` to ``width`` characters of the folded text; white space counts for the most only.
    ``breaks`` says that it can match a line break, ``wild`` that it is any character or any but a few.
    """

    exact: Alternatives | None = None
    ways: tuple[Way, ...] = _NOTHING_KNOWN
    least: int = 0
    width: int = 1
    gap: bool = False
    anchored: bool = False
    breaks: bool = False
    wild: bool = False

    def all_ways(self) -> tuple[Way, ...]:
        """The ways, those that follow from ``exact`` included."""
        return self.ways if self.exact is None else _exact_ways(self.exact, 0, 0)


def branches(pattern: str) -> tuple[Branch, ...]:
    """The alternatives of an RE2 pattern, in order; look for their literals in folded text."""
    flags = "(?i)" if pattern.startswith("(?i)") else ""
    parser = _Parser(pattern.removeprefix(flags))
    try:
        parts = parser.parse_branches()
    except _Unknown:
        return (Branch(pattern, (), UNBOUNDED, gap=True, anchored=False, one_line=False),)
    if parser.flagged and len(parts) > 1:  # flags reach over branches
        parts = [(parser.text, _any_of([known for _, known in parts]))]
    return tuple(
        Branch(
            flags + source,
            _ranked(known.all_ways()),
            known.width if known.width < _WIDEST else UNBOUNDED,
            known.gap,
            known.anchored and not parser.multiline,
            not known.breaks and not parser.dot_breaks,
        )
        for source, known in parts
    )


def _ranked(ways: tuple[Way, ...]) -> tuple[Way, ...]:
    """The ways with their needs ordered by rarity; none if one of them demands nothing."""
    ranked = tuple(tuple(sorted(way, key=lambda n: (n.rate(), n.low, sorted(n.literals)))) for way in ways)
    return ranked if all(ranked) else ()


def _bare(literal: str) -> str:
    return literal.strip(EDGE)


def _exact_ways(exact: Alternatives, low: int, high: int) -> tuple[Way, ...]:
    if not all(map(_bare, exact)):
        return _NOTHING_KNOWN
    need = Need(exact, low, high)
    return ((need,),) if need.rate() <= FREQUENT else _NOTHING_KNOWN


def _of_literals(literals: Iterable[str], *, breaks: bool = False) -> _Known:
    exact = frozenset(literals)
    least = min(len(_bare(x).strip(" ")) for x in exact)
    width = max(len(_bare(x)) for x in exact)
    return _Known(exact, _NOTHING_KNOWN, least, width, breaks=breaks)


def _repeated(known: _Known, least: int, most: int) -> _Known:
    if least == most == 1:
        return known
    if known.exact == _SPACE.exact:  # white space is collapsed
        if known.breaks:
            return _SPACE if least else _MAYBE_SPACE
        return _BLANK if least else _MAYBE_BLANK
    width = min(known.width * most, UNBOUNDED)
    # ``\w+`` is one state of an automaton, ``\w{0,40}`` forty, and ``.*`` keeps every pattern before it alive.
    counted = most > _WIDE_REPEAT and (most < UNBOUNDED or known.wild)
    gap = known.gap or (known.exact is None and counted)
    if least == 0:
        exact = known.exact | {""} if most == 1 and known.exact is not None else None
        return _Known(exact, _NOTHING_KNOWN, 0, width, gap, breaks=known.breaks)
    return _Known(None, known.all_ways(), known.least * least, width, gap, breaks=known.breaks)


def _any_of(parts: list[_Known]) -> _Known:
    """Any part may match: what is exact together is one way, each other part has its own."""
    least, width = min(p.least for p in parts), max(p.width for p in parts)
    gap, anchored = any(p.gap for p in parts), all(p.anchored for p in parts)
    breaks = any(p.breaks for p in parts)
    together = frozenset(x for p in parts if p.exact is not None for x in p.exact)
    inexact = [p for p in parts if p.exact is None]
    if not inexact and len(together) <= MOST:
        return _Known(together, _NOTHING_KNOWN, least, width, gap, anchored, breaks)
    ways = [way for p in inexact for way in p.ways]
    if together:
        ways += _exact_ways(together, 0, 0) if len(together) <= MOST else _NOTHING_KNOWN
    return _Known(None, _few(tuple(ways)), least, width, gap, anchored, breaks)


def _few(ways: tuple[Way, ...]) -> tuple[Way, ...]:
    """The ways, or one in their place if they are too many or one of them demands nothing."""
    if not all(ways):
        return _NOTHING_KNOWN
    return ways if len(ways) <= MOST_WAYS else _one_way(ways)


def _one_way(ways: tuple[Way, ...]) -> tuple[Way, ...]:
    """The rarest need of each way, together as one."""
    if len(ways) == 1 or not all(ways):
        return ways if len(ways) == 1 else _NOTHING_KNOWN
    chosen = [min(way, key=Need.rate) for way in ways]
    literals = frozenset(x for need in chosen for x in need.literals)
    need = Need(literals, min(n.low for n in chosen), max(n.high for n in chosen))
    return ((need,),) if len(literals) <= MOST and need.rate() <= FREQUENT else _NOTHING_KNOWN


class _Sequence:
    """Gathers parts that stand one after the other; neighbouring exact ones are multiplied out."""

    def __init__(self) -> None:
        self.least = self.width = 0
        self.gap = self.anchored = self.breaks = False
        self._whole = True
        self._run: Alternatives = _NOTHING.exact or frozenset()
        self._run_at = (0, 0)
        self._ways: list[tuple[Way, ...]] = []

    def add(self, part: _Known) -> None:
        """Put one more part at the end."""
        if part.exact is None:
            self._close()
            self._ways.append(_moved(part.ways, self.least, self.width))
            self._run = frozenset([""])
        elif len(self._run) * len(part.exact) > PRODUCT and min(len(self._run), len(part.exact)) > 1:
            self._close()
            self._run, self._run_at = part.exact, (self.least, self.width)
        else:
            self._run = _joined(self._run, part.exact)
        if not self.least and not self.width:
            self.anchored |= part.anchored
        self.least += part.least
        self.width = min(self.width + part.width, UNBOUNDED)
        self.gap |= part.gap
        self.breaks |= part.breaks
        if part.exact is None:
            self._run_at = (self.least, self.width)

    def _close(self) -> None:
        self._whole = False
        self._ways.append(_exact_ways(self._run, *self._run_at))

    def known(self) -> _Known:
        """What is known of the whole."""
        about = (self.least, self.width, self.gap, self.anchored, self.breaks)
        if self._whole:
            return _Known(self._run, _NOTHING_KNOWN, *about)
        self._close()
        return _Known(None, self._multiplied(), *about)

    def _multiplied(self) -> tuple[Way, ...]:
        """One way of each part, in every combination; alternations that would make too many count as one."""
        parts = sorted((w for w in self._ways if w != _NOTHING_KNOWN), key=len)
        count, chosen = 1, []
        for ways in parts:
            own = ways if count * len(ways) <= MOST_WAYS else _one_way(ways)
            count *= len(own)
            chosen.append(own)
        return tuple(tuple(n for way in combined for n in way) for combined in product(*chosen))


def _moved(ways: tuple[Way, ...], low: int, high: int) -> tuple[Way, ...]:
    if ways == _NOTHING_KNOWN or not high:
        return ways
    return tuple(
        tuple(replace(n, low=n.low + low, high=min(n.high + high, UNBOUNDED)) for n in way) for way in ways
    )


def _joined(lefts: Alternatives, rights: Alternatives) -> Alternatives:
    """Every left with every right; two spaces that meet are one, an edge inside says nothing."""
    return frozenset(_concatenated(left, right) for left in lefts for right in rights)


def _concatenated(left: str, right: str) -> str:
    if not left or not right:
        return left or right
    if left[-1] == EDGE and left != EDGE:
        if right == EDGE:
            return left
        left = left[:-1]
    if right[0] == EDGE and (left == EDGE or len(right) > 1):
        right = right[1:]
    return left + (right[1:] if left[-1] == " " and right[0] == " " else right)


_NOTHING = _Known(frozenset([""]), least=0, width=0)
_START = replace(_NOTHING, anchored=True)
_BOUNDARY = _Known(frozenset([EDGE]), least=0, width=0)
_BLANK = _Known(frozenset([" "]), least=0, width=1)
_SPACE = replace(_BLANK, breaks=True)
_MAYBE_BLANK = _Known(frozenset(["", " "]), least=0, width=1)
_MAYBE_SPACE = replace(_MAYBE_BLANK, breaks=True)
_ANY = _Known(wild=True)
_ANY_OR_BREAK = _Known(wild=True, breaks=True)
_WORDLIKE = _Known()
_UNLIKE = _Known(breaks=True)


class _Unknown(Exception):
    """Syntax of which nothing is concluded; RE2 itself says whether it is valid."""


_PLAIN = re.compile(r"[^\\\[\](){}|.^$*+?]+")
_CLASS = re.compile(r"\[(\^?)(\]?(?:\\.|\[:\^?\w+:\]|[^\]\\])*)\]", re.DOTALL)
_MEMBER = re.compile(r"\[:|\\[pP]\{|\\x\{([0-9A-Fa-f]+)\}|\\x([0-9A-Fa-f]{2})|\\(.)|(.)", re.DOTALL)
_COUNT = re.compile(r"\{(\d+)(?:(,)(\d*))?\}")
_QUANTIFIERS = {"*": (0, UNBOUNDED), "+": (1, UNBOUNDED), "?": (0, 1)}


class _Parser:
    """A recursive descent over RE2 syntax that keeps only what can be concluded."""

    def __init__(self, pattern: str) -> None:
        self.text = pattern
        self.flagged = False
        self.multiline = self.dot_breaks = False
        self._at = 0
        self._depth = 0

    def parse_branches(self) -> list[tuple[str, _Known]]:
        """The top-level alternatives, each with its source."""
        found = []
        while True:
            start = self._at
            known = self._sequence()
            found.append((self.text[start : self._at], known))
            if self._peek() != "|":
                break
            self._at += 1
        if self._at < len(self.text):
            raise _Unknown
        return found

    def _peek(self) -> str:
        return self.text[self._at : self._at + 1]

    def _next(self) -> str:
        if self._at >= len(self.text):
            raise _Unknown
        self._at += 1
        return self.text[self._at - 1]

    def _alternation(self) -> _Known:
        found = [self._sequence()]
        while self._peek() == "|":
            self._at += 1
            found.append(self._sequence())
        return found[0] if len(found) == 1 else _any_of(found)

    def _sequence(self) -> _Known:
        gathered = _Sequence()
        while self._at < len(self.text) and self.text[self._at] not in "|)":
            plain = _PLAIN.match(self.text, self._at)
            if plain is None:
                atom = self._atom()
            else:
                end = plain.end()
                if end - self._at > 1 and self.text[end : end + 1] in ("*", "+", "?", "{"):
                    end -= 1  # the quantifier is the last character's
                atom = _of_text(self.text[self._at : end])
                self._at = end
            gathered.add(_repeated(atom, *self._quantifier()))
        return gathered.known()

    def _quantifier(self) -> tuple[int, int]:
        sign = self._peek()
        if sign == "{":
            counted = _COUNT.match(self.text, self._at)
            if counted is None:
                return 1, 1  # a literal brace; the next turn reads it as one
            self._at = counted.end()
            low, comma, high = counted.groups()
            bounds = (int(low), int(high) if high else (UNBOUNDED if comma else int(low)))
        elif sign and sign in "*+?":
            self._at += 1
            bounds = _QUANTIFIERS[sign]
        else:
            return 1, 1
        if self._peek() == "?":
            self._at += 1
        return bounds

    def _atom(self) -> _Known:
        character = self._peek()
        if character == "[":
            found = _CLASS.match(self.text, self._at)
            if found is None:
                raise _Unknown
            self._at = found.end()
            return _of_class(found[1], found[2])
        self._at += 1
        match character:
            case "(":
                return self._group()
            case ".":
                return _ANY
            case "^":
                return _START
            case "$":
                return _NOTHING
            case "\\":
                return self._escape()
            case _:
                return _of_text(character)

    def _group(self) -> _Known:
        if self._peek() == "?":
            self._at += 1
            flags = ""
            while self._peek() not in (":", ")"):
                flags += self._next()
                if flags in ("P<", "<"):
                    while self._next() != ">":
                        pass
                    break
            self._heed(flags)
            if self._peek() == ")":  # flags for what follows; case is ignored anyway
                self._at += 1
                self.flagged |= self._depth == 0
                return _NOTHING
            if self._peek() == ":":
                self._at += 1
        self._depth += 1
        inner = self._alternation()
        self._depth -= 1
        if self._next() != ")":
            raise _Unknown
        return inner

    def _heed(self, flags: str) -> None:
        if not flags.endswith("<"):
            if "U" in flags:
                raise _Unknown
            self.multiline |= "m" in flags
            self.dot_breaks |= "s" in flags

    def _escape(self) -> _Known:
        character = self._next()
        match character:
            case "b":
                return _BOUNDARY
            case "A":
                return _START
            case "B" | "z":
                return _NOTHING
            case "s":
                return _SPACE
            case "p" | "P":
                if self._next() == "{":
                    while self._next() != "}":
                        pass
                return _UNLIKE
            case "Q":
                raise _Unknown
            case "w" | "d":
                return _WORDLIKE
            case "S":
                return _ANY
            case _ if character in _WIDE:
                return _ANY_OR_BREAK
        return _of_text(self._escaped(character))

    def _escaped(self, character: str) -> str:
        """The character that an escape stands for."""
        if character == "x":
            found = re.compile(r"\{([0-9A-Fa-f]+)\}|([0-9A-Fa-f]{2})").match(self.text, self._at)
            if found is None:
                raise _Unknown
            self._at = found.end()
            return chr(int(found[1] or found[2], 16))
        return _control(character)


def _control(character: str) -> str:
    if character in _CONTROL:
        return _CONTROL[character]
    if character.isalnum():
        raise _Unknown
    return character


@lru_cache(4096)
def _of_text(text: str) -> _Known:
    if EDGE in text:
        raise _Unknown
    return _of_literals([folded_literal(text)])


@lru_cache(4096)
def _of_class(negated: str, members: str) -> _Known:
    """A small class gives its characters; a large or negated one says nothing."""
    if negated:
        return _ANY_OR_BREAK
    found: set[str] = set()
    wide = breaks = False
    at = 0
    while at < len(members):
        one = _MEMBER.match(members, at)
        if one is None or one[0] in ("[:", "\\p{", "\\P{"):
            return _UNLIKE
        at = one.end()
        code, escaped = one[1] or one[2], one[3]
        if escaped and escaped in "sDWSpPC":
            breaks = True
        if members[at : at + 1] == "-" and at + 1 < len(members):
            if not (one[4] or "").isalnum():
                return _UNLIKE
            wide = True  # from a letter or digit to something after it
            at = _MEMBER.match(members, at + 1).end()  # type: ignore[union-attr] # the last alternative takes anything
        elif escaped and escaped in _WIDE:
            wide = True
        elif escaped == "s":
            found.add(" ")
        else:
            plain = chr(int(code, 16)) if code else _control(escaped) if escaped else one[4]
            breaks |= plain == "\n"
            found.add(folded_literal(plain))
    if EDGE in found:
        raise _Unknown
    if wide or not 0 < len(found) <= _SMALL_CLASS:
        return _UNLIKE if breaks else _WORDLIKE
    return _of_literals(found, breaks=breaks)
