"""A folder of YAML becomes a policy whose version is its content."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rung.core.rules import FactTest, Place
from rung.errors import PolicyInvalid
from rung.policy.examples import example_text, example_ticket
from rung.policy.load import load_files, load_policy, starter_files
from rung.policy.source import kind_of, version_of


def test_folder_and_text_give_the_same_policy(base_folder: Path, base_files: dict[str, str]) -> None:
    """Publishing from the store loads what ``rung check`` loaded from the folder."""
    assert load_policy(base_folder) == load_files(base_files)


def test_the_matrix_is_teams_by_levels(base_files: dict[str, str]) -> None:
    """Sub-teams have ids of their own, steps are resolved, and channels come from the team around."""
    policy = load_files(base_files)
    level = policy.level("backend/product/L1/bugs")

    assert list(policy.teams) == ["customer_success", "backend/product"]
    assert (level.id, level.next, level.channel) == ("backend/product/L1", "backend/product/L2", "#backend")
    assert [item.id for item in level.scope] == ["backend/product/L1/bugs"]
    last = policy.level("backend/product/L2/api")
    assert (last.next, last.acknowledge_minutes, last.exit_minutes) == ("", 15, 240)


def test_rules_know_their_line(base_files: dict[str, str]) -> None:
    """Reasons and problems can point at the file."""
    policy = load_files(base_files)

    assert [route.place for route in policy.routes] == [
        Place("routes.yaml", line) for line in (2, 5, 8, 13, 16)
    ]
    assert policy.triggers[0].place == Place("triggers.yaml", 2)
    assert policy.signatures[1].place == Place("signatures/howto_question.yaml", 1)


def test_clues_have_weights_and_places(base_files: dict[str, str]) -> None:
    """Short forms weigh 2; a clue's rule is its place in the file."""
    files = base_files | {
        "signatures/api_error.yaml": base_files["signatures/api_error.yaml"].replace(
            "exclude:", "exclude:\n  - say: just asking\n  - {type: url}"
        )
        + "\n"
    }
    files["signatures/api_error.yaml"] = files["signatures/api_error.yaml"].replace(
        "phrases:", "phrases:\n  - no answer"
    )
    signature = load_files(files).signatures[0]

    assert [(c.rule, c.phrase or c.pattern or c.entity, c.weight) for c in signature.clues][1:3] == [
        ("signature:api_error/phrases[0]", "no answer", 2.0),
        ("signature:api_error/phrases[1]", "internal server error", 3.0),
    ]
    assert [c.phrase or c.entity or c.pattern for c in signature.exclusions] == [
        "just asking",
        "url",
        "^how do i",
    ]


def test_a_fact_may_have_several_tests(base_files: dict[str, str]) -> None:
    """Each comparison becomes a test of its own; facts are ordered by name, not by the file."""
    tests = "{tier: gold, accounts_affected: {at_most: 9, at_least: 3}, plan: {one_of: [a, b]}}"
    base_files["routes.yaml"] = base_files["routes.yaml"].replace("{asks_for_technical: true}", tests)

    assert load_files(base_files).routes[2].when.facts == (
        FactTest("accounts_affected", "at_least", 3),
        FactTest("accounts_affected", "at_most", 9),
        FactTest("plan", "one_of", ("a", "b")),
        FactTest("tier", "equals", "gold"),
    )


@pytest.mark.parametrize(
    ("written", "minutes"), [("90s", 2), ("60s", 1), ("15m", 15), ("4h", 240), ("2d", 2880)]
)
def test_durations_are_whole_minutes(base_files: dict[str, str], written: str, minutes: int) -> None:
    """Seconds are rounded up, so that a clock is never shorter than written."""
    base_files["matrix.yaml"] = base_files["matrix.yaml"].replace(
        "acknowledge: 15m", f"acknowledge: {written}"
    )

    assert load_files(base_files).level("backend/product/L2/api").acknowledge_minutes == minutes


def test_error_codes_need_no_quotes(base_files: dict[str, str]) -> None:
    """A whole number is taken as its digits, and leading zeros stay."""
    for written in ("42501", "08006"):
        files = base_files | {
            "triggers.yaml": base_files["triggers.yaml"].replace("ERR_BAD_GATEWAY", written)
        }
        assert load_files(files).triggers[0].match == written


def test_only_matrix_and_routes_are_needed(base_files: dict[str, str]) -> None:
    """A path and a matrix make a policy; everything else has defaults."""
    files = {
        "matrix.yaml": base_files["matrix.yaml"],
        "routes.yaml": "routes:\n  - id: all\n    to: customer_success/L1/queries\n",
    }
    policy = load_files(files)

    assert (policy.mode, policy.act_at, policy.signatures) == ("observe", 0.6, ())


def test_all_problems_come_at_once(base_files: dict[str, str]) -> None:
    """Nobody mends a policy one message at a time."""
    base_files["services.yaml"] = base_files["services.yaml"].replace("database", "databse", 2)
    base_files["routes.yaml"] = base_files["routes.yaml"].replace("to: backend", "to: bakend")
    base_files["signatures/api_error.yaml"] = "title: [a\n"

    with pytest.raises(PolicyInvalid) as caught:
        load_files(base_files)

    places = [(p.file, p.line) for p in caught.value.problems]
    assert places == [
        ("routes.yaml", 4),
        ("routes.yaml", 7),
        ("services.yaml", 4),
        ("signatures/api_error.yaml", 1),
    ]


