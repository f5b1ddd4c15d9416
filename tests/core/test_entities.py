"""What holds for all entities: places, order, overlaps, gates, any bytes."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rung.core.entities import EXTRACTORS, tidy
from rung.model import EntityType
from tests.core import (
    test_entities_codes,
    test_entities_http,
    test_entities_network,
    test_entities_software,
    test_entities_traces,
)
from tests.core.seen import seen, spans, ungated

LINES: tuple[str, ...] = (
    *test_entities_traces.EXCEPTIONS,
    *test_entities_traces.FRAMES,
    *test_entities_http.STATUSES,
    *test_entities_http.PATHS,
    *test_entities_http.IDS,
    *test_entities_codes.CODES,
    *test_entities_network.HOSTS,
    *test_entities_network.PORTS,
    *test_entities_network.URLS,
    *test_entities_software.VERSIONS,
    *test_entities_software.BROWSERS,
    *test_entities_software.SYSTEMS,
    *test_entities_software.PROVIDERS,
)
AROUND = st.text(alphabet="🙂e\u0301שלום\u202e漢字\r\n\ud800", max_size=8)


@pytest.mark.parametrize("line", LINES)
def test_a_gate_keeps_nothing_away(line: str) -> None:
    """Running every extractor finds no more than running those whose gate opened."""
    data = line.encode()

    assert spans(data) == ungated(data)


@given(before=AROUND, line=st.sampled_from(LINES), after=AROUND)
@settings(max_examples=400, deadline=None)
def test_values_stand_where_their_places_say(before: str, line: str, after: str) -> None:
    """Emoji, combining marks, right-to-left text, CRLF and lone surrogates around move no place."""
    text = f"{before}\r\n{line}\r\n{after}"
    data = text.encode("utf-8", "surrogatepass")

    for _, start, end in spans(data):
        left = len(data[:start].decode("utf-8", "surrogatepass"))
        value = data[start:end].decode("utf-8", "surrogatepass")
        assert text[left : left + len(value)] == value
        assert value.strip() == value != ""
    assert set(seen(line)) <= set(seen(text))


@given(
    lines=st.lists(st.sampled_from(LINES), max_size=6),
    between=st.sampled_from((" ", "\n", ", ", "; ", " | ")),
)
@settings(max_examples=300, deadline=None)
def test_a_mixture_is_in_order_and_each_place_is_told_once(lines: list[str], between: str) -> None:
    """Entities come by their start, no place twice under one type, and gates keep nothing away."""
    data = between.join(lines).encode()
    found = spans(data)

    assert found == ungated(data)
    assert len(found) == len(set(found))
    for (_, first, _), (_, second, _) in pairwise(found):
        assert first <= second


@given(st.binary(max_size=300))
@settings(max_examples=300, deadline=None)
def test_any_bytes_are_searched_without_a_crash(data: bytes) -> None:
    """Invalid UTF-8 is searched like any other; places lie inside."""
    for extractor in EXTRACTORS:
        for _, start, end in extractor.find(data):
            assert 0 <= start < end <= len(data)


@given(st.text(alphabet="aAeE09 .:/@-_()[]'\"=#\n•错ß", max_size=120))
@settings(max_examples=500, deadline=None)
def test_signs_of_every_syntax_are_searched_without_a_crash(text: str) -> None:
    """Brackets that do not close, empty ports, lone colons: nothing is trusted to be well formed."""
    data = text.encode()

    for _, start, end in spans(data):
        assert data[start:end].decode()


def test_a_long_dotted_text_is_read_to_its_end() -> None:
    """Repeated beginnings of names cost no more than their length; what stands behind them is found."""
    for beginning in ("shop.exceptions.Ord", "idp.shop.co.", "4.0.0.", "at a.", "A::", "KEY_ERR", "/a"):
        text = beginning * (100_000 // len(beginning)) + "\n429 Too Many Requests"

        assert ("http_status", "429") in seen(text)


KINDS: tuple[EntityType, ...] = (
    "stack_frame",
    "url",
    "host",
    "ip_port",
    "error_code",
    "exception",
    "version",
    "os",
)


@given(st.lists(st.tuples(st.sampled_from(KINDS), st.integers(0, 30), st.integers(1, 10)), max_size=12))
def test_tidying_twice_changes_nothing(found: list[tuple[EntityType, int, int]]) -> None:
    """What overlaps is settled once, the order of what was found does not matter."""
    items = [(kind, start, start + length) for kind, start, length in found]
    once = tidy(items)

    assert tidy(once) == once
    assert tidy(reversed(items)) == once
    assert set(once) <= set(items)


@pytest.mark.parametrize(
    ("found", "kept"),
    [
        ([("host", 8, 16), ("url", 0, 20)], [("url", 0, 20), ("host", 8, 16)]),
        (
            [("ip_port", 8, 20), ("host", 8, 16), ("url", 0, 30)],
            [("url", 0, 30), ("ip_port", 8, 20), ("host", 8, 16)],
        ),
        ([("exception", 5, 9), ("stack_frame", 0, 20)], [("stack_frame", 0, 20)]),
        ([("url_path", 10, 20), ("url", 0, 20)], [("url", 0, 20)]),
        ([("version", 0, 5), ("error_code", 0, 5)], [("error_code", 0, 5)]),
        ([("exception", 0, 9), ("error_code", 0, 9)], [("error_code", 0, 9), ("exception", 0, 9)]),
        ([("version", 8, 10), ("os", 0, 10)], [("os", 0, 10)]),
        ([("host", 0, 5), ("host", 0, 5)], [("host", 0, 5)]),
        ([("version", 0, 8), ("request_id", 4, 20)], [("request_id", 4, 20)]),
        ([], []),
    ],
)
def test_of_two_that_overlap_the_more_telling_stays(
    found: list[tuple[EntityType, int, int]], kept: list[tuple[EntityType, int, int]]
) -> None:
    """Addresses stay inside URLs, codes beside exceptions; the rest gives way."""
    assert tidy(found) == kept
