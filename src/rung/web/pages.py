"""The pages: server-rendered, no script, for a browser on this machine."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import get_args
from urllib.parse import parse_qs, quote, urlencode

from fastapi import APIRouter
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from starlette.requests import Request
from starlette.responses import Response

from rung.core.payload import without_surrogates as shown
from rung.core.rules import Policy
from rung.errors import NotFound, RungError
from rung.model import NOTHING, Decision, Outcome, Ticket, TriedRoute
from rung.store.rows import Listed, Observed, Told
from rung.web.bench import consider, published
from rung.web.bodies import read_body
from rung.web.contexts import (
    AgreementRow,
    Beside,
    Choice,
    Explained,
    Frame,
    ObservePage,
    QueuePage,
    Row,
    TicketPage,
    TroublePage,
    TryPage,
)
from rung.web.deps import Deps
from rung.web.edge import Handler
from rung.web.highlight import reason_rules
from rung.web.local import require_local, require_same_origin
from rung.web.problems import TITLES, from_error, problem
from rung.web.wording import (
    answered,
    field_in_words,
    place_in_words,
    reasons,
    symptom_in_words,
    time_in_words,
    value_in_words,
    verdict,
    words,
)

PAGE_SIZE = 50
OBSERVED = 500
"""Assignments that the agreement counts: the newest ones."""
FILTERS = ("outcome", "team", "level", "signature")
TRY_LIMIT = 100_000
"""Characters of one pasted text."""
_FORM_LIMIT = 4 * TRY_LIMIT
_SUBJECT_SHOWN = 120
_CURSOR_LENGTH = 18
_FORM_TYPE = "application/x-www-form-urlencoded"


class Pages:
    """The handlers; ``routes`` gives them to the application."""

    def __init__(self, deps: Deps) -> None:
        self._deps = deps
        self._templates = Environment(
            loader=PackageLoader("rung.web", "templates"),
            autoescape=select_autoescape(default=True, default_for_string=True),
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.filters["words"] = value_in_words
        self._templates.filters["field"] = field_in_words
        self._templates.filters["moment"] = time_in_words
        sheet = files("rung.web").joinpath("static/rung.css").read_text(encoding="utf-8")
        self._sheet = f"{sheet}\n{reason_rules()}\n".encode()
        version = hashlib.sha256(self._sheet).hexdigest()[:16]
        self._sheet_tag = f'"{version}"'
        self._templates.globals["stylesheet"] = f"/static/rung.css?{version}"

    # ------------------------------------------------------------ pages
    async def queue(self, request: Request) -> Response:
        """The list of tickets with their decisions."""
        policy = await self._policy()
        chosen = {name: _plain(request.query_params.get(name, ""))[:200] for name in FILTERS}
        kept = {name: value for name, value in chosen.items() if value}
        page = await self._deps.records.list_tickets(
            _cursor(request), PAGE_SIZE, outcome=kept.get("outcome"), team=kept.get("team"),
            level=kept.get("level"), signature=kept.get("signature"),
        )  # fmt: skip
        context = QueuePage(
            frame=_frame("Queue", "queue", policy),
            rows=tuple(_row(ticket, policy) for ticket in page.rows),
            choices=_choices(chosen, policy),
            filtered=bool(kept),
            next=f"/?{urlencode({**kept, 'cursor': page.next})}" if page.next else "",
        )
        return self._render("queue.html", context)

    async def ticket(self, request: Request) -> Response:
        """One ticket: the answer first, then its words and why."""
        identity = _plain(str(request.path_params["ticket_id"]))
        try:
            record = await self._deps.records.ticket(identity)
        except NotFound:
            raise NotFound(
                f"There is no ticket {shown(identity)[:80]!r}. The queue lists those there are."
            ) from None
        policy = await self._policy()
        account = record.ticket.account
        context = TicketPage(
            frame=_frame(_title(record.ticket.subject, record.ticket.body), "queue", policy),
            id=shown(record.ticket.id),
            source=shown(record.ticket.source),
            account=shown(" · ".join(filter(None, (account.name or account.id, account.plan))))
            if account
            else "",
            arrived=record.received_at.isoformat(),
            arrived_words=time_in_words(record.received_at),
            words=words(record.ticket, ()),
            explained=await self._explained(record, record.decision) if record.decision else None,
            actions=record.actions,
            ledger=record.ledger,
        )
        return self._render("ticket.html", context)

    async def try_form(self, request: Request) -> Response:
        """The empty paste box."""
        del request
        frame = _frame("What would Rung decide?", "try", await self._policy())
        return self._render("try.html", TryPage(frame, "", "", TRY_LIMIT, "", None))

    async def try_ticket(self, request: Request) -> Response:
        """The paste box with its answer; nothing is stored."""
        require_same_origin(request)
        subject, text = await _form(request)
        compiled = await published(self._deps)
        frame = _frame("What would Rung decide?", "try", compiled.policy)
        trouble = _trouble(subject, text)
        explained = None
        if not trouble:
            ticket = Ticket("pasted", subject=subject, body=text)
            found = consider(compiled, ticket, now=self._deps.clock(), key=self._deps.key)
            masked = _as_read(ticket, {t.field: t.text for t in found.reading.texts})
            explained = _explain(masked, found.decision, found.tried, compiled.policy, "")
        page = TryPage(frame, shown(subject), shown(text), TRY_LIMIT, trouble, explained)
        return self._render("try.html", page, status=422 if trouble else 200)

    async def observe(self, request: Request) -> Response:
        """Decisions side by side with what people did."""
        del request
        policy = await self._policy()
        seen = (await self._deps.records.observed(limit=OBSERVED)).rows
        agreement = _agreement(seen, policy)
        context = ObservePage(
            frame=_frame("Observe", "observe", policy),
            summary=_summary(agreement),
            agreement=agreement,
            beside=tuple(_beside(one, policy) for one in seen[:PAGE_SIZE] if one.outcome),
        )
        return self._render("observe.html", context)

    async def icon(self, request: Request) -> Response:
        """No icon: browsers ask for one, and a 404 would stand in their consoles."""
        del request
        return Response(status_code=204, headers={"cache-control": "public, max-age=86400"})

    async def stylesheet(self, request: Request) -> Response:
        """The one style sheet."""
        headers = {"cache-control": "public, max-age=86400", "etag": self._sheet_tag}
        if request.headers.get("if-none-match") == self._sheet_tag:
            return Response(status_code=304, headers=headers)
        return Response(self._sheet, media_type="text/css", headers=headers)

    # ------------------------------------------------------------ joining
    def routes(self) -> APIRouter:
        """All pages; they are no part of the API's documentation."""
        router = APIRouter(include_in_schema=False)
        guarded = (
            ("/", "GET", self.queue),
            ("/tickets/{ticket_id:path}", "GET", self.ticket),
            ("/try", "GET", self.try_form),
            ("/try", "POST", self.try_ticket),
            ("/observe", "GET", self.observe),
        )
        for path, method, page in guarded:
            router.add_api_route(path, self._guarded(page), methods=[method])
        router.add_api_route("/favicon.ico", self.icon, methods=["GET"])
        router.add_api_route("/static/rung.css", self.stylesheet, methods=["GET"])
        return router

    def _guarded(self, page: Handler) -> Handler:
        """The page for a browser on this machine; an error becomes a page too."""

        async def guarded(request: Request) -> Response:
            try:
                require_local(request)
                return await page(request)
            except RungError as error:
                document = from_error(error)
                title = TITLES[document.name][1]
                context = TroublePage(Frame(title, "", ""), document.status, shown(document.detail))
                return self._render("trouble.html", context, status=document.status)

        return guarded

    async def _policy(self) -> Policy | None:
        compiled = await self._deps.policy()
        return compiled.policy if compiled else None

    async def _explained(self, record: Told, decision: Decision) -> Explained:
        """The stored decision, with the routes tried again on the stored text and facts."""
        compiled = await self._deps.policy()
        if compiled is None:
            return _explain(record.ticket, decision, (), None, "No policy is published now.")
        found = consider(
            compiled, record.ticket, now=decision.decided_at, key=self._deps.key, stored=decision.facts
        )
        note = ""
        if compiled.policy.version != decision.policy:
            note = "The routes are those of the policy published now, which is not the one that decided."
        return _explain(record.ticket, decision, found.tried, compiled.policy, note)

    def _render(self, template: str, context: object, *, status: int = 200) -> Response:
        html = self._templates.get_template(template).render(page=context)
        return Response(html.encode("utf-8", "replace"), status, media_type="text/html")


