"""From a request to the intake and back: the part that the API and the hooks share."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import orjson
from starlette.requests import Request
from starlette.responses import Response

from rung.core.limits import check_name, check_names
from rung.core.wire import decision_to_json
from rung.errors import Broken
from rung.flow.intake import Answer, Idempotency, Result
from rung.model import Json
from rung.ports import Arrival, Reply
from rung.web.bench import published
from rung.web.bodies import idempotency_key
from rung.web.deps import Deps

REPLAYED = "idempotency-replayed"
"""Header of a reply that was stored for an earlier request with the same key."""
_JSON = "application/json"


@dataclass(frozen=True, slots=True)
class Idempotent:
    """The caller's key, if it gave one, and the fingerprint of its request."""

    key: str
    fingerprint: str

    @classmethod
    def of(cls, request: Request, token_id: str, body: bytes) -> Idempotent | None:
        """Read the header; keys are the caller's own, so two tokens may use the same one.

        Raises:
            Problematic: the header is not what the draft standard says.
        """
        key = idempotency_key(request)
        if not key:
            return None
        asked = f"{request.method} {request.scope['path']}\n".encode("utf-8", "replace")
        return cls(f"{token_id}:{key}", hashlib.sha256(asked + body).hexdigest())


async def take(deps: Deps, arrivals: Sequence[Arrival], idempotency: Idempotency | None = None) -> Answer:
    """Hand over to the intake; the figures learn of the new decisions.

    Raises:
        Malformed: a name is too long.
        Problematic: no policy is published (503).
        RungError: as the intake says.
    """
    for index, arrival in enumerate(arrivals):
        _check(arrival, f"[{index}]" if len(arrivals) > 1 else "")
    try:
        answer = await deps.intake.take(arrivals, idempotency=idempotency)
    except Broken:
        await published(deps)
        raise
    for result in answer.results:
        if result.decision is not None and (result.created or result.added_messages):
            deps.metrics.decided(result.decision.outcome, result.decision.mode)
    return answer


def _check(arrival: Arrival, where: str) -> None:
    """Refuse names that no index takes, before they meet the tickets of others in one transaction."""
    check_names(arrival.ticket, where)
    check_name(arrival.delivery, "delivery")
    for action in arrival.actions:
        check_name(action.id, f"{where}.actions.id".lstrip("."))


async def answered(
    deps: Deps, arrivals: Sequence[Arrival], asked: Idempotent | None, *, several: bool
) -> Response:
    """Take the arrivals in and reply; with a key the reply is stored in the same transaction."""
    if asked is None:
        answer = await take(deps, arrivals)
        return reply(*_said(answer.results, several=several))

    def render(results: Sequence[Result]) -> Reply:
        value, status = _said(results, several=several)
        return Reply(asked.key, asked.fingerprint, status, orjson.dumps(value))

    answer = await take(deps, arrivals, Idempotency(asked.key, asked.fingerprint, render))
    stored = answer.reply or render(answer.results)
    headers = {REPLAYED: "true"} if answer.replayed else {}
    return Response(stored.body, stored.status, headers={**stored.headers, **headers}, media_type=_JSON)


def _said(results: Sequence[Result], *, several: bool) -> tuple[Json, int]:
    found = [result_to_json(result) for result in results]
    return ({"results": found} if several else found[0]), status_of(results)


def status_of(results: Sequence[Result]) -> int:
    """201 when anything is new, else 200."""
    return 201 if any(result.created or result.added_messages for result in results) else 200


def result_to_json(result: Result) -> dict[str, Json]:
    """The wire form of one result."""
    return {
        "ticket_id": result.ticket_id,
        "created": result.created,
        "added_messages": result.added_messages,
        "decision": decision_to_json(result.decision) if result.decision else None,
    }


def reply(value: Json, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A JSON reply."""
    return Response(orjson.dumps(value), status, headers=dict(headers or {}), media_type=_JSON)
