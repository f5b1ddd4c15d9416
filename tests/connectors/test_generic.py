from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from standardwebhooks.webhooks import Webhook

from rung.connectors.generic import connector
from rung.core.wire import ticket_to_json
from rung.errors import Malformed, Unauthenticated
from rung.model import Account, Message
from rung.ports import HumanAction
from tests.connectors.signing import SECRETS, sign_generic

WIRE = Path(__file__).parents[1] / "wire" / "generic"
NOW = datetime(2026, 11, 22, 3, 30, tzinfo=UTC)
MAPPING: dict[str, Any] = yaml.safe_load((WIRE / "mapping.yaml").read_text())
MAPPED = (WIRE / "mapped.json").read_bytes()
VECTOR = {
    "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
    "webhook-timestamp": "1614265330",
    "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
}
VECTOR_BODY = b'{"test": 2432232314}'
VECTOR_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
VECTOR_TIME = datetime.fromtimestamp(1614265330, UTC)


# ---------------------------------------------------------------- signature
def test_the_standards_own_vector_verifies() -> None:
    """And its id is the delivery."""
    delivery = connector.verify(VECTOR, VECTOR_BODY, secret=VECTOR_SECRET, now=VECTOR_TIME)

    assert delivery == "msg_p5jXN8AQM9LWM0D4loKWxJek"


def test_what_the_published_library_signs_verifies() -> None:
    """Cross-checked against another implementation."""
    secret = SECRETS["generic"]
    signature = Webhook(secret).sign("msg_2", NOW, '{"a": "ü"}')
    stamp = str(int(NOW.timestamp()))
    headers = {"webhook-id": "msg_2", "webhook-timestamp": stamp, "webhook-signature": signature}

    assert connector.verify(headers, '{"a": "ü"}'.encode(), secret=secret, now=NOW) == "msg_2"


def test_one_of_several_signatures_suffices() -> None:
    """While a secret is changed the sender signs with both; unknown kinds are passed over."""
    fits = VECTOR["webhook-signature"]
    headers = {**VECTOR, "webhook-signature": f"v1a,AAAA v1,bm90IGl0 {fits}"}

    connector.verify(headers, VECTOR_BODY, secret=VECTOR_SECRET, now=VECTOR_TIME + timedelta(minutes=4))


@pytest.mark.parametrize("stamp", ["", "soon", "-5", "1e9", "9" * 40, "１６１４２６５３３０", "1614265330.5"])
def test_a_time_that_is_none_is_refused(stamp: str) -> None:
    """Without an overflow on the way."""
    with pytest.raises(Unauthenticated):
        connector.verify(
            {**VECTOR, "webhook-timestamp": stamp}, VECTOR_BODY, secret=VECTOR_SECRET, now=VECTOR_TIME
        )


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_!!!", "plain words"])
def test_a_secret_that_is_none_never_verifies(secret: str) -> None:
    """An empty key must not make everything authentic."""
    with pytest.raises(Unauthenticated, match="secret"):
        connector.verify(VECTOR, VECTOR_BODY, secret=secret, now=VECTOR_TIME)


def test_broken_utf8_can_be_authentic() -> None:
    """The signature is over bytes; what they mean comes later."""
    body = b'{"body": "\xff"}'

    connector.verify(sign_generic(body, SECRETS["generic"], NOW), body, secret=SECRETS["generic"], now=NOW)


# ---------------------------------------------------------------- without a mapping
def test_without_a_mapping_the_payload_is_the_ticket() -> None:
    """Inside `data`, as a list, or bare."""
    inside = connector.parse({}, (WIRE / "created.json").read_bytes(), settings={})
    listed = connector.parse({}, (WIRE / "several.json").read_bytes(), settings={})

    assert [a.ticket.id for a in inside] == ["G-1"]
    assert inside[0].ticket.messages[0].author == "agent"
    assert [a.ticket.id for a in listed] == ["G-2", "G-3"]


