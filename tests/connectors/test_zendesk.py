from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from rung.connectors.zendesk import NOTE_MARKER, connector, trigger_template
from rung.errors import Malformed, Unauthenticated
from rung.model import Account, Attachment, Message, Requester
from rung.ports import Arrival, HumanAction
from tests.connectors.signing import SECRETS, sign_zendesk

WIRE = Path(__file__).parents[1] / "wire" / "zendesk"
SETTINGS = {"groups": {"backend": "backend/product/L2"}, "rung_users": ["Rung@support.example"]}
NOW = datetime(2026, 11, 22, 3, 30, tzinfo=UTC)


def the_arrival(name: str = "created", **changes: Any) -> Arrival:
    """The one arrival of a recorded payload, changed by path (``comment__body="…"``)."""
    payload = json.loads((WIRE / f"{name}.json").read_text())
    for path, value in changes.items():
        part, _, key = path.rpartition("__")
        (payload[part] if part else payload)[key] = value
    (arrival,) = connector.parse({}, json.dumps(payload).encode(), settings=SETTINGS)
    return arrival


# ---------------------------------------------------------------- signature
def test_timestamp_comes_before_the_body() -> None:
    """The documented old sample is BODY and TIMESTAMP: it must not verify, the other order must."""
    body, stamp = b'{"say": "hello"}', "2021-07-25T10:00:00Z"
    now = datetime(2021, 7, 25, 10, 1, tzinfo=UTC)
    headers = {"x-zendesk-webhook-signature-timestamp": stamp}
    new = {**headers, "x-zendesk-webhook-signature": "Rry/4TtIdFyawtXXp8QdI6tlAUUQ/5kL1OTp5qo/ZIk="}
    old = {**headers, "x-zendesk-webhook-signature": "tRDSF7URY8BLCDlaBcQ7FHu051Zk+aAB0NKMP53teMw="}

    connector.verify(new, body, secret=SECRETS["zendesk"], now=now)

    with pytest.raises(Unauthenticated):
        connector.verify(old, body, secret=SECRETS["zendesk"], now=now)


def test_the_delivery_is_the_invocation_and_its_body() -> None:
    """A retry is the same delivery; the unsigned header alone cannot make another body look delivered."""
    secret = SECRETS["zendesk"]

    def delivery(body: bytes) -> str:
        return connector.verify(sign_zendesk(body, secret, NOW), body, secret=secret, now=NOW)

    assert delivery(b"1") == delivery(b"1") != delivery(b"2")


def test_a_time_that_is_none_is_refused() -> None:
    """Signed or not, the timestamp must be one."""
    headers = sign_zendesk(b"{}", SECRETS["zendesk"], NOW)
    headers["x-zendesk-webhook-signature-timestamp"] = "soon"

    with pytest.raises(Unauthenticated):
        connector.verify(headers, b"{}", secret=SECRETS["zendesk"], now=NOW)


# ---------------------------------------------------------------- payload
def test_a_created_ticket_is_read_completely() -> None:
    """Every placeholder finds its field; the first comment is the body, not a message."""
    ticket = the_arrival().ticket

    assert ticket.id == "zendesk-4812"
    assert ticket.source == "zendesk"
    assert ticket.subject == "Checkout broken since this morning"
    assert ticket.created_at == datetime(2026, 11, 22, 3, tzinfo=UTC)
    assert ticket.requester == Requester("Dana@acme.example", "Dana Reyes")
    assert ticket.account == Account("acme", "Acme")
    assert ticket.tags == ("checkout", "enterprise")
    assert ticket.fields["priority"] == "urgent"
    assert ticket.attachments == (
        Attachment("trace.txt", "https://files.example/1/trace.txt"),
        Attachment("har file.har", "https://files.example/2"),
    )
    assert ticket.messages == ()


