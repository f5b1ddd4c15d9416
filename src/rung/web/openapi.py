"""The OpenAPI document: raw-body routes too have their request and response schemas, with examples."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from rung import __version__
from rung.web.auth import SCOPES
from rung.web.problems import MEDIA_TYPE, TITLES
from rung.web.schemas import ProblemOut, Shape, components, ref

Json = dict[str, Any]

DESCRIPTION = (
    "Send tickets, read decisions, publish facts. Every request needs `Authorization: Bearer rung_…` unless it "
    "says otherwise. Errors are problem documents (RFC 9457) whose `detail` says what to do."
)

EXAMPLE_TICKET: Json = {
    "id": "T-1",
    "subject": "Checkout fails since this morning",
    "body": "javax.net.ssl.SSLHandshakeException: Received fatal alert: handshake_failure",
    "account": {"id": "acme", "name": "Acme", "plan": "enterprise"},
}


def body(*shapes: type[Shape], several: bool = False, example: Any = None) -> Json:
    """``openapi_extra`` of a route that reads its raw JSON body; ``several`` also takes a list of the same."""
    options = [ref(shape) for shape in shapes]
    if several:
        options += [{"type": "array", "items": option, "minItems": 1, "maxItems": 1000} for option in options]
    media: Json = {"schema": options[0] if len(options) == 1 else {"oneOf": options}}
    if example is not None:
        media["example"] = example
    return {"requestBody": {"required": True, "content": {"application/json": media}}}


def idempotent(extra: Json) -> Json:
    """The same with the ``Idempotency-Key`` header."""
    header = {
        "name": "Idempotency-Key",
        "in": "header",
        "required": False,
        "schema": {"type": "string", "maxLength": 255},
        "example": '"8e03978e-40d5-43dd-bc93-6894a57f9324"',
        "description": "The same key with the same body gives the stored reply; with another body it is refused.",
    }
    return {**extra, "parameters": [header]}


def scoped(extra: Json, scope: str) -> Json:
    """The same with the scope that the token needs."""
    return {**extra, "security": [{"token": [scope]}], "x-scope": scope}


def replies(good: Mapping[int, tuple[str, type[Shape]] | str], *problems: str) -> dict[int | str, Json]:
    """``responses`` of a route: the good ones with shape, the problems by name."""
    found: dict[int | str, Json] = {}
    for status, said in good.items():
        if isinstance(said, str):
            found[status] = {"description": said}
        else:
            found[status] = {
                "description": said[0],
                "content": {"application/json": {"schema": ref(said[1])}},
            }
    for name in problems:
        status, title = TITLES[name]
        found[status] = {"description": title, "content": {MEDIA_TYPE: {"schema": ref(ProblemOut)}}}
    return found


def install(app: FastAPI) -> None:
    """Let the application answer with our document, made once."""

    def document() -> Json:
        if app.openapi_schema is None:
            app.openapi_schema = _document(app)
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign] # the way FastAPI documents


def _document(app: FastAPI) -> Json:
    made = get_openapi(title="Rung", version=__version__, description=DESCRIPTION, routes=app.routes)
    parts = made.setdefault("components", {})
    parts["schemas"] = components()
    scopes = "; ".join(f"`{name}`: {what}" for name, what in SCOPES.items())
    parts["securitySchemes"] = {
        "token": {"type": "http", "scheme": "bearer", "description": f"A token of Rung. Scopes: {scopes}"}
    }
    for path in made["paths"].values():
        for operation in path.values():
            # The framework adds its own shape of validation errors; ours are problem documents.
            reply = operation.get("responses", {}).get("422")
            if reply is not None:
                reply["content"] = {MEDIA_TYPE: {"schema": ref(ProblemOut)}}
    return made
