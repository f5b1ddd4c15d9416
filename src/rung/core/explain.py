"""Why this route and not another: every route tried, in order, with the first condition that did not hold."""

from __future__ import annotations

from datetime import datetime

from rung.core.compiled import Compiled
from rung.core.decide import circumstances, decide
from rung.core.routing import Circumstances, Failed, fact_reasons, first_failure
from rung.core.rules import FactTest, When
from rung.model import Facts, Reading, TriedRoute

_COMPARISONS = {"at_least": "at least", "at_most": "at most", "equals": "", "one_of": "one of"}


def explain(compiled: Compiled, reading: Reading, facts: Facts, now: datetime) -> tuple[TriedRoute, ...]:
    """Every route in the policy's order up to and with the one taken; the rest were not tried.

    The one with ``matched`` is the route that ``decide`` takes for the same input.
    """
    around, _ = circumstances(compiled, reading, facts)
    tried: list[TriedRoute] = []
    taken = decide(compiled, reading, facts, now).route
    for route in compiled.policy.routes:
        failed = first_failure(route.when, around)
        if failed is None:
            why = "all conditions hold" if route.id == taken else "not tried"
            reasons = (*(around.best.because if around.best else ()), *fact_reasons(route.id, route.when))
            tried.append(TriedRoute(route.id, route.to, matched=True, why=why, because=reasons))
            break
        tried.append(TriedRoute(route.id, route.to, matched=False, why=_describe(route.when, failed, around)))
    return tuple(tried)


def _list(names: tuple[str, ...]) -> str:
    return names[0] if len(names) == 1 else f"one of {', '.join(names)}"


def _describe(when: When, failed: tuple[Failed, int], around: Circumstances) -> str:
    """The failed condition in words: what is wanted, what is there."""
    kind, position = failed
    reading = around.reading
    match kind:
        case "signature":
            return f"wants signature {_list(when.signatures)}; the best is {around.signature or 'none'}"
        case "mentions":
            seen = ", ".join(s.signature for s in reading.signatures) or "none"
            return f"wants a mention of {_list(when.mentions)}; recognised: {seen}"
        case "trigger":
            seen = ", ".join(t.id for t in reading.triggers) or "none"
            return f"wants trigger {_list(when.triggers)}; fired: {seen}"
        case "triggered":
            return "wants a trigger; none fired" if when.triggered else "wants no trigger; one fired"
        case "service":
            seen = ", ".join(s.id for s in reading.services) or "none"
            return f"wants service {_list(when.services)}; named: {seen}"
        case "service_kind":
            seen = ", ".join(s.id for s in reading.services) or "none"
            return f"wants a service of kind {_list(when.service_kinds)}; named: {seen}"
        case "entity":
            entity, pattern = when.entities[position]
            return f"wants a {entity}{f' like {pattern}' if pattern else ''}; none is in the text"
        case "phrases":
            return (
                f"wants one of {len(when.phrases)} phrases, such as {when.phrases[0]!r}; none is in the text"
            )
        case "severity":
            return f"wants severity {_list(when.severities)}; it is {around.severity}"
        case "confidence":
            sure = around.best.confidence if around.best else 0.0
            return f"wants confidence {when.confidence:g}; it is {sure:g}"
        case _:
            return _describe_fact(when.facts[position], around.facts)


def _describe_fact(test: FactTest, facts: Facts) -> str:
    value = facts.get(test.fact)
    there = "absent" if value is None else f"{value!r}"
    if test.op in ("present", "absent"):
        return f"wants facts.{test.fact} {test.op}; it is {there}"
    wanted = f"{_COMPARISONS[test.op]} {test.value!r}".strip()
    return f"wants facts.{test.fact} {wanted}; it is {there}"
