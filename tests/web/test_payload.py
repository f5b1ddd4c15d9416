from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rung.core.payload import DEPTH_LIMIT, load_json, without_surrogates
from rung.errors import Malformed

ANY_TEXT = st.text(st.characters(exclude_categories=()))
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
    | ANY_TEXT,
    lambda inner: st.lists(inner) | st.dictionaries(ANY_TEXT, inner),
)  # fmt: skip


def stored(value: Any) -> Any:
    """What a value should become."""
    match value:
        case str():
            return without_surrogates(value).replace("\0", "\ufffd")
        case list():
            return [stored(item) for item in value]
        case dict():
            return {stored(key): stored(item) for key, item in value.items()}
    return value


@given(VALUES, st.booleans())
def test_every_json_value_comes_out_storable(value: Any, lenient: bool) -> None:
    """As it was but for NUL and lone surrogates, which are replaced one for one and told of."""
    payload = load_json(json.dumps(value).encode(), lenient=lenient)

    # A pair of escaped surrogates is one character; json itself says what the value then is.
    meant = json.loads(json.dumps(value))
    assert payload.value == stored(meant)
    assert bool(payload.oddity) == (stored(meant) != meant)


@given(st.binary(), st.booleans())
def test_any_bytes_are_a_value_or_malformed(body: bytes, lenient: bool) -> None:
    """Never another error."""
    with contextlib.suppress(Malformed):
        load_json(body, lenient=lenient)


@pytest.mark.parametrize("shape", ["[{}]", '{{"a":{}}}'])
def test_the_depth_is_limited_exactly(shape: str) -> None:
    """A hundred levels are read, one more is refused, ten thousand too."""

    def nested(levels: int) -> bytes:
        body = "1"
        for _ in range(levels):
            body = shape.format(body)
        return body.encode()

    load_json(nested(DEPTH_LIMIT))
    for levels in (DEPTH_LIMIT + 1, 5_000):
        with pytest.raises(Malformed, match="deeper"):
            load_json(nested(levels))


def test_many_brackets_are_not_depth() -> None:
    """A thousand small objects are flat."""
    assert len(load_json(b"[" + b",".join([b"{}"] * 1000) + b"]").value) == 1000


def test_a_byte_order_mark_and_large_numbers_are_taken() -> None:
    """Numbers beyond 64 bits become floats, as everywhere."""
    assert load_json(b"\xef\xbb\xbf[123456789012345678901234567890]").value == [1.2345678901234568e29]
    with pytest.raises(Malformed, match="not JSON"):
        load_json(b"1e400")
