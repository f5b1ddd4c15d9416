"""Examples of a signature as text and as tickets; one with a subject has a mail-like first line."""

from __future__ import annotations

from rung.model import Ticket

_MARK = "Subject: "


def example_text(subject: str, body: str) -> str:
    """One example as one text: ``Subject: …``, an empty line, the body; the body alone without a subject."""
    if not subject and not body.startswith(_MARK):
        return body
    return f"{_MARK}{' '.join(subject.split())}\n\n{body}"


def example_ticket(name: str, text: str) -> Ticket:
    """The ticket that an example text stands for; the inverse of ``example_text``."""
    if text.startswith(_MARK):
        first, _, body = text.partition("\n\n")
        if "\n" not in first:
            return Ticket(name, source="example", subject=first.removeprefix(_MARK), body=body)
    return Ticket(name, source="example", body=text)
