"""The API under ``/api/v1``: tickets in, decisions out, and the facts that go into them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, replace
from typing import Annotated, Any, TypeAlias, TypeVar

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from rung.core.limits import NAME_LIMIT, check_name
from rung.core.payload import without_surrogates
from rung.core.wire import (
    account_from_json,
    decision_to_json,
    message_from_json,
    ticket_from_json,
    ticket_to_json,
    time_from_json,
    time_to_json,
)
from rung.errors import Malformed, NotFound
from rung.model import Json, Message, Outcome, Ticket
from rung.ports import Arrival
from rung.store.rows import Deployment, Listed, Page, PolicyMove
from rung.web.auth import Gate
from rung.web.bench import consider_now, published
from rung.web.bodies import read_json
from rung.web.deps import Deps
from rung.web.edge import Handler
from rung.web.openapi import EXAMPLE_TICKET, body, idempotent, replies, scoped
from rung.web.schemas import (
    AccountIn,
    AccountOut,
    ConsideredOut,
    DeploymentIn,
    MessageIn,
    PolicyLogOut,
    PolicyOut,
    ResultOut,
    ResultsOut,
    StoredOut,
    TicketIn,
    TicketListOut,
    TicketRecordOut,
    ref,
)
from rung.web.taking import Idempotent, answered, reply

T = TypeVar("T")
ROOT = "/api/v1"
BATCH_LIMIT = 1_000
"""Tickets, messages or deployments in one request."""
PAGE_LIMIT = 200

Cursor: TypeAlias = Annotated[
    int | None, Query(ge=1, le=2**63 - 1, description="`next_cursor` of the page before.")
]
Limit: TypeAlias = Annotated[int, Query(ge=1, le=PAGE_LIMIT)]
Name: TypeAlias = Annotated[str | None, Query(min_length=1, max_length=500)]

_DENIED = ("unauthenticated", "forbidden")
_UNREADABLE = ("unreadable", "too-large", "unsupported-type", "invalid")


class Api:
    """The handlers; ``routes`` gives them to the application."""

    def __init__(self, deps: Deps, gate: Gate) -> None:
        self._deps = deps
        self._gate = gate

    # ------------------------------------------------------------ intake
    async def post_tickets(self, request: Request) -> Response:
        """Take one ticket or a list of up to 1,000; the reply has the decisions, after the commit."""
        token = await self._gate.allow(request, "tickets:write")
        raw, payload = await read_json(request)
        tickets = _each(payload.value, ticket_from_json)
        arrivals = [Arrival("api", ticket) for ticket in tickets]
        arrivals[0] = _with_raw(arrivals[0], raw, payload.oddity)
        asked = Idempotent.of(request, token.id, raw)
        return await answered(self._deps, arrivals, asked, several=isinstance(payload.value, list))

    async def post_messages(self, request: Request) -> Response:
        """Add one message or a list of them to a known ticket, which is then decided again."""
        token = await self._gate.allow(request, "tickets:write")
        raw, payload = await read_json(request)
        messages = _each(payload.value, _message)
        ticket = Ticket(id=_path_id(request, "ticket_id"), messages=messages)
        arrival = _with_raw(Arrival("api", ticket, only_known=True), raw, payload.oddity)
        asked = Idempotent.of(request, token.id, raw)
        return await answered(self._deps, [arrival], asked, several=False)

    # ------------------------------------------------------------ reads
    async def list_tickets(  # noqa: PLR0917 # FastAPI passes each by name
        self,
        request: Request,
        cursor: Cursor = None,
        limit: Limit = 50,
        outcome: Annotated[Outcome | None, Query()] = None,
        signature: Name = None,
        team: Name = None,
        level: Name = None,
        open: Annotated[bool | None, Query()] = None,  # noqa: A002 # the word of the domain
        account: Name = None,
        connector: Name = None,
    ) -> Response:
        """Tickets with their decisions, newest first; `Link: rel="next"` leads to the next page."""
        await self._gate.allow(request, "tickets:read")
        _refuse_unstorable(signature, team, level, account, connector)
        page = await self._deps.records.list_tickets(
            cursor, limit, outcome=outcome, team=team, level=level, signature=signature, open=open,
            account=account, connector=connector,
        )  # fmt: skip
        return _page(request, page, "tickets", _summary)

    async def get_ticket(self, request: Request) -> Response:
        """One ticket with its decision, what people did, and its ledger."""
        await self._gate.allow(request, "tickets:read")
        told = await self._deps.records.ticket(_path_id(request, "ticket_id"))
        return reply(
            {
                "ticket": ticket_to_json(told.ticket),
                "decision": decision_to_json(told.decision) if told.decision else None,
                "received_at": time_to_json(told.received_at),
                "open": told.open,
                "actions": [
                    {"kind": a.kind, "at": time_to_json(a.at), "team": a.team, "level": a.level}
                    for a in told.actions
                ],
                "ledger": [
                    {"at": time_to_json(line.at), "kind": line.entry.kind, "data": dict(line.entry.data)}
                    for line in told.ledger
                ],
            }
        )

    # ------------------------------------------------------------ facts
    async def post_deployments(self, request: Request) -> Response:
        """Report one deployment or a list of them: recent ones are facts of a decision."""
        await self._gate.allow(request, "deployments:write")
        _, payload = await read_json(request)
        stored = await self._deps.records.add_deployments(_each(payload.value, _deployment))
        return reply({"stored": stored}, 201 if stored else 200)

    async def put_account(self, request: Request) -> Response:
        """Set what is known of an account; it replaces what was there."""
        await self._gate.allow(request, "accounts:write")
        identity = _path_id(request, "account_id")
        _, payload = await read_json(request)
        if not isinstance(payload.value, dict):
            raise Malformed("expected an account object")
        if payload.value.get("id") not in (None, identity):
            raise Malformed("differs from the id in the path; leave it out", where="id")
        account = account_from_json({**payload.value, "id": identity})
        if account is None:
            raise NotFound("an account needs an id in the path")
        await self._deps.records.put_accounts([account])
        return reply(asdict(account))

    # ------------------------------------------------------------ decisions without storing
    async def post_decide(self, request: Request) -> Response:
        """What would Rung decide for this ticket? Nothing is stored."""
        await self._gate.allow(request, "tickets:read")
        _, payload = await read_json(request)
        considered = await consider_now(self._deps, ticket_from_json(payload.value))
        tried = [{"route": t.route, "to": t.to, "matched": t.matched, "why": t.why} for t in considered.tried]
        return reply({"decision": decision_to_json(considered.decision), "tried": tried})

    async def get_policy(self, request: Request) -> Response:
        """The published policy in short."""
        await self._gate.allow(request, "policy:read")
        policy = (await published(self._deps)).policy
        levels = [level for team in policy.teams.values() for level in team.levels.values()]
        return reply(
            {
                "version": policy.version,
                "mode": policy.mode,
                "levels": [
                    {
                        "team": level.team,
                        "level": level.name,
                        "channel": level.channel,
                        "next": level.next or None,
                        "on_call": list(level.on_call),
                        "scope": [item.id for item in level.scope],
                    }
                    for level in levels
                ],
                "signatures": [s.id for s in policy.signatures],
                "triggers": [t.id for t in policy.triggers],
                "routes": [{"id": r.id, "to": r.to} for r in policy.routes],
            }
        )

    async def get_policy_log(self, request: Request, cursor: Cursor = None, limit: Limit = 50) -> Response:
        """Which policy was published or gone back to, when and by whom."""
        await self._gate.allow(request, "policy:read")
        page = await self._deps.records.policy_log(cursor, limit)
        return _page(request, page, "publications", _publication)

    # ------------------------------------------------------------ joining
    def direct(self) -> Mapping[tuple[str, str], tuple[Handler, str]]:
        """The paths that leave the framework's routing, with their template for the figures."""
        return {("POST", f"{ROOT}/tickets"): (self.post_tickets, f"{ROOT}/tickets")}

    def routes(self) -> APIRouter:
        """All routes with their documentation."""
        router = APIRouter(prefix=ROOT, tags=["api"])
        self._intake_routes(router)
        self._read_routes(router)
        return router

    def _intake_routes(self, router: APIRouter) -> None:
        taken = replies(
            {201: ("At least one ticket is new.", ResultOut), 200: ("All were known.", ResultOut)},
            *_DENIED, *_UNREADABLE, "conflict", "unavailable",
        )  # fmt: skip
        either = {"schema": {"oneOf": [ref(ResultOut), ref(ResultsOut)]}}
        listed = dict(taken)
        for status in (200, 201):
            listed[status] = {**taken[status], "content": {"application/json": either}}
        router.add_api_route(
            "/tickets", self.post_tickets, methods=["POST"], summary="Send tickets", responses=listed,
            openapi_extra=scoped(idempotent(body(TicketIn, several=True, example=EXAMPLE_TICKET)), "tickets:write"),
        )  # fmt: skip
        router.add_api_route(
            "/tickets/{ticket_id:path}/messages", self.post_messages, methods=["POST"],
            summary="Add messages to a ticket", responses={**taken, **replies({}, "not-found")},
            openapi_extra=_path_parameter(
                scoped(idempotent(body(MessageIn, several=True, example={"body": "Now it fails for everyone."})),
                       "tickets:write"), "ticket_id"),
        )  # fmt: skip
        router.add_api_route(
            "/deployments", self.post_deployments, methods=["POST"], summary="Report deployments",
            responses=replies({201: ("At least one is new.", StoredOut), 200: ("All were known.", StoredOut)},
                              *_DENIED, *_UNREADABLE),
            openapi_extra=scoped(body(DeploymentIn, several=True, example={
                "service": "orders-db", "version": "2026.11.4", "at": "2026-11-22T02:50:00Z"}),
                "deployments:write"),
        )  # fmt: skip
        router.add_api_route(
            "/accounts/{account_id:path}", self.put_account, methods=["PUT"], summary="Set an account",
            responses=replies({200: ("It is stored.", AccountOut)},
                              *_DENIED, *_UNREADABLE, "not-found"),
            openapi_extra=_path_parameter(scoped(body(AccountIn, example={
                "name": "Acme", "plan": "enterprise", "annual_value": 120000}), "accounts:write"), "account_id"),
        )  # fmt: skip

    def _read_routes(self, router: APIRouter) -> None:
        router.add_api_route(
            "/tickets", self.list_tickets, methods=["GET"], summary="List tickets",
            responses=replies({200: ("A page of tickets.", TicketListOut)}, *_DENIED, "invalid"),
            openapi_extra=scoped({}, "tickets:read"),
        )  # fmt: skip
        router.add_api_route(
            "/tickets/{ticket_id:path}", self.get_ticket, methods=["GET"], summary="Read a ticket",
            responses=replies({200: ("The ticket.", TicketRecordOut)}, *_DENIED, "not-found"),
            openapi_extra=_path_parameter(scoped({}, "tickets:read"), "ticket_id"),
        )  # fmt: skip
        router.add_api_route(
            "/decide", self.post_decide, methods=["POST"], summary="What would Rung decide?",
            responses=replies({200: ("The decision; nothing was stored.", ConsideredOut)},
                              *_DENIED, *_UNREADABLE, "unavailable"),
            openapi_extra=scoped(body(TicketIn, example=EXAMPLE_TICKET), "tickets:read"),
        )  # fmt: skip
        router.add_api_route(
            "/policy", self.get_policy, methods=["GET"], summary="The published policy",
            responses=replies({200: ("The policy in short.", PolicyOut)}, *_DENIED, "unavailable"),
            openapi_extra=scoped({}, "policy:read"),
        )  # fmt: skip
        router.add_api_route(
            "/policy/log", self.get_policy_log, methods=["GET"], summary="The publications",
            responses=replies({200: ("The publications.", PolicyLogOut)}, *_DENIED, "invalid"),
            openapi_extra=scoped({}, "policy:read"),
        )  # fmt: skip


