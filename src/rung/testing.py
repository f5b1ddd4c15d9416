"""The public kit for tests of your own policy, connectors and jobs: a whole Rung whose time you move.

    async with worlds() as make, make() as world:
        await world.receive({"id": "T-1", "subject": "it's slow"})
        await world.after(minutes=30)
        assert (await world.decision("T-1")).team == "backend/product"

Everything is real (PostgreSQL, intake, commands) apart from the clock of the store, which ``after`` moves; nothing
waits and nothing is patched.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, TypeAlias

from rung.core.wire import ticket_from_json
from rung.errors import NotFound
from rung.flow.again import Again
from rung.flow.intake import Answer, Idempotency, Intake
from rung.flow.published import Published
from rung.jobs import Jobs
from rung.model import Decision, Json
from rung.policy.load import load_files
from rung.policy.source import starter_files
from rung.ports import Arrival, Handler, HumanAction
from rung.store.postgres import Store
from rung.store.scratch import scratch

__all__ = ["World", "WorldMaker", "worlds"]

KEY = b"a key for tests only"


@dataclass(slots=True)
class World:
    """A whole Rung on a database of its own. ``worlds()`` makes them."""

    store: Store
    intake: Intake
    again: Again
    jobs: Jobs
    batches: list[int] = field(default_factory=list)
    _shift: timedelta = timedelta()

    async def receive(
        self,
        *tickets: Mapping[str, Json],
        connector: str = "api",
        delivery: str = "",
        actions: Sequence[HumanAction] = (),
        only_known: bool = False,
        idempotency: Idempotency | None = None,
    ) -> Answer:
        """Take tickets in as one request; returns after the commit."""
        arrivals = [
            Arrival(
                connector,
                ticket_from_json(dict(ticket)),
                delivery=delivery,
                actions=tuple(actions),
                only_known=only_known,
            )
            for ticket in tickets
        ]
        return await self.intake.take(arrivals, idempotency=idempotency)

    async def receive_at_once(self, *requests: Mapping[str, Any]) -> list[Answer | BaseException]:
        """Several callers at the same time, each with the arguments of ``receive`` (``ticket`` is its ticket)."""
        calls = []
        for request in requests:
            arguments = dict(request)
            calls.append(self.receive(arguments.pop("ticket"), **arguments))
        return await asyncio.gather(*calls, return_exceptions=True)

    async def publish(self, files: Mapping[str, str]) -> str:
        """Publish a policy; its version."""
        version = load_files(files).version
        await self.store.publish(version, files)
        return version

    async def decision(self, ticket_id: str) -> Decision:
        """The active decision of a ticket.

        Raises:
            NotFound: the ticket is unknown or has none.
        """
        decision = (await self.store.ticket(ticket_id)).decision
        if decision is None:
            raise NotFound(f"ticket {ticket_id!r} has no decision")
        return decision

    async def after(self, **units: float) -> int:
        """Let time pass (``minutes=30``), sweep what is due and do every command; how many were done."""
        self._shift += timedelta(**units)
        self.store.move_clock(self._shift)
        await self.store.due_checks()
        return await self.work()

    async def work(self) -> int:
        """Do every command that is due now; how many."""
        return await self.jobs.drain(self.handlers)

    async def now(self) -> datetime:
        """The store's clock."""
        return await self.store.now()

    @property
    def handlers(self) -> Mapping[str, Handler]:
        """What the worker does, by the kind of command."""
        return {"look_again": self.again.look_again, "check_ticket": self.again.check_ticket}


WorldMaker: TypeAlias = Callable[[], AbstractAsyncContextManager[World]]


@contextlib.asynccontextmanager
async def worlds(files: Mapping[str, str] | None = None) -> AsyncIterator[WorldMaker]:
    """Start one throw-away server and give a function that makes fresh worlds on it.

    ``files`` is the policy that each world has published, the starter policy without it.
    """
    policy = dict(starter_files() if files is None else files)
    version = load_files(policy).version
    async with scratch() as server:

        @contextlib.asynccontextmanager
        async def make() -> AsyncIterator[World]:
            async with server.store() as store:
                await store.publish(version, policy)
                published = Published(store, version)
                batches: list[int] = []
                async with Intake(store, published, key=KEY, observe_batch=batches.append) as intake:
                    again = Again(store, published, store, key=KEY)
                    yield World(store, intake, again, Jobs(store), batches)

        yield make
