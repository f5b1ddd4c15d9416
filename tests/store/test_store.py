"""Lists, switches, tokens, connections, kept payloads and upkeep."""

from __future__ import annotations

from datetime import datetime, timedelta

import asyncpg
import pytest

from rung.errors import Broken, Malformed, NotFound, Unavailable
from rung.model import Account, Decision, Ticket
from rung.ports import Command, HumanAction, LedgerEntry, Reply, Taken
from rung.store.embedded import APP, OWNER
from rung.store.migrate import steps
from rung.store.postgres import Store
from rung.store.rows import Deployment, Health
from rung.store.scratch import Scratch


def decided(number: int, now: datetime, **other: object) -> Taken:
    """A new ticket with a decision."""
    fields: dict[str, object] = {
        "ticket_id": f"T-{number}",
        "policy": "sha256:aa",
        "engine": "1.0.0",
        "decided_at": now,
        "outcome": "escalate",
        "mode": "observe",
        "signature": "performance",
        "confidence": 0.75,
        "deterministic": True,
        "bypass_l1": True,
        "team": "sre",
        "level": "L2",
        "channel": "#sre",
        "severity": "sev3",
        "because": (),
        "entities": (),
        "facts": {},
        "evidence_required": (),
        "handoff": "",
        "route": "r",
        "scope": "sre/L2/slow",
    } | other
    return Taken(
        Ticket(f"T-{number}", subject=f"slow {number}", account=Account(f"a{number % 3}")),
        new=True,
        decision=Decision(**fields),  # type: ignore[arg-type] # a test's shorthand
    )


async def take(store: Store, *taken: Taken) -> None:
    """One transaction of intake."""
    async with store.begin() as work:
        await work.write(taken)


async def test_lists_are_paged_newest_first(store: Store) -> None:
    """Following the cursor shows every ticket once, whatever arrives meanwhile."""
    now = await store.now()
    await take(store, *(decided(n, now) for n in range(5)))

    first = await store.list_tickets(limit=2)
    await take(store, decided(5, now))
    second = await store.list_tickets(first.next, 2)
    third = await store.list_tickets(second.next, 2)

    assert [t.id for p in (first, second, third) for t in p.rows] == ["T-4", "T-3", "T-2", "T-1", "T-0"]
    assert third.next is None
    assert first.rows[0].confidence == 0.75


async def test_lists_are_filtered(store: Store) -> None:
    """Every filter narrows the list; together they must all hold."""
    now = await store.now()
    solved = decided(3, now)
    await take(
        store,
        decided(1, now, team="frontend", outcome="suggest"),
        decided(2, now, level="L3", signature=None),
        Taken(solved.ticket, new=True, decision=solved.decision, actions=(HumanAction("solved", "s"),)),
        Taken(Ticket("T-9", subject="undecided"), new=True, connector="zendesk"),
    )

    async def ids(**filters: object) -> list[str]:
        return [t.id for t in (await store.list_tickets(**filters)).rows]  # type: ignore[arg-type]

    assert await ids(team="sre") == ["T-3", "T-2"]
    assert await ids(outcome="suggest") == ["T-1"]
    assert await ids(level="L3") == ["T-2"]
    assert await ids(signature="performance", open=True) == ["T-1"]
    assert await ids(open=False) == ["T-3"]
    assert await ids(account="a2") == ["T-2"]
    assert await ids(connector="zendesk") == ["T-9"]
    assert await ids(team="sre", level="L1") == []


async def test_an_unknown_ticket_is_not_found(store: Store) -> None:
    """Its ledger is simply empty."""
    with pytest.raises(NotFound, match="'T-404'"):
        await store.ticket("T-404")
    assert await store.ledger("T-404") == ()


async def test_recent_tickets_of_a_signature(store: Store) -> None:
    """Open ones inside the window, the latest decision first."""
    now = await store.now()
    await take(
        store,
        decided(1, now - timedelta(minutes=90)),
        decided(2, now - timedelta(minutes=30)),
        decided(3, now - timedelta(minutes=10)),
        decided(4, now, signature="ui_browser"),
    )

    found = await store.recent_tickets("performance", within=timedelta(hours=1), fewer_than=100, limit=10)

    assert list(found) == ["T-3", "T-2"]
    hour = timedelta(hours=1)
    assert await store.recent_tickets("performance", within=hour, fewer_than=1, limit=10) == ()


