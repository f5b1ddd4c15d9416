"""The service catalogue: host, CIDR and port → service → team (M6: is it the network, a database, a deployment?)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from rung.core.rules import Service
from rung.model import Entity

_HIGHEST_PORT = 65535


def _glob(pattern: str) -> re.Pattern[str]:
    return re.compile("".join(".*" if c == "*" else re.escape(c) for c in pattern.lower()))


class Catalogue:
    """Looks up which catalogued service an address in a ticket belongs to; the first in the catalogue wins."""

    def __init__(self, services: Sequence[Service]) -> None:
        self._services = tuple(
            (
                service,
                tuple(_glob(h) for h in service.hosts),
                tuple(ip_network(n, strict=False) for n in service.networks),
            )
            for service in services
        )

    def find(self, entity: Entity) -> Service | None:
        """The service that a ``host``, ``ip_port`` or ``url`` entity names, if any."""
        if not self._services:
            return None
        address = _address(entity)
        if address is None:
            return None
        host, port = address
        number = _as_ip(host)
        for service, hosts, networks in self._services:
            if (
                service.ports
                and port not in service.ports
                and not (port is None and hosts and number is None)
            ):
                continue
            if any(h.fullmatch(host) for h in hosts):
                return service
            if number is not None and any(number in n for n in networks if n.version == number.version):
                return service
        return None


def _as_ip(host: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None


def _address(entity: Entity) -> tuple[str, int | None] | None:
    """Host (lower case, no brackets) and port of an entity."""
    value = entity.value.lower()
    if entity.type == "url":
        value = value.split("://", 1)[-1]
        for end in "/?#":
            value = value.split(end, 1)[0]
        value = value.rsplit("@", 1)[-1]
    elif entity.type not in ("host", "ip_port"):
        return None
    if value.startswith("["):
        host, _, rest = value[1:].partition("]")
        port = rest.removeprefix(":")
    elif value.count(":") == 1:
        host, _, port = value.partition(":")
    else:
        host, port = value, ""
    valid = port.isascii() and port.isdigit() and len(port) <= 5 and int(port) <= _HIGHEST_PORT  # noqa: PLR2004 # digits of 65535
    return host, int(port) if valid else None
