"""Reading one YAML file: its values, its lines, and that nothing in it can do harm."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rung.model import Json
from rung.policy.document import read_document


def _value(text: str) -> Json:
    document, problems = read_document("x.yaml", text)
    assert problems == []
    assert document is not None
    return document.value


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("no", "no"),
        ("on", "on"),
        ("2026-11-22", "2026-11-22"),
        ("2026-11-22T03:00:00Z", "2026-11-22T03:00:00Z"),
        ("08006", "08006"),
        ("3:30", "3:30"),
        ("0x1F", "0x1F"),
        ("1e3", "1e3"),
        ("12", 12),
        ("-7", -7),
        ("0.5", 0.5),
        ("'12'", "12"),
        ("true", True),
        ("~", None),
        ("null", None),
        ("!!str 12", "12"),
    ],
)
def test_plain_scalars_mean_what_they_look_like(written: str, value: Json) -> None:
    """Error codes, days and the words no and on stay text; only plain numbers, true, false and null do not."""
    assert _value(f"a: {written}") == {"a": value}


def test_lines_are_those_of_keys_and_items() -> None:
    """A key has its own line even when its value begins later."""
    document, _ = read_document("x.yaml", "a: 1\nb:\n\n  - c\n  - d: e\n    f: |\n      text\n")

    assert document is not None
    assert [document.line(p) for p in (("a",), ("b",), ("b", 0), ("b", 1, "f"), ("b", 1, "x"))] == [
        1,
        2,
        4,
        6,
        5,
    ]


def test_an_alias_may_be_used_and_keeps_its_own_line() -> None:
    """Sharing a list is fine as long as it does not unfold without bound."""
    document, problems = read_document("x.yaml", "a: &list [1, 2]\nb: *list\n")

    assert problems == []
    assert document is not None
    assert document.value == {"a": [1, 2], "b": [1, 2]}
    assert document.line(("b", 1)) == 2


@pytest.mark.parametrize("text", ["", "# only a comment\n", "---\n", "\ufeff# with a mark\n"])
def test_a_file_that_says_nothing_is_nothing(text: str) -> None:
    """An empty file is no problem of YAML."""
    assert _value(text) is None


def test_half_a_surrogate_is_a_problem_of_its_line() -> None:
    """Text that no file can hold is refused, not raised."""
    _, problems = read_document("x.yaml", "a: b\nc: \ud800\n")

    assert [(p.code, p.line) for p in problems] == [("bad-encoding", 2)]


_TEXT = st.text(st.characters(categories=["L", "M", "N", "P", "S", "Zs"]), max_size=20)
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**15), 10**15) | _TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_TEXT, inner, max_size=4),
    max_leaves=20,
)


@given(_JSON)
def test_json_is_read_as_it_is_written(value: Json) -> None:
    """Whatever JSON says, the same value comes out, text with every kind of character included."""
    assert _value(json.dumps(value, ensure_ascii=False)) == value


@given(st.text(alphabet=st.sampled_from("ab:-[]{}&*!|>'\"#%@ \n\t,?\u2028é"), max_size=60))
def test_no_text_makes_the_reader_fail(text: str) -> None:
    """Every text is a value or has a problem with a line that the file has."""
    document, problems = read_document("x.yaml", text)

    assert document is not None or problems
    assert all(1 <= p.line <= text.count("\n") + text.count("\u2028") + 2 for p in problems)
