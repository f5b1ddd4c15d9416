"""Whether Rung works, for those who watch it: ``/healthz``, ``/readyz``, ``/metrics``."""

from __future__ import annotations

from dataclasses import asdict

import structlog
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from rung import __version__
from rung.errors import Retryable, RungError
from rung.web.bench import published
from rung.web.deps import Deps
from rung.web.metrics import CONTENT_TYPE
from rung.web.openapi import replies
from rung.web.problems import Problematic, problem
from rung.web.schemas import HealthOut
from rung.web.taking import reply

log = structlog.get_logger("rung.web")


class Health:
    """The handlers; none needs a token and none says anything of a customer."""

    def __init__(self, deps: Deps) -> None:
        self._deps = deps

    async def healthz(self, request: Request) -> Response:
        """The process answers."""
        del request
        return reply({"status": "ok", "version": __version__})

    async def readyz(self, request: Request) -> Response:
        """Database and policy are there: tickets can be decided."""
        del request
        try:
            await self._deps.records.health()
        except Retryable:
            raise problem("unavailable", "The database does not answer; see Rung's log.") from None
        try:
            await published(self._deps)
        except Problematic:
            raise
        except RungError as error:
            log.warning("policy_unusable", why=str(error))
            raise problem("unavailable", "The published policy cannot be used; see Rung's log.") from None
        return reply({"status": "ok", "version": __version__})

    async def metrics(self, request: Request) -> Response:
        """Figures for Prometheus; those of the process also while the database is away."""
        del request
        try:
            stored = asdict(await self._deps.records.counts())
        except Retryable:
            stored = {}
        return Response(self._deps.metrics.page(stored), headers={"content-type": CONTENT_TYPE})

    def routes(self) -> APIRouter:
        """All routes with their documentation."""
        router = APIRouter(tags=["health"])
        good = {200: ("It works.", HealthOut)}
        router.add_api_route(
            "/healthz", self.healthz, methods=["GET"], summary="Does the process answer?",
            responses=replies(good), openapi_extra={"security": []},
        )  # fmt: skip
        router.add_api_route(
            "/readyz", self.readyz, methods=["GET"], summary="Can tickets be decided?",
            responses=replies(good, "unavailable"), openapi_extra={"security": []},
        )  # fmt: skip
        router.add_api_route(
            "/metrics", self.metrics, methods=["GET"], summary="Figures for Prometheus",
            responses={200: {"description": "Text format 0.0.4.", "content": {"text/plain": {}}}},
            openapi_extra={"security": []},
        )  # fmt: skip
        return router
