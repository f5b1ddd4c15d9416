"""`rung decide` and `rung explain`: tickets in, decisions out; no server, no database."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import orjson
import typer
from rich.console import Console
from rich.table import Table

from rung.cli.talk import PolicyFolder, compiled_policy, progress, say, table_console
from rung.core.compiled import Compiled
from rung.core.decide import EPOCH, decide, decide_ticket
from rung.core.explain import explain as tried_routes
from rung.core.facts import all_facts
from rung.core.read import read
from rung.core.wire import decision_to_json, ticket_from_json, time_from_json
from rung.errors import Malformed
from rung.model import NOTHING, Decision, Json, Ticket

Files = Annotated[
    list[Path], typer.Argument(help="Files with one ticket as JSON on each line; - is standard input.")
]
Now = Annotated[
    str,
    typer.Option("--now", help="The time to decide at (ISO 8601); else the ticket's created_at, else 1970."),
]


class Output(StrEnum):
    """How decisions are printed."""

    jsonl = "jsonl"
    table = "table"


def register(app: typer.Typer) -> None:
    """Add this group's commands."""
    app.command("decide")(decide_command)
    app.command("explain")(explain_command)


def json_line(value: Json) -> bytes:
    """One line of JSON; lone surrogates, which UTF-8 cannot hold, stay as their escapes."""
    try:
        return orjson.dumps(value) + b"\n"
    except (TypeError, orjson.JSONEncodeError):
        return json.dumps(value, separators=(",", ":")).encode("ascii") + b"\n"


def _lines(files: list[Path]) -> Iterator[tuple[str, bytes]]:
    """(place, line) of every line that is not blank."""
    for file in files:
        name = "standard input" if str(file) == "-" else str(file)
        try:
            with sys.stdin.buffer if str(file) == "-" else file.open("rb") as stream:
                for number, line in enumerate(stream, 1):
                    if line.strip():
                        yield f"{name}:{number}", line
        except OSError as error:
            raise Malformed(f"cannot be read: {error.strerror or error}", where=name) from error


