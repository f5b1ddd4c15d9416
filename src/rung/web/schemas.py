"""The shapes of the API as OpenAPI shows them. They describe; parsing is done by ``core.wire``.

Tests hold every real reply against these, so that they cannot drift apart.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.json_schema import models_json_schema

from rung.model import AuthorKind, EntityType, Mode, Outcome, Severity

Json = dict[str, Any]
REF = "#/components/schemas/{model}"


class Shape(BaseModel):
    """A described object; unknown keys are ignored on the way in."""

    model_config = ConfigDict(extra="ignore")


class RequesterIn(Shape):
    """The person who wrote the ticket."""

    email: str | None = None
    name: str | None = None


class AccountIn(Shape):
    """The customer organisation."""

    id: str | int | None = Field(None, description="The operator's id of the account.")
    name: str | None = None
    plan: str | None = None
    annual_value: float | None = Field(None, description="Yearly value in the operator's own currency.")
    tier: str | None = None
    region: str | None = None
    identity_provider: str | None = None


class AttachmentIn(Shape):
    """A file the customer sent; its bytes stay with the helpdesk."""

    name: str | None = None
    url: str | None = None
    content_type: str | None = None
    size: int | None = None


class MessageIn(Shape):
    """One message after the ticket's first text."""

    author: AuthorKind = "customer"
    body: str = ""
    at: datetime | None = Field(None, description="ISO 8601; without offset it is UTC.")
    id: str | int | None = Field(None, description="The helpdesk's id; the same id is stored once.")


class TicketIn(Shape):
    """What a customer reported; `subject` or `body` suffices."""

    id: str | int | None = Field(None, description="Without an id one is made of the text.")
    source: str | None = Field(None, description="Where it comes from, e.g. `zendesk`.")
    subject: str | None = None
    body: str | None = None
    created_at: datetime | None = None
    requester: RequesterIn | None = None
    account: AccountIn | None = None
    tags: list[str] = []
    fields: Json = {}
    attachments: list[AttachmentIn] = []
    messages: list[MessageIn] = []
    facts: Json = Field({}, description="Facts the caller knows; they go before those of the store.")


class Place(Shape):
    """Half-open range of Unicode code points in a field of the ticket; null when the reason is a fact."""

    field: str = Field(description="`subject`, `body`, `messages[i].body` or `facts.<name>`.")
    start: int | None
    end: int | None


class BecauseOut(Place):
    """One reason: the rule, and the quoted words with their place."""

    rule: str
    quote: str | None


class EntityOut(Place):
    """Something literal found in the text."""

    type: EntityType
    value: str


class DecisionOut(Shape):
    """The outcome for one ticket with its reasons."""

    ticket_id: str
    policy: str = Field(description="Version of the policy that decided.")
    engine: str
    decided_at: datetime
    outcome: Outcome = Field(description="What the policy says.")
    mode: Mode = Field(description="Whether Rung may carry it out.")
    duplicate_of: str | None
    signature: str | None
    secondary: list[str]
    confidence: float
    deterministic: bool
    bypass_l1: bool = Field(description="The first support level is skipped.")
    team: str
    level: str
    channel: str
    severity: Severity
    because: list[BecauseOut]
    entities: list[EntityOut]
    facts: Json
    evidence_required: list[str]
    articles: list[str]
    next_check_at: datetime | None
    handoff: str = Field(description="The text to paste for the receiving team.")
    route: str
    scope: str


class ResultOut(Shape):
    """What became of one ticket that was sent."""

    ticket_id: str
    created: bool
    added_messages: int
    decision: DecisionOut | None


class ResultsOut(Shape):
    """The results of a list, in its order."""

    results: list[ResultOut]


class KeptOut(Shape):
    """An authentic payload that could not be read; it is kept encrypted and `rung redrive` tries it again."""

    kept: str
    reason: str


class TicketOut(Shape):
    """A ticket as stored: secrets are masked."""

    id: str
    source: str
    subject: str
    body: str
    created_at: datetime | None
    requester: RequesterIn | None
    account: AccountIn | None
    tags: list[str]
    fields: Json
    attachments: list[AttachmentIn]
    messages: list[MessageIn]
    facts: Json


