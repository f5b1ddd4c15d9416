"""What the operator lists: hosts and networks that may be contacted although the guard would refuse them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import ip_network

import httpx

from rung.errors import Malformed
from rung.outgoing.addresses import Address, Network

_NAME = re.compile(
    r"(?=.{1,253}\Z)(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)*[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
)
_ENTRY = re.compile(r"(?:\[(?P<six>[^\]]+)\]|(?P<other>[^:\[\]]+))(?::(?P<port>[0-9]{1,5}))?")
_MANY = 2
_LAST_PORT = 65_535
_FORMS = "a host, *.domain, address or network, with :port where needed, e.g. helpdesk.corp.example:8443"


def normal_name(text: str) -> str | None:
    """A host name as it is compared and sent: lower case, IDNA, without its last dot; ``None`` if not one."""
    name = text.lower()
    name = name.removesuffix(".")
    if not name.isascii():
        try:
            name = httpx.URL(scheme="http", host=name).raw_host.decode("ascii")
        except httpx.InvalidURL:
            return None
    return name if _NAME.fullmatch(name) else None


@dataclass(frozen=True, slots=True)
class _Listed:
    """One entry; ``port`` is ``None`` where every ordinary web port is meant."""

    name: str
    network: Network | None
    port: int | None

    def fits_port(self, port: int) -> bool:
        return self.port is None or self.port == port

    def fits_name(self, host: str) -> bool:
        if self.name.startswith("*."):
            return host.endswith(self.name[1:])
        return bool(self.name) and host == self.name


@dataclass(frozen=True, slots=True)
class Allowlist:
    """The operator's exceptions; empty by default, which leaves the public web.

    Build it with ``Allowlist.of("10.2.0.0/16", "helpdesk.corp.example:8443", "[fd00::/8]:443")``. An entry
    without a port is good for the web ports the guard allows anyway; one with a port is good for that port
    alone, whichever it is.
    """

    listed: tuple[_Listed, ...] = ()

    @classmethod
    def of(cls, *entries: str) -> Allowlist:
        """Read entries as an operator writes them.

        Raises:
            Malformed: an entry is not one of the forms, or would switch the guard off.
        """
        return cls(tuple(_read(entry.strip()) for entry in entries))

    @classmethod
    def reading(cls, entries: Iterable[str]) -> Allowlist:
        """The same from one setting: entries separated by commas or white space are split first."""
        return cls.of(*(part for entry in entries for part in re.split(r"[,\s]+", entry) if part))

    def names(self, host: str, port: int) -> bool:
        """Whether this host name (in its normal form) is listed for this port."""
        return any(entry.fits_name(host) and entry.fits_port(port) for entry in self.listed)

    def covers(self, address: Address, port: int) -> bool:
        """Whether a listed address or network holds this address, for this port."""
        return any(
            entry.network is not None and address in entry.network and entry.fits_port(port)
            for entry in self.listed
        )

    def opens(self, port: int) -> bool:
        """Whether any entry names this very port, so that a host must be looked up to know more."""
        return any(entry.port == port for entry in self.listed)

    def opens_for(self, host: str, address: Address, port: int) -> bool:
        """Whether this very port is named for the host or for the address."""
        return any(
            entry.port == port
            and (entry.fits_name(host) or (entry.network is not None and address in entry.network))
            for entry in self.listed
        )


def _read(entry: str) -> _Listed:
    written, port = entry, None
    # More than one colon and no bracket is an IPv6 address or network without a port.
    if entry.count(":") < _MANY or entry.startswith("["):
        parts = _ENTRY.fullmatch(entry)
        if parts is None:
            raise Malformed(f"expected {_FORMS}; found {entry!r}", where="allowlist")
        written = parts["six"] or parts["other"]
        port = int(parts["port"]) if parts["port"] else None
    if port is not None and not 0 < port <= _LAST_PORT:
        raise Malformed(f"expected a port from 1 to {_LAST_PORT}; found {entry!r}", where="allowlist")
    return _named(written, port, entry)


def _named(written: str, port: int | None, entry: str) -> _Listed:
    if "%" not in written and ("/" in written or ":" in written or written.replace(".", "").isdigit()):
        try:
            network = ip_network(written)
        except ValueError as error:
            raise Malformed(f"{error}; expected {_FORMS}", where="allowlist") from None
        if network.prefixlen == 0:
            raise Malformed(f"{entry!r} would switch the guard off; list what is needed", where="allowlist")
        return _Listed("", network, port)
    stem = written.removeprefix("*.")
    name = normal_name(stem)
    if name is None:
        raise Malformed(f"expected {_FORMS}; found {entry!r}", where="allowlist")
    return _Listed(f"*.{name}" if stem != written else name, None, port)
