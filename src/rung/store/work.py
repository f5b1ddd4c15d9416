"""One transaction of intake on PostgreSQL: whole batches in a handful of round trips."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any

from rung.core.payload import storable_text as storable
from rung.core.wire import decision_to_json, time_from_json
from rung.errors import Conflict
from rung.flow.merge import message_key
from rung.model import Facts, Json
from rung.ports import Asked, HumanAction, Looked, Reply, StoredTicket, Taken
from rung.store.codec import decision_of, from_json, messages_of, rest_of, ticket_of, to_json
from rung.store.queries import sql
from rung.store.vault import Vault

KEEP_DAYS = 30
"""How long the raw payload of a ticket is kept when it asks for it."""
HIDDEN_ACCOUNTS = "_accounts"
"""Fact key under which ``look`` gives the accounts themselves, for merging with those of the same batch."""


def lock_number(name: str) -> int:
    """The 64-bit advisory lock of a name."""
    return int.from_bytes(
        hashlib.blake2b(name.encode("utf-8", "replace"), digest_size=8).digest(), signed=True
    )


class Work:
    """``rung.ports.UnitOfWork`` on one connection inside one transaction.

    ``accounts_affected`` counts the stored accounts with the signature in the window and the asking one;
    accounts of the same batch are not stored yet, so the list (at most 50) comes with it under ``_accounts``
    for the flow to merge and drop.

    Args:
        connection: in a transaction.
        vault: seals raw payloads.
    """

    def __init__(self, connection: Any, vault: Vault) -> None:
        self._connection = connection
        self._vault = vault
        self._now: datetime | None = None
        self.commands = False

    async def lock(self, ticket_ids: Sequence[str], idempotency_keys: Sequence[str] = ()) -> None:
        """Serialise with every other transaction on these tickets and keys; no order can deadlock."""
        numbers = {lock_number(f"t:{storable(i)}") for i in ticket_ids}
        numbers |= {lock_number(f"k:{k}") for k in idempotency_keys}
        if numbers:
            await self._connection.fetch(sql("lock"), sorted(numbers))

    async def look(self, asked: Sequence[Asked], *, window_minutes: int, deployment_minutes: int) -> Looked:
        """Clock, policy, switches, known tickets, deliveries and facts; a second query only for known tickets."""
        row = await self._connection.fetchrow(
            sql("look"),
            [storable(a.ticket_id) for a in asked],
            [a.connector for a in asked],
            [storable(a.delivery) for a in asked],
            [storable(a.account_id) for a in asked],
            [storable(a.requester_email) for a in asked],
            [a.signature for a in asked],
            ["\x1f".join(a.services) for a in asked],
            timedelta(minutes=window_minutes),
            timedelta(minutes=deployment_minutes),
        )
        self._now = row["now"]
        return Looked(
            now=row["now"],
            policy=row["policy"] or "",
            ceilings=MappingProxyType(from_json(row["modes"]) or {}),
            known=await self._known(row["known"]) if row["known"] else MappingProxyType({}),
            deliveries=MappingProxyType({(c, d): t for c, d, t in from_json(row["deliveries"]) or ()}),
            facts=_facts(asked, row),
        )

    async def _known(self, ids: Sequence[str]) -> Mapping[str, StoredTicket]:
        rows = await self._connection.fetch(sql("known_tickets"), ids)
        return MappingProxyType(
            {
                row["id"]: StoredTicket(
                    ticket=ticket_of(row, messages_of(row["messages"])),
                    version=row["version"],
                    decision=decision_of(row["decision"]),
                    message_keys=frozenset(m["key"] for m in from_json(row["messages"]) or ()),
                    action_ids=frozenset(i for i, _ in from_json(row["actions"]) or ()),
                )
                for row in rows
            }
        )

    async def write(self, taken: Sequence[Taken]) -> None:
        """Store the batch in one statement.

        Raises:
            Conflict: a ticket is not at its expected version, or a new one exists already.
        """
        if not taken:
            return
        if self._now is None:
            self._now = await self._connection.fetchval(sql("clock"))
        stored = await self._connection.fetchval(
            sql("write"),
            self._now,
            *_tickets(taken),
            *_messages(taken),
            *_columns(
                [(t.ticket.id, a) for t in taken for a in t.actions],
                lambda r: storable(r[0]),
                lambda r: storable(r[1].id),
                lambda r: r[1].kind,
                lambda r: storable(r[1].team),
                lambda r: storable(r[1].level),
                lambda r: r[1].at,
            ),
            *_columns(
                [(t.ticket.id, s) for t in taken for s in t.secrets],
                lambda r: storable(r[0]),
                lambda r: r[1].field,
                lambda r: r[1].start,
                lambda r: r[1].end,
                lambda r: r[1].kind,
                lambda r: r[1].fingerprint,
            ),
            *_columns(
                [t for t in taken if t.delivery],
                lambda t: t.connector,
                lambda t: storable(t.delivery),
                lambda t: storable(t.ticket.id),
            ),
            *_columns(
                [e for t in taken for e in t.ledger],
                lambda e: e.kind,
                lambda e: None if e.ticket_id is None else storable(e.ticket_id),
                lambda e: to_json(e.data),
            ),
            *_columns(
                [c for t in taken for c in t.commands],
                lambda c: c.kind,
                lambda c: storable(c.key),
                lambda c: to_json(c.payload),
                lambda c: c.run_at,
            ),
            *_columns(
                [t for t in taken if t.raw_reason],
                lambda t: t.connector,
                lambda t: storable(t.delivery),
                lambda t: storable(t.raw_reason),
                lambda t: self._vault.seal(t.raw, "payload"),
                lambda t: storable(t.ticket.id),
                lambda _: KEEP_DAYS,
            ),
        )
        if stored != len(taken):
            raise Conflict("a ticket of the batch was changed or made by somebody else meanwhile")
        self.commands = self.commands or any(t.commands for t in taken)

    async def replies(self, keys: Sequence[str]) -> Mapping[str, Reply]:
        """The stored replies of these idempotency keys that have not expired."""
        if not keys:
            return {}
        rows = await self._connection.fetch(sql("replies"), [storable(k) for k in keys])
        return {
            row["key"]: Reply(
                key=row["key"],
                fingerprint=row["fingerprint"],
                status=row["status"],
                body=row["body"],
                headers=from_json(row["headers"]),
            )
            for row in rows
        }

    async def remember(self, replies: Sequence[Reply]) -> None:
        """Store replies for 24 hours; a key that is still remembered keeps its first reply."""
        if replies:
            await self._connection.execute(
                sql("remember"),
                *_columns(
                    replies,
                    lambda r: storable(r.key),
                    lambda r: r.fingerprint,
                    lambda r: r.status,
                    lambda r: r.body,
                    lambda r: to_json(r.headers),
                ),
            )


# ---------------------------------------------------------------- facts
def _facts(asked: Sequence[Asked], row: Mapping[str, Any]) -> tuple[Facts, ...]:
    symptoms = from_json(row["symptoms"]) or {}
    deployed = from_json(row["deployed"]) or {}
    health = from_json(row["health"]) or {}
    accounts = from_json(row["accounts"]) or {}
    second = frozenset(from_json(row["second"]) or ())
    now: datetime = row["now"]
    found = []
    for number, one in enumerate(asked, 1):
        facts: dict[str, Json] = {
            k: v for k, v in accounts.get(one.account_id, {}).items() if v not in ("", None)
        }
        if one.signature:
            seen = symptoms.get(one.signature) or []
            new = one.account_id not in seen
            facts["accounts_affected"] = max(1, len(seen) + (new and bool(one.account_id)))
            facts[HIDDEN_ACCOUNTS] = seen[:50]  # without its own, unless that was seen before
            facts["second_ticket"] = number in second
        latest = _latest_deployment(one.services, deployed, now)
        if latest:
            facts["recent_deployment"] = latest
        states = {s: health[s] for s in one.services if s in health}
        if states:
            facts["health"] = states
        found.append(MappingProxyType(facts))
    return tuple(found)


def _latest_deployment(
    services: Sequence[str], deployed: Mapping[str, Sequence[str]], now: datetime
) -> dict[str, Json] | None:
    moments = [
        (moment, service, deployed[service][0])
        for service in services
        if service in deployed and (moment := time_from_json(deployed[service][1], "at"))
    ]
    if not moments:
        return None
    moment, service, version = max(moments)
    return {"service": service, "version": version, "minutes_ago": int((now - moment).total_seconds() // 60)}


# ---------------------------------------------------------------- columns of the write
def _columns(rows: Sequence[Any], *pick: Callable[[Any], Any]) -> list[list[Any]]:
    """Rows as one list per column, for ``unnest``."""
    return [[of(row) for row in rows] for of in pick]


def _stays_open(actions: Sequence[HumanAction]) -> bool | None:
    """Whether the ticket is open after these; None when none of them says."""
    for action in reversed(actions):
        if action.kind in {"solved", "reopened"}:
            return action.kind == "reopened"
    return None


def _tickets(taken: Sequence[Taken]) -> list[list[Any]]:
    of_decision = [t.decision for t in taken]
    return [
        *_columns(
            taken,
            lambda t: storable(t.ticket.id),
            lambda t: t.new,
            lambda t: t.expected_version,
            lambda t: t.connector,
            lambda t: storable(t.ticket.source),
            lambda t: (storable(t.ticket.account.id) or None) if t.ticket.account else None,
            lambda t: (storable(t.ticket.requester.email) or None) if t.ticket.requester else None,
            lambda t: storable(t.ticket.subject),
            lambda t: storable(t.ticket.body),
            lambda t: rest_of(t.ticket),
            lambda t: t.ticket.created_at,
            lambda t: _stays_open(t.actions),
        ),
        *(
            [getattr(d, name) if d else None for d in of_decision]
            for name in (
                *("outcome", "mode", "team", "level", "signature", "severity", "confidence"),
                *("next_check_at", "decided_at", "policy"),
            )
        ),
        [to_json(decision_to_json(d)) if d else None for d in of_decision],
    ]


def _messages(taken: Sequence[Taken]) -> list[list[Any]]:
    return _columns(
        [(t.ticket.id, t.first_message + i, m) for t in taken for i, m in enumerate(t.messages)],
        lambda r: storable(r[0]),
        lambda r: r[1],
        lambda r: storable(message_key(r[2])),
        lambda r: storable(r[2].id),
        lambda r: r[2].author,
        lambda r: r[2].at,
        lambda r: storable(r[2].body),
    )
