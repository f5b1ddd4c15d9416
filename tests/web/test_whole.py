"""The HTTP side on the real thing: PostgreSQL, intake and the starter policy."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime

import httpx
import pytest

from rung.connectors.generic import connector as generic
from rung.connectors.zendesk import connector as zendesk
from rung.core.compiled import Compiled
from rung.flow.intake import Intake
from rung.flow.published import Published
from rung.policy.load import load_files
from rung.policy.source import starter_files
from rung.store.postgres import Store
from rung.store.scratch import scratch
from rung.web.application import create_app
from rung.web.deps import Deps
from rung.web.schemas import TicketListOut, TicketRecordOut
from tests.connectors.signing import SECRETS, SIGN
from tests.web.test_api import the_problem
from tests.web.test_hooks import CREATED
from tests.web.test_pages import the_page

TLS = {
    "id": "W-1",
    "subject": "Checkout fails",
    "body": "javax.net.ssl.SSLHandshakeException: Received fatal alert: handshake_failure",
    "account": {"id": "acme", "name": "Acme"},
}


@dataclass(frozen=True, slots=True)
class Whole:
    """A running Rung without a network."""

    store: Store
    client: httpx.AsyncClient
    headers: dict[str, str]

    async def deliver(self, name: str, body: bytes) -> httpx.Response:
        """Send a signed webhook, now."""
        headers = SIGN[name](body, SECRETS[name], datetime.now(UTC))
        return await self.client.post(f"/hooks/{name}", content=body, headers=headers)


@pytest.fixture(scope="module")
async def whole() -> AsyncIterator[Whole]:
    """One for all tests of this file; each uses ids of its own."""
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(scratch())
        store = await stack.enter_async_context(server.store())
        files = starter_files()
        await store.publish(load_files(files).version, files, author="test")
        for name, secret in SECRETS.items():
            await store.set_connection(name, {"groups": {"Backend": "backend/product/L2"}}, secret=secret)
        published = Published(store)
        intake = await stack.enter_async_context(Intake(store, published, key=b"k" * 32))

        async def policy() -> Compiled | None:
            return await published.get(await store.current_policy())

        _, secret = await store.create_token("test", ["admin"])
        app = create_app(
            Deps(intake, store, policy, lambda: datetime.now(UTC), {"generic": generic, "zendesk": zendesk})
        )
        client = await stack.enter_async_context(
            httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost")
        )
        yield Whole(store, client, {"authorization": f"Bearer {secret}"})


async def test_a_ticket_goes_in_and_comes_out_everywhere(whole: Whole) -> None:
    """Sent over the API, read over the API, listed, shown on its page with its words marked."""
    sent = await whole.client.post("/api/v1/tickets", json=TLS, headers=whole.headers)
    assert sent.status_code == 201
    assert sent.json()["decision"]["signature"] == "tls_certificate"

    read = await whole.client.get("/api/v1/tickets/W-1", headers=whole.headers)
    TicketRecordOut.model_validate(read.json())
    assert read.json()["decision"] == sent.json()["decision"]

    listed = await whole.client.get("/api/v1/tickets?signature=tls_certificate", headers=whole.headers)
    assert "W-1" in [t.id for t in TicketListOut.model_validate(listed.json()).tickets]

    page = the_page(await whole.client.get("/tickets/W-1"))
    assert "quote-1" in page.ids
    assert "Hand over to" in page.text
    assert "W-1" in the_page(await whole.client.get("/")).text


async def test_a_hook_delivered_twenty_times_at_once_makes_one_ticket(whole: Whole) -> None:
    """Every delivery is answered well, exactly one of them created the ticket."""
    replies = await asyncio.gather(*(whole.deliver("zendesk", CREATED["zendesk"]) for _ in range(20)))

    assert {r.status_code for r in replies} <= {200, 201}
    assert sum(r.json()["results"][0]["created"] for r in replies) == 1
    listed = await whole.client.get("/api/v1/tickets?connector=zendesk", headers=whole.headers)
    assert [t["id"] for t in listed.json()["tickets"]] == ["zendesk-4812"]


async def test_a_request_with_a_key_sent_ten_times_at_once_is_one_request(whole: Whole) -> None:
    """All get the same reply, byte for byte; another body under the key is refused."""
    headers = {**whole.headers, "idempotency-key": '"once"'}
    body = {"body": "ECONNREFUSED 10.0.45.2:5432"}
    replies = await asyncio.gather(
        *(whole.client.post("/api/v1/tickets", json=body, headers=headers) for _ in range(10))
    )

    assert {(r.status_code, r.content) for r in replies} == {(201, replies[0].content)}
    the_problem(await whole.client.post("/api/v1/tickets", json=TLS, headers=headers), 422, "new key")


async def test_what_is_authentic_is_kept_in_the_database(whole: Whole) -> None:
    """Not JSON and NUL characters alike, with body and reason."""
    broken = await whole.deliver("generic", b"not json \xff")
    odd = CREATED["zendesk"].replace(b"4812", b"4813").replace(b"Hi team", b"Hi\\u0000team")
    assert (await whole.deliver("zendesk", odd)).status_code == 201

    assert broken.status_code == 202
    _, body = await whole.store.kept_payload(int(broken.json()["kept"]))
    assert body == b"not json \xff"
    reasons = [kept.reason for kept in (await whole.store.kept()).rows]
    assert any("NUL" in reason for reason in reasons)
    assert "Hi\ufffdteam" in (await whole.store.ticket("zendesk-4813")).ticket.body


async def test_what_people_did_stands_beside_the_decision(whole: Whole) -> None:
    """An assignment event of the helpdesk appears in observe mode."""
    body = (
        CREATED["zendesk"]
        .replace(b'"event": "created"', b'"event": "assigned"')
        .replace(b'"group": "Support"', b'"group": "Backend"')
        .replace(b"4812", b"4814")
    )

    assert (await whole.deliver("zendesk", body)).status_code == 201

    page = the_page(await whole.client.get("/observe"))
    assert "Backend Product L2" in page.text
    assert re.search(r"\d time(s)? in the last 1 \(", page.text)


async def test_facts_go_in_over_the_api(whole: Whole) -> None:
    """A deployment and an account are stored; sending them twice changes nothing."""
    deployed = {"service": "orders-db", "version": "7", "at": "2026-11-22T11:50:00Z"}
    statuses = [
        (await whole.client.post("/api/v1/deployments", json=deployed, headers=whole.headers)).status_code
        for _ in range(2)
    ]
    account = {"name": "Acme", "plan": "enterprise", "annual_value": 120000}
    stored = await whole.client.put("/api/v1/accounts/acme", json=account, headers=whole.headers)

    assert statuses == [201, 200]
    assert stored.json()["annual_value"] == 120000
    assert (await whole.store.account("acme")).plan == "enterprise"


async def test_policy_health_and_figures_are_there(whole: Whole) -> None:
    """The published policy with its log; ready; figures of the store."""
    policy = await whole.client.get("/api/v1/policy", headers=whole.headers)
    log = await whole.client.get("/api/v1/policy/log", headers=whole.headers)

    assert log.json()["publications"][0]["version"] == policy.json()["version"]
    assert (await whole.client.get("/readyz")).status_code == 200
    assert "rung_stored_tickets" in (await whole.client.get("/metrics")).text
    the_problem(await whole.client.get("/api/v1/tickets/nope", headers=whole.headers), 404, "nope")
