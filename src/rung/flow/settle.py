"""Settling one arrival against what is stored: pure, so that the transaction around it stays short.

``prepare`` merges and reads, ``settle`` decides and says what to write. Tickets settled earlier in the same
transaction count: their accounts and open tickets are not visible to the facts query yet.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from rung.core.compiled import Compiled
from rung.core.decide import decide, least_mode
from rung.core.facts import account_thresholds, all_facts
from rung.core.read import READ_AUTHORS, read, redacted
from rung.errors import NotFound
from rung.flow.merge import new_messages
from rung.model import Decision, Facts, Json, Message, Mode, Reading, Ticket
from rung.ports import Arrival, Asked, Command, HumanAction, LedgerEntry, Looked, StoredTicket, Taken

ACCOUNTS = "_accounts"
"""The store's hidden fact: accounts that had the signature within the window. It never leaves the flow."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """An arrival merged with the stored ticket: what to store, what is new, and the reading of the whole."""

    arrival: Arrival
    ticket: Ticket
    reading: Reading
    stored: StoredTicket | None
    added: tuple[Message, ...]
    actions: tuple[HumanAction, ...]
    changed: bool
    repeated: bool

    @property
    def decides(self) -> bool:
        """Whether there is something new to decide on; our own notes and system messages are not."""
        if self.repeated:
            return False
        return self.stored is None or any(m.author in READ_AUTHORS for m in self.added)

    @property
    def asked(self) -> Asked:
        """What the facts query must know."""
        return asked_of(self.arrival, self.ticket, self.reading)


@dataclass(frozen=True, slots=True)
class Settled:
    """The outcome of one arrival; ``taken`` is None when there is nothing to write."""

    taken: Taken | None
    created: bool
    decision: Decision | None
    added_messages: int


@dataclass(slots=True)
class SameBatch:
    """What earlier tickets of the same transaction add to the facts of later ones."""

    accounts: dict[str, set[str]] = field(default_factory=dict)
    open: set[tuple[str, str]] = field(default_factory=set)


def asked_of(arrival: Arrival, ticket: Ticket, reading: Reading) -> Asked:
    """What the facts query must know of an arrival and of its ticket."""
    return Asked(
        ticket_id=ticket.id,
        connector=arrival.connector,
        delivery=arrival.delivery,
        account_id=ticket.account.id if ticket.account else "",
        requester_email=ticket.requester.email if ticket.requester else "",
        signature=best_signature(reading),
        services=tuple(s.id for s in reading.services),
    )


def best_signature(reading: Reading) -> str:
    """The best signature's id, empty when nothing was recognised."""
    return reading.signatures[0].signature if reading.signatures else ""


def prepare(compiled: Compiled, arrival: Arrival, reading: Reading, looked: Looked, key: bytes) -> Prepared:
    """Merge an arrival with what is stored of its ticket.

    Raises:
        NotFound: the arrival is for a known ticket only, and there is none.
    """
    stored = looked.known.get(arrival.ticket.id)
    repeated = bool(arrival.delivery) and (arrival.connector, arrival.delivery) in looked.deliveries
    clean = redacted(arrival.ticket, reading)
    if stored is None:
        if arrival.only_known and not repeated:
            raise NotFound(f"no ticket {arrival.ticket.id!r}: send the ticket before its messages")
        added = new_messages(clean, ())
        ticket = replace(clean, messages=added)
        if len(added) != len(clean.messages):
            reading = read(compiled, ticket, key=key)
        return Prepared(
            arrival, ticket, reading, None, added, arrival.actions, changed=True, repeated=repeated
        )
    added = () if repeated else new_messages(clean, stored.message_keys)
    actions = tuple(a for a in arrival.actions if a.id not in stored.action_ids)
    ticket = _updated(stored.ticket, clean, added)
    changed = replace(ticket, messages=()) != replace(stored.ticket, messages=())
    if added or not repeated:
        reading = read(compiled, ticket, key=key)
    return Prepared(arrival, ticket, reading, stored, added, actions, changed=changed, repeated=repeated)


def unchanged(stored: StoredTicket, reading: Reading) -> Prepared:
    """A stored ticket as it is, to be decided again."""
    arrival = Arrival(connector=stored.ticket.source, ticket=stored.ticket)
    return Prepared(arrival, stored.ticket, reading, stored, (), (), changed=False, repeated=False)


def _updated(stored: Ticket, arrived: Ticket, added: tuple[Message, ...]) -> Ticket:
    """The stored ticket with what a later arrival may change; its first text stays what it was."""
    return replace(
        stored,
        subject=stored.subject or arrived.subject,
        body=stored.body or arrived.body,
        created_at=stored.created_at or arrived.created_at,
        requester=stored.requester or arrived.requester,
        account=arrived.account or stored.account,
        tags=arrived.tags or stored.tags,
        fields={**stored.fields, **arrived.fields},
        facts={**stored.facts, **arrived.facts},
        attachments=arrived.attachments or stored.attachments,
        messages=(*stored.messages, *added),
    )


