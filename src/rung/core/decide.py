"""The decision: a pure function of (policy, reading, facts, now). Same input, same answer, on any machine."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import MappingProxyType

from rung import __version__
from rung.core.compiled import Compiled
from rung.core.facts import all_facts
from rung.core.handoff import handoff_text
from rung.core.read import read
from rung.core.routing import Circumstances, fact_reasons, first_route, raised_severity, said
from rung.core.rules import FIRST_LEVEL, FIRST_TEAM, Route, Signature
from rung.model import (
    NOTHING,
    Because,
    Decision,
    Facts,
    Mode,
    Outcome,
    Reading,
    Recognised,
    Severity,
    Ticket,
)

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
"""The clock of a ticket that says no time, where the caller gives none: fixed, so that answers repeat."""

MODES: tuple[Mode, ...] = ("observe", "suggest", "act")


def least_mode(*modes: Mode) -> Mode:
    """The most careful of several modes."""
    return min(modes, key=MODES.index)


def circumstances(
    compiled: Compiled, reading: Reading, facts: Facts
) -> tuple[Circumstances, tuple[Because, ...]]:
    """What the routes look at, with the reasons that raised the severity."""
    best = reading.signatures[0] if reading.signatures else None
    signature = _signature(compiled, best)
    base: Severity = signature.severity if signature else "sev4"
    plain = Circumstances(compiled, reading, facts, best, base)
    severity, reasons = raised_severity(plain, base)
    return Circumstances(compiled, reading, facts, best, severity), reasons


def _signature(compiled: Compiled, best: Recognised | None) -> Signature | None:
    if best is None:
        return None
    return compiled.policy.signatures[compiled.signature_index[best.signature]]


def decide(compiled: Compiled, reading: Reading, facts: Facts, now: datetime) -> Decision:
    """Who must have this ticket, and why. ``facts`` are complete (``core.facts.all_facts``)."""
    around, raising = circumstances(compiled, reading, facts)
    policy, best = compiled.policy, around.best
    signature = _signature(compiled, best)
    route = first_route(around)
    if route is None:  # the linter demands a fallback; a policy without one still answers
        route = Route(id="none", when=policy.routes[-1].when, to=_first_scope(compiled), outcome="stay")
    cell = policy.level(route.to)
    duplicate_of = facts.get("duplicate_of") or None
    triggers = _counted_triggers(compiled, reading)
    certain = signature is not None and signature.certainty == "deterministic"
    outcome: Outcome = "duplicate" if duplicate_of else _outcome(around, route, certain, bool(triggers))
    severity = route.severity or around.severity
    because = _because(reading, best, route, raising, triggers)
    channel = route.channel or cell.channel
    evidence = tuple(dict.fromkeys((*(signature.evidence if signature else ()), *route.evidence)))
    return Decision(
        ticket_id=reading.ticket_id,
        policy=policy.version,
        engine=__version__,
        decided_at=now,
        outcome=outcome,
        mode=least_mode(policy.mode, signature.mode) if signature else policy.mode,
        signature=around.signature,
        secondary=tuple(s.signature for s in reading.signatures[1:]),
        confidence=best.confidence if best else 0.0,
        deterministic=certain,
        bypass_l1=outcome == "escalate" and cell.id != f"{FIRST_TEAM}/{FIRST_LEVEL}",
        team=cell.team,
        level=cell.name,
        channel=channel,
        severity=severity,
        because=because,
        entities=reading.entities,
        facts=MappingProxyType(dict(facts)),
        evidence_required=evidence,
        handoff=handoff_text(
            policy, reading, cell, route, outcome=outcome, severity=severity, channel=channel,
            because=because, evidence=evidence, facts=facts, signature=signature,
        ),
        route=route.id,
        scope=route.to,
        duplicate_of=duplicate_of,
        articles=tuple(policy.articles.get(around.signature or "", ())),
        next_check_at=_next_check(route, outcome, now),
    )  # fmt: skip


def _first_scope(compiled: Compiled) -> str:
    return compiled.policy.teams[FIRST_TEAM].levels[FIRST_LEVEL].scope[0].id


def _next_check(route: Route, outcome: Outcome, now: datetime) -> datetime | None:
    if route.next_check_minutes is None or outcome not in ("suggest", "stay"):
        return None
    return now + timedelta(minutes=route.next_check_minutes)


def _counted_triggers(compiled: Compiled, reading: Reading) -> tuple[Because, ...]:
    """Triggers count unless an exclusion vetoed the signature that they prove."""
    recognised = {s.signature for s in reading.signatures}
    proves = compiled.proves
    return tuple(t.because for t in reading.triggers if proves[t.id] in recognised)


def _outcome(around: Circumstances, route: Route, certain: bool, triggered: bool) -> Outcome:
    """Deterministic → act, judgement → a person; below the policy's threshold a person too."""
    if route.outcome:
        return route.outcome
    cell = around.compiled.policy.level(route.to)
    if (cell.team, cell.name) == (FIRST_TEAM, FIRST_LEVEL):
        return "stay"
    sure = around.best is not None and around.best.confidence >= around.compiled.policy.act_at
    return "escalate" if triggered or (certain and sure) else "suggest"


def _because(
    reading: Reading,
    best: Recognised | None,
    route: Route,
    raising: tuple[Because, ...],
    triggers: tuple[Because, ...],
) -> tuple[Because, ...]:
    """Every reason once: triggers, the signature's words, services, facts of the route, severity."""
    reasons = [*triggers, *(best.because if best else ()), *(s.because for s in reading.services)]
    if reading.asks_for_technical:
        reasons.append(reading.asks_for_technical)
    reasons.extend(fact_reasons(f"route:{route.id}", route.when))
    reasons.extend(replace(because, rule=f"route:{route.id}") for because in said(reading, route.when))
    reasons.extend(raising)
    return tuple(dict.fromkeys(reasons))


def decide_ticket(
    compiled: Compiled,
    ticket: Ticket,
    *,
    facts: Facts | None = None,
    now: datetime | None = None,
    key: bytes = b"",
) -> Decision:
    """Read and decide one ticket without a server; ``now`` defaults to the ticket's time, else ``EPOCH``."""
    reading = read(compiled, ticket, key=key)
    known = all_facts(compiled.policy, ticket, reading, NOTHING if facts is None else facts)
    return decide(compiled, reading, known, now or ticket.created_at or EPOCH)
