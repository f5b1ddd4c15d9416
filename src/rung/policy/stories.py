"""Stories: a ticket and facts in, the expected decision out. Users test their routes with them, as we do.

A story lives in the policy's ``stories/`` folder or in any folder of the user's own.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from rung.core.compiled import Compiled, compile_policy
from rung.core.decide import decide_ticket
from rung.core.facts import FACTS
from rung.core.read import read
from rung.core.rules import Policy, Signature
from rung.core.wire import decision_to_json, ticket_from_json, time_from_json
from rung.errors import Malformed, PolicyInvalid, Problem
from rung.model import Account, Because, Decision, Json, Reading, Requester, Ticket
from rung.policy.document import Document, read_document
from rung.policy.examples import example_ticket
from rung.policy.fields import COMPARISONS
from rung.policy.load import problem_from
from rung.policy.names import AnyName
from rung.policy.problems import nearest, one_of, shown
from rung.policy.schema import StoryEntry, StoryList
from rung.policy.source import folder_files, kind_of, text_files

_MOST_SHOWN = 160
_MOST_REASONS = 3


@dataclass(frozen=True, slots=True)
class Story:
    """One ticket, when it is decided, and what must come out. ``lines`` has the line of each expected key."""

    name: str
    file: str
    line: int
    ticket: Ticket
    now: datetime | None
    expect: Mapping[str, Json]
    lines: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Difference:
    """One key of the decision that is not what the story says."""

    key: str
    expected: Json
    got: Json
    line: int = 0

    def __str__(self) -> str:
        return f"{self.key}: expected {_brief(self.expected)}, got {_brief(self.got)}"


@dataclass(frozen=True, slots=True)
class StoryResult:
    """What came out of one story; as text, what differs and why it was decided so."""

    story: Story
    decision: Decision
    differences: tuple[Difference, ...]

    @property
    def passed(self) -> bool:
        """Whether every expected key is as expected."""
        return not self.differences

    def __str__(self) -> str:
        place = f"{self.story.file}:{self.story.line}"
        if self.passed:
            return f"ok {place}: {self.story.name}"
        lines = [f"FAILED {place}: {self.story.name}"]
        lines += [f"  {self.story.file}:{d.line}: {d}" if d.line else f"  {d}" for d in self.differences]
        lines.append(f"  it took route {self.decision.route} to {self.decision.scope} because")
        reasons = [_reason(because) for because in self.decision.because]
        lines += [f"    {reason}" for reason in reasons or ["nothing was recognised"]]
        return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class ExampleResult:
    """How one example was read. ``why`` says what spoke for the best signature, ready to follow its name."""

    signature: str
    matching: bool
    index: int
    text: str
    best: str
    passed: bool
    why: str = ""

    def __str__(self) -> str:
        kind = "matching" if self.matching else "not matching"
        first = f"{'ok' if self.passed else 'FAILED'} {self.signature}: {kind} example {self.index + 1}"
        if self.passed:
            return first
        wanted = self.signature if self.matching else f"anything but {self.signature}"
        words = " ".join(self.text.split())[:_MOST_SHOWN]
        return f"{first}\n  text: {words}\n  expected {wanted}, got {self.best or 'none'}{self.why}"


# ── loading ──


def load_stories(source: Path | Mapping[str, str]) -> list[Story]:
    """The stories of a policy folder, of any folder or file, or of a policy given as text by relative path.

    A folder that has a ``stories`` folder is taken for a policy; else all its YAML files are stories.

    Raises:
        PolicyInvalid: with all problems, each with its file and line.
    """
    files = _story_files(source) if isinstance(source, Path) else source
    own = files if isinstance(source, Path) else {f: t for f, t in files.items() if kind_of(f) == "stories"}
    problems: list[Problem] = []
    stories: list[Story] = []
    for file in sorted(own):
        document, found = read_document(file, own[file])
        problems += found
        if document is not None and document.value is not None:
            stories += _read_stories(document, problems)
    problems += _doubled(stories)
    if problems:
        raise PolicyInvalid(sorted(set(problems), key=lambda p: (p.file, p.line, p.code, p.message)))
    return stories


def _story_files(path: Path) -> dict[str, str]:
    if path.is_dir() and (path / "stories").is_dir():
        return {file: text for file, text in folder_files(path).items() if kind_of(file) == "stories"}
    return text_files(path)


@cache
def _adapter() -> TypeAdapter[list[StoryEntry]]:
    return TypeAdapter(StoryList)


def _read_stories(document: Document, problems: list[Problem]) -> list[Story]:
    try:
        entries = _adapter().validate_python(document.value, context=_Facts())
    except ValidationError as error:
        details = error.errors(include_url=False)
        problems.extend(problem_from(detail, document, StoryList) for detail in details)
        return []
    made = (_story(document, index, entry, problems) for index, entry in enumerate(entries))
    return [story for story in made if story is not None]


class _Facts:
    """The validation context of stories: only the names of facts are known here."""

    facts = tuple(sorted(FACTS))

    def __getattr__(self, name: str) -> AnyName:
        return AnyName()


def _story(document: Document, index: int, entry: StoryEntry, problems: list[Problem]) -> Story | None:
    wrong = list(_unknown_ticket_keys(document, index, entry.ticket))
    try:
        ticket = ticket_from_json(entry.ticket, where="ticket")
        now = time_from_json(entry.now, "now")
    except Malformed as malformed:
        line = document.line((index, *_steps(malformed.where)))
        wrong.append(Problem("bad-value", f"{malformed.where}: {malformed.reason}", document.file, line))
        ticket, now = None, None
    problems += wrong
    if ticket is None or wrong:
        return None
    expected: Any = document.value[index]["expect"]
    return Story(
        name=entry.story,
        file=document.file,
        line=document.line((index,)),
        ticket=ticket,
        now=now,
        expect=expected,
        lines={key: document.line((index, "expect", key)) for key in expected},
    )


def _steps(where: str) -> tuple[str | int, ...]:
    """``ticket.messages[2].at`` as a path."""
    parts = re.findall(r"\[(\d+)\]|([^.\[\]]+)", where)
    return tuple(int(number) if number else word for number, word in parts)


def _unknown_ticket_keys(document: Document, index: int, ticket: Mapping[str, Json]) -> Iterable[Problem]:
    """A story's ticket is typed by hand, so unlike the API it knows no unknown keys."""
    known: tuple[tuple[tuple[str, ...], Iterable[str]], ...] = (
        ((), [f.name for f in fields(Ticket)]),
        (("account",), [f.name for f in fields(Account)]),
        (("requester",), [f.name for f in fields(Requester)]),
        (("facts",), FACTS),
    )
    for path, names in known:
        value: Json = ticket.get(path[0]) if path else ticket
        for key in value if isinstance(value, dict) else ():
            if key not in (valid := sorted(names)):
                line = document.line((index, "ticket", *path, key))
                code = "unknown-name" if path == ("facts",) else "unknown-key"
                message = "unknown fact" if path == ("facts",) else "unknown key"
                yield Problem(
                    code, message, document.file, line, shown(key), one_of(valid), nearest(key, valid)
                )


