"""What the flow may rely on: the conformance suite of the unit of work."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from rung.errors import Conflict
from rung.flow.merge import message_key
from rung.model import Account, Because, Decision, Message, Requester, Secret, Ticket
from rung.ports import Asked, Command, HumanAction, LedgerEntry, Looked, Reply, Taken
from rung.store.postgres import Store
from rung.store.rows import Deployment, Health

THEN = datetime(2026, 11, 22, 3, tzinfo=UTC)


def a_decision(ticket_id: str, **other: Any) -> Decision:
    """A decision with reasons; ``other`` replaces fields."""
    made = Decision(
        ticket_id=ticket_id,
        policy="sha256:aa",
        engine="1.0.0",
        decided_at=THEN,
        outcome="escalate",
        mode="observe",
        signature="tls_certificate",
        confidence=0.9,
        deterministic=True,
        bypass_l1=True,
        team="backend/product",
        level="L2",
        channel="#backend",
        severity="sev2",
        because=(Because("trigger:ssl", "body", 0, 4, "SSLH"),),
        entities=(),
        facts={"accounts_affected": 1},
        evidence_required=("tls_probe",),
        handoff="Certificate problem",
        route="tls",
        scope="backend/product/L2/api",
    )
    return replace(made, **other)


def a_ticket(ticket_id: str = "T-1", **other: Any) -> Ticket:
    """A ticket with everything a ticket can have; ``other`` replaces fields."""
    made = Ticket(
        id=ticket_id,
        source="zendesk",
        subject="The certificate is refused 🔐",
        body="SSLHandshakeException since noon",
        created_at=THEN,
        requester=Requester("ann@acme.example", "Ann"),
        account=Account("acme", "Acme", "enterprise", 120000.0, "gold", "eu", "okta"),
        tags=("tls", "urgent"),
        fields={"region": "eu", "nested": {"deep": [1, 2.5, None, True]}},
        facts={"tier": "gold"},
    )
    return replace(made, **other)


async def take(store: Store, *taken: Taken) -> None:
    """One transaction of intake."""
    async with store.begin() as work:
        await work.lock([t.ticket.id for t in taken])
        await work.write(taken)


async def look(store: Store, *asked: Asked, window: int = 60, deployment: int = 60) -> Looked:
    """What the store says now."""
    async with store.begin() as work:
        return await work.look(asked, window_minutes=window, deployment_minutes=deployment)


def of_account(number: int, account: str, signature: str = "performance") -> Taken:
    """A new decided ticket of an account."""
    name = f"T-{number}"
    return Taken(
        a_ticket(name, account=Account(account), requester=Requester(f"{number}@x.example")),
        new=True,
        decision=a_decision(name, signature=signature),
    )


async def test_a_ticket_comes_back_as_it_was_stored(store: Store) -> None:
    """Ticket, messages, decision and keys survive the way into the database and back."""
    said = (Message("customer", "still broken", THEN, "m-1"), Message("agent", "looking"))
    action = HumanAction("assigned", "a-1", THEN, "sre", "L2")
    await take(
        store, Taken(a_ticket(), new=True, messages=said, actions=(action,), decision=a_decision("T-1"))
    )

    known = (await look(store, Asked("T-1", "zendesk"))).known["T-1"]

    assert known.ticket == a_ticket(messages=said)
    assert known.version == 1
    assert known.decision == a_decision("T-1")
    assert known.message_keys == {message_key(m) for m in said}
    assert known.action_ids == {"a-1"}


async def test_an_unknown_ticket_is_not_known(store: Store) -> None:
    """Nothing is known, nothing is published, nothing is limited before the first write."""
    looked = await look(store, Asked("T-1", "api", signature="performance"))

    assert not looked.known
    assert looked.policy == ""
    assert not looked.ceilings
    assert not looked.deliveries
    assert looked.facts[0]["accounts_affected"] == 1


async def test_nothing_is_kept_of_a_failed_block(store: Store) -> None:
    """An exception inside the block rolls everything back and goes on."""

    async def fail_after_writing() -> None:
        async with store.begin() as work:
            await work.write([Taken(a_ticket(), new=True, ledger=(LedgerEntry("ticket_arrived", "T-1"),))])
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await fail_after_writing()

    assert not (await look(store, Asked("T-1", "api"))).known
    assert await store.ledger("T-1") == ()


async def test_a_later_look_of_the_same_transaction_sees_what_it_wrote(store: Store) -> None:
    """Rounds of one batch build on each other."""
    async with store.begin() as work:
        await work.write([of_account(1, "acme")])
        looked = await work.look(
            [Asked("T-1", "api"), Asked("T-2", "api", account_id="b", signature="performance")],
            window_minutes=60,
            deployment_minutes=60,
        )

    assert "T-1" in looked.known
    assert looked.facts[1]["accounts_affected"] == 2


async def test_a_second_write_needs_the_version_it_saw(store: Store) -> None:
    """With another version it is a Conflict and nothing changes; with the right one messages are added."""
    await take(store, Taken(a_ticket(), new=True))
    message = Message("customer", "more", None, "m-1")

    with pytest.raises(Conflict):
        await take(store, Taken(a_ticket(), new=False, expected_version=7, messages=(message,)))
    await take(store, Taken(a_ticket(), new=False, expected_version=1, messages=(message,)))

    told = await store.ticket("T-1")
    assert told.version == 2
    assert told.ticket.messages == (message,)


async def test_a_new_ticket_that_exists_is_a_conflict(store: Store) -> None:
    """Two makers of one ticket: the second must look again."""
    await take(store, Taken(a_ticket(), new=True))

    with pytest.raises(Conflict):
        await take(store, Taken(a_ticket(subject="another"), new=True))

    assert (await store.ticket("T-1")).ticket.subject == a_ticket().subject


async def test_the_active_decision_is_the_last_one_and_none_keeps_it(store: Store) -> None:
    """A write without a decision keeps the active one; earlier ones stay on record."""
    await take(store, Taken(a_ticket(), new=True, decision=a_decision("T-1", team="frontend")))
    await take(store, Taken(a_ticket(), new=False, expected_version=1))
    assert (await store.ticket("T-1")).decision == a_decision("T-1", team="frontend")

    await take(
        store, Taken(a_ticket(), new=False, expected_version=2, decision=a_decision("T-1", team="sre"))
    )

    told = await store.ticket("T-1")
    assert told.decision == a_decision("T-1", team="sre")
    assert [(version, d.team) for version, d in told.decisions] == [(1, "frontend"), (3, "sre")]
    assert [row.team for row in (await store.list_tickets()).rows] == ["sre"]


async def test_the_same_delivery_is_remembered(store: Store) -> None:
    """A delivery names its ticket; the same one twice is stored once."""
    await take(store, Taken(a_ticket(), new=True, connector="zendesk", delivery="d-1"))
    await take(store, Taken(a_ticket("T-2"), new=True, connector="zendesk", delivery="d-1"))

    looked = await look(store, Asked("T-9", "zendesk", "d-1"), Asked("T-9", "generic", "d-1"))

    assert dict(looked.deliveries) == {("zendesk", "d-1"): "T-1"}


async def test_messages_and_actions_are_stored_once(store: Store) -> None:
    """The same message or action again changes nothing."""
    message, action = Message("customer", "hello", THEN), HumanAction("solved", "a-1", THEN)
    await take(store, Taken(a_ticket(), new=True, messages=(message,), actions=(action,)))
    await take(
        store,
        Taken(
            a_ticket(),
            new=False,
            expected_version=1,
            messages=(message,),
            first_message=1,
            actions=(action,),
        ),
    )

    told = await store.ticket("T-1")
    assert told.ticket.messages == (message,)
    assert told.actions == (action,)


async def test_solving_closes_and_reopening_opens(store: Store) -> None:
    """What people did last decides whether the ticket is open; an assignment does not."""
    await take(store, Taken(a_ticket(), new=True, actions=(HumanAction("solved", "1"),)))
    assert not (await store.ticket("T-1")).open

    await take(
        store, Taken(a_ticket(), new=False, expected_version=1, actions=(HumanAction("assigned", "2"),))
    )
    assert not (await store.ticket("T-1")).open

    await take(
        store, Taken(a_ticket(), new=False, expected_version=2, actions=(HumanAction("reopened", "3"),))
    )
    assert (await store.ticket("T-1")).open


async def test_accounts_with_the_symptom_are_counted_once_each(store: Store) -> None:
    """Distinct accounts of the window, the asking one included; other signatures do not count."""
    taken = [of_account(1, "a"), of_account(2, "b"), of_account(3, "b"), of_account(4, "c", "ui_browser")]
    await take(store, *taken)

    looked = await look(
        store,
        Asked("N-1", "api", account_id="z", signature="performance"),
        Asked("N-2", "api", account_id="a", signature="performance"),
        Asked("N-3", "api", account_id="z", signature="ui_browser"),
        Asked("N-4", "api", account_id="z", signature="data_sync"),
        Asked("N-5", "api", account_id="z"),
    )

    assert [f.get("accounts_affected") for f in looked.facts] == [3, 2, 2, 1, None]
    assert [sorted(f.get("_accounts", ())) for f in looked.facts[:2]] == [["a", "b"], ["a", "b"]]


async def test_accounts_outside_the_window_do_not_count(store: Store) -> None:
    """The window moves with the store's clock."""
    await take(store, of_account(1, "a"))
    store.move_clock(timedelta(minutes=59))
    asked = Asked("N-1", "api", account_id="z", signature="performance")
    assert (await look(store, asked)).facts[0]["accounts_affected"] == 2

    store.move_clock(timedelta(minutes=61))

    assert (await look(store, asked)).facts[0]["accounts_affected"] == 1


