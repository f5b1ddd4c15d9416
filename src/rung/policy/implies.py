"""When the conditions of one route imply those of another, and when conditions can never hold."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import product

from rung.core.routing import holds
from rung.core.rules import FactTest, Policy, When
from rung.model import Json

_MOST_CASES = 256


def implies(narrow: When, wide: When, kinds: dict[str, str]) -> bool:
    """Whether every ticket that meets ``narrow`` also meets ``wide``. ``kinds`` is service id → kind.

    "No" may also mean that it could not be shown; entity patterns are compared as text.
    """
    if wide.triggered is True and not (narrow.triggered or narrow.triggers):
        return False
    if wide.triggered is False and narrow.triggered is not False:
        return False
    return (
        _within(narrow.signatures, wide.signatures)
        and (_within(narrow.mentions, wide.mentions) or _within(narrow.signatures, wide.mentions))
        and _within(narrow.triggers, wide.triggers)
        and _within(narrow.services, wide.services)
        and (
            _within(narrow.service_kinds, wide.service_kinds)
            or _within([kinds.get(s, "") for s in narrow.services], wide.service_kinds)
        )
        and _within(narrow.severities, wide.severities)
        and _within(narrow.phrases, wide.phrases)
        and narrow.confidence >= wide.confidence
        and all(_entity_implied(kind, value, narrow) for kind, value in wide.entities)
        and all(_fact_implied(test, narrow.facts) for test in wide.facts)
    )


def _within(narrow: Collection[str], wide: Collection[str]) -> bool:
    """Whether "one of ``narrow``" implies "one of ``wide``"; an empty side is no condition."""
    return not wide or (bool(narrow) and set(narrow) <= set(wide))


def _entity_implied(kind: str, value: str, narrow: When) -> bool:
    return any(own == kind and (not value or pattern == value) for own, pattern in narrow.entities)


def _fact_implied(wanted: FactTest, given: Iterable[FactTest]) -> bool:
    return any(_test_implies(test, wanted) for test in given if test.fact == wanted.fact)


def _test_implies(test: FactTest, wanted: FactTest) -> bool:
    if test.op == wanted.op and repr(test.value) == repr(wanted.value):  # 1 is not true
        return True
    if wanted.op == "present":
        return test.op != "absent" and not _may_be_false(test)
    values = _values(test)
    if values is not None:
        return all(_passes(value, wanted) for value in values)
    if test.op == wanted.op == "at_least":
        return bool(test.value >= wanted.value)
    if test.op == wanted.op == "at_most":
        return bool(test.value <= wanted.value)
    return False


def _may_be_false(test: FactTest) -> bool:
    return any(value is False for value in _values(test) or ())  # the fact false counts as absent


def _values(test: FactTest) -> Sequence[Json] | None:
    """The only values that pass a test, when they can be listed."""
    if test.op not in ("equals", "one_of"):
        return None
    return (test.value,) if test.op == "equals" else tuple(test.value)


def _passes(value: Json, test: FactTest) -> bool:
    """Whether a known value passes a test, as when a ticket is decided."""
    return holds(test, {test.fact: value})


def cases(when: When, policy: Policy) -> Iterator[When]:
    """The conditions split into cases that together are the same: each signature, with and without a trigger.

    So a route can be seen to be shadowed by several earlier ones together.
    """
    signatures: list[tuple[str, ...]] = [(s,) for s in when.signatures] or [()]
    triggered = [True, False] if when.triggered is None and not when.triggers else [when.triggered]
    facts = _flags(when, policy)
    if len(signatures) * len(triggered) * 2 ** len(facts) > _MOST_CASES:
        yield when
        return
    for own, fired, ops in product(signatures, triggered, product(("present", "absent"), repeat=len(facts))):
        tests = tuple(FactTest(fact, op) for fact, op in zip(facts, ops, strict=True))
        yield replace(when, signatures=own, triggered=fired, facts=(*when.facts, *tests))


def _flags(when: When, policy: Policy) -> list[str]:
    """Facts that some route asks to be present or absent and this one does not test."""
    own = {test.fact for test in when.facts}
    asked = {
        test.fact
        for route in policy.routes
        for test in route.when.facts
        if test.op in ("present", "absent") and test.fact not in own
    }
    return sorted(asked)


def contradiction(when: When, policy: Policy) -> str:
    """Why conditions can never hold together; empty when they may."""
    defined = {s.id for s in policy.signatures}
    for what, wanted in (("signature", when.signatures), ("mentions", when.mentions)):
        if wanted and not set(wanted) & defined:
            return f"{what} {' or '.join(wanted)} is not defined"
    if when.triggered is False and when.triggers:
        return f"it wants trigger {' or '.join(when.triggers)} and no trigger"
    if when.services and when.service_kinds:
        kinds = {s.kind for s in policy.services if s.id in when.services}
        if not kinds & set(when.service_kinds) and len(when.services) == len(policy.services):
            return f"service {' or '.join(when.services)} is no {' or '.join(when.service_kinds)}"
    for fact in dict.fromkeys(test.fact for test in when.facts):
        why = _fact_contradiction(fact, [test for test in when.facts if test.fact == fact])
        if why:
            return why
    return ""


def _fact_contradiction(fact: str, tests: Sequence[FactTest]) -> str:
    if fact == "accounts_affected":
        for test in tests:
            if test.op == "at_most" and test.value < 1:
                return f"{fact} is at least 1, so never at most {test.value:g}"
    for first in tests:
        for second in tests:
            if first is not second and _excludes(first, second):
                return f"{fact} cannot be {_in_words(first)} and {_in_words(second)}"
    return ""


def _excludes(first: FactTest, second: FactTest) -> bool:
    values = _values(first)
    if values is not None:
        return not any(_passes(value, second) for value in values)
    if first.op == "absent":
        return second.op in ("present", "at_least", "at_most")
    return first.op == "at_least" and second.op == "at_most" and bool(first.value > second.value)


def _in_words(test: FactTest) -> str:
    match test.op:
        case "present" | "absent":
            return test.op
        case "one_of":
            return f"one of {', '.join(str(value) for value in test.value)}"
        case "equals":
            return str(test.value)
        case _:
            return f"{test.op.replace('_', ' ')} {test.value:g}"
