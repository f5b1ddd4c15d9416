"""Which addresses and ports are not for a support tool to contact, each with the reason. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TypeAlias

Address: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class Concern:
    """Why an address is not contacted.

    ``by_name`` says that listing the host's name is enough to contact it all the same. Where it is false
    the address itself must be listed: a listed name that suddenly points at the metadata service is an
    attack, not an exception.
    """

    reason: str
    by_name: bool = True


def _table(rows: tuple[tuple[str, str, bool], ...]) -> tuple[tuple[Network, Concern], ...]:
    return tuple((ip_network(network), Concern(reason, by_name)) for network, reason, by_name in rows)


# First match wins, so the narrow ranges stand before the wide ones that hold them.
_RANGES = _table(
    (
        ("169.254.169.254/32", "the cloud metadata service", False),
        ("100.100.100.200/32", "the cloud metadata service", False),
        ("168.63.129.16/32", "the cloud metadata service", False),
        ("192.0.0.192/32", "the cloud metadata service", False),
        ("fd00:ec2::/32", "the cloud metadata service", False),
        ("fd20:ce::254/128", "the cloud metadata service", False),
        ("0.0.0.0/8", "an unspecified address", False),
        ("10.0.0.0/8", "a private address", True),
        ("100.64.0.0/10", "a carrier-grade NAT address", True),
        ("127.0.0.0/8", "a loopback address", True),
        ("169.254.0.0/16", "a link-local address", False),
        ("172.16.0.0/12", "a private address", True),
        ("192.0.0.0/24", "a reserved address", False),
        ("192.0.2.0/24", "a documentation address", True),
        ("192.88.99.0/24", "a reserved address", False),
        ("192.168.0.0/16", "a private address", True),
        ("198.18.0.0/15", "a benchmarking address", True),
        ("198.51.100.0/24", "a documentation address", True),
        ("203.0.113.0/24", "a documentation address", True),
        ("224.0.0.0/4", "a multicast address", False),
        ("255.255.255.255/32", "the broadcast address", False),
        ("240.0.0.0/4", "a reserved address", False),
        ("::/128", "an unspecified address", False),
        ("::1/128", "a loopback address", True),
        ("::/96", "an IPv4-compatible address", False),
        ("64:ff9b:1::/48", "a private address", True),
        ("fc00::/7", "a private address", True),
        ("fe80::/10", "a link-local address", False),
        ("fec0::/10", "a private address", True),
        ("ff00::/8", "a multicast address", False),
        ("2001:db8::/32", "a documentation address", True),
        ("3fff::/20", "a documentation address", True),
    )
)
_IETF = IPv6Network("2001::/23")
_TEREDO = IPv6Network("2001::/32")
_SIX_TO_FOUR = IPv6Network("2002::/16")
_NAT64 = IPv6Network("64:ff9b::/96")
_TRANSLATED = IPv6Network("::ffff:0:0:0/96")
_COMPATIBLE = IPv6Network("::/96")
_GLOBAL = IPv6Network("2000::/3")
_ISATAP = 0x00005EFE
_LOW_32 = 0xFFFF_FFFF
_RESERVED = Concern("a reserved address", by_name=False)


def read_address(text: str) -> Address | None:
    """The address a text writes, IPv4-mapped IPv6 as its IPv4; ``None`` for a name or a zone (``%eth0``)."""
    if "%" in text:
        return None
    try:
        address = ip_address(text)
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def _inside(address: IPv6Address) -> Iterator[tuple[str, IPv4Address]]:
    """Every IPv4 address that a tunnel or translator would unwrap from this one, with its wrapping."""
    number = int(address)
    if address.ipv4_mapped is not None:
        yield "IPv4-mapped", address.ipv4_mapped
    if address in _COMPATIBLE and number > 1:
        yield "IPv4-compatible", IPv4Address(number & _LOW_32)
    if address in _NAT64:
        yield "NAT64", IPv4Address(number & _LOW_32)
    if address in _TRANSLATED:
        yield "IPv4-translated", IPv4Address(number & _LOW_32)
    if address in _SIX_TO_FOUR:
        yield "6to4", IPv4Address((number >> 80) & _LOW_32)
    if address in _TEREDO:
        yield "Teredo", IPv4Address((number >> 64) & _LOW_32)
        yield "Teredo", IPv4Address((number & _LOW_32) ^ _LOW_32)
    if (number >> 32) & 0xFDFF_FFFF == _ISATAP:
        yield "ISATAP", IPv4Address(number & _LOW_32)


def concern(address: Address) -> Concern | None:
    """Why this address is not contacted unless listed; ``None`` when it is an ordinary public one."""
    if isinstance(address, IPv6Address):
        for kind, inner in _inside(address):
            found = concern(inner)
            if found is not None:
                return Concern(f"{kind} for {inner}, {found.reason}", found.by_name)
    for network, reason in _RANGES:
        if address in network:
            return reason
    if isinstance(address, IPv6Address):
        if address in _IETF and address not in _TEREDO:
            return _RESERVED
        if address not in _GLOBAL and address not in _NAT64 and address.ipv4_mapped is None:
            return _RESERVED
    return None


_REFUSED_NAMES = {
    "localhost": "a loopback name",
    "localhost.localdomain": "a loopback name",
    "ip6-localhost": "a loopback name",
    "ip6-loopback": "a loopback name",
    "metadata": "the cloud metadata service",
    "metadata.google.internal": "the cloud metadata service",
    "metadata.goog": "the cloud metadata service",
    "instance-data": "the cloud metadata service",
    "instance-data.ec2.internal": "the cloud metadata service",
}


def concern_about_name(host: str) -> Concern | None:
    """Why this name is not even resolved unless it is listed; the address check comes on top of it."""
    if host.endswith(".localhost"):
        return Concern("a loopback name")
    reason = _REFUSED_NAMES.get(host)
    return Concern(reason) if reason else None


HTTP_PORTS = frozenset({80, 443})
"""The ports below 1024 that may be contacted without being listed."""

OTHER_SERVICES = {
    1080: "SOCKS", 1433: "SQL Server", 1434: "SQL Server", 1521: "Oracle", 1719: "H.323", 1720: "H.323",
    1723: "PPTP", 1883: "MQTT", 2049: "NFS", 2181: "ZooKeeper", 2375: "Docker", 2376: "Docker",
    2379: "etcd", 2380: "etcd", 3128: "a proxy", 3306: "MySQL", 3389: "remote desktop",
    3659: "a password server", 4045: "NFS locks", 4190: "Sieve", 4369: "the Erlang port mapper",
    5060: "SIP", 5061: "SIP", 5222: "XMPP", 5269: "XMPP", 5432: "PostgreSQL", 5671: "AMQP", 5672: "AMQP",
    5900: "VNC", 5901: "VNC", 5985: "WinRM",
    5986: "WinRM", 6000: "X11", 6379: "Redis", 6380: "Redis", 6432: "PgBouncer", 6566: "SANE",
    6665: "IRC", 6666: "IRC", 6667: "IRC", 6668: "IRC", 6669: "IRC", 6697: "IRC", 8883: "MQTT",
    9042: "Cassandra", 9092: "Kafka", 9093: "Kafka", 9160: "Cassandra", 9300: "Elasticsearch transport",
    10080: "Amanda", 10250: "the kubelet", 10255: "the kubelet", 11211: "memcached", 25672: "RabbitMQ",
    26379: "Redis Sentinel", 27017: "MongoDB", 27018: "MongoDB", 27019: "MongoDB", 50000: "DB2",
}  # fmt: skip
"""Ports from 1024 on that belong to something which is not a web server; refused unless listed."""

_FIRST_FREE_PORT = 1024


def concern_about_port(port: int) -> str | None:
    """Why this port is not contacted unless listed with its number."""
    if port in OTHER_SERVICES:
        return f"port {port} belongs to {OTHER_SERVICES[port]}"
    if port < _FIRST_FREE_PORT and port not in HTTP_PORTS:
        return f"port {port} is not a web server's"
    return None
