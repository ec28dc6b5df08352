"""The page of the server's health: the speed of answers, calls that heard the fallback, and the findings of doctor."""

from __future__ import annotations

import asyncio
import shutil
import time
from typing import TYPE_CHECKING, Any, Final

from callflows.disk_errors import describe_disk_error
from callflows.journal.call_story import build_named_row
from callflows.journal.stored_rows import CallFilter
from callflows.web.journal_lists import ask_journal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.requests import Request
    from starlette.responses import Response

    from callflows.setup.doctor.doctor_runner import DoctorResult
    from callflows.web.console.console_frame import Console
    from callflows.web.console.console_sessions import ConsoleSession


_DOCTOR_LIFE_SECONDS: Final = 60.0
_FALLBACK_CALLS: Final = 10
_LEVEL_ORDER: Final = {"error": 0, "warning": 1, "ok": 2}


def add_health_page(console: Console) -> None:
    """Add the page of the server's health."""
    console.add_page("/health", _HealthPage(console).show_health)


class _HealthPage:
    def __init__(self, console: Console) -> None:
        self._console = console
        self._doctor: tuple[float, Sequence[DoctorResult]] = (float("-inf"), ())

    async def show_health(self, request: Request, session: ConsoleSession) -> Response:
        sources, outlines = self._console.sources, self._console.get_outlines()
        summary = await asyncio.to_thread(sources.summarize_answers)
        fallen = await ask_journal(sources.journal.list_calls(CallFilter(ending="fallback", limit=_FALLBACK_CALLS)))
        loaded = sources.get_loaded_flows()
        return await self._console.render(
            request,
            session,
            "health.html",
            summary=summary,
            fallen=[{**build_named_row(call, outlines), "name": call["name"] or ""} for call in fallen],
            results=await self._run_doctor(),
            status=sources.get_status(),
            states=loaded.state_counts,
            versions=[(name, flow.version) for name, flow in sorted(loaded.book.flows.items())],
            disk=await asyncio.to_thread(self._measure_disk),
            zone_of=self._console.find_zone_name,
        )

    async def _run_doctor(self) -> Sequence[DoctorResult]:
        ran_at, results = self._doctor
        if time.monotonic() - ran_at > _DOCTOR_LIFE_SECONDS:
            results = sorted(await self._console.sources.run_doctor(), key=lambda result: _LEVEL_ORDER.get(result.level, 0))
            self._doctor = time.monotonic(), results
        return results

    def _measure_disk(self) -> dict[str, Any]:
        """Return the free space of the data folder, in bytes and as a share; or the problem."""
        folder = self._console.sources.data_folder
        try:
            usage = shutil.disk_usage(folder)
        except OSError as error:
            return {"problem": describe_disk_error(error)}
        return {"free": usage.free, "share": usage.free / usage.total if usage.total else 0.0}