def test_a_wrong_ticket_is_named_with_its_place() -> None:
    """The place is that of the payload."""
    with pytest.raises(Malformed) as caught:
        connector.parse({}, b'{"data": [{"body": "x"}, {"body": 7}]}', settings={})

    assert caught.value.where == "data[1].body"


# ---------------------------------------------------------------- with a mapping
def test_a_mapping_reads_any_payload() -> None:
    """Fields, account, tags, messages with their authors, and what people did."""
    (arrival,) = connector.parse({}, MAPPED, settings={"mapping": MAPPING})

    ticket = arrival.ticket
    assert (ticket.id, ticket.source, ticket.subject) == ("case-88", "desk", "Numbers don't match")
    assert ticket.created_at == datetime(2026, 11, 22, 2, tzinfo=UTC)
    assert ticket.account == Account("acme", "Acme", annual_value=120000)
    assert ticket.tags == ("billing", "export")
    assert ticket.fields == {"priority": "P2"}
    assert ticket.messages[0] == Message("customer", "Any news?", datetime(2026, 11, 22, 4, tzinfo=UTC), "m1")
    assert ticket.messages[1].author == "agent"
    at = datetime(2026, 11, 22, 4, 20, tzinfo=UTC)
    assert arrival.actions == (HumanAction("assigned", "h1", at, "data", "L2"),)


def test_an_event_that_is_not_wanted_gives_nothing() -> None:
    """`when` is asked of the whole payload."""
    mapping = {**MAPPING, "when": "case.number > `100`"}

    assert connector.parse({}, MAPPED, settings={"mapping": mapping}) == ()


@pytest.mark.parametrize(
    ("path", "value", "where"),
    [
        ("ticket.subject", "headline[", "mapping.ticket.subject"),
        ("ticket.subject", 7, "mapping.ticket.subject"),
        ("ticket.subject", "thread", "mapping.ticket.subject"),
        ("ticket.title", "headline", "mapping.ticket.title"),
        ("ticket.id", "missing", "mapping.ticket.id"),
        ("ticket.created_at", "headline", "mapping.ticket.created_at"),
        ("ticket.account", "org", "mapping.ticket.account"),
        ("ticket.account", {"ident": "x"}, "mapping.ticket.account.ident"),
        ("ticket.tags", "labels[].{a: text}", "mapping.ticket.tags"),
        ("items", "cases", "mapping.items"),
        ("when", "nope(@)", "mapping.when"),
        ("messages", {"body": "text"}, "mapping.messages"),
        ("messages.authors", {}, "mapping.messages[0].author"),
        ("messages.whom", "x", "mapping.messages.whom"),
        ("actions.kinds", {}, "mapping.actions.kind"),
        ("actions.at", "queue", "mapping.actions.at"),
        ("colour", "blue", "mapping.colour"),
        ("ticket", "case", "mapping"),
    ],
)
def test_a_wrong_mapping_is_malformed_with_its_path(path: str, value: Any, where: str) -> None:
    """The payload is kept with this, and driven again once the mapping is mended."""
    mapping = json.loads(json.dumps(MAPPING))
    *parents, key = path.split(".")
    part = mapping
    for parent in parents:
        part = part[parent]
    part[key] = value

    with pytest.raises(Malformed) as caught:
        connector.parse({}, MAPPED, settings={"mapping": mapping})

    assert caught.value.where == where


def test_the_mapping_of_the_documentation_is_the_tested_one() -> None:
    """What an operator copies works."""
    page = (Path(__file__).parents[2] / "docs" / "connect-generic.md").read_text()

    block = page.split("```yaml\n")[1].split("```")[0]

    assert yaml.safe_load(block) == {"mapping": MAPPING}


def test_a_default_payload_round_trips() -> None:
    """The ticket JSON that the API shows is what the hook takes."""
    (arrival,) = connector.parse({}, (WIRE / "created.json").read_bytes(), settings={})

    (again,) = connector.parse({}, json.dumps(ticket_to_json(arrival.ticket)).encode(), settings={})

    assert again.ticket == arrival.ticket
