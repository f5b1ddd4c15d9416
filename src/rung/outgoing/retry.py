"""When a call is tried again, and after how long. Pure but for the default jitter."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from random import SystemRandom

import httpx

from rung.errors import RateLimited, RungError, Unavailable

IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})
"""Methods that may be sent twice with the effect of once."""

TOO_MANY = 429
BUSY = frozenset({502, 503, 504})
LONGEST_WAIT = timedelta(days=1)
"""The most that a service's ``Retry-After`` is believed."""

_FIRST_WAIT = 0.5
_LONGEST_BACKOFF = 8.0
_SECONDS = re.compile(r"[0-9]{1,9}")


@dataclass(frozen=True, slots=True)
class Failure:
    """One attempt that did not work: what to raise if it was the last, and whether another may help."""

    error: RungError
    again: bool = True
    after: timedelta | None = None


def full_jitter(ceiling: float) -> float:
    """Any wait up to the ceiling, all equally likely, so that many clients do not come back together."""
    return SystemRandom().uniform(0, ceiling)


def back_off(attempt: int) -> float:
    """The longest wait in seconds after the given attempt (0 is the first), before jitter."""
    return float(min(_FIRST_WAIT * 2 ** min(attempt, 10), _LONGEST_BACKOFF))


def retry_after(headers: httpx.Headers, now: datetime) -> timedelta | None:
    """How long the service asks to wait, between none and a day; ``None`` when it does not say."""
    written = headers.get("retry-after", "").strip()
    if _SECONDS.fullmatch(written):
        return min(timedelta(seconds=int(written)), LONGEST_WAIT)
    try:
        until = parsedate_to_datetime(written)
    except ValueError:
        return None
    if until.tzinfo is None:
        until = until.replace(tzinfo=UTC)
    return min(max(until - now, timedelta(0)), LONGEST_WAIT)


def judge(status: int, headers: httpx.Headers, *, service: str, call: str, now: datetime) -> Failure | None:
    """A status that asks for another attempt, as a failure; ``None`` for an answer."""
    if status not in BUSY and status != TOO_MANY:
        return None
    after = retry_after(headers, now)
    if status == TOO_MANY:
        return Failure(RateLimited(service, after or timedelta(seconds=back_off(0))), after=after)
    return Failure(Unavailable(f"{call} answered {status}"), after=after)
