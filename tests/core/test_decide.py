from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rung.core.decide import EPOCH, decide, decide_ticket
from rung.core.explain import explain
from rung.core.facts import FACTS, all_facts, check_facts
from rung.core.read import read, redacted
from rung.core.wire import decision_from_json, decision_to_json, ticket_from_json, ticket_to_json
from rung.errors import Malformed
from rung.model import NOTHING, Account, Decision, Message, Ticket
from tests.core.small import compiled

SMALL = compiled()
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


def decided(
    subject: str = "", body: str = "", *, facts: dict[str, Any] | None = None, **more: Any
) -> Decision:
    """What the small policy decides at noon."""
    ticket = Ticket(id="T-1", subject=subject, body=body, facts=facts or {}, **more)
    return decide_ticket(SMALL, ticket, now=NOON)


def test_an_exception_that_is_a_trigger_bypasses_l1_and_quotes_itself() -> None:
    """The trigger's quote holds the whole class name with its package."""
    decision = decided("Shop is dead", "javax.net.ssl.SSLHandshakeException: closed")

    assert (
        decision.outcome,
        decision.team,
        decision.level,
        decision.bypass_l1,
    ) == ("escalate", "backend", "L2", True)
    reason = decision.because[0]
    assert (reason.rule, reason.field, reason.start, reason.end) == ("trigger:ssl", "body", 0, 35)
    assert reason.quote == "javax.net.ssl.SSLHandshakeException"


def test_the_first_matching_route_wins() -> None:
    """Both slow routes fit three accounts; the first in the policy is taken."""
    assert decided("It's slow", facts={"accounts_affected": 3}).route == "slow-all"
    assert decided("It's slow", facts={"accounts_affected": 2}).route == "slow-one"


def test_the_catalogue_tells_database_deployment_and_network_apart() -> None:
    """The same refused connection goes to three places by what is known of the address."""
    text = "Error: ECONNREFUSED 10.0.45.2:5432"
    deployed = {"recent_deployment": {"service": "orders-db", "version": "7", "minutes_ago": 10}}

    database = decided(text)
    assert (database.route, database.facts["service"]) == ("db", "orders-db")
    assert decided(text, facts=deployed).route == "db-deployed"
    assert decided("Error: ECONNREFUSED 192.0.2.7:9999").route == "db-unknown"


def test_a_judgement_becomes_a_suggestion_with_its_next_check() -> None:
    """A vague message is never acted on by the machine, and it becomes due."""
    decision = decided("It does not work")

    assert (decision.outcome, decision.bypass_l1) == ("suggest", False)
    assert decision.next_check_at == NOON + timedelta(minutes=30)


def test_a_question_that_names_a_trigger_stays_with_l1() -> None:
    """The trigger's exception vetoes it, and what wins is the question."""
    decision = decided("How do I find the cause of 500 errors?")

    assert (decision.outcome, decision.team, decision.level) == ("stay", "customer_success", "L1")
    assert not any(b.rule.startswith("trigger:") for b in decision.because)
    assert decision.handoff == ""


def test_words_and_facts_raise_the_severity_with_a_reason() -> None:
    """Each raising rule counts once and says why."""
    decision = decided("It's slow", "Production is down since 8", facts={"accounts_affected": 4})

    assert decision.severity == "sev1"
    rules = {b.rule: b.field for b in decision.because}
    assert (rules["severity:down"], rules["severity:many"]) == ("body", "facts.accounts_affected")


def test_a_duplicate_is_not_escalated() -> None:
    """The fact wins over every route."""
    decision = decided("It's slow", facts={"duplicate_of": "T-0"})

    assert (decision.outcome, decision.duplicate_of, decision.bypass_l1) == ("duplicate", "T-0", False)


def test_asking_for_someone_technical_is_a_fact_with_a_quote() -> None:
    """The words are quoted although the reason is a fact."""
    decision = decided("It's slow", "Let me talk to someone   technical!")

    assert decision.facts["asks_for_technical"] is True
    assert any(b.quote == "someone   technical" for b in decision.because)


