from __future__ import annotations

from collections.abc import Sequence

import pytest

from rung.errors import Invalid, NotFound
from rung.flow.intake import Answer, Idempotency, Result
from rung.policy.source import starter_files
from rung.ports import HumanAction, Reply
from rung.store.rows import Deployment
from rung.testing import World

TLS = {
    "id": "T-1",
    "subject": "Shop is down",
    "body": "javax.net.ssl.SSLHandshakeException: handshake_failure",
}
SLOW = {"subject": "it's slow", "body": "Every page takes half a minute since lunch."}


def answered(results: Sequence[Answer | BaseException]) -> list[Answer]:
    """The answers; an exception among them fails the test."""
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return [r for r in results if isinstance(r, Answer)]


async def test_a_ticket_is_decided_and_all_of_it_is_stored_together(world: World) -> None:
    """Ticket, decision with facts, and ledger entries are there once the caller is answered."""
    answer = await world.receive(TLS)

    stored = await world.store.ticket("T-1")
    assert answer.results[0].created
    assert stored.decision == answer.results[0].decision
    assert stored.decision is not None
    assert (
        stored.decision.outcome,
        stored.decision.team,
        stored.decision.level,
    ) == ("escalate", "backend/product", "L2")
    assert [r.entry.kind for r in stored.ledger] == ["ticket_arrived", "decided"]
    assert "SSLHandshake" not in str([r.entry.data for r in stored.ledger])


async def test_the_same_delivery_twenty_times_at_once_makes_one_ticket(world: World) -> None:
    """Helpdesks deliver at least once; everybody gets the same answer."""
    copies = await world.receive_at_once(*[{"ticket": TLS, "connector": "zendesk", "delivery": "d-1"}] * 20)

    results = [a.results[0] for a in answered(copies)]
    assert sum(r.created for r in results) == 1
    assert all(r.decision == results[0].decision for r in results)
    assert (await world.store.counts()).tickets == 1
    assert len((await world.store.ticket("T-1")).ledger) == 2


async def test_our_own_note_coming_back_changes_nothing(world: World) -> None:
    """The echo is stored as a message, and no decision is made on it."""
    before = (await world.receive(TLS)).results[0].decision
    echo = {
        **TLS,
        "messages": [{"author": "rung", "id": "c-9", "body": "It's slow, 500 errors, OutOfMemoryError"}],
    }

    answer = await world.receive(echo)

    assert answer.results[0].decision == before
    assert len((await world.store.ticket("T-1")).decisions) == 1


async def test_a_new_message_of_the_customer_decides_again(world: World) -> None:
    """The whole ticket is read, the earlier decision stays in the history."""
    await world.receive({"id": "T-1", "subject": "It does not work", "body": "Please help."})
    message = {"author": "customer", "id": "c-1", "body": "java.lang.OutOfMemoryError: Java heap space"}

    await world.receive({"id": "T-1", "subject": "It does not work", "messages": [message]})

    stored = await world.store.ticket("T-1")
    assert stored.decision is not None
    assert stored.decision.signature == "memory_crash"
    assert "messages[0].body" in {b.field for b in stored.decision.because}
    assert next(d.signature for _, d in stored.decisions) == "not_enough_info"
    assert [r.entry.kind for r in stored.ledger] == ["ticket_arrived", "decided", "message_added", "decided"]


async def test_a_message_that_comes_twice_is_added_once(world: World) -> None:
    """By its id, and without one by author, time and text."""
    with_id = {"author": "customer", "id": "c-1", "body": "any news?"}
    without = {"author": "customer", "at": "2026-11-22T03:00:00Z", "body": "any news now?"}
    for _ in range(3):
        await world.receive({**TLS, "messages": [with_id, without]})

    assert len((await world.store.ticket("T-1")).ticket.messages) == 2


async def test_several_accounts_turn_it_into_a_widespread_problem(world: World) -> None:
    """The third account crosses the threshold; the earlier two are looked at again by the worker."""
    for number, account in enumerate(("acme", "bolt", "core"), 1):
        await world.receive({**SLOW, "id": f"S-{number}", "account": {"id": account}})
    assert (await world.decision("S-3")).team == "sre"
    assert (await world.decision("S-1")).team == "backend/product"

    await world.work()

    assert [(await world.decision(f"S-{n}")).team for n in (1, 2, 3)] == ["sre", "sre", "sre"]


