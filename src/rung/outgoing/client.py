"""``Outgoing``: one call in, one frozen answer or one named error out."""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from types import MappingProxyType, TracebackType
from typing import Self

import httpx
import orjson

from rung import __version__
from rung.errors import Refused, RungError, Unavailable
from rung.model import Json
from rung.outgoing.addresses import Address, concern, concern_about_name, concern_about_port, read_address
from rung.outgoing.allowlist import Allowlist
from rung.outgoing.pinned import PinnedTransport, Resolver, pinned_to, resolve_with_system
from rung.outgoing.reply import Body, Response, Unpackable, encoding_of, plain_headers
from rung.outgoing.retry import IDEMPOTENT, Failure, back_off, full_jitter, judge
from rung.outgoing.target import Target, follow, read_target

_METHODS = IDEMPOTENT | {"POST", "PATCH"}
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_SEE_OTHER = 303
_KEEPING = frozenset({307, 308})
_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_HEADER_VALUE = re.compile(r"[\t\x20-\x7e]*")
# The ones that frame the message, choose the way, or that this client answers for.
_OURS = frozenset({
    "accept-encoding", "connection", "content-length", "expect", "host", "keep-alive", "proxy-authorization",
    "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade", "user-agent",
})  # fmt: skip
# What another origin may see. Vendors invent names for their keys, so this is the list of the harmless ones.
_HARMLESS = frozenset({
    "accept", "accept-language", "content-language", "content-type", "idempotency-key", "if-match",
    "if-modified-since", "if-none-match", "if-unmodified-since",
})  # fmt: skip
# First fit wins: reason, and whether another attempt may help.
_REASONS: tuple[tuple[type[Exception], tuple[str, bool]], ...] = (
    (httpx.ConnectTimeout, ("no connection in time", True)),
    (httpx.ConnectError, ("no connection", True)),
    (httpx.PoolTimeout, ("too many calls are under way", True)),
    (httpx.TimeoutException, ("no answer in time", True)),
    (httpx.LocalProtocolError, ("the request is not valid HTTP", False)),
    (httpx.UnsupportedProtocol, ("the request is not valid HTTP", False)),
    (httpx.RemoteProtocolError, ("the answer is not valid HTTP, or ended early", True)),
    (Exception, ("the connection broke", True)),
)
_NONE: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class _Ask:
    """One request as it is sent, and how it may be treated."""

    method: str
    target: Target
    headers: Mapping[str, str]
    body: bytes | None
    repeatable: bool
    as_is: bool
    follow: bool

    @property
    def call(self) -> str:
        """How messages name it; neither path nor query, which carry tokens."""
        return f"{self.method} {self.target.origin}"


