"""Zendesk: webhooks of triggers, whose JSON body the operator sets to ``zendesk_trigger.json``.

That template is the format. Zendesk fills the placeholders in as text, so every value may arrive empty, and line
ends inside texts may arrive unescaped. The word in ``event`` says what the operator's trigger is about.

Signature, verified on the vendor's page: ``X-Zendesk-Webhook-Signature`` is the base64 of HMAC-SHA256 over
timestamp and body, in this order, without a separator. An older copy of that page says body and timestamp, and
its sample vector only fits that order: it must not verify.
"""

from __future__ import annotations

import base64
import hmac
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.resources import files
from types import MappingProxyType

from rung.connectors.signing import check_window, hmac_sha256, required
from rung.core.payload import load_json
from rung.core.wire import TEXT_LIMIT, time_from_json
from rung.errors import Malformed, Unauthenticated
from rung.model import Account, Attachment, AuthorKind, Json, Message, Requester, Ticket
from rung.ports import ActionKind, Arrival, HumanAction

NOTE_MARKER = "[rung-note]"
"""Stands in each internal note that Rung writes, so that the note is known when it comes back as an event."""

EVENTS: tuple[str, ...] = ("created", "commented", "assigned", "solved", "reopened", "updated")
"""The words that ``event`` may have: one trigger for each, or a single trigger ``updated`` for all changes."""

_ACTIONS: Mapping[str, ActionKind] = {"assigned": "assigned", "solved": "solved", "reopened": "reopened"}
_LEVEL = re.compile(r"L\d+")
_COMMENT_HEAD = re.compile(r"\A-{20,}\s*\n+[^\n]{1,200}\d{4}[^\n]{0,40}\n\s*\n")
"""Some placeholders put a rule and a line with name and date above the words (seen, not documented)."""


def trigger_template() -> str:
    """The JSON body to paste into the Zendesk trigger."""
    return files("rung.connectors").joinpath("zendesk_trigger.json").read_text(encoding="utf-8")


@dataclass(frozen=True, slots=True)
class Settings:
    """What the operator sets for the connection.

    ``groups`` maps a Zendesk group to a cell of the matrix (``Backend`` → ``backend/product/L2``);
    ``rung_users`` are the e-mail addresses under which Rung itself acts in Zendesk; ``customer_domains`` are
    e-mail domains whose people are customers although they are not the requester (others count as agents).
    """

    groups: Mapping[str, str]
    rung_users: frozenset[str]
    customer_domains: frozenset[str]

    @classmethod
    def from_json(cls, settings: Mapping[str, Json]) -> Settings:
        """Read the connection's settings; unknown keys are ignored.

        Raises:
            Malformed: a setting has the wrong type.
        """
        groups = settings.get("groups") or {}
        if not isinstance(groups, dict) or not all(isinstance(v, str) for v in groups.values()):
            raise Malformed(
                'expected group names with cells, e.g. {"Backend": "backend/product/L2"}',
                where="settings.groups",
            )
        return cls(
            MappingProxyType({str(name).casefold(): cell for name, cell in groups.items()}),
            _lower_set(settings, "rung_users"),
            _lower_set(settings, "customer_domains"),
        )


def _lower_set(settings: Mapping[str, Json], key: str) -> frozenset[str]:
    values = settings.get(key) or []
    if not isinstance(values, list) or not all(isinstance(v, str) for v in values):
        raise Malformed("expected a list of texts", where=f"settings.{key}")
    return frozenset(v.casefold() for v in values)


class Zendesk:
    """Reads what Zendesk triggers send."""

    name = "zendesk"

    def verify(self, headers: Mapping[str, str], body: bytes, *, secret: str, now: datetime) -> str:
        """Check the signature; the delivery id is Zendesk's invocation id, tied to this body.

        Raises:
            Unauthenticated: the signature is missing, wrong or stale.
        """
        signature = required(headers, "x-zendesk-webhook-signature")
        stamp = required(headers, "x-zendesk-webhook-signature-timestamp")
        expected = hmac_sha256(secret.encode(), stamp.encode("utf-8", "surrogateescape") + body)
        given = signature.encode("utf-8", "surrogateescape")
        if not hmac.compare_digest(base64.b64encode(expected), given):
            raise Unauthenticated(
                "the signature does not fit the body; copy the signing secret of the Zendesk webhook again"
            )
        check_window(_signed_at(stamp), now)
        invocation = headers.get("x-zendesk-webhook-invocation-id", "")
        # The header is not signed: tied to the signature's content, it cannot make another body look delivered.
        return f"{invocation[:100]}-{hmac_sha256(b'delivery', body).hex()[:16]}" if invocation else ""

    def parse(
        self, headers: Mapping[str, str], body: bytes, *, settings: Mapping[str, Json]
    ) -> Sequence[Arrival]:
        """The one arrival of a trigger's payload.

        Raises:
            Malformed: it is not what the template gives.
        """
        del headers
        payload = load_json(body, lenient=True)
        configured = Settings.from_json(settings)
        said = _Said.at_top(payload.value)
        event = said.text("event")
        if event not in EVENTS:
            raise Malformed(
                f"unknown event {event[:60]!r}; the trigger's JSON body must say one of {', '.join(EVENTS)}",
                where="event",
            )
        message = _message(said, configured)
        return (
            Arrival(
                connector=self.name,
                ticket=_ticket(said, (message,) if message else ()),
                actions=_actions(event, said, configured),
                raw=body if payload.oddity else b"",
                raw_reason=payload.oddity,
            ),
        )


connector = Zendesk()


