"""The schema: brought up to date at start, under a lock, by whoever is first.

Steps are files ``migrations/NNNN_name.sql``, each run in a transaction of its own. Expand, then contract: a
step may only add what the previous release can live with, and what it makes superfluous is dropped one
release later, so that old and new processes run beside each other during an upgrade. A database that has a
newer step than the program knows is refused.

pgqueuer's tables live in a schema of their own and are installed by pgqueuer itself, pinned by version.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import warnings
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import asyncpg

from rung.errors import Broken
from rung.store.queries import sql

QUEUE_SCHEMA = "pgqueuer"
QUEUE_MODULE = "pgqueuer.core.qm"
WAKE = "rung_wake"
"""The only kind of job that pgqueuer knows of us."""
_LOCK = 0x52756E67  # "Rung"


@dataclass(frozen=True, slots=True)
class Step:
    """One migration."""

    number: int
    name: str
    text: str


def steps() -> tuple[Step, ...]:
    """Every migration of this program in order."""
    found = []
    for entry in files("rung.store").joinpath("migrations").iterdir():
        if entry.name.endswith(".sql"):
            number, _, name = entry.name.removesuffix(".sql").partition("_")
            found.append(Step(int(number), name, entry.read_text(encoding="utf-8")))
    return tuple(sorted(found, key=lambda s: s.number))


async def migrate(dsn: str, *, restored: bool = False) -> int:
    """Bring the database up to date; the number of its last step.

    Quick when there is nothing to do: one connection, one query.

    Args:
        dsn: of a role that may create schemas, and roles unless ``rung_app`` exists.
        restored: the schema came from a backup, so rights must be granted even if no step is missing.

    Raises:
        Broken: the schema is newer than this program, or the role may not do what is needed.
        OSError: and asyncpg's connection errors; the caller knows what they mean.
    """
    connection = await asyncpg.connect(dsn, server_settings={"client_min_messages": "warning"})
    try:
        wanted = steps()[-1].number
        if not restored and await _is_current(connection, wanted):
            return wanted
        await connection.execute("SELECT pg_advisory_lock($1)", _LOCK)
        return await _bring_up(connection)
    except asyncpg.InsufficientPrivilegeError as error:
        raise Broken(f"the database user may not migrate: {error}; set RUNG_DATABASE_ADMIN_URL") from error
    finally:
        await connection.close()


async def _is_current(connection: Any, wanted: int) -> bool:
    return await _last_step(connection) == wanted and await _queue_version(connection) == _pinned()


async def check(connection: Any) -> int:
    """The last step of the database.

    Raises:
        Broken: it is not the one this program knows.
    """
    last, wanted = await _last_step(connection), steps()[-1].number
    if last > wanted:
        raise _newer(last, wanted)
    if last < wanted:
        raise Broken(f"the database is at step {last}, this Rung needs {wanted}; migrate it first")
    return last


def _newer(last: int, wanted: int) -> Broken:
    return Broken(
        f"the database was migrated to step {last} by a newer Rung, this one knows {wanted}; "
        "run the newer version, or restore a backup from before the upgrade"
    )


def _pinned() -> str:
    return importlib.metadata.version("pgqueuer")


async def _last_step(connection: Any) -> int:
    if await connection.fetchval("SELECT to_regclass('rung.schema_steps')") is None:
        return 0
    return int(await connection.fetchval("SELECT coalesce(max(number), 0) FROM rung.schema_steps"))


async def _queue_version(connection: Any) -> str:
    """The pgqueuer that installed its schema, kept as the comment of that schema."""
    found = await connection.fetchval(
        "SELECT obj_description(oid, 'pg_namespace') FROM pg_namespace WHERE nspname = $1", QUEUE_SCHEMA
    )
    return str(found or "").removeprefix("pgqueuer ")


async def _bring_up(connection: Any) -> int:
    last, known = await _last_step(connection), steps()
    if last > known[-1].number:
        raise _newer(last, known[-1].number)
    await _make_role(connection)
    await connection.execute("CREATE SCHEMA IF NOT EXISTS rung")
    await connection.execute(
        "CREATE TABLE IF NOT EXISTS rung.schema_steps "
        "(number integer PRIMARY KEY, name text NOT NULL, at timestamptz NOT NULL DEFAULT now())"
    )
    for step in known:
        if step.number > last:
            async with connection.transaction():
                await connection.execute("SET LOCAL search_path = rung, public")
                await connection.execute(step.text)
                await connection.execute(
                    "INSERT INTO rung.schema_steps (number, name) VALUES ($1, $2)", step.number, step.name
                )
    await _install_queue(connection)
    await connection.execute(sql("grants"))
    return known[-1].number


async def _make_role(connection: Any) -> None:
    """The application's role, and the right of this user to become it."""
    if not await connection.fetchval("SELECT 1 FROM pg_roles WHERE rolname = 'rung_app'"):
        try:
            await connection.execute("CREATE ROLE rung_app NOLOGIN")
        except asyncpg.DuplicateObjectError:  # another database of the same server was quicker
            pass
        except asyncpg.InsufficientPrivilegeError as error:
            raise Broken(
                "the database user may not create the role rung_app; have an administrator run: "
                "CREATE ROLE rung_app NOLOGIN; GRANT rung_app TO <the user of RUNG_DATABASE_URL>"
            ) from error
    if not await connection.fetchval(
        "SELECT pg_has_role('rung_app', CASE WHEN current_setting('server_version_num')::int >= 160000 "
        "THEN 'SET' ELSE 'MEMBER' END)"  # before 16 every member may
    ):
        # Not needed when the application connects as another user; it says so itself if its own cannot.
        with contextlib.suppress(asyncpg.InsufficientPrivilegeError):
            await connection.execute("GRANT rung_app TO CURRENT_USER")


async def _install_queue(connection: Any) -> None:
    if await _queue_version(connection) == _pinned():
        return
    queue = queue_queries(connection)
    if await queue.schema_is_installed():
        await queue.upgrade()
    else:
        await queue.install()
    await connection.execute(f"COMMENT ON SCHEMA {QUEUE_SCHEMA} IS 'pgqueuer {_pinned()}'")


def queue_queries(connection: Any) -> Any:
    """The queries of pgqueuer on a connection, in our names for its objects whatever the environment says."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        from pgqueuer.adapters.drivers.asyncpg import AsyncpgDriver
        from pgqueuer.adapters.persistence.qb import (
            QueryBuilderEnvironment,
            QueryQueueBuilder,
            QuerySchedulerBuilder,
        )
        from pgqueuer.adapters.persistence.queries import Queries
        from pgqueuer.domain.settings import DBSettings, Durability

    settings = DBSettings(prefix="", db_schema=QUEUE_SCHEMA, durability=Durability.durable)
    return Queries(
        AsyncpgDriver(connection),
        qbe=QueryBuilderEnvironment(settings=settings),
        qbq=QueryQueueBuilder(settings=settings),
        qbs=QuerySchedulerBuilder(settings=settings),
    )
