"""Frozen values shared by everyone: what comes in (ticket), what was seen (reading), what goes out (decision).

Offsets are always half-open ranges of Unicode code points into the text of the named field as it was
given; redaction keeps lengths, so they hold before and after it. Field names are ``subject``, ``body`` and
``messages[i].body``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Any, Literal, TypeAlias

Json: TypeAlias = Any
"""A value as JSON has it: None, bool, int, float, str, list or dict of the same."""

Facts: TypeAlias = Mapping[str, Json]
"""Fact name → value. The known names and their meaning stand in ``core.facts.FACTS``."""

AuthorKind: TypeAlias = Literal["customer", "agent", "rung", "system"]
Outcome: TypeAlias = Literal["escalate", "suggest", "stay", "duplicate"]
Mode: TypeAlias = Literal["observe", "suggest", "act"]
Severity: TypeAlias = Literal["sev1", "sev2", "sev3", "sev4"]
Certainty: TypeAlias = Literal["deterministic", "judgement"]
EntityType: TypeAlias = Literal[
    "http_status", "error_code", "exception", "stack_frame", "host", "ip_port", "url", "url_path",
    "version", "browser", "os", "provider", "request_id", "trace_id",
]  # fmt: skip
EvidenceId: TypeAlias = Literal[
    "api_calls", "deployments", "console_errors", "webhook_deliveries", "query_results", "metrics",
    "trace_links", "account_snapshot", "sign_ins", "ticket_history", "similar_tickets", "attachments",
    "status_page", "tls_probe", "saml_probe", "oidc_probe", "dns_probe", "http_probe",
]  # fmt: skip

NOTHING: Facts = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Requester:
    """The person who wrote the ticket."""

    email: str = ""
    name: str = ""


@dataclass(frozen=True, slots=True)
class Account:
    """The customer organisation. ``annual_value`` is in the operator's own currency."""

    id: str
    name: str = ""
    plan: str = ""
    annual_value: float | None = None
    tier: str = ""
    region: str = ""
    identity_provider: str = ""


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file the customer sent; the bytes stay with the helpdesk."""

    name: str
    url: str = ""
    content_type: str = ""
    size: int | None = None


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a ticket after its first text. ``id`` is the helpdesk's, if it has one."""

    author: AuthorKind
    body: str
    at: datetime | None = None
    id: str = ""


@dataclass(frozen=True, slots=True)
class Ticket:
    """What a customer reported. At least one of ``subject`` and ``body`` is not empty."""

    id: str
    source: str = "api"
    subject: str = ""
    body: str = ""
    created_at: datetime | None = None
    requester: Requester | None = None
    account: Account | None = None
    tags: tuple[str, ...] = ()
    fields: Mapping[str, Json] = field(default_factory=lambda: NOTHING)
    attachments: tuple[Attachment, ...] = ()
    messages: tuple[Message, ...] = ()
    facts: Facts = field(default_factory=lambda: NOTHING)


@dataclass(frozen=True, slots=True)
class Entity:
    """Something literal found in the text, with its place."""

    type: EntityType
    value: str
    field: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Because:
    """One reason: the rule, the quoted text, where it stood.

    A reason that comes from a fact has the fact's name (``facts.accounts_affected``) as ``field`` and no
    place and no quote.
    """

    rule: str
    field: str
    start: int | None = None
    end: int | None = None
    quote: str | None = None


@dataclass(frozen=True, slots=True)
class Secret:
    """Where a secret stood before it was masked, and a keyed hash to correlate it (same key, same hash)."""

    kind: str
    field: str
    start: int
    end: int
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Text:
    """One field of a ticket after redaction; same length in code points as the original."""

    field: str
    text: str
    author: AuthorKind = "customer"


@dataclass(frozen=True, slots=True)
class Recognised:
    """One signature seen in the text. ``score`` is the weighed evidence, ``confidence`` in [0, 1]."""

    signature: str
    score: float
    confidence: float
    because: tuple[Because, ...]


@dataclass(frozen=True, slots=True)
class Hit:
    """One trigger, catalogue service or severity word that the text holds."""

    id: str
    because: Because


@dataclass(frozen=True, slots=True)
class Reading:
    """All that the text of a ticket says under one policy; pure function of (policy, ticket).

    ``signatures`` are ordered best first; ``triggers``, ``services``, ``raised`` (words that raise the
    severity) and ``said`` (phrases that routes ask for) in the order of the policy.
    """

    ticket_id: str
    texts: tuple[Text, ...]
    entities: tuple[Entity, ...] = ()
    signatures: tuple[Recognised, ...] = ()
    triggers: tuple[Hit, ...] = ()
    services: tuple[Hit, ...] = ()
    raised: tuple[Hit, ...] = ()
    said: tuple[Hit, ...] = ()
    asks_for_technical: Because | None = None
    secrets: tuple[Secret, ...] = ()


@dataclass(frozen=True, slots=True)
class Decision:
    """The outcome for one ticket with its reasons. ``core.wire.decision_to_json`` is its wire form.

    ``outcome`` is what the policy says; ``mode`` whether Rung may carry it out. ``bypass_l1`` means that the
    first support level is skipped.
    """

    ticket_id: str
    policy: str
    engine: str
    decided_at: datetime
    outcome: Outcome
    mode: Mode
    signature: str | None
    confidence: float
    deterministic: bool
    bypass_l1: bool
    team: str
    level: str
    channel: str
    severity: Severity
    because: tuple[Because, ...]
    entities: tuple[Entity, ...]
    facts: Facts
    evidence_required: tuple[str, ...]
    handoff: str
    route: str
    scope: str
    secondary: tuple[str, ...] = ()
    duplicate_of: str | None = None
    articles: tuple[str, ...] = ()
    next_check_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class TriedRoute:
    """What ``explain`` says of one route: it matched, or the first condition that did not hold."""

    route: str
    to: str
    matched: bool
    why: str
    because: tuple[Because, ...] = field(default=())
