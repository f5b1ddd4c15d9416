from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from rung.core.wire import decision_from_json
from rung.errors import Conflict, Unavailable
from rung.web.schemas import ProblemOut, ResultOut, TicketListOut, TicketRecordOut
from tests.web.conftest import Site
from tests.web.fakes import TOKEN

TLS = {
    "id": "T-1",
    "subject": "Checkout fails",
    "body": "javax.net.ssl.SSLHandshakeException: handshake failed",
}


def the_problem(response: httpx.Response, status: int, *said: str) -> dict[str, Any]:
    """The problem document of a reply that has this status and says all of this."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    document: dict[str, Any] = response.json()
    ProblemOut.model_validate(document)
    assert document["status"] == status
    for words in said:
        assert words in json.dumps(document), document
    return document


async def raw(site: Site, body: bytes, **headers: str) -> httpx.Response:
    """POST a raw body as JSON."""
    given = {"content-type": "application/json", **site.give_token("tickets:write"), **headers}
    return await site.client.post("/api/v1/tickets", content=body, headers=given)


async def test_a_ticket_is_answered_with_its_decision(site: Site) -> None:
    """201, and the decision has every key of the contract and quotes the text."""
    response = await site.send(TLS)

    assert response.status_code == 201
    result = ResultOut.model_validate(response.json())
    assert result.created
    decision = decision_from_json(response.json()["decision"])
    assert (decision.outcome, decision.team, decision.signature) == ("escalate", "backend", "tls")
    assert all(TLS[b.field][b.start : b.end] == b.quote for b in decision.because if b.quote)


async def test_the_same_ticket_again_is_200(site: Site) -> None:
    """Nothing is new the second time, and the status says so."""
    await site.send(TLS)

    response = await site.send(TLS)

    assert response.status_code == 200
    assert response.json()["created"] is False


async def test_a_list_is_answered_in_its_order(site: Site) -> None:
    """Up to 1,000 tickets in one request; more is refused with what to do."""
    response = await site.send([{"id": f"T-{n}", "body": "it's slow"} for n in range(3)])

    assert [r["ticket_id"] for r in response.json()["results"]] == ["T-0", "T-1", "T-2"]
    the_problem(await site.send([TLS] * 1001), 422, "1 to 1,000", "in parts")
    the_problem(await site.send([]), 422, "found 0")


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        (b"", 400, "the body is empty"),
        (b"hello", 400, "line 1 column 1"),
        (b'{"subject": "a\nb"}', 400, "control character"),
        (b'{"subject": "caf\xe9"}', 400, "broken UTF-8 at byte 16"),
        (b"[" * 10_000 + b"]" * 10_000, 400, "nested deeper than 100"),
        (b'{"subject":' + b'{"a":' * 300 + b"1" + b"}" * 301, 400, "nested deeper than 100"),
        (b'{"subject": NaN}', 400, "NaN is not a number"),
        (b"7", 422, "expected a ticket object, found a number"),
        (b"[7]", 422, "[0]"),
        (b"{}", 422, "needs a subject or a body"),
        (b'{"subject": 7}', 422, "expected a text, found a number"),
        (b'{"body": "x", "messages": [{"at": "yesterday"}]}', 422, "messages[0].at"),
        (b'[{"body": "x"}, {"body": "x", "tags": 1}]', 422, "[1].tags"),
    ],
)
async def test_a_bad_body_is_a_problem_with_its_place(
    site: Site, body: bytes, status: int, said: str
) -> None:
    """What cannot be read is 400, what is wrongly made is 422; nothing is stored either way."""
    document = the_problem(await raw(site, body), status, said)

    assert document["errors"]
    assert not site.records.told


@pytest.mark.parametrize(
    ("ticket", "place"),
    [
        ({"id": "x" * 301, "body": "x"}, "id"),
        ({"body": "x", "account": {"id": "x" * 301}}, "account.id"),
        ({"body": "x", "requester": {"email": "x" * 301}}, "requester.email"),
        ([{"body": "x"}, {"body": "x", "messages": [{"id": "x" * 301}]}], "[1].messages[0].id"),
    ],
)
async def test_a_name_that_no_index_takes_is_refused_before_the_others_meet_it(
    site: Site, ticket: Any, place: str
) -> None:
    """422 with its place."""
    assert the_problem(await site.send(ticket), 422, "300")["errors"][0]["place"] == place


@pytest.mark.parametrize("content_type", ["", "text/plain", "application/x-www-form-urlencoded"])
async def test_another_content_type_is_refused(site: Site, content_type: str) -> None:
    """Only JSON that says so is read."""
    response = await raw(site, b'{"body": "x"}', **{"content-type": content_type})

    the_problem(response, 415, "application/json")


async def test_a_compressed_body_is_refused(site: Site) -> None:
    """A bomb is not even opened."""
    the_problem(await raw(site, b"x", **{"content-encoding": "gzip"}), 415, "gzip")


async def test_six_megabytes_are_too_many(site: Site) -> None:
    """The limit holds for a declared length and for a stream that declares none."""
    big = b'{"body": "' + b"a" * 6_000_000 + b'"}'

    the_problem(await raw(site, big), 413, "5,242,880 bytes")

    async def stream() -> Any:
        for start in range(0, len(big), 65_536):
            yield big[start : start + 65_536]

    headers = {"content-type": "application/json", **site.give_token("tickets:write")}
    response = await site.client.post("/api/v1/tickets", content=stream(), headers=headers)
    the_problem(response, 413, "5,242,880 bytes")


@pytest.mark.parametrize("odd", [b"\\u0000", b"\\ud800"])
async def test_characters_that_cannot_be_stored_are_replaced_and_the_raw_body_kept(
    site: Site, odd: bytes
) -> None:
    """One for one, so that offsets hold; the original bytes are kept encrypted."""
    body = b'{"id": "T-1", "body": "a' + odd + b"b it's slow\"}"

    response = await raw(site, body)

    assert response.status_code == 201
    assert site.records.told["T-1"].ticket.body == "a\ufffdb it's slow"
    assert [k.body for k in site.records.kept] == [body]


# ---------------------------------------------------------------- tokens
@pytest.mark.parametrize("given", ["", "Basic abc", "Bearer", "Bearer nonsense", "Bearer rung_unknown"])
async def test_without_a_valid_token_nothing_is_read(site: Site, given: str) -> None:
    """401 with the scheme to use, and the body is not even looked at."""
    response = await site.client.post("/api/v1/tickets", content=b"{", headers={"authorization": given})

    the_problem(response, 401)
    assert response.headers["www-authenticate"].startswith("Bearer")


async def test_a_token_without_the_scope_is_refused(site: Site) -> None:
    """403 names the scope that is missing."""
    headers = site.give_token("tickets:read")

    response = await site.client.post("/api/v1/tickets", json=TLS, headers=headers)

    the_problem(response, 403, "tickets:write")


async def test_an_expired_token_is_refused_even_while_it_is_cached(site: Site) -> None:
    """Expiry is looked at with every request."""
    headers = site.give_token("admin", expires_at=site.clock.now.replace(minute=0, second=2))
    assert (await site.client.get("/api/v1/policy", headers=headers)).status_code == 200

    site.clock.move(seconds=3)

    the_problem(await site.client.get("/api/v1/policy", headers=headers), 401, "expired")


async def test_a_token_is_looked_up_once_in_five_seconds(site: Site) -> None:
    """The intake path costs no query, and a revoked token ends soon."""
    await site.send(TLS)
    asked = site.records.queries

    await site.send(TLS)
    assert site.records.queries == asked

    site.clock.move(seconds=6)
    site.records.tokens.clear()
    headers = {"authorization": f"Bearer {TOKEN}"}
    the_problem(await site.client.post("/api/v1/tickets", json=TLS, headers=headers), 401)


# ---------------------------------------------------------------- idempotency
async def test_the_same_key_and_body_give_the_stored_reply(site: Site) -> None:
    """Byte for byte, with 201 again, and marked as replayed; quoted and bare are the same key."""
    first = await site.send(TLS, idempotency_key='"abc-1"')
    again = await site.send(TLS, idempotency_key="abc-1")

    assert (first.status_code, first.content) == (again.status_code, again.content)
    assert again.headers["idempotency-replayed"] == "true"
    assert len(site.intake.arrived) == 1


async def test_the_same_key_with_another_body_is_refused(site: Site) -> None:
    """422: a key stands for one request."""
    await site.send(TLS, idempotency_key='"abc-1"')

    the_problem(await site.send({"body": "other"}, idempotency_key='"abc-1"'), 422, "new key")


async def test_a_running_request_with_the_same_key_is_a_conflict(site: Site) -> None:
    """409 while the first is under way."""
    site.intake.trouble = Conflict("a request with this key is still running")

    the_problem(await site.send(TLS, idempotency_key='"abc-1"'), 409, "still running")


@pytest.mark.parametrize("key", ['""', '"open', "with space", '"ä"', "x" * 256])
async def test_a_key_that_is_none_is_refused(site: Site, key: str) -> None:
    """400 says how a key looks."""
    headers = [(name.encode(), value.encode()) for name, value in site.give_token("admin").items()]
    headers.append((b"idempotency-key", key.encode()))

    response = await site.client.post("/api/v1/tickets", json=TLS, headers=headers)

    the_problem(response, 400, "Idempotency-Key")


async def test_two_tokens_may_use_the_same_key(site: Site) -> None:
    """Keys belong to the caller."""
    other = site.give_token("admin", secret="rung_" + "u" * 43)
    await site.send(TLS, idempotency_key="1")

    response = await site.client.post(
        "/api/v1/tickets", json={"id": "T-2", "body": "x"}, headers={**other, "idempotency-key": "1"}
    )

    assert response.json()["ticket_id"] == "T-2"


# ---------------------------------------------------------------- trouble behind
async def test_a_database_that_is_away_is_503_with_when_to_come_back(site: Site) -> None:
    """The sender may send it again; nothing of the inside is told."""
    site.intake.trouble = Unavailable("connection to 10.1.2.3:5432 refused")

    response = await site.send(TLS)

    the_problem(response, 503, "Send the same again")
    assert response.headers["retry-after"] == "1"
    assert "10.1.2.3" not in response.text


async def test_an_unexpected_error_says_nothing_of_the_inside(site: Site) -> None:
    """500, security headers included, no message and no trace."""
    site.intake.trouble = ZeroDivisionError("secret inside")

    response = await site.send(TLS)

    the_problem(response, 500, "log")
    assert "secret" not in response.text
    assert response.headers["x-content-type-options"] == "nosniff"
    assert [line["event"] for line in site.logged] == ["request_failed"]


async def test_without_a_policy_tickets_are_refused_with_what_to_do(site: Site) -> None:
    """503 until somebody publishes."""
    site.intake.policy = site.policy = None

    the_problem(await site.send(TLS), 503, "rung publish")


# ---------------------------------------------------------------- messages
async def test_a_message_of_a_known_ticket_decides_again(site: Site) -> None:
    """The reply has the new decision."""
    await site.send({"id": "T-1", "body": "hello there"})

    response = await site.client.post(
        "/api/v1/tickets/T-1/messages",
        json={"body": "now: ECONNREFUSED"},
        headers=site.give_token("tickets:write"),
    )

    assert response.status_code == 201
    assert response.json()["added_messages"] == 1
    assert response.json()["decision"]["signature"] == "db"


@pytest.mark.parametrize(
    ("path", "body", "status", "said"),
    [
        ("T-9", {"body": "x"}, 404, "T-9"),
        ("T-1", {"body": " "}, 422, "needs a body"),
        ("T-1", [{"body": "x"}, {"author": "me", "body": "x"}], 422, "[1].author"),
        ("%00", {"body": "x"}, 404, "characters"),
    ],
)
async def test_a_message_that_fits_nothing_is_refused(
    site: Site, path: str, body: Any, status: int, said: str
) -> None:
    """Unknown tickets and bad messages are named."""
    await site.send(TLS)

    response = await site.client.post(
        f"/api/v1/tickets/{path}/messages", json=body, headers=site.give_token("admin")
    )

    the_problem(response, status, said)


# ---------------------------------------------------------------- reads
async def test_lists_are_paged_by_cursor_with_a_link(site: Site) -> None:
    """Following `Link` sees every ticket once, filters kept."""
    await site.send([{"id": f"T-{n}", "body": "it's slow"} for n in range(5)])
    headers = site.give_token("tickets:read")
    seen: list[str] = []
    url = "/api/v1/tickets?limit=2&signature=slow"
    while url:
        response = await site.client.get(url, headers=headers)
        found = TicketListOut.model_validate(response.json())
        seen += [t.id for t in found.tickets]
        url = response.links.get("next", {}).get("url", "")

    assert seen == ["T-4", "T-3", "T-2", "T-1", "T-0"]


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=many", "outcome=explode", "cursor=-1", f"cursor={2**63}", "team=%00", "team="]
)
async def test_a_wrong_filter_is_named(site: Site, query: str) -> None:
    """The framework's own refusals are problem documents too."""
    response = await site.client.get(f"/api/v1/tickets?{query}", headers=site.give_token("admin"))

    assert the_problem(response, 422)["errors"][0]["place"].startswith("query")


