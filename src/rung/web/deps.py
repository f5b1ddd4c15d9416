"""What the HTTP side needs of the rest: small protocols and the values that cross them.

``app.py`` puts the real store and intake in; tests put fakes in.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from rung.core.compiled import Compiled
from rung.flow.intake import Answer, Idempotency
from rung.model import Account
from rung.ports import Arrival, Connector
from rung.store.rows import (
    Connection,
    Counts,
    Deployment,
    Listed,
    Observed,
    Page,
    PolicyMove,
    Token,
    Told,
)
from rung.web.metrics import Metrics


# ---------------------------------------------------------------- intake
class Intake(Protocol):
    """Takes arrivals in; returns after the commit that holds them."""

    async def take(self, arrivals: Sequence[Arrival], *, idempotency: Idempotency | None = None) -> Answer:
        """Store and decide, as ``flow.intake.Intake.take`` says."""


class Records(Protocol):
    """What the HTTP side reads from the store, and the little it writes besides intake. ``store.Store`` is one."""

    async def list_tickets(
        self,
        cursor: int | None = None,
        limit: int = 50,
        *,
        outcome: str | None = None,
        team: str | None = None,
        level: str | None = None,
        signature: str | None = None,
        open: bool | None = None,  # noqa: A002 # the word of the domain
        account: str | None = None,
        connector: str | None = None,
    ) -> Page[Listed]:
        """Tickets, the newest arrival first."""

    async def ticket(self, ticket_id: str) -> Told:
        """Everything stored of one ticket.

        Raises:
            NotFound: there is none of this id.
        """

    async def find_token(self, secret: str) -> Token | None:
        """The valid API token with this secret."""

    async def connection(self, connector: str) -> Connection:
        """A connector's settings and secret.

        Raises:
            NotFound: it is not set up.
        """

    async def keep_payload(
        self, connector: str, body: bytes, *, reason: str, headers: Mapping[str, str], delivery: str = ""
    ) -> int:
        """Keep an authentic payload encrypted, once a delivery; its number."""

    async def add_deployments(self, deployments: Sequence[Deployment]) -> int:
        """Store deployments; how many were new."""

    async def put_accounts(self, accounts: Sequence[Account]) -> None:
        """Store what is known of accounts."""

    async def policy_log(self, cursor: int | None = None, limit: int = 50) -> Page[PolicyMove]:
        """Every publish and rollback, the latest first."""

    async def observed(
        self, cursor: int | None = None, limit: int = 50, *, signature: str | None = None
    ) -> Page[Observed]:
        """Decisions beside where people put the ticket last, the latest first."""

    async def counts(self) -> Counts:
        """Figures for the metrics."""

    async def health(self) -> Mapping[str, str]:
        """Versions of server and schema.

        Raises:
            Unavailable: the database does not answer.
        """


@dataclass(frozen=True, slots=True)
class Deps:
    """Everything the HTTP side is built of. ``clock`` tells the time; ``key`` keys fingerprints.

    ``policy`` gives the published policy compiled, None before the first publish.
    """

    intake: Intake
    records: Records
    policy: Callable[[], Awaitable[Compiled | None]]
    clock: Callable[[], datetime]
    connectors: Mapping[str, Connector]
    key: bytes = b""
    metrics: Metrics = field(default_factory=Metrics)
