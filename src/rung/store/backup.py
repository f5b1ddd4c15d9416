"""Backup and restore with the server's own programs.

A backup holds the schema ``rung`` with everything in it, in PostgreSQL's custom format. pgqueuer's schema is
left out: it holds nothing but wakes, and a migration after the restore installs it anew. The key that kept
payloads and connection secrets are encrypted with is not in it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import asyncpg

from rung.errors import Broken, Conflict
from rung.store import migrate
from rung.store.database import translated
from rung.store.queries import sql

MAGIC = b"PGDMP"


def client_program(name: str, binaries: Path | None) -> Path:
    """``pg_dump`` or ``pg_restore``: of the embedded server, else from the PATH.

    Raises:
        Broken: there is none.
    """
    if binaries is not None:
        return binaries / name
    found = shutil.which(name)
    if found is None:
        raise Broken(f"{name} is not installed; install PostgreSQL's client programs")
    return Path(found)


async def back_up(dsn: str, file: Path, *, binaries: Path | None = None) -> int:
    """Write a consistent backup to ``file`` while everything goes on; its size.

    The file appears whole or not at all, with mode 0600: it holds customers' words.

    Args:
        dsn: of the role that owns the schema.
        file: must not exist.
        binaries: the embedded server's programs (``Embedded.binaries``), else the PATH.

    Raises:
        Conflict: the file exists.
        Broken: the backup failed; the message is pg_dump's.
    """
    with _appearing(file) as out:
        await _run(
            client_program("pg_dump", binaries),
            *("--format=custom", "--schema=rung", "--no-owner", "--no-privileges", "--dbname", dsn),
            stdout=out,
        )
        os.fsync(out)
        return os.fstat(out).st_size


@contextlib.contextmanager
def _appearing(file: Path) -> Iterator[int]:
    """A descriptor to write to; the file gets its name when the block ends well, and vanishes otherwise."""
    if file.exists():
        raise Conflict(f"{file} exists; choose another name")
    half = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        out = os.open(half, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise Broken(f"{file} cannot be written: {error.strerror or error}") from error
    try:
        yield out
        half.rename(file)
    finally:
        os.close(out)
        half.unlink(missing_ok=True)


async def restore(dsn: str, file: Path, *, binaries: Path | None = None) -> int:
    """Restore a backup into an empty database and bring it up to date; the number of its last step.

    All or nothing: a restore that fails leaves the database as empty as it was.

    Args:
        dsn: of the role that owns the schema.
        file: made by ``back_up``, by this version or an earlier one.
        binaries: the embedded server's programs (``Embedded.binaries``), else the PATH.

    Raises:
        Conflict: the database holds data already.
        Broken: the file is no backup, or was made by a newer version, or restoring failed.
    """
    try:
        with file.open("rb") as start:
            if start.read(len(MAGIC)) != MAGIC:
                raise Broken(f"{file} is not a backup that `rung backup` made")
    except OSError as error:
        raise Broken(f"{file} cannot be read: {error.strerror or error}") from error
    with translated():
        connection = await asyncpg.connect(dsn)
        try:
            await _make_empty(connection)
        finally:
            await connection.close()
    # Read here and piped: the server's account need not be able to open the file.
    with file.open("rb") as source:
        await _run(
            client_program("pg_restore", binaries),
            *("--no-owner", "--no-privileges", "--single-transaction", "--exit-on-error", "--dbname", dsn),
            stdin=source.fileno(),
        )
    with translated():
        try:
            return await migrate.migrate(dsn, restored=True)
        except Broken:  # made by a newer version
            await _undo(dsn)
            raise


async def _undo(dsn: str) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute("DROP SCHEMA rung CASCADE")
    finally:
        await connection.close()


async def _make_empty(connection: asyncpg.Connection) -> None:
    """Drop a schema that only a migration has filled; refuse to drop anything else."""
    if await connection.fetchval("SELECT to_regclass('rung.tickets')") is None:
        return
    if await connection.fetchval(sql("holds_anything")):
        raise Conflict("the database holds data already; restore into an empty one")
    await connection.execute("DROP SCHEMA rung CASCADE")


async def _run(program: Path, *args: str, stdin: int | None = None, stdout: int | None = None) -> None:
    process = await asyncio.create_subprocess_exec(
        program,
        *args,
        stdin=asyncio.subprocess.DEVNULL if stdin is None else stdin,
        stdout=asyncio.subprocess.DEVNULL if stdout is None else stdout,
        stderr=asyncio.subprocess.PIPE,
        env={"PATH": os.defpath, "LC_ALL": "C.UTF-8"}
        | {k: v for k, v in os.environ.items() if k.startswith("PG")},
    )
    _, said = await process.communicate()
    if process.returncode:
        raise Broken(f"{program.name} failed: {said.decode(errors='replace').strip()[-800:]}")