async def test_observed_shows_the_last_assignment(store: Store) -> None:
    """Decision beside what people did last, by their time, not by the order of delivery."""
    now = await store.now()
    await take(store, decided(1, now), decided(2, now), decided(3, now))

    def assigned(number: int, version: int, minute: int, team: str, level: str = "") -> Taken:
        action = HumanAction("assigned", f"{number}-{minute}", now + timedelta(minutes=minute), team, level)
        return Taken(
            Ticket(f"T-{number}", subject="s"), new=False, expected_version=version, actions=(action,)
        )

    await take(store, assigned(1, 1, 9, "sre"), assigned(2, 1, 1, "frontend", "L2"))
    await take(store, assigned(1, 2, 3, "late delivery of an earlier move"))

    page = await store.observed()

    assert [(o.ticket_id, o.their_team, o.team, o.agrees) for o in page.rows] == [
        ("T-2", "frontend", "sre", False),
        ("T-1", "sre", "sre", True),
    ]
    first = await store.observed(limit=1)
    assert [o.ticket_id for o in (await store.observed(first.next, 1)).rows] == ["T-1"]
    assert (await store.observed(signature="ui_browser")).rows == ()


async def test_policies_are_published_and_rolled_back(store: Store) -> None:
    """The pointer moves, the log tells, a version keeps its files; rollback goes further back each time."""
    for version in ("v1", "v2", "v3"):
        assert await store.publish(version, {"matrix.yaml": version}, author="ann", note=f"note {version}")
    assert not await store.publish("v3", {"matrix.yaml": "other"})

    assert await store.files("v3") == {"matrix.yaml": "v3"}
    assert await store.rollback(author="bob") == "v2"
    assert await store.rollback() == "v1"
    with pytest.raises(NotFound, match="no earlier"):
        await store.rollback()
    assert await store.rollback("v3") == "v3"
    assert await store.current_policy() == "v3"
    with pytest.raises(NotFound, match="v9"):
        await store.rollback("v9")
    with pytest.raises(NotFound, match="v9"):
        await store.files("v9")

    moves = (await store.policy_log()).rows
    assert [(m.version, m.action) for m in moves[:3]] == [
        ("v3", "rollback"),
        ("v1", "rollback"),
        ("v2", "rollback"),
    ]
    assert moves[2].author == "bob"
    page = await store.policy_log(limit=5)
    assert [m.version for m in (await store.policy_log(page.next)).rows] == ["v1"]


async def test_switches_are_set_and_removed(store: Store) -> None:
    """A scope holds one mode; an unknown kind of scope is refused."""
    await store.set_mode("connector:zendesk", "observe")
    await store.set_mode("connector:zendesk", "act", author="ann")
    await store.set_mode("", "suggest")
    await store.set_mode("", None)

    assert await store.modes() == {"connector:zendesk": "act"}
    with pytest.raises(Malformed, match="scope"):
        await store.set_mode("team:sre", "act")


async def test_a_token_is_found_by_its_secret_until_it_ends(store: Store) -> None:
    """Only a hash is stored; revoked and expired tokens are not found."""
    now = await store.now()
    token, secret = await store.create_token("ci", ["tickets:write"], expires_at=now + timedelta(days=1))
    other, _ = await store.create_token("ui", ["read"])

    found = await store.find_token(secret)
    assert found is not None
    assert (found.id, found.scopes) == (token.id, ("tickets:write",))
    assert await store.find_token(secret + "x") is None
    assert {t.id: t.last_used for t in await store.tokens()} == {token.id: now.date(), other.id: None}

    store.move_clock(timedelta(days=2))
    assert await store.find_token(secret) is None
    store.move_clock(timedelta())
    await store.revoke_token(token.id)
    assert await store.find_token(secret) is None
    with pytest.raises(NotFound):
        await store.revoke_token(token.id)


async def test_a_connection_keeps_its_secret_encrypted(store: Store, server: Scratch) -> None:
    """Settings change without the secret; the database never holds it in the clear."""
    await store.set_connection("zendesk", {"groups": {"1": "sre/L2"}}, secret="s3cr3t-of-zendesk")
    await store.set_connection("zendesk", {"groups": {}})

    found = await store.connection("zendesk")
    assert (found.secret, dict(found.settings)) == ("s3cr3t-of-zendesk", {"groups": {}})
    assert [c.secret for c in await store.connections()] == ["•"]
    database = store.dsn.partition("@/")[2].partition("?")[0]
    connection = await asyncpg.connect(server.server.dsn(OWNER, database))
    try:
        raw = await connection.fetchval("SELECT secret FROM rung.connections")
    finally:
        await connection.close()
    assert b"s3cr3t" not in raw

    await store.remove_connection("zendesk")
    with pytest.raises(NotFound):
        await store.connection("zendesk")


