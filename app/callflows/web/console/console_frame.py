"""The frame of all pages of the console: sessions, the head of a page, and the names of the flows."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from starlette.responses import RedirectResponse
from starlette.routing import Route

from callflows.flows.authoring.flow_outline import FlowOutlines
from callflows.journal.inbox import InboxFilter
from callflows.web.console.console_access import CONSOLE_PATH
from callflows.web.console.console_accounts import CONSOLE_ROLES
from callflows.web.console.counts_cache import CountsCache
from callflows.web.console.page_rendering import PageRenderer, load_console_files
from callflows.web.journal_lists import ask_journal

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence
    from contextlib import AbstractAsyncContextManager

    from starlette.requests import Request
    from starlette.responses import Response

    from callflows.flows.flow import Flow
    from callflows.flows.loader.folder_loader import LoadedFlows
    from callflows.journal.journal_queries import JournalQueries
    from callflows.rehearsal.platform_network import PlatformNetwork
    from callflows.settings import IPNetwork
    from callflows.setup.doctor.doctor_runner import DoctorFinding, DoctorResult
    from callflows.telephony.ports import Effect
    from callflows.web.answer_metrics import AnswerSummary
    from callflows.web.console.console_access import ConsoleAccess
    from callflows.web.console.console_sessions import ConsoleSession

    PageHandler = Callable[[Request, ConsoleSession], Awaitable[Response]]


CONSOLE_MENU: Final = (
    ("Now", "/"),
    ("Calls", "/calls"),
    ("Flows", "/flows"),
    ("Inbox", "/inbox"),
    ("Phone", "/phone"),
    ("Numbers", "/numbers"),
    ("Health", "/health"),
)
"""The pages in the head of each page, with their paths."""
_COUNT_LIFE_SECONDS: Final = 10.0
_COUNT_SHOWN_SECONDS: Final = 60.0
_MAX_COUNTED: Final = 100
COUNT_WAIT_SECONDS: Final = 0.2
"""Seconds that a page waits for the first counts of many calls; without them, the page shows them a moment later."""


@dataclasses.dataclass(frozen=True, slots=True)
class ConsoleSources:
    """The parts of the server that the pages show."""

    journal: JournalQueries
    get_loaded_flows: Callable[[], LoadedFlows]
    get_status: Callable[[], Mapping[str, Any]]
    flows_folder: Path
    data_folder: Path
    private_networks: Sequence[IPNetwork]
    send_effect: Callable[[Effect], None] | None
    """Sends a text; None if the server has no account of Opentact."""
    summarize_answers: Callable[[], AnswerSummary]
    run_doctor: Callable[[], Awaitable[Sequence[DoctorResult]]]
    """Runs the checks of doctor that need no network."""
    find_misrouted_numbers: Callable[[], Awaitable[Mapping[str, DoctorFinding]]] | None
    """Asks Opentact which numbers of the flows do not come here; None if the server has no account of Opentact."""
    open_rehearsal_network: Callable[[Flow], AbstractAsyncContextManager[PlatformNetwork]]
    """Opens a rehearsal of a flow, live or a draft: the engine, with a simulated outside world."""


class Console:
    """The common parts of all pages: rendering with the head of a page, sessions, and the names of the flows."""

    def __init__(self, sources: ConsoleSources, access: ConsoleAccess) -> None:
        self.sources = sources
        self.access = access
        self.static_files = load_console_files()
        self.routes: list[Route] = []
        self._renderer = PageRenderer()
        self._new_counts = CountsCache[int](_COUNT_LIFE_SECONDS, _COUNT_SHOWN_SECONDS)
        self._outlines: tuple[LoadedFlows, FlowOutlines] | None = None

    def add_page(self, path: str, handler: PageHandler, scope: str = "read", methods: Sequence[str] = ("GET",)) -> None:
        """Add a page for people with a scope of the HTTP API."""

        async def serve_page(request: Request) -> Response:
            session = await self.access.require_session(request, scope)
            return await handler(request, session)

        self.routes.append(Route(path, serve_page, methods=[*methods]))

    async def render(self, request: Request, session: ConsoleSession, template: str, **values: Any) -> Response:  # noqa: ANN401 - values of templates
        """Render a page with its head."""
        new = await self._new_counts.get("", self._count_new)
        values["menu"] = [(name, to, here, new if name == "Inbox" else 0) for name, to, here in self._list_menu(request)]
        return self._renderer.render_page(template, {**self._build_head(session), **values})

    @staticmethod
    def _build_head(session: ConsoleSession | None) -> dict[str, Any]:
        return {"session": session, "scope": CONSOLE_ROLES[session.user.role] if session is not None else ""}

    @staticmethod
    def _list_menu(request: Request) -> list[tuple[str, str, bool]]:
        """Return name, path and ``is_current`` of each page of the menu."""
        path = request.url.path.removeprefix(CONSOLE_PATH) or "/"
        first = {"hours": "", "texts": "inbox"}.get(path.split("/")[1], path.split("/")[1])
        return [(name, CONSOLE_PATH + to, to == f"/{first}") for name, to in CONSOLE_MENU]

    async def _count_new(self) -> int:
        """Count the new voicemails and texts, up to a hundred of each."""
        new_items, journal = InboxFilter(state="new", limit=_MAX_COUNTED), self.sources.journal
        voicemails = len(await ask_journal(journal.list_voicemails(new_items)))
        return voicemails + len(await ask_journal(journal.list_messages(new_items)))

    def forget_counts(self) -> None:
        """Count again for the next page: somebody has changed something."""
        self._new_counts.forget()

    def render_part(self, template: str, values: Mapping[str, Any]) -> str:
        """Render a part of a page that is the same for everybody."""
        return self._renderer.render_part(template, values)

    def redirect(self, path: str, part: str = "result") -> Response:
        """Lead to another page after a change, there to the part that says what was done.

        The browser moves the focus to that part, also without JavaScript, so that a screen reader reads it.
        """
        self.forget_counts()
        return RedirectResponse(f"{CONSOLE_PATH}{path}#{quote(part)}", 303)

    def render_sign_in(self, next_path: str, refusal: str = "", status: int = 200) -> Response:
        values = {
            "next": next_path,
            "refusal": refusal,
            "asks_name": self.access.accounts.has_people,
            "has_password": self.access.accounts.are_open,
            "has_provider": self.access.outside.provider is not None,
        }
        return self._renderer.render_page("sign_in.html", {**self._build_head(None), **values}, status)

    def render_error(self, status: int, detail: str) -> Response:
        head = self._build_head(None)
        title = HTTPStatus(status).phrase
        return self._renderer.render_page("error.html", {**head, "title": title, "detail": detail}, status)

    def get_outlines(self) -> FlowOutlines:
        """Return the outlines of the loaded flows: their names, zones, nodes and hours."""
        loaded = self.sources.get_loaded_flows()
        if self._outlines is None or self._outlines[0] is not loaded:
            self._outlines = loaded, FlowOutlines(self.sources.flows_folder)
        return self._outlines[1]

    def find_zone_name(self, flow: str | None) -> str:
        """Return the name of a flow's zone: UTC if the flow has none, or is gone."""
        return self.get_outlines().find_outline(flow or "").zone_name

    def find_zone_of_number(self, number: str) -> str:
        """Return the name of the zone of the flow that answers a number."""
        flow = self.sources.get_loaded_flows().book.find_answering_flow(number)
        return self.find_zone_name(flow.name if flow is not None else "")

    def find_flow_file(self, file: str) -> Path:
        """Return the path of a flow's file; flows know only its name."""
        return self.sources.flows_folder / Path(file).name

    def find_midnight(self, flow: str = "") -> datetime:
        """Return the beginning of today on the clock of a flow, or of the first flow that has a zone."""
        flows = self.sources.get_loaded_flows().book.flows
        zones = [known.zone for name, known in sorted(flows.items()) if known.zone is not None and flow in ("", name)]
        today = datetime.now(zones[0] if zones else UTC)
        return today.replace(hour=0, minute=0, second=0, microsecond=0)
