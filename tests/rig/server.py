"""Real `rung` processes on a data directory or a database, started, asked, killed and looked after."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

ROOT = Path(__file__).resolve().parents[2]
"""The project's folder."""
RUNG = (sys.executable, "-c", "import sys; from rung.__main__ import main; sys.exit(main())")
"""What the console script `rung` does, with this interpreter."""
READY = re.compile(r"listening on (http://\S+)")
SECRET_NAME = "RIG_WEBHOOK_SECRET"
WEBHOOK_SECRET = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
"""Of the connection that ``Installation.connect`` makes."""
SCOPES = ("tickets:write", "tickets:read")


class DidNotStart(Exception):
    """A process ended, or said nothing, before it was ready; the message is what it said."""


def free_port() -> int:
    """A TCP port of the loopback address that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass(slots=True)
class Serving:
    """One `rung serve` process. A context manager: leaving it stops the process gracefully."""

    process: subprocess.Popen[bytes]
    log: Path
    url: str = ""

    @property
    def pid(self) -> int:
        """The process's number."""
        return self.process.pid

    def said(self) -> str:
        """What it wrote to stderr."""
        return self.log.read_text(errors="replace")

    def wait_ready(self, seconds: float = 60.0) -> Self:
        """Return when it answers.

        Raises:
            DidNotStart: it ended, or did not become ready in time.
        """
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            found = READY.search(self.said())
            if found:
                self.url = found[1]
                return self
            if self.process.poll() is not None:
                raise DidNotStart(f"exit {self.process.returncode}: {self.said()[-3000:]}")
            time.sleep(0.005)
        raise DidNotStart(f"not ready after {seconds:.0f} s: {self.said()[-3000:]}")

    def kill(self) -> None:
        """SIGKILL, and wait until it is gone."""
        self.process.kill()
        self.process.wait()

    def stop(self, seconds: float = 60.0) -> int:
        """SIGTERM; its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(seconds)

    def __enter__(self) -> Self:
        return self.wait_ready()

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            try:
                self.stop()
            except subprocess.TimeoutExpired:
                self.kill()
                raise


@dataclass(slots=True)
class Installation:
    """A data directory with everything that runs on it; ``settings`` are further environment variables."""

    data_dir: Path
    settings: Mapping[str, str] = field(default_factory=dict)
    command: Sequence[str] = RUNG

    def environment(self) -> dict[str, str]:
        """The environment of every command."""
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("RUNG_")}
        path = os.pathsep.join(p for p in (str(ROOT / "src"), inherited.get("PYTHONPATH", "")) if p)
        return {
            **inherited,
            "PYTHONPATH": path,
            "RUNG_DATA_DIR": str(self.data_dir),
            SECRET_NAME: WEBHOOK_SECRET,
            **self.settings,
        }

    def run(self, *arguments: str) -> str:
        """Run one `rung` command; its standard output.

        Raises:
            subprocess.CalledProcessError: it failed; what it said is on our own stderr.
        """
        done = subprocess.run(
            [*self.command, *arguments], env=self.environment(), capture_output=True, text=True, check=False
        )
        if done.returncode:
            sys.stderr.write(done.stdout + done.stderr)
            done.check_returncode()
        return done.stdout.strip()

    def token(self, *scopes: str) -> str:
        """A new API token."""
        named = [part for scope in scopes or SCOPES for part in ("--scope", scope)]
        return self.run("token", "create", f"rig-{secrets.token_hex(4)}", *named)

    def connect(self, settings: Path | None = None) -> None:
        """Let `POST /hooks/generic` take what is signed with ``WEBHOOK_SECRET``, read by a mapping if given."""
        mapping = ("--settings", str(settings)) if settings else ()
        self.run("connect", "generic", "--secret-env", SECRET_NAME, *mapping)

    def serve(self, *, port: int = 0, options: Sequence[str] = ()) -> Serving:
        """Start `rung serve`; it may not be ready yet (``wait_ready``, or use it as a context manager)."""
        log = self.data_dir.with_name(f"{self.data_dir.name}.serve-{time.monotonic_ns()}.log")
        with log.open("wb") as stderr:
            process = subprocess.Popen(
                [*self.command, "serve", "--port", str(port), *options],
                env=self.environment(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=stderr,
            )
        return Serving(process, log)

    def database_processes(self) -> list[int]:
        """Every process of the embedded server and its supervisor on this data directory, by number."""
        root = os.fsencode(self.data_dir)
        found = []
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit() or int(entry.name) == os.getpid():
                continue
            with contextlib.suppress(OSError):
                told = (entry / "cmdline").read_bytes()
                stands = os.fsencode((entry / "cwd").readlink())
                ours = b"postgres" in told or b"supervisor.py" in told
                if ours and (root in told or stands.startswith(root)):
                    found.append(int(entry.name))
        return sorted(found)

    def postmaster(self) -> int:
        """The number of the database server's first process."""
        return int((self.data_dir / "postgres" / "postmaster.pid").read_text().split("\n", 1)[0])

    def wait_stopped(self, seconds: float = 60.0) -> list[int]:
        """Wait until no database process is left; those that are after ``seconds``."""
        deadline = time.monotonic() + seconds
        while (left := self.database_processes()) and time.monotonic() < deadline:
            time.sleep(0.05)
        return left


@contextlib.contextmanager
def throwaway() -> Iterator[Installation]:
    """An installation on a fresh data directory that is removed with its logs in the end."""
    from rung.store.embedded import throwaway_data_dir

    with throwaway_data_dir() as folder:
        try:
            yield Installation(folder)
        finally:
            for log in folder.parent.glob(f"{folder.name}.serve-*.log"):
                log.unlink()
