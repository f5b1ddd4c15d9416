"""The YAML files of a policy as pydantic models: the one place that says which keys exist and what they mean.

Editors get JSON Schema from it, the reference page is rendered from its descriptions, and the loader turns its
errors into problems with file and line.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field, model_validator

from rung.model import Certainty, EntityType, EvidenceId, Json, Mode, Severity
from rung.policy.fields import (
    Check,
    Day,
    FactName,
    Host,
    Id,
    LevelName,
    Literally,
    Minutes,
    Network,
    Next,
    OneOrMore,
    Pattern,
    Port,
    RouteOutcome,
    ScopeName,
    ServiceKind,
    ServiceName,
    Share,
    Shorthand,
    SignatureName,
    Strict,
    TeamName,
    TriggerName,
    ValuePattern,
    Weight,
    Where,
    Words,
    wrong,
)  # fmt: skip
from rung.policy.problems import shown

# ── matrix.yaml ───────────────────────────────────────────────────────────────────────────────────


class LevelEntry(Strict):
    """One cell of the matrix: what a team handles at one level, and where it goes from there."""

    scope: dict[Id, Words] = Field(description="Scope of support: the name of each item and its text.")
    step: str = Field(default="", description="The escalation step in words, as people read it.")
    next: Next = Field(
        description="Where a hand-over goes: a level of the same team, `team/level`, or `none` (terminal)."
    )
    on_call: list[Words] = Field(
        default_factory=list,
        description="Rotations or groups that staff the level; empty means that nobody does.",
    )
    channel: str = Field(default="", description="Chat channel of the level; the team's when it is not set.")
    rate: float = Field(
        default=60.0, ge=0, description="What an hour of this level costs, for the next-hour cost."
    )
    acknowledge: Minutes = Field(default=30, description="Time to acknowledge an escalation.")
    exit: Minutes = Field(default=480, description="Time to an exit: resolve or return.")


class SubTeamEntry(Strict):
    """A team within a team; its id is `team/sub-team`."""

    title: Words = Field(description="Name of the team as people read it.")
    channel: str = Field(
        default="", description="Chat channel for escalations; the outer team's when it is not set."
    )
    levels: dict[LevelName, LevelEntry] = Field(min_length=1, description="The team's levels, L1 to L3.")


class TeamEntry(Strict):
    """A team with levels of its own, or with sub-teams that have them."""

    title: Words = Field(description="Name of the team as people read it.")
    channel: str = Field(default="", description="Chat channel for escalations.")
    levels: dict[LevelName, LevelEntry] = Field(
        default_factory=dict, description="The team's levels, L1 to L3; not together with `teams`."
    )
    teams: dict[Id, SubTeamEntry] = Field(
        default_factory=dict, description="Sub-teams by name; not together with `levels`."
    )

    @model_validator(mode="after")
    def _levels_or_teams(self) -> TeamEntry:
        if bool(self.levels) == bool(self.teams):
            found = "both" if self.levels else "neither"
            raise wrong("bad-value", "a team has levels or sub-teams", found=found, expected="one of them")
        return self


class MatrixFile(Strict):
    """`matrix.yaml`: teams × levels, who handles what."""

    teams: dict[Id, TeamEntry] = Field(min_length=1, description="Every team by its id.")


# ── services.yaml ─────────────────────────────────────────────────────────────────────────────────


class ServiceEntry(Strict):
    """One service that an address in a ticket may belong to."""

    id: Id = Field(description="The name that routes and facts use.")
    title: Words = Field(description="Name of the service as people read it.")
    kind: ServiceKind = Field(description="What the service is; routes may test it.")
    team: TeamName = Field(description="The team that owns it.")
    hosts: list[Host] = Field(
        default_factory=list, description="Host names or globs such as `*.db.internal`."
    )
    networks: list[Network] = Field(default_factory=list, description="Networks in CIDR notation.")
    ports: list[Port] = Field(
        default_factory=list, description="Ports; when there are any, an address must have one of them."
    )

    @model_validator(mode="after")
    def _has_an_address(self) -> ServiceEntry:
        if not self.hosts and not self.networks:
            raise wrong("bad-value", f"service {self.id} has no address", expected="hosts, networks or both")
        return self


class ServicesFile(Strict):
    """`services.yaml`: the service catalogue, address → service → team."""

    services: list[ServiceEntry] = Field(description="The services, the more specific address first.")


# ── signatures/<id>.yaml ──────────────────────────────────────────────────────────────────────────


class PatternClue(Shorthand):
    """An RE2 pattern, case-insensitive; bare text is the pattern."""

    shorthand = "re"
    re: Pattern = Field(description="The RE2 pattern.")
    weight: Weight = Field(default=2.0, description="How much it counts.")
    where: Where = Field(default="any", description="Which fields it may stand in.")


class PhraseClue(Shorthand):
    """Literal words on word boundaries, any white space between them; bare text is the phrase."""

    shorthand = "say"
    say: Literally = Field(description="The words.")
    weight: Weight = Field(default=2.0, description="How much it counts.")
    where: Where = Field(default="any", description="Which fields they may stand in.")


class EntityClue(Strict):
    """A test of the entities that were extracted from the text."""

    type: EntityType = Field(description="The kind of entity.")
    value: ValuePattern = Field(
        default="", description="RE2 pattern on the whole value; any value when it is not set."
    )
    weight: Weight = Field(default=2.0, description="How much it counts.")
    where: Where = Field(default="any", description="Which fields it may stand in.")


class ExcludeClue(Shorthand):
    """What vetoes a signature: one of a pattern, a phrase and an entity; bare text is a pattern."""

    shorthand = "re"
    re: Pattern | None = Field(default=None, description="An RE2 pattern.")
    say: Literally | None = Field(default=None, description="Literal words.")
    type: EntityType | None = Field(default=None, description="A kind of entity.")
    value: ValuePattern = Field(default="", description="RE2 pattern on the whole value of the entity.")
    where: Where = Field(default="any", description="Which fields it may stand in.")

    @model_validator(mode="after")
    def _exactly_one(self) -> ExcludeClue:
        given = [name for name in ("re", "say", "type") if getattr(self, name) is not None]
        if len(given) != 1 or (self.value and self.type is None):
            found = ", ".join(given + (["value"] if self.value else [])) or "none"
            raise wrong("bad-value", "not one exclusion", found=found, expected="one of re, say, type")
        return self


class ExampleEntry(Shorthand):
    """What a customer wrote; bare text is the body."""

    shorthand = "body"
    subject: str = Field(default="", description="Subject of the ticket.")
    body: str = Field(default="", description="Body of the ticket.")

    @model_validator(mode="after")
    def _says_something(self) -> ExampleEntry:
        if not self.subject.strip() and not self.body.strip():
            raise wrong("bad-value", "the example is empty", expected="a subject, a body or both")
        return self


class Examples(Strict):
    """What real customers write, for and against."""

    matching: list[ExampleEntry] = Field(
        default_factory=list, description="Tickets whose best signature is this one; 15 at least."
    )
    not_matching: list[ExampleEntry] = Field(
        default_factory=list, description="Tickets that look like it and are something else; 10 at least."
    )


class SignatureFile(Strict):
    """`signatures/<id>.yaml`: one symptom, how it is recognised and what evidence it asks for."""

    title: Words = Field(description="The symptom as people read it.")
    certainty: Certainty = Field(
        description="`deterministic` may act where the admin allows it; `judgement` becomes a suggestion."
    )
    mode: Mode = Field(
        default="observe", description="How far it may go on its own, below the policy's own mode."
    )
    severity: Severity = Field(default="sev3", description="Severity before anything raises it.")
    needs: float = Field(default=3.0, gt=0, le=1000, description="Weight of clues needed to be recognised.")
    patterns: list[PatternClue] = Field(default_factory=list, description="Patterns that speak for it.")
    phrases: list[PhraseClue] = Field(default_factory=list, description="Words that speak for it.")
    entities: list[EntityClue] = Field(default_factory=list, description="Entities that speak for it.")
    exclude: list[ExcludeClue] = Field(default_factory=list, description="Any of these vetoes it.")
    evidence: list[EvidenceId] = Field(
        default_factory=list, description="The evidence contract: what the packet should hold."
    )
    examples: Examples = Field(default_factory=Examples, description="Matching and not matching examples.")


# ── triggers.yaml ─────────────────────────────────────────────────────────────────────────────────


class TriggerEntry(Strict):
    """One keyword, error code, exception name or pattern that bypasses L1."""

    id: Id = Field(description="The name that reasons and routes use.")
    literal: Literally | None = Field(default=None, description="Words on word boundaries.")
    code: Literally | None = Field(default=None, description="An error code: exactly this token.")
    exception: Literally | None = Field(
        default=None, description="An exception's class name, with or without package."
    )
    regex: Pattern | None = Field(default=None, description="An RE2 pattern, case-insensitive.")
    signature: SignatureName = Field(description="The signature that it proves.")
    owner: TeamName = Field(description="The team that keeps it alive.")
    added: Day = Field(description="The day it was added.")
    weight: Weight = Field(default=5.0, description="What it adds to its signature.")
    except_when: list[Pattern] = Field(
        default_factory=list, description="RE2; not counted in a field in which one of these matches."
    )
    precision: Share | None = Field(
        default=None, description="Measured share of its escalations that were right."
    )

    @model_validator(mode="after")
    def _exactly_one(self) -> TriggerEntry:
        given = [kind for kind in TRIGGER_KINDS if getattr(self, kind) is not None]
        if len(given) != 1:
            found, expected = ", ".join(given) or "none", "one of " + ", ".join(TRIGGER_KINDS)
            raise wrong(
                "bad-value", f"trigger {self.id} must match one thing", found=found, expected=expected
            )
        return self


TRIGGER_KINDS = ("literal", "code", "exception", "regex")


class TriggersFile(Strict):
    """`triggers.yaml`: the living list of what bypasses L1, 30 at most."""

    triggers: list[TriggerEntry] = Field(description="The triggers.")


# ── routes.yaml ───────────────────────────────────────────────────────────────────────────────────


class FactCondition(Shorthand):
    """A test of one fact; several comparisons must all hold. A bare value means `equals`."""

    shorthand = "equals"
    equals: Json = Field(default=None, description="The value.")
    one_of: list[Json] | None = Field(default=None, min_length=1, description="One of these values.")
    at_least: float | None = Field(default=None, description="This number or more.")
    at_most: float | None = Field(default=None, description="This number or less.")
    present: Literal[True] | None = Field(default=None, description="`true`: the fact is known.")
    absent: Literal[True] | None = Field(default=None, description="`true`: the fact is not known.")

    @model_validator(mode="after")
    def _compares_something(self) -> FactCondition:
        if not self.model_fields_set:
            raise wrong("bad-value", "the fact is not compared", expected="one of " + ", ".join(FACT_TESTS))
        if "equals" in self.model_fields_set and isinstance(self.equals, list | dict | None):
            raise wrong(
                "bad-value",
                "a fact cannot be compared with this",
                found=shown(self.equals),
                expected="a single value, or one_of with a list of them",
            )
        return self


FACT_TESTS = ("equals", "one_of", "at_least", "at_most", "present", "absent")


class EntityTest(Shorthand):
    """An entity that must stand in the text; a bare word is its type."""

    shorthand = "type"
    type: EntityType = Field(description="The kind of entity.")
    value: ValuePattern = Field(
        default="", description="RE2 pattern on the whole value; any value when it is not set."
    )


class Conditions(Strict):
    """The conditions of a route; all that are set must hold."""

    signature: OneOrMore[SignatureName] = Field(
        default_factory=list, description="The best signature is one of these."
    )
    mentions: OneOrMore[SignatureName] = Field(
        default_factory=list, description="Any recognised signature is one of these."
    )
    trigger: OneOrMore[TriggerName] = Field(default_factory=list, description="One of these triggers fired.")
    triggered: bool | None = Field(
        default=None, description="Some trigger fired (`true`), or none did (`false`)."
    )
    service: OneOrMore[ServiceName] = Field(
        default_factory=list, description="The text names one of these services of the catalogue."
    )
    service_kind: OneOrMore[ServiceKind] = Field(
        default_factory=list, description="The text names a service of one of these kinds."
    )
    entity: OneOrMore[EntityTest] = Field(
        default_factory=list, description="Entities that stand in the text."
    )
    severity: OneOrMore[Severity] = Field(
        default_factory=list, description="The severity, after raising, is one of these."
    )
    facts: dict[FactName, FactCondition] = Field(default_factory=dict, description="Tests of facts by name.")
    confidence: Share = Field(default=0.0, description="The least confidence in the best signature.")
    phrases: OneOrMore[Literally] = Field(
        default_factory=list, description="One of these literal phrases stands in the text."
    )


class RouteEntry(Strict):
    """Conditions → scope item, and so team and level; the first route that matches wins."""

    id: Id = Field(description="The name that reasons and figures use.")
    when: Conditions = Field(default_factory=Conditions, description="Conditions; none at the fallback.")
    to: ScopeName = Field(description="The scope item it leads to, `team/level/name`.")
    outcome: RouteOutcome | None = Field(
        default=None,
        description="Overrides what certainty gives: deterministic escalates, judgement suggests.",
    )
    channel: str = Field(default="", description="Chat channel; the level's when it is not set.")
    severity: Severity | None = Field(
        default=None, description="Severity; the signature's, raised, when it is not set."
    )
    evidence: list[EvidenceId] = Field(
        default_factory=list, description="Evidence in addition to the signature's contract."
    )
    paste: str = Field(default="", description="Text to paste above the hand-off.")
    next_check: Minutes | None = Field(default=None, description="When to look at the ticket again.")


class RoutesFile(Strict):
    """`routes.yaml`: who gets it and when, in order; the last route has no conditions."""

    routes: list[RouteEntry] = Field(min_length=1, description="The routes, first match wins.")


# ── policy.yaml ───────────────────────────────────────────────────────────────────────────────────


class RedactionEntry(Strict):
    """An extra secret of this organisation."""

    id: Id = Field(description="The kind of secret, as it is shown in its place.")
    pattern: Pattern = Field(description="RE2; its first group is masked, or all of it when it has none.")


class RaiseEntry(Strict):
    """Raises the severity when its words stand in the text or its conditions hold."""

    id: Id = Field(description="The name that reasons use.")
    by: Annotated[int, Field(ge=1, le=3)] = Field(default=1, description="How many steps towards sev1.")
    phrases: list[Literally] = Field(default_factory=list, description="Words, any of which is enough.")
    when: Conditions | None = Field(default=None, description="Conditions, as in routes.")

    @model_validator(mode="after")
    def _has_a_reason(self) -> RaiseEntry:
        if not self.phrases and (self.when is None or not self.when.model_fields_set):
            raise wrong(
                "bad-value", f"{self.id} raises the severity of every ticket", expected="phrases or when"
            )
        return self


class PolicyFile(Strict):
    """`policy.yaml`: what holds for the policy as a whole; every key is optional."""

    mode: Mode = Field(
        default="observe", description="How far Rung may go at all, whatever a signature says."
    )
    act_at: Share = Field(
        default=0.6, description="Least confidence at which a deterministic signature escalates by itself."
    )
    window_minutes: Annotated[int, Field(ge=1)] = Field(
        default=60, description="How far back other accounts with the same signature count."
    )
    deployment_minutes: Annotated[int, Field(ge=1)] = Field(
        default=60, description="How long a deployment counts as recent."
    )
    technical_phrases: list[Literally] = Field(
        default_factory=list, description="Words by which a customer asks for someone technical."
    )
    redactions: list[RedactionEntry] = Field(
        default_factory=list, description="Secrets of this organisation, besides the well-known kinds."
    )
    severity: list[RaiseEntry] = Field(default_factory=list, description="What raises the severity.")
    articles: dict[SignatureName, list[Words]] = Field(
        default_factory=dict, description="Signature → ids or addresses of articles that solve it."
    )


# ── stories/*.yaml ──────────────────────────────────────────────────────────────────────────────────


class ExpectedReason(Strict):
    """One reason that must be among those of the decision; only the keys that are set are compared."""

    rule: Check = Field(default=None, description="The rule, such as `trigger:ssl-handshake`.")
    field: Check = Field(
        default=None, description="The field that was quoted, or `facts.` and a fact's name."
    )
    start: Check = Field(default=None, description="Where the quote begins, in code points.")
    end: Check = Field(default=None, description="Where the quote ends.")
    quote: Check = Field(default=None, description="The quoted text.")


class ExpectedEntity(Strict):
    """One entity that must be among those of the decision; only the keys that are set are compared."""

    type: EntityType | None = Field(default=None, description="The kind of entity.")
    value: Check = Field(default=None, description="Its text.")
    field: Check = Field(default=None, description="The field it stands in.")
    start: Check = Field(default=None, description="Where it begins, in code points.")
    end: Check = Field(default=None, description="Where it ends.")


class Expectation(Strict):
    """Keys of the decision with what they must be; only those named are compared."""

    ticket_id: Check = Field(default=None, description="Id of the ticket.")
    policy: Check = Field(default=None, description="Version of the policy.")
    engine: Check = Field(default=None, description="Version of Rung.")
    decided_at: Check = Field(default=None, description="When it was decided, ISO 8601 in UTC with `Z`.")
    outcome: Check = Field(default=None, description="escalate, suggest, stay or duplicate.")
    mode: Check = Field(default=None, description="observe, suggest or act.")
    duplicate_of: Check = Field(default=None, description="Id of the ticket that this one repeats.")
    signature: Check = Field(
        default=None, description="The best signature; `null` when nothing was recognised."
    )
    secondary: Check = Field(default=None, description="Other recognised signatures that must be there.")
    confidence: Check = Field(default=None, description="Confidence in the signature, 0 to 1.")
    deterministic: Check = Field(default=None, description="Whether the signature is deterministic.")
    bypass_l1: Check = Field(default=None, description="Whether the first support level is skipped.")
    team: Check = Field(default=None, description="Id of the team.")
    level: Check = Field(default=None, description="L1, L2 or L3.")
    channel: Check = Field(default=None, description="Chat channel.")
    severity: Check = Field(default=None, description="sev1 to sev4.")
    because: list[ExpectedReason] | None = Field(default=None, description="Reasons that must be there.")
    entities: list[ExpectedEntity] | None = Field(default=None, description="Entities that must be there.")
    facts: dict[FactName, Check] | None = Field(default=None, description="Facts that it was decided with.")
    evidence_required: Check = Field(default=None, description="Evidence that must be asked for.")
    articles: Check = Field(default=None, description="Linked articles that must be there.")
    next_check_at: Check = Field(default=None, description="When the ticket is looked at again.")
    handoff: Check = Field(default=None, description="The text to paste.")
    route: Check = Field(default=None, description="Id of the route taken.")
    scope: Check = Field(default=None, description="The scope item, `team/level/name`.")


class StoryEntry(Strict):
    """A ticket and what must be decided for it."""

    story: Words = Field(description="What happens, in one sentence; the name of the story.")
    ticket: dict[str, Json] = Field(description="The ticket as the API takes it, `facts` included.")
    now: str | None = Field(
        default=None, description="The time of the decision; the ticket's `created_at` when it is not set."
    )
    expect: Expectation = Field(
        description="What must come out. A list asks for each named item to be there; a mapping compares: "
        "`contains`, `not`, `one_of`, `at_least`, `at_most`."
    )

    @model_validator(mode="after")
    def _expects_something(self) -> StoryEntry:
        if not self.expect.model_fields_set:
            raise wrong("bad-value", "the story expects nothing", expected="at least one key of the decision")
        return self


StoryList = list[StoryEntry]
"""`stories/*.yaml`: a list of stories."""


KINDS: Mapping[str, type[Strict]] = {
    "policy": PolicyFile,
    "matrix": MatrixFile,
    "services": ServicesFile,
    "signature": SignatureFile,
    "triggers": TriggersFile,
    "routes": RoutesFile,
}
"""File kind → its model, in the order in which a reader wants them. Stories have their own kind."""
