"""What an arrival adds to a ticket that may already be stored."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import replace

from rung.core.payload import storable_text
from rung.core.wire import time_to_json
from rung.model import Json, Message, Requester, Ticket
from rung.ports import Arrival


def storable_json(value: Json) -> Json:
    """A JSON value whose texts are storable."""
    if isinstance(value, str):
        return storable_text(value)
    if isinstance(value, list):
        return [storable_json(item) for item in value]
    if isinstance(value, dict):
        return {storable_text(key): storable_json(item) for key, item in value.items()}
    return value


def storable(ticket: Ticket) -> Ticket:
    """The ticket with every text storable; lengths, and so offsets, stay."""
    account, requester = ticket.account, ticket.requester
    return replace(
        ticket,
        id=storable_text(ticket.id),
        source=storable_text(ticket.source),
        subject=storable_text(ticket.subject),
        body=storable_text(ticket.body),
        requester=Requester(storable_text(requester.email), storable_text(requester.name))
        if requester
        else None,
        account=replace(account, id=storable_text(account.id), name=storable_text(account.name))
        if account
        else None,
        tags=tuple(map(storable_text, ticket.tags)),
        fields=storable_json(dict(ticket.fields)),
        facts=storable_json(dict(ticket.facts)),
        messages=tuple(
            replace(m, body=storable_text(m.body), id=storable_text(m.id)) for m in ticket.messages
        ),
        attachments=tuple(
            replace(a, name=storable_text(a.name), url=storable_text(a.url)) for a in ticket.attachments
        ),
    )


def message_key(message: Message) -> str:
    """What makes a message the same when it comes again: its id, else author, time and text.

    Computed on the redacted text, because only that is stored.
    """
    if message.id:
        return f"id:{message.id}"
    content = f"{message.author}\0{time_to_json(message.at) or ''}\0{message.body}"
    return "text:" + hashlib.sha256(content.encode("utf-8", "replace")).hexdigest()[:32]


def new_messages(arrived: Ticket, known: Collection[str]) -> tuple[Message, ...]:
    """The messages of ``arrived`` that are not stored yet, each once."""
    seen = set(known)
    added = []
    for message in arrived.messages:
        key = message_key(message)
        if key not in seen:
            seen.add(key)
            added.append(message)
    return tuple(added)


def delivered(arrivals: Sequence[Arrival], delivery: str) -> list[Arrival]:
    """The arrivals with the delivery's id; further ones have a number, so that none hides another."""
    return [
        replace(a, delivery=a.delivery or (f"{delivery}#{index}" if delivery and index else delivery))
        for index, a in enumerate(arrivals)
    ]
