from __future__ import annotations

import json
from collections.abc import AsyncIterator, MutableMapping
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from structlog.testing import capture_logs

from rung.connectors.generic import connector as generic
from rung.connectors.zendesk import connector as zendesk
from rung.core.compiled import Compiled
from rung.ports import Connector
from rung.store.rows import Token
from rung.web.application import create_app
from rung.web.deps import Deps
from tests.core.small import compiled
from tests.web.fakes import NOON, TOKEN, MemoryIntake, MemoryRecords, MovableClock

SMALL = compiled()


@dataclass(slots=True)
class Site:
    """Rung's HTTP side with everything behind it in memory, and a client on the same machine."""

    clock: MovableClock
    records: MemoryRecords
    intake: MemoryIntake
    app: FastAPI
    client: httpx.AsyncClient
    policy: Compiled | None
    logged: list[MutableMapping[str, Any]]

    def give_token(self, *scopes: str, secret: str = TOKEN, **more: Any) -> dict[str, str]:
        """Make a token valid; gives the header that carries it."""
        known = {"expires_at": None, "revoked_at": None, "last_used": None, **more}
        self.records.tokens[secret] = Token(f"tok-{secret[-4:]}", "test", scopes, NOON, **known)
        return {"authorization": f"Bearer {secret}"}

    async def send(self, tickets: Any, **headers: str) -> httpx.Response:
        """POST tickets with a token that may do everything."""
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        given |= {"content-type": "application/json", **self.give_token("admin")}
        return await self.client.post("/api/v1/tickets", content=json.dumps(tickets), headers=given)

    def from_elsewhere(self, address: str = "203.0.113.9", host: str = "localhost") -> httpx.AsyncClient:
        """A client on another machine, or asking under another name."""
        transport = httpx.ASGITransport(self.app, client=(address, 4711))
        return httpx.AsyncClient(transport=transport, base_url=f"http://{host}")


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    """A fresh site."""
    clock = MovableClock()
    records = MemoryRecords(clock)
    intake = MemoryIntake(records, SMALL)

    async def policy() -> Compiled | None:
        return made.policy

    connectors: dict[str, Connector] = {"generic": generic, "zendesk": zendesk}
    app = create_app(Deps(intake, records, policy, clock, connectors))
    client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost")
    with capture_logs() as logged:
        async with client:
            made = Site(clock, records, intake, app, client, SMALL, logged)
            yield made
