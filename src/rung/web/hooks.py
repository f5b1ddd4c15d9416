"""``POST /hooks/{connector}``: webhooks of other services, signed by them.

What is authentic is never dropped: a payload that cannot be read is kept encrypted with its reason and answered
202, so that the sender stops sending it and ``rung redrive`` can read it once the mapping is mended.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

import structlog
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from rung.core.limits import NAME_LIMIT
from rung.core.payload import storable_text, without_surrogates
from rung.errors import Invalid, Malformed, NotFound, RungError, Unauthenticated
from rung.flow.merge import delivered
from rung.ports import Connector
from rung.store.rows import Connection
from rung.web.bodies import read_body
from rung.web.deps import Deps
from rung.web.edge import Handler
from rung.web.openapi import replies
from rung.web.schemas import KeptOut, ResultsOut
from rung.web.taking import reply, result_to_json, status_of, take

PATH = "/hooks/{connector}"
CACHE_FOR = timedelta(seconds=5)
"""How long changed settings of a connection take to be followed."""

_SECRETIVE = ("auth", "cookie", "signature", "secret", "token", "api-key")

log = structlog.get_logger("rung.web")


class Hooks:
    """The handlers of all installed connectors."""

    def __init__(self, deps: Deps) -> None:
        self._deps = deps
        self._connections: dict[str, tuple[Connection, datetime]] = {}

    async def post_hook(self, request: Request) -> Response:
        """Take a webhook of another service; the reply comes after the commit, with the decisions."""
        name = str(request.path_params.get("connector", ""))
        connector = self._deps.connectors.get(name)
        if connector is None:
            known = ", ".join(sorted(self._deps.connectors)) or "none are installed"
            raise NotFound(f"there is no connector of this name; known ones: {known}")
        body = await read_body(request)
        headers = dict(request.headers.items())
        connection, delivery = await self._authentic(connector, headers, body)
        try:
            arrivals = connector.parse(headers, body, settings=connection.settings)
        except Malformed as error:
            return await self._keep(name, delivery, headers, body, str(error))
        except Exception as error:  # a plugin may raise anything, and what is authentic is never dropped
            log.exception("connector_failed", connector=name, kind=type(error).__name__)
            reason = f"the connector failed with {type(error).__name__}"
            return await self._keep(name, delivery, headers, body, reason)
        if not arrivals:
            return reply({"results": []})
        try:
            answer = await take(self._deps, delivered(arrivals, delivery))
        except (Invalid, NotFound) as error:
            return await self._keep(name, delivery, headers, body, str(error))
        except RungError:
            raise
        except Exception as error:  # whatever one payload provokes, what is authentic is never dropped
            log.exception("intake_failed", connector=name, kind=type(error).__name__)
            reason = f"the intake failed with {type(error).__name__}"
            return await self._keep(name, delivery, headers, body, reason)
        return reply({"results": [result_to_json(r) for r in answer.results]}, status_of(answer.results))

    async def _authentic(
        self, connector: Connector, headers: Mapping[str, str], body: bytes
    ) -> tuple[Connection, str]:
        """The connection, whose secret signed the body, and the delivery's id.

        Raises:
            Unauthenticated: it did not, or there is no connection.
        """
        now = self._deps.clock()
        connection = await self._connected(connector.name, now)
        if connection is None or not connection.secret:
            raise Unauthenticated(
                f"{connector.name} is not connected: an operator must set its signing secret"
            )
        try:
            return connection, connector.verify(headers, body, secret=connection.secret, now=now)
        except Unauthenticated:
            self._deps.metrics.hook_refused(connector.name)
            raise

    async def _connected(self, name: str, now: datetime) -> Connection | None:
        """The connection, read anew every few seconds: the hot path must not cost a query each time."""
        known = self._connections.get(name)
        if known is not None and now < known[1]:
            return known[0]
        try:
            found = await self._deps.records.connection(name)
        except NotFound:
            self._connections.pop(name, None)
            return None
        self._connections[name] = (found, now + CACHE_FOR)
        return found

    async def _keep(
        self, name: str, delivery: str, headers: Mapping[str, str], body: bytes, reason: str
    ) -> Response:
        reason = storable_text(reason)
        kept = await self._deps.records.keep_payload(
            name, body, delivery=delivery[:NAME_LIMIT], headers=_harmless(headers), reason=reason
        )
        self._deps.metrics.payload_kept(name)
        return reply({"kept": str(kept), "reason": reason}, 202)

    def direct(self) -> Mapping[tuple[str, str], tuple[Handler, str]]:
        """One path for each installed connector, past the framework's routing."""
        return {
            ("POST", f"/hooks/{name}"): (_naming(self.post_hook, name), PATH)
            for name in self._deps.connectors
        }

    def routes(self) -> APIRouter:
        """The route with its documentation; it also answers for connectors that are not installed."""
        router = APIRouter(tags=["hooks"])
        parameter = {
            "name": "connector",
            "in": "path",
            "required": True,
            "schema": {"type": "string", "examples": sorted(self._deps.connectors)},
        }
        anything = {"required": True, "content": {"application/json": {"schema": {}}}}
        router.add_api_route(
            PATH, self.post_hook, methods=["POST"], summary="Take a signed webhook",
            responses=replies(
                {201: ("Something is new.", ResultsOut), 200: ("All was known.", ResultsOut),
                 202: ("It is authentic but could not be read, and was kept.", KeptOut)},
                "unauthenticated", "not-found", "too-large", "conflict", "unavailable"),
            openapi_extra={"parameters": [parameter], "requestBody": anything, "security": []},
        )  # fmt: skip
        return router


def _harmless(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers without what authenticates: nothing secret is stored."""
    return {
        without_surrogates(name): without_surrogates(value)
        for name, value in headers.items()
        if not any(word in name for word in _SECRETIVE)
    }


def _naming(handler: Handler, name: str) -> Handler:
    """The handler with the connector's name as its path parameter."""

    async def named(request: Request) -> Response:
        request.scope["path_params"] = {"connector": name}
        return await handler(request)

    return named
