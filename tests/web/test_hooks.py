from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

import httpx
import pytest

from rung.errors import NotFound, Unavailable
from rung.model import Json
from rung.ports import Arrival
from rung.store.rows import Connection
from rung.web.application import create_app
from rung.web.deps import Deps
from rung.web.schemas import KeptOut, ResultsOut
from tests.connectors.signing import SECRETS, SIGN, STALE, sign_generic
from tests.web.conftest import Site
from tests.web.fakes import NOON
from tests.web.test_api import the_problem

WIRE = Path(__file__).parents[1] / "wire"
CREATED = {name: (WIRE / name / "created.json").read_bytes() for name in SECRETS}


def connect(site: Site, name: str, settings: Mapping[str, Json] | None = None) -> None:
    """Set a connector up as an operator does."""
    site.records.connected[name] = Connection(name, SECRETS[name], settings or {}, NOON)


async def deliver(site: Site, name: str, body: bytes, *, at: datetime | None = None) -> httpx.Response:
    """Send a signed webhook."""
    headers = SIGN[name](body, SECRETS[name], at or site.clock.now)
    return await site.client.post(f"/hooks/{name}", content=body, headers=headers)


@pytest.mark.parametrize("name", SECRETS)
async def test_a_signed_webhook_is_answered_with_its_decisions(site: Site, name: str) -> None:
    """201 after the commit; the answer names ticket and decision."""
    connect(site, name)

    response = await deliver(site, name, CREATED[name])

    assert response.status_code == 201
    (result,) = ResultsOut.model_validate(response.json()).results
    assert result.created
    assert result.decision


async def test_several_tickets_in_one_payload_are_all_taken_in(site: Site) -> None:
    """And none hides another behind the delivery's id."""
    connect(site, "generic")

    response = await deliver(site, "generic", (WIRE / "generic" / "several.json").read_bytes())

    assert [r["created"] for r in response.json()["results"]] == [True, True]
    assert [a.delivery for a in site.intake.arrived] == ["msg_1", "msg_1#1"]


@pytest.mark.parametrize("name", SECRETS)
async def test_a_replayed_delivery_is_answered_and_changes_nothing(site: Site, name: str) -> None:
    """The same ticket and decision, 200 instead of 201."""
    connect(site, name)
    first = await deliver(site, name, CREATED[name])

    again = await deliver(site, name, CREATED[name])

    assert again.status_code == 200
    (before,), (after,) = first.json()["results"], again.json()["results"]
    assert after == {**before, "created": False, "added_messages": 0}


async def test_an_unknown_connector_is_answered_with_the_known_ones(site: Site) -> None:
    """404 that helps."""
    the_problem(await site.client.post("/hooks/zendeks", content=b"{}"), 404, "generic, zendesk")


async def test_a_connector_that_is_not_set_up_is_refused(site: Site) -> None:
    """401: nothing can be authentic without a secret, not even with an empty one."""
    the_problem(await deliver(site, "zendesk", b"{}"), 401, "not connected")
    site.records.connected["zendesk"] = Connection("zendesk", "", {}, NOON)
    the_problem(await deliver(site, "zendesk", b"{}"), 401, "not connected")


@pytest.mark.parametrize("name", SECRETS)
async def test_unsigned_wrong_and_stale_are_401(site: Site, name: str) -> None:
    """Nothing of them is kept or stored."""
    connect(site, name)
    unsigned = await site.client.post(f"/hooks/{name}", content=CREATED[name])
    stale = await deliver(site, name, CREATED[name], at=site.clock.now - STALE)
    headers = SIGN[name](CREATED[name], SECRETS[name], site.clock.now)
    tampered = await site.client.post(f"/hooks/{name}", content=CREATED[name] + b" ", headers=headers)

    the_problem(unsigned, 401, "missing")
    the_problem(stale, 401, "too old")
    the_problem(tampered, 401, "secret")
    assert not site.records.kept
    assert not site.records.told


@pytest.mark.parametrize("name", SECRETS)
@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "empty"),
        (b"hello", "not JSON"),
        (b'{"event": "created", "body": "\xff"}', "broken UTF-8"),
        (b"[" * 10_000 + b"]" * 10_000, "deeper"),
        (b"{}", ""),
        (b"null", "expected"),
    ],
)
async def test_what_is_authentic_is_never_dropped(site: Site, name: str, body: bytes, reason: str) -> None:
    """202, kept with its reason, once a delivery, and without the signature."""
    connect(site, name)

    response = await deliver(site, name, body)
    await deliver(site, name, body)

    assert response.status_code == 202
    assert reason in KeptOut.model_validate(response.json()).reason
    (kept,) = site.records.kept
    assert kept.body == body
    assert not any("signature" in header for header in kept.headers)


