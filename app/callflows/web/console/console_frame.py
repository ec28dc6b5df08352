"""The frame of all pages of the console: sessions, the head of a page, and the names of the flows."""

from __future__ import annotations

import dataclasses
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from starlette.responses import RedirectResponse
from starlette.routing import Route

from callflows.flows.authoring.flow_outline import FlowOutlines
from callflows.web.console.console_accounts import CONSOLE_ROLES
from callflows.web.console.console_door import CONSOLE_PATH, choose_next_path
from callflows.web.console.page_rendering import PageRenderer, StaticFiles

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence
    from pathlib import Path

    from starlette.requests import Request
    from starlette.responses import Response

    from callflows.flows.loader.folder_loader import LoadedFlows
    from callflows.journal.journal_queries import JournalQueries
    from callflows.web.console.console_door import ConsoleDoor
    from callflows.web.console.console_sessions import ConsoleSession

    PageHandler = Callable[[Request, ConsoleSession], Awaitable[Response]]


CONSOLE_MENU: Final = (("Calls", "/calls"),)
"""The pages in the head of each page, with their paths."""


@dataclasses.dataclass(frozen=True, slots=True)
class ConsoleSources:
    """What the pages show, given by the server."""

    journal: JournalQueries
    get_loaded_flows: Callable[[], LoadedFlows]
    get_status: Callable[[], Mapping[str, Any]]
    flows_folder: Path


class Console:
    """What all pages share: rendering with the head of a page, sessions, and the names of the flows."""

    def __init__(self, sources: ConsoleSources, door: ConsoleDoor) -> None:
        self.sources = sources
        self.door = door
        self.static_files = StaticFiles()
        self.routes: list[Route] = []
        self._renderer = PageRenderer(self.static_files)
        self._outlines: tuple[LoadedFlows, FlowOutlines] | None = None

    def add_page(self, path: str, handler: PageHandler, scope: str = "read", methods: Sequence[str] = ("GET",)) -> None:
        """Add a page for people with a scope of the HTTP API."""

        async def serve_page(request: Request) -> Response:
            session = await self.door.require_session(request, scope)
            return await handler(request, session)

        self.routes.append(Route(path, serve_page, methods=[*methods]))

    def render(self, request: Request, session: ConsoleSession, template: str, **values: Any) -> Response:  # noqa: ANN401 - values of templates
        """Render a page with its head."""
        return self._renderer.render_page(template, {**self._build_head(request, session), **values})

    def _build_head(self, request: Request, session: ConsoleSession | None) -> dict[str, Any]:
        path = request.url.path.removeprefix(CONSOLE_PATH) or "/"
        first = f"/{path.split('/')[1]}"
        return {
            "menu": [(name, CONSOLE_PATH + to, to == first) for name, to in CONSOLE_MENU],
            "session": session,
            "scope": CONSOLE_ROLES[session.user.role] if session is not None else "",
            "path": request.url.path,
        }

    def redirect(self, path: str) -> Response:
        """Lead to another page after a change."""
        return RedirectResponse(CONSOLE_PATH + path, 303)

    def render_sign_in(self, request: Request, refusal: str = "", status: int = 200) -> Response:
        values = {
            "next": choose_next_path(request.query_params.get("next")),
            "refusal": refusal,
            "asks_name": self.door.accounts.has_people,
            "has_password": self.door.accounts.are_open,
        }
        return self._renderer.render_page("sign_in.html", {**self._build_head(request, None), **values}, status)

    def render_error(self, request: Request, status: int, detail: str) -> Response:
        head = self._build_head(request, None)
        title = HTTPStatus(status).phrase
        return self._renderer.render_page("error.html", {**head, "title": title, "detail": detail}, status)

    def get_outlines(self) -> FlowOutlines:
        """Return the names in the flows as they are now."""
        loaded = self.sources.get_loaded_flows()
        if self._outlines is None or self._outlines[0] is not loaded:
            self._outlines = loaded, FlowOutlines(self.sources.flows_folder)
        return self._outlines[1]

    def find_zone_name(self, flow: str | None) -> str:
        """Return the name of a flow's zone: UTC if the flow has none, or is gone."""
        return self.get_outlines().find_outline(flow or "").zone_name
