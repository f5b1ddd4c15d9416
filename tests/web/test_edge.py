from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from pydantic import TypeAdapter

from rung.core.wire import decision_to_json
from rung.errors import Unavailable
from rung.model import Decision
from rung.web.auth import SCOPES
from rung.web.edge import SECURITY_HEADERS
from rung.web.problems import TITLES, TYPE_PREFIX
from rung.web.schemas import SHAPES, DecisionOut
from tests.web.conftest import Site
from tests.web.test_api import TLS, the_problem
from tests.web.test_hooks import CREATED, connect, deliver

EVERYWHERE = (
    "/",
    "/try",
    "/static/rung.css",
    "/healthz",
    "/metrics",
    "/api/openapi.json",
    "/nothing",
    "/api/v1/policy",
)


# ---------------------------------------------------------------- headers
@pytest.mark.parametrize("path", EVERYWHERE)
async def test_every_reply_carries_the_security_headers(site: Site, path: str) -> None:
    """Good or bad, page or API; only the style sheet may be cached."""
    response = await site.client.get(path)

    assert SECURITY_HEADERS.items() <= dict(response.headers).items()
    assert "unsafe" not in response.headers["content-security-policy"]
    cached = "max-age" in response.headers["cache-control"]
    assert cached == (path == "/static/rung.css")


async def test_every_body_is_bounded(site: Site) -> None:
    """Wherever it is sent: it is refused, or not read at all."""
    headers = site.give_token("admin")
    for method, path in (
        ("POST", "/api/v1/decide"),
        ("PUT", "/api/v1/accounts/a"),
        ("POST", "/hooks/zendesk"),
    ):
        response = await site.client.request(
            method, path, content=b"x" * 6_000_000, headers={**headers, "content-type": "application/json"}
        )
        the_problem(response, 413)


# ---------------------------------------------------------------- health and figures
async def test_health_and_readiness(site: Site) -> None:
    """Alive always; ready only with database and policy, and the problem says which is missing."""
    assert (await site.client.get("/healthz")).json()["status"] == "ok"
    assert (await site.client.get("/readyz")).json()["status"] == "ok"
    site.policy = None
    the_problem(await site.client.get("/readyz"), 503, "rung publish")
    site.records.trouble = Unavailable("gone")
    the_problem(await site.client.get("/readyz"), 503, "database")
    assert (await site.client.get("/healthz")).status_code == 200


async def test_the_figures_name_templates_and_decisions(site: Site) -> None:
    """Routes as templates, decisions by outcome and mode, hooks that were refused, payloads kept."""
    connect(site, "zendesk")
    await site.send(TLS)
    await site.send(TLS)
    await site.client.get("/api/v1/tickets/T-1", headers=site.give_token("admin"))
    await site.client.get("/api/v1/tickets/somebody@acme.example", headers=site.give_token("admin"))
    await site.client.post("/hooks/zendesk", content=b"{}")
    await deliver(site, "zendesk", b"{}")
    await site.client.request("BREW", "/coffee/somebody@acme.example")

    text = (await site.client.get("/metrics")).text

    assert 'rung_decisions_total{mode="act",outcome="escalate"} 1.0' in text
    assert 'http_route="/api/v1/tickets/{ticket_id:path}"' in text
    assert 'http_response_status_code="201",http_route="/api/v1/tickets"' in text
    assert 'http_response_status_code="202",http_route="/hooks/{connector}"' in text
    assert 'rung_hooks_refused_total{connector="zendesk"} 1.0' in text
    assert 'rung_payloads_kept_total{connector="zendesk"} 1.0' in text
    assert 'http_request_method="_OTHER",http_response_status_code="404",http_route="(none)"' in text
    assert "rung_stored_tickets 1.0" in text
    assert "acme.example" not in text


async def test_figures_are_there_while_the_database_is_away(site: Site) -> None:
    """That is when they are looked at."""
    site.records.trouble = Unavailable("gone")

    assert (await site.client.get("/metrics")).status_code == 200


# ---------------------------------------------------------------- the description
async def the_description(site: Site) -> dict[str, Any]:
    """The OpenAPI document."""
    found: dict[str, Any] = (await site.client.get("/api/openapi.json")).json()
    return found


async def test_the_description_is_complete(site: Site) -> None:
    """Every operation has a summary, replies with schemas, and its scope; every body has a schema."""
    document = await the_description(site)
    operations = [
        (method, path, operation)
        for path, item in document["paths"].items()
        for method, operation in item.items()
    ]

    assert {path for _, path, _ in operations} >= {
        "/api/v1/tickets", "/api/v1/tickets/{ticket_id}", "/api/v1/tickets/{ticket_id}/messages",
        "/api/v1/deployments", "/api/v1/accounts/{account_id}", "/api/v1/decide", "/api/v1/policy",
        "/api/v1/policy/log", "/hooks/{connector}", "/healthz", "/readyz", "/metrics",
    }  # fmt: skip
    for method, path, operation in operations:
        assert operation["summary"]
        assert operation["description"]
        assert (method in {"post", "put"}) == ("requestBody" in operation), path
        assert operation["security"] or not path.startswith("/api/")
        for status, reply in operation["responses"].items():
            assert path == "/metrics" or all(media["schema"] for media in reply["content"].values()), (
                path,
                status,
            )


async def test_every_reference_of_the_description_leads_somewhere(site: Site) -> None:
    """No schema is missing and none is left over."""
    document = await the_description(site)
    text = json.dumps(document)
    schemas = document["components"]["schemas"]
    wanted = {part.split('"')[0] for part in text.split("#/components/schemas/")[1:]}

    assert wanted <= schemas.keys()
    assert {shape.__name__ for shape in SHAPES} <= wanted