class Outgoing:
    """Contacts other services within the guard's rules; see ``docs/outgoing.md``.

    Each request is resolved, checked and connected by itself; nothing is remembered between two calls: no
    cookies, no connections, no redirects. Proxies of the environment are not used, certificates are always
    verified.

    Args:
        allow: what may be contacted although the guard would refuse it.
        clock: tells the time, to read a ``Retry-After`` that is a date.
        timeout: the deadline of a whole call, with its redirects, retries and waits.
        connect_timeout: how long one address may take to accept a connection, TLS included.
        max_bytes: the largest body that is read, counted after unpacking.
        max_redirects: how many redirects are followed.
        retries: how many times a call that may be repeated is repeated.
        resolver: names to addresses.
        tls: trust roots, for a company's own; the default ones come with the program.
        transport: replaces the sockets, in tests; still gets checked requests only (``addresses_of``).
        sleep: waits between attempts, given seconds.
        jitter: turns the longest wait in seconds into the one that is taken.
    """

    def __init__(
        self,
        allow: Allowlist | None = None,
        *,
        clock: Callable[[], datetime],
        timeout: timedelta = timedelta(seconds=30),
        connect_timeout: timedelta = timedelta(seconds=5),
        max_bytes: int = 5_000_000,
        max_redirects: int = 5,
        retries: int = 2,
        resolver: Resolver = resolve_with_system,
        tls: ssl.SSLContext | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        jitter: Callable[[float], float] = full_jitter,
    ) -> None:
        self._allow = allow if allow is not None else Allowlist()
        self._clock = clock
        self._timeout = timeout
        self._connect_timeout = connect_timeout
        self._max_bytes = max_bytes
        self._max_redirects = max_redirects
        self._retries = retries
        self._resolver = resolver
        self._transport = transport if transport is not None else PinnedTransport(tls)
        self._sleep = sleep
        self._jitter = jitter

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close what is open; no call may follow."""
        await self._transport.aclose()

    async def get(
        self,
        url: str,
        *,
        headers: Mapping[str, str] = _NONE,
        params: Mapping[str, str] = _NONE,
        as_is: bool = False,
        follow_redirects: bool = True,
    ) -> Response:
        """``request`` with GET."""
        return await self.request(
            "GET", url, headers=headers, params=params, as_is=as_is, follow_redirects=follow_redirects
        )

    async def post(
        self,
        url: str,
        *,
        headers: Mapping[str, str] = _NONE,
        params: Mapping[str, str] = _NONE,
        content: bytes | None = None,
        json: Json = None,
        idempotency_key: str = "",
    ) -> Response:
        """``request`` with POST."""
        return await self.request(
            "POST",
            url,
            headers=headers,
            params=params,
            content=content,
            json=json,
            idempotency_key=idempotency_key,
        )

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] = _NONE,
        params: Mapping[str, str] = _NONE,
        content: bytes | None = None,
        json: Json = None,
        idempotency_key: str = "",
        as_is: bool = False,
        follow_redirects: bool = True,
    ) -> Response:
        """Send one request and read its answer.

        Connection failures, 429, 502, 503 and 504 are tried again when the method is idempotent or a key is
        given, as long as the deadline leaves room for the wait. Any other status is an answer.

        Args:
            method: GET, HEAD, OPTIONS, PUT, DELETE, POST or PATCH.
            url: absolute, http or https.
            headers: sent to the origin of ``url``; only harmless ones follow a redirect elsewhere.
            params: added to the query of ``url``.
            content: the body.
            json: the body as JSON, instead of ``content``.
            idempotency_key: sent as ``Idempotency-Key``; makes any method repeatable.
            as_is: 429, 502, 503 and 504 are answers too; for probes, which report what they see.
            follow_redirects: when false, a redirect is an answer.

        Raises:
            Refused: the guard does not let this be contacted, or the request is not one it sends.
            RateLimited: the service said 429 to the last attempt.
            Unavailable: no usable answer came.
            TooLarge: the answer is larger than the limit.
        """
        sent, body = _composed(headers, content, json, idempotency_key)
        ask = _Ask(
            method=_method(method),
            target=_target(url, params),
            headers=sent,
            body=body,
            repeatable=method in IDEMPOTENT or bool(idempotency_key),
            as_is=as_is,
            follow=follow_redirects,
        )
        loop = asyncio.get_running_loop()
        started = loop.time()
        deadline = asyncio.timeout_at(started + self._timeout.total_seconds())
        try:
            async with deadline:
                answer = await self._with_retries(ask, started)
                return replace(answer, elapsed=timedelta(seconds=loop.time() - started))
        except TimeoutError:
            if not deadline.expired():
                raise
        raise Unavailable(f"{ask.call} did not finish within {self._timeout.total_seconds():g} s")

    async def _with_retries(self, ask: _Ask, started: float) -> Response:
        attempt = 0
        while True:
            outcome = await self._follow(ask)
            if isinstance(outcome, Response):
                return outcome
            wait = self._wait(attempt, outcome)
            left = started + self._timeout.total_seconds() - asyncio.get_running_loop().time()
            if not (ask.repeatable and outcome.again) or attempt >= self._retries or wait >= left:
                raise outcome.error
            await self._sleep(wait)
            attempt += 1

    def _wait(self, attempt: int, failure: Failure) -> float:
        if failure.after is not None:
            return failure.after.total_seconds()
        return self._jitter(back_off(attempt))

    async def _follow(self, ask: _Ask) -> Response | Failure:
        for _ in range(self._max_redirects + 1):
            outcome = await self._send(ask)
            if not isinstance(outcome, _Ask):
                return outcome
            ask = outcome
        raise Refused(f"{ask.call}: more than {self._max_redirects} redirects")

    async def _send(self, ask: _Ask) -> Response | Failure | _Ask:
        """One hop: an answer, a failed attempt, or where the service sends us."""
        addresses = await self._checked(ask)
        if isinstance(addresses, Failure):
            return addresses
        try:
            answer = await self._transport.handle_async_request(self._prepare(ask, addresses))
            try:
                return await self._read(ask, answer)
            finally:
                await answer.aclose()
        except (httpx.TransportError, httpx.StreamError, OSError) as error:
            reason, again = _why(error)
        except Unpackable:
            reason, again = "the answer does not unpack as its Content-Encoding says", False
        return Failure(Unavailable(f"{ask.call}: {reason}"), again=again)

    def _prepare(self, ask: _Ask, addresses: tuple[str, ...]) -> httpx.Request:
        connect, whole = self._connect_timeout.total_seconds(), self._timeout.total_seconds()
        return httpx.Request(
            ask.method,
            ask.target.url,
            headers={
                "accept": "*/*",
                "accept-encoding": "gzip, deflate",
                "connection": "close",
                "user-agent": f"rung/{__version__}",
                **ask.headers,
            },
            content=ask.body,
            extensions={
                "timeout": {"connect": connect, "read": whole, "write": whole, "pool": whole},
                **pinned_to(addresses),
            },
        )

    async def _checked(self, ask: _Ask) -> tuple[str, ...] | Failure:
        """The addresses this hop may use: all that the host has, or nothing at all."""
        target = ask.target
        named = self._allow.names(target.host, target.port)
        worry = None if named else concern_about_name(target.host)
        if worry is not None:
            raise _refusal(ask, target.host, worry.reason)
        bad_port = concern_about_port(target.port)
        if bad_port is not None and not self._allow.opens(target.port):
            raise _refusal(ask, target.host, bad_port)
        if target.address is not None:
            found: tuple[str, ...] = (str(target.address),)
        else:
            try:
                found = tuple(await self._resolver(target.host, target.port))
            except (OSError, UnicodeError):
                found = ()
            if not found:
                return Failure(Unavailable(f"{ask.call}: the host name has no address"))
        return tuple(str(self._check(ask, text, named=named)) for text in found)

    def _check(self, ask: _Ask, text: str, *, named: bool) -> Address:
        target = ask.target
        address = read_address(text)
        if address is None:
            raise Refused(f"{ask.call}: the resolver gave something that is not an address")
        bad_port = concern_about_port(target.port)
        if bad_port is not None and not self._allow.opens_for(target.host, address, target.port):
            raise _refusal(ask, target.host, bad_port)
        worry = concern(address)
        if worry is None or self._allow.covers(address, target.port) or (named and worry.by_name):
            return address
        if target.address is None:
            raise _refusal(ask, f"{target.host} is {address}", worry.reason, listed=str(address))
        raise _refusal(ask, str(address), worry.reason)

    async def _read(self, ask: _Ask, answer: httpx.Response) -> Response | Failure | _Ask:
        status, headers = answer.status_code, answer.headers
        if ask.follow and status in _REDIRECTS and "location" in headers:
            return _redirected(ask, status, headers)
        if not ask.as_is:
            service = ask.target.host
            failure = judge(status, headers, service=service, call=ask.call, now=self._clock())
            if failure is not None:
                return failure
        body = b""
        if ask.method != "HEAD":
            body = await self._body(ask, answer)
        return Response(status, plain_headers(headers), body, str(ask.target.url), timedelta(0))

    async def _body(self, ask: _Ask, answer: httpx.Response) -> bytes:
        body = Body(
            encoding_of(answer.headers), limit=self._max_bytes, what=f"the answer of {ask.target.origin}"
        )
        announced = answer.headers.get("content-length", "")
        if announced.isdecimal():
            body.expect(int(announced))
        stream = answer.stream
        if not isinstance(stream, httpx.AsyncByteStream):
            raise TypeError("the transport must answer with an asynchronous stream")
        async for chunk in stream:
            body.take(chunk)
        return body.finish()


def _method(method: str) -> str:
    if method not in _METHODS:
        raise Refused(f"the method must be one of {', '.join(sorted(_METHODS))}")
    return method


def _target(url: str, params: Mapping[str, str]) -> Target:
    target = read_target(url)
    return replace(target, url=target.url.copy_merge_params(params)) if params else target


def _composed(
    headers: Mapping[str, str], content: bytes | None, json: Json, idempotency_key: str
) -> tuple[Mapping[str, str], bytes | None]:
    """The caller's headers and body, as they are sent."""
    sent = {_header_name(name): _header_value(name, value) for name, value in headers.items()}
    if idempotency_key:
        sent["idempotency-key"] = _header_value("idempotency-key", idempotency_key)
    if json is not None:
        if content is not None:
            raise TypeError("give content or json, not both")
        content = orjson.dumps(json)
        sent.setdefault("content-type", "application/json")
    return sent, content