async def test_accounts_of_one_batch_count_for_each_other(world: World) -> None:
    """Three accounts in one request: the third sees the first two although nothing is committed yet."""
    tickets = [{**SLOW, "id": f"S-{a}", "account": {"id": a}} for a in ("acme", "bolt", "core")]

    answer = await world.receive(*tickets)

    facts = [r.decision.facts["accounts_affected"] for r in answer.results if r.decision]
    assert facts == [1, 2, 3]


async def test_one_account_many_times_is_one_account(world: World) -> None:
    """Ten tickets of one customer are not an outage."""
    for number in range(10):
        await world.receive({**SLOW, "id": f"S-{number}", "account": {"id": "acme"}})

    decision = await world.decision("S-9")
    assert (decision.facts["accounts_affected"], decision.team) == (1, "backend/product")


async def test_an_account_outside_the_window_does_not_count(world: World) -> None:
    """The window is the policy's, an hour in the starter."""
    await world.receive({**SLOW, "id": "S-1", "account": {"id": "acme"}})
    await world.after(hours=3)
    await world.receive({**SLOW, "id": "S-2", "account": {"id": "bolt"}})

    assert (await world.decision("S-2")).facts["accounts_affected"] == 1


async def test_a_second_ticket_of_the_same_customer_is_a_fact(world: World) -> None:
    """The same requester with the same symptom, by another channel."""
    requester = {"email": "ann@acme.example"}
    await world.receive({**SLOW, "id": "S-1", "requester": requester})
    await world.receive({**SLOW, "id": "S-2", "requester": requester}, connector="generic")

    assert (await world.decision("S-1")).facts["second_ticket"] is False
    assert (await world.decision("S-2")).facts["second_ticket"] is True


async def test_one_bad_request_does_not_fail_its_neighbours(world: World) -> None:
    """A message for an unknown ticket is refused; what shares its transaction goes in."""
    good = [{"ticket": {**SLOW, "id": f"S-{n}"}} for n in range(8)]
    bad = {"ticket": {"id": "nobody", "messages": [{"body": "hello"}]}, "only_known": True}

    results = await world.receive_at_once(*good[:4], bad, *good[4:])

    assert isinstance(results[4], NotFound)
    assert (await world.store.counts()).tickets == 8


async def test_callers_share_transactions(world: World) -> None:
    """A hundred callers at once need far fewer than a hundred commits."""
    await world.receive_at_once(*[{"ticket": {**SLOW, "id": f"S-{n}"}} for n in range(100)])

    assert sum(world.batches) == 100
    assert len(world.batches) < 20


async def test_an_idempotency_key_gives_the_stored_reply_and_guards_its_request(world: World) -> None:
    """The reply is stored with the tickets; another request with the key is refused."""

    def render(results: Sequence[Result]) -> Reply:
        return Reply("k-1", "f-1", 201, results[0].ticket_id.encode())

    first = await world.receive(TLS, idempotency=Idempotency("k-1", "f-1", render))
    again = await world.receive(TLS, idempotency=Idempotency("k-1", "f-1", render))

    assert first.reply is not None
    assert again.replayed
    assert again.reply is not None
    assert (again.reply.status, again.reply.body) == (201, b"T-1")
    with pytest.raises(Invalid, match="another request"):
        await world.receive(SLOW, idempotency=Idempotency("k-1", "f-2", render))


async def test_one_key_used_by_many_at_once_is_one_request(world: World) -> None:
    """Ten retries that overlap make one ticket and get one reply."""

    def render(results: Sequence[Result]) -> Reply:
        return Reply("k-2", "f", 201, results[0].ticket_id.encode())

    key = Idempotency("k-2", "f", render)
    copies = await world.receive_at_once(*[{"ticket": {**SLOW, "id": "S-1"}, "idempotency": key}] * 10)

    replies = [a.reply.body for a in answered(copies) if a.reply]
    assert replies == [b"S-1"] * 10
    assert sum(not a.replayed for a in answered(copies)) == 1