def parse_line(line: bytes, place: str) -> Ticket:
    """The ticket of one line.

    Raises:
        Malformed: with file and line.
    """
    try:
        value = json.loads(line.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise Malformed(f"is not UTF-8 at byte {error.start}; save the file as UTF-8", where=place) from None
    except json.JSONDecodeError as error:
        raise Malformed(
            f"is not JSON at column {error.colno} ({error.msg}); one ticket object a line is expected",
            where=place,
        ) from None
    except RecursionError:
        raise Malformed(
            "is nested too deeply; a ticket needs no more than a few levels", where=place
        ) from None
    try:
        return ticket_from_json(value)
    except Malformed as error:
        raise Malformed(str(error), where=place) from None


def decide_command(
    files: Files,
    policy: PolicyFolder = None,
    now: Now = "",
    output: Annotated[Output, typer.Option(help="JSON lines, or a table for people.")] = Output.jsonl,
) -> None:
    """Decide tickets from files: one decision line for each ticket line. Needs no server and no database.

    A line that cannot be read is reported on stderr with its place; the others are decided, and the exit code
    is 1.

    Example: rung decide tickets.jsonl --output table
    """
    compiled = compiled_policy(policy)
    moment = time_from_json(now, "--now") if now else None
    failures = 0
    table = _table() if output is Output.table else None
    for place, line in progress(_lines(files), total=None, what="deciding"):
        try:
            decision = decide_ticket(compiled, parse_line(line, place), now=moment)
        except Malformed as error:
            failures += 1
            say(f"rung: {error}")
            continue
        if table is None:
            sys.stdout.buffer.write(json_line(decision_to_json(decision)))
        else:
            add_row(table, decision)
    if table is not None:
        table_console().print(table)
    sys.stdout.flush()
    if failures:
        say(f"rung: {failures} line(s) could not be read; every other ticket was decided")
        raise typer.Exit(1)


def _table() -> Table:
    table = Table(title="What Rung decides")
    for column in ("ticket", "outcome", "team", "level", "signature", "sure", "severity", "because"):
        table.add_column(column, overflow="fold")
    return table


def add_row(table: Table, decision: Decision) -> None:
    """One decision as a row for people."""
    quotes = list(dict.fromkeys(f"“{' '.join(b.quote.split())[:40]}”" for b in decision.because if b.quote))
    table.add_row(
        decision.ticket_id,
        decision.outcome,
        decision.team,
        decision.level,
        decision.signature or "–",
        f"{decision.confidence:.0%}",
        decision.severity,
        ", ".join(quotes[:2]) or decision.route,
    )


def explain_command(
    file: Annotated[Path, typer.Argument(help="A file with one ticket as JSON; - is standard input.")],
    policy: PolicyFolder = None,
    now: Now = "",
    output: Annotated[Output, typer.Option(help="JSON, or text for people.")] = Output.table,
) -> None:
    """Explain one decision: reasons with their quotes, and every route tried with why it did not match.

    The first ticket of the file is explained.

    Example: rung explain ticket.json
    """
    compiled = compiled_policy(policy)
    moment = time_from_json(now, "--now") if now else None
    ticket = _first_ticket(file)
    if output is Output.jsonl:
        sys.stdout.buffer.write(json_line(explanation(compiled, ticket, moment)))
    else:
        _print_explanation(explanation(compiled, ticket, moment))


def _first_ticket(file: Path) -> Ticket:
    """A pretty-printed JSON file holds one ticket; a JSON lines file is read up to its first."""
    name = "standard input" if str(file) == "-" else str(file)
    try:
        data = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
    except OSError as error:
        raise Malformed(f"cannot be read: {error.strerror or error}", where=name) from error
    first = data.strip().split(b"\n", 1)[0]
    try:
        return parse_line(first, f"{name}:1")
    except Malformed:
        return parse_line(data, name)


def explanation(compiled: Compiled, ticket: Ticket, now: datetime | None) -> dict[str, Json]:
    """Decision and routes tried as one JSON value."""
    reading = read(compiled, ticket)
    facts = all_facts(compiled.policy, ticket, reading, NOTHING)
    moment = now or ticket.created_at or EPOCH
    return {
        "decision": decision_to_json(decide(compiled, reading, facts, moment)),
        "recognised": [
            {"signature": s.signature, "score": s.score, "confidence": s.confidence}
            for s in reading.signatures
        ],
        "routes": [
            {"route": t.route, "to": t.to, "matched": t.matched, "why": t.why}
            for t in tried_routes(compiled, reading, facts, moment)
        ],
    }


def _print_explanation(explained: dict[str, Json]) -> None:
    decision = explained["decision"]
    out = Console(highlight=False, markup=False, soft_wrap=True)
    out.print(
        f"{decision['ticket_id']}: {decision['outcome']} → {decision['team']} {decision['level']}"
        f" ({decision['scope']}), {decision['severity']}, {decision['confidence']:.0%} sure"
    )
    out.print("\nWhy")
    for because in decision["because"]:
        place = because["field"] if because["start"] is None else f"{because['field']}@{because['start']}"
        quote = "" if because["quote"] is None else f"  “{' '.join(because['quote'].split())[:100]}”"
        out.print(f"  {because['rule']}  {place}{quote}")
    out.print("\nRecognised")
    for seen in explained["recognised"]:
        out.print(f"  {seen['signature']}  score {seen['score']:g}  {seen['confidence']:.0%}")
    out.print("\nRoutes tried, in order")
    for route in explained["routes"]:
        out.print(f"  {'✓' if route['matched'] else '✗'} {route['route']} → {route['to']}: {route['why']}")
    if decision["handoff"]:
        out.print("\nHand-off")
        out.print(decision["handoff"])
