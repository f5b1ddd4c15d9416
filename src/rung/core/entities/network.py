"""URLs, host names, addresses and ports.

A host name is also reported inside its URL or ``host:port``, since a service catalogue asks for it. File names,
module paths, package names and mail addresses look alike and are not hosts.
"""

# ruff: noqa: PLR2004 (lengths of codes, years, octets and issuers are what this file is about)

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import AddressValueError, IPv6Address

import re2

from rung.core.found import Extractor
from rung.model import EntityType

Found = tuple[EntityType, int, int]

# Two labels suffice with these: hardly any code or file name ends in them.
_PLAIN = (
    "com|org|net|io|dev|cloud|edu|gov|mil|biz|tech|online|site|store|shop|xyz|international|"
    "agency|digital|systems|solutions|"
    "network|software|company|services|host|website|blog|local|internal|svc|lan|corp|intranet|"
    "localdomain|localhost|consul|aws|goog|health|finance|bank|invalid|onmicrosoft"
)
# These are also file extensions, attributes or words: a country's or product's ending needs a sign beside it.
_DOUBTFUL = (
    "ai|app|co|info|me|us|uk|eu|de|fr|es|it|nl|be|ch|at|pl|ru|cn|jp|kr|br|in|au|ca|se|no|fi|dk|"
    "cz|pt|tr|mx|ar|cl|za|nz|sg|hk|"
    "tw|il|ie|ua|gr|hu|ro|gg|tv|to|so|ly|fm|cc|id|vn|th|my|ph|ae|sa|pe|sk|bg|hr|si|lt|lv|ee|lu|"
    "is|test|example|pub|page|run|team|"
    "work|zone|link|live|news|space|world|group|media|studio|design|email|mx|home"
)
# Country endings that are no word of English or of code: two labels suffice.
_COUNTRIES = frozenset(
    b"de fr nl ch eu ru cn jp kr br pl se uk cz dk fi pt tr au ca nz hk tw ie ua gr hu ai gg sk bg sg il".split()
)
_PLAIN_ENDINGS = frozenset(_PLAIN.encode().split(b"|"))
# Reversed domain names (Java packages, bundle ids) and objects whose attributes look like hosts.
_NOT_FIRST = frozenset(
    b"com org net io java javax jakarta sun scala kotlin android androidx dev self this window document process "
    b"console logger log req request res response ctx config settings options opts props state data user item "
    b"event module exports app args params obj error err e i o os sys np pd plt system math json".split()
)

# Repetitions that cross dots are bounded: else a long dotted text costs the square of its length.
# Quotes, brackets and anything beyond ASCII end a URL, except what redaction has masked in it.
_URL_BODY = r"(?:[!#-&(-;=?-Z_a-z~]|•)"
_NET = re2.compile(
    "|".join(
        (
            rf"\b[A-Za-z][A-Za-z0-9+-]*://(?:\[[0-9A-Fa-f:.]+\])?{_URL_BODY}*",
            rf"\b(?:[A-Za-z0-9_](?:[\w-]*[A-Za-z0-9_])?\.){{1,9}}(?:{_PLAIN}|{_DOUBTFUL})\b(?::\d{{2,5}}\b)?",
            r"\b\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}\b(?::\d{1,5}\b)?",
            r"\blocalhost\b(?::\d{2,5}\b)?",
            r"\[[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*\](?::\d{1,5}\b)?",
            r"\b(?:[0-9A-Fa-f]{1,4}:){1,6}(?::[0-9A-Fa-f]{1,4}){1,6}\b|\b(?:[0-9A-Fa-f]{1,4}:){7}[0-9A-Fa-f]{1,4}\b",
            (
                r"\b(?:redis|postgres|postgresql|pg|mysql|mariadb|mongo|mongodb|rabbitmq|kafka|"
                r"elasticsearch|opensearch|memcached|"
                r"zookeeper|cassandra|clickhouse|db|database|cache|minio|consul|etcd|nats|vault|ldap|"
                r"smtp)(?:-[\w-]+)?:\d{3,5}\b"
            ),
        )
    )
)
_NAMED_HOST = re2.compile(
    r"(?:(?i:\bhost(?:[ _-]?name)?)[\\\"']*(?:\s*[:=]\s*|\s+)[\\\"'`]+|(?i:\bhost(?:_?name)?)=|"
    r"\bENOTFOUND |\bEAI_AGAIN |"
    r"(?i:could not resolve host|unknown host|name resolution of|no such host|lookup|"
    r"UnknownHostException)[: ]+[\"'`]?)"
    r"([A-Za-z0-9](?:[\w.-]*[A-Za-z0-9])?)"
)