def test_a_file_that_is_not_utf_8_is_a_problem_of_its_line(tmp_path: Path) -> None:
    """Latin-1 does not slip in as mojibake."""
    (tmp_path / "routes.yaml").write_bytes(b"# caf\xc3\xa9\n# caf\xe9\n")

    with pytest.raises(PolicyInvalid) as caught:
        load_policy(tmp_path)

    assert str(caught.value) == (
        "routes.yaml:2: error[bad-encoding] the file is not UTF-8; found byte 0xE9; expected UTF-8 text"
    )


def test_a_folder_that_is_not_there_is_said(tmp_path: Path) -> None:
    """A wrong path is not an empty policy."""
    with pytest.raises(PolicyInvalid, match="there is no such policy folder"):
        load_policy(tmp_path / "none")


def test_other_files_beside_a_policy_are_left_alone(base_files: dict[str, str], tmp_path: Path) -> None:
    """A README, hidden files and other folders may live beside the policy."""
    extra = {
        "README.md": "# ours",
        ".pre-commit.yaml": "x",
        "notes/own.yaml": "x",
        "signatures/notes.txt": "x",
    }
    for file, text in (base_files | extra).items():
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_text(text, encoding="utf-8")

    assert load_policy(tmp_path) == load_files(base_files)


def test_the_starter_policy_loads() -> None:
    """What ``rung init`` writes is valid, and nothing but YAML."""
    files = starter_files()

    assert len(load_files(files).signatures) == 20
    assert all(kind_of(file) for file in files)


# ── the version ──


def test_comments_quotes_and_layout_do_not_change_the_version(base_files: dict[str, str]) -> None:
    """The version is that of the content."""
    version = load_files(base_files).version
    base_files["services.yaml"] = "# ours\n" + base_files["services.yaml"].replace(
        "kind: database", 'kind: "database"'
    )
    base_files["policy.yaml"] = base_files["policy.yaml"].replace("\n", "\n\n")

    assert version.startswith("sha256:")
    assert load_files(base_files).version == version


def test_examples_change_the_version_and_stories_do_not(base_files: dict[str, str]) -> None:
    """What is trained depends on examples; a story only tests."""
    version = version_of(base_files)
    question = base_files["signatures/howto_question.yaml"]

    assert version_of(base_files | {"stories/first.yaml": "[]"}) == version
    assert version_of(base_files | {"signatures/howto_question.yaml": question + "    - Bye\n"}) != version


def test_the_order_of_routes_changes_the_version(base_files: dict[str, str]) -> None:
    """First match wins, so order is content."""
    routes = yaml.safe_load(base_files["routes.yaml"])
    routes["routes"][:2] = reversed(routes["routes"][:2])

    assert version_of(base_files | {"routes.yaml": json.dumps(routes)}) != version_of(base_files)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25, deadline=None)
@given(random=st.randoms(use_true_random=False))
def test_the_order_of_keys_changes_nothing(base_files: dict[str, str], random: Any) -> None:
    """Shuffled keys give the same version, and the same policy where order could decide."""

    def shuffled(value: Any) -> Any:
        if isinstance(value, dict):
            keys = list(value)
            random.shuffle(keys)
            return {key: shuffled(value[key]) for key in keys}
        return [shuffled(item) for item in value] if isinstance(value, list) else value

    files = dict(base_files)
    files["matrix.yaml"] = json.dumps(shuffled(yaml.safe_load(base_files["matrix.yaml"])))
    files["routes.yaml"] = json.dumps(shuffled(yaml.safe_load(base_files["routes.yaml"])), indent=1)
    policy, plain = load_files(files), load_files(base_files)

    assert policy.version == plain.version
    assert [(r.id, r.when, r.to) for r in policy.routes] == [(r.id, r.when, r.to) for r in plain.routes]
    assert policy.teams == plain.teams


def test_the_version_is_the_same_in_every_process(base_folder: Path) -> None:
    """Another hash seed, another process: the same policy."""
    script = (
        "import sys, pathlib; from rung.policy.load import load_policy; "
        "p = load_policy(pathlib.Path(sys.argv[1])); print(p.version, p)"
    )
    said = set()
    for seed in ("1", "2"):
        environment = os.environ | {"PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path)}
        done = subprocess.run(
            [sys.executable, "-c", script, str(base_folder)],
            capture_output=True, text=True, check=True, env=environment,
        )  # fmt: skip
        said.add(done.stdout)

    assert len(said) == 1


# ── examples as text ──


@given(subject=st.text(max_size=20), body=st.text(max_size=40))
def test_an_example_keeps_its_subject_and_body(subject: str, body: str) -> None:
    """The text form of an example gives the same ticket back; white space in a subject becomes one space."""
    ticket = example_ticket("e", example_text(subject, body))

    assert ticket.subject == " ".join(subject.split())
    assert ticket.body == body
