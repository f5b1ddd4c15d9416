"""What every command shares: the policy it works on, talk on stderr, progress on a terminal."""

from __future__ import annotations

import asyncio
import gc
import getpass
import sys
from collections.abc import Awaitable, Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from rung.core.compiled import Compiled, compile_policy
from rung.policy.load import load_files
from rung.policy.source import folder_files, starter_files

if TYPE_CHECKING:
    from rung.store.postgres import Store

T = TypeVar("T")
stderr = Console(stderr=True, highlight=False)

PolicyFolder = Annotated[
    Path | None,
    typer.Option("--policy", help="Policy folder; without it the starter policy.", show_default=False),
]


def policy_files(folder: Path | None) -> dict[str, str]:
    """The files of a policy folder, or of the starter policy."""
    return dict(starter_files() if folder is None else folder_files(folder))


def compiled_policy(folder: Path | None) -> Compiled:
    """A folder's policy, ready to read tickets."""
    compiled = compile_policy(load_files(policy_files(folder)))
    gc.freeze()  # it stays until the end: the garbage collector need not walk it again and again
    return compiled


def table_console() -> Console:
    """Where tables are printed: as wide as the terminal, or wide enough to read in a file."""
    console = Console()
    return console if console.is_terminal else Console(width=150)


def say(text: str) -> None:
    """One line of talk, on stderr."""
    sys.stderr.write(text + "\n")


def progress(items: Iterable[T], *, total: int | None, what: str) -> Iterator[T]:
    """The same items, with a progress bar on a terminal and nothing in a pipe."""
    if not sys.stderr.isatty():
        yield from items
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=stderr, transient=True) as bar:
        yield from bar.track(items, total=total, description=what)


def run_with_store(do: Callable[[Store], Awaitable[T]]) -> T:
    """Open the configured store, do one thing with it, close it."""
    from rung.app import opened_store

    async def run() -> T:
        async with opened_store() as store:
            return await do(store)

    return asyncio.run(run())


def who() -> str:
    """The operating system's name of whoever runs the command, for logs."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"  # a container's user without an entry
