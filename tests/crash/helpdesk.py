"""A helpdesk as Rung meets it: it sends each delivery until it gets a good answer, and now and then once more."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import Random
from typing import Any

import httpx
import orjson
from standardwebhooks import Webhook

from tests.rig.server import WEBHOOK_SECRET
from tests.rig.tickets import written

GIVE_UP = 180.0
"""Seconds after which an unanswered delivery is a failure."""
HOOK = "/hooks/generic"
API = "/api/v1/tickets"


@dataclass(frozen=True, slots=True)
class Delivery:
    """One thing to send. ``identity`` is the webhook's id or the idempotency key; the API may go without."""

    path: str
    body: bytes
    tickets: tuple[str, ...]
    identity: str = ""
    message: str = ""

    @property
    def signed(self) -> bool:
        """Whether it goes through the hook."""
        return self.path == HOOK


@dataclass(slots=True)
class Answered:
    """A delivery with the results that its first good answer held."""

    delivery: Delivery
    results: list[dict[str, Any]]


@dataclass(slots=True)
class Helpdesk:
    """Sends deliveries over HTTP and keeps what was answered.

    Args:
        url: of the server.
        token: for the API.
        on_answer: told after every good answer, so that the killer knows how far the stream is.
    """

    url: str
    token: str
    on_answer: Callable[[], None] = lambda: None
    answered: list[Answered] = field(default_factory=list)
    repeated: list[Answered] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    retries: int = 0
    _signer: Webhook = field(default_factory=lambda: Webhook(WEBHOOK_SECRET))

    def headers(self, delivery: Delivery) -> dict[str, str]:
        """The headers of one attempt: signed anew each time, with the same id."""
        headers = {"content-type": "application/json"}
        if not delivery.signed:
            headers["authorization"] = f"Bearer {self.token}"
            if delivery.identity:
                headers["idempotency-key"] = f'"{delivery.identity}"'
            return headers
        now = datetime.now(UTC)
        headers["webhook-id"] = delivery.identity
        headers["webhook-timestamp"] = str(int(now.timestamp()))
        headers["webhook-signature"] = self._signer.sign(delivery.identity, now, delivery.body.decode())
        return headers

    async def send(self, client: httpx.AsyncClient, delivery: Delivery) -> list[dict[str, Any]]:
        """Send until it is answered well; the results. A 4xx is written down as wrong."""
        pause = 0.02
        async with asyncio.timeout(GIVE_UP):
            while True:
                try:
                    reply = await client.post(
                        self.url + delivery.path, content=delivery.body, headers=self.headers(delivery)
                    )
                except httpx.TransportError:
                    reply = None
                if reply is not None and reply.status_code < httpx.codes.BAD_REQUEST:
                    break
                if reply is not None and reply.status_code < httpx.codes.INTERNAL_SERVER_ERROR:
                    self.wrong.append(
                        f"{delivery.path} {delivery.tickets[0]}: {reply.status_code} {reply.text}"
                    )
                    return []
                self.retries += 1
                await asyncio.sleep(pause)
                pause = min(0.2, pause * 1.5)
        told = orjson.loads(reply.content)
        if reply.status_code == httpx.codes.ACCEPTED or ("results" not in told and "ticket_id" not in told):
            self.wrong.append(f"{delivery.path} {delivery.tickets[0]}: not taken in: {told}")
            return []
        results: list[dict[str, Any]] = told.get("results", [told])
        self.on_answer()
        return results

    async def work(self, jobs: Iterator[list[Delivery]], random: Random) -> None:
        """Send the deliveries of each job in order; one in ten is sent again, as after a lost answer."""
        async with httpx.AsyncClient(timeout=30.0) as client:
            for job in jobs:
                for delivery in job:
                    self.answered.append(Answered(delivery, await self.send(client, delivery)))
                    if random.random() < 0.1:
                        self.repeated.append(Answered(delivery, await self.send(client, delivery)))


def stream(seed: int, count: int) -> Iterator[list[Delivery]]:
    """``count`` tickets as jobs: half by signed webhook, the rest by the API, alone or five in a request.

    A fifth of the tickets gets a second delivery with a customer's message. Ids follow from the seed alone.
    """
    random = Random(seed)  # noqa: S311 - a reproducible stream, nothing secret
    source = written(seed, prefix=f"crash-{seed}")
    made = 0
    while made < count:
        kind = random.random()
        size = min(5 if kind > 0.95 else 1, count - made)
        tickets = [next(source) for _ in range(size)]
        made += size
        ids = tuple(t["id"] for t in tickets)
        if kind < 0.5:
            job = [Delivery(HOOK, orjson.dumps(tickets[0]), ids, f"msg_{ids[0]}")]
        elif size > 1 or kind > 0.8:
            job = [Delivery(API, orjson.dumps(tickets if size > 1 else tickets[0]), ids, f"key-{ids[0]}")]
        else:
            job = [Delivery(API, orjson.dumps(tickets[0]), ids)]
        if size == 1 and random.random() < 0.2:
            job.append(_follow_up(ids[0], random))
        yield job


def _follow_up(ticket_id: str, random: Random) -> Delivery:
    """A customer's second message, through one of both doors."""
    message = {
        "id": f"m-{ticket_id}",
        "author": "customer",
        "at": "2026-11-22T03:00:00Z",
        "body": f"It still happens, now with HTTP 503 and request id {random.getrandbits(64):016x}.",
    }
    if random.random() < 0.5:
        body = orjson.dumps({"id": ticket_id, "subject": "Re:", "messages": [message]})
        return Delivery(HOOK, body, (ticket_id,), f"msg_{ticket_id}_2", message["id"])
    return Delivery(f"{API}/{ticket_id}/messages", orjson.dumps(message), (ticket_id,), message=message["id"])


def digest(value: object) -> str:
    """A short hash of a JSON value, to compare decisions."""
    return hashlib.sha256(orjson.dumps(value, option=orjson.OPT_SORT_KEYS)).hexdigest()[:16]