async def test_an_account_seen_again_stays_in_the_window(store: Store) -> None:
    """The last sighting counts, not the first."""
    await take(store, of_account(1, "a"))
    store.move_clock(timedelta(minutes=40))
    await take(store, of_account(2, "a"))
    store.move_clock(timedelta(minutes=80))

    looked = await look(store, Asked("N", "api", account_id="z", signature="performance"))

    assert looked.facts[0]["accounts_affected"] == 2


async def test_the_latest_recent_deployment_of_a_named_service_is_a_fact(store: Store) -> None:
    """Only services that the ticket names, only inside the window, the latest of them."""
    now = await store.now()
    await store.add_deployments(
        [
            Deployment("db", "v1", now - timedelta(minutes=30)),
            Deployment("db", "v2", now - timedelta(minutes=10, seconds=5)),
            Deployment("api", "v9", now - timedelta(minutes=90)),
            Deployment("web", "v5", now - timedelta(minutes=1)),
            Deployment("db", "v3", now + timedelta(hours=1)),
        ]
    )

    looked = await look(
        store,
        Asked("1", "api", services=("api", "db")),
        Asked("2", "api", services=("api",)),
        Asked("3", "api"),
    )

    assert looked.facts[0]["recent_deployment"] == {"service": "db", "version": "v2", "minutes_ago": 10}
    assert "recent_deployment" not in looked.facts[1]
    assert "recent_deployment" not in looked.facts[2]


