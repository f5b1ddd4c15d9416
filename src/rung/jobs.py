"""Workers: they take commands from the outbox and run their handlers.

Commands, attempts and receipts are our own rows (``store.outbox``); pgqueuer only wakes workers. A wake that
is lost costs a worker at most ``POLL``, never a command. Waking happens after the commit that ordered the
commands and is bundled: a NOTIFY inside that transaction would make all commits queue up behind one lock.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import structlog

from rung.errors import RateLimited, Retryable, RungError, Unavailable
from rung.ports import Handler
from rung.store.migrate import QUEUE_MODULE, WAKE, queue_queries
from rung.store.postgres import Store
from rung.store.rows import Claimed

ATTEMPTS = 5
"""A command that failed, or whose worker died, this often is parked."""
BACK_OFF = timedelta(seconds=5)
BACK_OFF_FACTOR = 4
LONGEST_BACK_OFF = timedelta(hours=1)
LEASE = timedelta(seconds=60)
"""A command whose worker has not been heard of for this long is given to another; extended while it runs."""
POLL = 5.0
"""Seconds after which a worker looks by itself, should nobody wake it."""
GRACE = 10.0
"""Seconds that commands under way have to end when the worker stops."""
BUNDLE = 0.05
"""Seconds during which wakes for other processes are bundled into one."""
WAKES = 64

log = structlog.get_logger("rung.jobs")


def back_off(attempts: int, error: Retryable) -> timedelta:
    """How long to wait after that many attempts: 5 s, 20 s, 80 s …, or what the service asked for if longer."""
    factor: int = BACK_OFF_FACTOR ** min(attempts - 1, 10)
    delay = min(BACK_OFF * factor, LONGEST_BACK_OFF)
    return max(delay, error.after) if isinstance(error, RateLimited) else delay


class Jobs:
    """Orders wakes and runs the worker loop of this process. One per process.

    Args:
        store: where the commands are; its ``on_commands`` is set to ``wake``.
        attempts: parks a command after so many.
        lease: how long a command belongs to a worker that is not heard of.
        poll: seconds after which a worker looks by itself.
    """

    def __init__(
        self, store: Store, *, attempts: int = ATTEMPTS, lease: timedelta = LEASE, poll: float = POLL
    ) -> None:
        self._store = store
        self._attempts = attempts
        self._lease = lease
        self._poll = poll
        self._woken = asyncio.Event()
        self._stopping = asyncio.Event()
        self._working = False
        self._running: dict[asyncio.Task[None], Claimed] = {}
        self._ringing: asyncio.Task[None] | None = None
        self._rings = 0
        store.on_commands = self.wake

    # ------------------------------------------------------------ waking
    def wake(self) -> None:
        """Say that there are commands: to the worker of this process if it has one, else to the others.

        Returns at once and never raises.
        """
        self._woken.set()
        if not self._working and (self._ringing is None or self._ringing.done()):
            self._ringing = asyncio.get_running_loop().create_task(self._ring())

    async def _ring(self) -> None:
        await asyncio.sleep(BUNDLE)
        # Some keys in turn: a wake that somebody is just handling never swallows a later one, and no
        # more than these wait when no worker runs.
        self._rings = (self._rings + 1) % WAKES
        try:
            await self._store.ring(f"{WAKE}:{self._rings}")
        except RungError as error:
            log.warning("wake_lost", error=str(error))  # workers look by themselves

    # ------------------------------------------------------------ the worker
    async def run(self, handlers: Mapping[str, Handler], *, concurrency: int = 8) -> None:
        """Work until ``stop``: take commands of the kinds in ``handlers``, at most ``concurrency`` at once.

        Survives the database going away. What is under way when it ends has ``GRACE`` seconds, then it is
        cancelled and given back.
        """
        self._working = True
        helpers = [asyncio.create_task(self._listen()), asyncio.create_task(self._keep_leases())]
        try:
            while not self._stopping.is_set():
                self._woken.clear()
                taken = await self._take(handlers, concurrency - len(self._running))
                if not taken:
                    await self._rest(tuple(handlers), full=len(self._running) >= concurrency)
        finally:
            self._working = False
            await self._finish()
            for helper in helpers:
                helper.cancel()
            await asyncio.gather(*helpers, return_exceptions=True)

    def stop(self) -> None:
        """End ``run`` after what is under way."""
        self._stopping.set()
        self._woken.set()

    async def close(self) -> None:
        """Send the last wake, if one is being bundled; for processes without a worker."""
        if self._ringing is not None:
            await self._ringing

    async def drain(self, handlers: Mapping[str, Handler]) -> int:
        """Run everything that is due now, one after the other, and return; how many. For tests and the CLI."""
        count = 0
        while taken := await self._store.claim_commands(tuple(handlers), limit=1, lease=self._lease):
            for command in taken:
                await self._do(command, handlers[command.kind])
                count += 1
        return count

    async def _take(self, handlers: Mapping[str, Handler], limit: int) -> bool:
        if limit <= 0:
            return False
        try:
            claimed = await self._store.claim_commands(tuple(handlers), limit=limit, lease=self._lease)
        except Unavailable as error:
            log.warning("database_away", error=str(error))
            await self._pause(1.0)
            return True
        for command in claimed:
            task = asyncio.create_task(self._do(command, handlers[command.kind]))
            self._running[task] = command
            task.add_done_callback(self._ended)
        return bool(claimed)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running.pop(task, None)
        self._woken.set()
        if not task.cancelled() and (error := task.exception()):
            log.error("command_unsettled", error=str(error))  # its lease runs out and it is tried again

    async def _rest(self, kinds: tuple[str, ...], *, full: bool) -> None:
        seconds = self._poll
        if not full:
            with contextlib.suppress(Unavailable):
                wait = await self._store.next_command(kinds)
                if wait is not None:
                    seconds = min(seconds, max(wait.total_seconds(), 0.01))
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._woken.wait(), seconds)

    async def _pause(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), seconds)

    async def _do(self, command: Claimed, handler: Handler) -> None:
        """Run one command and note what became of it."""
        noted = log.bind(command=command.key, kind=command.kind, attempt=command.attempts)
        if command.attempts > self._attempts:
            await self._store.park_command(
                command, error=command.last_error or f"its worker died {self._attempts} times while doing it"
            )
            noted.error("command_parked", error="workers died")
            return
        try:
            await handler(command.payload)
        except asyncio.CancelledError:
            await self._store.release_command(command)
            raise
        except Retryable as error:
            if command.attempts >= self._attempts:
                await self._store.park_command(command, error=_words(error))
                noted.error("command_parked", error=_words(error))
                return
            delay = back_off(command.attempts, error)
            await self._store.postpone_command(command, delay=delay, error=_words(error))
            noted.info("command_postponed", error=_words(error), seconds=delay.total_seconds())
        except Exception as error:  # noqa: BLE001 - a handler may raise anything; it is parked and the others go on
            await self._store.park_command(command, error=_words(error))
            noted.error("command_parked", error=_words(error), exc_info=error)
        else:
            await self._store.end_command(command)

    async def _finish(self) -> None:
        if not self._running:
            return
        _, late = await asyncio.wait(tuple(self._running), timeout=GRACE)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)

    async def _keep_leases(self) -> None:
        while True:
            await asyncio.sleep(self._lease.total_seconds() / 3)
            if self._running:
                with contextlib.suppress(Unavailable):  # tried again long before the lease ends
                    await self._store.extend_leases(tuple(self._running.values()), self._lease)

    # ------------------------------------------------------------ being woken by other processes
    async def _listen(self) -> None:
        """Let pgqueuer wake us; when it cannot, polling goes on and we try again."""
        await asyncio.to_thread(importlib.import_module, QUEUE_MODULE)
        while not self._stopping.is_set():
            try:
                async with self._store.listener() as connection:
                    await self._hear(connection)
            except Exception as error:  # noqa: BLE001 - a library's loop may raise anything; we only lose speed
                log.warning("queue_away", error=_words(error))
            await self._pause(1.0)

    async def _hear(self, connection: Any) -> None:
        from pgqueuer.core.qm import QueueManager
        from pgqueuer.domain.models import Job

        queue = queue_queries(connection)
        manager = QueueManager(queries=queue, channel=queue.qbe.settings.channel)

        @manager.entrypoint(WAKE)
        async def woken(_: Job) -> None:
            self._woken.set()

        ender = asyncio.create_task(self._end(manager))
        try:
            await manager.run(shutdown_on_listener_failure=True)
        finally:
            ender.cancel()

    async def _end(self, manager: Any) -> None:
        await self._stopping.wait()
        manager.shutdown.set()


def _words(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
