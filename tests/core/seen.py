"""Entities of a text as the engine sees them: through the gates, then tidied."""

from __future__ import annotations

import re2

from rung.core.entities import EXTRACTORS, tidy
from rung.model import EntityType


def _gates() -> re2.Set:
    gates = re2.Set.SearchSet()
    for extractor in EXTRACTORS:
        gates.Add(extractor.gate)
    gates.Compile()
    return gates


_GATES = _gates()


def spans(data: bytes) -> list[tuple[EntityType, int, int]]:
    """The entities of UTF-8 bytes with their places."""
    return tidy(found for at in _GATES.Match(data) or () for found in EXTRACTORS[at].find(data))


def ungated(data: bytes) -> list[tuple[EntityType, int, int]]:
    """The same with every extractor run, whatever its gate says."""
    return tidy(found for extractor in EXTRACTORS for found in extractor.find(data))


def seen(text: str) -> list[tuple[str, str]]:
    """The entities of a text as (type, value), in order."""
    data = text.encode("utf-8", "surrogatepass")
    return [(kind, data[start:end].decode("utf-8", "surrogatepass")) for kind, start, end in spans(data)]


def of_type(text: str, kind: EntityType) -> list[str]:
    """The values of one type in a text, in order, each once."""
    return list(dict.fromkeys(value for found, value in seen(text) if found == kind))