def _signed_at(stamp: str) -> datetime:
    try:
        moment = datetime.fromisoformat(stamp)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise Unauthenticated("the signature's timestamp is not an ISO 8601 time") from None


@dataclass(frozen=True, slots=True)
class _Said:
    """One object of the payload; reads texts, and numbers and booleans as their text."""

    value: Mapping[str, Json]
    where: str

    @classmethod
    def at_top(cls, value: Json) -> _Said:
        if not isinstance(value, dict):
            raise Malformed("expected the object of the trigger's JSON body")
        return cls(value, "")

    def _place(self, key: str) -> str:
        return f"{self.where}.{key}" if self.where else key

    def text(self, key: str) -> str:
        match self.value.get(key):
            case None:
                return ""
            case bool(flag):
                return "true" if flag else "false"
            case str() | int() as value:
                if len(str(value)) > TEXT_LIMIT:
                    raise Malformed(f"is longer than {TEXT_LIMIT:,} characters", where=self._place(key))
                return str(value)
        raise Malformed("expected a text", where=self._place(key))

    def part(self, key: str) -> _Said:
        value = self.value.get(key)
        if value is None or value == "":
            return _Said({}, self._place(key))
        if not isinstance(value, dict):
            raise Malformed("expected an object", where=self._place(key))
        return _Said(value, self._place(key))

    def time(self, key: str) -> datetime | None:
        return time_from_json(self.text(key).strip(), self._place(key))


def _ticket(said: _Said, messages: tuple[Message, ...]) -> Ticket:
    told = said.part("ticket")
    number = told.text("id").strip()
    if not number:
        raise Malformed("expected the number of the ticket", where="ticket.id")
    subject, body = told.text("title"), _COMMENT_HEAD.sub("", told.text("description"))
    if not subject.strip() and not body.strip():
        raise Malformed("a ticket needs a title or a description", where="ticket")
    requester = said.part("requester")
    email, name = requester.text("email").strip(), requester.text("name")
    fields = {key: told.text(key) for key in ("status", "priority", "type", "via", "brand")}
    fields["group"] = said.text("group")
    return Ticket(
        id=f"zendesk-{number}",
        source="zendesk",
        subject=subject,
        body=body,
        created_at=told.time("created_at"),
        requester=Requester(email, name) if email or name else None,
        account=_account(said.part("organization")),
        tags=tuple(told.text("tags").split()),
        fields=MappingProxyType({key: value for key, value in fields.items() if value}),
        attachments=_attachments(said.part("comment")),
        messages=messages,
    )


def _account(told: _Said) -> Account | None:
    """The organisation; the operator's own id goes before Zendesk's, and both before the name."""
    name = told.text("name").strip()
    identity = told.text("external_id").strip() or told.text("id").strip() or name
    return Account(identity, name, plan=told.text("plan"), tier=told.text("tier")) if identity else None


def _attachments(told: _Said) -> tuple[Attachment, ...]:
    """One a line: the address, then the file's name."""
    lines = (line.strip().partition(" ") for line in told.text("attachments").splitlines())
    return tuple(Attachment(name=name or url, url=url) for url, _, name in lines if url)


def _message(said: _Said, settings: Settings) -> Message | None:
    """The latest comment; None when there is none or it is the ticket's own first text."""
    told = said.part("comment")
    body = _COMMENT_HEAD.sub("", told.text("body"))
    first = _COMMENT_HEAD.sub("", said.part("ticket").text("description"))
    if not body.strip() or body.split() == first.split():
        return None
    return Message(_author(said, body, settings), body, told.time("at"), told.text("id").strip())


def _author(said: _Said, body: str, settings: Settings) -> AuthorKind:
    """Who wrote the latest comment.

    The requester comes first and is always a customer: the marker of our notes in a customer's words must not
    keep them from being decided. The marker counts in internal comments only.
    """
    told = said.part("comment")
    email = (told.text("author_email") or said.part("current_user").text("email")).strip().casefold()
    requester = said.part("requester").text("email").strip().casefold()
    internal = told.text("public").strip().casefold() in {"false", "no", "0"}
    if email and email in settings.rung_users:
        return "rung"
    if email and email == requester:
        return "customer"
    if internal:
        return "rung" if NOTE_MARKER in body else "agent"
    if not email or email.rpartition("@")[2] in settings.customer_domains:
        return "customer"
    return "agent"


def _actions(event: str, said: _Said, settings: Settings) -> tuple[HumanAction, ...]:
    """What a person did. Rung's own changes are none, and neither is the first group a new ticket gets."""
    actor = said.part("current_user").text("email").strip().casefold()
    if event in {"created", "commented"} or (actor and actor in settings.rung_users):
        return ()
    told = said.part("ticket")
    at = told.time("updated_at")
    group, status = said.text("group").strip(), told.text("status").strip().casefold()
    if event == "updated":
        # One trigger for every change: only the state is known, so each state counts once.
        kinds: list[ActionKind] = ["assigned"] if group else []
        kinds += ["solved"] if status in {"solved", "closed"} else []
        moment = ""
    else:
        kinds, moment = [_ACTIONS[event]], told.text("updated_at").strip()
    team, level = _cell(group, settings)
    return tuple(
        HumanAction(
            kind, ":".join(filter(None, (kind, group if kind == "assigned" else "", moment))), at, team, level
        )
        for kind in kinds
    )


def _cell(group: str, settings: Settings) -> tuple[str, str]:
    """Team and level that the operator mapped the group to, else the group's own name and no level."""
    cell = settings.groups.get(group.casefold(), "")
    if not cell:
        return group, ""
    team, _, level = cell.rpartition("/")
    return (team, level) if team and _LEVEL.fullmatch(level) else (cell, "")
