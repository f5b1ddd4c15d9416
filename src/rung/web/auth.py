"""API tokens: ``Authorization: Bearer rung_…``. Only the SHA-256 of a token is stored.

The secret has 256 random bits, so a plain hash cannot be guessed back and needs no salt or stretching.
Looking up by the hash says nothing of the secret through its time: a caller cannot choose the hash.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import datetime, timedelta

from starlette.requests import Request

from rung.errors import Forbidden, Unauthenticated
from rung.store.controls import TOKEN_PREFIX
from rung.store.rows import Token
from rung.web.deps import Records

SCOPES: dict[str, str] = {
    "tickets:write": "Send tickets and messages.",
    "tickets:read": "Read tickets and their decisions, and ask what Rung would decide.",
    "policy:read": "Read the published policy and its log.",
    "deployments:write": "Report deployments.",
    "accounts:write": "Set what is known of an account.",
    "admin": "Everything.",
}
"""Every scope with what it allows."""

CACHE_FOR = timedelta(seconds=5)
"""How long a revoked token may still work: the intake path must not cost a query each time."""
_CACHE_LIMIT = 1_000
_LENGTH_LIMIT = 200


class Gate:
    """Knows whether a request may do what it asks for."""

    def __init__(self, records: Records, clock: Callable[[], datetime]) -> None:
        self._records = records
        self._clock = clock
        self._known: dict[bytes, tuple[Token, datetime]] = {}

    async def allow(self, request: Request, scope: str) -> Token:
        """The token of a request that carries the scope.

        Raises:
            Unauthenticated: no token, an unknown or an expired one.
            Forbidden: the token lacks the scope.
        """
        kind, _, secret = request.headers.get("authorization", "").partition(" ")
        if kind.lower() != "bearer" or not secret.strip():
            raise Unauthenticated(
                "send the header `Authorization: Bearer rung_…`; `rung token create` makes a token"
            )
        now = self._clock()
        token = await self._find(secret.strip(), now)
        if token is None:
            raise Unauthenticated("the token is not known; it may have been revoked")
        if token.expires_at is not None and token.expires_at <= now:
            raise Unauthenticated("the token has expired; `rung token create` makes a new one")
        if scope not in token.scopes and "admin" not in token.scopes:
            raise Forbidden(f"the token {token.name!r} lacks the scope {scope}; use one that has it")
        return token

    async def _find(self, secret: str, now: datetime) -> Token | None:
        if not secret.startswith(TOKEN_PREFIX) or len(secret) > _LENGTH_LIMIT:
            return None
        # The hash stands for the secret, so that no secret stays in memory.
        digest = hashlib.sha256(secret.encode("utf-8", "replace")).digest()
        known = self._known.get(digest)
        if known is not None and now < known[1]:
            return known[0]
        token = await self._records.find_token(secret)
        if token is None:
            self._known.pop(digest, None)
            return None
        if len(self._known) >= _CACHE_LIMIT:
            self._known.clear()
        self._known[digest] = (token, now + CACHE_FOR)
        return token
