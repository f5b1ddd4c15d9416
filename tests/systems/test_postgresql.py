from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import pytest
from tests.rig.server import Installation, free_port
from tests.systems.conftest import Site


@dataclass(frozen=True, slots=True)
class Server:
    """The distribution's PostgreSQL on a loopback port."""

    port: int

    def dsn(self, role: str, database: str = "support") -> str:
        """Connects with that role's password."""
        return f"postgresql://{role}:secret-{role}@127.0.0.1:{self.port}/{database}"


def binaries() -> Path:
    """The newest PostgreSQL of the distribution."""
    found = sorted(
        Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda p: float(p.parents[1].name), reverse=True
    )
    if not found:
        raise RuntimeError("PostgreSQL is missing: run tests/systems/install")
    return found[0].parent


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """A cluster of the distribution's server in a temporary folder, run by an unprivileged user."""
    folder = Path(tempfile.mkdtemp(prefix="rung-postgresql-"))
    account = pwd.getpwnam("postgres") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())
    password, cluster = folder / "password", folder / "cluster"
    password.write_text("secret-postgres")
    if os.geteuid() == 0:
        for path in (folder, password):
            os.chown(path, account.pw_uid, account.pw_gid)

    def run(program: str, *arguments: str) -> None:
        as_other = {"user": account.pw_uid, "group": account.pw_gid} if os.geteuid() == 0 else {}
        subprocess.run(
            [binaries() / program, *arguments],
            check=True, cwd="/", stdout=subprocess.DEVNULL, **as_other,  # type: ignore[call-overload] # user, group
        )  # fmt: skip

    port = free_port()
    run(
        "initdb",
        "-D",
        str(cluster),
        "-U",
        "postgres",
        "-A",
        "scram-sha-256",
        "--pwfile",
        str(password),
        "-E",
        "UTF8",
    )
    options = f"-c port={port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={folder}"
    run("pg_ctl", "-D", str(cluster), "-w", "-l", str(folder / "log"), "-o", options, "start")
    try:
        yield Server(port)
    finally:
        run("pg_ctl", "-D", str(cluster), "-w", "-m", "fast", "stop")
        shutil.rmtree(folder)


@pytest.fixture(scope="module")
async def database(server: Server) -> Server:
    """A database that belongs to an owner, with an unprivileged user for the application, as an admin makes them."""
    admin = await asyncpg.connect(server.dsn("postgres", "postgres"))
    await admin.execute("CREATE ROLE support_owner LOGIN PASSWORD 'secret-support_owner'")
    await admin.execute("CREATE ROLE rung_app NOLOGIN")
    await admin.execute("CREATE ROLE support_app LOGIN PASSWORD 'secret-support_app' IN ROLE rung_app")
    await admin.execute("GRANT rung_app TO support_owner")
    await admin.execute("CREATE DATABASE support OWNER support_owner")
    await admin.close()
    return server


@pytest.fixture(scope="module")
def remote(database: Server, tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """An installation on that database; its data directory holds the key and no database."""
    return Installation(
        tmp_path_factory.mktemp("remote") / "data",
        {
            "RUNG_DATABASE_URL": database.dsn("support_app"),
            "RUNG_DATABASE_ADMIN_URL": database.dsn("support_owner"),
        },
    )


async def test_the_whole_way_on_the_distributions_server(remote: Installation, database: Server) -> None:
    """Migrations, publishing, a ticket through the API with its decision, a second process on the same database."""
    token = remote.token()
    with remote.serve() as first, remote.serve() as second:
        result = Site(first.url, token).send(
            {"id": "far-1", "subject": "Down", "body": "HTTP 500 from /v2/orders"}
        )
        assert result["created"]
        assert result["decision"]["signature"] == "api_error"
        again = Site(second.url, token).send(
            {"id": "far-1", "subject": "Down", "body": "HTTP 500 from /v2/orders"}
        )
        assert not again["created"]
        assert again["decision"] == result["decision"]
        assert Site(second.url, token).ready()
    assert remote.database_processes() == []
    assert not (remote.data_dir / "postgres").exists()

    owner = await asyncpg.connect(database.dsn("support_owner"))
    kinds = [
        r["kind"]
        for r in await owner.fetch("SELECT kind FROM rung.ledger WHERE ticket_id = 'far-1' ORDER BY id")
    ]
    await owner.close()
    assert kinds == ["ticket_arrived", "decided"]


@pytest.mark.parametrize(
    "statement", ["UPDATE rung.ledger SET kind = 'x'", "DELETE FROM rung.ledger", "TRUNCATE rung.ledger"]
)
async def test_the_application_cannot_change_the_ledger(
    remote: Installation, database: Server, statement: str
) -> None:
    """The append-only rule holds by grant on a server that an admin set up."""
    remote.run("policy", "log")  # whoever is first migrates
    connection = await asyncpg.connect(database.dsn("support_app"))
    try:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(statement)
    finally:
        await connection.close()


async def test_the_ledger_refuses_its_owner_too(remote: Installation, database: Server) -> None:
    """An owner's slip is refused by the ledger itself."""
    remote.run("policy", "log")
    connection = await asyncpg.connect(database.dsn("support_owner"))
    try:
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="append-only"):
            await connection.execute("DELETE FROM rung.ledger")
    finally:
        await connection.close()
