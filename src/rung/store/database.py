"""Connections: two pools, one meaning for every way in which a database can be away."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from typing import Any

import asyncpg

from rung.errors import Broken, Conflict, Unavailable
from rung.store.queries import sql

SETTINGS = {
    "search_path": "rung, public",
    "role": "rung_app",
    "timezone": "UTC",
    "jit": "off",
    "application_name": "rung",
    "idle_in_transaction_session_timeout": "60s",
}
FLOW_SETTINGS = {
    **SETTINGS,
    # The batch statements are planned once per connection, often while the tables are still empty; every
    # access in them has its index, so a plan made then must not be a sequential scan for ever.
    "plan_cache_mode": "force_generic_plan",
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
}
READ_SETTINGS = {**SETTINGS, "plan_cache_mode": "force_custom_plan"}
COMMAND_TIMEOUT = 30.0
CONNECT_TIMEOUT = 10.0
PATIENCE = 2.0
"""Seconds during which a new transaction is tried again before ``Unavailable``: a restart of the embedded
server usually fits in."""


class _Quiet(asyncpg.Connection):  # type: ignore[misc] # asyncpg has no types
    """A connection that is not reset when it goes back to its pool: nothing of ours outlives a transaction."""

    def get_reset_query(self) -> str:
        """Nothing to do, and so no round trip."""
        return ""


@contextlib.contextmanager
def translated() -> Iterator[None]:
    """Turn what asyncpg raises into our errors."""
    try:
        yield
    except (
        OSError,  # includes TimeoutError: no socket, refused, reset, no answer in time
        asyncpg.PostgresConnectionError,
        asyncpg.OperatorInterventionError,  # shutdown, crash of a server process, cancelled
        asyncpg.InsufficientResourcesError,  # disk full, too many connections
        asyncpg.InterfaceError,  # the connection broke under us
        asyncpg.InternalClientError,  # the server said farewell to an idle connection that is not closed yet
    ) as error:
        raise Unavailable(f"the database does not answer: {error or type(error).__name__}") from error
    except (asyncpg.TransactionRollbackError, asyncpg.UniqueViolationError) as error:
        raise Conflict(f"another transaction was first: {error}") from error
    except (asyncpg.InvalidAuthorizationSpecificationError, asyncpg.InsufficientPrivilegeError) as error:
        raise Broken(f"the database does not let Rung do its work: {error}") from error


class Database:
    """The pools. ``flow`` serves the transactions of intake, ``reads`` everything else.

    Args:
        dsn: how to connect; every session becomes ``rung_app``.
        shift: how far the store's clock is moved; for tests.
    """

    def __init__(self, dsn: str, *, shift: timedelta = timedelta()) -> None:
        self.dsn = dsn
        self.shift = shift
        self._flow: Any = None
        self._reads: Any = None

    async def connect(self, *, flow: int, reads: int) -> None:
        """Open both pools with at most so many connections; the first of each at once.

        Raises:
            Unavailable: the database does not answer.
            Broken: its user may not become ``rung_app``.
        """
        with translated():
            try:
                self._flow, self._reads = await asyncio.gather(
                    self._pool(FLOW_SETTINGS, flow), self._pool(READ_SETTINGS, reads)
                )
                for pool in (self._flow, self._reads):
                    async with pool.acquire():
                        pass
            except asyncpg.InsufficientPrivilegeError as error:
                raise Broken(
                    f"the database does not let this user act as rung_app ({error}); have an administrator "
                    "run: GRANT rung_app TO <the user of RUNG_DATABASE_URL>"
                ) from error

    async def close(self) -> None:
        """Close all connections, those in use after a few seconds too."""
        for pool in (self._flow, self._reads):
            if pool is not None:
                try:
                    await asyncio.wait_for(pool.close(), 5)
                except TimeoutError:
                    pool.terminate()

    async def _pool(self, settings: dict[str, str], most: int) -> Any:
        return await asyncpg.create_pool(
            self.dsn,
            min_size=0,  # the pool's own upkeep of a minimum logs a traceback per try while the server is away
            max_size=most,
            timeout=CONNECT_TIMEOUT,
            command_timeout=COMMAND_TIMEOUT,
            max_inactive_connection_lifetime=0,
            max_cached_statement_lifetime=0,
            connection_class=_Quiet,
            server_settings=settings,
            setup=self._move_clock,
        )

    async def _move_clock(self, connection: Any) -> None:
        """Tell a session how far the clock is moved; costs nothing while it is not."""
        inner = getattr(connection, "_con", connection)  # the pool lends a proxy
        if getattr(inner, "rung_shift", timedelta()) != self.shift:
            await connection.execute(
                "SELECT set_config('rung.shift', $1, false)", f"{self.shift.total_seconds()} seconds"
            )
            inner.rung_shift = self.shift

    @contextlib.asynccontextmanager
    async def flow_transaction(self) -> AsyncIterator[Any]:
        """A connection in a transaction; tried again for a moment while the database restarts."""
        async with contextlib.AsyncExitStack() as stack:
            loop = asyncio.get_running_loop()
            deadline = loop.time() + PATIENCE
            while True:
                attempt = contextlib.AsyncExitStack()
                try:
                    with translated():
                        connection = await attempt.enter_async_context(self._flow.acquire())
                        await attempt.enter_async_context(connection.transaction())
                except BaseException as error:  # also when we are cancelled: the connection goes back
                    await attempt.aclose()
                    if not isinstance(error, Unavailable) or loop.time() > deadline:
                        raise
                    await asyncio.sleep(0.05)
                else:
                    stack.push_async_exit(attempt)
                    break
            yield connection

    @contextlib.asynccontextmanager
    async def read(self) -> AsyncIterator[Any]:
        """A connection for reads and small writes, with errors translated."""
        with translated():
            async with self._reads.acquire() as connection:
                yield connection

    @contextlib.asynccontextmanager
    async def listener(self) -> AsyncIterator[Any]:
        """A connection of its own outside the pools, for LISTEN."""
        with translated():
            connection = await asyncpg.connect(self.dsn, timeout=CONNECT_TIMEOUT, server_settings=SETTINGS)
        try:
            yield connection
        finally:
            connection.terminate()

    async def rows(self, name: str, *args: Any) -> list[Any]:
        """The rows of a named query."""
        async with self.read() as connection:
            return list(await connection.fetch(sql(name), *args))

    async def row(self, name: str, *args: Any) -> Any:
        """The first row of a named query, or None."""
        async with self.read() as connection:
            return await connection.fetchrow(sql(name), *args)

    async def value(self, name: str, *args: Any) -> Any:
        """The first column of the first row, or None."""
        async with self.read() as connection:
            return await connection.fetchval(sql(name), *args)

    async def changed(self, name: str, *args: Any) -> int:
        """Run a named statement; the number of rows it touched."""
        async with self.read() as connection:
            return int((await connection.execute(sql(name), *args)).rsplit(" ", 1)[-1])
