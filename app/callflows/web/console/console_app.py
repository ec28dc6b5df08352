"""The console as an ASGI app: its pages, its sign-in, its errors as pages, and security headers on every answer."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from callflows.web.console.call_pages import add_call_pages
from callflows.web.console.change_pages import add_change_pages
from callflows.web.console.console_access import (
    CONSOLE_PATH,
    OPENID_CALLBACK_PATH,
    choose_next_path,
    read_form_fields,
    require_same_origin,
)
from callflows.web.console.console_frame import Console
from callflows.web.console.flow_pages import add_flow_pages
from callflows.web.console.health_page import add_health_page
from callflows.web.console.inbox_pages import add_inbox_pages
from callflows.web.console.now_pages import add_now_pages
from callflows.web.console.openid_sign_in import OpenIDError
from callflows.web.console.page_rendering import SECURITY_HEADERS
from callflows.web.console.phone_page import add_phone_page
from callflows.web.console.scenario_pages import add_scenario_pages
from callflows.web.problem_details import add_error_headers, create_problem_response

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from callflows.web.console.console_access import ConsoleAccess
    from callflows.web.console.console_frame import ConsoleSources
    from callflows.web.console.console_sessions import ConsoleSession
    from callflows.web.flow_workshop import FlowWorkshop


def create_console_app(sources: ConsoleSources, access: ConsoleAccess, workshop: FlowWorkshop) -> ASGIApp:
    """Create the console. Its paths begin with ``/console``."""
    console = Console(sources, access)
    _add_sign_in(console)
    add_now_pages(console, workshop)
    add_call_pages(console)
    add_inbox_pages(console)
    add_flow_pages(console)
    add_health_page(console)
    add_phone_page(console)
    add_change_pages(console, workshop)
    add_scenario_pages(console, workshop)

    async def handle_http_error(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)  # noqa: S101 - registered for it
        if error.status_code == HTTPStatus.SEE_OTHER:
            return Response(status_code=303, headers=error.headers)
        if request.url.path.endswith((".json", ".csv")) or not access.is_open_for(request):
            response = create_problem_response(error.status_code, str(error.detail))
        else:
            response = console.render_error(error.status_code, str(error.detail))
        return add_error_headers(response, request, error)

    async def handle_unexpected_error(_request: Request, _error: Exception) -> Response:
        return console.render_error(500, "The server failed; see its log.")

    app = Starlette(
        routes=console.routes, exception_handlers={HTTPException: handle_http_error, Exception: handle_unexpected_error}
    )
    return _add_security_headers(app)


async def redirect_to_console(_request: Request) -> Response:
    """Lead from the path without a slash to the first page."""
    # A path alone, since a proxy may stand in front that speaks another scheme.
    return RedirectResponse(f"{CONSOLE_PATH}/", 307)


def _add_security_headers(app: ASGIApp) -> ASGIApp:
    headers = [(name.encode(), value.encode()) for name, value in SECURITY_HEADERS.items()]

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *headers]
            await send(message)

        await app(scope, receive, send_with_headers)

    return answer


def _add_sign_in(console: Console) -> None:  # noqa: C901 - a function for each request
    access = console.access

    def require_open(request: Request) -> None:
        if not access.is_open_for(request):
            raise HTTPException(404, "Not Found")

    async def show_sign_in(request: Request) -> Response:
        require_open(request)
        next_path = choose_next_path(request.query_params.get("next"))
        if await access.find_session(request) is not None:
            return RedirectResponse(next_path, 303)
        name = access.outside.find_proxy_name(request.scope)
        if name:
            user = access.outside.find_proxy_user(request.scope)
            if user is not None:
                return await access.begin_session(request, user, next_path)
            return console.render_sign_in(next_path, f"The proxy has signed you in as {name}, who has no role here.", 403)
        return console.render_sign_in(next_path)

    async def begin_openid(request: Request) -> Response:
        next_path = choose_next_path(request.query_params.get("next"))
        try:
            return await access.begin_openid(request, next_path)
        except OpenIDError as error:
            return console.render_sign_in(next_path, str(error), error.status or 502)

    async def end_openid(request: Request) -> Response:
        try:
            return await access.end_openid(request)
        except OpenIDError as error:
            return console.render_sign_in(f"{CONSOLE_PATH}/", str(error), 403)

    async def sign_in(request: Request) -> Response:
        require_open(request)
        require_same_origin(request)
        fields = await read_form_fields(request)
        result = await access.check_attempt(request, fields.get("name", "").strip(), fields.get("password", ""))
        next_path = choose_next_path(fields.get("next"))
        if result.user is None:
            return console.render_sign_in(next_path, result.refusal, result.status)
        return await access.begin_session(request, result.user, next_path)

    async def use_link(request: Request) -> Response:
        require_open(request)
        user = await access.use_link(request, request.query_params.get("code", ""))
        if user is None:
            refusal = "This link was used already, is older than an hour, or is for another machine. Start serve again."
            return console.render_sign_in(f"{CONSOLE_PATH}/", refusal, 403)
        return await access.begin_session(request, user, f"{CONSOLE_PATH}/")

    async def sign_out(request: Request, session: ConsoleSession) -> Response:
        await access.read_form(request, session)
        return await access.end_session(request, session)

    async def serve_static(request: Request) -> Response:
        return console.static_files.serve_file(request.path_params["name"], request.query_params.get("v", ""))

    console.routes += [
        Route("/login", show_sign_in, methods=["GET"]),
        Route("/login", sign_in, methods=["POST"]),
        Route("/login/link", use_link, methods=["GET"]),
        Route("/login/openid", begin_openid, methods=["GET"]),
        Route(OPENID_CALLBACK_PATH, end_openid, methods=["GET"]),
        Route("/static/{name}", serve_static, methods=["GET"]),
    ]
    console.add_page("/logout", sign_out, methods=["POST"])
