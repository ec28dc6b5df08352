"""How the server is, for people and programs that watch it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from app.web.problems import problem
from app.web.requests import header

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from app.flows.loader import Loaded
    from app.web.requests import Trust
    from app.web.tally import Tally


def state(loaded: Callable[[], Loaded], others: Callable[[], Mapping[str, Any]], trust: Trust, tally: Tally) -> APIRouter:
    """``/healthz``, ``/readyz`` and ``/metrics``. ``others`` are reported by ``/readyz``, and never decide what it says."""
    router = APIRouter()

    @router.get("/healthz", summary="Alive")
    async def healthz() -> dict[str, str]:
        return {"status": "ok"}

    @router.get("/readyz", summary="Can answer calls")
    async def readyz() -> Response:
        now = loaded()
        broken = now.broken_flows
        flows = sum(not flow.problems for flow in now.book.flows.values())
        status = "ok" if flows else "no flow is loaded"
        body = {"status": status, "flows": flows, "broken": broken, "stale": [*now.stale], **others()}
        return JSONResponse(body, status_code=200 if flows else 503)

    @router.get("/metrics", summary="Prometheus")
    async def metrics(request: Request) -> Response:
        bearer = header(request.scope, b"authorization").removeprefix("Bearer ")
        refusal = trust.refusal(request.scope, request.query_params.get("token") or bearer)
        if refusal and not trust.local(request.scope):
            return problem(403, refusal)
        return Response(tally.exposition(), media_type="text/plain; version=0.0.4; charset=utf-8")

    return router
