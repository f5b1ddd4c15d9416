"""Stories and examples: how users test their own policy."""

from __future__ import annotations

from pathlib import Path

import pytest

from rung.core.wire import decision_to_json
from rung.errors import PolicyInvalid
from rung.policy.lint import check_files
from rung.policy.load import load_files, load_policy
from rung.policy.schema import Expectation
from rung.policy.stories import load_stories, run_examples, run_stories

STORY = """\
- story: A broken API
  ticket: {subject: Orders, body: The API is broken}
  expect:
"""


def _outcome(files: dict[str, str], expect: str) -> list[str]:
    """The differences of one story with these expectations, as text."""
    own = {"stories/own.yaml": STORY + "".join(f"    {line}\n" for line in expect.splitlines())}
    (result,) = run_stories(load_files(files), load_stories(own))
    return [str(difference) for difference in result.differences]


def test_the_stories_of_a_policy_pass(base_folder: Path) -> None:
    """A policy folder brings its stories along."""
    results = run_stories(load_policy(base_folder), load_stories(base_folder))

    assert [result.passed for result in results] == [True, True]
    assert str(results[1]) == "ok stories/first.yaml:15: A question stays with the first level"


def test_a_failing_story_says_what_differs_and_why(base_files: dict[str, str]) -> None:
    """Key, expected, got, the line of the expectation, and the reasons of the decision."""
    own = {
        "stories/own.yaml": STORY + "    team: customer_success\n    severity: sev2\n    signature: null\n"
    }
    (result,) = run_stories(load_files(base_files), load_stories(own))

    assert str(result) == (
        "FAILED stories/own.yaml:1: A broken API\n"
        "  stories/own.yaml:4: team: expected 'customer_success', got 'backend/product'\n"
        "  stories/own.yaml:6: signature: expected nothing, got 'api_error'\n"
        "  it took route api to backend/product/L1/bugs because\n"
        "    signature:api_error/patterns[0] (body 4-17): 'API is broken'"
    )


@pytest.mark.parametrize(
    "expect",
    [
        "evidence_required: [api_calls]",
        "articles: []",
        "confidence: {at_least: 0.5, at_most: 1}",
        "outcome: {one_of: [escalate, suggest]}",
        "team: {not: frontend}",
        "handoff: {not: {contains: nothing of the kind}}",
        "channel: {contains: backend}",
        "evidence_required: {contains: api_calls}",
        "because: [{quote: {contains: broken}, field: body}]",
        "facts: {accounts_affected: 1, asks_for_technical: false}",
        "duplicate_of: null",
        "decided_at: '1970-01-01T00:00:00Z'",
    ],
)
def test_what_holds_is_no_difference(base_files: dict[str, str], expect: str) -> None:
    """Values, lists, comparisons and parts of reasons can be expected."""
    assert _outcome(base_files, expect) == []


@pytest.mark.parametrize(
    ("expect", "difference"),
    [
        ("evidence_required: [metrics]", "evidence_required: expected ['metrics'], got ['api_calls']"),
        ("evidence_required: []", "evidence_required: expected [], got ['api_calls']"),
        ("bypass_l1: 1", "bypass_l1: expected 1, got True"),
        ("confidence: {at_least: 1}", "confidence: expected at least 1, got 0.75"),
        ("channel: {contains: support}", "channel: expected contains 'support', got '#backend'"),
        ("team: {not: backend/product}", "team: expected not 'backend/product', got 'backend/product'"),
        ("entities: [{type: exception}]", "entities: expected [{'type': 'exception'}], got []"),
        ("next_check_at: {at_least: 3}", "next_check_at: expected at least 3, got nothing"),
    ],
)
def test_what_does_not_hold_is_told(base_files: dict[str, str], expect: str, difference: str) -> None:
    """Both sides of a difference are shown."""
    assert _outcome(base_files, expect) == [difference]


def test_facts_and_time_come_from_the_story(base_files: dict[str, str]) -> None:
    """A story can say what the store would know, and when it happens."""
    own = {
        "stories/own.yaml": """\
- story: Asked for someone technical
  ticket:
    body: How do I add a colleague?
    created_at: 2026-11-22T02:00:00Z
    facts: {asks_for_technical: true}
  now: 2026-11-22T03:00:00+01:00
  expect:
    route: howto-technical
    decided_at: 2026-11-22T02:00:00Z
"""
    }

    assert run_stories(load_files(base_files), load_stories(own))[0].passed


def test_stories_may_live_in_a_folder_of_the_users_own(tmp_path: Path) -> None:
    """Neither the name of the folder nor that of the files matters; a single file will do, too."""
    (tmp_path / "ours.yaml").write_text(STORY + "    level: L1\n", encoding="utf-8")
    (tmp_path / "notes.txt").write_text("not a story", encoding="utf-8")

    assert [(s.name, s.file, s.line) for s in load_stories(tmp_path)] == [("A broken API", "ours.yaml", 1)]
    assert load_stories(tmp_path) == load_stories(tmp_path / "ours.yaml")
    with pytest.raises(PolicyInvalid, match="no such file or folder"):
        load_stories(tmp_path / "theirs")


def test_every_key_of_a_decision_can_be_expected(base_files: dict[str, str]) -> None:
    """The wire form and the stories do not drift apart."""
    own = {"stories/own.yaml": STORY + "    level: L1\n"}
    (result,) = run_stories(load_files(base_files), load_stories(own))

    assert set(Expectation.model_fields) == set(decision_to_json(result.decision))


def test_examples_are_read_as_they_say(base_files: dict[str, str]) -> None:
    """A matching example has its signature as the best one; a failing one says what was seen instead."""
    file = "signatures/api_error.yaml"
    base_files[file] = base_files[file].replace("API calls keep failing", "Where can I find it?")
    results = run_examples(load_files(base_files))

    assert len(results) == 50
    (failed,) = [result for result in results if not result.passed]
    assert str(failed) == (
        "FAILED api_error: matching example 12\n"
        "  text: Where can I find it?\n"
        "  expected api_error, got howto_question with 3 for 'Where can I find'"
    )
    assert [p.code for p in check_files(base_files)] == ["wrong-example"]