def test_our_own_notes_are_read_by_nobody() -> None:
    """A note of Rung's that names a symptom changes nothing."""
    note = Message("rung", "handshake failed, it's slow, does not work")
    decision = decided("Hello", messages=(note,))

    assert decision.signature is None


def test_the_hand_off_names_place_reason_evidence_and_what_to_paste() -> None:
    """An agent can paste it as it is."""
    text = decided("Shop", "handshake failed").handoff

    for part in (
        "Backend L2",
        "#backend",
        '"handshake failed"',
        "API calls",
        "Add the chain.",
    ):
        assert part in text


def test_secrets_are_masked_before_anything_is_matched_or_stored() -> None:
    """The policy's own pattern and the built-in ones mask; lengths stay; the fingerprint repeats."""
    ticket = Ticket(
        id="T-1",
        subject="key acme_0123456789ab leaked",
        body="password=hunter2hunter2 and again acme_0123456789ab",
        fields={
            "password": "hunter2hunter2",
            "nested": [{"note": "token=ghp_0123456789abcdefghijABCDEFGHIJ012345"}],
        },
    )
    reading = read(SMALL, ticket, key=b"k")
    stored = ticket_to_json(redacted(ticket, reading))

    text = json.dumps(stored)
    assert "hunter2" not in text
    assert "0123456789ab" not in text
    assert "ghp_0123" not in text
    assert len(stored["body"]) == len(ticket.body)
    acme = [s.fingerprint for s in reading.secrets if s.kind == "acme"]
    assert len(acme) == 2
    assert acme[0] == acme[1]


def test_explain_ends_at_the_route_that_decide_takes() -> None:
    """Every route before it says which condition did not hold."""
    ticket = Ticket(id="T-1", subject="It's slow")
    reading = read(SMALL, ticket)
    facts = all_facts(SMALL.policy, ticket, reading, NOTHING)

    tried = explain(SMALL, reading, facts, NOON)

    assert [t.route for t in tried][-1] == decide(SMALL, reading, facts, NOON).route == "slow-one"
    whys = {t.route: t.why for t in tried}
    assert whys["beyond"] == "wants facts.beyond_expertise_of 'sre/L2'; it is absent"
    assert whys["tls"] == "wants signature tls; the best is slow"
    assert whys["slow-all"] == "wants facts.accounts_affected at least 3; it is 1"


def test_without_a_time_the_clock_is_fixed() -> None:
    """A ticket that says no time is decided at the epoch, so that the answer repeats."""
    assert decide_ticket(SMALL, Ticket(id="x", subject="hello")).decided_at == EPOCH


# What real text is made of: astral characters, combining marks, right to left, lone surrogates, CRLF, NUL.
PIECES = st.sampled_from(
    [
        "it's slow", "太慢", "handshake failed", "javax.net.ssl.SSLHandshakeException: x", "🙈👩‍👩‍👧", "e\u0301",
        "שלום",
        "مرحبا", "\ud83d", "\udc00", "\r\n", "\0", " ", "10.0.45.2:5432 ECONNREFUSED", "HTTP 502", "İstanbul",
        "password=hunter2hunter2", "acme_0123456789ab", "Traceback (most recent call last):\n", "ValueError: ß",
        "https://example.com/a?b=c", "production is down", "someone technical", "500 errors", "ﬁ",
    ]
)  # fmt: skip
TEXTS = st.lists(st.one_of(PIECES, st.text(max_size=12)), max_size=12).map("".join)


@given(subject=TEXTS, body=TEXTS, note=TEXTS)
def test_every_quote_and_entity_stands_where_its_offsets_say(subject: str, body: str, note: str) -> None:
    """Offsets are code points into the redacted text, which is as long as the given one."""
    ticket = Ticket(id="T", subject=subject, body=body, messages=(Message("customer", note),))
    given_texts = {"subject": subject, "body": body, "messages[0].body": note}
    reading = read(SMALL, ticket, key=b"k")
    texts = {t.field: t.text for t in reading.texts}
    decision = decide_ticket(SMALL, ticket, key=b"k")

    for field, text in texts.items():
        assert len(text) == len(given_texts[field])
    for because in decision.because:
        if because.quote is not None:
            assert texts[because.field][because.start : because.end] == because.quote
    for entity in decision.entities:
        assert texts[entity.field][entity.start : entity.end] == entity.value
        assert entity.start < entity.end


