"""Anything that signs by Standard Webhooks, with a mapping from its payload to Rung's words.

The mapping is data of the connection (written as YAML): JMESPath expressions for the fields of the ticket, its
messages and what people did. Without one the payload is the ticket JSON itself, a list of them, or either inside
``data``. A wrong mapping gives Malformed with its path, so the payload is kept and re-driven once it is mended.

The published library of Standard Webhooks is not used: it reads the clock itself and decodes the body before the
signature is checked, so an authentic body with broken UTF-8 could not be kept.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import lru_cache
from typing import get_args

import jmespath
from jmespath.exceptions import JMESPathError
from jmespath.parser import ParsedResult

from rung.connectors.signing import check_window, hmac_sha256, required
from rung.core.payload import load_json
from rung.core.wire import ticket_from_json, time_from_json
from rung.errors import Malformed, Unauthenticated
from rung.model import Json, Ticket
from rung.ports import ActionKind, Arrival, HumanAction

_KINDS = frozenset(get_args(ActionKind))
_MESSAGE = ("id", "author", "body", "at")
_ACTION = ("id", "kind", "at", "team")
_TICKET = ("id", "source", "subject", "body", "created_at", "tags", "attachments")
_PARTS: Mapping[str, tuple[str, ...]] = {
    "requester": ("email", "name"),
    "account": ("id", "name", "plan", "annual_value", "tier", "region", "identity_provider"),
}
_TOP = frozenset({"items", "when", "ticket", "messages", "actions"})


UNNAMED = Ticket(id="").source
"""What a ticket says whose payload names no source."""


class Generic:
    """Reads signed webhooks of any service, by the connection's mapping."""

    name = "generic"

    def verify(self, headers: Mapping[str, str], body: bytes, *, secret: str, now: datetime) -> str:
        """Check the signature by Standard Webhooks; the delivery id is ``webhook-id``.

        Any one of several signatures suffices, so that a secret can be changed without a gap.

        Raises:
            Unauthenticated: the signature is missing, wrong or stale.
        """
        identity = required(headers, "webhook-id")
        stamp = required(headers, "webhook-timestamp")
        signatures = required(headers, "webhook-signature").split()
        if not (stamp.isascii() and stamp.isdigit()) or len(stamp) > len("99999999999"):
            raise Unauthenticated("webhook-timestamp is not a time in seconds since 1970")
        signed = f"{identity}.{stamp}.".encode("utf-8", "surrogateescape") + body
        expected = b"v1," + base64.b64encode(hmac_sha256(_key(secret), signed))
        # Every signature is compared, whichever fits, so that the time says nothing.
        fits = [hmac.compare_digest(expected, s.encode("utf-8", "surrogateescape")) for s in signatures]
        if not any(fits):
            raise Unauthenticated("no signature fits the body; compare the signing secret on both sides")
        check_window(datetime.fromtimestamp(int(stamp), UTC), now)
        return identity

    def parse(
        self, headers: Mapping[str, str], body: bytes, *, settings: Mapping[str, Json]
    ) -> Sequence[Arrival]:
        """The arrivals of a payload, as the mapping reads it.

        Raises:
            Malformed: the payload is not what the mapping expects; the message names the mapping's path.
        """
        del headers
        payload = load_json(body, lenient=True)
        mapping = settings.get("mapping")
        if mapping:
            found = _mapped(_checked(mapping), payload.value)
        else:
            found = tuple((ticket_from_json(v, where=w), ()) for v, w in _unwrapped(payload.value))
        return tuple(
            Arrival(
                connector=self.name,
                ticket=ticket if ticket.source != UNNAMED else replace(ticket, source=self.name),
                actions=actions,
                raw=body if payload.oddity and not index else b"",
                raw_reason="" if index else payload.oddity,
            )
            for index, (ticket, actions) in enumerate(found)
        )


connector = Generic()


def _key(secret: str) -> bytes:
    encoded = secret.removeprefix("whsec_")
    try:
        key = base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not key:
        raise Unauthenticated("the secret of this connection is not whsec_ followed by base64; set it again")
    return key


def _unwrapped(value: Json) -> list[tuple[Json, str]]:
    """The tickets of a payload without mapping, each with its place."""
    where = ""
    if isinstance(value, dict) and "data" in value and not {"subject", "body"} & value.keys():
        value, where = value["data"], "data"
    if isinstance(value, list):
        return [(item, f"{where}[{index}]") for index, item in enumerate(value)]
    return [(value, where)]


def _checked(mapping: Json) -> Mapping[str, Json]:
    if not isinstance(mapping, dict) or not isinstance(mapping.get("ticket"), dict):
        raise Malformed("expected an object with `ticket`", where="mapping")
    for key in mapping.keys() - _TOP:
        raise Malformed(f"unknown key; known ones: {', '.join(sorted(_TOP))}", where=f"mapping.{key}")
    return mapping


@lru_cache(maxsize=512)
def _compiled(expression: str) -> ParsedResult:
    return jmespath.compile(expression)