def _frame(title: str, here: str, policy: Policy | None) -> Frame:
    version = policy.version.removeprefix("sha256:")[:12] if policy else ""
    return Frame(title, here, version)


def _title(subject: str, body: str) -> str:
    text = " ".join((subject or body).split())
    return shown(text if len(text) <= _SUBJECT_SHOWN else f"{text[: _SUBJECT_SHOWN - 1]}…") or "(no text)"


def _plain(text: str) -> str:
    """A text that the store may be asked for."""
    if "\0" in text or shown(text) != text:
        raise NotFound("Nothing has a name with such characters.")
    return text


def _cursor(request: Request) -> int | None:
    given = request.query_params.get("cursor", "")
    if not given:
        return None
    if not (given.isascii() and given.isdigit() and len(given) <= _CURSOR_LENGTH):
        raise problem("invalid", "This page of the queue does not exist; go back to its beginning.")
    return int(given)


def _choices(chosen: Mapping[str, str], policy: Policy | None) -> tuple[Choice, ...]:
    signatures = tuple(s.id for s in policy.signatures) if policy else ()
    teams = tuple(policy.teams) if policy else ()
    levels = tuple(sorted({name for team in policy.teams.values() for name in team.levels})) if policy else ()
    listed = (
        ("outcome", "Outcome", get_args(Outcome)),
        ("team", "Team", teams),
        ("level", "Level", levels),
        ("signature", "Symptom", signatures),
    )
    return tuple(Choice(name, label, options, chosen[name]) for name, label, options in listed)


