"""What each page is given: one dataclass a page, every field explained (a test insists).

Templates get nothing else, so these are what a changed template may rely on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from rung.model import Decision, TriedRoute
from rung.ports import HumanAction
from rung.store.rows import Recorded
from rung.web.highlight import Segment


@dataclass(frozen=True, slots=True)
class Frame:
    """What every page has around it."""

    title: Annotated[str, "Title of the window and heading of the page."]
    here: Annotated[str, "Which entry of the navigation is this page: queue, observe, try, or empty."]
    policy: Annotated[str, "Short version of the published policy; empty before the first publish."]


@dataclass(frozen=True, slots=True)
class Verdict:
    """A decision in badges, the same on every page."""

    outcome: Annotated[str, "escalate, suggest, stay or duplicate."]
    mode: Annotated[str, "observe, suggest or act."]
    severity: Annotated[str, "sev1 to sev4."]
    to: Annotated[str, "Team and level in words."]
    symptom: Annotated[str, "Title of the signature in words; empty when none was recognised."]
    sure: Annotated[str, "The confidence as a percentage; empty without a symptom."]


@dataclass(frozen=True, slots=True)
class Answered:
    """A decision in words, the same on every page."""

    decision: Annotated[Decision, "The decision itself."]
    verdict: Annotated[Verdict, "The same in badges."]
    headline: Annotated[str, "What to do now, as one sentence."]
    note: Annotated[str, "What the mode means for this decision."]


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the queue."""

    id: Annotated[str, "Id of the ticket."]
    href: Annotated[str, "Address of its page."]
    subject: Annotated[str, "Subject, or the beginning of the body."]
    account: Annotated[str, "Id of the account; may be empty."]
    arrived: Annotated[str, "When it arrived, ISO 8601."]
    arrived_words: Annotated[str, "The same for people."]
    verdict: Annotated[Verdict | None, "Its decision; None when it has none yet."]


@dataclass(frozen=True, slots=True)
class Choice:
    """One filter of the queue."""

    name: Annotated[str, "Name of the query parameter."]
    label: Annotated[str, "What the filter is called."]
    options: Annotated[tuple[str, ...], "The values to choose from."]
    chosen: Annotated[str, "The value chosen now; empty for any."]


@dataclass(frozen=True, slots=True)
class QueuePage:
    """The list of tickets with their decisions."""

    frame: Annotated[Frame, "What stands around the page."]
    rows: Annotated[tuple[Row, ...], "The tickets, newest first."]
    choices: Annotated[tuple[Choice, ...], "The filters."]
    filtered: Annotated[bool, "Whether any filter is set."]
    next: Annotated[str, "Address of the next page; empty at the end."]


@dataclass(frozen=True, slots=True)
class Words:
    """One field of the ticket with the quoted words marked."""

    field: Annotated[str, "Its name: subject, body or messages[i].body."]
    label: Annotated[str, "What it is called on the page."]
    author: Annotated[str, "Who wrote it: customer, agent, rung or system."]
    at: Annotated[str, "When, for people; may be empty."]
    segments: Annotated[tuple[Segment, ...], "The text in pieces."]


@dataclass(frozen=True, slots=True)
class Reason:
    """One reason of a decision."""

    number: Annotated[int, "Its number; links it with its words."]
    rule: Annotated[str, "The rule in words."]
    quote: Annotated[str, "The quoted words; empty when the reason is a fact."]
    place: Annotated[str, "Where the words stand, or which fact it is."]
    linked: Annotated[bool, "Whether its words are marked on the page."]


@dataclass(frozen=True, slots=True)
class Explained:
    """A decision with its reasons and the routes tried: the body of the ticket and of the try page."""

    answered: Annotated[Answered, "The decision in words."]
    words: Annotated[tuple[Words, ...], "The texts of the ticket, quotes marked."]
    reasons: Annotated[tuple[Reason, ...], "Why, in order."]
    facts: Annotated[tuple[tuple[str, str], ...], "The facts looked at, name and value."]
    tried: Annotated[tuple[TriedRoute, ...], "Every route tried, the matching one last."]
    tried_note: Annotated[str, "Says so when the routes are those of a newer policy than the decision's."]


@dataclass(frozen=True, slots=True)
class TicketPage:
    """One ticket."""

    frame: Annotated[Frame, "What stands around the page."]
    id: Annotated[str, "Id of the ticket."]
    source: Annotated[str, "Where it came from."]
    account: Annotated[str, "Name and plan of the account; may be empty."]
    arrived: Annotated[str, "When it arrived, ISO 8601."]
    arrived_words: Annotated[str, "The same for people."]
    words: Annotated[tuple[Words, ...], "The texts, unmarked when there is no decision."]
    explained: Annotated[Explained | None, "The decision; None when there is none yet."]
    actions: Annotated[tuple[HumanAction, ...], "What people did with it in the helpdesk."]
    ledger: Annotated[tuple[Recorded, ...], "The record, oldest first."]


@dataclass(frozen=True, slots=True)
class TryPage:
    """The paste box: what would Rung decide?"""

    frame: Annotated[Frame, "What stands around the page."]
    subject: Annotated[str, "What was typed as subject."]
    body: Annotated[str, "What was pasted."]
    limit: Annotated[int, "Most characters that are taken."]
    trouble: Annotated[str, "Why there is no answer; empty when there is, or nothing was asked."]
    explained: Annotated[Explained | None, "The answer; None before the first question."]


@dataclass(frozen=True, slots=True)
class Beside:
    """One decision beside what people did."""

    row: Annotated[Row, "The ticket and its decision."]
    people: Annotated[str, "What people did, in words."]
    agrees: Annotated[bool, "Whether both are the same."]


@dataclass(frozen=True, slots=True)
class AgreementRow:
    """How often people did the same, for one signature."""

    symptom: Annotated[str, "Title of the signature."]
    agreed: Annotated[int, "Times that people did the same."]
    differed: Annotated[int, "Times that they did something else."]
    share: Annotated[int, "Agreement in per cent."]


@dataclass(frozen=True, slots=True)
class ObservePage:
    """Observe mode: decisions side by side with what people did."""

    frame: Annotated[Frame, "What stands around the page."]
    summary: Annotated[str, "The table in one sentence."]
    agreement: Annotated[tuple[AgreementRow, ...], "Agreement for each signature."]
    beside: Annotated[tuple[Beside, ...], "The newest decisions."]


@dataclass(frozen=True, slots=True)
class TroublePage:
    """An error of a page."""

    frame: Annotated[Frame, "What stands around the page."]
    status: Annotated[int, "The HTTP status."]
    detail: Annotated[str, "What happened and what to do."]


PAGES: tuple[type, ...] = (
    Frame, Verdict, Answered, Row, Choice, QueuePage, Words, Reason, Explained, TicketPage, TryPage, Beside,
    AgreementRow, ObservePage, TroublePage,
)  # fmt: skip
"""Every context, for the test that insists on explanations."""
