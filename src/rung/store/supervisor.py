"""Keeps one embedded PostgreSQL alive while somebody uses its data directory; ends it when nobody does.

Runs as a process of its own (``python -I -S supervisor.py '<json>'``) with nothing but the standard
library, so that it starts in a few milliseconds and so that the kernel, not a parent, decides when it is
no longer needed. ``embedded.start`` is its only caller; the locks are explained there.
"""

# Importing pathlib would be a third of the time this takes to start.
# ruff: noqa: PTH108, PTH116, PTH118, PTH121, PTH123
from __future__ import annotations

import ctypes
import fcntl
import json
import os
import signal
import sys
import threading
import time
from typing import Any

LINGER = 0.5
"""Seconds without users before the server is stopped: a quick hand-over does not restart it."""
STEADY = 2.0
"""A server that lived this long was started successfully."""
PATIENCE = 8.0
"""Seconds of failing starts before giving up; the memory of killed backends is gone long before."""
STOP_AFTER = 60.0
"""Seconds a fast shutdown may take before it becomes an immediate one (which recovers at next start)."""
PR_SET_PDEATHSIG = 1
LOG_LIMIT = 5_000_000


class Server:
    """The postmaster as our child, started again when it dies.

    Only the main thread starts it: the kernel ties the parent-death signal to the starting thread.
    """

    def __init__(self, command: list[str], data: str) -> None:
        self._command = command
        self._data = data
        self._guard = threading.Lock()
        self._pid = 0
        self._stopping = threading.Event()
        self._libc = ctypes.CDLL(None, use_errno=True)

    def keep(self) -> bool:
        """Run until ``stop``; False when it could not be started for ``PATIENCE`` seconds."""
        failing_since = time.monotonic()
        while not self._stopping.is_set():
            if self._predecessor_lives():
                failing_since = time.monotonic()
                time.sleep(0.02)
                continue
            started = time.monotonic()
            with self._guard:
                if self._stopping.is_set():
                    break
                self._pid = self._spawn()
            os.waitid(os.P_PID, self._pid, os.WEXITED | os.WNOWAIT)
            with self._guard:  # reaped under the guard: stop() never signals a number that was reused
                os.waitpid(self._pid, 0)
                self._pid = 0
            ended = time.monotonic()
            if ended - started >= STEADY:
                failing_since = ended
            elif ended - failing_since > PATIENCE:
                return False
            else:
                time.sleep(0.05)
        return True

    def stop(self) -> None:
        """Fast shutdown: sessions end, everything is written; immediate when that takes too long."""
        with self._guard:
            self._stopping.set()
            if not self._pid:
                return
            os.kill(self._pid, signal.SIGINT)
        timer = threading.Timer(STOP_AFTER, self._stop_now)
        timer.daemon = True
        timer.start()

    def _stop_now(self) -> None:
        with self._guard:
            if self._pid:
                os.kill(self._pid, signal.SIGQUIT)

    def _spawn(self) -> int:
        parent = os.getpid()
        pid = os.fork()
        if pid:
            return pid
        try:
            # Dies with the supervisor, cleanly: SIGINT is PostgreSQL's fast shutdown.
            self._libc.prctl(PR_SET_PDEATHSIG, signal.SIGINT, 0, 0, 0)
            if os.getppid() != parent:
                os._exit(1)
            signal.pthread_sigmask(signal.SIG_SETMASK, ())
            os.execv(self._command[0], self._command)  # noqa: S606 - a fixed command line, no shell
        finally:
            os._exit(127)

    def _predecessor_lives(self) -> bool:
        """Whether the server of a killed supervisor is still stopping; removes what a dead one left.

        PostgreSQL itself refuses to start when the process named in ``postmaster.pid`` merely exists, which
        in a container with its small, repeating process numbers is the usual case after a crash. Two servers
        stay impossible: we hold the supervisor's lock, and PostgreSQL checks its shared memory apart.
        """
        path = os.path.join(self._data, "postmaster.pid")
        try:
            with open(path, encoding="utf-8", errors="replace") as file:
                pid = int(file.readline())
        except (OSError, ValueError):
            return False
        try:
            # A live postmaster stands in its data directory; others' processes cannot be looked into.
            if os.path.samefile(f"/proc/{pid}/cwd", self._data):
                os.kill(pid, signal.SIGINT)  # it was told by the kernel already; twice does no harm
                return True
        except OSError:
            pass
        os.unlink(path)
        return False


def wait_until_unused(users: int, start: int) -> None:
    """Block until no process holds the users' lock for ``LINGER`` seconds; returns holding both locks.

    The decision is taken under the start lock: whoever is starting holds it and already has, or will have,
    the shared users' lock when it lets go.
    """
    while True:
        fcntl.flock(users, fcntl.LOCK_EX)
        fcntl.flock(users, fcntl.LOCK_UN)
        time.sleep(LINGER)
        fcntl.flock(start, fcntl.LOCK_EX)
        try:
            fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            fcntl.flock(start, fcntl.LOCK_UN)
        else:
            return


def _detach(log: str) -> None:
    """Leave the caller's session, directory, files and process tree."""
    if os.fork():
        os._exit(0)
    os.setsid()
    os.chdir("/")
    null = os.open(os.devnull, os.O_RDONLY)
    try:
        mode = os.O_TRUNC if os.stat(log).st_size > LOG_LIMIT else 0
    except FileNotFoundError:
        mode = 0
    out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | mode, 0o600)
    for fd, target in ((null, 0), (out, 1), (out, 2)):
        os.dup2(fd, target)


def _drop_privileges(uid: int, gid: int) -> None:
    if os.getuid() != uid:
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)


def main(told: dict[str, Any]) -> int:
    """Supervise until nobody is left. ``told`` comes from ``embedded``; exit code 3: it would not start."""
    os.set_inheritable(told["lock"], False)  # noqa: FBT003 - the lock is ours until we end; not the server's
    _detach(told["log"])
    users = os.open(told["users"], os.O_RDONLY)
    start = os.open(told["start"], os.O_RDONLY)
    _drop_privileges(told["uid"], told["gid"])
    server = Server(told["command"], told["data"])

    def stop_when_unused() -> None:
        wait_until_unused(users, start)
        server.stop()

    # In a thread, because the main thread may hold the guard at this moment.
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.stop).start())
    threading.Thread(target=stop_when_unused, daemon=True).start()
    return 0 if server.keep() else 3


if __name__ == "__main__":
    os._exit(main(json.loads(sys.argv[1])))  # the locks go with the process, in no particular order
