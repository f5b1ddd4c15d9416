"""Names to addresses, and the transport that connects to the address that was checked, never to a name."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Sequence
from ipaddress import ip_address
from typing import TypeAlias

import httpx

_ADDRESSES = "rung.addresses"


Resolver: TypeAlias = Callable[[str, int], Awaitable[Sequence[str]]]
"""Host and port → its addresses, in the order to try them; ``OSError`` when it has none."""


async def resolve_with_system(host: str, port: int) -> Sequence[str]:
    """Ask the system's resolver, hosts file included."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    return list(dict.fromkeys(str(place[0]) for _, _, _, _, place in found))


def addresses_of(request: httpx.Request) -> tuple[str, ...]:
    """The checked addresses a request may be sent to; empty if it did not come from the guard."""
    found: tuple[str, ...] = request.extensions.get(_ADDRESSES, ())
    return found


def pinned_to(addresses: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """The request extension that carries the checked addresses to the transport."""
    return {_ADDRESSES: tuple(addresses)}


class PinnedTransport(httpx.AsyncBaseTransport):
    """Connects to the checked addresses in turn, with the name's own ``Host`` and TLS server name.

    Connections are not kept: one that was opened for a name is never lent to another name on the same
    address, whose certificate it did not show. No proxy of the environment is used.

    Args:
        tls: trust roots; the certificate and its name are always verified.
        max_connections: how many may be open at the same time.

    Raises:
        ValueError: ``tls`` does not verify certificates or names.
    """

    def __init__(self, tls: ssl.SSLContext | None = None, *, max_connections: int = 100) -> None:
        context = tls if tls is not None else httpx.create_ssl_context(trust_env=False)
        if context.verify_mode is not ssl.CERT_REQUIRED or not context.check_hostname:
            raise ValueError("the TLS context must require certificates and check host names")
        self._inner = httpx.AsyncHTTPTransport(
            verify=context,
            trust_env=False,
            limits=httpx.Limits(max_connections=max_connections, max_keepalive_connections=0),
        )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send to the first address that takes the connection."""
        addresses = addresses_of(request)
        if not addresses:
            raise httpx.ConnectError("no checked address")
        for address in addresses[:-1]:
            try:
                return await self._send(request, address)
            except (httpx.ConnectError, httpx.ConnectTimeout):
                continue  # nothing was sent yet; the next address may take it
        return await self._send(request, addresses[-1])

    async def _send(self, request: httpx.Request, address: str) -> httpx.Response:
        extensions = dict(request.extensions)
        if not _is_address(request.url.host):
            extensions["sni_hostname"] = request.url.host
        return await self._inner.handle_async_request(
            httpx.Request(
                request.method,
                request.url.copy_with(host=address),
                headers=request.headers,
                stream=request.stream,
                extensions=extensions,
            )
        )

    async def aclose(self) -> None:
        """Close what is still open."""
        await self._inner.aclose()


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
