"""The kinds of text and number that a policy is written with: ids, durations, patterns, names of other things.

Each refuses what it is not with a code, what was found, what was expected and the nearest valid name. Names of
other things are checked against ``Names`` when a validation context carries it.
"""

from __future__ import annotations

import ipaddress
import math
import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Any, ClassVar, Literal, TypeVar, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    ValidationInfo,
    WithJsonSchema,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError

from rung.core.patterns import BadPattern, compile_one, folded
from rung.model import Json
from rung.policy.problems import nearest, one_of, shown

LevelName = Literal["L1", "L2", "L3"]
ServiceKind = Literal["database", "cache", "queue", "search", "http", "idp", "email", "storage", "network"]
RouteOutcome = Literal["escalate", "suggest", "stay"]
Where = Literal["any", "subject", "body"]

LEVELS: tuple[str, ...] = get_args(LevelName)


@dataclass(frozen=True, slots=True)
class Names:
    """Everything that a policy defines and its other files may name; the context of a validation.

    ``checked_before``: RE2 took every pattern when the policy was published.
    """

    teams: Collection[str]
    cells: Collection[str]
    scopes: Collection[str]
    signatures: Collection[str]
    triggers: Collection[str]
    services: Collection[str]
    facts: Collection[str]
    checked_before: bool = False


def wrong(
    code: str, message: str, *, found: str = "", expected: str = "", suggestion: str = ""
) -> PydanticCustomError:
    """A validation error that already knows how its ``Problem`` reads."""
    context = {"message": message, "found": found, "expected": expected, "suggestion": suggestion}
    return PydanticCustomError(code, "{message}", context)


def _named(what: str, attribute: str) -> AfterValidator:
    """Checks a name against what the policy defines; nothing to check without a context."""

    def check(name: str, info: ValidationInfo) -> str:
        if info.context is None:
            return name
        known: Collection[str] = getattr(info.context, attribute)
        if name not in known:
            raise wrong(
                "unknown-name",
                f"unknown {what}",
                found=shown(name),
                expected=one_of(known),
                suggestion=nearest(name, known),
            )
        return name

    return AfterValidator(check)


_ID = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_DURATION = re.compile(r"([1-9][0-9]{0,5})(s|m|h|d)")
_PROBES = (b"", b"a", b" ", b"1")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def _id(text: str) -> str:
    if not _ID.fullmatch(text):
        expected = "lower-case letters, digits, '-' and '_', at most 64"
        raise wrong("bad-value", "not an id", found=shown(text), expected=expected)
    return text


def _not_blank(text: str) -> str:
    if not text.strip():
        raise wrong("bad-value", "the text is empty", found=shown(text), expected="some words")
    return text


def _not_zero(weight: float) -> float:
    if weight == 0:
        raise wrong(
            "bad-value", "a weight of 0 changes nothing", found="0", expected="a number above or below 0"
        )
    return weight


def _number_as_text(value: object) -> object:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _minutes(value: object) -> int:
    """Whole minutes of ``90s``, ``15m``, ``4h`` or ``2d``; seconds are rounded up."""
    match = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise wrong("bad-value", "not a duration", found=shown(value), expected="such as 90s, 15m, 4h or 2d")
    return math.ceil(int(match[1]) * _SECONDS[match[2]] / 60)


def _day(value: object) -> date:
    if isinstance(value, str) and re.fullmatch(r"\d{4}-\d\d-\d\d", value):
        try:
            return date.fromisoformat(value)
        except ValueError:
            pass  # such as 30 February: refused below, with the value
    raise wrong("bad-value", "not a day", found=shown(value), expected="year-month-day such as 2026-11-22")


def _checked_before(info: ValidationInfo) -> bool:
    return bool(getattr(info.context, "checked_before", False))


def _pattern(text: str, info: ValidationInfo) -> str:
    if _checked_before(info):
        return text
    _value_pattern(text, info)
    if finds_nothing(text):
        message = "the pattern matches empty text, and so every ticket"
        raise wrong("bad-pattern", message, found=shown(text), expected="a pattern that needs some text")
    return text


def _value_pattern(text: str, info: ValidationInfo) -> str:
    if _checked_before(info):
        return text
    if why := refusal(text):
        raise wrong("bad-pattern", f"RE2 refuses the pattern: {why}", found=shown(text))
    return text


def refusal(pattern: str) -> str:
    """Why RE2 refuses a pattern, in RE2's own words; empty when it does not."""
    try:
        compile_one(folded(pattern))
    except BadPattern as refused:
        return str(refused).replace(folded(pattern), pattern)
    return ""


def finds_nothing(pattern: str) -> bool:
    """Whether a valid pattern is satisfied by empty text, and so stands in every ticket."""
    search = compile_one(folded(pattern)).search
    found = (search(probe) for probe in _PROBES)
    return any(match is not None and match.start() == match.end() for match in found)


def _host(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9*?._-]+", text):
        expected = "a host name or glob such as *.db.internal"
        raise wrong("bad-value", "not a host pattern", found=shown(text), expected=expected)
    return text.lower()