def _host_span(data: bytes, start: int, end: int) -> tuple[int, int, int]:
    """Start and end of the host in the URL ``data[start:end]`` and the end of its port (of the host if none)."""
    left = data.index(b"://", start, end) + 3
    authority = data[left:end].split(b"/", 1)[0].split(b"?", 1)[0].split(b"#", 1)[0]
    right = left + len(authority)
    left += authority.rfind(b"@") + 1
    colon = data.find(b":", max(left, data.rfind(b"]", left, right)), right)
    return (left, right, right) if colon < 0 else (left, colon, right)


_OPENING = {b")": b"(", b"]": b"["}


def _trimmed(data: bytes, start: int, end: int) -> int:
    """The end of a URL without the punctuation of the sentence around it."""
    while end > start:
        last = data[end - 1 : end]
        if last in _OPENING:
            if data.count(_OPENING[last], start, end) >= data.count(last, start, end):
                break
        elif last not in b".,;:!?*_":
            break
        end -= 1
    return end


def _octets(address: bytes) -> bool:
    return all(int(part) < 256 for part in address.split(b"."))


def _in_url(data: bytes, start: int, end: int) -> Iterator[Found]:
    if not data[end - 1 : end].isalnum():
        end = _trimmed(data, start, end)
    if data.find(b"://", start, end) < 0:
        return
    left, right, port_end = _host_span(data, start, end)
    host = data[left:right]
    if not host.strip(b"[]:.-") or b"$" in host:
        return
    yield "url", start, end
    with_port = port_end > right + 1 and data[right + 1 : port_end].isdigit()
    if with_port:
        yield "ip_port", left, port_end
    if host == b"localhost" or b"." in host or host[:1] == b"[":
        named = host[:1] != b"[" and not host.replace(b".", b"").isdigit()
        if named or not with_port:
            yield "host", left, right


def _named_as_version(data: bytes, start: int, address: bytes) -> bool:
    """Whether the word before four numbers makes them a version: ``version 10.0.0.1``, ``Piper 2.9.10.4``.

    Addresses that customers write seldom begin with a number below 20 other than 10.
    """
    before = data[max(0, start - 24) : start].lower().rstrip(b" :=\"'v")
    word = before.rsplit(maxsplit=1)[-1].lstrip(b"\"'([{<*`") if before else b""
    if word.endswith((b"version", b"driver", b"sdk")) or word == b"ver":
        return True
    low = int(address.split(b".", 1)[0]) < 20 and not address.startswith(b"10.")
    return low and word.isalpha() and word not in _BEFORE_ADDRESS and address not in _PUBLIC_DNS


_BEFORE_ADDRESS = frozenset(
    b"ip ips address addresses adresse host server client node gateway router dns resolver peer proxy from to at on "
    b"by via and or is with for ping pinging trace traceroute connect connecting curl nslookup dig allow deny block "
    b"range".split()
)
_PUBLIC_DNS = frozenset((b"1.1.1.1", b"1.0.0.1", b"8.8.8.8", b"8.8.4.4", b"9.9.9.9", b"4.2.2.2"))


def _address(data: bytes, start: int, end: int) -> Iterator[Found]:
    """A dotted IPv4 address, with or without a port; longer dotted numbers are versions."""
    if data[start - 1 : start] in (b".", b"-", b"v", b"V") or (
        data[end : end + 1] in (b".", b"-") and data[end + 1 : end + 2].isalnum()
    ):
        return
    address, _, port = data[start:end].partition(b":")
    if not _octets(address):
        return
    if port:
        yield "ip_port", start, end
    elif not _named_as_version(data, start, address):
        yield "host", start, end


