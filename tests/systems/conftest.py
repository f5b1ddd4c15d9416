from __future__ import annotations

import base64
import hmac
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.rig.server import WEBHOOK_SECRET, Installation, throwaway

MAPPING = """
mapping:
  ticket: {id: id, subject: subject, body: body, account: {id: account}}
  actions: {items: assigned, kind: kind, id: id, team: team, teams: {Backend: backend/product/L2}}
"""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything here needs a real counterpart."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.systems)


@dataclass(frozen=True, slots=True)
class Site:
    """A running Rung with a few tickets: what the browser looks at."""

    url: str
    token: str

    def send(self, ticket: dict[str, Any]) -> dict[str, Any]:
        """Send a ticket through the API; its result."""
        reply = httpx.post(
            f"{self.url}/api/v1/tickets", json=ticket, headers={"authorization": f"Bearer {self.token}"}
        )
        result: dict[str, Any] = reply.raise_for_status().json()
        return result

    def ready(self) -> bool:
        """Whether it says that it can take tickets."""
        return httpx.get(f"{self.url}/readyz").status_code == httpx.codes.OK

    def deliver(self, payload: dict[str, Any], identity: str) -> httpx.Response:
        """Send a signed webhook."""
        body = json.dumps(payload).encode()
        stamp = str(int(time.time()))
        key = base64.b64decode(WEBHOOK_SECRET.removeprefix("whsec_"))
        digest = hmac.digest(key, f"{identity}.{stamp}.".encode() + body, "sha256")
        return httpx.post(
            f"{self.url}/hooks/generic",
            content=body,
            headers={
                "content-type": "application/json",
                "webhook-id": identity,
                "webhook-timestamp": stamp,
                "webhook-signature": "v1," + base64.b64encode(digest).decode(),
            },
        )


@pytest.fixture(scope="session")
def installation() -> Iterator[Installation]:
    """A data directory of its own."""
    with throwaway() as made:
        yield made


@pytest.fixture(scope="session")
def site(installation: Installation, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A served installation with the starter policy, four tickets and one assignment by a person."""
    mapping = tmp_path_factory.mktemp("settings") / "generic.yaml"
    mapping.write_text(MAPPING)
    token = installation.token()
    installation.connect(mapping)
    with installation.serve() as serving:
        made = Site(serving.url, token)
        made.send({
            "id": "tls-1", "subject": "Payments fail", "account": {"id": "acme", "plan": "enterprise"},
            "body": "Since 02:10 every call ends with\n\njavax.net.ssl.SSLHandshakeException: PKIX path building "
            "failed\n\tat com.acme.pay.Client.send(Client.java:88)\n\nagainst https://api.example.com/v2/orders 🙂",
        })  # fmt: skip
        made.send({"id": "how-1", "subject": "How do I configure webhooks?", "body": "We are new here."})
        made.send({"id": "db-1", "subject": "Import stopped", "body": "Error: ECONNREFUSED 10.0.45.2:5432"})
        made.send({"id": "long-1", "subject": "W" * 300, "body": "x" * 3_000 + " <script>alert(1)</script>"})
        hook = {
            "id": "hook-1", "subject": "API answers 500", "body": "HTTP 500 from /v2/orders", "account": "acme",
            "assigned": [{"kind": "assigned", "id": "a-1", "team": "Backend"}],
        }  # fmt: skip
        assert made.deliver(hook, "msg_hook-1").status_code == httpx.codes.CREATED
        yield made