def _network(text: str) -> str:
    try:
        return str(ipaddress.ip_network(text))
    except ValueError as error:
        expected = "CIDR such as 10.0.45.0/24"
        raise wrong("bad-value", f"not a network: {error}", found=shown(text), expected=expected) from None


def _listed(value: object) -> object:
    return value if isinstance(value, list) else [value]


def _next(text: str) -> str:
    if text in {"none", *LEVELS} or re.fullmatch(r"[a-z0-9_/-]+/L[123]", text):
        return text
    allowed = ("L1", "L2", "L3", "none")
    raise wrong(
        "bad-value",
        "not an escalation step",
        found=shown(text),
        expected="L1, L2, L3, team/level or none",
        suggestion=nearest(text, allowed),
    )


def _check(value: object) -> object:
    """A mapping compares; anything else is the value itself."""
    if not isinstance(value, dict):
        return value
    for name, inner in value.items():
        if name not in COMPARISONS:
            raise wrong(
                "unknown-key", "unknown comparison", found=shown(name), expected=one_of(COMPARISONS),
                suggestion=nearest(name, COMPARISONS),
            )  # fmt: skip
        if name == "one_of" and not isinstance(inner, list):
            raise wrong("wrong-type", "one_of compares with a list", found=shown(inner), expected="a list")
        if name in {"at_least", "at_most"} and (
            isinstance(inner, bool) or not isinstance(inner, int | float)
        ):
            raise wrong("wrong-type", f"{name} compares numbers", found=shown(inner), expected="a number")
        if name == "not":
            _check(inner)
    if not value:
        raise wrong(
            "bad-value", "nothing is compared", found="an empty mapping", expected=one_of(COMPARISONS)
        )
    return value


COMPARISONS = ("at_least", "at_most", "contains", "not", "one_of")
"""How a story may compare a value instead of naming it."""

_STRING_OR_NUMBER: JsonSchemaValue = {"type": ["string", "integer"]}
_DURATION_SCHEMA: JsonSchemaValue = {"type": "string", "pattern": r"^[1-9][0-9]{0,5}(s|m|h|d)$"}

Words = Annotated[str, AfterValidator(_not_blank)]
"""Text that is not blank."""
Id = Annotated[str, AfterValidator(_id)]
"""A name that other rules and reasons refer to."""
Literally = Annotated[
    str,
    BeforeValidator(_number_as_text),
    AfterValidator(_not_blank),
    WithJsonSchema(_STRING_OR_NUMBER),
]
"""Text to look for; a whole number may stand without quotes."""
Pattern = Annotated[str, AfterValidator(_pattern)]
"""An RE2 pattern that does not match empty text."""
ValuePattern = Annotated[
    str, BeforeValidator(_number_as_text), AfterValidator(_value_pattern), WithJsonSchema(_STRING_OR_NUMBER)
]
"""An RE2 pattern on a whole value."""
Minutes = Annotated[int, BeforeValidator(_minutes), WithJsonSchema(_DURATION_SCHEMA)]
"""A duration; whole minutes once loaded."""
Check = Annotated[Json, AfterValidator(_check)]
"""What a story expects of one value."""
Day = Annotated[date, BeforeValidator(_day)]
Next = Annotated[str, AfterValidator(_next)]
Host = Annotated[str, AfterValidator(_host)]
Network = Annotated[str, AfterValidator(_network)]
Port = Annotated[int, Field(ge=1, le=65535)]
Share = Annotated[float, Field(ge=0, le=1)]
Weight = Annotated[float, Field(ge=-100, le=100), AfterValidator(_not_zero)]
"""How much a clue counts; below zero it counts against."""

TeamName = Annotated[str, _named("team", "teams")]
ScopeName = Annotated[str, _named("scope item", "scopes")]
SignatureName = Annotated[str, _named("signature", "signatures")]
TriggerName = Annotated[str, _named("trigger", "triggers")]
ServiceName = Annotated[str, _named("service", "services")]
FactName = Annotated[str, _named("fact", "facts")]

Item = TypeVar("Item")


class MayBeSingle:
    """Marks a list that may be written as its only item."""

    def __get_pydantic_json_schema__(
        self, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        listed = handler(core_schema)
        return {"anyOf": [listed["items"], listed]}


OneOrMore = Annotated[list[Item], BeforeValidator(_listed), MayBeSingle()]
"""One item, or a list of them."""


class Strict(BaseModel):
    """The base of every mapping in a policy: unknown keys are errors, nothing is guessed."""

    model_config = ConfigDict(
        extra="forbid", strict=True, frozen=True, hide_input_in_errors=True, use_attribute_docstrings=False
    )


class Shorthand(Strict):
    """A mapping that may be written as the bare value of its one key ``shorthand``."""

    shorthand: ClassVar[str]

    @model_validator(mode="before")
    @classmethod
    def _from_bare_value(cls, value: Any) -> Any:
        return value if isinstance(value, dict) else {cls.shorthand: value}

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        mapping = handler(core_schema)
        bare = handler.resolve_ref_schema(mapping)["properties"][cls.shorthand]
        short = {key: value for key, value in bare.items() if key not in {"title", "description", "default"}}
        return {"anyOf": [short, mapping]}