async def test_health_of_the_named_services_is_a_fact(store: Store) -> None:
    """Known states of named services; an older report does not replace a newer one."""
    now = await store.now()
    await store.set_health([Health("db", "down", now), Health("web", "ok", now)])
    await store.set_health([Health("db", "ok", now - timedelta(minutes=5))])

    looked = await look(store, Asked("1", "api", services=("db", "cache")), Asked("2", "api"))

    assert looked.facts[0]["health"] == {"db": "down"}
    assert "health" not in looked.facts[1]


@pytest.mark.parametrize(
    ("asked", "second"),
    [
        (Asked("N", "api", account_id="acme", signature="performance"), True),
        (Asked("N", "api", requester_email="1@x.example", signature="performance"), True),
        (Asked("T-1", "api", account_id="acme", signature="performance"), False),
        (Asked("N", "api", account_id="acme", signature="ui_browser"), False),
        (Asked("N", "api", account_id="other", signature="performance"), False),
        (Asked("N", "api", signature="performance"), False),
    ],
)
async def test_a_second_open_ticket_is_noticed(store: Store, asked: Asked, second: bool) -> None:
    """Another open ticket of the same account or requester with the same symptom."""
    await take(store, of_account(1, "acme"))

    assert (await look(store, asked)).facts[0]["second_ticket"] is second


