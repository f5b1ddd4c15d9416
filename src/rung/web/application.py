"""The one FastAPI application: API, hooks, pages and health, behind one edge."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TypeAlias

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from rung import __version__
from rung.web import openapi
from rung.web.api import Api
from rung.web.auth import Gate
from rung.web.deps import Deps
from rung.web.edge import Edge
from rung.web.health import Health
from rung.web.hooks import Hooks
from rung.web.pages import Pages
from rung.web.problems import from_error

Lifespan: TypeAlias = Callable[[FastAPI], AbstractAsyncContextManager[None]]


def create_app(deps: Deps, *, lifespan: Lifespan | None = None) -> FastAPI:
    """Join everything that is served over HTTP.

    Serve it without trusting forwarded headers (uvicorn: ``proxy_headers=False``): the pages believe the peer's
    address. ``lifespan`` starts and stops what the caller built.
    """
    app = FastAPI(
        title="Rung",
        version=__version__,
        openapi_url="/api/openapi.json",
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan or _nothing,
        redirect_slashes=False,
        default_response_class=Response,
    )
    app.add_exception_handler(HTTPException, _explained)
    app.add_exception_handler(RequestValidationError, _explained)
    api, hooks = Api(deps, Gate(deps.records, deps.clock)), Hooks(deps)
    for part in (api, hooks, Health(deps), Pages(deps)):
        app.include_router(part.routes())
    openapi.install(app)
    app.add_middleware(Edge, metrics=deps.metrics, direct={**api.direct(), **hooks.direct()})
    return app


async def _explained(request: Request, error: Exception) -> Response:
    return from_error(error).response(request.scope["path"])


@asynccontextmanager
async def _nothing(app: FastAPI) -> AsyncIterator[None]:
    del app
    yield
