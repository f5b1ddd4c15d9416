"""What every installed connector must do. A new one is tried as soon as ``signing.py`` knows how it is signed."""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rung.connectors import load_connectors
from rung.errors import Malformed, Unauthenticated
from rung.ports import Arrival, Connector
from tests.connectors.signing import SECRETS, SIGN, SIGNATURE_HEADER, STALE

INSTALLED = load_connectors().loaded
WIRE = Path(__file__).parents[1] / "wire"
NOW = datetime(2026, 11, 22, 3, 30, tzinfo=UTC)
FIXTURES = [
    pytest.param(name, path, id=f"{name}/{path.stem}")
    for name in INSTALLED
    for path in sorted((WIRE / name).glob("*.json"))
    if path.stem != "mapped"
]

KEYS = st.sampled_from(["event", "ticket", "data", "id", "title", "body", "comment", "messages"]) | st.text()
LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
JSON = st.recursive(LEAVES, lambda inner: st.lists(inner) | st.dictionaries(KEYS, inner)).map(
    lambda value: json.dumps(value).encode()
)
HEADERS = [
    "webhook-id",
    "webhook-timestamp",
    "webhook-signature",
    "x-zendesk-webhook-signature",
    "x-zendesk-webhook-signature-timestamp",
]
every_connector = pytest.mark.parametrize("connector", INSTALLED.values(), ids=list(INSTALLED))


def parse(connector: Connector, body: bytes) -> Sequence[Arrival]:
    """What it makes of a body without settings."""
    return connector.parse({}, body, settings={})


def test_the_built_in_connectors_are_installed() -> None:
    """They come through the same entry point as strangers', and none is broken."""
    assert {"generic", "zendesk"} <= INSTALLED.keys()
    assert not load_connectors().broken


@pytest.mark.parametrize(("name", "path"), FIXTURES)
def test_a_recorded_payload_is_authentic_and_parsed(name: str, path: Path) -> None:
    """Signed, every fixture verifies and gives arrivals with text and the connector's name."""
    body, connector = path.read_bytes(), INSTALLED[name]

    connector.verify(SIGN[name](body, SECRETS[name], NOW), body, secret=SECRETS[name], now=NOW)

    for arrival in parse(connector, body):
        assert arrival.connector == name
        assert arrival.ticket.subject or arrival.ticket.body


@every_connector
@pytest.mark.parametrize("shift", [-1, 1])
def test_a_stale_signature_is_refused_both_ways(connector: Connector, shift: int) -> None:
    """More than five minutes from our clock, past or future, is a replay."""
    body, secret = b"{}", SECRETS[connector.name]
    headers = SIGN[connector.name](body, secret, NOW + shift * STALE)

    with pytest.raises(Unauthenticated, match="5 minutes"):
        connector.verify(headers, body, secret=secret, now=NOW)


@every_connector
def test_each_signature_header_is_needed(connector: Connector) -> None:
    """The refusal names the header that is missing."""
    body, secret = b"{}", SECRETS[connector.name]
    headers = SIGN[connector.name](body, secret, NOW)
    for name in headers:
        if "invocation" in name:
            continue
        rest = {key: value for key, value in headers.items() if key != name}
        with pytest.raises(Unauthenticated, match=name):
            connector.verify(rest, body, secret=secret, now=NOW)


@every_connector
@pytest.mark.parametrize(
    "signature", ["x", "é", "v1,", "v1", ",", "v1,=", "\udcff", "v1,\udcff", "A" * 10_000]
)
def test_a_wrong_signature_is_refused(connector: Connector, signature: str) -> None:
    """Whatever stands there, the answer is the same quiet refusal."""
    body, secret = b"{}", SECRETS[connector.name]
    headers = {**SIGN[connector.name](body, secret, NOW), SIGNATURE_HEADER[connector.name]: signature}

    with pytest.raises(Unauthenticated):
        connector.verify(headers, body, secret=secret, now=NOW)


@every_connector
def test_a_tampered_body_or_another_secret_is_refused(connector: Connector) -> None:
    """One byte more, or somebody else's secret."""
    body, secret = b'{"a":1}', SECRETS[connector.name]
    headers = SIGN[connector.name](body, secret, NOW)
    other = "whsec_" + "QUFB" * 8

    with pytest.raises(Unauthenticated):
        connector.verify(headers, body + b" ", secret=secret, now=NOW)
    with pytest.raises(Unauthenticated):
        connector.verify(headers, body, secret=other, now=NOW)


@every_connector
@given(headers=st.dictionaries(st.sampled_from(HEADERS), st.text(min_size=1)), body=st.binary())
def test_nothing_unsigned_is_ever_authentic(
    connector: Connector, headers: Mapping[str, str], body: bytes
) -> None:
    """Any headers and any body: refused, and never another error."""
    with pytest.raises(Unauthenticated):
        connector.verify(headers, body, secret=SECRETS[connector.name], now=NOW)


@every_connector
@given(body=st.binary() | JSON)
def test_garbage_is_malformed_and_nothing_else(connector: Connector, body: bytes) -> None:
    """Whatever an authentic sender sends, it is arrivals or Malformed."""
    try:
        arrivals = parse(connector, body)
    except Malformed:
        return
    assert all(isinstance(arrival, Arrival) for arrival in arrivals)


@every_connector
@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "empty"),
        (b"hello", "not JSON"),
        (b'{"event": "\xff"}', "broken UTF-8"),
        (b"{}", "expected|needs|unknown"),
        (b"[" * 10_000, "deeper|not JSON"),
        (b"null", "expected"),
    ],
)
def test_a_payload_that_cannot_be_read_says_why(connector: Connector, body: bytes, said: str) -> None:
    """The reason is stored beside the kept payload, so it has to help."""
    with pytest.raises(Malformed, match=said):
        parse(connector, body)


@every_connector
def test_no_connector_can_write_to_a_customer(connector: Connector) -> None:
    """A connector checks and reads what came in; it has no other ability, and none that sends."""
    abilities = {name for name, _ in inspect.getmembers(connector, callable) if not name.startswith("_")}

    assert abilities == {"verify", "parse"}
    assert not any(inspect.iscoroutinefunction(getattr(connector, name)) for name in abilities)
    source = inspect.getsource(inspect.getmodule(type(connector)) or type(connector))
    assert not any(word in source for word in ("httpx", "urllib", "socket", "outgoing", "requests"))
