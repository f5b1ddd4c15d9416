"""The guarded HTTP client: what may be contacted, time-outs, redirects, retries, and no secret in a message.

Everything Rung sends out goes through ``Outgoing``. The host name is resolved once, every address it has is
checked, and the connection goes to a checked address, so that a name which changes its mind between check
and use gains nothing. ``docs/outgoing.md`` says what is refused and how an operator lists an exception.
"""

from __future__ import annotations

from rung.outgoing.allowlist import Allowlist
from rung.outgoing.client import Outgoing
from rung.outgoing.pinned import PinnedTransport, Resolver, addresses_of, resolve_with_system
from rung.outgoing.reply import Response

__all__ = [
    "Allowlist",
    "Outgoing",
    "PinnedTransport",
    "Resolver",
    "Response",
    "addresses_of",
    "resolve_with_system",
]