async def test_a_published_policy_is_followed_at_the_next_decision(world: World) -> None:
    """No restart: the pointer is read in every transaction, and rollback moves it back."""
    first = (await world.receive({**SLOW, "id": "S-1"})).results[0].decision
    files = dict(starter_files())
    files["policy.yaml"] = files["policy.yaml"].replace("window_minutes: 60", "window_minutes: 90")
    version = await world.publish(files)

    second = (await world.receive({**SLOW, "id": "S-2"})).results[0].decision
    await world.store.rollback()
    third = (await world.receive({**SLOW, "id": "S-3"})).results[0].decision

    assert first is not None
    assert second is not None
    assert third is not None
    assert (second.policy, third.policy) == (version, first.policy)
    assert version != first.policy


async def test_the_admins_switch_lowers_the_mode_only(world: World) -> None:
    """A ceiling never raises what the policy grants, and the outcome stays what the policy says."""
    await world.store.set_mode("", "act")
    decision = (await world.receive(TLS)).results[0].decision

    assert decision is not None
    assert (decision.outcome, decision.mode) == ("escalate", "observe")


async def test_what_people_did_is_kept_beside_the_decision(world: World) -> None:
    """An assignment is recorded once, decides nothing, and shows in observe mode."""
    await world.receive(TLS)
    action = HumanAction("assigned", "move-1", team="sre", level="L2")
    for _ in range(2):
        await world.receive(TLS, actions=[action])

    stored = await world.store.ticket("T-1")
    assert [(a.team, a.level) for a in stored.actions] == [("sre", "L2")]
    observed = (await world.store.observed()).rows[0]
    assert (observed.team, observed.their_team, observed.agrees) == ("backend/product", "sre", False)


async def test_secrets_do_not_reach_the_database(world: World) -> None:
    """Masked in texts, messages and fields; the keyed hash stands beside the ticket."""
    secret = "ghp_0123456789abcdefghijABCDEFGHIJ012345"
    await world.receive(
        {"id": "T-1", "subject": "leak", "body": f"token {secret}", "fields": {"token": secret},
         "messages": [{"author": "agent", "body": f"they use {secret}"}]}
    )  # fmt: skip

    stored = await world.store.ticket("T-1")
    assert secret not in str(stored)
    assert len({s.fingerprint for s in stored.secrets}) == 1


async def test_text_that_postgresql_cannot_hold_is_stored_with_its_length(world: World) -> None:
    """NUL and lone surrogates become U+FFFD, one for one, so that offsets hold."""
    await world.receive(
        {"id": "T-1", "subject": "a\0b", "body": "\ud83d javax.net.ssl.SSLHandshakeException"}
    )

    stored = await world.store.ticket("T-1")
    assert stored.ticket.subject == "a\ufffdb"
    assert stored.decision is not None
    because = stored.decision.because[0]
    assert stored.ticket.body[because.start : because.end] == because.quote


async def test_a_recent_deployment_of_the_service_is_a_fact(world: World) -> None:
    """The article's refused connection: ten minutes after a deployment of that database it is the deployment."""
    refused = {"subject": "Error", "body": "Error: ECONNREFUSED 10.0.45.2:5432"}
    await world.receive({**refused, "id": "R-1"})
    await world.store.add_deployments([Deployment("orders-db", "17.2")])
    await world.after(minutes=10)
    await world.receive({**refused, "id": "R-2"})

    before, after = await world.decision("R-1"), await world.decision("R-2")
    assert before.facts["service"] == "orders-db"
    assert "recent_deployment" not in before.facts
    assert after.facts["recent_deployment"]["minutes_ago"] == 10
    assert before.route != after.route


async def test_a_suggestion_nobody_answers_becomes_due(world: World) -> None:
    """Its next check is swept once, as a command."""
    await world.receive(
        {"id": "T-1", "subject": "this is ridiculous", "body": "I have had enough, nothing works!"}
    )
    decision = await world.decision("T-1")
    assert decision.outcome == "suggest"
    assert decision.next_check_at is not None

    assert await world.after(minutes=60) == 1
    assert await world.after(minutes=1) == 0
