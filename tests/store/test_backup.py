"""Backup and restore with the server's own programs."""

from __future__ import annotations

import stat
from pathlib import Path

import asyncpg
import pytest

from rung.errors import Broken, Conflict
from rung.model import Message, Ticket
from rung.ports import LedgerEntry, Taken
from rung.store import embedded
from rung.store.backup import back_up, restore
from rung.store.postgres import Store
from rung.store.scratch import Scratch


def name_of(store: Store) -> str:
    """The database a store is on."""
    return store.dsn.partition("@/")[2].partition("?")[0]


async def backed_up(server: Scratch, store: Store, folder: Path) -> Path:
    """A backup of a store with something in it."""
    await store.publish("v1", {"matrix.yaml": "x"})
    await store.keep_payload("generic", b"raw", reason="r", headers={})
    async with store.begin() as work:
        await work.write(
            [
                Taken(
                    Ticket("T-1", subject="ünïcode 🔐"),
                    new=True,
                    messages=(Message("customer", "hello"),),
                    ledger=(LedgerEntry("seen", "T-1"),),
                )
            ]
        )
    file = folder / "backup.rung"
    size = await back_up(
        server.server.dsn(embedded.OWNER, name_of(store)), file, binaries=server.server.binaries
    )
    assert size == file.stat().st_size > 0
    return file


async def test_a_backup_restores_into_an_empty_database(
    server: Scratch, store: Store, tmp_path: Path
) -> None:
    """Everything is there again, the grants too, and the store goes on where it was."""
    file = await backed_up(server, store, tmp_path)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600

    for migrated in (False, True):
        name = await server.database(migrated=migrated)
        await restore(server.server.dsn(embedded.OWNER, name), file, binaries=server.server.binaries)

        async with server.store(name) as restored:
            assert await restored.ticket("T-1") == await store.ticket("T-1")
            assert await restored.files("v1") == {"matrix.yaml": "x"}
            assert (await restored.kept_payload(1))[1] == b"raw"
            async with restored.begin() as work:
                await work.write([Taken(Ticket("T-2", subject="s"), new=True)])
            assert [t.seq for t in (await restored.list_tickets()).rows] == [2, 1]
            async with restored.listener() as session:
                with pytest.raises(asyncpg.InsufficientPrivilegeError):
                    await session.execute("DELETE FROM ledger")


async def test_a_database_with_data_is_not_overwritten(server: Scratch, store: Store, tmp_path: Path) -> None:
    """Restoring over something is refused, and so is overwriting a backup."""
    file = await backed_up(server, store, tmp_path)
    dsn = server.server.dsn(embedded.OWNER, name_of(store))

    with pytest.raises(Conflict, match="holds data"):
        await restore(dsn, file, binaries=server.server.binaries)
    with pytest.raises(Conflict, match="exists"):
        await back_up(dsn, file, binaries=server.server.binaries)

    assert (await store.ticket("T-1")).ticket.id == "T-1"


async def test_a_file_that_is_no_backup_is_refused(server: Scratch, tmp_path: Path) -> None:
    """Before anything is touched."""
    file = tmp_path / "notes.txt"
    file.write_text("not a backup")
    name = await server.database()

    with pytest.raises(Broken, match="is not a backup"):
        await restore(server.server.dsn(embedded.OWNER, name), file, binaries=server.server.binaries)
    with pytest.raises(Broken, match="cannot be read"):
        await restore(
            server.server.dsn(embedded.OWNER, name), tmp_path / "absent", binaries=server.server.binaries
        )


async def test_a_backup_of_a_newer_version_is_refused(server: Scratch, store: Store, tmp_path: Path) -> None:
    """And the database is as empty afterwards as it was before."""
    source = server.server.dsn(embedded.OWNER, name_of(store))
    owner = await asyncpg.connect(source)
    await owner.execute("INSERT INTO rung.schema_steps (number, name) VALUES (999, 'later')")
    await owner.close()
    file = await backed_up(server, store, tmp_path)
    name = await server.database(migrated=False)
    dsn = server.server.dsn(embedded.OWNER, name)

    with pytest.raises(Broken, match="newer Rung"):
        await restore(dsn, file, binaries=server.server.binaries)

    async with server.store(name) as usable:
        assert (await usable.counts()).tickets == 0
