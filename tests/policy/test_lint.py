"""The linter: what it says of waiting, and that its reasoning about routes agrees with the engine's."""

from __future__ import annotations

from dataclasses import fields, replace
from itertools import product
from pathlib import Path
from types import MappingProxyType

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from rung.core.compiled import Compiled, compile_policy
from rung.core.routing import Circumstances, first_failure, holds
from rung.core.rules import FactTest, When
from rung.model import Because, Entity, Hit, Json, Reading, Recognised, Severity
from rung.policy.implies import cases, contradiction, implies
from rung.policy.lint import check_files, check_folder, lint
from rung.policy.load import load_files
from rung.policy.problems import nearest, one_of, shown
from rung.policy.waiting import waiting_name, waiting_words


@pytest.mark.parametrize(
    "words",
    [
        "Try for at least two hours before escalating.",
        "Investigate for 30 minutes first, then hand over.",
        "Spend 2h on it.",
        "Work on the ticket for a minimum of 4 hours",
        "Only escalate after 24 hours.",
        "Escalate after 3 business days.",
        "Never page anyone before 30 minutes have passed",
        "Do not escalate in business hours",
        "not during\nbusiness hours",
        "Business hours only",
        "Wait until the customer calls again",
        "Please wait for 20 minutes",
        "Hold off for now",
        "Leave it until Monday",
        "Give it a few hours",
        "There is a mandatory waiting period.",
        "At least one hour of troubleshooting before L2 is asked",
        "don’t escalate outside of working hours",
    ],
)
def test_words_that_make_people_wait_are_found(words: str) -> None:
    """Each of these lets the customer's clock run for nothing."""
    assert waiting_words(words)


@pytest.mark.parametrize(
    "words",
    [
        "",
        "Escalate to L2 if issue or request is beyond their level of expertise.",
        "Investigating and resolving more complex issues.",
        "Acknowledge within 15 minutes.",
        "Attach the calls of the last 24 hours.",
        "Ask the customer for the time zone before escalating.",
        "Webhooks that wait for a retry",
        "Escalate after the second failed retry",
        "Escalate at once, at any hour.",
        "Retry logs of the last two days and the response times",
        "Handling the most critical issues that cannot be resolved by L1",
        "Look into the logs for errors",
        "Customers who wait for a refund",
    ],
)
def test_words_that_make_nobody_wait_are_left_alone(words: str) -> None:
    """Spans of time and the word wait are fine where nobody is told to wait."""
    assert waiting_words(words) == ""


@pytest.mark.parametrize(
    "name", ["wait-first", "after-4-hours", "business-hours-api", "api_after_30_min", "cool-down"]
)
def test_names_about_waiting_are_found(name: str) -> None:
    """A rule whose name is about waiting is about waiting."""
    assert waiting_name(name)


@pytest.mark.parametrize(
    "name", ["webhook-delivery", "waiter-app", "after-sales", "office-365", "await-timeout"]
)
def test_other_names_are_left_alone(name: str) -> None:
    """Parts of words mean nothing."""
    assert waiting_name(name) == ""


def test_checking_a_folder_and_its_text_is_the_same(base_folder: Path, base_files: dict[str, str]) -> None:
    """``rung check`` and the publishing check agree."""
    assert check_folder(base_folder) == check_files(base_files)
    assert [p.code for p in check_folder(base_folder / "none")] == ["missing-file"]


def test_without_its_files_a_policy_can_still_be_linted(base_files: dict[str, str]) -> None:
    """A stored policy has the places of its rules, which is enough for most messages."""
    base_files["routes.yaml"] = base_files["routes.yaml"].replace("triggered: true", "triggered: false")
    policy = load_files(base_files)

    assert lint(policy) == check_files(base_files)
    assert [(p.code, p.file, p.line) for p in lint(policy)] == []


def test_nearest_prefers_the_same_word_then_a_close_one_then_a_part() -> None:
    """The suggestion is what the author most likely meant, or nothing."""
    names = ["backend/product", "customer_success", "data"]

    assert nearest("Data", names) == "data"
    assert nearest("custmer_success", names) == "customer_success"
    assert nearest("product", names) == "backend/product"
    assert nearest("quite something else", names) == ""


def test_values_are_shown_as_they_are_written() -> None:
    """Messages show no Python: backslashes stay single, and long text is cut."""
    values: tuple[Json, ...] = (None, True, 3, {}, [1], r"\d+", "a\nb")

    assert [shown(value) for value in values] == [
        "nothing", "true", "the number 3", "an empty mapping", "a list", r"'\d+'", r"'a\nb'",
    ]  # fmt: skip
    assert len(shown("x" * 500)) < 70
    assert one_of([]) == "nothing: none is defined"
    assert one_of([f"n{i:02}" for i in range(20)]) == "one of 20 names (n00, n01, n02, …)"


# ── routes: what the linter concludes must hold for every ticket ──

