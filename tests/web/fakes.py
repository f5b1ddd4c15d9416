"""The rest of Rung in memory: enough of store and intake to serve HTTP in front of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from rung.core.compiled import Compiled
from rung.core.decide import decide_ticket
from rung.core.read import read, redacted
from rung.errors import Broken, Invalid, Malformed, NotFound, RungError
from rung.flow.intake import Answer, Idempotency, Result
from rung.model import Account, Decision, Message, Ticket
from rung.ports import Arrival, HumanAction, LedgerEntry, Reply
from rung.store.rows import (
    Connection,
    Counts,
    Deployment,
    Listed,
    Observed,
    Page,
    PolicyMove,
    Recorded,
    Token,
    Told,
)

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
TOKEN = "rung_" + "t" * 43


@dataclass(slots=True)
class MovableClock:
    """A clock that stands still until it is moved."""

    now: datetime = NOON

    def __call__(self) -> datetime:
        """The time."""
        return self.now

    def move(self, **by: float) -> None:
        """Go on by so much (``minutes=30``)."""
        self.now += timedelta(**by)


@dataclass(slots=True)
class Kept:
    """A kept payload."""

    connector: str
    body: bytes
    reason: str
    headers: Mapping[str, str]
    delivery: str


@dataclass(slots=True)
class MemoryRecords:
    """``Records`` in memory. ``trouble`` is raised by every read when it is set; ``queries`` counts look-ups."""

    clock: MovableClock
    told: dict[str, Told] = field(default_factory=dict)
    tokens: dict[str, Token] = field(default_factory=dict)
    connected: dict[str, Connection] = field(default_factory=dict)
    kept: list[Kept] = field(default_factory=list)
    deployments: list[Deployment] = field(default_factory=list)
    accounts: dict[str, Account] = field(default_factory=dict)
    moves: list[PolicyMove] = field(default_factory=list)
    assigned: list[Observed] = field(default_factory=list)
    trouble: Exception | None = None
    queries: int = 0

    def _asked(self) -> None:
        self.queries += 1
        if self.trouble is not None:
            raise self.trouble

    async def list_tickets(
        self,
        cursor: int | None = None,
        limit: int = 50,
        *,
        outcome: str | None = None,
        team: str | None = None,
        level: str | None = None,
        signature: str | None = None,
        open: bool | None = None,  # noqa: A002 # as the store has it
        account: str | None = None,
        connector: str | None = None,
    ) -> Page[Listed]:
        """Newest first; the sequence number is the order of arrival."""
        self._asked()
        rows = [_listed(seq, told) for seq, told in enumerate(self.told.values(), 1)]
        wanted = {
            "outcome": outcome, "team": team, "level": level, "signature": signature, "open": open,
            "account_id": account, "connector": connector,
        }  # fmt: skip
        found = [
            row
            for row in reversed(rows)
            if (cursor is None or row.seq < cursor)
            and all(value is None or getattr(row, name) == value for name, value in wanted.items())
        ]
        shown = tuple(found[:limit])
        return Page(shown, shown[-1].seq if len(found) > limit else None)

    async def ticket(self, ticket_id: str) -> Told:
        """One ticket."""
        self._asked()
        try:
            return self.told[ticket_id]
        except KeyError:
            raise NotFound(f"there is no ticket {ticket_id!r}") from None

    async def find_token(self, secret: str) -> Token | None:
        """The token of this secret."""
        self._asked()
        return self.tokens.get(secret)

    async def connection(self, connector: str) -> Connection:
        """How a connector is set up."""
        self._asked()
        try:
            return self.connected[connector]
        except KeyError:
            raise NotFound(f"connector {connector!r} is not set up") from None

    async def keep_payload(
        self, connector: str, body: bytes, *, reason: str, headers: Mapping[str, str], delivery: str = ""
    ) -> int:
        """Keep it, once a delivery."""
        self._asked()
        for number, one in enumerate(self.kept, 1):
            if delivery and (one.connector, one.delivery) == (connector, delivery):
                return number
        self.kept.append(Kept(connector, body, reason, headers, delivery))
        return len(self.kept)

    async def add_deployments(self, deployments: Sequence[Deployment]) -> int:
        """How many were new."""
        self._asked()
        new = [d for d in deployments if d not in self.deployments]
        self.deployments += new
        return len(new)

    async def put_accounts(self, accounts: Sequence[Account]) -> None:
        """Store them."""
        self._asked()
        self.accounts.update({a.id: a for a in accounts})

    async def policy_log(self, cursor: int | None = None, limit: int = 50) -> Page[PolicyMove]:
        """Newest first."""
        self._asked()
        found = [m for m in reversed(self.moves) if cursor is None or m.id < cursor]
        return Page(tuple(found[:limit]), found[limit - 1].id if len(found) > limit else None)

    async def observed(
        self, cursor: int | None = None, limit: int = 50, *, signature: str | None = None
    ) -> Page[Observed]:
        """Newest first."""
        del cursor, signature
        self._asked()
        return Page(tuple(self.assigned[:limit]))

    async def counts(self) -> Counts:
        """Figures."""
        self._asked()
        return Counts(len(self.told), 0, 0, 0, len(self.kept), 0.0)

    async def health(self) -> Mapping[str, str]:
        """Versions."""
        self._asked()
        return {"postgresql": "18", "schema": "1"}


def _listed(seq: int, told: Told) -> Listed:
    ticket, decision = told.ticket, told.decision
    return Listed(
        seq=seq, id=ticket.id, connector=told.connector, source=ticket.source, subject=ticket.subject,
        account_id=ticket.account.id if ticket.account else None,
        requester_email=ticket.requester.email if ticket.requester else None,
        open=told.open, version=told.version, created_at=ticket.created_at, received_at=told.received_at,
        updated_at=told.updated_at, decided_at=decision.decided_at if decision else None,
        outcome=decision.outcome if decision else None, mode=decision.mode if decision else None,
        team=decision.team if decision else None, level=decision.level if decision else None,
        signature=decision.signature if decision else None, severity=decision.severity if decision else None,
        confidence=decision.confidence if decision else None, next_check_at=None,
    )  # fmt: skip


@dataclass(slots=True)
class MemoryIntake:
    """Intake in memory; ``trouble`` is raised instead of taking in, ``arrived`` is all that came."""

    records: MemoryRecords
    policy: Compiled | None
    trouble: RungError | Exception | None = None
    arrived: list[Arrival] = field(default_factory=list)
    replies: dict[str, Reply] = field(default_factory=dict)
    deliveries: dict[tuple[str, str], str] = field(default_factory=dict)

    async def take(self, arrivals: Sequence[Arrival], *, idempotency: Idempotency | None = None) -> Answer:
        """Store and decide, like the real one."""
        if self.trouble is not None:
            raise self.trouble
        if self.policy is None:
            raise Broken("no policy is published yet: run `rung publish`")
        if idempotency and idempotency.key in self.replies:
            stored = self.replies[idempotency.key]
            if stored.fingerprint != idempotency.fingerprint:
                raise Invalid("Idempotency-Key came before with another request; use a new key")
            return Answer((), stored, replayed=True)
        results = tuple(self._one(arrival) for arrival in arrivals)
        reply = idempotency.render(results) if idempotency else None
        if reply:
            self.replies[reply.key] = reply
        return Answer(results, reply)

    def _one(self, arrival: Arrival) -> Result:
        self.arrived.append(arrival)
        delivery = (arrival.connector, arrival.delivery)
        if arrival.delivery and delivery in self.deliveries:
            known = self.records.told[self.deliveries[delivery]]
            return Result(known.ticket.id, created=False, decision=known.decision)
        told = self.records.told.get(arrival.ticket.id)
        if told is None and arrival.only_known:
            raise NotFound(f"there is no ticket {arrival.ticket.id!r}")
        if arrival.raw:
            self.records.kept.append(
                Kept(arrival.connector, arrival.raw, arrival.raw_reason, {}, arrival.delivery)
            )
        if arrival.delivery:
            self.deliveries[delivery] = arrival.ticket.id
        return self._store(arrival, told)

    def _store(self, arrival: Arrival, told: Told | None) -> Result:
        ticket, added = _merged(arrival.ticket, told)
        decision = told.decision if told else None
        if told is None or any(m.author in {"customer", "agent"} for m in added):
            decision = self._decide(ticket)
        assert self.policy is not None
        now = self.records.clock()
        entry = LedgerEntry("ticket_arrived", ticket.id, {"source": ticket.source})
        self.records.told[ticket.id] = Told(
            ticket=redacted(ticket, read(self.policy, ticket)), version=told.version + 1 if told else 1, open=True,
            connector=arrival.connector, received_at=told.received_at if told else now, updated_at=now,
            decision=decision, decisions=((1, decision),) if decision else (),
            actions=(*(told.actions if told else ()), *arrival.actions), secrets=(),
            ledger=(Recorded(1, now, entry),),
        )  # fmt: skip
        return Result(ticket.id, told is None, decision, len(added))

    def _decide(self, ticket: Ticket) -> Decision:
        if not ticket.subject and not ticket.body and not ticket.messages:
            raise Malformed("a ticket needs a subject or a body")
        assert self.policy is not None
        return decide_ticket(self.policy, ticket, now=self.records.clock())


def _merged(ticket: Ticket, told: Told | None) -> tuple[Ticket, tuple[Message, ...]]:
    if told is None:
        return ticket, ticket.messages
    known = {(m.id or m.body) for m in told.ticket.messages}
    added = tuple(m for m in ticket.messages if (m.id or m.body) not in known)
    return replace(told.ticket, messages=(*told.ticket.messages, *added)), added


def observed(ticket_id: str, decision: Decision, action: HumanAction, subject: str = "It fails") -> Observed:
    """A decision beside an assignment."""
    return Observed(
        seq=1, ticket_id=ticket_id, subject=subject, their_team=action.team, their_level=action.level,
        their_at=action.at or NOON, outcome=decision.outcome, mode=decision.mode, team=decision.team,
        level=decision.level, signature=decision.signature, severity=decision.severity,
        confidence=decision.confidence, decided_at=decision.decided_at,
    )  # fmt: skip