async def test_a_solved_or_old_ticket_is_no_second_ticket(store: Store) -> None:
    """Solved ones and those of more than seven days ago do not count."""
    asked = Asked("N", "api", account_id="acme", signature="performance")
    await take(store, of_account(1, "acme"))
    store.move_clock(timedelta(days=8))
    assert (await look(store, asked)).facts[0]["second_ticket"] is False

    store.move_clock(timedelta())
    await take(
        store,
        Taken(
            of_account(1, "acme").ticket, new=False, expected_version=1, actions=(HumanAction("solved", "s"),)
        ),
    )

    assert (await look(store, asked)).facts[0]["second_ticket"] is False


async def test_what_is_known_of_an_account_is_a_fact(store: Store) -> None:
    """Stored tier, plan and value come with the facts; empty ones do not."""
    await store.put_accounts(
        [Account("acme", tier="gold", plan="enterprise"), Account("b", annual_value=9.5)]
    )

    looked = await look(store, Asked("1", "api", account_id="acme"), Asked("2", "api", account_id="b"))

    assert dict(looked.facts[0]) == {"tier": "gold", "plan": "enterprise"}
    assert dict(looked.facts[1]) == {"annual_value": 9.5}


async def test_policy_and_switches_are_in_every_look(store: Store) -> None:
    """The pointer and the ceilings are read in the same transaction."""
    await store.publish("sha256:one", {"matrix.yaml": "teams: []"})
    await store.set_mode("", "suggest")
    await store.set_mode("signature:performance", "observe")

    looked = await look(store)

    assert looked.policy == "sha256:one"
    assert dict(looked.ceilings) == {"": "suggest", "signature:performance": "observe"}
    assert looked.facts == ()


async def test_unstorable_characters_are_replaced_one_for_one(store: Store) -> None:
    """NUL and lone surrogates become U+FFFD everywhere, so that no ticket fails its neighbours."""
    bad = "a\0b\ud800c"
    ticket = a_ticket(
        bad, subject=bad, body=bad, fields={bad: [bad, 2**70]}, tags=(bad,), requester=Requester(bad, bad)
    )
    await take(
        store,
        Taken(
            ticket,
            new=True,
            messages=(Message("customer", bad, id=bad),),
            actions=(HumanAction("assigned", bad, team=bad),),
            decision=a_decision("x", handoff=bad),
            delivery=bad,
            ledger=(LedgerEntry("ticket_arrived", bad, {bad: bad}),),
            commands=(Command("gather", bad, {bad: bad}),),
        ),
    )

    told = await store.ticket(bad)
    assert told.ticket.body == told.ticket.messages[0].body == "a\ufffdb\ufffdc"
    assert len(told.ticket.body) == len(bad)
    assert told.decision is not None
    assert told.decision.handoff == "a\ufffdb\ufffdc"
    assert (
        bad.replace("\0", "\ufffd").replace("\ud800", "\ufffd")
        in (await look(store, Asked(bad, "api"))).known
    )


