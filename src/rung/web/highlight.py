"""Text split so that the quoted words of each reason can be marked, however they overlap."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from rung.core.payload import without_surrogates
from rung.model import Because

_LIT_WORDS = "background:var(--lit);box-shadow:inset 0 -4px 0 var(--accent)"
_LIT_REASON = "background:var(--lit);outline:2px solid var(--accent)"

REASON_LIMIT = 40
"""Reasons that get a colour link of their own; more are listed without."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A piece of text. ``reasons`` are the numbers of the reasons that quote it, ``first`` those that begin here."""

    text: str
    reasons: tuple[int, ...] = ()
    first: tuple[int, ...] = ()


def segments(text: str, field: str, because: Sequence[Because]) -> tuple[Segment, ...]:
    """The field's text in pieces; joined they are the text again.

    Reason ``n`` is ``because[n - 1]``. A place outside the text is cut to it; one that is then empty is left out.
    """
    spans = []
    for number, reason in enumerate(because, 1):
        if reason.field != field or reason.start is None or reason.end is None:
            continue
        start, end = max(0, reason.start), min(len(text), reason.end)
        if start < end:
            spans.append((start, end, number))
    cuts = sorted({0, len(text), *(s for s, _, _ in spans), *(e for _, e, _ in spans)})
    pieces = []
    for start, end in pairwise(cuts):
        covering = tuple(n for s, e, n in spans if s <= start and end <= e)
        begins = tuple(n for s, _, n in spans if s == start)
        pieces.append(Segment(without_surrogates(text[start:end]), covering, begins))
    return tuple(pieces)


def reason_rules(limit: int = REASON_LIMIT) -> str:
    """CSS that lights the words of a reason while the reason is pointed at, focused or gone to, and back."""
    rules = []
    for n in range(1, limit + 1):
        pointed_at = f"main:has(#reason-{n}:is(:hover,:focus-within,:target),#quote-{n}:target) .quote-{n}"
        words = f"main:has(.quote-{n}:is(:hover,:focus-within)) .quote-{n}"
        reason = (
            f"main:has(.quote-{n}:is(:hover,:focus-within),#quote-{n}:target) #reason-{n},#reason-{n}:target"
        )
        rules.append(f"{pointed_at},{words}{{{_LIT_WORDS}}}")
        rules.append(f"{reason}{{{_LIT_REASON}}}")
    return "\n".join(rules)
