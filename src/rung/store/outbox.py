"""The outbox: commands with their attempts and receipts, as workers and operators see them."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Sequence
from datetime import timedelta

from rung.core.payload import storable_text as storable
from rung.errors import NotFound
from rung.store.codec import from_json
from rung.store.database import Database
from rung.store.migrate import QUEUE_MODULE, WAKE, queue_queries
from rung.store.rows import Claimed, Page, Parked

ERROR_LIMIT = 2_000


class Outbox:
    """The part of the store that workers use."""

    _database: Database

    async def claim_commands(
        self, kinds: Sequence[str], *, limit: int, lease: timedelta
    ) -> tuple[Claimed, ...]:
        """Take due commands, and those whose worker let its lease run out; nobody else gets them meanwhile."""
        rows = await self._database.rows("claim_commands", limit, lease, list(kinds))
        return tuple(
            Claimed(r["id"], r["kind"], r["key"], from_json(r["payload"]), r["attempts"], r["last_error"])
            for r in sorted(rows, key=lambda r: int(r["id"]))
        )

    async def extend_leases(self, commands: Sequence[Claimed], lease: timedelta) -> None:
        """Keep commands that take long."""
        await self._database.changed("extend_leases", [c.id for c in commands], lease)

    async def end_command(self, command: Claimed) -> bool:
        """Note that it is done; False when the lease had run out and another worker has it."""
        return bool(await self._database.changed("end_command", command.id, command.attempts))

    async def postpone_command(self, command: Claimed, *, delay: timedelta, error: str) -> bool:
        """Try it again later; False when another worker has it."""
        return bool(
            await self._database.changed(
                "postpone_command", command.id, command.attempts, delay, storable(error)[:ERROR_LIMIT]
            )
        )

    async def release_command(self, command: Claimed) -> bool:
        """Give it back untouched, as if it had not been taken: this worker stops."""
        return bool(await self._database.changed("release_command", command.id, command.attempts))

    async def park_command(self, command: Claimed, *, error: str) -> bool:
        """Set it aside with its error until somebody drives it again."""
        return bool(
            await self._database.changed(
                "park_command", command.id, command.attempts, storable(error)[:ERROR_LIMIT]
            )
        )

    async def parked_commands(self, cursor: int | None = None, limit: int = 50) -> Page[Parked]:
        """Commands that were set aside, the latest first."""
        rows = await self._database.rows("parked_commands", cursor, limit + 1)
        parked = tuple(Parked(**{**row, "payload": from_json(row["payload"])}) for row in rows[:limit])
        return Page(parked, parked[-1].id if len(rows) > limit else None)

    async def redrive_commands(self, number: int | None = None) -> int:
        """Queue one parked command again, or all of them, with fresh attempts; how many.

        Raises:
            NotFound: no parked command has this number.
        """
        count = await self._database.changed("redrive_commands", number)
        if number is not None and not count:
            raise NotFound(f"there is no parked command {number}")
        return count

    async def next_command(self, kinds: Sequence[str]) -> timedelta | None:
        """How long until something can be claimed; None when nothing waits."""
        wait: timedelta | None = await self._database.value("next_command", list(kinds))
        return wait

    async def ring(self, key: str) -> None:
        """Wake the workers of other processes through pgqueuer; one wake waits per key at most."""
        await asyncio.to_thread(importlib.import_module, QUEUE_MODULE)  # a third of a second, once
        async with self._database.read() as connection:
            await queue_queries(connection).enqueue(WAKE, None, dedupe_key=key, on_conflict="skip")
