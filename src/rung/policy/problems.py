"""What can be wrong with a policy: every stable code with its meaning, and the nearest valid name."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping
from types import MappingProxyType

CODES: Mapping[str, str] = MappingProxyType(
    {
        # found while loading
        "bad-encoding": "A file is not UTF-8 text.",
        "bad-yaml": "A file is not valid YAML; tabs and unclosed brackets are the usual causes.",
        "bad-value": "A value is of the right kind but not allowed here.",
        "bad-pattern": "A pattern is refused by RE2 (its own words are quoted), or it matches empty text.",
        "duplicate-id": "Two rules of one list have the same id.",
        "duplicate-key": "A key stands twice in one mapping, so that one of the two values would be lost.",
        "missing-file": "A file that every policy needs is not there.",
        "missing-key": "A key that has no default is not there.",
        "too-large": "A file, its nesting or what its aliases unfold to is above the limit.",
        "unknown-file": "A YAML file has a name that no part of the policy has.",
        "unknown-key": "A key is not one of those that its place knows.",
        "unknown-name": "A team, level, scope item, signature, trigger, service or fact is named nowhere else.",
        "wrong-type": "A value is of another kind, for example a list where text is expected.",
        # found by the linter
        "dead-trigger": "A trigger fires, but no route takes its signature past the first support level.",
        "duplicate-trigger": "Two triggers match the same text, upper and lower case aside.",
        "escalation-cycle": "The escalation steps of some levels lead back to where they began.",
        "many-triggers": "There are more than 30 triggers: the list is no longer alive, prune it.",
        "missing-fallback": "The last route has conditions, so that a ticket may reach nobody.",
        "shadowed-route": "An earlier route takes every ticket that this one could take.",
        "too-few-examples": "A signature has fewer than 15 matching or 10 not matching examples.",
        "uncollected-evidence": "Evidence is asked for that no installed collector brings.",
        "unreachable-route": "The conditions of a route contradict each other, or it stands after the fallback.",
        "unrecognisable-signature": "The weights of a signature and its triggers cannot add up to what it needs.",
        "unrouted-scope": "The matrix promises a scope item that no route reaches.",
        "unstaffed-level": "A route or an escalation step reaches a level that nobody staffs.",
        "unused-signature": "No route names the signature, so that recognising it changes nothing.",
        "waiting-rule": "A rule makes people wait for waiting's sake; the question is what the next hour costs.",
        "wrong-example": "An example contradicts its signature.",
    }
)
"""Stable code → what it means. The reference page lists them."""

WARNINGS = frozenset({"many-triggers", "too-few-examples", "uncollected-evidence"})
"""Codes that do not block publishing."""


_SHORT = 4


def nearest(name: str, names: Collection[str]) -> str:
    """The valid name that ``name`` was most likely meant to be; empty when none is close."""
    by_fold = {known.casefold(): known for known in sorted(names, reverse=True)}
    folded = name.casefold()
    if folded in by_fold:
        return by_fold[folded]
    cutoff = 0.5 if len(folded) > _SHORT else 0.6
    close = difflib.get_close_matches(folded, sorted(by_fold), n=1, cutoff=cutoff)
    if close:
        return by_fold[close[0]]
    # ``product`` for ``backend/product``, ``backend`` for ``backend/product``: a part says enough.
    parts = [known for known in sorted(names) if folded and folded in known.casefold().split("/")]
    return parts[0] if parts else ""


def one_of(names: Collection[str], *, most: int = 12) -> str:
    """The valid names in words, for ``expected``: all when they are few, else their number and the first."""
    if not names:
        return "nothing: none is defined"
    ordered = sorted(names)
    if len(ordered) == 1:
        return ordered[0]
    if len(ordered) <= most:
        return "one of " + ", ".join(ordered)
    return f"one of {len(ordered)} names ({', '.join(ordered[:3])}, …)"


def shown(value: object, *, most: int = 60) -> str:
    """A value as the author of a policy wrote it, cut to a readable length."""
    match value:
        case None:
            return "nothing"
        case bool():
            return "true" if value else "false"
        case int() | float():
            return f"the number {value}"
        case dict():
            return "a mapping" if value else "an empty mapping"
        case list():
            return "a list" if value else "an empty list"
        case _:
            text = str(value)
            cut = text if len(text) <= most else text[: most - 1] + "…"
            return "'" + "".join(c if c.isprintable() else repr(c)[1:-1] for c in cut) + "'"
