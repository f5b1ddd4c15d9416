"""The only place where things are built and joined: settings in, a running Rung out."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import getpass
import logging
import signal
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import structlog
import uvicorn
from fastapi import FastAPI

from rung.connectors import Connectors, load_connectors
from rung.core.compiled import Compiled
from rung.errors import Unavailable
from rung.flow.again import Again
from rung.flow.intake import Intake
from rung.flow.published import Published
from rung.jobs import Jobs
from rung.policy.load import load_files
from rung.policy.source import starter_files
from rung.ports import Handler
from rung.settings import Settings
from rung.store.backup import back_up, restore
from rung.store.embedded import Embedded, start
from rung.store.postgres import Store
from rung.store.vault import derived, load_key
from rung.web.application import create_app
from rung.web.deps import Deps
from rung.web.metrics import Metrics

SWEEP_EVERY = timedelta(seconds=10)
"""How often due tickets are turned into commands."""
FORGET_EVERY = timedelta(minutes=10)
log = structlog.get_logger("rung.app")


@dataclass(frozen=True, slots=True)
class Rung:
    """Everything that one process runs, joined."""

    settings: Settings
    store: Store
    published: Published
    intake: Intake
    again: Again
    jobs: Jobs
    connectors: Connectors
    web: FastAPI


def start_logging(settings: Settings) -> None:
    """Log lines to standard error, for people or as JSON; ours and those of the libraries."""
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(levelname)s %(name)s %(message)s")
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if settings.log_format == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )


def secret_key(settings: Settings) -> bytes:
    """The installation's key: given, or kept in the data folder."""
    given = settings.secret_key.get_secret_value()
    if not given:
        settings.data_dir.mkdir(parents=True, exist_ok=True)
    return load_key(settings.data_dir / "key", given)


def settle_memory() -> None:
    """Take the compiled policy, which stays, out of the garbage collector's sight: a tenth of each decision."""
    gc.collect()
    gc.freeze()
    gc.enable()


@contextlib.asynccontextmanager
async def opened_store(
    settings: Settings | None = None, *, starting: Future[Embedded] | None = None
) -> AsyncIterator[Store]:
    """The store of these settings, its schema up to date; the embedded server runs as long as it is open.

    ``starting`` is that server if somebody has begun to start it already.
    """
    settings = settings or Settings()
    async with contextlib.AsyncExitStack() as stack:
        dsn, admin_dsn = settings.database_url, settings.database_admin_url
        if not dsn:
            begun = asyncio.wrap_future(starting) if starting else asyncio.to_thread(start, settings.data_dir)
            embedded = await begun
            stack.callback(embedded.release)
            dsn, admin_dsn = embedded.dsn_app, embedded.dsn_owner
        key = secret_key(settings)
        yield await stack.enter_async_context(
            await Store.open(dsn, key=key, admin_dsn=admin_dsn, read_connections=settings.pool_size)
        )


async def back_up_to(settings: Settings, file: Path) -> None:
    """Write the configured database to a file."""
    async with _owner(settings) as (dsn, binaries):
        await back_up(dsn, file, binaries=binaries)


async def restore_from(settings: Settings, file: Path) -> None:
    """Fill the configured, empty database from a file."""
    async with _owner(settings) as (dsn, binaries):
        await restore(dsn, file, binaries=binaries)


@contextlib.asynccontextmanager
async def _owner(settings: Settings) -> AsyncIterator[tuple[str, Path | None]]:
    """How the schema's owner connects, and where the server's programs are."""
    if settings.database_url:
        yield settings.database_admin_url or settings.database_url, None
        return
    embedded = await asyncio.to_thread(start, settings.data_dir)
    try:
        yield embedded.dsn_owner, embedded.binaries
    finally:
        embedded.release()


async def publish_starter(store: Store) -> str:
    """Publish the starter policy if nothing was ever published; the published version."""
    version = await store.current_policy()
    if version:
        return version
    files = starter_files()
    version = load_files(files).version
    await store.publish(
        version, files, author=getpass.getuser(), note="starter policy, everything in observe"
    )
    return version


@contextlib.asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[Rung]:
    """A whole Rung on the configured store: intake runs, nothing listens yet and no worker works."""
    async with opened_store(settings) as store, joined(settings, store) as rung:
        yield rung


