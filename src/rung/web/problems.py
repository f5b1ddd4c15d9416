"""Errors as RFC 9457 problem documents: what happened, where, and what to do about it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import orjson
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from rung.core.payload import without_surrogates
from rung.errors import (
    Conflict,
    Forbidden,
    Invalid,
    Malformed,
    NotFound,
    PolicyInvalid,
    RateLimited,
    Retryable,
    RungError,
    TooLarge,
    Unauthenticated,
)

MEDIA_TYPE = "application/problem+json"
TYPE_PREFIX = "urn:rung:problem:"

TITLES: Mapping[str, tuple[int, str]] = {
    "unreadable": (400, "The body cannot be read"),
    "bad-request": (400, "The request cannot be understood"),
    "unauthenticated": (401, "A valid token or signature is needed"),
    "forbidden": (403, "This is not allowed"),
    "not-found": (404, "There is nothing here"),
    "method-not-allowed": (405, "This method is not offered here"),
    "conflict": (409, "It clashes with what is stored"),
    "too-large": (413, "Too large"),
    "unsupported-type": (415, "This content type is not read"),
    "invalid": (422, "What was sent is not valid"),
    "slow-down": (429, "Too many requests"),
    "internal": (500, "Something went wrong inside Rung"),
    "unavailable": (503, "Not available at the moment"),
}
"""Every type of problem with its status and title; the type is ``urn:rung:problem:`` and the name."""


@dataclass(frozen=True, slots=True)
class Wrong:
    """One wrong place in what was sent: ``place`` such as ``messages[2].at`` or ``query.limit``."""

    place: str
    detail: str


@dataclass(frozen=True, slots=True)
class ProblemDocument:
    """One error as the caller sees it."""

    name: str
    detail: str
    errors: tuple[Wrong, ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def status(self) -> int:
        """The HTTP status."""
        return TITLES[self.name][0]

    def response(self, instance: str) -> Response:
        """The reply; ``instance`` is the path that was asked for."""
        document: dict[str, object] = {
            "type": TYPE_PREFIX + self.name,
            "title": TITLES[self.name][1],
            "status": self.status,
            "detail": without_surrogates(self.detail),
            "instance": without_surrogates(instance),
        }
        if self.errors:
            document["errors"] = [
                {"place": without_surrogates(e.place), "detail": without_surrogates(e.detail)}
                for e in self.errors
            ]
        return Response(
            orjson.dumps(document), self.status, headers=dict(self.headers), media_type=MEDIA_TYPE
        )


class Problematic(RungError):
    """Carries a problem document that the web layer itself found."""

    def __init__(self, document: ProblemDocument) -> None:
        super().__init__(document.detail)
        self.document = document


def problem(name: str, detail: str, *errors: Wrong, headers: Mapping[str, str] | None = None) -> Problematic:
    """An error to raise, by its name in ``TITLES``."""
    return Problematic(ProblemDocument(name, detail, errors, headers or {}))


INTERNAL = ProblemDocument(
    "internal", "The error was written to Rung's log. Try again; then tell its operator."
)


def from_error(error: Exception) -> ProblemDocument:
    """The problem that an error is; anything unexpected gives the one that says nothing of the inside."""
    match error:
        case Problematic():
            return error.document
        case RungError():
            return _from_rung(error)
        case RequestValidationError():
            return _from_validation(error)
        case HTTPException():
            return _from_http(error)
    return INTERNAL


def _from_rung(error: RungError) -> ProblemDocument:
    said = str(error)
    match error:
        case Malformed():
            return ProblemDocument("invalid", said, (Wrong(error.where, error.reason),))
        case PolicyInvalid():
            wrong = tuple(Wrong(f"{p.file}:{p.line}", str(p)) for p in error.problems)
            return ProblemDocument("invalid", "The policy has problems; mend those listed.", wrong)
        case TooLarge():
            return ProblemDocument("too-large", said)
        case Invalid():
            return ProblemDocument("invalid", said)
        case Unauthenticated():
            return ProblemDocument(
                "unauthenticated", said, headers={"www-authenticate": 'Bearer realm="rung"'}
            )
        case Forbidden():
            return ProblemDocument("forbidden", said)
        case NotFound():
            return ProblemDocument("not-found", said)
        case Conflict():
            return ProblemDocument("conflict", said)
        case RateLimited():
            after = str(max(1, math.ceil(error.after.total_seconds())))
            return ProblemDocument("slow-down", said, headers={"retry-after": after})
        case Retryable():
            return ProblemDocument(
                "unavailable",
                "Nothing was stored. Send the same again in a second.",
                headers={"retry-after": "1"},
            )
    return INTERNAL


def _from_validation(error: RequestValidationError) -> ProblemDocument:
    wrong = tuple(
        Wrong(".".join(str(part) for part in found["loc"]), str(found["msg"])) for found in error.errors()
    )
    return ProblemDocument("invalid", "Mend the places listed under errors and send it again.", wrong)


_BY_STATUS: Mapping[int, str] = {status: name for name, (status, _) in TITLES.items()}


def _from_http(error: HTTPException) -> ProblemDocument:
    """Those the framework raises: unknown path, wrong method, and the like."""
    name = _BY_STATUS.get(error.status_code)
    headers = dict(error.headers or {})
    match name:
        case None:
            return INTERNAL if error.status_code >= 500 else ProblemDocument("bad-request", str(error.detail))  # noqa: PLR2004 # the class of server errors
        case "not-found":
            detail = "No such path. The paths that exist are listed in /api/openapi.json."
        case "method-not-allowed":
            allowed = headers.get("Allow") or headers.get("allow") or "another method"
            detail = f"Use {allowed} here."
        case "internal":
            return INTERNAL
        case _:
            detail = str(error.detail)
    return ProblemDocument(name, detail, headers=headers)