_SIGNATURES = ("api_error", "howto_question")
_SEVERITIES: tuple[Severity, ...] = ("sev1", "sev2")
_CONDITIONS = [
    *(When(signatures=names) for names in (_SIGNATURES[:1], _SIGNATURES[1:], _SIGNATURES)),
    *(When(mentions=names) for names in (_SIGNATURES[:1], _SIGNATURES[1:], _SIGNATURES)),
    When(triggers=("bad-gateway",)),
    When(triggers=("bad-gateway", "other")),
    *(When(triggered=fired) for fired in (True, False)),
    When(services=("orders-db",)),
    *(When(service_kinds=kinds) for kinds in (("database",), ("cache",), ("cache", "database"))),
    *(When(severities=own) for own in (_SEVERITIES[:1], _SEVERITIES[1:], _SEVERITIES)),
    *(When(confidence=least) for least in (0.5, 0.9)),
    *(When(phrases=words) for words in (("deploy",), ("deploy", "train"))),
    *(When(entities=(("exception", value),)) for value in ("", "Out.*")),
    *(When(facts=(FactTest("reopened", op),)) for op in ("present", "absent")),
    *(When(facts=(FactTest("tier", "equals", value),)) for value in ("gold", "silver")),
    When(facts=(FactTest("tier", "one_of", ("gold", "silver")),)),
]
"""Conditions one at a time; the properties below also join them."""


@pytest.fixture(scope="module")
def compiled() -> Compiled:
    """The base policy with a few more conditions, compiled once for the properties below."""
    base = Path(__file__).parent / "base"
    files = {p.relative_to(base).as_posix(): p.read_text("utf-8") for p in base.rglob("*.yaml")}
    tests = "{reopened: {present: true}, tier: {absent: true}}"  # so that cases split by these facts, too
    wider = f"{tests}\n      phrases: [deploy, train]\n      entity: {{type: exception, value: Out.*}}"
    files["routes.yaml"] = files["routes.yaml"].replace("{asks_for_technical: true}", wider)
    return compile_policy(load_files(files))


@pytest.fixture(scope="module")
def tickets(compiled: Compiled) -> list[Circumstances]:
    """Every kind of ticket that the conditions can tell apart."""
    said = Because("rule", "body", 0, 1, "x")
    orders = [(), _SIGNATURES[:1], _SIGNATURES[1:], _SIGNATURES, _SIGNATURES[::-1]]
    entities = (
        (),
        (Entity("exception", "OutOfMemoryError", "body", 0, 16),),
        (Entity("exception", "E", "body", 0, 1),),
    )
    known: list[dict[str, Json]] = [
        {},
        {"tier": "gold"},
        {"tier": "silver", "reopened": True},
        {"reopened": False},
    ]
    found = []
    for names, sure, fired, named, words, things, facts, severity in product(
        orders,
        (0.4, 0.7, 0.95),
        (True, False),
        (True, False),
        ((), ("deploy",), ("train",)),
        entities,
        known,
        _SEVERITIES,
    ):  # fmt: skip
        reading = Reading(
            ticket_id="t",
            texts=(),
            entities=things,
            signatures=tuple(Recognised(name, 3.0, sure, ()) for name in names),
            triggers=(Hit("bad-gateway", said),) if fired else (),
            services=(Hit("orders-db", said),) if named else (),
            said=tuple(Hit(word, said) for word in words),
        )
        best = reading.signatures[0] if reading.signatures else None
        found.append(Circumstances(compiled, reading, MappingProxyType(facts), best, severity))
    return found


def _taken(when: When, tickets: list[Circumstances]) -> set[int]:
    return {number for number, ticket in enumerate(tickets) if first_failure(when, ticket) is None}


def _joined(one: When, two: When) -> When:
    """Both conditions at once; of the same condition the second."""
    changes = {
        f.name: getattr(two, f.name) for f in fields(When) if getattr(two, f.name) != getattr(When(), f.name)
    }
    return replace(one, **changes | ({"facts": (*one.facts, *two.facts)} if one.facts and two.facts else {}))


_conditions = st.sampled_from(_CONDITIONS)
_joint = st.builds(_joined, _conditions, _conditions)
_quickly = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.filter_too_much])


def test_one_condition_implies_another_only_where_every_ticket_agrees(
    compiled: Compiled, tickets: list[Circumstances]
) -> None:
    """Over every pair of conditions: what is said to be implied has no exception."""
    kinds = {service.id: service.kind for service in compiled.policy.services}
    taken = [_taken(when, tickets) for when in _CONDITIONS]
    for (narrow, few), (wide, many) in product(zip(_CONDITIONS, taken, strict=True), repeat=2):
        if implies(narrow, wide, kinds):
            assert few <= many, (narrow, wide)