def _looks_like_host(data: bytes, start: int, name_end: int, end: int) -> bool:
    """Whether a dotted name that ends like a domain is one, judged by itself and its neighbours."""
    before, after = data[start - 1 : start], data[end : end + 1]
    if before in (b"@", b".", b"/", b"\\", b"$", b"-", b"#", b"%") and start:
        return False
    if after in (b"(", b"@", b"_", b"[", b"-", b"=") or (after == b"." and data[end + 1 : end + 2].isalnum()):
        return False
    labels = data[start:name_end].split(b".")
    if labels[0].lower() in _NOT_FIRST and len(labels) != 2:
        return False
    if labels[-1] in _PLAIN_ENDINGS:
        return labels[0] not in _NOT_FIRST and b"_" not in labels[-2]
    name = data[start:name_end]
    if name != name.lower() or b"_" in name or labels[0] in _NOT_FIRST:
        return False
    if len(labels) > 2 or end > name_end or after == b"/":
        return True
    return (
        labels[-1] in _COUNTRIES
        and len(labels[0]) > 3
        and not data[end : end + 3].strip().startswith((b"=", b"("))
    )


def _named(data: bytes, start: int, end: int) -> Iterator[Found]:
    colon = data.find(b":", start, end)
    name_end = end if colon < 0 else colon
    name = data[start:name_end]
    if b"." in name and not _looks_like_host(data, start, name_end, end):
        return
    if data[start - 1 : start] in (b"@", b".", b"-") and start and b"." not in name:
        return
    if colon >= 0:
        yield "ip_port", start, end
        if b"." in name or name == b"localhost":
            yield "host", start, name_end
    else:
        yield "host", start, end


def _bracketed(data: bytes, start: int, end: int) -> Iterator[Found]:
    close = data.find(b"]", start, end)
    inner_start, inner_end = (start + 1, close) if close >= 0 else (start, end)
    if close < 0 and data[start:end].replace(b":", b"").isalpha():
        return  # a::b is a name in C++ and Ruby
    try:
        IPv6Address(data[inner_start:inner_end].decode())
    except AddressValueError:
        return
    if close >= 0 and close + 1 < end:
        yield "ip_port", start, end
    else:
        yield "host", inner_start, inner_end


def addresses(data: bytes) -> Iterator[Found]:
    """URLs with the host or host:port in them, host names, IP addresses and host:port pairs."""
    for found in _NET.finditer(data):
        start, end = found.span()
        text = data[start:end]
        if b"://" in text:
            yield from _in_url(data, start, end)
        elif text.startswith(b"[") or text.count(b":") > 1:
            yield from _bracketed(data, start, end)
        elif text.replace(b".", b"").replace(b":", b"").isdigit():
            yield from _address(data, start, end)
        else:
            yield from _named(data, start, end)


def named_hosts(data: bytes) -> Iterator[Found]:
    """Names that the words before them make hosts: ``host: "orders-db"``, ``getaddrinfo ENOTFOUND redis``."""
    for found in _NAMED_HOST.finditer(data):
        start, end = found.span(1)
        name = data[start:end]
        if end - start > 1 and not name.isdigit() and data[end : end + 1] != b"(":
            yield "host", start, end


NETWORK = (
    Extractor(
        "network",
        rf"://|[\w-]\.(?:{_PLAIN}|{_DOUBTFUL})\b|\d\.\d{{1,3}}\.\d{{1,3}}\.\d|\blocalhost\b|"
        rf"\[[0-9A-Fa-f]*:[0-9A-Fa-f:.]*\]|"
        r"\b[0-9A-Fa-f]{1,4}::?[0-9A-Fa-f]{1,4}:|[a-z]:\d{3,5}\b|[0-9A-Fa-f]::[0-9A-Fa-f]",
        addresses,
    ),
    Extractor(
        "named_host",
        r"(?i)\bhost(?:[ _-]?name)?(?:[\\\"']*(?:\s*[:=]\s*|\s+)[\\\"'`]|=)|ENOTFOUND|EAI_AGAIN|"
        r"resolve host|unknown ?host|"
        r"resolution of|such host|\blookup\b",
        named_hosts,
    ),
)
