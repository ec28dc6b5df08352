"""Error responses as problem details (RFC 9457)."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from fastapi import Request  # noqa: TC002 - FastAPI reads the annotation
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException as StarletteHTTPException

if TYPE_CHECKING:
    from fastapi import FastAPI


def install_problem_handlers(app: FastAPI) -> None:
    """Return problem details for every error of an app."""

    @app.exception_handler(StarletteHTTPException)
    async def handle_http_error(_request: Request, error: StarletteHTTPException) -> Response:
        response = create_problem_response(error.status_code, str(error.detail))
        response.headers.update(error.headers or {})  # such as Allow
        return response

    @app.exception_handler(RequestValidationError)
    async def handle_invalid_field(_request: Request, error: RequestValidationError) -> Response:
        wrong = [f"{'.'.join(map(str, one['loc'][1:])) or one['loc'][0]}: {one['msg']}" for one in error.errors()]
        return create_problem_response(400, "; ".join(wrong))

    @app.exception_handler(Exception)
    async def handle_unexpected_error(_request: Request, _error: Exception) -> Response:
        return create_problem_response(500, "The server failed; see its log.")


def create_problem_response(status: int, detail: str) -> Response:
    body = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail}
    return JSONResponse(body, status_code=status, media_type="application/problem+json")
