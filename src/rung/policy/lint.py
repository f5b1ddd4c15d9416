"""What a valid policy still gets wrong: routes nobody reaches, levels nobody staffs, rules that only wait.

``check_files`` is what ``rung check`` shows: every problem of loading, or, when there is none, of linting.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from rung.core.compiled import Compiled, compile_policy
from rung.core.rules import (
    FIRST_LEVEL,
    FIRST_TEAM,
    SUBJECT_FACTOR,
    Level,
    Place,
    Policy,
    Route,
    Signature,
    Trigger,
    When,
)  # fmt: skip
from rung.errors import PolicyInvalid, Problem
from rung.policy.implies import cases, contradiction, implies
from rung.policy.load import Source, read_source
from rung.policy.problems import WARNINGS
from rung.policy.source import folder_files
from rung.policy.stories import ExampleResult, run_examples
from rung.policy.waiting import waiting_name, waiting_words

MOST_TRIGGERS = 30
FEWEST_MATCHING = 15
FEWEST_NOT_MATCHING = 10
WAITING_ADVICE = (
    "waiting helps nobody while the customer's clock runs: ask what the next hour of investigation by the "
    "current owner costs"
)


def check_files(files: Mapping[str, str], *, collected: Collection[str] | None = None) -> list[Problem]:
    """Everything wrong with a policy given as text: what loading refuses, else what the linter finds."""
    try:
        source = read_source(files)
    except PolicyInvalid as invalid:
        return list(invalid.problems)
    return lint(source.policy, source=source, collected=collected)


def check_folder(folder: Path, *, collected: Collection[str] | None = None) -> list[Problem]:
    """Everything wrong with the policy in a folder."""
    try:
        files = folder_files(folder)
    except PolicyInvalid as invalid:
        return list(invalid.problems)
    return check_files(files, collected=collected)


def lint(
    policy: Policy,
    *,
    source: Source | None = None,
    collected: Collection[str] | None = None,
    compiled: Compiled | None = None,
) -> list[Problem]:
    """What is wrong with a policy that loads, ordered by file and line.

    Args:
        policy: the policy.
        source: the files it was made of; without it only signatures, triggers and routes have lines.
        collected: the evidence ids that installed collectors bring; not checked when it is not given.
        compiled: the compiled policy, if the caller has it already.
    """
    linting = _Linting(policy, source, collected, compiled)
    problems = [problem for check in _CHECKS for problem in check(linting)]
    return sorted(set(problems), key=lambda p: (p.file, p.line, p.code, p.message))


@dataclass(frozen=True, slots=True)
class _Linting:
    """What the checks look at."""

    policy: Policy
    source: Source | None
    collected: Collection[str] | None
    compiled: Compiled | None
    kinds: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.kinds.update({service.id: service.kind for service in self.policy.services})

    def place(self, file: str, *path: str | int) -> Place:
        return self.source.place(file, *path) if self.source else Place(file)

    def level_place(self, level: Level, *path: str | int) -> Place:
        outer, _, inner = level.team.partition("/")
        team: tuple[str | int, ...] = ("teams", outer, "teams", inner) if inner else ("teams", outer)
        return self.place("matrix.yaml", *team, "levels", level.name, *path)

    def within(self, rule: Signature | Route | Trigger, *path: str | int) -> Place:
        """Where something inside a rule stands; the rule itself when the files are not at hand."""
        if self.source is None:
            return rule.place
        match rule:
            case Signature():
                return self.place(f"signatures/{rule.id}.yaml", *path)
            case Route():
                return self.place("routes.yaml", "routes", self.policy.routes.index(rule), *path)
            case _:
                return self.place("triggers.yaml", "triggers", self.policy.triggers.index(rule), *path)

    def levels(self) -> Iterator[Level]:
        for team in self.policy.teams.values():
            yield from team.levels.values()


def _problem(
    code: str, message: str, place: Place, *, found: str = "", expected: str = "", suggestion: str = ""
) -> Problem:
    return Problem(code, message, place.file, place.line, found, expected, suggestion, code not in WARNINGS)


# ── routes ──


def _unconditional(route: Route) -> bool:
    return route.when == When()


def _fallback(lint: _Linting) -> Iterator[Problem]:
    routes = lint.policy.routes
    if not any(_unconditional(route) for route in routes):
        message = f"the last route, {routes[-1].id}, has conditions, so some tickets reach nobody"
        expected = "a route without `when` at the end"
        yield _problem("missing-fallback", message, routes[-1].place, expected=expected)


def _unreachable(lint: _Linting) -> Iterator[Problem]:
    fallback: Route | None = None
    for route in lint.policy.routes:
        if fallback is not None:
            message = f"route {route.id} stands after {fallback.id}, which takes everything that is left"
            expected = f"{fallback.id} to be the last route"
            yield _problem("unreachable-route", message, route.place, expected=expected)
        elif _unconditional(route):
            fallback = route
        elif why := contradiction(route.when, lint.policy):
            yield _problem("unreachable-route", f"route {route.id} can never match: {why}", route.place)


def _shadowed(lint: _Linting) -> Iterator[Problem]:
    earlier: list[Route] = []
    for route in lint.policy.routes:
        if _unconditional(route):
            return  # what comes after the fallback is unreachable anyway
        if not contradiction(route.when, lint.policy):
            taking = _takers(route, earlier, lint)
            if taking:
                names = " and ".join(f"{r.id} (line {r.place.line})" for r in taking)
                message = (
                    f"route {route.id} never gets a ticket: {names} {_takes(taking)} all of its tickets first"
                )
                expected = "the narrower route first"
                yield _problem("shadowed-route", message, route.place, expected=expected)
            earlier.append(route)


def _takes(taking: list[Route]) -> str:
    return "takes" if len(taking) == 1 else "take"


def _takers(route: Route, earlier: list[Route], lint: _Linting) -> list[Route]:
    """The earlier routes that together take everything this one could; empty when something is left."""
    whole = next((other for other in earlier if implies(route.when, other.when, lint.kinds)), None)
    if whole is not None:
        return [whole]
    taking: list[Route] = []
    for case in cases(route.when, lint.policy):
        taker = next((other for other in earlier if implies(case, other.when, lint.kinds)), None)
        if taker is None:
            return []
        if taker not in taking:
            taking.append(taker)
    return taking


def _reachable(lint: _Linting) -> list[Route]:
    """The routes that some ticket may take, as far as the other checks can tell."""
    found = []
    for route in lint.policy.routes:
        if not contradiction(route.when, lint.policy):
            found.append(route)
        if _unconditional(route):
            break
    return found


# ── matrix ──


def _cycles(lint: _Linting) -> Iterator[Problem]:
    following = {level.id: level.next for level in lint.levels()}
    levels = {level.id: level for level in lint.levels()}
    reported: set[str] = set()
    for start in sorted(following):
        chain = [start]
        while (target := following.get(chain[-1], "")) and target not in chain:
            chain.append(target)
        if not target or target != start or start in reported:
            continue
        reported.update(chain)
        words = " → ".join([*chain, start])
        expected = "one of them to be terminal (`next: none`)"
        place = lint.level_place(levels[start], "next")
        yield _problem(
            "escalation-cycle", f"the escalation steps go round: {words}", place, expected=expected
        )


def _unstaffed(lint: _Linting) -> Iterator[Problem]:
    staffed = {level.id: bool(level.on_call) for level in lint.levels()}
    expected = "a rotation or group in its on_call"
    for route in _reachable(lint):
        level = lint.policy.level(route.to)
        if not level.on_call:
            message = f"route {route.id} leads to {level.id}, which nobody staffs"
            yield _problem("unstaffed-level", message, lint.within(route, "to"), expected=expected)
    for level in lint.levels():
        if level.next and not staffed.get(level.next, False):
            missing = "which nobody staffs" if level.next in staffed else "which is not in the matrix"
            message = f"{level.id} escalates to {level.next}, {missing}"
            place = lint.level_place(level, "next")
            yield _problem("unstaffed-level", message, place, expected=expected)


def _unrouted(lint: _Linting) -> Iterator[Problem]:
    reached = {route.to for route in _reachable(lint)}
    for level in lint.levels():
        for item in level.scope:
            if item.id not in reached:
                message = f"no route reaches {item.id}: the matrix promises what nobody can ask for"
                place = lint.level_place(level, "scope", item.id.rsplit("/", 1)[-1])
                yield _problem("unrouted-scope", message, place, expected="a route to it")


# ── triggers and signatures ──


def _doubled_triggers(lint: _Linting) -> Iterator[Problem]:
    first: dict[tuple[bool, str], Trigger] = {}
    for trigger in lint.policy.triggers:
        # Only patterns have a syntax of their own; a word is a word whatever its kind.
        key = (trigger.kind == "regex", " ".join(trigger.match.casefold().split()))
        before = first.setdefault(key, trigger)
        if before is not trigger:
            message = f"trigger {trigger.id} matches what {before.id} (line {before.place.line}) matches"
            place = lint.within(trigger, trigger.kind)
            yield _problem(
                "duplicate-trigger", message, place, found=repr(trigger.match), expected="one of the two"
            )


def _many_triggers(lint: _Linting) -> Iterator[Problem]:
    triggers = lint.policy.triggers
    if len(triggers) > MOST_TRIGGERS:
        place = lint.within(triggers[MOST_TRIGGERS])
        message = "the trigger list is longer than people keep alive; retire those that are returned most"
        expected = f"at most {MOST_TRIGGERS}"
        yield _problem("many-triggers", message, place, found=str(len(triggers)), expected=expected)


def _dead_triggers(lint: _Linting) -> Iterator[Problem]:
    routes = [route for route in _reachable(lint) if not _at_first_level(lint.policy.level(route.to))]
    for trigger in lint.policy.triggers:
        if not any(_may_take(route.when, trigger) for route in routes):
            message = (
                f"trigger {trigger.id} bypasses nothing: when it fires, no route takes {trigger.signature} "
                f"past {FIRST_TEAM}/{FIRST_LEVEL}"
            )
            expected = f"a route for {trigger.signature} to another team or level"
            yield _problem("dead-trigger", message, trigger.place, expected=expected)


def _at_first_level(level: Level) -> bool:
    return (level.team, level.name) == (FIRST_TEAM, FIRST_LEVEL)


def _may_take(when: When, trigger: Trigger) -> bool:
    """Whether a route may take a ticket for the reason that this trigger fired."""
    if when.triggered is False or (when.triggers and trigger.id not in when.triggers):
        return False
    named = (*when.signatures, *when.mentions)
    return trigger.signature in named if named else bool(when.triggered or when.triggers)


def _unused_signatures(lint: _Linting) -> Iterator[Problem]:
    used = {name for r in lint.policy.routes for name in (*r.when.signatures, *r.when.mentions)}
    for signature in lint.policy.signatures:
        if signature.id not in used:
            message = f"no route names signature {signature.id}"
            yield _problem("unused-signature", message, signature.place, expected="a route with it in `when`")


def _unrecognisable(lint: _Linting) -> Iterator[Problem]:
    for signature in lint.policy.signatures:
        most = sum(
            clue.weight * (1 if clue.where == "body" else SUBJECT_FACTOR)
            for clue in signature.clues
            if clue.weight > 0
        )
        most += sum(t.weight for t in lint.policy.triggers if t.signature == signature.id and t.weight > 0)
        if most < signature.needs:
            message = (
                f"signature {signature.id} can never be recognised: it needs more than all its clues weigh"
            )
            place = lint.within(signature, "needs")
            yield _problem(
                "unrecognisable-signature", message, place,
                found=f"{most:g} at most", expected=f"at least {signature.needs:g}",
            )  # fmt: skip


def _few_examples(lint: _Linting) -> Iterator[Problem]:
    for signature in lint.policy.signatures:
        for key, words, own, fewest in (
            ("matching", "matching", signature.matching, FEWEST_MATCHING),
            ("not_matching", "not matching", signature.not_matching, FEWEST_NOT_MATCHING),
        ):
            if len(own) < fewest:
                message = f"signature {signature.id} has few {words} examples"
                place = lint.within(signature, "examples", key)
                yield _problem(
                    "too-few-examples", message, place, found=str(len(own)), expected=f"{fewest} or more"
                )


def _wrong_examples(lint: _Linting) -> Iterator[Problem]:
    signatures = {signature.id: signature for signature in lint.policy.signatures}
    for result in run_examples(lint.policy, compiled=lint.compiled or compile_policy(lint.policy)):
        if not result.passed:
            key = "matching" if result.matching else "not_matching"
            place = lint.within(signatures[result.signature], "examples", key, result.index)
            yield _example_problem(result, place)


def _example_problem(result: ExampleResult, place: Place) -> Problem:
    number = result.index + 1
    kind = "matching" if result.matching else "not matching"
    message = f"{kind} example {number} of {result.signature} is read otherwise"
    found = f"best signature {result.best or 'none'}{result.why}"
    expected = result.signature if result.matching else f"anything but {result.signature}"
    return _problem("wrong-example", message, place, found=found, expected=expected)


def _uncollected(lint: _Linting) -> Iterator[Problem]:
    if lint.collected is None:
        return
    asking: dict[str, list[tuple[str, Place]]] = {}
    named: list[tuple[str, Signature | Route]] = [(f"signature {s.id}", s) for s in lint.policy.signatures]
    named += [(f"route {r.id}", r) for r in lint.policy.routes]
    for who, rule in named:
        for index, evidence in enumerate(rule.evidence):
            if evidence not in lint.collected:
                asking.setdefault(evidence, []).append((who, lint.within(rule, "evidence", index)))
    for evidence, askers in asking.items():
        who, place = askers[0]
        more = f" and {len(askers) - 1} more" if len(askers) > 1 else ""
        yield _problem(
            "uncollected-evidence",
            f"no installed collector brings {evidence}, which {who}{more} ask{'' if more else 's'} for",
            place,
        )


# ── waiting ──


def _waiting(lint: _Linting) -> Iterator[Problem]:
    for what, words, place in _written(lint):
        if found := waiting_words(words):
            yield _waits(f"{what} tells people to wait", place, found)
    for what, name, place in _ids(lint):
        if found := waiting_name(name):
            yield _waits(f"{what} is about waiting by its name", place, found)
    for route in lint.policy.routes:
        if (
            route.outcome == "stay"
            and route.next_check_minutes
            and not (route.paste.strip() or route.evidence)
        ):
            message = f"route {route.id} stays and only looks again after {route.next_check_minutes} minutes"
            expected = "in `paste`, what to do meanwhile"
            yield _waits(message, lint.within(route, "next_check"), "", expected)


def _waits(message: str, place: Place, found: str, expected: str = "") -> Problem:
    quoted = repr(found) if found else ""
    return _problem("waiting-rule", f"{message}; {WAITING_ADVICE}", place, found=quoted, expected=expected)


_Written = tuple[str, str, Place]


def _written(lint: _Linting) -> Iterator[_Written]:
    """Everything that people read: what it is, its words, its place."""
    for team in lint.policy.teams.values():
        for level in team.levels.values():
            yield f"the step of {level.id}", level.step, lint.level_place(level, "step")
            for item in level.scope:
                place = lint.level_place(level, "scope", item.id.rsplit("/", 1)[-1])
                yield f"scope item {item.id}", item.title, place
        outer, _, inner = team.id.partition("/")
        path = ("teams", outer, "teams", inner, "title") if inner else ("teams", outer, "title")
        yield f"the title of {team.id}", team.title, lint.place("matrix.yaml", *path)
    for signature in lint.policy.signatures:
        yield f"the title of signature {signature.id}", signature.title, lint.within(signature, "title")
    for route in lint.policy.routes:
        yield f"the paste text of route {route.id}", route.paste, lint.within(route, "paste")


def _ids(lint: _Linting) -> Iterator[_Written]:
    for route in lint.policy.routes:
        yield f"route {route.id}", route.id, lint.within(route, "id")
    for trigger in lint.policy.triggers:
        yield f"trigger {trigger.id}", trigger.id, lint.within(trigger, "id")
    for signature in lint.policy.signatures:
        yield f"signature {signature.id}", signature.id, signature.place
    for level in lint.levels():
        for item in level.scope:
            name = item.id.rsplit("/", 1)[-1]
            yield f"scope item {item.id}", name, lint.level_place(level, "scope", name)
    for index, rule in enumerate(lint.policy.raises):
        yield f"severity rule {rule.id}", rule.id, lint.place("policy.yaml", "severity", index, "id")


_Check = Callable[[_Linting], Iterable[Problem]]
_CHECKS: tuple[_Check, ...] = (
    _fallback,
    _unreachable,
    _shadowed,
    _cycles,
    _unstaffed,
    _unrouted,
    _doubled_triggers,
    _many_triggers,
    _dead_triggers,
    _unused_signatures,
    _unrecognisable,
    _few_examples,
    _wrong_examples,
    _uncollected,
    _waiting,
)