async def test_kept_payloads_are_listed_opened_and_redriven_once(store: Store) -> None:
    """Listed without bodies, opened with, one per delivery, marked once."""
    number = await store.keep_payload(
        "generic",
        b'{"broken',
        reason="line 1: not JSON",
        headers={"content-type": "application/json"},
        delivery="d",
    )
    again = await store.keep_payload("generic", b'{"broken', reason="again", headers={}, delivery="d")
    other = await store.keep_payload("generic", b"x", reason="no delivery id", headers={})
    await store.keep_payload("generic", b"x", reason="no delivery id", headers={})

    assert again == number
    assert other != number
    kept, body = await store.kept_payload(number)
    assert body == b'{"broken'
    assert (kept.reason, dict(kept.headers)) == ("line 1: not JSON", {"content-type": "application/json"})
    assert (await store.counts()).payloads_kept == 3

    assert await store.mark_redriven(number)
    assert not await store.mark_redriven(number)
    assert number not in {k.id for k in (await store.kept()).rows}
    assert number in {k.id for k in (await store.kept(state=None)).rows}
    assert (await store.kept(connector="zendesk")).rows == ()
    with pytest.raises(NotFound):
        await store.kept_payload(10_000)


async def test_kept_payloads_are_unreadable_without_the_key(store: Store) -> None:
    """With another key they are listed, not opened."""
    number = await store.keep_payload("generic", b"secret words", reason="r", headers={})
    async with await Store.open(store.dsn, key=b"another key of thirty-two bytes!", migrated=True) as other:
        assert [k.id for k in (await other.kept()).rows] == [number]
        with pytest.raises(Broken, match="RUNG_SECRET_KEY"):
            await other.kept_payload(number)


async def test_accounts_and_services_are_stored(store: Store) -> None:
    """The last report of an account wins; deployments are stored once."""
    await store.put_accounts([Account("acme", "Acme", tier="silver"), Account("acme", "Acme", tier="gold")])
    assert await store.account("acme") == Account("acme", "Acme", tier="gold")
    with pytest.raises(NotFound):
        await store.account("nobody")

    now = await store.now()
    once = Deployment("db", "v1", now)
    assert await store.add_deployments([once, Deployment("db", "v2", now)]) == 2
    assert await store.add_deployments([once]) == 0
    await store.set_health([Health("db", "down"), Health("db", "ok")])


async def test_due_tickets_become_commands_once(store: Store) -> None:
    """A sweep turns what is due into commands, the earliest first; the next sweep finds nothing."""
    now = await store.now()
    await take(
        store,
        decided(1, now, next_check_at=now - timedelta(minutes=1)),
        decided(2, now, next_check_at=now - timedelta(minutes=5)),
        decided(3, now, next_check_at=now + timedelta(minutes=5)),
        decided(4, now),
    )

    assert await store.due_checks(1) == ("T-2",)
    assert await store.due_checks() == ("T-1",)
    assert await store.due_checks() == ()
    store.move_clock(timedelta(minutes=6))
    assert await store.due_checks() == ("T-3",)

    claimed = await store.claim_commands(["check_ticket"], limit=10, lease=timedelta(minutes=1))
    assert [c.payload["ticket_id"] for c in claimed] == ["T-2", "T-1", "T-3"]


async def test_what_expired_is_forgotten(store: Store) -> None:
    """Replies after a day, payloads when their time is over, done commands after a week; nothing before."""
    await store.keep_payload("generic", b"x", reason="r", headers={}, keep=timedelta(days=2))
    await take(store, Taken(Ticket("T-1", subject="s"), new=True, delivery="d"))
    await store.order([Command("gather", "k")])
    async with store.begin() as work:
        await work.remember([Reply("k", "f", 200, b"")])
    (command,) = await store.claim_commands(["gather"], limit=1, lease=timedelta(minutes=1))
    await store.end_command(command)

    assert set((await store.forget_expired()).values()) == {0}
    store.move_clock(timedelta(days=31))

    gone = await store.forget_expired()
    assert {k: v for k, v in gone.items() if v} == {
        "replies": 1,
        "payloads": 1,
        "deliveries": 1,
        "commands": 1,
    }


async def test_the_ledger_takes_entries_of_its_own(store: Store) -> None:
    """Not everything that is recorded belongs to an intake."""
    await store.record([LedgerEntry("mode_set", None, {"scope": ""}), LedgerEntry("seen", "T-1")])

    assert [line.entry.kind for line in await store.ledger("T-1")] == ["seen"]


async def test_health_names_the_versions(store: Store) -> None:
    """The answer itself shows that the database is there."""
    health = await store.health()

    assert health["postgresql"].startswith("18.")
    assert health["schema"] == str(steps()[-1].number)


async def test_a_database_that_is_away_is_unavailable(server: Scratch) -> None:
    """Nobody listens there: the error says so and is retryable."""
    with pytest.raises(Unavailable, match="does not answer"):
        await Store.open(server.server.dsn(APP).replace("socket", "nowhere"), key=b"k" * 32, migrated=True)
