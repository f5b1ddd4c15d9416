"""JSON at the edge: bytes to a value that can be stored, with the place of what is wrong.

PostgreSQL stores neither NUL nor lone surrogates, and code that walks a value must not meet one that is
nested ten thousand deep. Both are settled here, once, for the API and for every connector.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from typing import NoReturn

import orjson

from rung.errors import Malformed
from rung.model import Json

DEPTH_LIMIT = 100
"""Levels of nesting; real tickets have fewer than ten."""

REPLACEMENT = "\ufffd"
"""Stands for each character that cannot be stored; one for one, so that offsets hold."""

_LONG = 20
"""Characters of the longest integer of 64 bits."""
_SHOWN = 3
"""Reasons named in full; more of the same kind only count."""


@dataclass(frozen=True, slots=True)
class Payload:
    """A parsed body; ``oddity`` says what had to be mended (then keep the raw bytes), empty for a clean one."""

    value: Json
    oddity: str = ""


def load_json(body: bytes, *, lenient: bool = False) -> Payload:
    """The JSON value of a body; characters that cannot be stored become U+FFFD, one for one.

    ``lenient`` also takes raw control characters inside strings: template engines of helpdesks put line ends
    and tabs there unescaped.

    Raises:
        Malformed: broken UTF-8, not JSON or nested too deep; the message has the place.
    """
    oddities: list[str] = []
    try:
        value = orjson.loads(body)
        clean = b"\\u0000" not in body and body.count(b"[") + body.count(b"{") <= DEPTH_LIMIT
    except orjson.JSONDecodeError:
        value, clean = _load_slowly(body, lenient=lenient), False
    if not clean:
        value = _storable(value, oddities)
    return Payload(value, "; ".join(oddities[:_SHOWN]))


def _load_slowly(body: bytes, *, lenient: bool) -> Json:
    """What the fast parser refuses: either really broken, or odd characters in an otherwise good document."""
    if not body.strip():
        raise Malformed("the body is empty; expected JSON")
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Malformed(f"broken UTF-8 at byte {error.start}; send the JSON as UTF-8") from None
    try:
        return json.loads(
            text,
            strict=not lenient,
            parse_constant=_no_constant,
            parse_int=_integer,
            parse_float=_finite,
        )
    except json.JSONDecodeError as error:
        place = f"line {error.lineno} column {error.colno}"
        raise Malformed(f"not JSON: {error.msg[0].lower()}{error.msg[1:]}", where=place) from None
    except RecursionError:
        raise _too_deep() from None


def _no_constant(name: str) -> NoReturn:
    raise Malformed(f"not JSON: {name} is not a number that JSON has")


def _integer(digits: str) -> int | float:
    """Beyond 64 bits it becomes a float, as the fast parser does it."""
    if len(digits) <= _LONG and -(2**63) <= int(digits) < 2**64:
        return int(digits)
    return _finite(digits)


def _finite(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise Malformed("not JSON: a number is too large")
    return number


def _too_deep() -> Malformed:
    return Malformed(f"nested deeper than {DEPTH_LIMIT} levels; send it flatter")


def _storable(value: Json, oddities: list[str], depth: int = 0) -> Json:
    if depth > DEPTH_LIMIT:
        raise _too_deep()
    match value:
        case str():
            return _storable_text(value, oddities)
        case dict():
            return {
                _storable_text(key, oddities): _storable(item, oddities, depth + 1)
                for key, item in value.items()
            }
        case list():
            return [_storable(item, oddities, depth + 1) for item in value]
    return value


def _storable_text(text: str, oddities: list[str]) -> str:
    if "\0" in text:
        text = text.replace("\0", REPLACEMENT)
        _note(oddities, "NUL characters were replaced")
    whole = without_surrogates(text)
    if whole is not text:
        _note(oddities, "lone surrogates were replaced")
    return whole


_UNSTORABLE = re.compile("[\0\ud800-\udfff]")


def storable_text(text: str) -> str:
    """The text with NUL and lone surrogates, which PostgreSQL cannot hold, replaced one for one by U+FFFD."""
    if text.isascii() and "\0" not in text:
        return text
    return _UNSTORABLE.sub(REPLACEMENT, text)


def without_surrogates(text: str) -> str:
    """The text with U+FFFD for each lone surrogate, one for one; the very same object when it has none."""
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return "".join(REPLACEMENT if "\ud800" <= c <= "\udfff" else c for c in text)
    return text


def _note(oddities: list[str], reason: str) -> None:
    if reason not in oddities:
        oddities.append(reason)
