"""What must hold after the crashes, asked of the database and of the API; each check returns what is wrong."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import asyncpg
import httpx
import orjson

from tests.crash.helpdesk import API, Answered, digest


async def listed(client: httpx.AsyncClient, url: str, token: str) -> Counter[str]:
    """Every ticket id of the paged list, with how often it stands there."""
    found: Counter[str] = Counter()
    cursor = ""
    while True:
        reply = await client.get(
            url + API,
            params={"limit": 200, **({"cursor": cursor} if cursor else {})},
            headers={"authorization": f"Bearer {token}"},
        )
        page = reply.raise_for_status().json()
        found.update(t["id"] for t in page["tickets"])
        cursor = page["next_cursor"] or ""
        if not cursor:
            return found


async def stored_counts(database: Any) -> dict[str, int]:
    """Rows of each table, for the summary."""
    tables = (
        "tickets",
        "messages",
        "decisions",
        "ledger",
        "deliveries",
        "replies",
        "commands",
        "kept_payloads",
    )
    return {t: await database.fetchval(f"SELECT count(*) FROM rung.{t}") for t in tables}  # noqa: S608 - fixed


def expected_of(answered: Sequence[Answered]) -> tuple[dict[str, list[dict[str, Any]]], dict[str, int]]:
    """Per ticket: the decisions its deliveries were answered with; and how many messages it must have."""
    decisions: dict[str, list[dict[str, Any]]] = {}
    messages: dict[str, int] = {}
    for one in answered:
        for result in one.results:
            ticket = result["ticket_id"]
            decisions.setdefault(ticket, []).append(result["decision"])
            messages[ticket] = messages.get(ticket, 0) + bool(one.delivery.message)
    return decisions, messages


async def _rows(database: Any, query: str) -> dict[str, Any]:
    return {row[0]: row[1] for row in await database.fetch(query)}


def _differing(what: str, expected: Mapping[str, int], found: Mapping[str, int]) -> list[str]:
    wrong = [
        f"{what} of {ticket}: expected {count}, found {found.get(ticket, 0)}"
        for ticket, count in expected.items()
        if found.get(ticket, 0) != count
    ]
    return wrong + [f"{what} of {ticket}: nobody sent it" for ticket in found.keys() - expected.keys()]


async def check_store(
    dsn: str, answered: Sequence[Answered], repeated: Sequence[Answered]
) -> tuple[list[str], dict[str, int]]:
    """Compare the store with what was answered: nothing missing, nothing double. What is wrong, and counts."""
    decisions, messages = expected_of(answered)
    again, _ = expected_of(repeated)
    database = await asyncpg.connect(dsn)
    try:
        wrong = await _check_decisions(database, decisions, again)
        count = "SELECT ticket_id, count(*)::int FROM rung.{} GROUP BY 1"
        wrong += _differing(
            "messages",
            {t: n for t, n in messages.items() if n},
            await _rows(database, count.format("messages")),
        )
        ledger = "SELECT ticket_id, count(*)::int FROM rung.ledger WHERE kind = '{}' GROUP BY 1"
        wrong += _differing(
            "arrivals in the ledger",
            dict.fromkeys(decisions, 1),
            await _rows(database, ledger.format("ticket_arrived")),
        )
        wrong += _differing(
            "decisions in the ledger",
            {t: len(ds) for t, ds in decisions.items()},
            await _rows(
                database,
                "SELECT ticket_id, count(*)::int FROM rung.ledger "
                "WHERE kind = 'decided' AND data->>'why' IN ('ticket_arrived', 'message_added') GROUP BY 1",
            ),
        )
        both = await database.fetchrow(
            "SELECT (SELECT count(*) FROM rung.decisions), (SELECT count(*) FROM rung.ledger WHERE kind = 'decided')"
        )
        if both[0] != both[1]:
            wrong.append(f"{both[0]} decisions are stored, but {both[1]} stand in the ledger")
        sent = {a.delivery.identity: 1 for a in answered if a.delivery.signed}
        wrong += _differing(
            "deliveries",
            sent,
            await _rows(database, "SELECT delivery, count(*)::int FROM rung.deliveries GROUP BY 1"),
        )
        parked = await database.fetchval("SELECT count(*) FROM rung.commands WHERE state = 'parked'")
        if parked:
            wrong.append(f"{parked} commands were parked")
        return wrong, await stored_counts(database)
    finally:
        await database.close()


async def _check_decisions(
    database: Any,
    decisions: Mapping[str, Sequence[dict[str, Any]]],
    again: Mapping[str, Sequence[dict[str, Any]]],
) -> list[str]:
    """Each answered decision is stored exactly as answered; each ticket has one active decision."""
    wrong = []
    stored: dict[str, dict[int, Any]] = {}
    for row in await database.fetch("SELECT ticket_id, version, data::text AS data FROM rung.decisions"):
        stored.setdefault(row["ticket_id"], {})[row["version"]] = orjson.loads(row["data"])
    active = await _rows(database, "SELECT id, decided_version FROM rung.tickets")
    for ticket, answers in decisions.items():
        if ticket not in active:
            wrong.append(f"{ticket} was answered and is not stored")
            continue
        found = stored.get(ticket, {})
        if active[ticket] not in found:
            wrong.append(f"{ticket}: its active decision {active[ticket]} is not stored")
        hashes = {digest(d) for d in found.values()}
        told = [*answers, *again.get(ticket, ())]
        wrong += [f"{ticket}: an answered decision is not stored" for a in told if digest(a) not in hashes]
    wrong += [f"{ticket} is stored and was never sent" for ticket in active.keys() - decisions.keys()]
    wrong += [f"{ticket}: decisions without a ticket" for ticket in stored.keys() - active.keys()]
    return wrong
