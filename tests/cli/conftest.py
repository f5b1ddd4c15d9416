from __future__ import annotations

import io
import json
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from subprocess import run
from typing import Any, TypeAlias

import pytest

from rung.store.embedded import throwaway_data_dir

COMMAND = (sys.executable, "-c", "import sys; from rung.__main__ import main; sys.exit(main())")
"""The console script, with this interpreter."""


@dataclass(frozen=True, slots=True)
class Ran:
    """What one command did."""

    code: int
    out: str
    talk: str

    @property
    def lines(self) -> list[Any]:
        """Its output as JSON lines."""
        return [json.loads(line) for line in io.StringIO(self.out) if line.strip()]


Rung: TypeAlias = Callable[..., Ran]


def run_rung(*arguments: str | Path, stdin: bytes = b"", **environment: str) -> Ran:
    """Run `rung` as a user does: a process of its own."""
    done = run(
        [*COMMAND, *map(str, arguments)],
        input=stdin,
        capture_output=True,
        env={**os.environ, "NO_COLOR": "1", "COLUMNS": "120", **environment},
        check=False,
        timeout=120,
    )
    return Ran(done.returncode, done.stdout.decode("utf-8", "surrogateescape"), done.stderr.decode())


@pytest.fixture
def rung() -> Rung:
    """The command line."""
    return run_rung


@pytest.fixture(scope="session")
def data_dir() -> Iterator[Path]:
    """A throw-away data directory for commands that need the database."""
    with throwaway_data_dir() as path:
        yield path


@pytest.fixture
def stored(data_dir: Path) -> Rung:
    """The command line on that data directory."""

    def call(*arguments: str | Path, stdin: bytes = b"", **environment: str) -> Ran:
        return run_rung(*arguments, stdin=stdin, RUNG_DATA_DIR=str(data_dir), **environment)

    return call
