"""The guard on real sockets: servers of this test on loopback, listed where they must be reachable."""

from __future__ import annotations

import asyncio
import gzip
import ipaddress
import ssl
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

import rung
from rung.errors import Malformed, Refused, TooLarge, Unavailable
from rung.outgoing import Allowlist, Outgoing, PinnedTransport, Resolver

NOW = datetime(2026, 11, 22, 3, tzinfo=UTC)
Answer = Callable[[bytes, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Server:
    """A listening socket, the request heads it has seen and the connections it took."""

    host: str
    port: int = 0
    heads: list[bytes] = field(default_factory=list)
    connections: int = 0
    over: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def url(self) -> str:
        """Its root over plain HTTP."""
        return f"http://{self.host}:{self.port}"

    @property
    def listed(self) -> str:
        """The entry that allows it."""
        return f"{self.host}:{self.port}"

    def headers(self, which: int = -1) -> dict[str, str]:
        """The header fields of one request, lower-case names."""
        lines = self.heads[which].decode("latin-1").split("\r\n")[1:]
        return {name.lower(): value for name, _, value in (line.partition(": ") for line in lines) if name}


@asynccontextmanager
async def serve(
    answer: Answer, *, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None, listens: bool = True
) -> AsyncIterator[Server]:
    """Listen on a free port and let ``answer`` speak after each request's head, or at once."""
    server = Server(host)

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server.connections += 1
        try:
            server.heads.append(await reader.readuntil(b"\r\n\r\n") if listens else b"")
            await answer(server.heads[-1], writer)
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the client hung up, which is what half of these tests are about
        finally:
            writer.close()

    listening = await asyncio.start_server(talk, host, 0, ssl=tls)
    server.port = listening.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        server.over.set()
        listening.close()
        await listening.wait_closed()


def reply(status: str = "200 OK", body: bytes = b"ok", **headers: str) -> Answer:
    """A whole answer; header names are written with underscores."""
    fields = {"content_length": str(len(body)), **headers}
    head = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in fields.items())

    async def answer(_head: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(f"HTTP/1.1 {status}\r\n{head}\r\n".encode() + body)

    return answer


def outgoing(*listed: str, **settings: Any) -> Outgoing:
    """A client that waits for nothing between attempts."""

    async def no_wait(_seconds: float) -> None:
        return

    return Outgoing(
        Allowlist.of(*listed), **{"clock": lambda: NOW, "retries": 0, "sleep": no_wait, **settings}
    )


def answering(*answers: Sequence[str]) -> tuple[Resolver, list[str]]:
    """A resolver that gives one answer after the other, and the questions it was asked."""
    left, asked = list(answers), []

    async def resolve(host: str, _port: int) -> Sequence[str]:
        asked.append(host)
        return left.pop(0)

    return resolve, asked


async def test_an_answer_is_a_frozen_value_without_cookies_or_secrets_in_its_repr() -> None:
    """Status, headers, body, address and time come back; confidential parts do not print."""
    answer = reply(body=b'{"n": 1}', content_type="application/json", set_cookie="sid=s3cr3t", x_more="a")
    async with serve(answer) as server, outgoing(server.listed) as client:
        got = await client.get(f"{server.url}/v1", params={"key": "s3cr3t", "q": "ä b"})
    assert (got.status, got.ok, got.json(), got.text()) == (200, True, {"n": 1}, '{"n": 1}')
    assert got.url == f"{server.url}/v1?key=s3cr3t&q=%C3%A4+b"
    assert got.elapsed > timedelta(0)
    assert "set-cookie" not in got.headers
    assert got.headers["x-more"] == "a"
    assert "s3cr3t" not in repr(got)
    with pytest.raises(AttributeError):
        got.status = 500  # type: ignore[misc]


async def test_it_says_who_it_is_and_keeps_nothing_between_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    """Own user agent; no cookie comes back; no proxy of the environment is used."""
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    async with serve(reply(set_cookie="sid=1")) as server, outgoing(server.listed) as client:
        await client.get(server.url)
        headers = {"Authorization": "Bearer t", "Accept": "application/json"}
        await client.post(server.url, json={"a": 1}, headers=headers, idempotency_key="k-1")
    assert server.connections == 2
    assert server.headers()["user-agent"] == f"rung/{rung.__version__}"
    assert "cookie" not in server.headers()
    assert server.headers()["content-type"] == "application/json"
    assert server.headers()["authorization"] == "Bearer t"
    assert server.heads[-1].lower().count(b"\r\naccept:") == 1
    assert server.headers()["idempotency-key"] == "k-1"


async def test_loopback_is_not_reached_unless_listed() -> None:
    """Without an exception the connection is never opened, in any spelling of it."""
    async with serve(reply()) as server, outgoing() as client:
        for host in (
            "127.0.0.1",
            "localhost",
            "2130706433",
            "0x7f.1",
            "0177.0.0.1",
            "127.1",
            "[::ffff:127.0.0.1]",
        ):
            with pytest.raises(Refused):
                await client.get(f"http://{host}:{server.port}/")
    assert server.connections == 0


async def test_a_rebinding_name_is_resolved_once_and_stays_where_it_was_checked() -> None:
    """The first answer is allowed, the second would be the victim; only the first is ever connected to."""
    async with serve(reply(body=b"right")) as right, serve(reply(body=b"victim"), host="127.0.0.2") as victim:
        resolve, asked = answering(["127.0.0.1"], ["127.0.0.2"])
        async with outgoing(right.listed, resolver=resolve) as client:
            got = await client.get(f"http://rebind.example:{right.port}/")
            with pytest.raises(Refused, match=r"127\.0\.0\.2: a loopback address"):
                await client.get(f"http://rebind.example:{right.port}/")
    assert got.body == b"right"
    assert asked == ["rebind.example", "rebind.example"]
    assert right.headers()["host"] == f"rebind.example:{right.port}"
    assert victim.connections == 0


@pytest.mark.parametrize("again", ["127.0.0.2", "10.0.0.1", "::1"])
async def test_a_name_that_rebinds_between_two_hops_is_refused_at_the_second(again: str) -> None:
    """A redirect to the same name is resolved and checked afresh."""
    async with serve(reply("302 Found", location="/next")) as server:
        resolve, asked = answering(["127.0.0.1"], [again])
        async with outgoing(server.listed, resolver=resolve) as client:
            with pytest.raises(Refused):
                await client.get(f"http://rebind.example:{server.port}/")
    assert len(asked) == 2
    assert server.connections == 1


async def test_the_next_checked_address_is_tried_when_one_takes_no_connection() -> None:
    """A service with a dead address is still reached on its other one."""
    async with serve(reply()) as server:
        resolve, _ = answering(["127.0.0.3", "127.0.0.1"])
        async with outgoing(server.listed, f"127.0.0.3:{server.port}", resolver=resolve) as client:
            got = await client.get(f"http://two.example:{server.port}/")
    assert got.status == 200


@pytest.mark.parametrize(
    "location",
    [
        "http://169.254.169.254/latest/meta-data/",
        "http://[fd00:ec2::254]/",
        "http://metadata.google.internal/",
        "http://127.0.0.2:8080/",
        "http://localhost:8080/",
        "//127.0.0.2/",
        "//2130706434/",
        "http://0x7f.2/",
        "http://[::ffff:127.0.0.2]/",
        "http://user:hunter2@example.com/",
        "//user@example.com/",
        "ftp://example.com/",
        "file:///etc/passwd",
        "http://example.com:22/",
        "\\\\127.0.0.2\\x",
        "http://exa mple.com/",
    ],
)
async def test_a_redirect_gets_nowhere_that_a_first_request_would_not(location: str) -> None:
    """Every hop passes the same checks, and the message names the origin only."""
    async with serve(reply("302 Found", location=location)) as server, outgoing(server.listed) as client:
        with pytest.raises(Refused) as told:
            await client.get(server.url)
    assert server.connections == 1
    assert "hunter2" not in str(told.value)


async def test_a_redirect_loop_ends_after_the_limit() -> None:
    """Five redirects are followed, the sixth is refused."""
    answer = reply("307 Temporary Redirect", location="/again")
    async with serve(answer) as server, outgoing(server.listed) as client:
        with pytest.raises(Refused, match="more than 5 redirects"):
            await client.get(server.url)
    assert server.connections == 6


async def test_a_redirect_to_two_places_is_refused() -> None:
    """Two Location fields are read differently by different programs."""
    answer = reply("302 Found", location="/a\r\nLocation: /b")
    async with serve(answer) as server, outgoing(server.listed) as client:
        with pytest.raises(Refused, match="several places"):
            await client.get(server.url)


async def test_a_redirect_is_an_answer_to_whoever_asks_for_it() -> None:
    """A probe may look at the redirect itself."""
    answer = reply("302 Found", body=b"", location="http://169.254.169.254/")
    async with serve(answer) as server, outgoing(server.listed) as client:
        got = await client.get(server.url, follow_redirects=False)
    assert (got.status, got.headers["location"]) == (302, "http://169.254.169.254/")


SECRETS = {
    "Authorization": "Bearer t0ken",
    "Cookie": "sid=1",
    "X-Api-Key": "k3y",
    "DD-API-KEY": "k3y",
    "Accept": "application/json",
}


async def test_another_origin_sees_none_of_the_callers_secrets_even_on_the_way_back() -> None:
    """Authorization, cookies and vendor keys stay with the first origin; harmless headers go along."""
    places = [""]

    async def first(head: bytes, writer: asyncio.StreamWriter) -> None:
        moves = {b"/": places[0], b"/same": "/own"}.get(head.split(b" ")[1])
        await (reply("307 Moved", location=moves) if moves else reply())(head, writer)

    async with serve(first) as one, serve(reply("302 Found", location=f"{one.url}/back")) as other:
        places[0] = f"{other.url}/there"
        async with outgoing(one.listed, other.listed) as client:
            await client.get(f"{one.url}/same", headers=SECRETS)
            assert one.headers()["x-api-key"] == "k3y"
            await client.get(one.url, headers=SECRETS)
    for seen in (other.headers(), one.headers()):
        assert seen["accept"] == "application/json"
        assert not {"authorization", "cookie", "x-api-key", "dd-api-key"} & set(seen)


@pytest.mark.parametrize(
    ("status", "method", "after"),
    [
        (301, "POST", "GET"),
        (302, "POST", "GET"),
        (303, "POST", "GET"),
        (303, "PUT", "GET"),
        (302, "PUT", "PUT"),
        (307, "POST", "POST"),
        (308, "PATCH", "PATCH"),
        (303, "HEAD", "HEAD"),
        (301, "HEAD", "HEAD"),
    ],
)
async def test_a_redirect_keeps_or_changes_the_method_as_the_web_does(
    status: int, method: str, after: str
) -> None:
    """A form turns into a GET without its body where browsers do so."""

    async def answer(head: bytes, writer: asyncio.StreamWriter) -> None:
        moved = b" /start " in head
        await (reply(f"{status} Moved", body=b"", location="/end") if moved else reply(body=b""))(
            head, writer
        )

    content = None if method == "HEAD" else b'{"a":1}'
    async with serve(answer) as server, outgoing(server.listed) as client:
        await client.request(method, f"{server.url}/start", content=content, headers={"Content-Type": "x/y"})
    assert server.heads[-1].startswith(f"{after} /end ".encode())
    assert ("content-type" in server.headers()) == (after == method)


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for ``helpdesk.example`` and 127.0.0.1 that signs itself, with its key in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Test")])
    names: list[x509.GeneralName] = [
        x509.DNSName("helpdesk.example"),
        x509.IPAddress(ipaddress.ip_address("127.0.0.1")),
    ]
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.write_bytes(made.public_bytes(Encoding.PEM) + secret)
    return path


def server_side(authority: Path, seen: list[str | None]) -> ssl.SSLContext:
    """The server's half, which notes the name that each client asks for."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority)
    context.sni_callback = lambda _socket, name, _context: seen.append(name)
    return context


async def test_tls_checks_the_name_of_the_url_at_the_pinned_address(authority: Path) -> None:
    """Host and server name are the original ones; another name at the same address is not accepted."""
    seen: list[str | None] = []

    async def resolve(_host: str, _port: int) -> Sequence[str]:
        return ["127.0.0.1"]

    trust = ssl.create_default_context(cafile=str(authority))
    async with (
        serve(reply(), tls=server_side(authority, seen)) as server,
        outgoing(server.listed, resolver=resolve, tls=trust, retries=3) as client,
    ):
        got = await client.get(f"https://helpdesk.example:{server.port}/")
        by_address = await client.get(f"https://127.0.0.1:{server.port}/")
        with pytest.raises(Unavailable, match=r"its certificate is not accepted: Hostname mismatch"):
            await client.get(f"https://other.example:{server.port}/")
    assert (got.status, by_address.status) == (200, 200)
    assert seen == ["helpdesk.example", None, "other.example"]
    assert server.headers(0)["host"] == f"helpdesk.example:{server.port}"


async def test_a_certificate_nobody_vouches_for_is_not_accepted(authority: Path) -> None:
    """Verification is on by default; there is no switch."""
    async with serve(reply(), tls=server_side(authority, [])) as server, outgoing(server.listed) as client:
        with pytest.raises(Unavailable, match="certificate is not accepted: self-signed certificate"):
            await client.get(f"https://127.0.0.1:{server.port}/")
    assert server.heads == []


async def test_a_redirect_from_https_to_http_is_refused(authority: Path) -> None:
    """What began encrypted does not end in the open."""
    trust = ssl.create_default_context(cafile=str(authority))
    async with serve(reply()) as plain:
        answer = reply("301 Moved", location=plain.url)
        async with (
            serve(answer, tls=server_side(authority, [])) as server,
            outgoing(server.listed, plain.listed, tls=trust) as client,
        ):
            with pytest.raises(Refused, match="redirects from https to http"):
                await client.get(f"https://127.0.0.1:{server.port}/")
    assert plain.connections == 0


def test_a_context_that_does_not_verify_is_not_taken() -> None:
    """Not even an operator's own trust roots may switch verification off."""
    blind = ssl.create_default_context()
    blind.check_hostname = False
    with pytest.raises(ValueError, match="check host names"):
        PinnedTransport(blind)
    with pytest.raises(ValueError, match="check host names"):
        Outgoing(clock=lambda: NOW, tls=blind)


async def test_a_server_that_speaks_no_tls_is_unavailable() -> None:
    """A failed handshake is told in one sentence."""
    async with serve(reply("400 Bad Request"), listens=False) as server, outgoing(server.listed) as client:
        with pytest.raises(Unavailable, match=r"GET https://127\.0\.0\.1:\d+: the TLS handshake failed"):
            await client.get(f"https://127.0.0.1:{server.port}/")


TINY = timedelta(milliseconds=150)


async def test_a_body_that_never_ends_meets_the_deadline() -> None:
    """The deadline holds over the whole answer, however regularly a byte arrives."""

    async def drip(_head: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
        while not server.over.is_set():
            writer.write(b".")
            await writer.drain()
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(server.over.wait(), 0.01)

    async with serve(drip) as server, outgoing(server.listed, timeout=TINY) as client:
        with pytest.raises(Unavailable, match=r"did not finish within 0\.15 s"):
            await client.get(server.url)
    assert server.connections == 1


@pytest.mark.parametrize("start", [b"", b"HTTP/1.1 200 OK\r\nX-Slow: "])
async def test_headers_that_never_end_meet_the_deadline(start: bytes) -> None:
    """A server that accepts and is silent, or never finishes a header, holds nobody up."""

    async def stall(_head: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(start)
        await writer.drain()
        await server.over.wait()

    async with serve(stall) as server, outgoing(server.listed, timeout=TINY, retries=5) as client:
        with pytest.raises(Unavailable, match="did not finish"):
            await client.get(server.url)
    assert server.connections == 1


async def test_a_resolver_that_never_answers_meets_the_deadline() -> None:
    """Asking for the address counts too."""

    async def silent(_host: str, _port: int) -> Sequence[str]:
        await asyncio.Event().wait()
        return []

    async with outgoing(resolver=silent, timeout=TINY) as client:
        with pytest.raises(Unavailable, match="did not finish"):
            await client.get("https://slow.example/")


async def test_headers_without_end_are_cut_off() -> None:
    """A flood of header lines ends with an error, not with memory."""

    async def flood(_head: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n")
        for number in range(100_000):
            writer.write(b"X-%d: %s\r\n" % (number, b"x" * 100))
            await writer.drain()

    async with serve(flood) as server, outgoing(server.listed) as client:
        with pytest.raises(Unavailable):
            await client.get(server.url)


async def test_a_cancelled_call_is_cancelled_not_unavailable() -> None:
    """A caller's own deadline is the caller's."""

    async def stall(_head: bytes, _writer: asyncio.StreamWriter) -> None:
        await server.over.wait()

    async with serve(stall) as server, outgoing(server.listed) as client:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(client.get(server.url), 0.1)


def endless(*fields: str) -> Answer:
    """A body without end, as fast as it is read."""

    async def answer(_head: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write("".join(["HTTP/1.1 200 OK\r\n", *(f"{one}\r\n" for one in fields), "\r\n"]).encode())
        while True:
            writer.write(b"x" * 1000)
            await writer.drain()

    return answer


@pytest.mark.parametrize("fields", [["Content-Length: 100000000"], ["Connection: close"]])
async def test_a_body_above_the_limit_is_cut_off_with_and_without_a_length(fields: list[str]) -> None:
    """An announced length is believed when it is too long, and a silent one is counted."""
    async with serve(endless(*fields)) as server, outgoing(server.listed, max_bytes=10_000) as client:
        with pytest.raises(
            TooLarge, match=r"the answer of http://127\.0\.0\.1:\d+ is larger than 10,000 bytes"
        ):
            await client.get(server.url)


async def test_a_body_of_exactly_the_limit_is_read() -> None:
    """The limit itself is allowed, packed or not."""
    body = bytes(range(256)) * 4
    for answer in (reply(body=body), reply(body=gzip.compress(body, mtime=0), content_encoding="gzip")):
        async with serve(answer) as server, outgoing(server.listed, max_bytes=len(body)) as client:
            assert (await client.get(server.url)).body == body


def raw_deflate(content: bytes) -> bytes:
    """Deflate without its zlib header, as some servers send it."""
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(content) + packer.flush()


BOMB = b"\0" * 60_000_000
EMPTY_BLOCKS = b"\x00\x00\x00\xff\xff" * 100_000  # valid deflate that unpacks to nothing, for ever


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("gzip", gzip.compress(BOMB, mtime=0)),
        ("x-gzip", gzip.compress(BOMB, mtime=0)),
        ("deflate", zlib.compress(BOMB)),
        ("deflate", raw_deflate(BOMB)),
        ("deflate", EMPTY_BLOCKS),
        ("gzip", gzip.compress(b"", mtime=0) * 20_000),
    ],
    ids=["gzip", "x-gzip", "zlib", "raw deflate", "empty blocks", "empty members"],
)
async def test_a_packed_bomb_is_cut_off_at_the_limit(encoding: str, body: bytes) -> None:
    """The limit counts unpacked bytes, and packed ones that unpack to nothing."""
    answer = reply(body=body, content_encoding=encoding)
    async with serve(answer) as server, outgoing(server.listed, max_bytes=100_000) as client:
        with pytest.raises(TooLarge):
            await client.get(server.url)


@pytest.mark.parametrize("encoding", ["br", "zstd", "gzip, gzip", "compress", "nonsense"])
async def test_an_encoding_that_was_not_offered_is_not_unpacked(encoding: str) -> None:
    """Brotli and nested bombs are never opened."""
    answer = reply(body=gzip.compress(b"x", mtime=0), content_encoding=encoding)
    async with serve(answer) as server, outgoing(server.listed) as client:
        with pytest.raises(Unavailable, match="does not unpack"):
            await client.get(server.url)
    assert server.headers()["accept-encoding"] == "gzip, deflate"


@pytest.mark.parametrize(
    ("encoding", "body", "content"),
    [
        ("gzip", gzip.compress(b"hello", mtime=0), b"hello"),
        ("gzip", gzip.compress(b"hel", mtime=0) + gzip.compress(b"lo", mtime=0), b"hello"),
        ("gzip", gzip.compress(b"hello", mtime=0) + b"\0\0\0", b"hello"),
        ("deflate", zlib.compress(b"hello"), b"hello"),
        ("deflate", raw_deflate(b"hello"), b"hello"),
        ("deflate", zlib.compress(b"hello") + b"more", b"hello"),
        ("identity", b"hello", b"hello"),
        ("gzip", b"", b""),
    ],
)
async def test_a_packed_body_is_unpacked(encoding: str, body: bytes, content: bytes) -> None:
    """Both offered encodings, in the ways that servers write them, even byte by byte."""

    async def dribble(_head: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(f"HTTP/1.1 200 OK\r\nContent-Encoding: {encoding}\r\n".encode())
        writer.write(b"Transfer-Encoding: chunked\r\n\r\n")
        for position in range(len(body)):
            writer.write(b"1\r\n" + body[position : position + 1] + b"\r\n")
        writer.write(b"0\r\n\r\n")

    for answer in (reply(body=body, content_encoding=encoding), dribble):
        async with serve(answer) as server, outgoing(server.listed) as client:
            assert (await client.get(server.url)).body == content


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("gzip", gzip.compress(b"hello" * 100, mtime=0)[:-12]),
        ("gzip", b"not gzip at all"),
        ("deflate", zlib.compress(b"hello" * 100)[:-6]),
        ("deflate", b"x"),
    ],
)
async def test_a_packed_body_that_is_broken_is_unavailable(encoding: str, body: bytes) -> None:
    """Half an answer is not given out as a whole one."""
    async with (
        serve(reply(body=body, content_encoding=encoding)) as server,
        outgoing(server.listed) as client,
    ):
        with pytest.raises(Unavailable, match="does not unpack"):
            await client.get(server.url)


async def test_a_head_request_has_no_body_whatever_its_headers_announce() -> None:
    """The length of what a GET would bring is no reason to refuse a HEAD."""
    answer = reply(body=b"", content_length="100000000", content_encoding="gzip")
    async with serve(answer) as server, outgoing(server.listed, max_bytes=10) as client:
        assert (await client.request("HEAD", server.url)).body == b""


async def test_an_answer_that_is_not_json_is_malformed() -> None:
    """The error gives the place, not the text."""
    async with serve(reply(body=b'{"token": s3cr3t}')) as server, outgoing(server.listed) as client:
        got = await client.get(server.url)
    with pytest.raises(Malformed, match="line 1: the service's answer is not valid JSON") as told:
        got.json()
    assert "s3cr3t" not in str(told.value)


@pytest.mark.parametrize(
    "answer", [b"", b"nonsense\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"]
)
async def test_an_answer_that_breaks_off_is_tried_again_and_then_unavailable(answer: bytes) -> None:
    """A connection that ends too early is a failure, and reading twice does no harm."""

    async def broken(_head: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(answer)

    async with serve(broken) as server, outgoing(server.listed, retries=2) as client:
        with pytest.raises(Unavailable, match="ended early"):
            await client.get(server.url)
        assert server.connections == 3
        with pytest.raises(Unavailable, match="ended early"):
            await client.post(server.url, content=b"x")
    assert server.connections == 4


async def test_a_port_where_nobody_listens_is_tried_again_and_then_unavailable() -> None:
    """Refused connections count as attempts, with a wait between them."""
    async with serve(reply()) as server:
        pass
    waits: list[float] = []

    async def note(seconds: float) -> None:
        waits.append(seconds)

    async with outgoing(server.listed, retries=2, sleep=note, jitter=lambda most: most) as client:
        with pytest.raises(Unavailable, match=r"GET http://127\.0\.0\.1:\d+: no connection$"):
            await client.get(server.url)
    assert waits == [0.5, 1.0]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("X-A", "b\r\nX-Injected: 1"),
        ("X-A", "b\nc"),
        ("X-A", "b\0"),
        ("X-A\r\nX-Injected", "b"),
        ("X A", "b"),
        ("", "b"),
        ("X-A", "ä"),
        ("Host", "internal.example"),
        ("content-length", "0"),
        ("Transfer-Encoding", "chunked"),
        ("Proxy-Authorization", "x"),
        ("Connection", "keep-alive"),
    ],
)
async def test_a_header_that_could_change_the_request_is_refused(name: str, value: str) -> None:
    """Line breaks, other unprintable characters and the headers that frame a message stay out."""
    async with serve(reply()) as server, outgoing(server.listed) as client:
        with pytest.raises(Refused):
            await client.get(server.url, headers={name: value})
        with pytest.raises(Refused):
            await client.post(server.url, idempotency_key="k\r\nX-Injected: 1")
    assert server.connections == 0


@pytest.mark.parametrize("method", ["TRACE", "CONNECT", "get", "GET / HTTP/1.1\r\nX: 1\r\n\r\n"])
async def test_only_known_methods_are_sent(method: str) -> None:
    """A method is one of a closed list, since it stands first on the wire."""
    async with serve(reply()) as server, outgoing(server.listed) as client:
        with pytest.raises(Refused, match="the method must be one of"):
            await client.request(method, server.url)
    assert server.connections == 0


async def test_the_system_resolver_is_asked_and_checked_by_default() -> None:
    """A name of the hosts file that leads to loopback is refused unless it is listed."""
    async with serve(reply()) as server:
        async with outgoing() as client:
            with pytest.raises(Refused):
                await client.get(f"http://localhost:{server.port}/")
        async with outgoing(f"localhost:{server.port}") as client:
            assert (await client.get(f"http://localhost:{server.port}/")).status == 200
