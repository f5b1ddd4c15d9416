"""What an operator sets: policies, switches, tokens, connections; and kept payloads."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from rung.core.payload import storable_text as storable
from rung.errors import Malformed, NotFound
from rung.model import Json, Mode
from rung.policy.bundle import pack, unpack
from rung.store.codec import from_json, to_json
from rung.store.database import Database
from rung.store.queries import sql
from rung.store.rows import Connection, Kept, Page, PolicyMove, Token
from rung.store.vault import Vault

TOKEN_PREFIX = "rung_"  # noqa: S105 - the recognisable beginning, not a secret


class Controls:
    """The part of the store that changes by hand.

    Args:
        database: the pools.
        vault: seals connection secrets and payloads.
    """

    def __init__(self, database: Database, vault: Vault) -> None:
        self._database = database
        self._vault = vault

    # ------------------------------------------------------------ policies
    async def publish(
        self, version: str, files: Mapping[str, str], *, author: str = "", note: str = ""
    ) -> bool:
        """Store a policy under its version and make it the published one; False if it already was.

        The same version always keeps the files it was first published with.
        """
        blob = pack(files)
        async with self._database.read() as connection, connection.transaction():
            await connection.execute(sql("lock_policy"))
            await connection.execute(sql("insert_policy"), version, blob, author, note)
            if await connection.fetchval(sql("current_policy")) == version:
                return False
            await connection.execute(sql("move_policy"), version, "publish", author, note)
            await connection.execute(
                sql("record"), ["policy_published"], [None], [to_json({"version": version, "author": author})]
            )
        return True

    async def rollback(self, version: str | None = None, *, author: str = "", note: str = "") -> str:
        """Move the pointer back to ``version``, or to the one published before; the version it now is.

        Raises:
            NotFound: it was never published, or there is no earlier one.
        """
        async with self._database.read() as connection, connection.transaction():
            await connection.execute(sql("lock_policy"))
            wanted = version or await connection.fetchval(sql("previous_policy"))
            if wanted is None:
                raise NotFound("there is no earlier policy to go back to")
            if await connection.fetchval(sql("policy_blob"), wanted) is None:
                raise NotFound(f"policy {wanted} was never published")
            await connection.execute(sql("move_policy"), wanted, "rollback", author, note)
            await connection.execute(
                sql("record"),
                ["policy_rolled_back"],
                [None],
                [to_json({"version": wanted, "author": author})],
            )
        return str(wanted)

    async def current_policy(self) -> str:
        """The published version; empty before the first publish."""
        return await self._database.value("current_policy") or ""

    async def policy_log(self, cursor: int | None = None, limit: int = 50) -> Page[PolicyMove]:
        """Every publish and rollback, the latest first."""
        rows = await self._database.rows("policy_log", cursor, limit + 1)
        moves = tuple(PolicyMove(**row) for row in rows[:limit])
        return Page(moves, moves[-1].id if len(rows) > limit else None)

    async def files(self, version: str) -> Mapping[str, str]:
        """The files of a published version (relative path → text).

        Raises:
            NotFound: no such version was ever published.
        """
        blob = await self._database.value("policy_blob", version)
        if blob is None:
            raise NotFound(f"policy {version} was never published")
        return unpack(blob)

    # ------------------------------------------------------------ switches
    async def set_mode(self, scope: str, mode: Mode | None, *, author: str = "") -> None:
        """Set the ceiling of ``""`` (all), ``connector:<name>`` or ``signature:<id>``; None removes it."""
        if mode is None:
            await self._database.changed("clear_mode", scope)
        else:
            if scope and scope.partition(":")[0] not in {"connector", "signature"}:
                raise Malformed("expected '', connector:<name> or signature:<id>", where="scope")
            await self._database.changed("set_mode", scope, mode, author)

    async def modes(self) -> Mapping[str, Mode]:
        """The ceilings that are set."""
        return {row["scope"]: row["mode"] for row in await self._database.rows("modes")}

    # ------------------------------------------------------------ tokens
    async def create_token(
        self, name: str, scopes: Sequence[str], *, expires_at: datetime | None = None
    ) -> tuple[Token, str]:
        """A new API token and its secret, which is shown this once: only its hash is stored."""
        secret = TOKEN_PREFIX + secrets.token_urlsafe(32)
        row = await self._database.row(
            "create_token", secrets.token_hex(6), name, _hash(secret), list(scopes), expires_at
        )
        return _token(row), secret

    async def tokens(self) -> tuple[Token, ...]:
        """Every token, the revoked ones too, oldest first."""
        return tuple(_token(row) for row in await self._database.rows("tokens"))

    async def revoke_token(self, token_id: str) -> None:
        """End a token.

        Raises:
            NotFound: there is none with this id that is still valid.
        """
        if not await self._database.changed("revoke_token", token_id):
            raise NotFound(f"there is no valid token {token_id!r}")

    async def find_token(self, secret: str) -> Token | None:
        """The valid token with this secret, or None. Its day of last use is noted.

        The secret has 256 random bits, so looking its hash up in an index gives nothing away by time.
        """
        row = await self._database.row("token_by_hash", _hash(secret))
        if row is None:
            return None
        if row["last_used"] != row["today"]:
            await self._database.changed("token_used", row["id"])
        return _token(row)

    # ------------------------------------------------------------ connections
    async def set_connection(
        self, connector: str, settings: Mapping[str, Json], *, secret: str | None = None
    ) -> None:
        """Set a connector up; without ``secret`` the one it has stays. The secret is stored encrypted."""
        sealed = None if secret is None else self._vault.seal(secret.encode(), f"connection:{connector}")
        await self._database.changed("set_connection", connector, sealed, to_json(settings))

    async def connection(self, connector: str) -> Connection:
        """A connector's settings and secret.

        Raises:
            NotFound: it is not set up.
            Broken: its secret was stored with another key.
        """
        row = await self._database.row("connection", connector)
        if row is None:
            raise NotFound(f"connector {connector!r} is not set up")
        return self._connection(row)

    async def connections(self) -> tuple[Connection, ...]:
        """Every connector that is set up, without secrets."""
        rows = await self._database.rows("connections")
        return tuple(
            Connection(
                r["connector"], "•" if r["has_secret"] else "", from_json(r["settings"]), r["updated_at"]
            )
            for r in rows
        )

    async def remove_connection(self, connector: str) -> None:
        """Forget a connector with its secret.

        Raises:
            NotFound: it is not set up.
        """
        if not await self._database.changed("remove_connection", connector):
            raise NotFound(f"connector {connector!r} is not set up")

    def _connection(self, row: Mapping[str, Any]) -> Connection:
        connector, sealed = row["connector"], row["secret"]
        secret = self._vault.open(sealed, f"connection:{connector}").decode() if sealed else ""
        return Connection(connector, secret, from_json(row["settings"]), row["updated_at"])

    # ------------------------------------------------------------ kept payloads
    async def keep_payload(
        self,
        connector: str,
        body: bytes,
        *,
        reason: str,
        headers: Mapping[str, str],
        delivery: str = "",
        keep: timedelta = timedelta(days=30),
    ) -> int:
        """Keep an authentic payload encrypted until it is driven again or expires; its number.

        Pass only the headers that parsing needs, never a signature or a secret. The same delivery is kept once.
        """
        number: int = await self._database.value(
            "keep_payload",
            connector,
            storable(delivery),
            storable(reason),
            to_json(headers),
            self._vault.seal(body, "payload"),
            keep,
        )
        return number

    async def kept(
        self,
        cursor: int | None = None,
        limit: int = 50,
        *,
        state: str | None = "kept",
        connector: str | None = None,
    ) -> Page[Kept]:
        """Kept payloads without their bodies, the latest first; ``state`` None lists the redriven ones too."""
        rows = await self._database.rows("kept", cursor, limit + 1, state, connector)
        found = tuple(_kept(row) for row in rows[:limit])
        return Page(found, found[-1].id if len(rows) > limit else None)

    async def kept_payload(self, number: int) -> tuple[Kept, bytes]:
        """A kept payload with its body.

        Raises:
            NotFound: there is none, or it expired.
            Broken: it was kept with another key.
        """
        row = await self._database.row("kept_payload", number)
        if row is None:
            raise NotFound(f"there is no kept payload {number}")
        return _kept(row), self._vault.open(row["body"], "payload")

    async def mark_redriven(self, number: int) -> bool:
        """Note that a payload was taken in after all; False if it was noted before."""
        return bool(await self._database.changed("mark_redriven", number))


def _hash(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "replace")).digest()


def _token(row: Mapping[str, Any]) -> Token:
    return Token(
        **{k: v for k, v in row.items() if k not in {"scopes", "today"}}, scopes=tuple(row["scopes"])
    )


def _kept(row: Mapping[str, Any]) -> Kept:
    return Kept(**{**{k: v for k, v in row.items() if k != "body"}, "headers": from_json(row["headers"])})
