"""The outermost layer of every request: security headers, one timer, and errors as problem documents.

Plain ASGI, so that it costs next to nothing. The intake paths leave the framework's routing here: they get the
request and give the reply themselves.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeAlias

import structlog
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from rung.errors import TooLarge
from rung.web.bodies import BODY_LIMIT
from rung.web.metrics import Metrics
from rung.web.problems import INTERNAL, from_error

Handler: TypeAlias = Callable[[Request], Awaitable[Response]]

log = structlog.get_logger("rung.web")

SECURITY_HEADERS: Mapping[str, str] = {
    "content-security-policy": (
        "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}
"""On every reply, pages and API alike."""

_HEADERS = [(name.encode(), value.encode()) for name, value in SECURITY_HEADERS.items()]
_NO_STORE = (b"cache-control", b"no-store")
_UNKNOWN_ROUTE = "(none)"
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_SERVER_ERROR = 500
_GONE = 499
"""What the figures say of a caller who went away before the reply."""


class Edge:
    """Wraps the application. ``direct`` maps (method, path) to the handler that bypasses routing."""

    def __init__(
        self, app: ASGIApp, *, metrics: Metrics, direct: Mapping[tuple[str, str], tuple[Handler, str]]
    ) -> None:
        self._app = app
        self._metrics = metrics
        self._direct = direct

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        reply = _Reply(send)
        direct = self._direct.get((scope["method"], scope["path"]))
        try:
            if direct is not None:
                response = await direct[0](Request(scope, receive))
                await response(scope, receive, reply)
            else:
                await self._app(scope, _bounded(receive), reply)
        except ClientDisconnect:
            reply.status = _GONE
        except Exception as error:  # noqa: BLE001 # the last place: whatever it was, the caller gets a document
            await self._explain(error, scope, receive, reply)
        route = direct[1] if direct is not None else _route(scope)
        method = scope["method"] if scope["method"] in _METHODS else "_OTHER"
        self._metrics.request_took(method, route, reply.status, time.perf_counter() - started)

    async def _explain(self, error: Exception, scope: Scope, receive: Receive, reply: _Reply) -> None:
        document = from_error(error)
        if document is INTERNAL:
            log.error("request_failed", route=_route(scope), kind=type(error).__name__, exc_info=error)
        elif document.status >= _SERVER_ERROR:
            log.warning("request_refused", route=_route(scope), why=str(error))
        if reply.started:
            # The head is out: the only honest sign left is a broken connection.
            raise error
        await document.response(scope["path"])(scope, receive, reply)


class _Reply:
    """``send`` that remembers the status and adds our headers."""

    __slots__ = ("_send", "started", "status")

    def __init__(self, send: Send) -> None:
        self._send = send
        self.started = False
        self.status = _SERVER_ERROR

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.started = True
            self.status = message["status"]
            headers = [*message.get("headers", ()), *_HEADERS]
            if not any(name == b"cache-control" for name, _ in headers):
                headers.append(_NO_STORE)
            message = {**message, "headers": headers}
        await self._send(message)


def _bounded(receive: Receive) -> Receive:
    """``receive`` that refuses a body above the limit, for handlers that read it through the framework."""
    size = 0

    async def counted() -> Message:
        nonlocal size
        event = await receive()
        size += len(event.get("body", b""))
        if size > BODY_LIMIT:
            raise TooLarge("the request body", BODY_LIMIT)
        return event

    return counted


def _route(scope: Scope) -> str:
    """The template of the route; never the path, whose values would make endless series."""
    return getattr(scope.get("route"), "path", None) or _UNKNOWN_ROUTE