def _header_name(name: str) -> str:
    if not _TOKEN.fullmatch(name):
        raise Refused("a header name holds a character that cannot stand in one")
    lower = name.lower()
    if lower in _OURS:
        raise Refused(f"the header {lower} is set by the client itself")
    return lower


def _header_value(name: str, value: str) -> str:
    if not _HEADER_VALUE.fullmatch(value):
        raise Refused(
            f"the value of header {name.lower()} holds a line break or another unprintable character"
        )
    return value


def _redirected(ask: _Ask, status: int, headers: httpx.Headers) -> _Ask:
    """The request that follows a redirect: checked like the first one, and poorer on another origin."""
    places = headers.get_list("location")
    refusal = ""
    try:
        target = follow(ask.target, places[0])
    except Refused as error:
        refusal = str(error)
    if refusal:
        raise Refused(f"{ask.call} redirects where it may not: {refusal}")
    if len(places) > 1:
        raise Refused(f"{ask.call} redirects to several places at once")
    if ask.target.scheme == "https" and target.scheme == "http":
        raise Refused(f"{ask.call} redirects from https to {target.origin}")
    method, body, sent = ask.method, ask.body, dict(ask.headers)
    to_get = (status == _SEE_OTHER and method != "HEAD") or (method == "POST" and status not in _KEEPING)
    if to_get:
        method, body = "GET", None
        sent = {name: value for name, value in sent.items() if not name.startswith("content-")}
    if target.origin != ask.target.origin:
        sent = {name: value for name, value in sent.items() if name in _HARMLESS}
    return replace(ask, method=method, target=target, headers=sent, body=body)


def _refusal(ask: _Ask, what: str, reason: str, *, listed: str = "") -> RungError:
    target = ask.target
    host = listed or target.host
    entry = f"[{host}]:{target.port}" if ":" in host else f"{host}:{target.port}"
    return Refused(f"{ask.call} is refused: {what}: {reason}; list {entry} if it is meant")


def _why(error: Exception) -> tuple[str, bool]:
    """What a transport's error means, in our words since its own may quote headers, and if to try again."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, ssl.SSLCertVerificationError):
            return f"its certificate is not accepted: {seen.verify_message}", False
        if isinstance(seen, ssl.SSLError):
            return "the TLS handshake failed", False
        seen = seen.__cause__ or seen.__context__
    return next(reason for kind, reason in _REASONS if isinstance(error, kind))