def test_a_comment_of_the_requester_is_the_customers() -> None:
    """Whatever the case of the address."""
    arrival = the_arrival("commented")

    at = datetime(2026, 11, 22, 3, 20, tzinfo=UTC)
    words = "Still failing, can somebody technical look at it?"
    assert arrival.ticket.messages == (Message("customer", words, at, "991"),)
    assert arrival.ticket.account is None
    assert arrival.actions == ()


def test_our_own_note_is_known_as_ours() -> None:
    """By Rung's user, and by the marker in an internal comment."""
    assert the_arrival("our_note").ticket.messages[0].author == "rung"
    by_marker = the_arrival("our_note", comment__author_email="integration@support.example")
    assert by_marker.ticket.messages[0].author == "rung"


def test_a_customer_who_writes_our_marker_stays_a_customer() -> None:
    """The marker must not be a way not to be decided."""
    arrival = the_arrival("commented", comment__body=f"{NOTE_MARKER} it still fails")

    assert arrival.ticket.messages[0].author == "customer"
    public = the_arrival("our_note", comment__author_email="kim@support.example", comment__public="true")
    assert public.ticket.messages[0].author == "agent"


@pytest.mark.parametrize(
    ("changes", "author"),
    [
        ({}, "agent"),
        ({"comment__public": "true"}, "agent"),
        ({"comment__author_email": "", "current_user__email": ""}, "agent"),
        ({"comment__author_email": "", "current_user__email": "", "comment__public": ""}, "customer"),
    ],
)
def test_who_else_wrote_is_told_apart(changes: dict[str, Any], author: str) -> None:
    """Internal comments are agents'; a public one by nobody known is read as a customer's."""
    assert the_arrival("agent_comment", **changes).ticket.messages[0].author == author


def test_colleagues_of_the_requester_can_be_customers() -> None:
    """By the domains that the operator lists."""
    payload = json.loads((WIRE / "agent_comment.json").read_text())
    payload["comment"] |= {"public": "true", "author_email": "lee@acme.example"}
    settings = {"customer_domains": ["acme.example"]}

    (arrival,) = connector.parse({}, json.dumps(payload).encode(), settings=settings)

    assert arrival.ticket.messages[0].author == "customer"


# ---------------------------------------------------------------- what people did
def test_an_assignment_is_told_in_rungs_words() -> None:
    """The operator's map turns the group into team and level."""
    at = datetime(2026, 11, 22, 3, 25, tzinfo=UTC)

    assert the_arrival("assigned").actions == (
        HumanAction("assigned", "assigned:Backend:2026-11-22T03:25:00Z", at, "backend/product", "L2"),
    )


def test_a_group_that_is_not_mapped_keeps_its_name() -> None:
    """It is still shown beside the decision."""
    (action,) = the_arrival("assigned", group="Night shift").actions

    assert (action.team, action.level) == ("Night shift", "")


@pytest.mark.parametrize("name", ["solved", "reopened"])
def test_solving_and_reopening_are_actions(name: str) -> None:
    """Each with its time, so that solving twice counts twice."""
    (action,) = the_arrival(name).actions
    (later,) = the_arrival(name, ticket__updated_at="2026-12-01T00:00:00Z").actions

    assert action.kind == name
    assert action.id != later.id


def test_one_trigger_for_all_changes_counts_each_state_once() -> None:
    """With `updated` only the state is known: the same state has the same ids."""
    first = the_arrival("updated").actions
    later = the_arrival("updated", ticket__updated_at="2026-12-01T00:00:00Z").actions

    assert [a.kind for a in first] == ["assigned", "solved"]
    assert [a.id for a in first] == [a.id for a in later]


def test_what_rung_does_itself_is_no_action_of_people() -> None:
    """Its own assignment must not look like agreement."""
    assert the_arrival("assigned", current_user__email="rung@support.example").actions == ()


