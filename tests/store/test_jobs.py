"""Workers: every command is done once, tried again when that helps, and set aside when it does not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest

from rung.errors import NotFound, RateLimited, Unavailable
from rung.jobs import Jobs, back_off
from rung.model import Json, Ticket
from rung.ports import Command, Handler, Taken
from rung.store.postgres import Store
from rung.store.scratch import Scratch


class Recorder:
    """A handler that remembers what it was given, and fails as it is told."""

    def __init__(self, *failures: Exception) -> None:
        self.done: list[Json] = []
        self.failures = list(failures)
        self.finished = asyncio.Event()

    async def __call__(self, payload: Mapping[str, Json]) -> None:
        """Do it."""
        if self.failures:
            raise self.failures.pop(0)
        self.done.append(payload["n"])
        self.finished.set()


@asynccontextmanager
async def working(jobs: Jobs, handlers: Mapping[str, Handler], concurrency: int = 8) -> AsyncIterator[None]:
    """A worker that runs during the block and ends well after it."""
    task = asyncio.create_task(jobs.run(handlers, concurrency=concurrency))
    try:
        yield
    finally:
        jobs.stop()
        await asyncio.wait_for(task, 20)


def commands(count: int) -> list[Command]:
    """Numbered commands."""
    return [Command("gather", f"gather:{n}", {"n": n}) for n in range(count)]


async def test_commands_are_done_once_in_order(store: Store) -> None:
    """What was ordered is run, and never again; a second order with the same key is dropped."""
    handler = Recorder()
    jobs = Jobs(store)
    assert await store.order(commands(3)) == 3
    assert await store.order(commands(4)) == 1

    assert await jobs.drain({"gather": handler}) == 4
    assert await jobs.drain({"gather": handler}) == 0

    assert handler.done == [0, 1, 2, 3]
    await jobs.close()


async def test_a_command_waits_for_its_time(store: Store) -> None:
    """Nothing runs before its ``run_at``."""
    handler = Recorder()
    later = await store.now() + timedelta(minutes=10)
    await store.order([Command("gather", "k", {"n": 1}, run_at=later)])
    jobs = Jobs(store)

    assert await jobs.drain({"gather": handler}) == 0
    wait = await store.next_command(["gather"])
    assert wait is not None
    assert timedelta(minutes=9) < wait <= timedelta(minutes=10)
    store.move_clock(timedelta(minutes=11))
    assert await jobs.drain({"gather": handler}) == 1
    await jobs.close()


async def test_a_worker_takes_only_what_it_knows(store: Store) -> None:
    """Commands of other kinds are left to those who can do them."""
    await store.order([Command("other", "k", {"n": 1})])
    jobs = Jobs(store)

    assert await jobs.drain({"gather": Recorder()}) == 0
    assert (await store.counts()).commands_queued == 1
    await jobs.close()


async def test_a_retryable_failure_is_tried_again_later(store: Store) -> None:
    """Each time later than before; then it is done."""
    handler = Recorder(Unavailable("zendesk is away"), Unavailable("still away"))
    jobs = Jobs(store)
    await store.order(commands(1))

    assert await jobs.drain({"gather": handler}) == 1
    assert await jobs.drain({"gather": handler}) == 0
    store.move_clock(timedelta(seconds=6))
    assert await jobs.drain({"gather": handler}) == 1
    store.move_clock(timedelta(seconds=16))
    assert await jobs.drain({"gather": handler}) == 0
    store.move_clock(timedelta(seconds=27))
    assert await jobs.drain({"gather": handler}) == 1

    assert handler.done == [0]
    assert (await store.counts()).commands_queued == 0
    await jobs.close()


async def test_five_failures_park_it_and_redrive_starts_over(store: Store) -> None:
    """A parked command shows its error, blocks nobody, and can be driven again."""
    handler = Recorder(*(Unavailable(f"away {n}") for n in range(5)))
    jobs = Jobs(store)
    await store.order(commands(1))
    for tried in range(8):
        store.move_clock(timedelta(hours=2 * tried))
        await jobs.drain({"gather": handler})

    (parked,) = (await store.parked_commands()).rows
    assert (parked.attempts, parked.last_error) == (5, "Unavailable: away 4")
    assert handler.done == []

    assert await store.redrive_commands(parked.id) == 1
    assert await jobs.drain({"gather": handler}) == 1
    assert handler.done == [0]
    assert (await store.parked_commands()).rows == ()
    with pytest.raises(NotFound):
        await store.redrive_commands(parked.id)
    await jobs.close()


async def test_a_mistake_is_parked_at_once_and_the_others_go_on(store: Store) -> None:
    """Anything but a retryable error will not get better by itself."""
    handler = Recorder(KeyError("ticket_id"))
    jobs = Jobs(store)
    await store.order(commands(3))

    await jobs.drain({"gather": handler})

    assert handler.done == [1, 2]
    assert [p.last_error for p in (await store.parked_commands()).rows] == ["KeyError: 'ticket_id'"]
    assert await store.redrive_commands() == 1
    await jobs.close()


async def test_a_dead_workers_command_is_taken_over(store: Store) -> None:
    """When the lease has run out another worker does it; the dead one's word no longer counts."""
    await store.order(commands(1))
    (lost,) = await store.claim_commands(["gather"], limit=1, lease=timedelta(seconds=60))
    assert await store.claim_commands(["gather"], limit=1, lease=timedelta(seconds=60)) == ()

    store.move_clock(timedelta(seconds=61))
    (taken,) = await store.claim_commands(["gather"], limit=1, lease=timedelta(seconds=60))

    assert (taken.id, taken.attempts) == (lost.id, 2)
    assert not await store.end_command(lost)
    assert not await store.park_command(lost, error="x")
    assert await store.end_command(taken)


