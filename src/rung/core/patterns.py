r"""RE2 over UTF-8 bytes: the words of a policy as patterns, and one set that says which of them a text holds.

RE2 runs in linear time whatever the pattern (https://github.com/google/re2/wiki/WhyRE2), so a policy cannot
hang the engine. ``\b`` and ``\w`` are ASCII in RE2; case folding happens inside RE2, so offsets hold.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import re2

_SET_MEMORY = 512 << 20
_ONE_MEMORY = 64 << 20


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


class PatternSet:
    """Which of many patterns occur in a text, in one pass over its bytes."""

    def __init__(self, patterns: Sequence[str]) -> None:
        self._patterns = tuple(patterns)
        self._singles: dict[int, Any] = {}
        self._set = re2.Set.SearchSet(_options(_SET_MEMORY))
        for pattern in self._patterns:
            try:
                self._set.Add(pattern.encode("utf-8", "replace"))
            except re2.error as refused:
                raise BadPattern(f"{pattern}: {refused}") from None
        # The sentinel matches every text: without it the binding cannot tell "nothing matched" from "the
        # automaton ran out of memory".
        self._sentinel = self._set.Add(rb"\z")
        self._set.Compile()

    def hits(self, data: bytes) -> list[int]:
        """Ascending indexes of the patterns that occur in ``data``."""
        found = self._set.Match(data)
        if found is None:  # out of memory inside RE2: slower, but never silently blind
            return [i for i in range(len(self._patterns)) if self.single(i).search(data)]
        found.sort()
        found.pop()  # the sentinel has the highest index
        return found  # type: ignore[no-any-return] # the binding has no type information

    def single(self, index: int) -> Any:
        """The pattern alone, compiled at its first use."""
        compiled = self._singles.get(index)
        if compiled is None:
            compiled = self._singles[index] = compile_one(self._patterns[index])
        return compiled
