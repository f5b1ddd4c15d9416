"""Checked files → the frozen values of ``core.rules``. Nothing is checked here; the loader has done that."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from rung.core.rules import (
    Clue,
    FactTest,
    Level,
    Place,
    Policy,
    Raise,
    Route,
    ScopeItem,
    Service,
    Signature,
    Team,
    Trigger,
    When,
)  # fmt: skip
from rung.model import Json
from rung.policy.document import Document
from rung.policy.examples import example_text
from rung.policy.fields import LEVELS
from rung.policy.schema import (
    FACT_TESTS,
    TRIGGER_KINDS,
    Conditions,
    EntityClue,
    ExampleEntry,
    ExcludeClue,
    LevelEntry,
    MatrixFile,
    PatternClue,
    PhraseClue,
    PolicyFile,
    RaiseEntry,
    RouteEntry,
    RoutesFile,
    ServicesFile,
    SignatureFile,
    SubTeamEntry,
    TeamEntry,
    TriggerEntry,
    TriggersFile,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Checked:
    """The validated files of one policy; signatures by id."""

    policy: PolicyFile
    matrix: MatrixFile
    services: ServicesFile
    triggers: TriggersFile
    routes: RoutesFile
    signatures: Mapping[str, SignatureFile]


def build(checked: Checked, documents: Mapping[str, Document], version: str) -> Policy:
    """The policy, with the place of every signature, trigger and route."""
    own = checked.policy
    return Policy(
        version=version,
        teams=MappingProxyType({team.id: team for team in _teams(checked.matrix)}),
        services=tuple(
            Service(
                id=s.id, title=s.title, kind=s.kind, team=s.team, hosts=tuple(s.hosts),
                networks=tuple(s.networks), ports=tuple(s.ports),
            )
            for s in checked.services.services
        ),
        signatures=tuple(
            _signature(name, checked.signatures[name], documents) for name in sorted(checked.signatures)
        ),
        triggers=tuple(
            _trigger(t, _place(documents, "triggers.yaml", "triggers", i))
            for i, t in enumerate(checked.triggers.triggers)
        ),
        routes=tuple(
            _route(r, _place(documents, "routes.yaml", "routes", i)) for i, r in enumerate(checked.routes.routes)
        ),
        raises=tuple(_raise(r) for r in own.severity),
        redactions=tuple((r.id, r.pattern) for r in own.redactions),
        articles=MappingProxyType({name: tuple(ids) for name, ids in sorted(own.articles.items())}),
        mode=own.mode,
        act_at=own.act_at,
        window_minutes=own.window_minutes,
        deployment_minutes=own.deployment_minutes,
        technical_phrases=tuple(own.technical_phrases),
    )  # fmt: skip


def _place(documents: Mapping[str, Document], file: str, *path: str | int) -> Place:
    document = documents.get(file)
    return Place(file, document.line(path)) if document else Place(file)


# ── matrix ──


def _teams(matrix: MatrixFile) -> Iterable[Team]:
    for name, entry in matrix.teams.items():
        if entry.teams:
            for inner, sub in entry.teams.items():
                yield _team(f"{name}/{inner}", sub, sub.channel or entry.channel)
        else:
            yield _team(name, entry, entry.channel)


def _team(name: str, entry: TeamEntry | SubTeamEntry, channel: str) -> Team:
    written: Mapping[str, LevelEntry] = {str(level): own for level, own in entry.levels.items()}
    levels = {level: _level(name, level, written[level], channel) for level in LEVELS if level in written}
    return Team(name, entry.title, channel, MappingProxyType(levels))


def _level(team: str, name: str, entry: LevelEntry, channel: str) -> Level:
    following = "" if entry.next == "none" else entry.next
    return Level(
        team=team,
        name=name,
        scope=tuple(
            ScopeItem(f"{team}/{name}/{item}", team, name, title) for item, title in entry.scope.items()
        ),
        step=entry.step,
        next=f"{team}/{following}" if following in LEVELS else following,
        on_call=tuple(entry.on_call),
        channel=entry.channel or channel,
        rate=float(entry.rate),
        acknowledge_minutes=entry.acknowledge,
        exit_minutes=entry.exit,
    )


# ── signatures and triggers ──


def _signature(name: str, entry: SignatureFile, documents: Mapping[str, Document]) -> Signature:
    def rule(key: str, index: int) -> str:
        return f"signature:{name}/{key}[{index}]"

    clues = (
        *(_pattern(rule("patterns", i), c) for i, c in enumerate(entry.patterns)),
        *(_phrase(rule("phrases", i), c) for i, c in enumerate(entry.phrases)),
        *(_entity(rule("entities", i), c) for i, c in enumerate(entry.entities)),
    )
    return Signature(
        id=name,
        title=entry.title,
        certainty=entry.certainty,
        mode=entry.mode,
        severity=entry.severity,
        needs=float(entry.needs),
        clues=clues,
        exclusions=tuple(_exclusion(rule("exclude", i), c) for i, c in enumerate(entry.exclude)),
        evidence=tuple(entry.evidence),
        matching=_examples(entry.examples.matching),
        not_matching=_examples(entry.examples.not_matching),
        place=_place(documents, f"signatures/{name}.yaml"),
    )


def _pattern(rule: str, clue: PatternClue) -> Clue:
    return Clue(rule, float(clue.weight), pattern=clue.re, where=clue.where)


def _phrase(rule: str, clue: PhraseClue) -> Clue:
    return Clue(rule, float(clue.weight), phrase=clue.say, where=clue.where)


def _entity(rule: str, clue: EntityClue) -> Clue:
    return Clue(rule, float(clue.weight), entity=clue.type, value=clue.value, where=clue.where)


def _exclusion(rule: str, clue: ExcludeClue) -> Clue:
    return Clue(rule, 0.0, clue.re or "", clue.say or "", clue.type, clue.value, clue.where)


def _examples(entries: Sequence[ExampleEntry]) -> tuple[str, ...]:
    return tuple(example_text(e.subject, e.body) for e in entries)


def _trigger(entry: TriggerEntry, place: Place) -> Trigger:
    kind = next(kind for kind in TRIGGER_KINDS if getattr(entry, kind) is not None)
    return Trigger(
        id=entry.id,
        kind=kind,
        match=getattr(entry, kind),
        signature=entry.signature,
        owner=entry.owner,
        added=entry.added.isoformat(),
        weight=float(entry.weight),
        except_when=tuple(entry.except_when),
        precision=entry.precision,
        place=place,
    )


# ── routes ──


def _route(entry: RouteEntry, place: Place) -> Route:
    return Route(
        id=entry.id,
        when=_when(entry.when),
        to=entry.to,
        outcome=entry.outcome,
        channel=entry.channel,
        severity=entry.severity,
        evidence=tuple(entry.evidence),
        paste=entry.paste,
        next_check_minutes=entry.next_check,
        place=place,
    )


def _when(entry: Conditions) -> When:
    tests = [
        FactTest(fact, op, _fact_value(getattr(condition, op)))
        for fact, condition in sorted(entry.facts.items())  # the order of keys is not part of the version
        for op in FACT_TESTS
        if op in condition.model_fields_set and (op == "equals" or getattr(condition, op) is not None)
    ]
    return When(
        signatures=tuple(entry.signature),
        mentions=tuple(entry.mentions),
        triggers=tuple(entry.trigger),
        triggered=entry.triggered,
        services=tuple(entry.service),
        service_kinds=tuple(entry.service_kind),
        entities=tuple((test.type, test.value) for test in entry.entity),
        severities=tuple(entry.severity),
        facts=tuple(tests),
        confidence=float(entry.confidence),
        phrases=tuple(entry.phrases),
    )


def _fact_value(value: Json) -> Json:
    return tuple(value) if isinstance(value, list) else value


def _raise(entry: RaiseEntry) -> Raise:
    return Raise(
        id=entry.id,
        by=entry.by,
        when=_when(entry.when) if entry.when else None,
        phrases=tuple(entry.phrases),
    )
