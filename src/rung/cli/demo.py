"""`rung demo`: everything for real on a throw-away database, fed through the signed webhooks."""

from __future__ import annotations

import asyncio
import base64
import hmac
import json
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from typing import TYPE_CHECKING, Annotated, Any

import typer
import yaml
from rich.table import Table

from rung.cli.talk import progress, say, table_console
from rung.model import Json

if TYPE_CHECKING:
    import httpx

    from rung.app import Rung

MAPPING: dict[str, Json] = {
    "ticket": {
        "id": "case.number",
        "subject": "case.title",
        "body": "case.text",
        "created_at": "case.opened",
        "account": {"id": "customer.id", "plan": "customer.plan"},
        "requester": {"email": "customer.contact"},
    },
    "actions": {
        "items": "case.assigned",
        "kind": "what",
        "team": "to",
        "id": "id",
        "kinds": {"assigned": "assigned"},
        "teams": {},
    },
}
"""The demo's other helpdesk sends its own format; this mapping is what an operator would write as YAML."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One written ticket, and where a person put it afterwards (empty: nobody did)."""

    number: int
    by: str
    account: str
    plan: str
    subject: str
    body: str
    people: str

    @property
    def ticket_id(self) -> str:
        """The id it gets in Rung."""
        return f"zendesk-{self.number}" if self.by == "zendesk" else f"case-{self.number}"


def samples() -> list[Sample]:
    """The written tickets of the demo."""
    rows = yaml.safe_load(files("rung.cli").joinpath("demo_tickets.yaml").read_text(encoding="utf-8"))
    return [
        Sample(
            4800 + index, row["by"], row["account"], row["plan"], row["subject"], row["body"],
            row.get("people", ""),
        )
        for index, row in enumerate(rows)
    ]  # fmt: skip


def register(app: typer.Typer) -> None:
    """Add this group's commands."""
    app.command("demo")(demo_command)


def demo_command(
    leave: Annotated[bool, typer.Option("--exit", help="End after the table; serve no page.")] = False,
    port: Annotated[int, typer.Option(help="Port; 0 takes a free one.")] = 0,
) -> None:
    """Show Rung at work: a throw-away database, real signed webhooks over HTTP, a table of decisions, the page.

    Everything is removed at the end. Nothing outside this machine is contacted.

    Example: rung demo --exit
    """
    import uvloop

    from rung.store.embedded import throwaway_data_dir

    with throwaway_data_dir() as folder:
        uvloop.run(_demo(folder, port=port, leave=leave))


@asynccontextmanager
async def _serving(settings: Any, stop: asyncio.Event) -> AsyncIterator[tuple[str, Rung]]:
    """A server on these settings; its address once it listens."""
    from rung.app import serve

    listening: asyncio.Future[tuple[str, Rung]] = asyncio.get_running_loop().create_future()

    def ready(address: str, rung: Rung) -> None:
        listening.set_result((address, rung))

    server = asyncio.create_task(serve(settings, ready=ready, stop=stop))
    started: set[asyncio.Future[Any]] = {server, listening}
    try:
        await asyncio.wait(started, return_when=asyncio.FIRST_COMPLETED)
        if not listening.done():
            await server  # raises what kept it from starting
        yield listening.result()
    finally:
        stop.set()
        await server


async def _demo(folder: Any, *, port: int, leave: bool) -> None:
    from rung.app import start_logging, stop_on_signals
    from rung.settings import Settings

    settings = Settings(data_dir=folder, port=port, host="127.0.0.1", database_url="", database_admin_url="")
    start_logging(settings)
    stop = stop_on_signals()
    say("starting PostgreSQL and Rung on a throw-away folder …")
    async with _serving(settings, stop) as (address, rung):
        keys = {name: f"whsec_{base64.b64encode(secrets.token_bytes(32)).decode()}" for name in BODIES}
        told = samples()
        await _connect(rung, keys, told)
        await _send(address, keys, told)
        agreed, assigned = await _print_decisions(rung, told)
        say(f"people put {assigned} of them somewhere; Rung, only observing, agreed on {agreed}")
        if leave:
            return
        say(f"the page: {address}/   what would Rung decide? {address}/try   side by side: {address}/observe")
        say("Ctrl-C ends the demo and removes everything")
        await stop.wait()


async def _connect(rung: Rung, keys: dict[str, str], told: list[Sample]) -> None:
    cells = sorted({s.people for s in told if s.people})
    mapping = {**MAPPING, "actions": {**MAPPING["actions"], "teams": {c: c for c in cells}}}
    await rung.store.set_connection("zendesk", {"groups": {c: c for c in cells}}, secret=keys["zendesk"])
    await rung.store.set_connection("generic", {"mapping": mapping}, secret=keys["generic"])


