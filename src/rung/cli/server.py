"""`rung serve | worker | redrive | doctor`: the running system and what is stuck in it."""

from __future__ import annotations

import asyncio
import gc
import shutil
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rung.cli.talk import policy_files, progress, run_with_store, say, who
from rung.core.wire import time_to_json
from rung.errors import NotFound, RungError
from rung.policy.load import load_files
from rung.store import embedded

if TYPE_CHECKING:
    from rung.app import Rung
    from rung.flow.redrive import Redriven
    from rung.store.postgres import Store


def register(app: typer.Typer) -> None:
    """Add this group's commands."""
    app.command("serve")(serve_command)
    app.command("worker")(worker_command)
    app.command("redrive")(redrive_command)
    app.command("doctor")(doctor_command)


def serve_command(
    host: Annotated[
        str, typer.Option(help="Address to listen on.", show_default="RUNG_HOST or 127.0.0.1")
    ] = "",
    port: Annotated[
        int | None, typer.Option(help="Port; 0 takes a free one.", show_default="RUNG_PORT or 8787")
    ] = None,
    policy: Annotated[
        Path | None, typer.Option(help="Publish this folder first.", show_default=False)
    ] = None,
    worker: Annotated[bool, typer.Option(help="Also run the worker in this process.")] = True,
) -> None:
    """Serve API, hooks and pages, and work off commands. Any number of processes may share one database.

    If nothing was ever published, the starter policy is, with everything in observe.

    Example: rung serve --port 8787
    """
    gc.disable()  # what a start makes stays; `settle_memory` turns it on again
    from rung.settings import Settings

    settings = Settings()
    changes = {"host": host or settings.host, "worker": worker and settings.worker}
    if port is not None:
        changes["port"] = port
    settings = settings.model_copy(update=changes)
    with ThreadPoolExecutor(1) as early:
        # The database starts while the rest is imported.
        starting = None if settings.database_url else early.submit(embedded.start, settings.data_dir)
        import uvloop

        from rung.app import serve, start_logging

        start_logging(settings)
        if policy is not None:
            _publish(policy)

        def ready(address: str, _: Rung) -> None:
            say(f"listening on {address}")

        uvloop.run(serve(settings, ready=ready, starting=starting))


def _publish(folder: Path) -> None:
    files = policy_files(folder)
    version = load_files(files).version
    run_with_store(lambda store: store.publish(version, files, author=who(), note=f"rung serve {folder}"))


def worker_command() -> None:
    """Work off commands without serving. Run as many as you like, on any host.

    Example: rung worker
    """
    import uvloop

    from rung.app import opened, start_logging, stop_on_signals, work
    from rung.settings import Settings

    settings = Settings()
    start_logging(settings)

    async def run() -> None:
        stop = stop_on_signals()
        async with opened(settings) as rung:
            say("working")
            await work(rung, stop)

    uvloop.run(run())


def redrive_command(
    number: Annotated[
        int | None, typer.Argument(help="One kept payload; without it all of them.", show_default=False)
    ] = None,
    list_only: Annotated[bool, typer.Option("--list", help="Only list what is kept and parked.")] = False,
    commands: Annotated[bool, typer.Option(help="Also queue parked commands again.")] = True,
) -> None:
    """Read kept payloads again, after the mapping was mended, and queue parked commands again.

    What still cannot be read stays kept, with its new reason, and the exit code is 1.

    Example: rung redrive --list
    """
    from rung.app import opened, start_logging
    from rung.flow.redrive import redrive
    from rung.settings import Settings

    if list_only:
        _list_kept()
        return
    settings = Settings()
    start_logging(settings)

    async def run() -> tuple[list[Redriven], int]:
        async with opened(settings) as rung:
            numbers = [number] if number is not None else await _all_kept(rung.store)
            done = [
                await redrive(rung.store, rung.intake, rung.connectors.loaded, n)
                for n in progress(numbers, total=len(numbers), what="redriving")
            ]
            again = await rung.store.redrive_commands() if commands and number is None else 0
            return done, again

    done, again = asyncio.run(run())
    for one in done:
        sys.stdout.write(f"{one}\n")
    failed = sum(not one.tickets for one in done)
    say(f"{len(done) - failed} redriven, {failed} still kept, {again} command(s) queued again")
    if failed:
        raise typer.Exit(1)


async def _all_kept(store: Store) -> list[int]:
    numbers: list[int] = []
    cursor: int | None = None
    while True:
        page = await store.kept(cursor, 200)
        numbers.extend(k.id for k in page.rows if k.ticket_id is None)
        cursor = page.next
        if cursor is None:
            return sorted(numbers)


def _list_kept() -> None:
    async def read(store: Store) -> list[str]:
        kept = await store.kept(None, 200)
        parked = await store.parked_commands(None, 200)
        return [
            *(
                f"kept {k.id}  {time_to_json(k.at)}  {k.connector}  {k.size} bytes  ticket {k.ticket_id or '–'}"
                f"  {k.reason}"
                for k in kept.rows
            ),
            *(
                f"parked {p.id}  {time_to_json(p.ended_at)}  {p.kind}  {p.attempts} attempts  {p.last_error}"
                for p in parked.rows
            ),
        ]

    lines = run_with_store(read)
    for line in lines:
        sys.stdout.write(line + "\n")
    if not lines:
        say("nothing is kept and nothing is parked")


def doctor_command() -> None:
    """Check the installation: database, schema, key, policy, connectors, disk. Exit code 1 if something is wrong.

    Example: rung doctor
    """
    failures = 0
    for name, check in _CHECKS:
        try:
            answer, good = check(), True
        except (RungError, OSError) as error:
            answer, good = str(error), False
            failures += 1
        sys.stdout.write(f"{'ok     ' if good else 'problem'}  {name}: {answer}\n")
    if failures:
        raise typer.Exit(1)


def _check_store() -> str:
    health = run_with_store(lambda store: store.health())
    return ", ".join(f"{k} {v}" for k, v in health.items())


def _check_policy() -> str:
    version = run_with_store(lambda store: store.current_policy())
    if not version:
        raise NotFound("nothing is published; `rung publish` or `rung serve` does it")
    files = run_with_store(lambda store: store.files(version))
    policy = load_files(files)
    return f"{version}, {len(policy.routes)} routes, {len(policy.signatures)} signatures"


def _check_connectors() -> str:
    from rung.connectors import load_connectors

    connectors = load_connectors()
    if connectors.broken:
        raise NotFound("; ".join(f"{b.name} from {b.origin}: {b.why}" for b in connectors.broken))
    return ", ".join(sorted(connectors.loaded))


def _check_stuck() -> str:
    counts = run_with_store(lambda store: store.counts())
    return f"{counts.payloads_kept} payload(s) kept, {counts.commands_parked} command(s) parked"


def _check_disk() -> str:
    from rung.settings import Settings

    folder = Settings().data_dir
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    if free < 1 << 30:
        raise OSError(f"only {free >> 20} MiB free at {folder}; the database needs room")
    return f"{free >> 30} GiB free at {folder}"


_CHECKS: tuple[tuple[str, Callable[[], str]], ...] = (
    ("disk", _check_disk),
    ("database", _check_store),
    ("policy", _check_policy),
    ("connectors", _check_connectors),
    ("stuck", _check_stuck),
)