def _each(value: Json, parse: Callable[..., T]) -> tuple[T, ...]:
    """What one object or a list of objects says; the place of a wrong one names its index."""
    if not isinstance(value, list):
        return (parse(value, where=""),)
    if not 1 <= len(value) <= BATCH_LIMIT:
        raise Malformed(
            f"expected 1 to {BATCH_LIMIT:,} in the list, found {len(value):,}; send them in parts"
        )
    return tuple(parse(item, where=f"[{index}]") for index, item in enumerate(value))


def _message(value: Json, *, where: str) -> Message:
    if not isinstance(value, dict):
        raise Malformed("expected a message object", where=where)
    message = message_from_json(value, where)
    if not message.body.strip():
        raise Malformed("a message needs a body", where=f"{where}.body" if where else "body")
    return message


def _deployment(value: Json, *, where: str) -> Deployment:
    if not isinstance(value, dict):
        raise Malformed("expected an object with service, version and at", where=where)

    def text(key: str) -> str:
        found = value.get(key)
        if not isinstance(found, str) or not found.strip():
            raise Malformed("expected a text", where=f"{where}.{key}".lstrip("."))
        return check_name(found, f"{where}.{key}".lstrip("."))

    place = f"{where}.at".lstrip(".")
    at = time_from_json(value.get("at"), place)
    if at is None:
        raise Malformed("expected a time such as 2026-11-22T03:00:00Z", where=place)
    return Deployment(text("service"), text("version"), at)


