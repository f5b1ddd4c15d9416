"""What would Rung decide? The whole decision with every route tried, and nothing stored."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime

from rung.core.compiled import Compiled
from rung.core.decide import decide
from rung.core.explain import explain
from rung.core.facts import all_facts
from rung.core.read import read
from rung.core.rules import Policy
from rung.model import NOTHING, Decision, Facts, Reading, Ticket, TriedRoute
from rung.web.deps import Deps
from rung.web.problems import problem


@dataclass(frozen=True, slots=True)
class Considered:
    """One ticket considered under one policy: what was seen, the answer, and every route tried."""

    policy: Policy
    reading: Reading
    decision: Decision
    tried: tuple[TriedRoute, ...]


async def published(deps: Deps) -> Compiled:
    """The published policy.

    Raises:
        Problematic: none was published yet (503).
    """
    compiled = await deps.policy()
    if compiled is None:
        raise problem("unavailable", "No policy is published yet; `rung publish` publishes one.")
    return compiled


def consider(
    compiled: Compiled, ticket: Ticket, *, now: datetime, key: bytes = b"", stored: Facts = NOTHING
) -> Considered:
    """Decide a ticket at ``now`` and say how every route was tried. ``stored`` are facts known beside its own."""
    reading = read(compiled, ticket, key=key)
    facts = all_facts(compiled.policy, ticket, reading, stored)
    return Considered(
        compiled.policy,
        reading,
        decide(compiled, reading, facts, now),
        explain(compiled, reading, facts, now),
    )


async def consider_now(deps: Deps, ticket: Ticket) -> Considered:
    """Consider a ticket under the published policy, at the store's time.

    Raises:
        Problematic: no policy is published (503).
    """
    compiled = await published(deps)
    started = time.perf_counter()
    considered = consider(compiled, ticket, now=ticket.created_at or deps.clock(), key=deps.key)
    deps.metrics.decide_took(time.perf_counter() - started)
    return considered
