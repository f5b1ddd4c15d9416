"""CPU per decision (read, facts, decide) as the number of triggers grows; `python -m benchmarks.decide`.

The starter policy is extended with generated triggers. Process time, not wall time, so that a busy machine does
not count; the sizes take turns of a few tickets, and no ticket was read before.
"""

from __future__ import annotations

import cProfile
import io
import pstats
import re
import sys
from collections.abc import Sequence
from dataclasses import replace
from itertools import islice
from random import Random
from statistics import mean, median
from time import process_time_ns

from tests.rig.tickets import written

from benchmarks.figures import Figure, parser, show, talk
from rung.core.compiled import Compiled, compile_policy
from rung.core.decide import decide_ticket
from rung.core.rules import Policy, Trigger
from rung.core.wire import ticket_from_json
from rung.model import Ticket
from rung.policy.load import load_files
from rung.policy.source import starter_files

SIZES = (25, 250, 2_500, 25_000)
SEED = 20_261_122
GROWTH, STARTER_US = 4.0, 500.0
TURN = 20
_NOUNS = ("cursor", "ledger", "tenant", "invoice", "bucket", "replica", "socket", "schema", "lease", "quota")
_STATES = (
    "exhausted",
    "corrupted",
    "revoked",
    "misaligned",
    "unreachable",
    "poisoned",
    "truncated",
    "orphaned",
)


def generated(count: int, policy: Policy) -> tuple[Trigger, ...]:
    """Made-up triggers of every kind, always the same: codes, exceptions, words and patterns."""
    random = Random(SEED)  # noqa: S311 - made-up names, nothing secret
    signatures = [s.id for s in policy.signatures]
    made = []
    for number in range(count):
        noun, state = random.choice(_NOUNS), random.choice(_STATES)
        kind, match = (
            ("code", f"E-{number:05}"),
            ("exception", f"com.example.{noun}.{noun.title()}{state.title()}{number}Exception"),
            ("literal", f"{noun} {number} {state}"),
            ("regex", rf"\b{noun}[- ]{number}\b.{{0,20}}\b{state}"),
        )[number % 4]
        made.append(
            Trigger(
                id=f"generated-{number}", kind=kind, match=match, signature=random.choice(signatures),
                owner="sre", added="2026-11-22",
            )
        )  # fmt: skip
    return tuple(made)


def extended(policy: Policy, size: int) -> Policy:
    """The policy with exactly ``size`` triggers."""
    own = policy.triggers[:size]
    return replace(policy, triggers=(*own, *generated(size - len(own), policy)))


def measure(sets: Sequence[Compiled], warm: Sequence[Ticket], tickets: Sequence[Ticket]) -> list[list[float]]:
    """Microseconds of CPU for each ticket under each policy, each ticket read for the first time.

    A server never sees a ticket twice, and an automaton that is built while it reads is quick on what it has
    read before: so other tickets warm it, and each measured one is timed once under each policy.
    """
    for compiled in sets:
        for ticket in warm:
            decide_ticket(compiled, ticket)
    spent: list[list[float]] = [[] for _ in sets]
    for turn in range(0, len(tickets), TURN):
        for compiled, row in zip(sets, spent, strict=True):
            for ticket in tickets[turn : turn + TURN]:
                begin = process_time_ns()
                decide_ticket(compiled, ticket)
                row.append((process_time_ns() - begin) / 1_000)
    return spent


def naive(triggers: Sequence[Trigger], texts: Sequence[str]) -> float:
    """Microseconds a ticket of the obvious way: one ``re`` search for each trigger."""
    patterns = []
    for trigger in triggers:
        source = trigger.match if trigger.kind == "regex" else rf"\b{re.escape(trigger.match)}\b"
        try:
            patterns.append(re.compile(source, re.IGNORECASE))
        except re.error:
            continue  # RE2 knows a few forms that `re` does not; the baseline may leave them out
    spent = []
    for text in texts:
        begin = process_time_ns()
        for pattern in patterns:
            pattern.search(text)
        spent.append((process_time_ns() - begin) / 1_000)
    return median(spent)


def profile(compiled: Compiled, tickets: Sequence[Ticket], title: str) -> None:
    """Show the functions that take most of the time."""
    profiler = cProfile.Profile()
    profiler.enable()
    for ticket in tickets:
        decide_ticket(compiled, ticket)
    profiler.disable()
    out = io.StringIO()
    pstats.Stats(profiler, stream=out).sort_stats("tottime").print_stats(25)
    talk(f"--- {title}\n{out.getvalue()}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; exit code 0 whether or not the goals are met."""
    options = parser(__doc__ or "").parse_args(arguments)
    count = 60 if options.quick else 300
    tickets, warm, fresh = ([ticket_from_json(t) for t in islice(written(SEED + n), count)] for n in range(3))
    texts = [f"{t.subject}\n{t.body}" for t in tickets]
    policy = load_files(starter_files())
    talk(f"{len(tickets)} tickets, {mean(len(t.encode()) for t in texts):,.0f} bytes on average")
    starter = compile_policy(policy)
    sets = []
    for size in SIZES:
        begin = process_time_ns()
        sets.append(compile_policy(extended(policy, size)))
        talk(f"compiled {size:,} triggers in {(process_time_ns() - begin) / 1e9:.2f} s of CPU")
    spent = measure([starter, *sets], warm, tickets)
    own, first = median(spent[0]), median(spent[1])
    figures = [
        Figure(
            f"decide, starter policy ({len(policy.triggers)} triggers), median", own, "µs",
            goal=f"≤ {STARTER_US:.0f} µs", met=own <= STARTER_US,
        ),
        Figure("decide, starter policy, mean", mean(spent[0]), "µs"),
        Figure("decide, starter policy, slowest ticket", max(spent[0]), "µs"),
    ]  # fmt: skip
    for size, row in zip(SIZES, spent[1:], strict=True):
        value = median(row)
        last = size == SIZES[-1]
        figures.append(
            Figure(
                f"decide, {size:,} triggers, median", value, "µs", f"decide, {SIZES[0]} triggers", value / first,
                f"≤ {GROWTH:.0f}" if last else "", value <= GROWTH * first if last else None,
            )
        )  # fmt: skip
    for size, row in zip(SIZES, spent[1:], strict=True):
        loop = naive(extended(policy, size).triggers, texts[: 3 if size > 2_500 else 20])
        figures.append(
            Figure(
                f"a loop over `re`, {size:,} triggers (triggers alone)", loop, "µs",
                f"decide, {size:,} triggers", loop / median(row),
            )
        )  # fmt: skip
    if options.profile or any(f.met is False for f in figures):
        profile(starter, fresh, "starter policy")
        profile(sets[-1], fresh, f"{SIZES[-1]:,} triggers")
    show(figures, as_json=options.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
