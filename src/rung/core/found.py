"""The shape shared by everything that finds literal things in text: entity extractors and secret detectors.

Each has a *gate*, an RE2 pattern that stands in the policy's one RE2 set; ``find`` runs only on a field whose
gate matched, over the field's UTF-8 bytes. Spans are half-open byte ranges; the caller turns them into code
points.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeAlias

from rung.model import EntityType

Span: TypeAlias = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Extractor:
    """Finds entities of one family.

    ``find(data)`` yields ``(type, start, end)``; the value of the entity is exactly ``data[start:end]``.
    """

    name: str
    gate: str
    find: Callable[[bytes], Iterable[tuple[EntityType, int, int]]]


@dataclass(frozen=True, slots=True)
class Detector:
    """Finds secrets of one kind: ``find(data)`` yields the span of the secret value alone (not its label)."""

    kind: str
    gate: str
    find: Callable[[bytes], Iterable[Span]]
