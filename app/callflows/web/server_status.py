"""Endpoints for monitoring: health, readiness, metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, PlainTextResponse, Response

from callflows.web.problem_details import create_problem_response
from callflows.web.request_trust import find_header

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from callflows.flows.loader.folder_loader import LoadedFlows
    from callflows.web.answer_metrics import AnswerMetrics
    from callflows.web.request_trust import RequestTrust


MAX_SHOWN_PROBLEMS: Final = 20


def explain_reader_refusal(request: Request, trust: RequestTrust) -> str:
    """Return the reason to refuse a page for people and programs of the operator; empty if allowed.

    Such a page needs the token, as ``?token=`` or as a bearer, or a direct request from this machine.
    """
    bearer = find_header(request.scope, b"authorization").removeprefix("Bearer ")
    refusal = trust.explain_refusal(request.scope, request.query_params.get("token") or bearer)
    return refusal if refusal and not trust.is_local(request.scope) else ""


def create_status_router(
    get_loaded_flows: Callable[[], LoadedFlows],
    get_other_statuses: Callable[[], Mapping[str, Any]],
    trust: RequestTrust,
    answer_metrics: AnswerMetrics,
) -> APIRouter:
    """Serve ``/healthz``, ``/readyz`` and ``/metrics``.

    ``/readyz`` includes ``get_other_statuses``, but the status code depends on the flows only.
    """
    router = APIRouter()

    # Monitors and load balancers ask with HEAD; the description has each of these paths once.
    @router.head("/healthz", include_in_schema=False)
    @router.get("/healthz", summary="Alive")
    async def healthz() -> dict[str, str]:
        return {"status": "ok"}

    @router.head("/readyz", include_in_schema=False)
    @router.get("/readyz", summary="Can answer calls", responses={503: {"description": "No flow is loaded"}})
    async def readyz() -> Response:
        now = get_loaded_flows()
        broken = now.broken_flows
        flows = sum(not flow.problems for flow in now.book.flows.values())
        status = "ok" if flows else "no flow is loaded"
        body = {
            "status": status,
            "flows": flows,
            "broken": broken,
            "stale": [*now.stale_flows],
            "data_problems": [str(problem) for problem in now.data_problems[:MAX_SHOWN_PROBLEMS]],
            "claimed_twice": [str(problem) for problem in now.claim_conflicts[:MAX_SHOWN_PROBLEMS]],
            **get_other_statuses(),
        }
        return JSONResponse(body, status_code=200 if flows else 503)

    @router.get("/metrics", summary="Counters for Prometheus", response_class=PlainTextResponse)
    async def metrics(request: Request) -> Response:
        refusal = explain_reader_refusal(request, trust)
        if refusal:
            return create_problem_response(403, refusal)
        text, media_type = answer_metrics.render_prometheus(request.headers.get("accept", ""))
        return Response(text, media_type=media_type)

    return router
