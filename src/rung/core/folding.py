r"""Text made comparable with the literals of patterns: case ignored as RE2 does it, a run of white space one space.

White space is what ``\s`` is to RE2: ASCII. Literals and texts are folded alike, so what RE2 finds with case
ignored stands in the folded text as its folded literal.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from itertools import accumulate

# Small letters that are the same as another small letter to RE2 when it ignores case.
_SAME = str.maketrans(
    "\u00b5\u017f\u0345\u03c2\u03d0\u03d1\u03d5\u03d6\u03f0\u03f1\u03f5\u1c80\u1c81"
    "\u1c82\u1c83\u1c84\u1c85\u1c86\u1c87\u1c88\u1e9b\u1fbe\u1fd3\u1fe3\ufb05",
    "\u03bc\u0073\u03b9\u03c3\u03b2\u03b8\u03c6\u03c0\u03ba\u03c1\u03b5\u0432\u0434"
    "\u043e\u0441\u0442\u0442\u044a\u0463\ua64b\u1e61\u03b9\u0390\u03b0\ufb06",
)
_SAMES = re.compile("[" + "".join(map(chr, _SAME)) + "]")
_SPACES = str.maketrans("\t\r\f", "   ")
_ASCII = bytes(ord(chr(code).lower().translate(_SPACES)) if code < 128 else code for code in range(256))  # noqa: PLR2004 # ASCII ends at 127
_RUNS = re.compile(rb"\n[ \n]*|  [ \n]*| \n[ \n]*")
_SPACE_RUNS = re.compile(rb"  +")
_LONGER = ("Ⱥ", "Ⱦ")
"""The letters whose small forms take more bytes; every other change of length is a loss."""


def folded_literal(text: str) -> str:
    """A literal of a pattern as it stands in folded text."""
    return re.sub("[ \n]+", " ", _folded(text))


def _folded(text: str) -> str:
    """Case folded and white space but line breaks made spaces, character by character: the length stays."""
    lower = text.lower()
    if lower.isascii():
        return lower.translate(_SPACES)
    if len(lower) != len(text):  # "İ" has no single small letter
        lower = "".join(low if len(low := one.lower()) == 1 else one for one in text)
    if _SAMES.search(lower):
        lower = lower.translate(_SAME)
    return lower.replace("\t", " ").replace("\r", " ").replace("\f", " ")


class Folding:
    """The UTF-8 of a text, folded, and the way back to the bytes of the original.

    ``slack`` is by how many bytes a stretch of the folded text may be longer than its characters. ``exact`` says
    that a folded byte is an ASCII word character exactly where the original's is. ``breaks`` are the places of the
    folded text where a run of white space with a line break stood.
    """

    __slots__ = ("_lost", "_runs", "_steps", "breaks", "data", "exact", "folded", "slack")

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.exact = True
        self.slack = 0
        self._steps: list[int] | None = None
        folded = data.translate(_ASCII) if data.isascii() else self._fold(data.decode())
        self.breaks: list[int] = []
        self._runs: list[int] = []
        self._lost = [0]
        lost = 0
        for run in _RUNS.finditer(folded):
            start, end = run.span()
            if folded.find(b"\n", start, end) >= 0:
                self.breaks.append(start - lost)
            if end - start > 1:
                lost += end - start - 1
                self._runs.append(end - lost)
                self._lost.append(lost)
        folded = folded.replace(b"\n", b" ")
        self.folded = _SPACE_RUNS.sub(b" ", folded) if lost else folded

    def _fold(self, text: str) -> bytes:
        same = _folded(text)
        folded = same.encode()
        self.slack = len(folded) - len(text)
        if len(folded) != len(self.data) or any(c in text for c in _LONGER):
            self.exact = False
            self._steps = _steps(text, same)
        return folded

    def byte(self, place: int) -> int:
        """The byte of the original where the folded byte at ``place`` stands."""
        place += self._lost[bisect_right(self._runs, place)]
        return place if self._steps is None else self._steps[place]

    def around(self, begin: int, first: int, last: int, end: int, *, one_line: bool) -> tuple[int, int]:
        """The bytes of the original for a stretch of the folded text, on the lines of ``first`` to ``last`` only."""
        if one_line and self.breaks:
            breaks = self.breaks
            before = bisect_right(breaks, first)
            if before and breaks[before - 1] > begin:
                begin = breaks[before - 1]
            after = bisect_right(breaks, last)
            if after < len(breaks) and breaks[after] < end:
                end = breaks[after] + 1
        begin, end = max(begin, 0), min(end, len(self.folded))
        runs, lost = self._runs, self._lost
        begin += lost[bisect_right(runs, begin)]
        end += lost[bisect_right(runs, end)]
        return (begin, end) if self._steps is None else (self._steps[begin], self._steps[end])


def _steps(text: str, same: str) -> list[int]:
    """For each byte of the folded text, and its end, the byte of the original that it comes of."""
    steps: list[int] = []
    ends = accumulate(len(one.encode()) for one in text)
    start = 0
    for one, end in zip(same, ends, strict=True):
        steps += [start] * len(one.encode())
        start = end
    steps.append(start)
    return steps