def _doubled(stories: Iterable[Story]) -> list[Problem]:
    first: dict[str, Story] = {}
    problems = []
    for story in stories:
        before = first.setdefault(story.name, story)
        if before is not story:
            message = f"another story has this name ({before.file}:{before.line})"
            problems.append(Problem("duplicate-id", message, story.file, story.line, shown(story.name)))
    return problems


# ── running ──


def run_stories(
    policy: Policy, stories: Iterable[Story], *, compiled: Compiled | None = None
) -> list[StoryResult]:
    """Decide every story's ticket and compare what is expected."""
    ready = compiled or compile_policy(policy)
    results = []
    for story in stories:
        decision = decide_ticket(ready, story.ticket, now=story.now)
        got = decision_to_json(decision)
        differences = tuple(
            Difference(key, expected, got[key], story.lines.get(key, 0))
            for key, expected in story.expect.items()
            if not _as_expected(expected, got[key])
        )
        results.append(StoryResult(story, decision, differences))
    return results


def _as_expected(expected: Json, got: Json) -> bool:
    if isinstance(expected, list) and isinstance(got, list):
        if not expected:
            return not got
        return all(any(_as_expected(wanted, item) for item in got) for wanted in expected)
    if isinstance(expected, dict):
        if isinstance(got, dict):  # facts, reasons, entities: the named keys
            return all(_as_expected(value, got.get(key)) for key, value in expected.items())
        return all(_compares(name, value, got) for name, value in expected.items())
    if isinstance(expected, bool) or isinstance(got, bool):
        return expected is got
    return bool(expected == got)


def _compares(comparison: str, wanted: Json, got: Json) -> bool:
    number = isinstance(got, int | float) and not isinstance(got, bool)
    match comparison:
        case "contains" if isinstance(got, str):
            return all(str(words) in got for words in (wanted if isinstance(wanted, list) else [wanted]))
        case "contains" if isinstance(got, list):
            return _as_expected(wanted if isinstance(wanted, list) else [wanted], got)
        case "one_of":
            return any(_as_expected(value, got) for value in wanted)
        case "not":
            return not _as_expected(wanted, got)
        case "at_least":
            return number and got >= wanted
        case "at_most":
            return number and got <= wanted
        case _:
            return False


def _brief(value: Json) -> str:
    if isinstance(value, dict) and len(value) == 1 and next(iter(value)) in COMPARISONS:
        name, wanted = next(iter(value.items()))
        return f"{name.replace('_', ' ')} {_brief(wanted)}"
    text = "nothing" if value is None else repr(value)
    return text if len(text) <= _MOST_SHOWN else text[: _MOST_SHOWN - 1] + "…"


def _reason(because: Because) -> str:
    if because.quote is None:
        return f"{because.rule} ({because.field})"
    return f"{because.rule} ({because.field} {because.start}-{because.end}): {_brief(because.quote)}"


def run_examples(policy: Policy, *, compiled: Compiled | None = None) -> list[ExampleResult]:
    """Read every example of every signature.

    A matching example passes when its signature is the best one, another when that is not the best one.
    """
    ready = compiled or compile_policy(policy)
    return [
        _run(ready, signature, index, text, matching=matching)
        for signature in policy.signatures
        for matching, texts in ((True, signature.matching), (False, signature.not_matching))
        for index, text in enumerate(texts)
    ]


def _run(compiled: Compiled, signature: Signature, index: int, text: str, *, matching: bool) -> ExampleResult:
    ticket = example_ticket(f"{signature.id}-{index}", text)
    reading = read(compiled, ticket)
    best = reading.signatures[0].signature if reading.signatures else ""
    passed = (best == signature.id) == matching
    why = "" if passed else _why(reading)
    return ExampleResult(signature.id, matching, index, text, best, passed, why)


def _why(reading: Reading) -> str:
    """The words that spoke for the best signature, with its score."""
    if not reading.signatures:
        return ""
    best = reading.signatures[0]
    reasons = [*(hit.because for hit in reading.triggers), *best.because]
    quotes = ", ".join(repr(" ".join((r.quote or "").split())) for r in reasons[:_MOST_REASONS])
    return f" with {best.score:g}" + (f" for {quotes}" if quotes else "")
