"""Runs past calls through drafts, beside the pages: a person may leave, come back, and see how far it is."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from typing import TYPE_CHECKING, Any, Final

from starlette.exceptions import HTTPException

from callflows.errors import CommandBusyError, CommandFailedError, ValueEditError
from callflows.flows.authoring.value_edits import read_file_data
from callflows.log import get_logger
from callflows.web.command_process import TriedDraft
from callflows.web.console.text_changes import list_value_changes
from callflows.web.journal_lists import ask_journal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from callflows.journal.draft_store import KeptDraft
    from callflows.journal.journal_queries import JournalQueries
    from callflows.web.console.kept_drafts import KeptDrafts
    from callflows.web.flow_workshop import FlowWorkshop


_LOG: Final = get_logger("console")
REPLAYED_DAYS: Final = 7
REPLAYED_CALLS: Final = 200
BUSY_REFUSAL: Final = "Other trials are running. Wait a moment, and try again."
_PROGRESS_SECONDS: Final = 1.0
_LOST_SECONDS: Final = 60.0
"""Time without progress after which a trial counts as lost, as its server has ended."""


def begin_report() -> dict[str, Any]:
    """Return the report of a trial that has just begun; ``at`` is the last moment at which it was known to run."""
    return {"kind": "impact", "is_running": True, "done": 0, "total": 0, "at": time.time()}


def is_lost(report: Mapping[str, Any]) -> bool:
    """Return True if a trial should be running, and is not heard of any more."""
    return bool(report.get("is_running")) and time.time() - report["at"] > _LOST_SECONDS


class ImpactTrials:
    """The trials of one server process. Each one stores its progress, and its report, beside the draft."""

    def __init__(self, workshop: FlowWorkshop, drafts: KeptDrafts, journal: JournalQueries) -> None:
        self._workshop = workshop
        self._drafts = drafts
        self._journal = journal
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, draft: KeptDraft, current_text: str) -> None:
        """Begin to run the last calls through a draft. The trial ends early if the draft gets another text."""
        task = asyncio.create_task(self._run(draft, current_text))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run(self, draft: KeptDraft, current_text: str) -> None:
        progress = begin_report()
        reading = asyncio.create_task(self._read_report(draft, progress))
        try:
            while not (await asyncio.wait({reading}, timeout=_PROGRESS_SECONDS))[0]:
                if not await self._drafts.store_report(draft, {**progress, "at": time.time()}):
                    return
            nodes = await self._count_calls_of_changed_nodes(draft, current_text)
            values = [change._asdict() for change in list_value_changes(current_text, draft.source)]
            found = {**reading.result(), "is_running": False, "changed_nodes": nodes, "value_changes": values}
            await self._drafts.store_report(draft, {**begin_report(), **found})
        except CommandBusyError:
            await self._store_refusal(draft, BUSY_REFUSAL)
        except CommandFailedError as error:
            await self._store_refusal(draft, str(error))
        except HTTPException:
            pass  # the database is away; the trial counts as lost
        except Exception as error:  # noqa: BLE001 - a task that nobody awaits: the page shows it, and the log
            _LOG.error("a trial of a draft failed", flow=draft.flow, error=type(error).__name__, exc_info=error)
            await self._store_refusal(draft, "The trial failed; see the server's log.")
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)

    async def _store_refusal(self, draft: KeptDraft, text: str) -> None:
        with contextlib.suppress(HTTPException):
            await self._drafts.store_report(draft, {"kind": "refusal", "text": text})

    async def _read_report(self, draft: KeptDraft, progress: dict[str, Any]) -> dict[str, Any]:
        """Read the lines of a replay: those of progress, and the report in the end."""
        filters = {"since": f"{REPLAYED_DAYS}d", "flow": draft.flow, "limit": str(REPLAYED_CALLS)}
        report: dict[str, Any] = {}
        async for line in self._workshop.replay_calls(filters, TriedDraft(draft.flow, draft.source)):
            found = json.loads(line)
            if "done" in found:
                progress |= found
            else:
                report = found
        return report

    async def _count_calls_of_changed_nodes(self, draft: KeptDraft, current_text: str) -> list[dict[str, Any]]:
        """Return the nodes that differ from those of the file, each with the calls that came there in the last days."""
        try:
            before, after = (read_file_data(text).get("nodes") or {} for text in (current_text, draft.source))
        except ValueEditError:  # the file as it is has an error
            return []
        if not isinstance(before, dict) or not isinstance(after, dict):
            return []
        since = time.time() - REPLAYED_DAYS * 86_400
        calls = dict(await ask_journal(self._journal.count_calls_of_nodes(draft.flow, since)))
        return [{"name": name, "calls": calls.get(name, 0)} for name in before if before[name] != after.get(name)]
