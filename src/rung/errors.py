"""Every error Rung raises on purpose. The message says what happened; the type says what to do.

RungError
├── Invalid              the caller must change what was sent; nothing was stored
│   ├── Malformed        a payload or ticket is not what its format says
│   ├── PolicyInvalid    a policy has problems; carries all of them
│   └── TooLarge         a payload is above its limit
├── Unauthenticated      no valid token or signature came with it
├── Forbidden            the token does not carry the scope
├── NotFound             nothing has that name
├── Conflict             it clashes with what is stored; read again, then decide
├── Refused              the outgoing guard does not let this address be contacted
├── Retryable            the same call may succeed later
│   ├── Unavailable      a service (or the database) does not answer
│   └── RateLimited      a service asked us to slow down
└── Broken               an installation cannot work until somebody mends it
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta


class RungError(Exception):
    """The root: everything below is raised by Rung itself."""


class Invalid(RungError):
    """The caller must change what was sent; nothing was stored."""


class Malformed(Invalid):
    """A payload or ticket is not what its format says.

    Args:
        message: what was found and what was expected.
        where: place inside the payload, e.g. ``messages[2].at`` or ``line 12``; empty for the whole.
    """

    def __init__(self, message: str, *, where: str = "") -> None:
        super().__init__(f"{where}: {message}" if where else message)
        self.where = where
        self.reason = message


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with a policy, with its place and what would mend it.

    ``code`` is stable and documented; ``error`` is false for a warning, which does not block publishing.
    """

    code: str
    message: str
    file: str = ""
    line: int = 0
    found: str = ""
    expected: str = ""
    suggestion: str = ""
    error: bool = True

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        text = f"{place}: " if place else ""
        text += f"{'error' if self.error else 'warning'}[{self.code}] {self.message}"
        if self.found:
            text += f"; found {self.found}"
        if self.expected:
            text += f"; expected {self.expected}"
        if self.suggestion:
            text += f"; did you mean {self.suggestion}?"
        return text


class PolicyInvalid(Invalid):
    """A policy has problems; all of them are in ``problems``."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(str(p) for p in problems) or "the policy is invalid")
        self.problems = tuple(problems)


class TooLarge(Invalid):
    """A payload is above its limit."""

    def __init__(self, what: str, limit: int) -> None:
        super().__init__(f"{what} is larger than {limit:,} bytes; send less at once")
        self.limit = limit


class Unauthenticated(RungError):
    """No valid token or signature came with the request."""


class Forbidden(RungError):
    """The token is valid but does not carry the scope."""


class NotFound(RungError):
    """Nothing has that name."""


class Conflict(RungError):
    """It clashes with what is stored; read again, then decide."""


class Refused(RungError):
    """The outgoing guard does not let this address be contacted."""


class Retryable(RungError):
    """The same call may succeed later."""


class Unavailable(Retryable):
    """A service, or the database, does not answer."""


class RateLimited(Retryable):
    """A service asked us to slow down."""

    def __init__(self, service: str, after: timedelta) -> None:
        super().__init__(f"{service} asked us to wait {after.total_seconds():.0f} s")
        self.after = after


class Broken(RungError):
    """An installation cannot work until somebody mends it; the message says how."""