# ---------------------------------------------------------------- oddities
def test_raw_line_ends_and_tabs_inside_texts_are_taken() -> None:
    """Placeholders are put into the JSON as they are."""
    body = (WIRE / "created.json").read_bytes().replace(b"Hi team, none", b"Hi team,\r\n\tnone")

    (arrival,) = connector.parse({}, body, settings={})

    assert arrival.ticket.body.startswith("Hi team,\r\n\tnone")
    assert arrival.raw == b""


@pytest.mark.parametrize("odd", [b"\\u0000", b"\x00", b"\\ud83d"])
def test_what_cannot_be_stored_is_replaced_and_the_payload_kept(odd: bytes) -> None:
    """One character for one, with the raw bytes and the reason."""
    body = (WIRE / "created.json").read_bytes().replace(b"Hi team", b"Hi" + odd + b"team")

    (arrival,) = connector.parse({}, body, settings={})

    assert arrival.ticket.body.startswith("Hi\ufffdteam")
    assert arrival.raw == body
    assert "replaced" in arrival.raw_reason


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"event": "exploded"}, "event"),
        ({"event": ""}, "event"),
        ({"ticket__id": ""}, "ticket.id"),
        ({"ticket__id": {}}, "ticket.id"),
        ({"ticket": []}, "ticket"),
        ({"ticket__created_at": "this morning"}, "ticket.created_at"),
        ({"ticket__title": "", "ticket__description": ""}, "ticket"),
        ({"comment__body": ["x"]}, "comment.body"),
    ],
)
def test_what_the_template_does_not_give_is_malformed_with_its_place(
    changes: dict[str, Any], where: str
) -> None:
    """So that the kept payload says what to mend."""
    with pytest.raises(Malformed) as caught:
        the_arrival(**changes)

    assert caught.value.where == where


@pytest.mark.parametrize(
    "settings", [{"groups": ["Backend"]}, {"rung_users": "rung@x"}, {"groups": {"A": 1}}]
)
def test_wrong_settings_are_named(settings: dict[str, Any]) -> None:
    """The payload is kept until they are mended."""
    with pytest.raises(Malformed, match="settings"):
        connector.parse({}, (WIRE / "created.json").read_bytes(), settings=settings)


# ---------------------------------------------------------------- the shipped template
def filled(values: dict[str, str]) -> bytes:
    """The template as Zendesk fills it: as text, loops unrolled, unknown placeholders empty."""
    loop = re.compile(r"\{% for (\w+) in ([\w.]+) %\}(.*?)\{% endfor %\}")
    text = loop.sub(
        lambda m: (
            m[3]
            .replace(f"{{{{{m[1]}.url}}}}", "https://f.example/1")
            .replace(f"{{{{{m[1]}.filename}}}}", "log.txt")
        ),
        trigger_template(),
    )
    return re.sub(r"\{\{([\w.]+)\}\}", lambda m: values.get(m[1], ""), text).encode()


def test_the_shipped_template_filled_by_zendesk_is_read() -> None:
    """The template defines the payload: what an operator pastes is what the connector reads."""
    body = filled(
        {
            "ticket.id": "7",
            "ticket.title": "It is slow",
            "ticket.description": "Line one\nline two",
            "ticket.created_at_with_timestamp": "2026-11-22T05:35Z",
            "ticket.tags": "a b",
            "ticket.requester.email": "dana@acme.example",
            "ticket.group.name": "Support",
            "ticket.latest_comment.value": "And now it is down",
            "ticket.latest_comment.author.email": "dana@acme.example",
            "ticket.latest_comment.is_public": "true",
        }
    )

    (arrival,) = connector.parse({}, body, settings={})

    assert arrival.ticket.id == "zendesk-7"
    assert arrival.ticket.body == "Line one\nline two"
    assert arrival.ticket.attachments == (Attachment("log.txt", "https://f.example/1"),)
    assert [(m.author, m.body) for m in arrival.ticket.messages] == [("customer", "And now it is down")]


def test_the_template_is_json_with_placeholders_only_in_texts() -> None:
    """It can be pasted as it is."""
    assert json.loads(trigger_template())["event"] == "created"
