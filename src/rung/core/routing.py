"""Which route a ticket takes: the first one, in the policy's order, whose conditions all hold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from rung.core.compiled import Compiled
from rung.core.read import encode
from rung.core.rules import FactTest, Raise, Route, When
from rung.model import Because, Facts, Json, Reading, Recognised, Severity

Failed: TypeAlias = Literal[
    "signature", "mentions", "trigger", "triggered", "service", "service_kind", "entity", "severity",
    "confidence", "fact", "phrases",
]  # fmt: skip
SEVERITIES: tuple[Severity, ...] = ("sev1", "sev2", "sev3", "sev4")


@dataclass(frozen=True, slots=True)
class Circumstances:
    """Everything a condition may look at."""

    compiled: Compiled
    reading: Reading
    facts: Facts
    best: Recognised | None
    severity: Severity

    @property
    def signature(self) -> str | None:
        """Id of the best signature, None when nothing was recognised."""
        return self.best.signature if self.best else None


def holds(test: FactTest, facts: Facts) -> bool:
    """Whether one fact test holds; an absent fact fails every test but ``absent``."""
    value = facts.get(test.fact)
    if test.op == "absent":
        return value is None or value is False
    if value is None:
        return False
    match test.op:
        case "present":
            return value is not False
        case "equals":
            return _same(value, test.value)
        case "one_of":
            return any(_same(value, one) for one in test.value)
        case "at_least":
            return _is_number(value) and value >= test.value
        case _:
            return _is_number(value) and value <= test.value


def _same(value: Json, wanted: Json) -> bool:
    """Equal as JSON has it: 1 is not true."""
    return isinstance(value, bool) == isinstance(wanted, bool) and bool(value == wanted)


def _is_number(value: Json) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _entity_found(around: Circumstances, kind: str, pattern: str) -> bool:
    test = around.compiled.entity_tests[pattern] if pattern else None
    return any(
        e.type == kind and (test is None or test(encode(e.value)) is not None)
        for e in around.reading.entities
    )


def first_failure(when: When, around: Circumstances) -> tuple[Failed, int] | None:
    """The first condition that does not hold, with its position among its kind; None when all hold."""
    reading = around.reading
    if when.signatures and around.signature not in when.signatures:
        return "signature", 0
    if when.triggered is not None and when.triggered != bool(reading.triggers):
        return "triggered", 0
    if when.triggers and not any(t.id in when.triggers for t in reading.triggers):
        return "trigger", 0
    for position, test in enumerate(when.facts):
        if not holds(test, around.facts):
            return "fact", position
    if when.severities and around.severity not in when.severities:
        return "severity", 0
    if when.confidence and (around.best is None or around.best.confidence < when.confidence):
        return "confidence", 0
    if when.mentions and not any(s.signature in when.mentions for s in reading.signatures):
        return "mentions", 0
    if when.services and not any(s.id in when.services for s in reading.services):
        return "service", 0
    if when.service_kinds and not _service_kinds(around) & set(when.service_kinds):
        return "service_kind", 0
    if when.phrases and not said(reading, when):
        return "phrases", 0
    for position, (kind, pattern) in enumerate(when.entities):
        if not _entity_found(around, kind, pattern):
            return "entity", position
    return None


def said(reading: Reading, when: When) -> tuple[Because, ...]:
    """Where the phrases that a condition asks for stand in the text."""
    return tuple(hit.because for hit in reading.said if hit.id in when.phrases)


def _service_kinds(around: Circumstances) -> set[str]:
    named = {s.id for s in around.reading.services}
    return {s.kind for s in around.compiled.policy.services if s.id in named}


def first_route(around: Circumstances) -> Route | None:
    """The first matching route in the policy's order."""
    for route in around.compiled.routes_by_signature[around.signature]:
        if first_failure(route.when, around) is None:
            return route
    return None


def fact_reasons(rule: str, when: When) -> tuple[Because, ...]:
    """The reasons that a rule's fact tests give; that something is absent is no reason to show."""
    return tuple(Because(rule, f"facts.{test.fact}") for test in when.facts if test.op != "absent")


def raised_severity(around: Circumstances, base: Severity) -> tuple[Severity, tuple[Because, ...]]:
    """``base`` raised by every rule whose words stand in the text or whose conditions hold, with the reasons."""
    words = {hit.id: hit.because for hit in around.reading.raised}
    step = 0
    reasons: list[Because] = []
    for rule in around.compiled.policy.raises:
        found = _raising(rule, words, around)
        if found:
            step += rule.by
            reasons.extend(found)
    if not step:
        return base, ()
    position = max(0, min(len(SEVERITIES) - 1, SEVERITIES.index(base) - step))
    return SEVERITIES[position], tuple(reasons)


def _raising(rule: Raise, words: dict[str, Because], around: Circumstances) -> tuple[Because, ...]:
    if rule.id in words and (rule.when is None or first_failure(rule.when, around) is None):
        return (words[rule.id],)
    if rule.when is None or rule.phrases or first_failure(rule.when, around) is not None:
        return ()
    return fact_reasons(f"severity:{rule.id}", rule.when)
