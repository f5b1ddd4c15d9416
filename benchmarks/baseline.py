"""Bare pgbench: the rows that Rung writes for a ticket, inserted again and again, one transaction each.

The rows are read back from tickets that Rung stored a moment ago, so tables, columns and sizes are the same.
pgbench keeps its statements prepared and sends the values as parameters, as Rung does.
"""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg

from rung.store.embedded import APP, DATABASE, Embedded

SAMPLES = 24
"""Different tickets, one pgbench script each."""
_TABLES: Mapping[str, str] = {
    "tickets": "id", "messages": "ticket_id", "decisions": "ticket_id", "secrets": "ticket_id",
    "deliveries": "ticket_id", "ledger": "ticket_id",
}  # fmt: skip
"""Table → its column with the ticket's id, in the order of writing."""
_SIGHTING = (
    "INSERT INTO rung.sightings AS s (signature, account_id, last_at) SELECT :{0}::text, :{1}::text, now() "
    "WHERE NOT EXISTS (SELECT 1 FROM rung.sightings WHERE signature = :{0}::text AND account_id = :{1}::text "
    "AND last_at > now() - interval '1 second') "
    "ON CONFLICT (signature, account_id) DO UPDATE SET last_at = excluded.last_at;"
)


@dataclass(frozen=True, slots=True)
class Script:
    """One pgbench script with its variables."""

    statements: tuple[str, ...]
    variables: Mapping[str, str]


async def scripts(database: Embedded, prefix: str) -> list[Script]:
    """Scripts that write what Rung wrote for some tickets whose ids start with ``prefix``."""
    connection = await asyncpg.connect(database.dsn(APP))
    try:
        columns = {table: await _columns(connection, table) for table in _TABLES}
        ids = await connection.fetch(
            "SELECT id FROM rung.tickets WHERE id LIKE $1 || '-%' AND version = 1 ORDER BY md5(id) LIMIT $2",
            prefix, SAMPLES,
        )  # fmt: skip
        return [await _script(connection, columns, row["id"], n) for n, row in enumerate(ids)]
    finally:
        await connection.close()


async def _columns(connection: Any, table: str) -> list[str]:
    rows = await connection.fetch(
        "SELECT attname FROM pg_attribute WHERE attrelid = $1::text::regclass AND attnum > 0 "
        "AND attidentity = '' AND NOT attisdropped ORDER BY attnum",
        f"rung.{table}",
    )
    return [row["attname"] for row in rows]


async def _script(connection: Any, columns: Mapping[str, Sequence[str]], ticket: str, number: int) -> Script:
    statements: list[str] = []
    variables: dict[str, str] = {}

    def variable(value: str) -> str:
        name = f"v{number}_{len(variables)}"
        variables[name] = value
        return name

    for table, key in _TABLES.items():
        chosen = ", ".join(f'"{c}"::text' for c in columns[table])
        rows = await connection.fetch(f'SELECT {chosen} FROM rung.{table} WHERE "{key}" = $1', ticket)  # noqa: S608
        tuples = [
            ", ".join(
                "'p-' || :n::text" if c == key else "NULL" if v is None else f":{variable(v)}"
                for c, v in zip(columns[table], row.values(), strict=True)
            )
            for row in rows
        ]
        names = ", ".join(f'"{c}"' for c in columns[table])
        # One statement a row: with several rows in one VALUES list the server could not infer types.
        statements += [f"INSERT INTO rung.{table} ({names}) VALUES ({values});" for values in tuples]  # noqa: S608
    seen = await connection.fetchrow("SELECT signature, account_id FROM rung.tickets WHERE id = $1", ticket)
    if seen["signature"] and seen["account_id"]:
        statements.append(_SIGHTING.format(variable(seen["signature"]), variable(seen["account_id"])))
    return Script(tuple(statements), variables)


def pgbench(
    database: Embedded, made: Sequence[Script], *, clients: int, seconds: float, pipeline: bool = False
) -> float:
    """Transactions a second. ``pipeline``: all statements of a transaction in one round trip."""
    with tempfile.TemporaryDirectory() as folder:
        arguments = []
        for number, script in enumerate(made):
            path = Path(folder, f"{number}.sql")
            around = (r"\startpipeline", r"\endpipeline") if pipeline else ("", "")
            lines = (
                r"\set n random(1, 900000000000000)", around[0], "BEGIN;", *script.statements, "COMMIT;", around[1]
            )  # fmt: skip
            path.write_text("\n".join(lines) + "\n")
            arguments += ["-f", str(path)]
            for name, value in script.variables.items():
                arguments += ["-D", f"{name}={value}"]
        done = subprocess.run(
            [
                str(database.binaries / "pgbench"), "-h", str(database.socket_folder), "-U", APP, "-n",
                "-M", "prepared", "-c", str(clients), "-j", "2", "-T", str(round(seconds)), *arguments, DATABASE,
            ],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
    found = re.search(r"tps = ([\d.]+)", done.stdout)
    if done.returncode or not found:
        raise RuntimeError(f"pgbench failed: {done.stderr[-2_000:]}")
    return float(found[1])