def ceiling(ceilings: Mapping[str, Mode], connector: str, decision: Decision) -> Decision:
    """The decision with its mode lowered to what the admin granted."""
    keys = ("", f"connector:{connector}", f"signature:{decision.signature}")
    granted = [ceilings[k] for k in keys if k in ceilings]
    return replace(decision, mode=least_mode(decision.mode, *granted)) if granted else decision


def gathered_facts(prepared: Prepared, stored_facts: Facts, batch: SameBatch) -> tuple[dict[str, Json], int]:
    """The store's facts with those of the same transaction, and how many accounts there were before this ticket.

    The store's accounts hold the ticket's own only if an earlier ticket of it showed the signature.
    """
    facts = dict(stored_facts)
    signature = best_signature(prepared.reading)
    asked = prepared.asked
    before = set(facts.pop(ACCOUNTS, None) or ())
    if not signature:
        return facts, 0
    before |= batch.accounts.setdefault(signature, set())
    own = {asked.account_id} if asked.account_id else set()
    others = before - own
    facts["accounts_affected"] = len(others) + 1
    identities = {(i, signature) for i in (asked.account_id, asked.requester_email) if i}
    if prepared.stored is None and identities & batch.open:
        facts["second_ticket"] = True
    batch.accounts[signature] |= own
    batch.open |= identities
    return facts, len(others) + bool(own & before)


def settle(compiled: Compiled, prepared: Prepared, looked: Looked, facts: Facts, batch: SameBatch) -> Settled:
    """Decide one prepared arrival and say what to write."""
    stored = prepared.stored
    active = stored.decision if stored else None
    if not prepared.decides:
        if not (prepared.added or prepared.actions or (prepared.changed and not prepared.repeated)):
            return Settled(_delivery_only(prepared), created=False, decision=active, added_messages=0)
        return Settled(
            _taken(prepared, None, ()), created=False, decision=active, added_messages=len(prepared.added)
        )
    known, before = gathered_facts(prepared, facts, batch)
    complete = all_facts(compiled.policy, prepared.ticket, prepared.reading, known)
    decision = decide(compiled, prepared.reading, complete, looked.now)
    decision = ceiling(looked.ceilings, prepared.arrival.connector, decision)
    crossed = [
        t
        for t in sorted(account_thresholds(compiled.policy.routes))
        if before < t <= int(complete["accounts_affected"])
    ]
    window = int(looked.now.timestamp() // (compiled.policy.window_minutes * 60))
    commands = tuple(
        Command(
            kind="look_again",
            key=f"look_again:{decision.signature}:{threshold}:{window}",
            payload={"signature": decision.signature, "threshold": threshold},
        )
        for threshold in crossed[-1:]
    )
    taken = _taken(prepared, decision, commands)
    return Settled(taken, created=stored is None, decision=decision, added_messages=len(prepared.added))


def _delivery_only(prepared: Prepared) -> Taken | None:
    """Remember a first delivery that changes nothing, so that its repetition is known too."""
    if prepared.repeated or prepared.stored is None or not prepared.arrival.delivery:
        return None
    return _taken(prepared, None, ())


def _taken(prepared: Prepared, decision: Decision | None, commands: tuple[Command, ...]) -> Taken:
    stored, arrival = prepared.stored, prepared.arrival
    return Taken(
        ticket=prepared.ticket,
        new=stored is None,
        expected_version=stored.version if stored else 0,
        messages=prepared.added,
        first_message=len(stored.ticket.messages) if stored else 0,
        actions=prepared.actions,
        decision=decision,
        secrets=prepared.reading.secrets,
        connector=arrival.connector,
        delivery=arrival.delivery,
        ledger=_ledger(prepared, decision),
        commands=commands,
        raw=arrival.raw,
        raw_reason=arrival.raw_reason,
    )


def decided_entry(decision: Decision, why: str) -> LedgerEntry:
    """The ledger's line of a decision: ids and rules, never the customer's words."""
    return LedgerEntry(
        "decided",
        decision.ticket_id,
        {
            "why": why,
            "policy": decision.policy,
            "engine": decision.engine,
            "outcome": decision.outcome,
            "mode": decision.mode,
            "signature": decision.signature,
            "confidence": decision.confidence,
            "route": decision.route,
            "scope": decision.scope,
            "severity": decision.severity,
            "rules": [b.rule for b in decision.because],
        },
    )


def _ledger(prepared: Prepared, decision: Decision | None) -> tuple[LedgerEntry, ...]:
    ticket_id, connector = prepared.ticket.id, prepared.arrival.connector
    entries: list[LedgerEntry] = []
    if prepared.stored is None:
        entries.append(LedgerEntry("ticket_arrived", ticket_id, {"connector": connector}))
    entries += [
        LedgerEntry("message_added", ticket_id, {"author": m.author, "connector": connector})
        for m in prepared.added
        if prepared.stored is not None
    ]
    entries += [
        LedgerEntry("human_action", ticket_id, {"action": a.kind, "team": a.team, "level": a.level})
        for a in prepared.actions
    ]
    if decision is not None:
        why = "ticket_arrived" if prepared.stored is None else "message_added"
        entries.append(decided_entry(decision, why))
    return tuple(entries)
