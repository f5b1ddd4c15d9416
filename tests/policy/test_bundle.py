"""A policy as one blob, and what changed between two."""

from __future__ import annotations

import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rung.errors import Broken, PolicyInvalid
from rung.policy.bundle import diff, pack, unpack, version_of
from rung.policy.load import load_files

_FILES = st.dictionaries(st.text(max_size=12), st.text(st.characters(), max_size=60), max_size=6)


@given(_FILES)
def test_what_is_packed_comes_back(files: dict[str, str]) -> None:
    """Every file as it was: line ends, odd characters, even half a surrogate."""
    assert unpack(pack(files)) == files


@given(_FILES)
def test_the_order_of_files_does_not_change_the_blob(files: dict[str, str]) -> None:
    """The same files are the same bytes."""
    assert pack(files) == pack(dict(reversed(files.items())))


def test_a_blob_is_stored_under_the_version_of_its_policy(base_files: dict[str, str]) -> None:
    """What the store hands back is the policy that was published."""
    stored = unpack(pack(base_files))

    assert version_of(stored) == load_files(base_files).version == load_files(stored).version


def test_a_policy_that_is_not_yaml_has_no_version() -> None:
    """Nothing that cannot be loaded gets a name."""
    with pytest.raises(PolicyInvalid, match=r"routes\.yaml:1: error\[bad-yaml\]"):
        version_of({"routes.yaml": "a: {b"})


@given(st.binary(max_size=80))
def test_what_is_no_blob_is_refused(blob: bytes) -> None:
    """Whatever the store holds, it is a policy or a named error."""
    for damaged in (blob, b"rung-policy 1\n" + blob, b"rung-policy 1\n" + zlib.compress(blob)):
        with pytest.raises(Broken, match="stored policy"):
            unpack(damaged)


def test_a_cut_blob_is_refused(base_files: dict[str, str]) -> None:
    """Half a policy is none."""
    with pytest.raises(Broken, match="it is cut"):
        unpack(pack(base_files)[:-20])


def test_nothing_changed_is_an_empty_difference(base_files: dict[str, str]) -> None:
    """No news is no text."""
    assert diff(base_files, dict(base_files)) == ""


def test_a_difference_begins_with_the_rules_that_changed(base_files: dict[str, str]) -> None:
    """A reviewer sees added, removed, changed and moved rules before the lines."""
    after = dict(base_files)
    after["triggers.yaml"] = base_files["triggers.yaml"].replace("bad-gateway", "gateway")
    first, second = base_files["routes.yaml"].split("  - id: howto-technical")
    routes = first.replace("L1/bugs", "L2/api") + "  - id: howto-technical" + second
    after["routes.yaml"] = routes.replace("  - id: api\n", "  - id: api-all\n")
    del after["signatures/howto_question.yaml"]
    after["policy.yaml"] = base_files["policy.yaml"] + "act_at: 0.7\n"

    text = diff(base_files, after)

    assert text.split("\n\n")[0].splitlines() == [
        "routes added: api-all",
        "routes removed: api",
        "triggers added: gateway",
        "triggers removed: bad-gateway",
        "signatures removed: howto_question",
        "settings changed: act_at",
    ]
    assert "--- before/triggers.yaml\n+++ after/triggers.yaml" in text
    assert "\n-  - id: bad-gateway\n+  - id: gateway\n" in text
    assert "--- before/signatures/howto_question.yaml\n+++ /dev/null" in text


def test_a_moved_route_is_told_as_moved(base_files: dict[str, str]) -> None:
    """Order decides, so a move is a change of its own."""
    lines = base_files["routes.yaml"].splitlines(keepends=True)
    moved = "".join([lines[0], *lines[4:7], *lines[1:4], *lines[7:]])

    assert diff(base_files, base_files | {"routes.yaml": moved}).startswith("routes moved: api")


def test_comments_and_stories_are_no_rule_changes(base_files: dict[str, str]) -> None:
    """The summary says so, the lines are still shown."""
    text = diff(base_files, base_files | {"policy.yaml": "# ours\n" + base_files["policy.yaml"]})

    assert text.startswith("no rule changes: only comments, stories or layout\n\n--- before/policy.yaml")


def test_a_broken_file_can_be_compared_too(base_files: dict[str, str]) -> None:
    """One compares exactly when something went wrong."""
    assert "+a: {b" in diff(base_files, base_files | {"routes.yaml": "a: {b"})
