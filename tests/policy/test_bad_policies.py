"""One mistake a folder: the files that differ from ``base``, and the exact messages they must cause.

A folder holds ``expected.txt``, the files that differ, and ``removed.txt`` where a file is missing.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from rung.errors import PolicyInvalid
from rung.policy.lint import check_files
from rung.policy.problems import CODES, WARNINGS
from rung.policy.stories import load_stories

HERE = Path(__file__).parent
CASES = sorted(path for path in (HERE / "bad").iterdir() if path.is_dir())
COLLECTED = {"api_calls", "similar_tickets"}


def _folder_text(folder: Path) -> dict[str, str]:
    paths = (path for path in sorted(folder.rglob("*")) if path.suffix in {".yaml", ".yml"})
    return {path.relative_to(folder).as_posix(): path.read_text(encoding="utf-8") for path in paths}


def _broken(case: Path) -> dict[str, str]:
    removed = case / "removed.txt"
    gone = removed.read_text(encoding="utf-8").split() if removed.exists() else []
    files = _folder_text(HERE / "base") | _folder_text(case)
    return {file: text for file, text in files.items() if file not in gone}


def _messages(files: dict[str, str]) -> list[str]:
    problems = check_files(files, collected=COLLECTED)
    try:
        load_stories(files)
    except PolicyInvalid as invalid:
        problems += invalid.problems
    return [str(problem) for problem in problems]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_broken_policy_is_refused_with_its_exact_message(case: Path) -> None:
    """File, line, what was found, what was expected and the nearest name stand in the message."""
    expected = (case / "expected.txt").read_text(encoding="utf-8").splitlines()

    assert _messages(_broken(case)) == expected


def test_the_base_policy_has_nothing_wrong() -> None:
    """What the broken policies report is their own mistake."""
    assert _messages(_folder_text(HERE / "base")) == []


def test_every_problem_code_has_a_broken_policy() -> None:
    """A code that no broken policy causes is not known to work."""
    told = {
        code
        for case in CASES
        for code in re.findall(r"(?:error|warning)\[([\w-]+)\]", (case / "expected.txt").read_text("utf-8"))
    }

    assert set(CODES) - told == {"bad-encoding"}  # bytes, so tested with a folder of its own


def test_only_warnings_let_a_policy_pass() -> None:
    """The severity of a message is that of its code."""
    for case in CASES:
        for kind, code in re.findall(
            r"(error|warning)\[([\w-]+)\]", (case / "expected.txt").read_text("utf-8")
        ):
            assert (kind == "warning") == (code in WARNINGS)