@pytest.mark.parametrize(
    ("narrow", "wide"),
    [
        (When(signatures=("a",)), When(signatures=("a", "b"))),
        (When(signatures=("a",)), When(mentions=("a", "b"))),
        (When(mentions=("a",)), When(mentions=("a", "b"))),
        (When(triggers=("t",)), When(triggered=True)),
        (When(triggers=("t",)), When(triggers=("t", "u"))),
        (When(services=("db",)), When(service_kinds=("database",))),
        (When(service_kinds=("cache",)), When(service_kinds=("cache", "database"))),
        (When(severities=("sev1",)), When(severities=("sev1", "sev2"))),
        (When(confidence=0.9), When(confidence=0.5)),
        (When(phrases=("deploy",)), When(phrases=("deploy", "train"))),
        (When(entities=(("exception", "Out.*"),)), When(entities=(("exception", ""),))),
        (When(signatures=("a",), triggered=True), When(signatures=("a",))),
        (When(triggered=False), When()),
    ],
    ids=str,
)
def test_a_narrower_condition_is_seen_as_narrower(narrow: When, wide: When) -> None:
    """These are how a route is shadowed in practice."""
    kinds = {"db": "database"}

    assert implies(narrow, wide, kinds)
    assert implies(wide, wide, kinds)
    assert not implies(wide, narrow, kinds)


@_quickly
@given(_joint, _joint)
def test_what_is_implied_holds_for_every_ticket(
    compiled: Compiled, tickets: list[Circumstances], narrow: When, wide: When
) -> None:
    """When conditions are said to imply others, no ticket meets the first and fails the second."""
    kinds = {service.id: service.kind for service in compiled.policy.services}
    both = _joined(narrow, wide)
    assume(implies(narrow, wide, kinds) or implies(both, wide, kinds))

    for one in (narrow, both):
        assert not implies(one, wide, kinds) or _taken(one, tickets) <= _taken(wide, tickets)


@_quickly
@given(_joint, _conditions)
def test_what_contradicts_itself_matches_no_ticket(
    compiled: Compiled, tickets: list[Circumstances], some: When, more: When
) -> None:
    """A route that is said to be unreachable is."""
    when = _joined(some, more)
    assume(contradiction(when, compiled.policy))

    assert _taken(when, tickets) == set()


@_quickly
@given(_joint)
def test_cases_together_are_the_whole(compiled: Compiled, tickets: list[Circumstances], when: When) -> None:
    """A ticket that meets the conditions meets exactly one of their cases, and no case takes another ticket."""
    taken = [_taken(case, tickets) for case in cases(when, compiled.policy)]

    assert set().union(*taken) == _taken(when, tickets)
    assert sum(map(len, taken)) == len(_taken(when, tickets))


_ONE_FACT = [
    *(FactTest("fact", op, value) for op in ("at_least", "at_most", "equals") for value in (1, 2, 3)),
    *(FactTest("fact", "equals", value) for value in ("gold", True, False)),
    *(
        FactTest("fact", "one_of", values)
        for values in ((1, 2), (2, 3, 4), ("gold", 2), (True, 3), (False, 3))
    ),
    FactTest("fact", "present"),
    FactTest("fact", "absent"),
]
_ONE_VALUE: list[dict[str, Json]] = [
    {},
    *({"fact": v} for v in (None, True, False, 0, 1, 1.5, 2, 3, 4, "gold", "x")),
]


@pytest.mark.parametrize("test", _ONE_FACT, ids=str)
def test_fact_tests_imply_and_exclude_as_the_engine_holds_them(compiled: Compiled, test: FactTest) -> None:
    """Over every pair of tests and every value: implied means always, contradictory means never."""
    for other in _ONE_FACT:
        narrow, wide, both = When(facts=(test,)), When(facts=(other,)), When(facts=(test, other))
        taken = [facts for facts in _ONE_VALUE if holds(test, facts)]
        if implies(narrow, wide, {}):
            assert all(holds(other, facts) for facts in taken), other
        if contradiction(both, compiled.policy):
            assert not any(holds(other, facts) for facts in taken), other


@pytest.mark.parametrize(
    ("narrow", "wide"),
    [
        (FactTest("fact", "at_least", 5), FactTest("fact", "at_least", 3)),
        (FactTest("fact", "at_most", 3), FactTest("fact", "at_most", 5)),
        (FactTest("fact", "equals", 5), FactTest("fact", "at_least", 3)),
        (FactTest("fact", "one_of", (4, 5)), FactTest("fact", "at_least", 3)),
        (FactTest("fact", "equals", "gold"), FactTest("fact", "one_of", ("gold", "silver"))),
        (FactTest("fact", "at_least", 5), FactTest("fact", "present")),
    ],
    ids=str,
)
def test_a_narrower_fact_test_is_seen_as_narrower(narrow: FactTest, wide: FactTest) -> None:
    """These are how a route is shadowed in practice."""
    assert implies(When(facts=(narrow,)), When(facts=(wide,)), {})
    assert not implies(When(facts=(wide,)), When(facts=(narrow,)), {})
