"""What the guard refuses before a single byte is sent, in every spelling, and what a listed exception opens."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from ipaddress import IPv4Address, IPv4Network, IPv6Address

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rung.errors import Malformed, Refused, Unavailable
from rung.outgoing import Allowlist, Outgoing, Resolver, addresses_of

PUBLIC = "93.184.216.34"


def names(table: dict[str, Sequence[str]]) -> Resolver:
    """A resolver that knows these names only."""

    async def resolve(host: str, port: int) -> Sequence[str]:
        assert port > 0
        if host not in table:
            raise OSError(f"no such name: {host}")
        return table[host]

    return resolve


class Line:
    """Stands where the sockets stand and notes what would have been sent, and to which addresses."""

    def __init__(self) -> None:
        self.sent: list[httpx.Request] = []

    def answer(self, request: httpx.Request) -> httpx.Response:
        """Note the request; everything is well."""
        self.sent.append(request)
        return httpx.Response(200, content=b"ok")

    def outgoing(self, *listed: str, resolver: Resolver | None = None) -> Outgoing:
        """A client on this line with these exceptions; unknown names are public."""

        async def public(_host: str, _port: int) -> Sequence[str]:
            return [PUBLIC]

        return Outgoing(
            Allowlist.of(*listed),
            clock=lambda: datetime(2026, 11, 22, 3, tzinfo=UTC),
            retries=0,
            resolver=resolver or public,
            transport=httpx.MockTransport(self.answer),
        )


REFUSED_URLS = [
    # private, loopback, link-local, shared, special
    "http://10.0.0.1/",
    "http://172.16.0.1/",
    "http://172.31.255.255/",
    "http://192.168.1.1/",
    "http://127.0.0.1/",
    "http://127.255.255.254/",
    "http://100.64.0.1/",
    "http://100.127.255.255/",
    "http://169.254.1.1/",
    "http://0.0.0.0/",
    "http://0.1.2.3/",
    "http://192.0.0.1/",
    "http://192.0.2.1/",
    "http://198.18.0.1/",
    "http://198.51.100.1/",
    "http://203.0.113.1/",
    "http://192.88.99.1/",
    "http://224.0.0.1/",
    "http://239.255.255.250/",
    "http://240.0.0.1/",
    "http://255.255.255.255/",
    # metadata services
    "http://169.254.169.254/latest/meta-data/",
    "http://100.100.100.200/",
    "http://168.63.129.16/",
    "http://192.0.0.192/",
    "http://[fd00:ec2::254]/",
    "http://[fd20:ce::254]/",
    "http://metadata.google.internal/computeMetadata/v1/",
    "http://METADATA.google.internal./",
    "http://metadata/",
    "http://instance-data/",
    "http://localhost/",
    "http://localhost./",
    "http://a.localhost/",
    # IPv6
    "http://[::]/",
    "http://[::1]/",
    "http://[0:0:0:0:0:0:0:1]/",
    "http://[fe80::1]/",
    "http://[fe80::1%25eth0]/",
    "http://[fe80::1%eth0]/",
    "http://[fc00::1]/",
    "http://[fd12:3456::1]/",
    "http://[fec0::1]/",
    "http://[ff02::1]/",
    "http://[2001:db8::1]/",
    "http://[3fff::1]/",
    "http://[2001:10::1]/",
    "http://[4000::1]/",
    "http://[100::1]/",
    "http://[64:ff9b:1::a00:1]/",
    # IPv4 inside IPv6
    "http://[::ffff:127.0.0.1]/",
    "http://[::ffff:7f00:1]/",
    "http://[0:0:0:0:0:ffff:169.254.169.254]/",
    "http://[::127.0.0.1]/",
    "http://[::10.0.0.1]/",
    "http://[::ffff:0:127.0.0.1]/",
    "http://[64:ff9b::127.0.0.1]/",
    "http://[64:ff9b::a9fe:a9fe]/",
    "http://[2002:7f00:1::]/",
    "http://[2002:a9fe:a9fe::1]/",
    "http://[2001:0:7f00:1::1]/",  # Teredo server on loopback
    "http://[2001:0:5db8:d822:0:0:80ff:fffe]/",  # Teredo client 127.0.0.1
    "http://[2606:4700::5efe:10.0.0.1]/",  # ISATAP
    # other spellings of IPv4
    "http://2130706433/",
    "http://0x7f000001/",
    "http://0X7F.1/",
    "http://017700000001/",
    "http://0177.0.0.1/",
    "http://0177.0.0.01/",
    "http://127.1/",
    "http://127.0.1/",
    "http://127.0.0.1./",
    "http://127.0.0.1../",
    "http://0/",
    "http://0x/",
    "http://1.2.3.256/",
    "http://1.2.3.4.5/",
    "http://93.184.55330/",  # public, and still not the one spelling
    "http://00000000000000000000000000000000000000000177.1/",
    # digits and dots of other scripts, and percent-encoding
    "http://１２７.０.０.１/",
    "http://127。0。0。1/",
    "http://①②⑦.0.0.1/",
    "http://%31%32%37.0.0.1/",
    "http://127%2e0.0.1/",
    # credentials
    "http://user:hunter2@example.com/",
    "http://user@example.com/",
    "http://@example.com/",
    "http://example.com:80@127.0.0.1/",
    "http://example.com@169.254.169.254/",
    # schemes and shapes
    "ftp://example.com/",
    "file:///etc/passwd",
    "gopher://example.com/_",
    "javascript:alert(1)",
    "//example.com/",
    "/path",
    "",
    "http://",
    "http:///path",
    "http:example.com",
    "https:\\\\example.com",
    "http://example.com\\@127.0.0.1/",
    "http://example.com/\r\nX-Injected: 1",
    "http://exam\tple.com/",
    "http://exa mple.com/",
    "http://-a.example/",
    "http://a..example/",
    "http://example.com:0/",
    "http://example.com:65536/",
    "http://example.com:80:80/",
    "http://[::1/",
    "http://[v1.fe]/",
    # ports of other services
    "http://example.com:22/",
    "http://example.com:25/",
    "http://example.com:2375/",
    "http://example.com:5432/",
    "http://example.com:6379/",
    "http://example.com:11211/",
    "http://example.com:27017/",
]


@pytest.mark.parametrize("url", REFUSED_URLS)
async def test_a_hostile_url_is_refused_and_nothing_is_sent(url: str) -> None:
    """Every trick spelling ends before the transport, whatever a resolver would say."""
    line = Line()
    with pytest.raises(Refused):
        await line.outgoing().get(url)
    assert line.sent == []


@pytest.mark.parametrize(
    ("url", "address", "host"),
    [
        ("https://api.example.com/v1?x=1#part", PUBLIC, "api.example.com"),
        ("https://API.Example.COM./v1", PUBLIC, "api.example.com"),
        ("https://bücher.example/", PUBLIC, "xn--bcher-kva.example"),
        ("http://93.184.216.34/", PUBLIC, "93.184.216.34"),
        ("http://93.184.216.34./", PUBLIC, "93.184.216.34"),
        ("http://[::ffff:93.184.216.34]/", PUBLIC, "[::ffff:93.184.216.34]"),
        ("http://[2606:2800:220:1::1]:8080/", "2606:2800:220:1::1", "[2606:2800:220:1::1]:8080"),
        ("http://[64:ff9b::5db8:d822]/", "64:ff9b::5db8:d822", "[64:ff9b::5db8:d822]"),
        ("https://example.com:8443/", PUBLIC, "example.com:8443"),
        ("https://a_b.example/", PUBLIC, "a_b.example"),
    ],
)
async def test_a_public_url_goes_to_its_checked_address(url: str, address: str, host: str) -> None:
    """The request carries the checked address beside the original host."""
    line = Line()
    await line.outgoing().get(url)
    assert [(address,)] == [addresses_of(request) for request in line.sent]
    assert [host] == [request.headers["host"] for request in line.sent]


@pytest.mark.parametrize(
    "answer",
    [["10.0.0.5"], [PUBLIC, "127.0.0.1"], ["::1", PUBLIC], ["::ffff:10.0.0.1"], ["fe80::1%2"], ["nonsense"]],
)
async def test_a_name_with_one_bad_address_is_refused_whole(answer: list[str]) -> None:
    """A mixture of public and private addresses is an attack or an accident; neither is contacted."""
    line = Line()
    outgoing = line.outgoing(resolver=names({"mixed.example": answer}))
    with pytest.raises(Refused):
        await outgoing.get("https://mixed.example/")
    assert line.sent == []


@pytest.mark.parametrize("table", [{}, {"gone.example": []}])
async def test_a_name_without_address_is_unavailable(table: dict[str, Sequence[str]]) -> None:
    """A name that does not resolve may do so later."""
    with pytest.raises(Unavailable, match=r"GET https://gone\.example: the host name has no address"):
        await Line().outgoing(resolver=names(table)).get("https://gone.example/")


@pytest.mark.parametrize(
    ("listed", "url"),
    [
        (["10.0.0.0/8"], "http://10.1.2.3/"),
        (["10.0.0.0/8"], "http://10.1.2.3:8080/"),
        (["10.1.2.3"], "http://10.1.2.3/"),
        (["10.1.2.3:8080"], "http://10.1.2.3:8080/"),
        (["10.1.2.3"], "http://[::ffff:10.1.2.3]/"),
        (["helpdesk.corp.example"], "https://helpdesk.corp.example/"),
        (["HELPDESK.corp.example."], "https://helpdesk.corp.example/"),
        (["*.corp.example:8443"], "https://helpdesk.corp.example:8443/"),
        (["10.0.0.0/8"], "https://helpdesk.corp.example/"),
        (["[fd00::/8]:443"], "https://[fd12::1]/"),
        (["fd00::/8"], "https://[fd12::1]/"),
        (["[fd12::1]:8443"], "https://[fd12::1]:8443/"),
        (["127.0.0.1"], "http://127.0.0.1/"),
        (["169.254.169.254"], "http://169.254.169.254/"),
        (["10.0.0.0/8:5432"], "http://10.1.2.3:5432/"),
        (["api.example.com:22"], "http://api.example.com:22/"),
        (["bücher.corp.example"], "https://xn--bcher-kva.corp.example/"),
        (["localhost", "127.0.0.1:3000"], "http://localhost/"),
    ],
)
async def test_a_listed_exception_is_contacted(listed: list[str], url: str) -> None:
    """What the operator lists by host, address or network goes through."""
    line = Line()
    private = names(
        {
            "helpdesk.corp.example": ["10.1.2.3"],
            "xn--bcher-kva.corp.example": ["10.1.2.3"],
            "api.example.com": [PUBLIC],
            "localhost": ["127.0.0.1", "::1"],
        }
    )
    await line.outgoing(*listed, resolver=private).get(url)
    assert len(line.sent) == 1


@pytest.mark.parametrize(
    ("listed", "url"),
    [
        (["10.1.2.3:8080"], "http://10.1.2.3/"),
        (["10.1.2.3"], "http://10.1.2.4/"),
        (["10.1.2.3"], "http://10.1.2.3:5432/"),
        (["*.corp.example"], "https://corp.example/"),
        (["*.corp.example"], "https://evilcorp.example/"),
        (["corp.example"], "https://helpdesk.corp.example/"),
        (["helpdesk.corp.example"], "https://10.1.2.3/"),
        (["helpdesk.corp.example:8443"], "https://helpdesk.corp.example/"),
        (["127.0.0.1"], "http://2130706433/"),
        (["127.0.0.1"], "http://127.1/"),
        (["127.0.0.1:9000"], "http://localhost:9000/"),
        (["stolen.corp.example"], "http://stolen.corp.example/"),
        (["stolen.corp.example"], "http://user:pw@stolen.corp.example/"),
        (["metadata.google.internal"], "http://metadata.google.internal/"),
        (["10.0.0.1"], "http://[64:ff9b::10.0.0.1]/"),
    ],
)
async def test_an_exception_opens_no_more_than_it_says(listed: list[str], url: str) -> None:
    """Another port, neighbour, spelling, or a listed name that turns to the metadata service stays shut."""
    line = Line()
    private = names(
        {
            "corp.example": ["10.1.2.3"],
            "helpdesk.corp.example": ["10.1.2.3"],
            "evilcorp.example": ["10.1.2.3"],
            "localhost": ["127.0.0.1"],
            "stolen.corp.example": ["169.254.169.254"],
            "metadata.google.internal": ["169.254.169.254"],
        }
    )
    with pytest.raises(Refused):
        await line.outgoing(*listed, resolver=private).get(url)
    assert line.sent == []


async def test_a_refusal_says_what_was_found_and_what_to_list() -> None:
    """The operator reads the reason, and the entry that would open it."""
    outgoing = Line().outgoing(resolver=names({"helpdesk.corp.example": ["10.1.2.3"]}))
    with pytest.raises(Refused) as told:
        await outgoing.get("https://helpdesk.corp.example/token/abc?key=def")
    assert str(told.value) == (
        "GET https://helpdesk.corp.example is refused: helpdesk.corp.example is 10.1.2.3: a private address; "
        "list 10.1.2.3:443 if it is meant"
    )


@pytest.mark.parametrize(
    "entry",
    ["", "*", "0.0.0.0/0", "::/0", "10.0.0.1/8", "10.0.0.256", "host:0", "host:99999", "host:http", "a b", "[::1",
     "fe80::1%eth0", "http://x"],
)  # fmt: skip
def test_an_entry_that_cannot_be_meant_is_refused(entry: str) -> None:
    """Typing mistakes and entries that would switch the guard off are named, not guessed at."""
    with pytest.raises(Malformed, match="allowlist"):
        Allowlist.of(entry)


def test_a_setting_lists_several_entries_at_once() -> None:
    """One environment variable holds the whole list."""
    assert Allowlist.reading(["10.0.0.0/8, a.example:8443  b.example"]) == Allowlist.of(
        "10.0.0.0/8", "a.example:8443", "b.example"
    )


PRIVATE = ("10.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10")


@st.composite
def private_ipv4(draw: st.DrawFn) -> IPv4Address:
    """Any address of a private range."""
    network = IPv4Network(draw(st.sampled_from(PRIVATE)))
    return network[draw(st.integers(0, network.num_addresses - 1))]


def _part(draw: st.DrawFn, number: int) -> str:
    """One number as inet_aton reads it: decimal, octal or hexadecimal, with leading zeros."""
    style = draw(st.sampled_from(["decimal", "octal", "hex", "HEX"]))
    zeros = "0" * draw(st.integers(0, 3))
    return {
        "decimal": f"{number}",
        "octal": f"0{zeros}{number:o}",
        "hex": f"0x{zeros}{number:x}",
        "HEX": f"0X{zeros}{number:X}",
    }[style]


@st.composite
def spelled(draw: st.DrawFn) -> str:
    """A private IPv4 address in any form that some program understands."""
    number = int(draw(private_ipv4()))
    a, b, c, d = number.to_bytes(4, "big")
    forms = ([number], [a, number & 0xFFFFFF], [a, b, number & 0xFFFF], [a, b, c, d])
    text = ".".join(_part(draw, part) for part in draw(st.sampled_from(forms)))
    script = draw(st.sampled_from(["ascii", "full-width", "dots"]))
    if script == "full-width":
        text = text.translate({ord("0") + n: ord("０") + n for n in range(10)})
    if script == "dots":
        text = text.replace(".", draw(st.sampled_from("。．｡")))
    return text + draw(st.sampled_from(["", "."]))


@given(host=spelled(), scheme=st.sampled_from(["http", "https"]), port=st.sampled_from(["", ":80", ":8080"]))
async def test_every_spelling_of_a_private_ipv4_is_refused(host: str, scheme: str, port: str) -> None:
    """No textual form of a private address gets to the transport."""
    line = Line()
    with pytest.raises(Refused):
        await line.outgoing().get(f"{scheme}://{host}{port}/")
    assert line.sent == []


def wrapped(address: IPv4Address) -> list[IPv6Address]:
    """All the IPv6 addresses that carry this IPv4 one inside."""
    number = int(address)
    prefixes = {
        "::ffff:0:0": number,
        "::ffff:0:0:0": number,
        "::": number,
        "64:ff9b::": number,
        "2002::": number << 80,
        "2001::": number << 64 | 0xA247D822,  # the server
        "2001:0:5db8:d822::": number ^ 0xFFFFFFFF,  # the client, inverted
        "2606:4700::5efe:0:0": number,
        "2606:4700::200:5efe:0:0": number,
    }
    return [IPv6Address(int(IPv6Address(prefix)) | inner) for prefix, inner in prefixes.items()]


@given(address=private_ipv4(), which=st.integers(0, 8), exploded=st.booleans())
async def test_every_wrapping_of_a_private_ipv4_is_refused(
    address: IPv4Address, which: int, exploded: bool
) -> None:
    """Mapped, compatible, translated, NAT64, 6to4, Teredo and ISATAP are unwrapped, literal or resolved."""
    outer = wrapped(address)[which]
    written = outer.exploded if exploded else str(outer)
    line = Line()
    with pytest.raises(Refused):
        await line.outgoing().get(f"http://[{written}]/")
    with pytest.raises(Refused):
        await line.outgoing(resolver=names({"a.example": [written]})).get("http://a.example/")
    assert line.sent == []
