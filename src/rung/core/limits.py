"""How long a name may be: what is looked up by must fit into an index, so it is refused early and with its place."""

from __future__ import annotations

from rung.errors import Malformed
from rung.model import Ticket

NAME_LIMIT = 300
"""Code points of an id, a name or an address; two of them in four-byte characters fit into one index row."""


def check_name(text: str, where: str) -> str:
    """The text itself.

    Raises:
        Malformed: it is too long to be a name.
    """
    if len(text) > NAME_LIMIT:
        raise Malformed(
            f"is longer than the {NAME_LIMIT} characters of a name, found {len(text):,}", where=where
        )
    return text


def check_names(ticket: Ticket, where: str = "") -> None:
    """Look at every name of a ticket.

    Raises:
        Malformed: with the place of the first that is too long.
    """
    names = [("id", ticket.id), ("source", ticket.source)]
    if ticket.account:
        names.append(("account.id", ticket.account.id))
    if ticket.requester:
        names.append(("requester.email", ticket.requester.email))
    names += [(f"messages[{i}].id", m.id) for i, m in enumerate(ticket.messages) if m.id]
    for place, text in names:
        if len(text) > NAME_LIMIT:
            check_name(text, f"{where}.{place}" if where else place)
