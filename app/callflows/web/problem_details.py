"""Error responses as problem details (RFC 9457)."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from fastapi import Request  # noqa: TC002 - FastAPI reads the annotation
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.routing import Match

if TYPE_CHECKING:
    from fastapi import FastAPI


_METHODS: Final = ("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT")


def install_problem_handlers(app: FastAPI) -> None:
    """Return problem details for every error of an app."""

    @app.exception_handler(StarletteHTTPException)
    async def handle_http_error(request: Request, error: StarletteHTTPException) -> Response:
        response = create_problem_response(error.status_code, str(error.detail))
        return add_error_headers(response, request, error)

    @app.exception_handler(RequestValidationError)
    async def handle_invalid_field(_request: Request, error: RequestValidationError) -> Response:
        wrong = [f"{'.'.join(map(str, one['loc'][1:])) or one['loc'][0]}: {one['msg']}" for one in error.errors()]
        return create_problem_response(400, "; ".join(wrong))

    @app.exception_handler(Exception)
    async def handle_unexpected_error(_request: Request, _error: Exception) -> Response:
        return create_problem_response(500, "The server failed; see its log.")


def add_error_headers(response: Response, request: Request, error: StarletteHTTPException) -> Response:
    """Add the headers of an error to its response; status 405 names the methods that the path has."""
    response.headers.update(error.headers or {})
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        response.headers["allow"] = ", ".join(sorted(_list_allowed_methods(request)))
    return response


def _list_allowed_methods(request: Request) -> set[str]:
    """Return the methods of all routes of a path; Starlette itself names only those of the first."""
    return {
        method
        for method in _METHODS
        for route in request.app.routes
        if route.matches({**request.scope, "method": method})[0] is Match.FULL
    }


def create_problem_response(status: int, detail: str, **members: Any) -> Response:  # noqa: ANN401 - JSON
    """Return a response with problem details; ``members`` are further members of the JSON object."""
    body = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail, **members}
    return JSONResponse(body, status_code=status, media_type="application/problem+json")