def _ask(expression: Json, value: Json, where: str) -> Json:
    """What the expression finds; None when it finds nothing."""
    if not isinstance(expression, str):
        raise Malformed("expected a JMESPath expression as a text", where=where)
    try:
        return _compiled(expression).search(value)
    except JMESPathError as error:
        problem = str(error).splitlines()[0][:200]
        raise Malformed(f"the expression {expression!r} cannot be used: {problem}", where=where) from None
    except RecursionError:
        raise Malformed("the expression is nested too deep", where=where) from None


def _several(expression: Json, value: Json, where: str) -> list[Json]:
    found = _ask(expression, value, where)
    if found is None:
        return []
    return found if isinstance(found, list) else [found]


def _mapped(mapping: Mapping[str, Json], value: Json) -> tuple[tuple[Json, tuple[HumanAction, ...]], ...]:
    if "when" in mapping and not _ask(mapping["when"], value, "mapping.when"):
        return ()
    items = _several(mapping.get("items", "@"), value, "mapping.items")
    if not items:
        raise Malformed(f"{mapping.get('items')!r} found nothing in the payload", where="mapping.items")
    arrivals = []
    for item in items:
        ticket = _ticket_object(mapping["ticket"], item)
        ticket["messages"] = _messages(mapping.get("messages"), item)
        try:
            parsed = ticket_from_json(ticket)
        except Malformed as error:
            place = "mapping" if error.where.startswith("messages") else "mapping.ticket"
            raise Malformed(error.reason, where=".".join(filter(None, (place, error.where)))) from None
        arrivals.append((parsed, _actions(mapping.get("actions"), item)))
    return tuple(arrivals)


def _ticket_object(mapping: Mapping[str, Json], item: Json) -> dict[str, Json]:
    ticket: dict[str, Json] = {}
    for key, expression in mapping.items():
        where = f"mapping.ticket.{key}"
        if key in _PARTS:
            ticket[key] = _part(expression, item, where, _PARTS[key])
        elif key in {"fields", "facts"}:
            ticket[key] = _part(expression, item, where, None)
        elif key in _TICKET:
            ticket[key] = _ask(expression, item, where)
        else:
            known = ", ".join((*_TICKET, *_PARTS, "fields", "facts"))
            raise Malformed(f"unknown field; known ones: {known}", where=where)
    if "id" in mapping and ticket["id"] in (None, ""):
        raise Malformed(f"{mapping['id']!r} found nothing in the payload", where="mapping.ticket.id")
    return ticket


def _part(mapping: Json, item: Json, where: str, known: tuple[str, ...] | None) -> dict[str, Json]:
    if not isinstance(mapping, dict):
        raise Malformed("expected an object of JMESPath expressions", where=where)
    for key in mapping:
        if known is not None and key not in known:
            raise Malformed(f"unknown field; known ones: {', '.join(known)}", where=f"{where}.{key}")
    return {str(key): _ask(expression, item, f"{where}.{key}") for key, expression in mapping.items()}


def _rows(
    mapping: Json, item: Json, where: str, known: tuple[str, ...], words: tuple[str, ...]
) -> list[Json]:
    """The objects that a list mapping (``items`` and one expression a field) makes of the payload."""
    if mapping is None:
        return []
    if not isinstance(mapping, dict) or "items" not in mapping:
        raise Malformed("expected an object with `items`", where=where)
    fields = {key: value for key, value in mapping.items() if key != "items" and key not in words}
    found = _several(mapping["items"], item, f"{where}.items")
    return [_part(fields, row, where, known) for row in found]


def _words(mapping: Json, key: str, where: str) -> Mapping[str, Json]:
    """A table from the sender's words to ours."""
    table = mapping.get(key) or {}
    if not isinstance(table, dict):
        raise Malformed("expected an object: the sender's word → ours", where=f"{where}.{key}")
    return table


def _messages(mapping: Json, item: Json) -> list[Json]:
    where = "mapping.messages"
    rows = _rows(mapping, item, where, _MESSAGE, ("authors",))
    authors = _words(mapping, "authors", where) if mapping else {}
    for row in rows:
        author = row.get("author")
        row["author"] = authors.get(str(author), author) if author is not None else "customer"
    return rows


def _actions(mapping: Json, item: Json) -> tuple[HumanAction, ...]:
    where = "mapping.actions"
    rows = _rows(mapping, item, where, _ACTION, ("kinds", "teams"))
    if not rows:
        return ()
    kinds, teams = _words(mapping, "kinds", where), _words(mapping, "teams", where)
    return tuple(_action(row, kinds, teams, where) for row in rows)


def _action(
    row: Mapping[str, Json], kinds: Mapping[str, Json], teams: Mapping[str, Json], where: str
) -> HumanAction:
    said = row.get("kind")
    kind = kinds.get(str(said), said)
    if kind not in _KINDS:
        raise Malformed(
            f"{said!r} is none of {', '.join(sorted(_KINDS))}; say what it means under `kinds`",
            where=f"{where}.kind",
        )
    group = str(row.get("team") or "")
    team, _, level = str(teams.get(group, "")).rpartition("/")
    at = time_from_json(row.get("at"), f"{where}.at")
    identity = str(row.get("id") or f"{kind}:{group}:{row.get('at') or ''}")
    return HumanAction(kind, identity, at, team or group, level if team else "")