@contextlib.asynccontextmanager
async def joined(settings: Settings, store: Store) -> AsyncIterator[Rung]:
    """A whole Rung on an open store."""
    async with contextlib.AsyncExitStack() as stack:
        key = derived(secret_key(settings), "fingerprints")
        metrics = Metrics()
        published = Published(store, await store.current_policy())
        if published.current:
            await published.get(published.current)
        settle_memory()
        intake = await stack.enter_async_context(
            Intake(store, published, key=key, observe_batch=metrics.batch_committed)
        )
        connectors = load_connectors()
        for broken in connectors.broken:
            log.error("connector_broken", connector=broken.name, origin=broken.origin, why=broken.why)
        again = Again(store, published, store, key=key)

        async def current_policy() -> Compiled | None:
            version = await store.current_policy()
            return await published.get(version) if version else None

        web = create_app(
            Deps(
                intake=intake,
                records=store,
                policy=current_policy,
                clock=lambda: datetime.now(UTC),
                connectors=connectors.loaded,
                key=key,
                metrics=metrics,
            )
        )
        yield Rung(settings, store, published, intake, again, Jobs(store), connectors, web)


def handlers(rung: Rung) -> Mapping[str, Handler]:
    """What the worker can do, by the kind of command."""
    return {"look_again": rung.again.look_again, "check_ticket": rung.again.check_ticket}


async def work(rung: Rung, stop: asyncio.Event) -> None:
    """Run the worker until ``stop``: commands, the sweep of due tickets, and forgetting what expired."""
    async with asyncio.TaskGroup() as group:
        group.create_task(_every(SWEEP_EVERY, rung.store.due_checks, stop))
        group.create_task(_every(FORGET_EVERY, rung.store.forget_expired, stop))
        group.create_task(rung.jobs.run(handlers(rung)))
        await stop.wait()
        rung.jobs.stop()


async def _every(pause: timedelta, do: Callable[[], Awaitable[object]], stop: asyncio.Event) -> None:
    """Do it, wait, do it again; a database that is away is met again at the next turn."""
    while not stop.is_set():
        try:
            await do()
        except Unavailable as gone:
            log.warning("database_away", why=str(gone))
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), pause.total_seconds())


def stop_on_signals() -> asyncio.Event:
    """An event that SIGINT and SIGTERM set."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    return stop


class _Server(uvicorn.Server):
    """uvicorn without its own signal handlers: ours stop everything together."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to ``stop_on_signals``."""
        yield


async def serve(
    settings: Settings,
    *,
    ready: Callable[[str, Rung], None],
    stop: asyncio.Event | None = None,
    starting: Future[Embedded] | None = None,
) -> None:
    """Listen and work until ``stop`` (or a signal); ``ready`` is called with the address once it listens."""
    stop = stop or stop_on_signals()
    listening = _listen(settings)
    with contextlib.closing(listening):
        async with opened_store(settings, starting=starting) as store:
            await publish_starter(store)
            async with joined(settings, store) as rung:
                await _serve(rung, listening, ready, stop)


def _listen(settings: Settings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((settings.host, settings.port))
    except OSError as error:
        listening.close()
        raise Unavailable(
            f"cannot listen on {settings.host}:{settings.port}: {error.strerror}; choose another --port"
        ) from error
    return listening


async def _serve(
    rung: Rung, listening: socket.socket, ready: Callable[[str, Rung], None], stop: asyncio.Event
) -> None:
    config = uvicorn.Config(
        rung.web,
        loop="none",
        http="httptools",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=10,
    )
    server = _Server(config)
    async with asyncio.TaskGroup() as group:
        serving = group.create_task(server.serve(sockets=[listening]))
        if rung.settings.worker:
            group.create_task(work(rung, stop))
        while not server.started and not serving.done():  # noqa: ASYNC110 # uvicorn has no event for it
            await asyncio.sleep(0.005)
        if server.started:
            host, port = listening.getsockname()[:2]
            ready(f"http://{f'[{host}]' if ':' in host else host}:{port}", rung)
        waiting = group.create_task(stop.wait())
        await asyncio.wait({waiting, serving}, return_when=asyncio.FIRST_COMPLETED)
        stop.set()
        server.should_exit = True
