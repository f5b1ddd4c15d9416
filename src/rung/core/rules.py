"""The policy as frozen values: who gets what (matrix), how symptoms are recognised, which route wins.

``rung.policy`` builds these from YAML and has checked them; everything here may be trusted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from rung.model import Certainty, EntityType, Json, Mode, Outcome, Severity

FIRST_TEAM = "customer_success"
FIRST_LEVEL = "L1"
"""The first support level: every ticket starts here unless it is bypassed."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a rule stands in the policy folder, for messages."""

    file: str = ""
    line: int = 0


@dataclass(frozen=True, slots=True)
class ScopeItem:
    """One line of a cell's scope of support. ``id`` is ``team/level/name``, e.g. ``backend/product/L2/api``."""

    id: str
    team: str
    level: str
    title: str


@dataclass(frozen=True, slots=True)
class Level:
    """One cell of the matrix.

    ``step`` is the escalation step in words; ``next`` the ``team/level`` it goes to, empty at the terminal
    level. ``on_call`` names the rotations or groups that staff it; empty means that nobody does.
    ``acknowledge_minutes`` and ``exit_minutes`` are the clock; ``rate`` the cost of an hour.
    """

    team: str
    name: str
    scope: tuple[ScopeItem, ...]
    step: str
    next: str
    on_call: tuple[str, ...]
    channel: str
    rate: float
    acknowledge_minutes: int
    exit_minutes: int

    @property
    def id(self) -> str:
        """``team/level``."""
        return f"{self.team}/{self.name}"


@dataclass(frozen=True, slots=True)
class Team:
    """One row of the matrix; ``id`` contains ``/`` for a sub-team (``backend/product``)."""

    id: str
    title: str
    channel: str
    levels: Mapping[str, Level]


@dataclass(frozen=True, slots=True)
class Service:
    """One entry of the service catalogue. ``kind`` is e.g. ``database``, ``cache``, ``queue``, ``http``, ``idp``.

    ``hosts`` are lower-case glob patterns (``*.db.internal``), ``networks`` CIDR strings, ``ports`` numbers; an
    address belongs to a service when its host or network matches and, if ports are listed, its port does.
    """

    id: str
    title: str
    kind: str
    team: str
    hosts: tuple[str, ...] = ()
    networks: tuple[str, ...] = ()
    ports: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Clue:
    """One weighed piece of evidence for a signature.

    Exactly one of ``pattern`` (RE2, case-insensitive), ``phrase`` (literal words, any white space between
    them, on word boundaries) and ``entity`` (type, with ``value`` an optional RE2 pattern on the whole value)
    is set. ``where`` limits it to a field kind.
    """

    rule: str
    weight: float
    pattern: str = ""
    phrase: str = ""
    entity: EntityType | None = None
    value: str = ""
    where: str = "any"  # any | subject | body


@dataclass(frozen=True, slots=True)
class Signature:
    """How one symptom is recognised and what evidence it asks for.

    Recognised when the weights of its clues (each once; in the subject times ``SUBJECT_FACTOR``) reach
    ``needs`` and no exclusion matches.
    """

    id: str
    title: str
    certainty: Certainty
    mode: Mode
    severity: Severity
    needs: float
    clues: tuple[Clue, ...]
    exclusions: tuple[Clue, ...]
    evidence: tuple[str, ...]
    matching: tuple[str, ...] = ()
    not_matching: tuple[str, ...] = ()
    place: Place = field(default=Place())


@dataclass(frozen=True, slots=True)
class Trigger:
    """One keyword, error code, exception name or pattern that bypasses L1.

    ``kind``: ``literal`` (words on word boundaries), ``code`` (exact token), ``exception`` (class name with or
    without its package), ``regex`` (RE2). ``signature`` is what it proves; it adds ``weight`` to it.
    """

    id: str
    kind: str
    match: str
    signature: str
    owner: str
    added: str
    weight: float = 5.0
    except_when: tuple[str, ...] = ()
    precision: float | None = None
    place: Place = field(default=Place())


@dataclass(frozen=True, slots=True)
class FactTest:
    """A test of one fact; exactly one comparison is set.

    ``equals`` compares JSON values, ``one_of`` membership, ``at_least`` / ``at_most`` numbers. An absent fact
    fails every test except ``absent``.
    """

    fact: str
    op: str  # equals | one_of | at_least | at_most | present | absent
    value: Json = None


@dataclass(frozen=True, slots=True)
class When:
    """The conditions of a route; all that are set must hold.

    ``signatures``: the best signature is one of these; ``mentions``: any recognised signature is one of these;
    ``triggers``: one of these fired; ``triggered``: some trigger fired (or none); ``services`` /
    ``service_kinds``: the catalogue recognised one; ``entities``: entity type with RE2 pattern on the value;
    ``severities``: the severity after raising; ``facts``: fact tests; ``confidence``: least confidence;
    ``phrases``: one of these literal phrases stands in the text (read like those of ``Raise``).
    """

    signatures: tuple[str, ...] = ()
    mentions: tuple[str, ...] = ()
    triggers: tuple[str, ...] = ()
    triggered: bool | None = None
    services: tuple[str, ...] = ()
    service_kinds: tuple[str, ...] = ()
    entities: tuple[tuple[EntityType, str], ...] = ()
    severities: tuple[Severity, ...] = ()
    facts: tuple[FactTest, ...] = ()
    confidence: float = 0.0
    phrases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Route:
    """Conditions → scope item of the matrix, and so a team and level. First match wins.

    ``outcome`` overrides what certainty would give (deterministic → escalate, judgement → suggest). ``paste``
    is the text to paste above the hand-off. ``evidence`` adds to the signature's contract.
    """

    id: str
    when: When
    to: str
    outcome: Outcome | None = None
    channel: str = ""
    severity: Severity | None = None
    evidence: tuple[str, ...] = ()
    paste: str = ""
    next_check_minutes: int | None = None
    place: Place = field(default=Place())


@dataclass(frozen=True, slots=True)
class Raise:
    """Raises the severity by ``by`` steps (towards sev1) when its conditions hold or its words stand in the text."""

    id: str
    by: int
    when: When | None = None
    phrases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Policy:
    """A whole policy. ``version`` is ``sha256:`` and the hash of its canonical content.

    ``fallback`` is the id of the route without conditions that ends ``routes``; ``act_at`` the least confidence
    at which a deterministic signature escalates by itself; ``window_minutes`` how far back
    ``accounts_affected`` counts; ``deployment_minutes`` how long a deployment counts as recent.
    """

    version: str
    teams: Mapping[str, Team]
    services: tuple[Service, ...]
    signatures: tuple[Signature, ...]
    triggers: tuple[Trigger, ...]
    routes: tuple[Route, ...]
    raises: tuple[Raise, ...] = ()
    redactions: tuple[tuple[str, str], ...] = ()
    articles: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: MappingProxyType({}))
    mode: Mode = "observe"
    act_at: float = 0.6
    window_minutes: int = 60
    deployment_minutes: int = 60
    technical_phrases: tuple[str, ...] = ()

    def level(self, scope: str) -> Level:
        """The cell that a scope item id (``team/level/name``) belongs to."""
        team, level, _ = scope.rsplit("/", 2)
        return self.teams[team].levels[level]


SUBJECT_FACTOR = 1.5
"""A clue in the subject weighs this much more: customers put the symptom there."""
