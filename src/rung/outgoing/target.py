"""From the text of a URL to the one host and port it means, or a refusal. Pure."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass

import httpx

from rung.errors import Refused
from rung.outgoing.addresses import Address, read_address
from rung.outgoing.allowlist import normal_name

_DEFAULT_PORTS = {"http": 80, "https": 443}
_AUTHORITY = re.compile(r"[^:/?#]*:?//([^/?#]*)")
_UNFIT = re.compile(r"[\x00-\x1f\x7f\\]")
_NUMBER = re.compile(r"[0-9]+|0[xX][0-9a-fA-F]*")
_DOTTED = re.compile(r"(?:(?:0|[1-9][0-9]{0,2})\.){3}(?:0|[1-9][0-9]{0,2})")
_LAST_PORT = 65_535


@dataclass(frozen=True, slots=True)
class Target:
    """Where a request goes. ``address`` is set when the URL wrote an address instead of a name."""

    url: httpx.URL
    host: str
    port: int
    address: Address | None

    @property
    def scheme(self) -> str:
        """``http`` or ``https``."""
        return self.url.scheme

    @property
    def origin(self) -> str:
        """Scheme, host and port: all that a message may say of a URL, since paths carry tokens too."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port == _DEFAULT_PORTS[self.scheme] else f":{self.port}"
        return f"{self.scheme}://{host}{port}"


def read_target(text: str) -> Target:
    """Read an absolute URL.

    Raises:
        Refused: another scheme, credentials in it, or a host that two programs could read differently.
    """
    if _UNFIT.search(text):
        raise Refused("the URL holds a control character or a backslash")
    authority = _AUTHORITY.match(text)
    if authority is not None and "@" in authority[1]:
        raise Refused("the URL carries credentials; give them as a header")
    return _target(_parsed(text))


def follow(target: Target, location: str) -> Target:
    """Read the place a redirect names, which may be relative.

    Raises:
        Refused: as ``read_target``.
    """
    if _UNFIT.search(location):
        raise Refused("the redirect holds a control character or a backslash")
    authority = _AUTHORITY.match(location)
    if authority is not None and "@" in authority[1]:
        raise Refused("the redirect carries credentials")
    return _target(_parsed(location, base=target.url))


def _parsed(text: str, *, base: httpx.URL | None = None) -> httpx.URL:
    url: httpx.URL | None = None
    # Refused out here so that the library's error, which quotes the text, is not chained to ours.
    with suppress(httpx.InvalidURL, ValueError):
        url = httpx.URL(text) if base is None else base.join(text)
    if url is None:
        raise Refused("the URL is not valid; its host, port or characters cannot be read in one way only")
    return url


def _target(url: httpx.URL) -> Target:
    if url.scheme not in _DEFAULT_PORTS:
        raise Refused("only http and https URLs are contacted")
    if url.userinfo:
        raise Refused("the URL carries credentials; give them as a header")
    port = url.port if url.port is not None else _DEFAULT_PORTS[url.scheme]
    if not 0 < port <= _LAST_PORT:
        raise Refused("the URL's port is not one")
    host, address = _host(url.raw_host.decode("ascii"))
    return Target(url.copy_with(host=host, fragment=None), host, port, address)


def _host(written: str) -> tuple[str, Address | None]:
    if ":" in written:
        address = read_address(written)
        if address is None:
            raise Refused("the URL's IPv6 address cannot be read, or names a network interface")
        return written.lower(), address
    name = normal_name(written)
    if name is None:
        raise Refused("the URL's host is not a host name")
    # A last label of digits can only be an address; resolvers also read octal, hexadecimal and short forms,
    # and not all alike, so there is one spelling.
    if _NUMBER.fullmatch(name.rpartition(".")[2]) is None:
        return name, None
    address = read_address(name) if _DOTTED.fullmatch(name) else None
    if address is None:
        raise Refused("an IPv4 address must be written as four decimal numbers, without leading zeros")
    return name, address
