"""The facts a decision may test: their closed list, and those that the ticket itself gives."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from rung.core.rules import Policy, Route
from rung.errors import Malformed
from rung.model import Facts, Json, Reading, Ticket

FACTS: Mapping[str, str] = MappingProxyType(
    {
        "accounts_affected": "Distinct accounts with the same signature within the policy's window, this one "
        "included; a whole number, at least 1.",
        "annual_value": "Yearly value of the account in the operator's currency.",
        "asks_for_technical": "True when the customer asks for someone technical.",
        "beyond_expertise_of": "The team/level whose owner says that the ticket is beyond their level of "
        "expertise.",
        "duplicate_of": "Id of the ticket that this one repeats.",
        "health": "Object of service id to ok, degraded or down.",
        "plan": "The account's plan.",
        "recent_deployment": "Object with service, version and minutes_ago of the latest deployment of a "
        "service that the ticket touches.",
        "reopened": "True when the ticket was solved before and came back.",
        "second_ticket": "True when the same requester or account already has an open ticket with this "
        "signature.",
        "service": "Id of the first catalogue service that the ticket names.",
        "service_kind": "Kind of that service.",
        "service_team": "Team that owns that service.",
        "tier": "The account's tier.",
    }
)
"""Fact name → what it means. Routes may test these and nothing else."""

_WHOLE, _NUMBER, _FLAG, _TEXT, _OBJECT = "a whole number", "a number", "true or false", "a text", "an object"
_KINDS: Mapping[str, str] = MappingProxyType(
    {
        "accounts_affected": _WHOLE, "annual_value": _NUMBER, "asks_for_technical": _FLAG,
        "beyond_expertise_of": _TEXT, "duplicate_of": _TEXT, "health": _OBJECT, "plan": _TEXT,
        "recent_deployment": _OBJECT, "reopened": _FLAG, "second_ticket": _FLAG, "service": _TEXT,
        "service_kind": _TEXT, "service_team": _TEXT, "tier": _TEXT,
    }
)  # fmt: skip


def check_facts(facts: Facts, where: str = "facts") -> None:
    """Refuse a known fact of the wrong type; null is absent, and names that are not known are not looked at.

    Raises:
        Malformed: with the fact's place and what is expected.
    """
    for name, value in facts.items():
        kind = _KINDS.get(name)
        if kind is not None and value is not None and not _is(kind, value):
            raise Malformed(f"expected {kind}, found {str(value)[:60]!r}", where=f"{where}.{name}")


def _is(kind: str, value: Json) -> bool:
    if kind == _FLAG:
        return isinstance(value, bool)
    if kind == _TEXT:
        return isinstance(value, str)
    if kind == _OBJECT:
        return isinstance(value, dict)
    if isinstance(value, bool):
        return False
    return isinstance(value, int) if kind == _WHOLE else isinstance(value, int | float)


def own_facts(policy: Policy, ticket: Ticket, reading: Reading) -> dict[str, Json]:
    """The facts that the ticket's account and text give, without looking anywhere else."""
    facts: dict[str, Json] = {
        "accounts_affected": 1,
        "asks_for_technical": reading.asks_for_technical is not None,
        "second_ticket": False,
    }
    account = ticket.account
    if account is not None:
        facts |= {
            name: value
            for name, value in (
                ("tier", account.tier),
                ("plan", account.plan),
                ("annual_value", account.annual_value),
            )
            if value
        }
    if reading.services:
        service = next(s for s in policy.services if s.id == reading.services[0].id)
        facts |= {"service": service.id, "service_kind": service.kind, "service_team": service.team}
    return facts


def all_facts(policy: Policy, ticket: Ticket, reading: Reading, stored: Facts) -> Facts:
    """Own facts, then the store's, then those that came with the ticket; later ones win. Keys are sorted."""
    merged = {**own_facts(policy, ticket, reading), **stored, **ticket.facts}
    return MappingProxyType({name: merged[name] for name in sorted(merged)})


def account_thresholds(routes: Iterable[Route]) -> frozenset[int]:
    """The values of ``accounts_affected`` at which some route begins to match.

    When a new ticket crosses one, earlier tickets of the same signature deserve a second look.
    """
    return frozenset(
        int(test.value)
        for route in routes
        for test in route.when.facts
        if test.fact == "accounts_affected" and test.op == "at_least" and isinstance(test.value, int | float)
    )
