"""Ticket in and decision out as JSON values: the contract of ``rung decide`` and of the API.

Parsing happens here, at the edge, once; unknown keys are ignored, wrong types are refused with their place.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, TypeVar, get_args

from rung.core.facts import check_facts
from rung.errors import Malformed
from rung.model import (
    NOTHING,
    Account,
    Attachment,
    AuthorKind,
    Because,
    Decision,
    Entity,
    Json,
    Message,
    Requester,
    Ticket,
)

T = TypeVar("T")
AUTHORS = frozenset(get_args(AuthorKind))
TEXT_LIMIT = 1_000_000
"""Code points of one text field; longer ones are refused rather than cut."""


def _join(where: str, key: str) -> str:
    return f"{where}.{key}" if where else key


def _kind(value: object) -> str:
    names = {dict: "an object", list: "a list", str: "a text", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")


def _text(obj: Mapping[str, Json], key: str, where: str) -> str:
    value = obj.get(key)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise Malformed(f"expected a text, found {_kind(value)}", where=_join(where, key))
    if len(value) > TEXT_LIMIT:
        raise Malformed(f"is longer than {TEXT_LIMIT:,} characters", where=_join(where, key))
    return value


def _name(obj: Mapping[str, Json], key: str, where: str) -> str:
    """A short text; numbers are taken as their digits, because helpdesks send ids either way."""
    value = obj.get(key)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return _text(obj, key, where)


def _number(obj: Mapping[str, Json], key: str, where: str) -> float | None:
    value = obj.get(key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Malformed(f"expected a number, found {_kind(value)}", where=_join(where, key))
    return value


def time_from_json(value: object, where: str) -> datetime | None:
    """An ISO 8601 time with offset as an aware datetime in UTC; None for null; a time without offset is UTC.

    Raises:
        Malformed: anything else.
    """
    if value is None or value == "":
        return None
    try:
        if not isinstance(value, str):
            raise TypeError
        moment = datetime.fromisoformat(value)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (TypeError, ValueError, OverflowError):
        shown = value if isinstance(value, str) else _kind(value)
        raise Malformed(
            f"expected a time such as 2026-11-22T03:00:00Z, found {str(shown)[:60]!r}", where=where
        ) from None


def _object(obj: Mapping[str, Json], key: str, where: str) -> Mapping[str, Json]:
    value = obj.get(key)
    if value is None:
        return NOTHING
    if not isinstance(value, dict):
        raise Malformed(f"expected an object, found {_kind(value)}", where=_join(where, key))
    return value


def _list(
    obj: Mapping[str, Json], key: str, where: str, parse: Callable[[Mapping[str, Json], str], T]
) -> tuple[T, ...]:
    value = obj.get(key)
    if value is None:
        return ()
    place = _join(where, key)
    if not isinstance(value, list):
        raise Malformed(f"expected a list, found {_kind(value)}", where=place)
    parsed = []
    for index, item in enumerate(value):
        if not isinstance(item, dict):
            raise Malformed(f"expected an object, found {_kind(item)}", where=f"{place}[{index}]")
        parsed.append(parse(item, f"{place}[{index}]"))
    return tuple(parsed)


def message_from_json(obj: Mapping[str, Json], where: str = "") -> Message:
    """One message.

    Raises:
        Malformed: with the place inside ``where``.
    """
    author = obj.get("author", "customer")
    if not isinstance(author, str) or author not in AUTHORS:
        raise Malformed(f"expected one of {', '.join(sorted(AUTHORS))}", where=_join(where, "author"))
    return Message(
        author=author,  # type: ignore[arg-type] # checked against the closed list just above
        body=_text(obj, "body", where),
        at=time_from_json(obj.get("at"), _join(where, "at")),
        id=_name(obj, "id", where),
    )


def _attachment(obj: Mapping[str, Json], where: str) -> Attachment:
    size = _number(obj, "size", where)
    return Attachment(
        name=_text(obj, "name", where),
        url=_text(obj, "url", where),
        content_type=_text(obj, "content_type", where),
        size=None if size is None else int(size),
    )


def account_from_json(obj: Mapping[str, Json], where: str = "") -> Account | None:
    """The account, or None when it has no id."""
    identity = _name(obj, "id", where)
    if not identity:
        return None
    return Account(
        id=identity,
        name=_text(obj, "name", where),
        plan=_text(obj, "plan", where),
        annual_value=_number(obj, "annual_value", where),
        tier=_text(obj, "tier", where),
        region=_text(obj, "region", where),
        identity_provider=_text(obj, "identity_provider", where),
    )


def ticket_from_json(value: object, *, where: str = "") -> Ticket:
    """The ticket that a JSON value describes; ``subject`` or ``body`` suffices.

    A ticket without an id gets one made of its content, so that the same line always has the same id.

    Raises:
        Malformed: the place (``messages[2].at``), what was found and what was expected.
    """
    if not isinstance(value, dict):
        raise Malformed(f"expected a ticket object, found {_kind(value)}", where=where)
    subject, body = _text(value, "subject", where), _text(value, "body", where)
    messages = _list(value, "messages", where, message_from_json)
    if not subject.strip() and not body.strip() and not any(m.body.strip() for m in messages):
        raise Malformed("a ticket needs a subject or a body", where=where)
    tags = value.get("tags") or []
    if not isinstance(tags, list) or not all(isinstance(t, str) for t in tags):
        raise Malformed("expected a list of texts", where=_join(where, "tags"))
    facts = _object(value, "facts", where)
    check_facts(facts, _join(where, "facts"))
    requester = _object(value, "requester", where)
    place = _join(where, "requester")
    return Ticket(
        id=_name(value, "id", where) or _content_id(subject, body),
        source=_text(value, "source", where) or "api",
        subject=subject,
        body=body,
        created_at=time_from_json(value.get("created_at"), _join(where, "created_at")),
        requester=Requester(_text(requester, "email", place), _text(requester, "name", place))
        if requester
        else None,
        account=account_from_json(_object(value, "account", where), _join(where, "account")),
        tags=tuple(tags),
        fields=MappingProxyType(dict(_object(value, "fields", where))),
        attachments=_list(value, "attachments", where, _attachment),
        messages=messages,
        facts=MappingProxyType(dict(facts)),
    )


def _content_id(subject: str, body: str) -> str:
    content = f"{subject}\0{body}".encode("utf-8", "surrogatepass")
    return "t-" + hashlib.sha256(content).hexdigest()[:12]


def time_to_json(moment: datetime | None) -> str | None:
    """ISO 8601 in UTC with ``Z``."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z") if moment else None


