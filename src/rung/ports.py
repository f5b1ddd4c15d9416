"""Small protocols, one ability each, and the values that cross them.

The flow knows these and nothing of PostgreSQL, HTTP or vendors; ``app.py`` puts the real things in.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, Protocol, TypeAlias

from rung.model import NOTHING, Decision, Facts, Json, Message, Mode, Secret, Ticket

ActionKind: TypeAlias = Literal["assigned", "solved", "reopened"]


# ---------------------------------------------------------------- what connectors hand to the flow
@dataclass(frozen=True, slots=True)
class HumanAction:
    """What a person did with the ticket in the helpdesk: the other side of observe mode.

    ``team`` and ``level`` are Rung's when the operator mapped the helpdesk's group, else ``team`` is the
    group's own name and ``level`` is empty. ``id`` makes it idempotent.
    """

    kind: ActionKind
    id: str
    at: datetime | None = None
    team: str = ""
    level: str = ""


@dataclass(frozen=True, slots=True)
class Arrival:
    """One thing to take in: a new ticket, new messages of a known one, what people did with it.

    ``ticket`` holds all that the payload says; messages already stored (by id, else by author, time and text)
    are skipped. ``delivery`` is the sender's own id of this delivery, empty if it has none. ``only_known``
    refuses (NotFound) to create the ticket. ``raw`` with ``raw_reason`` asks to keep the payload encrypted
    although it was parsed (for example because NUL characters had to be replaced).
    """

    connector: str
    ticket: Ticket
    delivery: str = ""
    actions: tuple[HumanAction, ...] = ()
    only_known: bool = False
    raw: bytes = b""
    raw_reason: str = ""


class Connector(Protocol):
    """One service that sends webhooks. ``name`` is the ``{connector}`` of ``POST /hooks/{connector}``."""

    name: str

    def verify(self, headers: Mapping[str, str], body: bytes, *, secret: str, now: datetime) -> str:
        """Check the sender's signature over the raw body in constant time, inside the replay window.

        Returns the sender's delivery id (may be empty). Header names are lower case.

        Raises:
            Unauthenticated: no, a wrong or a stale signature; the message says which and what to do.
        """

    def parse(
        self, headers: Mapping[str, str], body: bytes, *, settings: Mapping[str, Json]
    ) -> Sequence[Arrival]:
        """Turn an authentic body into arrivals; an event that means nothing to Rung gives none.

        Raises:
            Malformed: the payload is not what the mapping expects; it is then kept and can be re-driven.
        """


# ---------------------------------------------------------------- one transaction of intake
@dataclass(frozen=True, slots=True)
class Asked:
    """What the one facts query needs to know of one arrival (``facts_for(batch)`` of design.md)."""

    ticket_id: str
    connector: str
    delivery: str = ""
    account_id: str = ""
    requester_email: str = ""
    signature: str = ""
    services: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class StoredTicket:
    """What is stored of a ticket that arrives again; ``version`` counts its writes."""

    ticket: Ticket
    version: int
    decision: Decision | None
    message_keys: frozenset[str] = frozenset()
    action_ids: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Looked:
    """The answer of the facts query. ``facts[i]`` belongs to ``asked[i]``; ``now`` is the store's clock.

    ``ceilings`` are the admin's mode switches: ``""`` global, ``connector:<name>``, ``signature:<id>``.
    ``policy`` is the published version, empty before the first publish. ``deliveries`` holds the
    (connector, delivery) pairs already taken in, with the ticket id they made.
    """

    now: datetime
    policy: str
    ceilings: Mapping[str, Mode]
    known: Mapping[str, StoredTicket]
    deliveries: Mapping[tuple[str, str], str]
    facts: tuple[Facts, ...]


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """One line of the append-only record: ids and reasons, never customer text."""

    kind: str  # ticket_arrived | message_added | decided | human_action | payload_kept | policy_published | …
    ticket_id: str | None
    data: Mapping[str, Json] = field(default_factory=lambda: NOTHING)


@dataclass(frozen=True, slots=True)
class Command:
    """Work to do after the commit. ``key`` makes it idempotent: a second one with the same key is dropped."""

    kind: str
    key: str
    payload: Mapping[str, Json] = field(default_factory=lambda: NOTHING)
    run_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Taken:
    """What one arrival writes. ``ticket`` is redacted; ``decision`` None keeps the active one.

    ``new`` inserts the ticket, else ``expected_version`` must still hold (Conflict otherwise).
    ``messages`` are those to add, in order, the first at index ``first_message`` of the ticket.
    """

    ticket: Ticket
    new: bool
    expected_version: int = 0
    messages: tuple[Message, ...] = ()
    first_message: int = 0
    actions: tuple[HumanAction, ...] = ()
    decision: Decision | None = None
    secrets: tuple[Secret, ...] = ()
    connector: str = "api"
    delivery: str = ""
    ledger: tuple[LedgerEntry, ...] = ()
    commands: tuple[Command, ...] = ()
    raw: bytes = b""
    raw_reason: str = ""


@dataclass(frozen=True, slots=True)
class Reply:
    """A stored answer to an ``Idempotency-Key``. ``fingerprint`` is a hash of method, path and body."""

    key: str
    fingerprint: str
    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


class UnitOfWork(Protocol):
    """One transaction: everything in it is committed together, or nothing is."""

    async def lock(self, ticket_ids: Sequence[str], idempotency_keys: Sequence[str] = ()) -> None:
        """Serialise with every other transaction on these tickets and keys; locks are taken in sorted order."""

    async def look(self, asked: Sequence[Asked], *, window_minutes: int, deployment_minutes: int) -> Looked:
        """One query: clock, policy pointer, switches, known tickets, deliveries and the facts of each."""

    async def write(self, taken: Sequence[Taken]) -> None:
        """Store tickets, messages, decisions, facts, actions, ledger entries and commands of the batch."""

    async def replies(self, keys: Sequence[str]) -> Mapping[str, Reply]:
        """The stored replies of these idempotency keys that have not expired."""

    async def remember(self, replies: Sequence[Reply]) -> None:
        """Store replies with their idempotency keys."""


class Transactions(Protocol):
    """Opens transactions. Leaving the block commits; an exception rolls back and goes on."""

    def begin(self) -> AbstractAsyncContextManager[UnitOfWork]:
        """A new transaction.

        Raises:
            Unavailable: the database does not answer.
        """


class Policies(Protocol):
    """Published policies by version."""

    async def files(self, version: str) -> Mapping[str, str]:
        """The files of a published version (relative path → text).

        Raises:
            NotFound: no such version was ever published.
        """


Handler: TypeAlias = Callable[[Mapping[str, Json]], Awaitable[None]]
"""Does one command; must be idempotent. Raising Retryable tries again later, anything else parks the command."""