class ActionOut(Shape):
    """What a person did with the ticket in the helpdesk."""

    kind: Literal["assigned", "solved", "reopened"]
    at: datetime | None
    team: str
    level: str


class LedgerOut(Shape):
    """One line of the record."""

    at: datetime
    kind: str
    data: Json


class TicketRecordOut(Shape):
    """A ticket with its decision, what people did, and its ledger."""

    ticket: TicketOut
    decision: DecisionOut | None
    received_at: datetime
    open: bool
    actions: list[ActionOut]
    ledger: list[LedgerOut]


class TicketSummaryOut(Shape):
    """One row of the list."""

    id: str
    source: str
    subject: str
    created_at: datetime | None
    received_at: datetime
    account: str | None
    open: bool
    decided_at: datetime | None
    outcome: Outcome | None = Field(description="Null, as all that follows, while it is not decided.")
    mode: Mode | None
    signature: str | None
    confidence: float | None
    team: str | None
    level: str | None
    severity: Severity | None


class TicketListOut(Shape):
    """A page of tickets, newest first."""

    tickets: list[TicketSummaryOut]
    next_cursor: int | None = Field(description="Give it as `cursor` for the next page; null at the end.")


class DeploymentIn(Shape):
    """A version of a service that went live."""

    service: str = Field(description="Id of the service in the policy's catalogue.")
    version: str
    at: datetime


class StoredOut(Shape):
    """How many were new."""

    stored: int


class AccountOut(Shape):
    """The account as it is stored now."""

    id: str
    name: str
    plan: str
    annual_value: float | None
    tier: str
    region: str
    identity_provider: str


class TriedOut(Shape):
    """One route: that it matched, or the first condition that did not hold."""

    route: str
    to: str
    matched: bool
    why: str


class ConsideredOut(Shape):
    """What Rung would decide, and every route tried. Nothing is stored."""

    decision: DecisionOut
    tried: list[TriedOut]


class LevelOut(Shape):
    """One cell of the matrix."""

    team: str
    level: str
    channel: str
    next: str | None
    on_call: list[str]
    scope: list[str]


class RouteOut(Shape):
    """A route and the scope item it leads to."""

    id: str
    to: str


class PolicyOut(Shape):
    """The published policy in short."""

    version: str
    mode: Mode
    levels: list[LevelOut]
    signatures: list[str]
    triggers: list[str]
    routes: list[RouteOut]


class PublicationOut(Shape):
    """One publication."""

    version: str
    action: Literal["publish", "rollback"]
    at: datetime
    author: str
    note: str


class PolicyLogOut(Shape):
    """The publications, newest first; the first of all is the published one."""

    publications: list[PublicationOut]
    next_cursor: int | None


class HealthOut(Shape):
    """That it works."""

    status: Literal["ok"]
    version: str


class WrongOut(Shape):
    """One wrong place in what was sent."""

    place: str
    detail: str


class ProblemOut(Shape):
    """An error as RFC 9457 has it."""

    type: str
    title: str
    status: int
    detail: str = Field(description="What happened and what to do about it.")
    instance: str
    errors: Annotated[list[WrongOut] | None, Field(description="The wrong places, if any are known.")] = None


SHAPES: tuple[type[Shape], ...] = (
    TicketIn, MessageIn, AccountIn, DeploymentIn, ResultOut, ResultsOut, KeptOut, TicketRecordOut, TicketListOut,
    StoredOut, AccountOut, ConsideredOut, PolicyOut, PolicyLogOut, HealthOut, ProblemOut,
)  # fmt: skip


def components() -> Json:
    """All shapes as JSON Schemas for the components of the OpenAPI document."""
    _, schema = models_json_schema([(shape, "validation") for shape in SHAPES], ref_template=REF)
    found: Json = schema["$defs"]
    return found


def ref(shape: type[Shape]) -> Json:
    """A reference to a shape."""
    return {"$ref": REF.format(model=shape.__name__)}
