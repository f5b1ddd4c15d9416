"""Words that make people wait for waiting's sake, in the English of policies.

"Try for two hours first" and "not during business hours" are how an escalation path harms itself: the clock of
the customer runs meanwhile. What decides is the cost of the next hour of investigation by the current owner.
"""

from __future__ import annotations

import re

_COUNT = (
    r"(?:an?|one|two|three|four|five|six|eight|ten|twelve|twenty|thirty|forty|fifty|sixty|half an?|a few"
    r"|several|some)"
)
_UNIT = r"(?:hrs?|hours?|mins?|minutes?|days?|weeks?)\b"
_SPAN = (
    rf"(?:\d+(?:[.,]\d+)?[\s-]*(?:h\b|m\b|d\b|(?:business\s+|working\s+)?{_UNIT})"
    rf"|{_COUNT}[\s-]+(?:full\s+|more\s+|whole\s+|business\s+|working\s+)?{_UNIT})"
)
_HAND_OVER = (
    r"(?:escalat\w*|hand(?:ing)?[\s-]*(?:it\s+)?(?:over|off)|pag(?:e|ing)\b|call(?:ing)?\b|involv\w+"
    r"|ask(?:ing)?\b|rais(?:e|ing)\b)"
)
_TRY = (
    r"(?:try|tries|trying|work(?:ing)?(?:\s+on)?|investigat\w+|spend|spent|look(?:ing)?\s+into|keep|search\w*"
    r"|troubleshoot\w*|own(?:ed)?)"
)
_LEAST = r"(?:at least|a minimum of|minimum|no less than)"
_OFFICE = r"(?:business|office|working|opening)\s+(?:hours|days?)"
_NOT_YET = r"(?:after|before|until|within the first)"
_NEVER = r"(?:only|never|not|don't|do not|no)\b"

_PATTERNS = tuple(
    re.compile(r"\b" + pattern, re.IGNORECASE)
    for pattern in (
        rf"{_TRY}\b[^.;]{{0,40}}\b(?:for|{_LEAST})\s+(?:{_LEAST}\s+)?{_SPAN}",
        rf"{_TRY}\s+{_SPAN}",
        rf"{_LEAST}\s+{_SPAN}[^.;]{{0,60}}\b(?:before|first|until|prior)\b",
        rf"{_SPAN}[^.;]{{0,40}}\bbefore\s+(?:you\s+|we\s+|they\s+)?{_HAND_OVER}",
        rf"before\s+(?:you\s+|we\s+)?{_HAND_OVER}[^.;]{{0,40}}\b(?:wait|{_SPAN})",
        rf"{_NEVER}[^.;]{{0,40}}\b{_HAND_OVER}[^.;]{{0,30}}\b{_NOT_YET}\s+(?:at least\s+)?{_SPAN}",
        rf"{_HAND_OVER}\s+(?:only\s+)?(?:after|not before|no sooner than)\s+(?:at least\s+)?{_SPAN}",
        rf"(?:{_NEVER}|except\b|unless\b)[^.;]{{0,40}}\b(?:during|in|within|outside|after)\s+(?:of\s+)?{_OFFICE}",
        rf"(?:during|within|outside|after|until|in)\s+(?:of\s+|the\s+)?(?:next\s+)?{_OFFICE}\s+only\b",
        rf"(?:outside|after)\s+(?:of\s+)?{_OFFICE}[^.;]{{0,40}}\b(?:wait|next|morning|monday|queue|hold)",
        rf"{_OFFICE}[\s-]+only\b",
        rf"wait(?:s|ing)?\s+(?:for\s+)?(?:at least\s+)?(?:{_SPAN}|until\b|till\b)",
        r"(?:hold off|hold back|sit on (?:it|this)|let it sit|sleep on it)\b",
        rf"(?:until|till)\s+(?:the\s+)?(?:next\s+)?(?:morning|monday|tomorrow|{_OFFICE})\b",
        rf"give\s+(?:it|them|the customer|l1|l2)\s+{_SPAN}",
        r"(?:cool(?:ing)?[\s-]*(?:down|off)|grace|waiting)\s+(?:period|time|window)\b",
        rf"(?:mandatory|required|minimum)\s+(?:wait\w*|delay|{_SPAN}|(?:investigation|handling|holding)\s+time)",
    )
)
_ID_PATTERNS = tuple(
    re.compile(pattern)
    for pattern in (
        r"\bwait(?:ing)?\b(?! for (?:customer|reply|approval))",
        r"\b(?:business|office|working) hours\b",
        r"\bafter \d+ ?(?:h|hours?|m|min|minutes?|d|days?)\b",
        r"\b(?:cool ?down|cooling off|hold off|delay(?:ed)?)\b",
        r"\btry first\b",
    )
)
_SPACE = re.compile(r"\s+")


def waiting_words(text: str) -> str:
    """The words of ``text`` that tell people to wait; empty when none do."""
    plain = _SPACE.sub(" ", text.replace("’", "'"))
    return _first(_PATTERNS, plain)


def waiting_name(name: str) -> str:
    """The part of an id that says that the rule is about waiting; empty when none does."""
    return _first(_ID_PATTERNS, re.sub(r"[-_/]+", " ", name.casefold()))


def _first(patterns: tuple[re.Pattern[str], ...], text: str) -> str:
    found = [match for pattern in patterns if (match := pattern.search(text))]
    return min(found, key=lambda match: (match.start(), -match.end())).group().strip() if found else ""
