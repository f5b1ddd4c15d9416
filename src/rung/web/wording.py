"""Decisions, places and times in words, the same on every page."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime

import orjson

from rung.core.payload import without_surrogates as shown
from rung.core.rules import Policy
from rung.model import Because, Decision, Json, Ticket
from rung.store.rows import Listed, Observed
from rung.web.contexts import Answered, Reason, Verdict, Words
from rung.web.highlight import REASON_LIMIT, segments

_CAPITALS = {"ai": "AI", "sre": "SRE", "devops": "DevOps", "api": "API", "sso": "SSO", "ui": "UI", "ml": "ML"}
_NOTES = {
    "observe": "Rung is only watching: it does nothing by itself.",
    "suggest": "Rung suggests; a person decides.",
    "act": "Rung may carry this out by itself.",
}
_MESSAGE = re.compile(r"messages\[(\d+)\]\.body")
_FIELD_NAMES = {"subject": "Subject", "body": "First message"}


def in_words(name: str) -> str:
    """An id for people: ``backend/product`` → ``Backend Product``, ``sso_saml`` → ``SSO saml``."""
    parts = [part.replace("_", " ").replace("-", " ").split() for part in name.split("/")]
    return " ".join(" ".join(_capital(word, first=i == 0) for i, word in enumerate(part)) for part in parts)


def _capital(word: str, *, first: bool) -> str:
    return _CAPITALS.get(word, word[:1].upper() + word[1:] if first else word)


def team_in_words(team: str, level: str, policy: Policy | None) -> str:
    """A cell of the matrix for people: ``Backend Product L2``."""
    known = policy.teams.get(team) if policy else None
    name = known.title.removesuffix(" Team") if known and "/" not in team else in_words(team)
    return f"{name} {level}".strip()


def symptom_in_words(signature: str | None, policy: Policy | None) -> str:
    """The signature's title, else its id for people; empty for none."""
    if not signature:
        return ""
    titles = {s.id: s.title for s in policy.signatures} if policy else {}
    return titles.get(signature) or in_words(signature)


def verdict(decided: Listed | Observed | Decision, policy: Policy | None) -> Verdict | None:
    """A decision in badges; None when the ticket has none."""
    if decided.outcome is None:
        return None
    sure = f"{min(99, round((decided.confidence or 0) * 100))} %" if decided.signature else ""
    return Verdict(
        outcome=decided.outcome,
        mode=decided.mode or "",
        severity=decided.severity or "",
        to=team_in_words(decided.team or "", decided.level or "", policy),
        symptom=symptom_in_words(decided.signature, policy),
        sure=sure,
    )


def answered(decision: Decision, policy: Policy | None) -> Answered:
    """A decision in words."""
    badges = verdict(decision, policy)
    if badges is None:  # a Decision always has an outcome
        raise ValueError(decision.ticket_id)
    symptom, to = badges.symptom, badges.to
    why = f"{_lower_first(symptom)}, {badges.sure} sure" if symptom else "nothing in the text is recognised"
    match decision.outcome:
        case "escalate":
            headline = f"Hand over to {to}: {why}."
        case "suggest":
            headline = f"Consider handing over to {to}: {why}."
        case "duplicate":
            headline = f"Same as {shown(decision.duplicate_of or '')}: link it, do not hand it over twice."
        case _:
            headline = f"Keep it at {to}: {why}."
    return Answered(decision, badges, headline, _NOTES[decision.mode])


def _lower_first(text: str) -> str:
    """Lower the first letter, unless the word is an abbreviation."""
    return text if text[1:2].isupper() else text[:1].lower() + text[1:]


def field_in_words(field: str) -> str:
    """A field of the ticket, or a fact, for people: ``messages[1].body`` → ``Message 2``."""
    message = _MESSAGE.fullmatch(field)
    if message:
        return f"Message {int(message[1]) + 1}"
    return _FIELD_NAMES.get(field) or field.removeprefix("facts.").replace("_", " ")


def reasons(because: Sequence[Because], fields: Sequence[str]) -> tuple[Reason, ...]:
    """The reasons with their numbers; those whose field is on the page are linked."""
    found = []
    for number, reason in enumerate(because, 1):
        kind, _, name = reason.rule.partition(":")
        linked = number <= REASON_LIMIT and reason.field in fields and reason.start is not None
        found.append(
            Reason(
                number=number,
                rule=f"{kind} {name}".strip(),
                quote=shown(reason.quote or ""),
                place=field_in_words(reason.field),
                linked=linked,
            )
        )
    return tuple(found)


def words(ticket: Ticket, because: Sequence[Because]) -> tuple[Words, ...]:
    """The texts of a ticket in reading order, quotes marked; empty ones are left out."""
    found = []
    if ticket.subject:
        found.append(
            Words("subject", "Subject", "customer", "", segments(ticket.subject, "subject", because))
        )
    if ticket.body:
        at = time_in_words(ticket.created_at)
        found.append(Words("body", "First message", "customer", at, segments(ticket.body, "body", because)))
    for index, message in enumerate(ticket.messages):
        field = f"messages[{index}].body"
        text = segments(message.body, field, because)
        found.append(Words(field, field_in_words(field), message.author, time_in_words(message.at), text))
    return tuple(found)


def time_in_words(moment: datetime | None) -> str:
    """``22 Nov 2026, 03:00 UTC``; empty for None."""
    if moment is None:
        return ""
    utc = moment.astimezone(UTC)
    return f"{utc.day} {utc:%b %Y, %H:%M} UTC"


def value_in_words(value: Json) -> str:
    """A JSON value for people."""
    match value:
        case None:
            return "not known"
        case bool():
            return "yes" if value else "no"
        case str():
            return shown(value)
        case dict():
            return ", ".join(f"{shown(str(key))} {value_in_words(item)}" for key, item in value.items())
        case list() | tuple():
            return ", ".join(value_in_words(item) for item in value)
    return orjson.dumps(value, default=str).decode()


def place_in_words(team: str, level: str, policy: Policy | None) -> str:
    """Where people put a ticket: a cell of the matrix, or a group of the helpdesk that is not mapped to one."""
    if policy is not None and team in policy.teams:
        return team_in_words(team, level, policy)
    return shown(f"{team} {level}".strip()) or "nobody"
