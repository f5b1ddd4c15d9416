"""What came back: the frozen response, and a body that is bounded while it is read and unpacked."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from types import MappingProxyType

import httpx
import orjson

from rung.errors import Malformed, TooLarge
from rung.model import Json

_GZIP = 31
_ZLIB = 15
_RAW_DEFLATE = -15
_GZIP_MAGIC = b"\x1f\x8b"
_MAGIC_LENGTH = 2


@dataclass(frozen=True, slots=True)
class Response:
    """The answer of a service, read to its end.

    ``headers`` has lower-case names; repeated ones are joined with ``, ``; ``Set-Cookie`` is left out,
    because nothing here keeps cookies. ``url`` is where the last redirect led. ``elapsed`` counts the whole
    call, with its retries. Headers, body and URL may be confidential and stay out of the ``repr``.
    """

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    url: str = field(repr=False)
    elapsed: timedelta

    @property
    def ok(self) -> bool:
        """Whether the status says that it worked (2xx)."""
        return httpx.codes.is_success(self.status)

    def text(self) -> str:
        """The body as UTF-8; what is not becomes U+FFFD."""
        return self.body.decode("utf-8", "replace")

    def json(self) -> Json:
        """The body as JSON.

        Raises:
            Malformed: it is not JSON.
        """
        try:
            return orjson.loads(self.body)
        except orjson.JSONDecodeError as error:
            where = f"line {error.lineno}"
        raise Malformed("the service's answer is not valid JSON", where=where)


def plain_headers(headers: httpx.Headers) -> Mapping[str, str]:
    """Lower-case names, repeated ones joined, cookies left out."""
    return MappingProxyType({name: value for name, value in headers.items() if name != "set-cookie"})


def encoding_of(headers: httpx.Headers) -> str:
    """The one content encoding of a reply: ``""`` for none, else its lower-case name as written."""
    written = headers.get("content-encoding", "").strip().lower()
    return "" if written == "identity" else written.replace("x-gzip", "gzip")


class Unpackable(Exception):
    """The body does not unpack as its encoding says."""


class Body:
    """Collects a reply and stops at the limit, counted on unpacked bytes, however small it is packed.

    Args:
        encoding: ``""``, ``gzip`` or ``deflate``: the ones the client offers.
        limit: most bytes that are kept.
        what: names the reply in the error.

    Raises:
        Unpackable: an encoding that was not offered.
    """

    def __init__(self, encoding: str, *, limit: int, what: str) -> None:
        if encoding not in {"", "gzip", "deflate"}:
            raise Unpackable
        self._encoding = encoding
        self._limit = limit
        # Empty blocks unpack to nothing for ever, so what arrives is bounded too.
        self._wire_limit = limit + limit // 64 + 1024
        self._what = what
        self._wire = 0
        self._pending = b""
        self._inflate = zlib.decompressobj(_GZIP) if encoding == "gzip" else None
        self._read = bytearray()

    def expect(self, length: int) -> None:
        """Refuse early what already announces that it is too long.

        Raises:
            TooLarge: it does.
        """
        if length > (self._wire_limit if self._encoding else self._limit):
            raise TooLarge(self._what, self._limit)

    def take(self, chunk: bytes) -> None:
        """Add what arrived.

        Raises:
            TooLarge: the reply is above its limit; nothing more need be read.
            Unpackable: it is not what its encoding says.
        """
        self._wire += len(chunk)
        if self._wire > self._wire_limit:
            raise TooLarge(self._what, self._limit)
        if not self._encoding:
            self._keep(chunk)
            return
        try:
            self._unpack(chunk)
        except zlib.error:
            raise Unpackable from None

    def finish(self) -> bytes:
        """The whole body.

        Raises:
            Unpackable: it ends before its packing does.
        """
        ended = self._inflate is not None and self._inflate.eof
        if self._encoding and self._wire and not ended:
            raise Unpackable
        return bytes(self._read)

    def _keep(self, part: bytes) -> None:
        if len(self._read) + len(part) > self._limit:
            raise TooLarge(self._what, self._limit)
        self._read += part

    def _unpack(self, chunk: bytes) -> None:
        self._pending += chunk
        while self._pending:
            if self._inflate is None or self._inflate.eof:
                if len(self._pending) < _MAGIC_LENGTH:
                    return
                if not self._begin():
                    self._pending = b""
                    return
            inflate = self._inflate
            assert inflate is not None  # noqa: S101 - _begin has just made it
            # One byte more than there is room for: enough to know, and never a bomb's whole content.
            self._keep(inflate.decompress(self._pending, self._limit - len(self._read) + 1))
            self._pending = inflate.unused_data

    def _begin(self) -> bool:
        """Start the next member; false when what follows is only padding."""
        head = self._pending[:_MAGIC_LENGTH]
        if self._encoding == "gzip":
            if head != _GZIP_MAGIC:
                return False
            self._inflate = zlib.decompressobj(_GZIP)
            return True
        if self._inflate is not None:
            return False
        # Some servers send raw deflate under this name; a zlib header is a multiple of 31.
        zlib_header = head[0] & 0x0F == 8 and int.from_bytes(head, "big") % 31 == 0  # noqa: PLR2004 - RFC 1950
        self._inflate = zlib.decompressobj(_ZLIB if zlib_header else _RAW_DEFLATE)
        return True
