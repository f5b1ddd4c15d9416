"""Deciding again without a new message: a threshold was crossed, or a suggestion's next check is due."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Protocol

from rung.core.compiled import Compiled
from rung.core.decide import decide
from rung.core.facts import all_facts
from rung.core.read import read
from rung.flow.published import Published
from rung.flow.settle import SameBatch, ceiling, decided_entry, gathered_facts, prepare
from rung.model import Decision, Json
from rung.ports import Arrival, Asked, Taken, Transactions

LOOK_AGAIN_LIMIT = 500
"""At most so many earlier tickets are looked at when a threshold is crossed, the latest first."""
_COMPARED = ("outcome", "route", "scope", "severity", "signature", "mode")


class Recent(Protocol):
    """Finds tickets by signature."""

    async def recent_tickets(self, signature: str, *, within: timedelta, limit: int) -> Sequence[str]:
        """Ids of open tickets whose active decision has the signature and is younger than ``within``."""


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
        compiled = await self._current()
        ids = await self._recent.recent_tickets(
            str(payload["signature"]),
            within=timedelta(minutes=compiled.policy.window_minutes),
            limit=LOOK_AGAIN_LIMIT,
        )
        await self.decide_again([i for i in ids if i != payload.get("because")], why="accounts_affected")

    async def check_ticket(self, payload: Mapping[str, Json]) -> None:
        """The handler of the ``check_ticket`` command: a decision's next check is due."""
        await self.decide_again([str(payload["ticket_id"])], why="next_check")

    async def _current(self) -> Compiled:
        async with self._transactions.begin() as work:
            looked = await work.look((), window_minutes=1, deployment_minutes=1)
        return await self._published.get(looked.policy)

    async def decide_again(self, ticket_ids: Sequence[str], *, why: str) -> Sequence[Decision]:
        """Decide tickets by the published policy and the facts of now; returns the decisions that changed."""
        compiled = await self._current()
        changed: list[Decision] = []
        async with self._transactions.begin() as work:
            await work.lock(sorted(ticket_ids))
            asked = [Asked(ticket_id=t, connector="") for t in ticket_ids]
            limits = {
                "window_minutes": compiled.policy.window_minutes,
                "deployment_minutes": compiled.policy.deployment_minutes,
            }
            first = await work.look(asked, **limits)
            prepared = [
                prepare(
                    compiled,
                    Arrival(connector="", ticket=replace(stored.ticket, messages=())),
                    read(compiled, stored.ticket, key=self._key),
                    first,
                    self._key,
                )
                for stored in first.known.values()
            ]
            looked = await work.look([p.asked for p in prepared], **limits)
            taken: list[Taken] = []
            for one, facts in zip(prepared, looked.facts, strict=True):
                if one.stored is None:
                    continue
                known, _ = gathered_facts(one, facts, SameBatch())
                known["second_ticket"] = _kept(one.stored.decision, "second_ticket")
                complete = all_facts(compiled.policy, one.ticket, one.reading, known)
                decision = ceiling(
                    looked.ceilings, one.ticket.source, decide(compiled, one.reading, complete, looked.now)
                )
                before = one.stored.decision
                if before and all(getattr(before, k) == getattr(decision, k) for k in _COMPARED):
                    continue
                changed.append(decision)
                taken.append(
                    Taken(
                        ticket=one.ticket,
                        new=False,
                        expected_version=one.stored.version,
                        decision=decision,
                        ledger=(decided_entry(decision, why),),
                    )
                )
            if taken:
                await work.write(taken)
        return changed


def _kept(decision: Decision | None, fact: str) -> Json:
    return bool(decision and decision.facts.get(fact))
