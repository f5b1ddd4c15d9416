"""A policy small enough to keep in one's head, for tests of the core."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from rung.core.compiled import Compiled, compile_policy
from rung.core.rules import (
    Clue,
    FactTest,
    Level,
    Policy,
    Raise,
    Route,
    ScopeItem,
    Service,
    Signature,
    Team,
    Trigger,
    When,
)


def team(name: str, next_team: str = "") -> Team:
    """A team with L1 to L3, each with one scope item called ``work``."""
    levels = {}
    for level, following in (("L1", f"{name}/L2"), ("L2", f"{name}/L3"), ("L3", next_team)):
        item = ScopeItem(f"{name}/{level}/work", name, level, "Work")
        levels[level] = Level(
            name, level, (item,), "Escalate", following, (f"{name}-{level}",), f"#{name}", 60.0, 30, 480
        )
    return Team(name, name.capitalize(), f"#{name}", levels)


def clue(rule: str, weight: float = 3.0, **which: Any) -> Clue:
    """A clue with the fields that matter."""
    return Clue(rule=rule, weight=weight, **which)


def signature(name: str, *clues: Clue, certainty: str = "deterministic", **more: Any) -> Signature:
    """A signature that needs 3, in mode act."""
    base = Signature(
        id=name,
        title=name.replace("_", " "),
        certainty=certainty,  # type: ignore[arg-type] # tests pass the closed words
        mode="act",
        severity="sev3",
        needs=3.0,
        clues=clues,
        exclusions=(),
        evidence=("api_calls",),
    )
    return replace(base, **more)


SIGNATURES = (
    signature(
        "tls",
        clue("signature:tls/phrase:handshake", phrase="handshake failed"),
        clue("signature:tls/entity", 2.0, entity="exception", value=".*SSL.*"),
    ),
    signature("slow", clue("signature:slow/pattern", pattern=r"it'?s (so )?slow|langsam|太慢")),
    signature("vague", clue("signature:vague/phrase", phrase="does not work"), certainty="judgement"),
    signature("howto", clue("signature:howto/pattern", 6.0, pattern="how (do|can) i")),
    signature("db", clue("signature:db/pattern", pattern="ECONNREFUSED")),
)

POLICY = Policy(
    version="sha256:small",
    teams={t.id: t for t in (team("customer_success"), team("backend"), team("sre"), team("devops"))},
    services=(Service("orders-db", "Orders", "database", "sre", networks=("10.0.45.0/24",), ports=(5432,)),),
    signatures=SIGNATURES,
    triggers=(
        Trigger("ssl", "exception", "SSLHandshakeException", "tls", "backend", "2026-11-22"),
        Trigger(
            "fire", "literal", "500 errors", "slow", "sre", "2026-11-22", except_when=("how (do|can) i",)
        ),
    ),
    routes=(
        Route("beyond", When(facts=(FactTest("beyond_expertise_of", "equals", "sre/L2"),)), "sre/L3/work"),
        Route("tls", When(signatures=("tls",)), "backend/L2/work", paste="Add the chain."),
        Route(
            "db-deployed",
            When(
                signatures=("db",),
                service_kinds=("database",),
                facts=(FactTest("recent_deployment", "present"),),
            ),
            "devops/L2/work",
        ),
        Route("db", When(signatures=("db",), services=("orders-db",)), "sre/L2/work"),
        Route("db-unknown", When(signatures=("db",)), "devops/L1/work"),
        Route(
            "slow-all",
            When(signatures=("slow",), facts=(FactTest("accounts_affected", "at_least", 3),)),
            "sre/L2/work",
        ),
        Route("slow-one", When(signatures=("slow",)), "backend/L2/work"),
        Route("vague", When(signatures=("vague",)), "customer_success/L2/work", next_check_minutes=30),
        Route("rest", When(), "customer_success/L1/work"),
    ),
    raises=(
        Raise("down", 1, phrases=("production is down",)),
        Raise("many", 1, when=When(facts=(FactTest("accounts_affected", "at_least", 3),))),
    ),
    redactions=(("acme", "acme_[a-z0-9]{12}"),),
    mode="act",
    technical_phrases=("someone technical",),
)


def compiled(**changes: Any) -> Compiled:
    """The small policy, ready to read."""
    return compile_policy(replace(POLICY, **changes))