async def test_secrets_ledger_and_raw_payload_go_in_with_the_ticket(store: Store) -> None:
    """Fingerprints stand beside the ticket, the ledger keeps order, the payload is kept encrypted."""
    masked = Secret("api_key", "body", 3, 9, "f00d")
    await take(
        store,
        Taken(
            a_ticket(),
            new=True,
            secrets=(masked,),
            ledger=(LedgerEntry("ticket_arrived", "T-1", {"n": 1}), LedgerEntry("decided", "T-1", {"n": 2})),
            raw=b"\0raw",
            raw_reason="NUL characters were replaced",
        ),
    )

    told = await store.ticket("T-1")
    assert told.secrets == (masked,)
    assert [line.entry.kind for line in told.ledger] == ["ticket_arrived", "decided"]
    kept = (await store.kept()).rows[0]
    assert (kept.ticket_id, kept.reason) == ("T-1", "NUL characters were replaced")
    assert (await store.kept_payload(kept.id))[1] == b"\0raw"


async def test_a_reply_is_remembered_for_a_day(store: Store) -> None:
    """The first reply to a key stays until it expires; then the key is free again."""
    first, second = Reply("k", "f1", 201, b"one", {"Location": "/x"}), Reply("k", "f2", 200, b"two")
    for reply in (first, second):
        async with store.begin() as work:
            await work.lock((), ["k"])
            await work.remember([reply])
    async with store.begin() as work:
        assert dict(await work.replies(["k", "other"])) == {"k": first}

    store.move_clock(timedelta(hours=25))

    async with store.begin() as work:
        assert await work.replies(["k"]) == {}
        await work.remember([second])
        assert dict(await work.replies(["k"])) == {"k": second}


async def test_a_thousand_tickets_go_in_at_once(store: Store) -> None:
    """The largest request of the API is one transaction."""
    await take(store, *(of_account(n, f"a{n % 70}") for n in range(1000)))

    assert (await store.counts()).tickets == 1000
    looked = await look(store, Asked("N", "api", account_id="a1", signature="performance"))
    assert looked.facts[0]["accounts_affected"] >= 50  # at most 50 are read, however many there are


async def test_batches_on_the_same_tickets_wait_for_each_other(store: Store) -> None:
    """Twenty batches over the same tickets in any order: no deadlock, no lost update."""
    names = [f"T-{n}" for n in range(10)]

    async def add(number: int, order: Sequence[str]) -> None:
        async with store.begin() as work:
            await work.lock(order, [f"key-{number % 3}"])
            looked = await work.look(
                [Asked(n, "api") for n in order], window_minutes=60, deployment_minutes=60
            )
            await work.write(
                [
                    Taken(
                        a_ticket(n),
                        new=n not in looked.known,
                        expected_version=looked.known[n].version if n in looked.known else 0,
                        messages=(Message("customer", f"from {number}"),),
                        first_message=len(looked.known[n].ticket.messages) if n in looked.known else 0,
                        decision=a_decision(n),
                    )
                    for n in order
                ]
            )

    await asyncio.gather(*(add(n, names[n % 10 :] + names[: n % 10][::-1]) for n in range(20)))

    for name in names:
        told = await store.ticket(name)
        assert told.version == 20
        assert {m.body for m in told.ticket.messages} == {f"from {n}" for n in range(20)}


async def test_batches_with_the_same_accounts_do_not_deadlock(store: Store) -> None:
    """Different tickets of the same accounts, written crosswise, all go in."""

    async def add(number: int) -> None:
        accounts = [f"a{n}" for n in range(20)]
        if number % 2:
            accounts.reverse()
        await take(store, *(of_account(number * 100 + n, a) for n, a in enumerate(accounts)))

    await asyncio.gather(*(add(n) for n in range(12)))

    assert (await store.counts()).tickets == 240