@given(subject=TEXTS, body=TEXTS)
def test_the_same_input_gives_the_same_decision(subject: str, body: str) -> None:
    """A second compilation of the policy decides alike, and what is stored gives the decision back."""
    ticket = Ticket(id="T", subject=subject, body=body, account=Account("a", tier="gold"))
    first = decide_ticket(SMALL, ticket)

    assert first == decide_ticket(OTHER, ticket)
    assert decision_from_json(decision_to_json(first)) == first


OTHER = compiled()


@given(subject=TEXTS, body=TEXTS)
def test_what_was_redacted_reads_the_same_again(subject: str, body: str) -> None:
    """Stored text decides as the original did, and holds no secret any more."""
    ticket = Ticket(id="T", subject=subject, body=body)
    reading = read(SMALL, ticket)
    clean = redacted(ticket, reading)
    again = read(SMALL, clean)

    assert again.secrets == ()
    assert again.signatures == reading.signatures
    assert again.texts == reading.texts


@given(subject=TEXTS, body=TEXTS, now=st.datetimes(timezones=st.just(UTC)))
def test_explain_and_decide_agree(subject: str, body: str, now: datetime) -> None:
    """The one matching route that explain shows is the route of the decision."""
    ticket = Ticket(id="T", subject=subject, body=body)
    reading = read(SMALL, ticket)
    facts = all_facts(SMALL.policy, ticket, reading, NOTHING)

    assert [t.route for t in explain(SMALL, reading, facts, now) if t.matched] == [
        decide(SMALL, reading, facts, now).route
    ]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([], "expected a ticket object, found a list"),
        ({"id": "1"}, "a ticket needs a subject or a body"),
        ({"subject": 5}, "subject: expected a text, found a number"),
        (
            {"subject": "x", "created_at": "soon"},
            "created_at: expected a time such as 2026-11-22T03:00:00Z, found 'soon'",
        ),
        (
            {"subject": "x", "messages": [{"body": "a"}, {"author": "boss"}]},
            "messages[1].author: expected one of agent, customer, rung, system",
        ),
        (
            {"subject": "x", "account": {"id": "a", "annual_value": "much"}},
            "account.annual_value: expected a number, found a text",
        ),
        (
            {"subject": "x", "facts": {"accounts_affected": "many"}},
            "facts.accounts_affected: expected a whole number, found 'many'",
        ),
        ({"subject": "x", "facts": {"service": ["a"]}}, "facts.service: expected a text, found \"['a']\""),
        ({"subject": "x", "tags": [1]}, "tags: expected a list of texts"),
        ({"subject": "x", "attachments": {}}, "attachments: expected a list, found an object"),
    ],
)  # fmt: skip
def test_a_malformed_ticket_is_refused_with_its_place(value: object, message: str) -> None:
    """The message says where, what was found and what was expected."""
    with pytest.raises(Malformed) as refused:
        ticket_from_json(value)

    assert str(refused.value) == message


def test_every_fact_has_a_type() -> None:
    """A value of another type is refused for each known fact, and unknown facts are left alone."""
    for name in FACTS:
        with pytest.raises(Malformed, match=f"facts.{name}: expected"):
            check_facts({name: [1]})
    check_facts({"anything_else": [1], "tier": None})


def test_a_ticket_survives_its_wire_form() -> None:
    """Parsing what was written gives the same ticket."""
    value = {
        "id": 4812,
        "subject": "x",
        "created_at": "2026-11-22T03:00:00+01:00",
        "requester": {"email": "a@example.com"},
        "account": {"id": "acme", "annual_value": 120000},
        "messages": [{"author": "agent", "body": "looking"}],
        "unknown": {"ignored": True},
    }
    ticket = ticket_from_json(value)

    assert ticket.id == "4812"
    assert ticket_from_json(ticket_to_json(ticket)) == ticket
