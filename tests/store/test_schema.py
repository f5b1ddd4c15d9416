"""Migrations, and what the application's role may and may not do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest

from rung.errors import Broken
from rung.model import Ticket
from rung.ports import LedgerEntry, Taken
from rung.store import embedded, migrate
from rung.store.postgres import Store
from rung.store.queries import queries
from rung.store.scratch import KEY, Scratch


@pytest.fixture
async def empty(server: Scratch) -> str:
    """The name of a database without a schema."""
    return await server.database(migrated=False)


@pytest.fixture
async def as_app(store: Store) -> AsyncIterator[asyncpg.Connection]:
    """A bare connection with the application's role to a store with a line in its ledger."""
    await store.record([LedgerEntry("seen", "T-1")])
    connection = await asyncpg.connect(store.dsn)
    yield connection
    await connection.close()


async def test_an_empty_database_is_brought_up(server: Scratch, empty: str) -> None:
    """From nothing to the last step; a second time changes nothing."""
    dsn = server.server.dsn(embedded.OWNER, empty)

    assert await migrate.migrate(dsn) == migrate.steps()[-1].number
    assert await migrate.migrate(dsn) == migrate.steps()[-1].number

    async with await Store.open(server.server.dsn(embedded.APP, empty), key=KEY, migrated=True) as store:
        assert (await store.counts()).tickets == 0


async def test_many_processes_migrate_at_once(server: Scratch, empty: str) -> None:
    """The advisory lock lets one of them do it; the others find it done."""
    dsn = server.server.dsn(embedded.OWNER, empty)

    done = await asyncio.gather(*(migrate.migrate(dsn) for _ in range(6)))

    assert set(done) == {migrate.steps()[-1].number}


async def test_a_newer_schema_is_refused(server: Scratch) -> None:
    """A program must not write into tables it does not know; nothing is changed."""
    name = await server.database()
    owner = await asyncpg.connect(server.server.dsn(embedded.OWNER, name))
    try:
        await owner.execute("INSERT INTO rung.schema_steps (number, name) VALUES (999, 'from the future')")
    finally:
        await owner.close()

    for admin in (server.server.dsn(embedded.OWNER, name), ""):
        with pytest.raises(Broken, match="step 999 by a newer Rung"):
            await Store.open(
                server.server.dsn(embedded.APP, name), admin_dsn=admin, key=KEY, migrated=not admin
            )


async def test_an_unmigrated_database_is_refused_without_migrating(server: Scratch, empty: str) -> None:
    """When told not to migrate, the store says what is missing."""
    with pytest.raises(Broken, match="is at step 0"):
        await Store.open(server.server.dsn(embedded.APP, empty), key=KEY, migrated=True)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE rung.ledger SET kind = 'forged'",
        "DELETE FROM rung.ledger",
        "TRUNCATE rung.ledger",
        "ALTER TABLE rung.ledger DISABLE TRIGGER append_only",
        "DROP TABLE rung.ledger",
        "UPDATE rung.decisions SET policy = 'forged'",
        "UPDATE rung.policies SET blob = ''",
        "DELETE FROM rung.policy_moves",
        "TRUNCATE rung.tickets",
        "INSERT INTO rung.schema_steps VALUES (2, 'x')",
        "SET ROLE rung_owner",
        "CREATE TABLE rung.mine (id int)",
    ],
)
async def test_the_application_may_not(as_app: asyncpg.Connection, statement: str) -> None:
    """The ledger and the history are append-only by grant; the schema belongs to somebody else."""
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await as_app.execute(statement)

    assert await as_app.fetchval("SELECT kind FROM rung.ledger") == "seen"


@pytest.mark.parametrize(
    "statement", ["UPDATE rung.ledger SET kind = 'forged'", "DELETE FROM rung.ledger", "TRUNCATE rung.ledger"]
)
async def test_not_even_the_owner_changes_the_ledger(
    server: Scratch, as_app: asyncpg.Connection, statement: str
) -> None:
    """A trigger refuses what the owner's rights would allow."""
    name = await as_app.fetchval("SELECT current_database()")
    owner = await asyncpg.connect(server.server.dsn(embedded.OWNER, name))
    try:
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="append-only"):
            await owner.execute(statement)
    finally:
        await owner.close()


async def test_one_user_for_everything_still_cannot_change_the_ledger(server: Scratch, empty: str) -> None:
    """With one URL its sessions become rung_app, and the ledger stays append-only."""
    async with await Store.open(server.server.dsn(embedded.OWNER, empty), key=KEY) as store:
        async with store.begin() as work:
            await work.write(
                [Taken(Ticket("T-1", subject="s"), new=True, ledger=(LedgerEntry("seen", "T-1"),))]
            )
        async with store.listener() as session:
            assert await session.fetchval("SELECT current_user") == "rung_app"
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await session.execute("DELETE FROM ledger")


async def test_a_user_who_may_not_become_the_application_is_told(server: Scratch) -> None:
    """The message says what an administrator has to run."""
    name = await server.database()
    admin = await asyncpg.connect(server.server.dsn(embedded.ADMIN, name))
    await admin.execute("REVOKE rung_app FROM rung_owner")
    try:
        with pytest.raises(Broken, match="GRANT rung_app TO"):
            await Store.open(server.server.dsn(embedded.OWNER, name), key=KEY)
    finally:
        await admin.execute("GRANT rung_app TO rung_owner")
        await admin.close()


async def test_every_named_statement_is_valid(store: Store) -> None:
    """Each one is understood by the database as the application's role."""
    skipped = {"grants", "holds_anything"}  # run by the owner
    async with store.listener() as session:
        for name, text in queries().items():
            if name not in skipped:
                await session.prepare(text)


def test_steps_are_numbered_without_gaps() -> None:
    """Two steps with one number, or a missing one, would be noticed only by some databases."""
    assert [step.number for step in migrate.steps()] == list(range(1, len(migrate.steps()) + 1))
