"""A throw-away server with as many fresh databases as one likes.

For tests, and for anything that wants to try the real store without leaving a trace.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta

import asyncpg

from rung.store import embedded, migrate
from rung.store.embedded import Embedded
from rung.store.postgres import Store

KEY = bytes(range(32))
TEMPLATE = "scratch_template"


@dataclass(slots=True)
class Scratch:
    """A running throw-away server. ``scratch()`` makes one.

    ``database`` gives an empty, migrated database in a tenth of a second, ``store`` a store on one.
    """

    server: Embedded
    _count: int = 0
    _making: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def database(self, *, migrated: bool = True) -> str:
        """The name of a new database that belongs to the schema's owner."""
        async with self._making:
            if not self._count:
                await self._create(TEMPLATE, "template0")
                await migrate.migrate(self.server.dsn(embedded.OWNER, TEMPLATE))
            self._count += 1
            name = f"scratch_{self._count}"
            await self._create(name, TEMPLATE if migrated else "template0")
        return name

    @contextlib.asynccontextmanager
    async def store(self, database: str = "", *, shift: timedelta = timedelta()) -> AsyncIterator[Store]:
        """A store on ``database``, or on a new one."""
        name = database or await self.database()
        async with await Store.open(
            self.server.dsn(embedded.APP, name),
            admin_dsn=self.server.dsn(embedded.OWNER, name),
            key=KEY,
            shift=shift,
        ) as store:
            yield store

    async def _create(self, name: str, template: str) -> None:
        connection = await asyncpg.connect(self.server.dsn(embedded.ADMIN, "postgres"))
        try:
            # Both names are ours; CREATE DATABASE takes no parameters.
            await connection.execute(
                f"CREATE DATABASE {name} OWNER {embedded.OWNER} TEMPLATE {template} STRATEGY wal_log"
            )
        finally:
            await connection.close()


@contextlib.asynccontextmanager
async def scratch() -> AsyncIterator[Scratch]:
    """A throw-away server; everything is removed in the end."""
    with contextlib.ExitStack() as stack:
        path = stack.enter_context(embedded.throwaway_data_dir())
        server = await asyncio.to_thread(embedded.start, path, durable=False)
        stack.callback(server.release)
        yield Scratch(server)