async def test_a_payload_with_nul_characters_is_taken_in_and_kept(site: Site) -> None:
    """The ticket is decided with U+FFFD in their place; the raw bytes stay."""
    connect(site, "zendesk")
    body = CREATED["zendesk"].replace(b"Hi team", b"Hi\\u0000team")

    response = await deliver(site, "zendesk", body)

    assert response.status_code == 201
    assert "Hi\ufffdteam" in site.records.told["zendesk-4812"].ticket.body
    assert [k.body for k in site.records.kept] == [body]


async def test_a_wrong_mapping_keeps_the_payload_with_its_path(site: Site) -> None:
    """It is driven again once the mapping is mended; mended settings are followed within seconds."""
    connect(site, "generic", {"mapping": {"ticket": {"id": "id", "subject": "nope", "body": "data.body["}}})

    response = await deliver(site, "generic", CREATED["generic"])

    assert response.status_code == 202
    assert "mapping.ticket" in response.json()["reason"]
    connect(site, "generic")
    site.clock.move(seconds=6)
    mended = sign_generic(CREATED["generic"], SECRETS["generic"], site.clock.now, identity="msg_2")
    response = await site.client.post("/hooks/generic", content=CREATED["generic"], headers=mended)
    assert response.status_code == 201


async def test_an_event_that_means_nothing_is_answered_200(site: Site) -> None:
    """So that the sender does not send it again."""
    connect(site, "generic", {"mapping": {"when": "`false`", "ticket": {"body": "x"}}})

    response = await deliver(site, "generic", CREATED["generic"])

    assert (response.status_code, response.json()) == (200, {"results": []})


async def test_what_the_intake_refuses_is_kept_too(site: Site) -> None:
    """An authentic payload for a ticket that is not there is not lost."""
    connect(site, "zendesk")
    site.intake.trouble = NotFound("there is no ticket zendesk-1")

    assert (await deliver(site, "zendesk", CREATED["zendesk"])).status_code == 202
    assert site.records.kept[0].reason == "there is no ticket zendesk-1"


async def test_a_payload_that_the_intake_stumbles_over_is_kept(site: Site) -> None:
    """An error that nobody foresaw is logged, and the payload waits for the mended program."""
    connect(site, "zendesk")
    site.intake.trouble = ValueError("customer text")

    assert (await deliver(site, "zendesk", CREATED["zendesk"])).status_code == 202
    assert site.records.kept[0].reason == "the intake failed with ValueError"
    assert [line["event"] for line in site.logged] == ["intake_failed"]


async def test_a_database_that_is_away_makes_the_sender_try_again(site: Site) -> None:
    """503, and nothing is answered that was not stored."""
    connect(site, "zendesk")
    site.intake.trouble = Unavailable("gone")

    the_problem(await deliver(site, "zendesk", CREATED["zendesk"]), 503)


async def test_six_megabytes_are_too_many(site: Site) -> None:
    """Before the signature is looked at."""
    connect(site, "zendesk")

    the_problem(await deliver(site, "zendesk", b"x" * 6_000_000), 413, "5,242,880")


class Failing:
    """A stranger's connector with a mistake in it."""

    name = "failing"

    def verify(self, headers: Mapping[str, str], body: bytes, *, secret: str, now: datetime) -> str:
        """Everything is authentic."""
        del headers, body, secret, now
        return "d-1"

    def parse(
        self, headers: Mapping[str, str], body: bytes, *, settings: Mapping[str, Json]
    ) -> tuple[Arrival, ...]:
        """Fails."""
        del headers, body, settings
        raise KeyError("customer text")


async def test_a_connector_with_a_mistake_loses_nothing(site: Site) -> None:
    """The payload is kept; the reason names the kind of error, not the customer's words."""
    site.records.connected["failing"] = Connection("failing", "s", {}, NOON)

    async def policy() -> None:
        return None

    app = create_app(Deps(site.intake, site.records, policy, site.clock, {"failing": Failing()}))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as client:
        response = await client.post("/hooks/failing", content=b"{}")

    assert response.status_code == 202
    assert site.records.kept[0].reason == "the connector failed with KeyError"