async def test_one_ticket_has_everything(site: Site) -> None:
    """Ticket, decision, actions and ledger."""
    await site.send(TLS)

    response = await site.client.get("/api/v1/tickets/T-1", headers=site.give_token("tickets:read"))

    found = TicketRecordOut.model_validate(response.json())
    assert (found.ticket.id, found.ledger[0].kind) == ("T-1", "ticket_arrived")


async def test_asking_what_rung_would_decide_stores_nothing(site: Site) -> None:
    """The decision and every route tried, up to the one taken."""
    response = await site.client.post("/api/v1/decide", json=TLS, headers=site.give_token("tickets:read"))

    assert response.json()["decision"]["team"] == "backend"
    assert [t["matched"] for t in response.json()["tried"]] == [False, True]
    assert not site.records.told


# ---------------------------------------------------------------- facts
async def test_deployments_are_stored_once(site: Site) -> None:
    """201 for a new one, 200 when it was known."""
    body = {"service": "orders-db", "version": "7", "at": "2026-11-22T11:50:00Z"}
    headers = site.give_token("deployments:write")

    statuses = [
        (await site.client.post("/api/v1/deployments", json=body, headers=headers)).status_code for _ in "ab"
    ]

    assert statuses == [201, 200]
    wrong = await site.client.post("/api/v1/deployments", json=[{**body, "at": None}], headers=headers)
    the_problem(wrong, 422, "[0].at")


async def test_an_account_is_set_by_its_path(site: Site) -> None:
    """The id in the path counts; another one in the body is refused."""
    headers = site.give_token("accounts:write")

    response = await site.client.put("/api/v1/accounts/acme", json={"plan": "pro"}, headers=headers)

    assert response.json()["plan"] == "pro"
    assert site.records.accounts["acme"].plan == "pro"
    wrong = await site.client.put("/api/v1/accounts/acme", json={"id": "other"}, headers=headers)
    the_problem(wrong, 422, "differs from the id in the path")


async def test_unknown_paths_and_methods_are_problems_too(site: Site) -> None:
    """404 says where the list is, 405 which method to use."""
    the_problem(await site.client.get("/api/v1/nothing"), 404, "/api/openapi.json")
    response = await site.client.delete("/api/v1/decide")
    the_problem(response, 405, "POST")
    assert response.headers["allow"]