async def test_a_command_that_kills_its_workers_is_parked(store: Store) -> None:
    """After five workers died of it, the sixth does not try."""
    await store.order(commands(1))
    for n in range(5):
        store.move_clock(timedelta(minutes=2 * n))
        assert await store.claim_commands(["gather"], limit=1, lease=timedelta(seconds=60))
    store.move_clock(timedelta(minutes=20))
    handler = Recorder()
    jobs = Jobs(store)

    await jobs.drain({"gather": handler})

    assert handler.done == []
    assert "died" in (await store.parked_commands()).rows[0].last_error
    await jobs.close()


async def test_two_workers_share_the_work_without_doubles(store: Store, server: Scratch) -> None:
    """Two processes' worth of workers: every command once."""
    await store.order(commands(60))
    all_done, done = asyncio.Event(), []

    async def note(payload: Mapping[str, Json]) -> None:
        done.append(payload["n"])
        await asyncio.sleep(0)
        if len(done) >= 60:
            all_done.set()

    async with (
        server.store(store.dsn.partition("@/")[2].partition("?")[0]) as other,
        working(Jobs(store), {"gather": note}, 3),
        working(Jobs(other), {"gather": note}, 3),
    ):
        await asyncio.wait_for(all_done.wait(), 20)

    assert sorted(done) == list(range(60))
    assert (await store.counts()).commands_queued == 0


async def test_the_worker_of_the_process_wakes_at_the_commit(store: Store) -> None:
    """An intake that orders a command has it done at once, not at the next poll."""
    handler = Recorder()
    async with working(Jobs(store, poll=600), {"gather": handler}):
        async with store.begin() as work:
            await work.write(
                [Taken(Ticket("T-1", subject="s"), new=True, commands=(Command("gather", "k", {"n": 7}),))]
            )
        await asyncio.wait_for(handler.finished.wait(), 10)

    assert handler.done == [7]


async def test_a_worker_elsewhere_is_woken_through_pgqueuer(store: Store, server: Scratch) -> None:
    """A process without a worker rings; a worker that polls once in ten minutes does it now."""
    handler = Recorder()
    async with server.store(store.dsn.partition("@/")[2].partition("?")[0]) as other:
        ringing = Jobs(other)
        async with working(Jobs(store, poll=600), {"gather": handler}):
            async with asyncio.timeout(20):
                while not handler.finished.is_set():
                    await other.order(commands(1))
                    ringing.wake()
                    await ringing.close()

    assert handler.done == [0]


async def test_stopping_lets_what_is_under_way_end(store: Store) -> None:
    """A command that was begun is finished and noted before the worker ends; the rest stays queued."""
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def slow(_: Mapping[str, Json]) -> None:
        begun.set()
        await go_on.wait()

    await store.order(commands(2))
    jobs = Jobs(store)
    task = asyncio.create_task(jobs.run({"gather": slow}, concurrency=1))
    await asyncio.wait_for(begun.wait(), 10)
    jobs.stop()
    go_on.set()
    await asyncio.wait_for(task, 10)

    counts = await store.counts()
    assert (counts.commands_queued, counts.commands_running) == (1, 0)


def test_back_off_grows_and_respects_the_service() -> None:
    """Four times longer each time, at most an hour, never less than the service asked for."""
    away = Unavailable("x")

    assert [back_off(n, away).total_seconds() for n in (1, 2, 3, 4)] == [5, 20, 80, 320]
    assert back_off(50, away) == timedelta(hours=1)
    assert back_off(1, RateLimited("slack", timedelta(minutes=3))) == timedelta(minutes=3)
