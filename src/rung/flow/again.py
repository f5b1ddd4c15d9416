"""Deciding again without a new message: a threshold was crossed, or a suggestion's next check is due."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Protocol

from rung.core.compiled import Compiled
from rung.core.decide import decide
from rung.core.facts import all_facts
from rung.core.read import read
from rung.flow.published import Published
from rung.flow.settle import SameBatch, ceiling, decided_entry, gathered_facts, unchanged
from rung.model import Decision, Json
from rung.ports import Asked, Taken, Transactions, UnitOfWork

CHUNK = 20
"""Tickets decided again in one transaction."""
LOOK_AGAIN_LIMIT = 500
"""At most so many earlier tickets are looked at when a threshold is crossed, the latest first."""
_COMPARED = ("outcome", "route", "scope", "severity", "signature", "mode")


class Recent(Protocol):
    """Finds tickets by signature."""

    async def recent_tickets(
        self, signature: str, *, within: timedelta, fewer_than: int, limit: int
    ) -> Sequence[str]:
        """Ids of open tickets whose active decision has the signature, is young enough and counted too few."""


class Again:
    """Decides stored tickets again and writes only what changed."""

    def __init__(
        self, transactions: Transactions, published: Published, recent: Recent, *, key: bytes
    ) -> None:
        self._transactions = transactions
        self._published = published
        self._recent = recent
        self._key = key

    async def look_again(self, payload: Mapping[str, Json]) -> None:
        """The handler of the ``look_again`` command: earlier tickets of a signature whose count has changed."""
        compiled = await self._published.follow(self._transactions)
        ids = await self._recent.recent_tickets(
            str(payload["signature"]),
            within=timedelta(minutes=compiled.policy.window_minutes),
            fewer_than=int(payload["threshold"]),
            limit=LOOK_AGAIN_LIMIT,
        )
        await self.decide_again(ids, why="accounts_affected")

    async def check_ticket(self, payload: Mapping[str, Json]) -> None:
        """The handler of the ``check_ticket`` command: a decision's next check is due."""
        await self.decide_again([str(payload["ticket_id"])], why="next_check")

    async def decide_again(self, ticket_ids: Sequence[str], *, why: str) -> Sequence[Decision]:
        """Decide tickets by the published policy and the facts of now; returns the decisions that changed.

        Works in small transactions and lets others run between them: an intake in the same process must not
        wait for hundreds of readings.
        """
        compiled = await self._published.follow(self._transactions)
        changed: list[Decision] = []
        for start in range(0, len(ticket_ids), CHUNK):
            chunk = ticket_ids[start : start + CHUNK]
            async with self._transactions.begin() as work:
                taken = await self._chunk(work, compiled, chunk, why)
                if taken:
                    await work.write(taken)
            changed.extend(t.decision for t in taken if t.decision)
            await asyncio.sleep(0)
        return changed

    async def _chunk(
        self, work: UnitOfWork, compiled: Compiled, ticket_ids: Sequence[str], why: str
    ) -> list[Taken]:
        """What to write for a few tickets, which are locked."""
        limits = {
            "window_minutes": compiled.policy.window_minutes,
            "deployment_minutes": compiled.policy.deployment_minutes,
        }
        await work.lock(sorted(ticket_ids))
        first = await work.look([Asked(ticket_id=t, connector="") for t in ticket_ids], **limits)
        stored = list(first.known.values())
        prepared = [unchanged(s, read(compiled, s.ticket, key=self._key)) for s in stored]
        if not prepared:
            return []
        looked = await work.look([p.asked for p in prepared], **limits)
        taken = []
        for known, one, facts in zip(stored, prepared, looked.facts, strict=True):
            gathered, _ = gathered_facts(one, facts, SameBatch())
            before = known.decision
            gathered["second_ticket"] = bool(before and before.facts.get("second_ticket"))
            complete = all_facts(compiled.policy, one.ticket, one.reading, gathered)
            decision = decide(compiled, one.reading, complete, looked.now)
            decision = ceiling(looked.ceilings, one.ticket.source, decision)
            if before and all(getattr(before, k) == getattr(decision, k) for k in _COMPARED):
                continue
            entry = decided_entry(decision, why)
            version = known.version
            taken.append(
                Taken(one.ticket, new=False, expected_version=version, decision=decision, ledger=(entry,))
            )
        return taken
