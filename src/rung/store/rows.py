"""What the store answers with: frozen values, one per kind of row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Generic, TypeVar

from rung.model import Decision, Json, Mode, Outcome, Secret, Severity, Ticket
from rung.ports import HumanAction, LedgerEntry

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some rows, newest first, and the cursor of the next page; None on the last one."""

    rows: tuple[T, ...]
    next: int | None = None


@dataclass(frozen=True, slots=True)
class Listed:
    """A ticket in a list, with its active decision if it has one. ``seq`` is its place in the order."""

    seq: int
    id: str
    connector: str
    source: str
    subject: str
    account_id: str | None
    requester_email: str | None
    open: bool
    version: int
    created_at: datetime | None
    received_at: datetime
    updated_at: datetime
    decided_at: datetime | None
    outcome: Outcome | None
    mode: Mode | None
    team: str | None
    level: str | None
    signature: str | None
    severity: Severity | None
    confidence: float | None
    next_check_at: datetime | None


@dataclass(frozen=True, slots=True)
class Recorded:
    """A line of the ledger with its number and time."""

    id: int
    at: datetime
    entry: LedgerEntry


@dataclass(frozen=True, slots=True)
class Told:
    """All that is stored of one ticket.

    ``decisions`` are in order, each with the ticket version that it was made at; ``decision`` is the active one.
    """

    ticket: Ticket
    version: int
    open: bool
    connector: str
    received_at: datetime
    updated_at: datetime
    decision: Decision | None
    decisions: tuple[tuple[int, Decision], ...]
    actions: tuple[HumanAction, ...]
    secrets: tuple[Secret, ...]
    ledger: tuple[Recorded, ...]


@dataclass(frozen=True, slots=True)
class Observed:
    """One ticket in observe mode: what was decided beside where people put it last."""

    seq: int
    ticket_id: str
    subject: str
    their_team: str
    their_level: str
    their_at: datetime
    outcome: Outcome | None
    mode: Mode | None
    team: str | None
    level: str | None
    signature: str | None
    severity: Severity | None
    confidence: float | None
    decided_at: datetime | None

    @property
    def agrees(self) -> bool:
        """Whether people put it where the decision said; an unmapped level does not count against it."""
        return self.team == self.their_team and self.their_level in {"", self.level}


@dataclass(frozen=True, slots=True)
class PolicyMove:
    """One move of the pointer to the published policy."""

    id: int
    version: str
    action: str
    author: str
    note: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Token:
    """An API token without its secret. ``last_used`` is a day."""

    id: str
    name: str
    scopes: tuple[str, ...]
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used: date | None


@dataclass(frozen=True, slots=True)
class Connection:
    """A connector as the operator set it up. ``secret`` is empty where none is set."""

    connector: str
    secret: str
    settings: Mapping[str, Json]
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Kept:
    """A payload that was kept, encrypted, because it could not be used as it came."""

    id: int
    connector: str
    delivery: str
    reason: str
    headers: Mapping[str, str]
    size: int
    ticket_id: str | None
    state: str
    at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Deployment:
    """A version of a service that went live; without a time, now."""

    service: str
    version: str
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Health:
    """How a service is: ``ok``, ``degraded`` or ``down``; without a time, now."""

    service: str
    status: str
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Claimed:
    """A command that a worker took. ``attempts`` counts this one and tells a stale worker apart."""

    id: int
    kind: str
    key: str
    payload: Mapping[str, Json]
    attempts: int
    last_error: str


@dataclass(frozen=True, slots=True)
class Parked:
    """A command that failed too often, with its error; it waits for ``redrive``."""

    id: int
    kind: str
    key: str
    payload: Mapping[str, Json]
    attempts: int
    last_error: str
    created_at: datetime
    ended_at: datetime


@dataclass(frozen=True, slots=True)
class Counts:
    """Figures for metrics; ``tickets`` counts all that ever arrived."""

    tickets: int
    commands_queued: int
    commands_running: int
    commands_parked: int
    payloads_kept: int
    oldest_command_seconds: float