async def _send(address: str, keys: dict[str, str], told: list[Sample]) -> None:
    """Deliver every ticket, then what people did with it, as the two helpdesks would."""
    import httpx

    now = datetime.now(UTC)
    async with httpx.AsyncClient(base_url=address, timeout=30, trust_env=False) as client:
        for event in ("created", "assigned"):
            chosen = [s for s in told if event == "created" or s.people]
            for sample in progress(chosen, total=len(chosen), what=f"webhooks ({event})"):
                await _deliver(client, sample.by, BODIES[sample.by](sample, event, now), keys[sample.by])


async def _deliver(client: httpx.AsyncClient, by: str, body: bytes, key: str) -> None:
    now = datetime.now(UTC)
    if by == "zendesk":
        stamp = now.isoformat(timespec="seconds").replace("+00:00", "Z")
        digest = hmac.digest(key.encode(), stamp.encode() + body, "sha256")
        headers = {
            "x-zendesk-webhook-signature": base64.b64encode(digest).decode(),
            "x-zendesk-webhook-signature-timestamp": stamp,
            "x-zendesk-webhook-invocation-id": secrets.token_hex(12),
        }
    else:
        identity, stamp = f"msg_{secrets.token_hex(12)}", str(int(now.timestamp()))
        signed = f"{identity}.{stamp}.".encode() + body
        digest = hmac.digest(base64.b64decode(key.removeprefix("whsec_")), signed, "sha256")
        headers = {
            "webhook-id": identity,
            "webhook-timestamp": stamp,
            "webhook-signature": f"v1,{base64.b64encode(digest).decode()}",
        }
    headers["content-type"] = "application/json"
    answer = await client.post(f"/hooks/{by}", content=body, headers=headers)
    answer.raise_for_status()


def _zendesk_body(sample: Sample, event: str, now: datetime) -> bytes:
    """What Zendesk makes of the trigger's JSON body (connectors/zendesk_trigger.json)."""
    opened = now - timedelta(minutes=3)
    return json.dumps(
        {
            "event": event,
            "ticket": {
                "id": str(sample.number),
                "title": sample.subject,
                "description": sample.body,
                "created_at": opened.isoformat(),
                "updated_at": now.isoformat(),
                "status": "Open",
                "priority": "",
                "type": "",
                "via": "Mail",
                "brand": "",
                "tags": "",
            },
            "requester": {"email": f"someone@{sample.account}.example", "name": "Someone"},
            "organization": {
                "id": "1", "external_id": sample.account, "name": sample.account.title(), "plan": sample.plan,
            },
            "assignee": {"email": "", "name": ""},
            "group": sample.people if event == "assigned" else "",
            "comment": {
                "id": "", "body": "", "at": "", "public": "", "author_email": "", "author_name": "",
                "attachments": "",
            },
            "current_user": {"email": "lead@support.example", "name": "Lead"},
        }
    ).encode()  # fmt: skip


def _generic_body(sample: Sample, event: str, now: datetime) -> bytes:
    """The made-up format of the other helpdesk, which ``MAPPING`` reads."""
    case: dict[str, Json] = {
        "number": sample.ticket_id,
        "title": sample.subject,
        "text": sample.body,
        "opened": (now - timedelta(minutes=2)).isoformat(),
    }
    if event == "assigned":
        case["assigned"] = [{"what": "assigned", "to": sample.people, "id": f"move-{sample.number}"}]
    customer = {"id": sample.account, "plan": sample.plan, "contact": f"someone@{sample.account}.example"}
    return json.dumps({"case": case, "customer": customer}).encode()


BODIES = {"zendesk": _zendesk_body, "generic": _generic_body}
"""How each of the two helpdesks writes a ticket."""


async def _print_decisions(rung: Rung, told: list[Sample]) -> tuple[int, int]:
    """Print the table; how often people put the ticket where Rung would have, and how many they put anywhere."""
    table = Table(title=f"{len(told)} tickets, decided on arrival (mode observe: nothing was carried out)")
    for column in ("ticket", "subject", "outcome", "to", "signature", "sure", "sev", "people"):
        table.add_column(column, overflow="fold")
    agreed = 0
    for sample in told:
        decision = (await rung.store.ticket(sample.ticket_id)).decision
        if decision is None:
            table.add_row(sample.ticket_id, sample.subject, "none", "", "", "", "", sample.people)
            continue
        cell = f"{decision.team}/{decision.level}"
        same = cell == sample.people
        agreed += same
        table.add_row(
            sample.ticket_id,
            sample.subject[:44],
            decision.outcome,
            cell,
            decision.signature or "–",
            f"{decision.confidence:.0%}",
            decision.severity,
            "" if not sample.people else "same" if same else sample.people,
        )
    table_console().print(table)
    return agreed, sum(bool(s.people) for s in told)