def _row(ticket: Listed | Observed, policy: Policy | None) -> Row:
    if isinstance(ticket, Observed):
        identity, account, at = ticket.ticket_id, "", ticket.their_at
    else:
        identity, account, at = ticket.id, ticket.account_id or "", ticket.received_at
    return Row(
        id=shown(identity),
        href=f"/tickets/{quote(identity, safe='', errors='replace')}",
        subject=_title(ticket.subject, ""),
        account=shown(account),
        arrived=at.isoformat(),
        arrived_words=time_in_words(at),
        verdict=verdict(ticket, policy),
    )


def _explain(
    ticket: Ticket, decision: Decision, tried: Sequence[TriedRoute], policy: Policy | None, note: str
) -> Explained:
    texts = words(ticket, decision.because)
    return Explained(
        answered=answered(decision, policy),
        words=texts,
        reasons=reasons(decision.because, [w.field for w in texts]),
        facts=tuple(
            (name.replace("_", " "), value_in_words(value)) for name, value in decision.facts.items()
        ),
        tried=tuple(tried),
        tried_note=note,
    )


def _as_read(ticket: Ticket, texts: Mapping[str, str]) -> Ticket:
    """The ticket with the texts as they were read, secrets masked."""
    subject, body = texts.get("subject", ticket.subject), texts.get("body", ticket.body)
    return Ticket(ticket.id, subject=subject, body=body, facts=NOTHING)


async def _form(request: Request) -> tuple[str, str]:
    """Subject and text of the paste box."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != _FORM_TYPE:
        raise problem("unsupported-type", "Send the form of the page /try.")
    raw = await read_body(request, limit=_FORM_LIMIT)
    try:
        given = parse_qs(raw.decode("ascii"), keep_blank_values=True, errors="replace", max_num_fields=10)
    except ValueError:
        raise problem("bad-request", "The form cannot be read; send it from the page /try.") from None

    def text(name: str) -> str:
        return given.get(name, [""])[0].replace("\0", "\ufffd").replace("\r\n", "\n")

    return text("subject"), text("body")


def _trouble(subject: str, text: str) -> str:
    if not subject.strip() and not text.strip():
        return "Paste what the customer wrote; subject or text suffices."
    if len(subject) + len(text) > TRY_LIMIT:
        return f"This is longer than {TRY_LIMIT:,} characters; paste the part that matters."
    return ""


def _agreement(seen: Sequence[Observed], policy: Policy | None) -> tuple[AgreementRow, ...]:
    """Agreement by symptom, the most frequent first."""
    found: dict[str, list[bool]] = {}
    for one in seen:
        if one.outcome:
            found.setdefault(one.signature or "", []).append(one.agrees)
    rows = [
        AgreementRow(
            symptom=symptom_in_words(signature, policy) or "Nothing recognised",
            agreed=sum(same),
            differed=len(same) - sum(same),
            share=round(100 * sum(same) / len(same)),
        )
        for signature, same in found.items()
    ]
    return tuple(sorted(rows, key=lambda r: (-(r.agreed + r.differed), r.symptom)))


def _summary(rows: Sequence[AgreementRow]) -> str:
    agreed, acted = sum(r.agreed for r in rows), sum(r.agreed + r.differed for r in rows)
    if not acted:
        return ""
    return (
        f"People put the ticket where Rung would have put it {agreed:,} times in the last {acted:,} "
        f"({round(100 * agreed / acted)} %)."
    )


def _beside(one: Observed, policy: Policy | None) -> Beside:
    return Beside(_row(one, policy), place_in_words(one.their_team, one.their_level, policy), one.agrees)