async def test_the_examples_of_the_description_work(site: Site) -> None:
    """Each example body is accepted as it stands."""
    document = await the_description(site)
    headers = site.give_token("admin")
    await site.send({"id": "T-1", "body": "x"})
    for path, item in document["paths"].items():
        for method, operation in item.items():
            media = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
            if "example" in media:
                url = path.format(ticket_id="T-1", account_id="acme")
                response = await site.client.request(method, url, json=media["example"], headers=headers)
                assert response.status_code in {200, 201}, (path, response.text)


def test_the_decision_is_described_key_by_key() -> None:
    """The schema has exactly the keys of the contract, in their order."""
    keys = TypeAdapter(Decision).json_schema()["properties"].keys()
    assert keys == set(DecisionOut.model_fields)


def test_the_page_about_the_api_lists_every_problem() -> None:
    """What is generated from the table stands in the docs as it is."""
    page = (Path(__file__).parents[2] / "docs" / "api.md").read_text()

    for name, (status, title) in TITLES.items():
        assert f"| `{TYPE_PREFIX}{name}` | {status} | {title} |" in page
    for scope in SCOPES:
        assert f"`{scope}`" in page


async def test_there_are_no_pages_that_load_scripts_of_others(site: Site) -> None:
    """The framework's own documentation pages come from a CDN; they are off."""
    for path in ("/docs", "/redoc"):
        assert (await site.client.get(path)).status_code == 404


async def test_the_reply_has_every_key_even_when_empty(site: Site) -> None:
    """Absent is null or an empty list, never missing."""
    decision = (await site.send({"body": "hello"})).json()["decision"]

    assert decision.keys() == DecisionOut.model_fields.keys()
    assert decision_to_json.__doc__


# ---------------------------------------------------------------- a real socket
@contextlib.asynccontextmanager
async def served(site: Site) -> AsyncIterator[int]:
    """The site behind uvicorn on a free port."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        config = uvicorn.Config(site.app, log_config=None, proxy_headers=False, lifespan="off", ws="none")
        server = uvicorn.Server(config)
        serving = asyncio.create_task(server.serve(sockets=[listening]))
        try:
            yield listening.getsockname()[1]
        finally:
            server.should_exit = True
            await serving


async def spoken(port: int, *parts: bytes) -> bytes:
    """What comes back for these bytes, until the server closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        for part in parts:
            writer.write(part)
            await writer.drain()
        return await asyncio.wait_for(reader.read(), 10)
    except ConnectionError:
        return b""
    finally:
        writer.close()


def lines(*headers: str) -> bytes:
    """A request's head."""
    return ("\r\n".join(headers) + "\r\n\r\n").encode()


async def test_over_a_real_socket_tickets_and_pages_are_served(site: Site) -> None:
    """As a client and a browser on this machine see it."""
    connect(site, "zendesk")
    async with served(site) as port, httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
        response = await client.post("/api/v1/tickets", json=TLS, headers=site.give_token("tickets:write"))
        page = await client.get("/tickets/T-1")
        hook = await client.post("/hooks/zendesk", content=CREATED["zendesk"])

    assert (response.status_code, page.status_code, hook.status_code) == (201, 200, 401)


async def test_over_a_real_socket_a_long_body_is_cut_off(site: Site) -> None:
    """A chunked body without a declared length is refused while it comes in."""
    token = site.give_token("admin")["authorization"]
    head = lines(
        "POST /api/v1/tickets HTTP/1.1", "Host: localhost", f"Authorization: {token}",
        "Content-Type: application/json", "Transfer-Encoding: chunked", "Connection: close",
    )  # fmt: skip
    chunk = b"100000\r\n" + b"a" * 0x100000 + b"\r\n"
    async with served(site) as port:
        reply = await spoken(port, head, *([chunk] * 5), b"1\r\na\r\n0\r\n\r\n")

    assert b"413" in reply.split(b"\r\n")[0]


@pytest.mark.parametrize(
    "head",
    [
        ("GET / HTTP/1.1", "Connection: close"),
        ("GET / HTTP/1.0",),
        ("GET / HTTP/1.1", "Host: evil.example", "Connection: close"),
        ("GET /tickets/%ff%fe%00 HTTP/1.1", "Host: localhost", "Connection: close"),
        ("POST /hooks/%00 HTTP/1.1", "Host: localhost", "Content-Length: 0", "Connection: close"),
        ("GET /api/v1/tickets?team=%ff&cursor=\u00e9 HTTP/1.1", "Host: localhost", "Connection: close"),
        ("POST /api/v1/tickets HTTP/1.1", "Host: localhost", "Content-Length: -1", "Connection: close"),
    ],
)
async def test_over_a_real_socket_odd_requests_are_4xx(site: Site, head: Sequence[str]) -> None:
    """Missing hosts, broken escapes and lengths never reach an unexpected error."""
    async with served(site) as port:
        reply = await spoken(port, lines(*head))

    assert reply.split(b"\r\n")[0].split(b" ")[1].startswith(b"4"), reply[:300]


async def test_a_caller_who_hangs_up_stores_nothing(site: Site) -> None:
    """Half a body is no ticket, and no error either."""
    token = site.give_token("admin")["authorization"]
    head = lines(
        "POST /api/v1/tickets HTTP/1.1", "Host: localhost", f"Authorization: {token}",
        "Content-Type: application/json", "Content-Length: 1000",
    )  # fmt: skip
    async with served(site) as port:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(head + b'{"body": "x"')
        await writer.drain()
        writer.close()
        await writer.wait_closed()
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
            text = (await client.get("/metrics")).text

    assert not site.records.told
    assert 'http_response_status_code="500"' not in text
