"""Reading request bodies: bounded while they stream, of the right kind, parsed once."""

from __future__ import annotations

import re

from starlette.requests import ClientDisconnect, Request

from rung.core.payload import Payload, load_json
from rung.errors import Malformed, TooLarge
from rung.web.problems import Wrong, problem

BODY_LIMIT = 5 * 1024 * 1024
"""Bytes of one request body, everywhere."""

_KEY_LIMIT = 255
_QUOTED_KEY = re.compile(r'"((?:[\x20-\x21\x23-\x5b\x5d-\x7e]|\\["\\])*)"')
_BARE_KEY = re.compile(r"[\x21\x23-\x7e]+")


async def read_body(request: Request, *, limit: int = BODY_LIMIT) -> bytes:
    """The whole body; stops reading as soon as it is above the limit, whatever its head said.

    Raises:
        TooLarge: it is above the limit.
        Problematic: it is compressed.
    """
    headers = request.headers
    declared = headers.get("content-length", "")
    if declared.isdigit() and int(declared[:20]) > limit:
        raise TooLarge("the request body", limit)
    encoding = headers.get("content-encoding", "identity").strip().lower()
    if encoding not in {"", "identity"}:
        raise problem(
            "unsupported-type", f"Send the body as it is, without Content-Encoding {encoding[:40]!r}."
        )
    chunks: list[bytes] = []
    size = 0
    receive = request.receive
    while True:
        event = await receive()
        if event["type"] == "http.disconnect":
            raise ClientDisconnect
        chunk = event.get("body", b"")
        if chunk:
            size += len(chunk)
            if size > limit:
                raise TooLarge("the request body", limit)
            chunks.append(chunk)
        if not event.get("more_body", False):
            return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def require_json(request: Request) -> None:
    """Refuse what does not say that it is JSON.

    Raises:
        Problematic: the content type is another one.
    """
    given = request.headers.get("content-type", "")
    kind = given.partition(";")[0].strip().lower()
    if kind != "application/json" and not (kind.startswith("application/") and kind.endswith("+json")):
        found = f"found {given[:80]!r}" if given else "there is none"
        raise problem("unsupported-type", f"Send JSON with Content-Type: application/json; {found}.")


async def read_json(request: Request) -> tuple[bytes, Payload]:
    """The raw body and its JSON value.

    Raises:
        Problematic: not JSON (400), or not said to be (415).
        TooLarge: it is above the limit.
    """
    require_json(request)
    body = await read_body(request)
    try:
        return body, load_json(body)
    except Malformed as error:
        detail = f"{error}. Nothing was stored; mend the body and send it again."
        raise problem("unreadable", detail, Wrong(error.where, error.reason)) from None


def idempotency_key(request: Request) -> str:
    """The value of ``Idempotency-Key``, quoted as the draft standard says or bare; empty without one.

    Raises:
        Problematic: it is neither.
    """
    given = request.headers.get("idempotency-key")
    if given is None:
        return ""
    given = given.strip()
    quoted = _QUOTED_KEY.fullmatch(given)
    key = re.sub(r"\\(.)", r"\1", quoted[1]) if quoted else given if _BARE_KEY.fullmatch(given) else ""
    if not key or len(key) > _KEY_LIMIT:
        raise problem(
            "bad-request",
            f'Idempotency-Key is a quoted text of at most {_KEY_LIMIT} printable characters, e.g. "8e03978e".',
            Wrong("header.Idempotency-Key", "not a quoted text"),
        )
    return key
