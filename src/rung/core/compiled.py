"""A policy made ready to read tickets: all its patterns, extraction and redaction included, in one set."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from rung.core.catalogue import Catalogue
from rung.core.entities import EXTRACTORS
from rung.core.found import Detector, Extractor
from rung.core.patterns import PatternSet, compile_one, exception, folded, words
from rung.core.redact import DETECTORS, custom
from rung.core.rules import Clue, Policy, Route, Signature, Trigger
from rung.model import EntityType

DETECT, EXTRACT, CLUE, VETO, TRIGGER, RAISE, TECHNICAL, SAID = range(8)


@dataclass(frozen=True, slots=True)
class Entry:
    """What one pattern of the set stands for; ``index`` counts within its ``kind``.

    ``search`` finds the span to quote when it differs from the gate pattern, else it is empty.
    """

    kind: int
    index: int
    search: str = ""


@dataclass(frozen=True, slots=True)
class FlatClue:
    """A clue with the position of its signature in the policy."""

    signature: int
    clue: Clue


@dataclass(frozen=True, slots=True)
class EntityClue:
    """A clue on entities, its value pattern compiled (None: any value)."""

    signature: int
    clue: Clue
    veto: bool
    matches: Callable[[bytes], object] | None


@dataclass(frozen=True, slots=True)
class Compiled:
    """A policy and its automata. Build it once per policy version with ``compile_policy``.

    Immutable in meaning; single patterns are compiled at first use and kept.
    """

    policy: Policy
    patterns: PatternSet
    entries: tuple[Entry, ...]
    detectors: tuple[Detector, ...]
    extractors: tuple[Extractor, ...]
    clues: tuple[FlatClue, ...]
    vetoes: tuple[FlatClue, ...]
    entity_clues: dict[EntityType, tuple[EntityClue, ...]]
    triggers: tuple[Trigger, ...]
    trigger_exceptions: dict[str, tuple[Any, ...]]
    signature_index: dict[str, int]
    proves: dict[str, str]
    catalogue: Catalogue
    routes_by_signature: dict[str | None, tuple[Route, ...]]
    entity_tests: dict[str, Any]
    phrases: tuple[str, ...]
    _searches: dict[int, Any] = field(default_factory=dict)

    def quoted(self, entry: int, data: bytes, hit: tuple[int, int]) -> tuple[int, int]:
        """The span to quote for a pattern that stands at ``hit``: all of a class name, not its last part only."""
        search = self._searches.get(entry)
        if search is None:
            own = self.entries[entry].search
            if not own:
                return hit
            search = self._searches[entry] = compile_one(own)
        found = search.search(data)
        return found.span() if found else hit


class _Gathering:
    """Collects the patterns of a policy in the order of the set."""

    def __init__(self) -> None:
        self.patterns: list[str] = []
        self.entries: list[Entry] = []

    def add(self, kind: int, index: int, gate: str, search: str = "") -> None:
        self.patterns.append(gate)
        self.entries.append(Entry(kind, index, search))


def clue_pattern(clue: Clue) -> str:
    """The RE2 pattern of a pattern or phrase clue."""
    return folded(clue.pattern) if clue.pattern else words(clue.phrase)


def trigger_patterns(trigger: Trigger) -> tuple[str, str]:
    """Gate and quoting pattern of a trigger."""
    match trigger.kind:
        case "regex":
            return folded(trigger.match), ""
        case "exception":
            name = trigger.match.replace("\\", ".").replace("::", ".").rsplit(".", 1)[-1]
            return words(name).removeprefix("(?i)"), exception(name)
        case _:
            return words(trigger.match), ""


def _entity_clues(signatures: Sequence[Signature]) -> dict[EntityType, tuple[EntityClue, ...]]:
    found: dict[EntityType, list[EntityClue]] = {}
    for number, signature in enumerate(signatures):
        for veto, clues in ((False, signature.clues), (True, signature.exclusions)):
            for clue in clues:
                if clue.entity:
                    test = compile_one(folded(clue.value)).fullmatch if clue.value else None
                    found.setdefault(clue.entity, []).append(EntityClue(number, clue, veto, test))
    return {kind: tuple(clues) for kind, clues in found.items()}


def _routes_by_signature(policy: Policy) -> dict[str | None, tuple[Route, ...]]:
    """For each best signature (None: nothing recognised) the routes whose signature condition lets it through."""
    keys: list[str | None] = [None, *(s.id for s in policy.signatures)]
    return {
        key: tuple(r for r in policy.routes if not r.when.signatures or key in r.when.signatures)
        for key in keys
    }


def _entity_tests(policy: Policy) -> dict[str, Any]:
    values = {value for r in policy.routes for _, value in r.when.entities if value}
    values |= {value for x in policy.raises if x.when for _, value in x.when.entities if value}
    return {value: compile_one(folded(value)).fullmatch for value in values}


def _gather_clues(
    gathered: _Gathering, signatures: Sequence[Signature]
) -> tuple[tuple[FlatClue, ...], tuple[FlatClue, ...]]:
    """Put the pattern and phrase clues into the set; return clues and vetoes in its order."""
    clues: list[FlatClue] = []
    vetoes: list[FlatClue] = []
    for number, signature in enumerate(signatures):
        for kind, flat, own in ((CLUE, clues, signature.clues), (VETO, vetoes, signature.exclusions)):
            for clue in own:
                if not clue.entity:
                    gathered.add(kind, len(flat), clue_pattern(clue))
                    flat.append(FlatClue(number, clue))
    return tuple(clues), tuple(vetoes)


def _route_phrases(policy: Policy) -> tuple[str, ...]:
    """Every phrase that a condition asks for, once."""
    conditions = [*(r.when for r in policy.routes), *(x.when for x in policy.raises if x.when)]
    return tuple(dict.fromkeys(phrase for when in conditions for phrase in when.phrases))


def compile_policy(policy: Policy) -> Compiled:
    """Build the one set and the indexes around it.

    Raises:
        BadPattern: RE2 refuses a pattern (``rung check`` finds it first, with its place).
    """
    gathered = _Gathering()
    detectors = (*DETECTORS, *(custom(name, pattern) for name, pattern in policy.redactions))
    for index, detector in enumerate(detectors):
        gathered.add(DETECT, index, detector.gate)
    for index, extractor in enumerate(EXTRACTORS):
        gathered.add(EXTRACT, index, extractor.gate)
    clues, vetoes = _gather_clues(gathered, policy.signatures)
    for index, trigger in enumerate(policy.triggers):
        gathered.add(TRIGGER, index, *trigger_patterns(trigger))
    for index, raising in enumerate(policy.raises):
        for phrase in raising.phrases:
            gathered.add(RAISE, index, words(phrase))
    for index, phrase in enumerate(policy.technical_phrases):
        gathered.add(TECHNICAL, index, words(phrase))
    phrases = _route_phrases(policy)
    for index, phrase in enumerate(phrases):
        gathered.add(SAID, index, words(phrase))
    return Compiled(
        policy=policy,
        patterns=PatternSet(gathered.patterns, gates=len(detectors) + len(EXTRACTORS)),
        entries=tuple(gathered.entries),
        detectors=detectors,
        extractors=EXTRACTORS,
        clues=clues,
        vetoes=vetoes,
        entity_clues=_entity_clues(policy.signatures),
        triggers=policy.triggers,
        trigger_exceptions={
            t.id: tuple(compile_one(folded(p)) for p in t.except_when)
            for t in policy.triggers
            if t.except_when
        },
        signature_index={s.id: i for i, s in enumerate(policy.signatures)},
        proves={t.id: t.signature for t in policy.triggers},
        catalogue=Catalogue(policy.services),
        routes_by_signature=_routes_by_signature(policy),
        entity_tests=_entity_tests(policy),
        phrases=phrases,
    )
