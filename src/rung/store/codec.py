"""Between our values and what PostgreSQL can hold."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import orjson

from rung.core.payload import storable_text as storable
from rung.core.wire import account_from_json, decision_from_json, ticket_to_json, time_from_json
from rung.errors import Malformed
from rung.model import Attachment, Decision, Json, Message, Requester, Ticket


def to_json(value: Json) -> str:
    """JSON text that PostgreSQL takes as ``json`` and ``jsonb``.

    Raises:
        Malformed: the value nests too deeply.
    """
    try:
        text = orjson.dumps(value, default=_plain).decode()
        if "\\u0000" not in text:
            return text
        return orjson.dumps(_clean(value), default=_plain).decode()
    except (TypeError, RecursionError):  # lone surrogates, integers beyond 64 bits, deep nesting
        try:
            return json.dumps(_clean(value), ensure_ascii=False, separators=(",", ":"), allow_nan=False)
        except (RecursionError, ValueError) as error:
            raise Malformed(f"a value cannot be stored as JSON: {error}") from error


def from_json(text: str | None) -> Any:
    """The value back; None stays None."""
    return None if text is None else orjson.loads(text)


def _plain(value: object) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, tuple | set | frozenset):
        return list(value)
    raise TypeError(f"{type(value).__name__} is not JSON")


def _clean(value: Json) -> Json:
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, Mapping):
        return {storable(str(key)): _clean(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_clean(item) for item in value]
    return value


def rest_of(ticket: Ticket) -> str:
    """What a ticket says beyond its columns, as JSON."""
    everything = ticket_to_json(ticket)
    return to_json(
        {key: everything[key] for key in ("requester", "account", "tags", "fields", "attachments", "facts")}
    )


def ticket_of(row: Mapping[str, Any], messages: tuple[Message, ...] = ()) -> Ticket:
    """A stored row of ``tickets`` as a ticket."""
    rest = from_json(row["rest"])
    requester, account = rest.get("requester"), rest.get("account")
    return Ticket(
        id=row["id"],
        source=row["source"],
        subject=row["subject"],
        body=row["body"],
        created_at=row["created_at"],
        requester=Requester(**requester) if requester else None,
        account=account_from_json(account) if account else None,
        tags=tuple(rest.get("tags", ())),
        fields=rest.get("fields", {}),
        attachments=tuple(Attachment(**a) for a in rest.get("attachments", ())),
        messages=messages,
        facts=rest.get("facts", {}),
    )


def messages_of(text: str | None) -> tuple[Message, ...]:
    """The messages that a query aggregated, in order."""
    return tuple(
        Message(author=m["author"], body=m["body"], at=time_from_json(m["at"], "at"), id=m["id"])
        for m in from_json(text) or ()
    )


def decision_of(text: str | None) -> Decision | None:
    """A stored decision."""
    return decision_from_json(orjson.loads(text)) if text else None