def _with_raw(arrival: Arrival, raw: bytes, oddity: str) -> Arrival:
    """The arrival that also keeps the raw body, when characters of it had to be replaced."""
    if not oddity:
        return arrival
    return replace(arrival, raw=raw, raw_reason=oddity)


def _path_id(request: Request, name: str) -> str:
    identity = str(request.path_params[name])
    if "\0" in identity or not identity.strip() or without_surrogates(identity) is not identity:
        raise NotFound("nothing has an id with such characters")
    if len(identity) > NAME_LIMIT:
        raise NotFound(f"nothing has an id of more than {NAME_LIMIT} characters")
    return identity


def _refuse_unstorable(*texts: str | None) -> None:
    if any(text is not None and ("\0" in text or without_surrogates(text) is not text) for text in texts):
        raise Malformed("holds characters that no stored text has", where="query")


def _page(request: Request, page: Page[T], name: str, parse: Callable[[T], Json]) -> Response:
    """A page of a list; ``Link`` leads to the next one."""
    headers = {}
    if page.next is not None:
        following = request.url.include_query_params(cursor=page.next)
        headers["link"] = f'<{following.path}?{following.query}>; rel="next"'
    return reply({name: [parse(row) for row in page.rows], "next_cursor": page.next}, headers=headers)


def _summary(row: Listed) -> Json:
    return {
        "id": row.id,
        "source": row.source,
        "subject": row.subject,
        "created_at": time_to_json(row.created_at),
        "received_at": time_to_json(row.received_at),
        "account": row.account_id,
        "open": row.open,
        "decided_at": time_to_json(row.decided_at),
        "outcome": row.outcome,
        "mode": row.mode,
        "signature": row.signature,
        "confidence": row.confidence,
        "team": row.team,
        "level": row.level,
        "severity": row.severity,
    }


def _publication(move: PolicyMove) -> Json:
    return {
        "version": move.version,
        "action": move.action,
        "at": time_to_json(move.at),
        "author": move.author,
        "note": move.note,
    }


def _path_parameter(extra: dict[str, Any], name: str) -> dict[str, Any]:
    parameter = {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
    known: Iterable[Any] = extra.get("parameters", ())
    return {**extra, "parameters": [*known, parameter]}