def ticket_to_json(ticket: Ticket) -> dict[str, Json]:
    """The wire form of a ticket; ``ticket_from_json`` gives it back."""
    requester, account = ticket.requester, ticket.account
    return {
        "id": ticket.id,
        "source": ticket.source,
        "subject": ticket.subject,
        "body": ticket.body,
        "created_at": time_to_json(ticket.created_at),
        "requester": {"email": requester.email, "name": requester.name} if requester else None,
        "account": _account_to_json(account) if account else None,
        "tags": list(ticket.tags),
        "fields": dict(ticket.fields),
        "attachments": [
            {"name": a.name, "url": a.url, "content_type": a.content_type, "size": a.size}
            for a in ticket.attachments
        ],
        "messages": [message_to_json(m) for m in ticket.messages],
        "facts": dict(ticket.facts),
    }


def _account_to_json(account: Account) -> dict[str, Json]:
    return {
        "id": account.id,
        "name": account.name,
        "plan": account.plan,
        "annual_value": account.annual_value,
        "tier": account.tier,
        "region": account.region,
        "identity_provider": account.identity_provider,
    }


def message_to_json(message: Message) -> dict[str, Json]:
    """The wire form of a message."""
    return {"author": message.author, "at": time_to_json(message.at), "body": message.body, "id": message.id}


def because_to_json(because: Because) -> dict[str, Json]:
    """The wire form of a reason."""
    return {
        "rule": because.rule,
        "field": because.field,
        "start": because.start,
        "end": because.end,
        "quote": because.quote,
    }


def entity_to_json(entity: Entity) -> dict[str, Json]:
    """The wire form of an entity."""
    return {
        "type": entity.type,
        "value": entity.value,
        "field": entity.field,
        "start": entity.start,
        "end": entity.end,
    }


def decision_to_json(decision: Decision) -> dict[str, Json]:
    """The decision with every key of the contract, in its order; empty values are null or empty lists."""
    return {
        "ticket_id": decision.ticket_id,
        "policy": decision.policy,
        "engine": decision.engine,
        "decided_at": time_to_json(decision.decided_at),
        "outcome": decision.outcome,
        "mode": decision.mode,
        "duplicate_of": decision.duplicate_of,
        "signature": decision.signature,
        "secondary": list(decision.secondary),
        "confidence": decision.confidence,
        "deterministic": decision.deterministic,
        "bypass_l1": decision.bypass_l1,
        "team": decision.team,
        "level": decision.level,
        "channel": decision.channel,
        "severity": decision.severity,
        "because": [because_to_json(b) for b in decision.because],
        "entities": [entity_to_json(e) for e in decision.entities],
        "facts": dict(decision.facts),
        "evidence_required": list(decision.evidence_required),
        "articles": list(decision.articles),
        "next_check_at": time_to_json(decision.next_check_at),
        "handoff": decision.handoff,
        "route": decision.route,
        "scope": decision.scope,
    }


def decision_from_json(value: Mapping[str, Any]) -> Decision:
    """The decision back from its stored form; trusts what ``decision_to_json`` wrote."""
    decided_at = time_from_json(value["decided_at"], "decided_at")
    if decided_at is None:
        raise Malformed("expected a time", where="decided_at")
    return Decision(
        ticket_id=value["ticket_id"],
        policy=value["policy"],
        engine=value["engine"],
        decided_at=decided_at,
        outcome=value["outcome"],
        mode=value["mode"],
        duplicate_of=value["duplicate_of"],
        signature=value["signature"],
        secondary=tuple(value["secondary"]),
        confidence=value["confidence"],
        deterministic=value["deterministic"],
        bypass_l1=value["bypass_l1"],
        team=value["team"],
        level=value["level"],
        channel=value["channel"],
        severity=value["severity"],
        because=tuple(Because(**b) for b in value["because"]),
        entities=tuple(Entity(**e) for e in value["entities"]),
        facts=MappingProxyType(dict(value["facts"])),
        evidence_required=tuple(value["evidence_required"]),
        articles=tuple(value["articles"]),
        next_check_at=time_from_json(value["next_check_at"], "next_check_at"),
        handoff=value["handoff"],
        route=value["route"],
        scope=value["scope"],
    )
