"""What the signature schemes of webhooks have in common: a keyed hash, a replay window, constant time."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from datetime import datetime, timedelta

from rung.errors import Unauthenticated

REPLAY_WINDOW = timedelta(minutes=5)
"""How far the sender's time may be from ours, in both directions."""


def hmac_sha256(secret: bytes, content: bytes) -> bytes:
    """The keyed hash."""
    return hmac.new(secret, content, hashlib.sha256).digest()


def required(headers: Mapping[str, str], name: str) -> str:
    """The value of a header that a signature needs.

    Raises:
        Unauthenticated: it is missing or empty.
    """
    value = headers.get(name, "")
    if not value:
        raise Unauthenticated(f"the header {name} is missing; set the webhook's signing secret at the sender")
    return value


def check_window(sent: datetime, now: datetime) -> None:
    """Refuse what was signed outside the replay window.

    Raises:
        Unauthenticated: it is stale, or from the future.
    """
    if abs(now - sent) > REPLAY_WINDOW:
        when = "too old" if sent < now else "in the future"
        minutes = REPLAY_WINDOW.seconds // 60
        raise Unauthenticated(
            f"the signature's timestamp is {when}: more than {minutes} minutes from this server's clock; "
            "send it again, or set the clocks"
        )
