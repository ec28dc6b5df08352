"""Changes of flows while the server runs: drafts, their checks and trials, going live, versions, rolling back.

The HTTP API and the console use the same functions. A draft is only a text here until it goes live; the console keeps
those of its people by ``KeptDrafts``.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

from callflows.errors import DraftConflictError
from callflows.flows.authoring.flow_drafts import (
    FlowSource,
    check_and_publish,
    check_draft,
    compare_sources,
    hash_flow_text,
    read_flow_source,
)
from callflows.flows.authoring.list_edits import (
    ListEntry,
    add_entry,
    change_list,
    list_entries,
    read_list_source,
    remove_entry,
)
from callflows.flows.authoring.scenario_edits import add_scenario
from callflows.flows.hours.overrides import add_override, cancel_all_overrides, choose_override_folder
from callflows.flows.source.flow_file import FLOW_AND_NODE_NAME_PATTERN
from callflows.flows.source.included_files import read_own_source
from callflows.journal.flow_history import FLOW_CHANGE_ACTIONS, GO_LIVE_ACTION, ROLLBACK_ACTION, describe_flow_versions
from callflows.journal.inbox import CALL_KIND
from callflows.web.command_process import REPLAY_PRIORITY, TriedDraft

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping
    from datetime import datetime
    from pathlib import Path

    from callflows.flows.authoring.flow_drafts import CheckedDraft
    from callflows.flows.compiler.compiling_flow import CompilerOptions
    from callflows.flows.flow_book import FlowBook
    from callflows.flows.hours.overrides import HoursOverride
    from callflows.journal.inbox import PersonChange
    from callflows.journal.journal_queries import JournalQueries
    from callflows.journal.stored_rows import CallFilter
    from callflows.web.command_process import CommandProcesses


MAX_REPLAYED_CALLS: Final = 10_000
LIST_ACTION: Final = "list"
"""The action of the audit log for a changed entry of a caller list."""


class PublishedDraft(NamedTuple):
    """A draft that has gone live: its version, the digest of the new file, and the source before."""

    version: str
    digest: str
    before: FlowSource


EMPTY_REPLAY_REPORT: Final[Mapping[str, Any]] = {
    **dict.fromkeys(("calls", "same", "same_as_far_as_known", "elsewhere", "not_compared"), 0),
    "groups": [],
    "unknown": [],
    "seconds": 0.0,
}
"""The report of ``callflows replay`` on no calls. A process that says so takes seconds on a busy machine."""


class FlowWorkshop:
    """The drafts and versions of the flows of one folder."""

    def __init__(
        self,
        folder: Path,
        options: CompilerOptions,
        journal: JournalQueries,
        processes: CommandProcesses,
        get_flow_book: Callable[[], FlowBook],
        refresh_flow_book: Callable[[], FlowBook],
    ) -> None:
        """``get_flow_book`` returns the live flows; ``refresh_flow_book`` reads the files first, and may take seconds."""
        self._folder = folder
        self._options = options
        self._journal = journal
        self._processes = processes
        self._get_flow_book = get_flow_book
        self._refresh_flow_book = refresh_flow_book

    @property
    def override_folders(self) -> tuple[Path, Path]:
        """The folder of the flows, and the one for overrides if the former is read-only."""
        return self._folder, self._options.data_folder or self._folder

    async def override_hours(self, flow: str, hours: str, override: HoursOverride | None, now: datetime) -> int:
        """Add an override, or remove those of the hours if it is None; return the number of removed ones.

        The change holds at once, in this process. Raises ValueError with the reason if nothing was changed.
        """

        def change_files() -> int:
            if override is None:
                return cancel_all_overrides(self.override_folders, flow, hours, now)
            add_override(choose_override_folder(*self.override_folders), override, now)
            return 0

        try:
            removed_count = await asyncio.to_thread(change_files)
        except OSError as error:
            raise ValueError(f"{error.filename} cannot be written: {error.strerror}") from None
        await asyncio.to_thread(self._refresh_flow_book)
        return removed_count

    async def read_source(self, flow: str) -> FlowSource:
        """Read the file of a flow. Raises LookupError for a name that no flow can have, and OSError."""
        if not FLOW_AND_NODE_NAME_PATTERN.fullmatch(flow):
            raise LookupError(flow)
        return await asyncio.to_thread(read_flow_source, self._folder, flow)

    async def check_draft(self, flow: str, text: str) -> CheckedDraft:
        """Compile a draft beside the live flows. Each problem has its place in the draft."""
        return await asyncio.to_thread(check_draft, self._folder, self._options, flow, text, self._get_flow_book())

    async def test_draft(self, flow: str, text: str) -> dict[str, Any]:
        """Run the scenarios of a draft; return the JSON of ``callflows test``.

        Raises CommandBusyError and CommandFailedError, as the next ones do.
        """
        report: dict[str, Any] = await self._processes.run_for_json(
            "test", "--format", "json", draft=TriedDraft(flow, text)
        )
        return report

    async def ring_draft(self, flow: str, text: str, number: str, options: Mapping[str, str]) -> dict[str, Any]:
        """Rehearse a call to a draft, or to the flow as it is if ``text`` is empty; return the JSON of ``callflows call``.

        ``options`` are options of that command without their dashes, such as ``keys``.
        """
        arguments = [f"--{name}={value}" for name, value in {"keys": "", **options}.items()]
        draft = TriedDraft(flow, text) if text else None
        transcript: dict[str, Any] = await self._processes.run_for_json(
            "call", "--format", "json", *arguments, "--", number, draft=draft
        )
        return transcript

    async def has_recorded_calls(self, call_filter: CallFilter) -> bool:
        """Return True if a filter matches a call. Raises JournalUnavailableError."""
        return bool(await self._journal.list_calls(call_filter._replace(limit=1)))

    async def has_recorded_call(self, call: str) -> bool:
        """Return True if an id, or its beginning, is that of a call. Raises JournalUnavailableError."""
        return bool(call and await self._journal.list_ids_by_prefix(CALL_KIND, call, 1))

    def replay_calls(self, filters: Mapping[str, str], draft: TriedDraft | None = None) -> AsyncIterator[str]:
        """Replay past calls; yield lines of JSON: ``{"done": …, "total": …}``, and in the end the report.

        ``filters`` are options of ``callflows replay`` without their dashes.
        """
        arguments = [f"--{name}={value}" for name, value in filters.items() if value]
        return self._processes.stream_lines(
            "replay", "--format", "jsonl", *arguments, draft=draft, priority=REPLAY_PRIORITY
        )

    async def replay_call(self, call: str, draft: TriedDraft | None = None) -> dict[str, Any]:
        """Replay a past call; return the JSON of ``callflows replay``: both routes, and the first difference."""
        described: dict[str, Any] = await self._processes.run_for_json(
            "replay", "--format", "json", "--", call, draft=draft
        )
        return described

    async def record_call(self, call: str) -> str:
        """Return a past call as a scenario, as ``callflows log CALL --as-scenario`` does."""
        lines = [line async for line in self._processes.stream_lines("log", "--as-scenario", "--", call)]
        return "".join(lines)

    async def add_test(self, flow: str, scenario: str) -> FlowSource:
        """Return the file of a flow with one more scenario; its digest is that of the file without it.

        Raises LookupError if the flow has no file, ValueEditError, and OSError.
        """
        current = await self.read_source(flow)
        if not current.digest:
            raise LookupError(flow)
        return current._replace(text=await asyncio.to_thread(add_scenario, current.text, scenario))

    async def publish(
        self, flow: str, text: str, expected_digest: str, change: PersonChange, action: str = GO_LIVE_ACTION
    ) -> PublishedDraft:
        """Check a draft and put it into the folder, whole and at once; the change is in the audit log.

        Raises DraftRefusedError, DraftConflictError, ReadOnlyFlowsError, OSError, and JournalUnavailableError. Nothing has
        changed then, unless the database goes away after the file was written: only the entry in the audit log is missing.
        """
        await self.read_source(flow)
        await self._journal.list_versions(flow)  # without the journal nothing is changed
        flow_before = self._get_flow_book().flows.get(flow)
        draft, before = await asyncio.to_thread(
            check_and_publish, self._folder, self._options, flow, text, expected_digest, self._refresh_flow_book
        )
        await asyncio.to_thread(self._refresh_flow_book)  # so that the next page shows the file as it is
        version = draft.flow.version if draft.flow is not None else ""
        # Not the newest version: an earlier one may have been made live again.
        live = flow_before.version if flow_before is not None else ""
        await self._journal.add_audit_row(change, action, flow, live, version)
        return PublishedDraft(version, hash_flow_text(text), before)

    async def list_callers(self, flow: str, name: str) -> list[ListEntry]:
        """List the entries of a caller list. Raises LookupError and OSError."""
        source = await asyncio.to_thread(read_list_source, self._folder, flow, name)
        return await asyncio.to_thread(lambda: [*list_entries(source.text)])

    async def change_callers(
        self, flow: str, name: str, action: Literal["add", "remove"], entry: ListEntry, change: PersonChange
    ) -> None:
        """Add an entry to a caller list, or remove it; the change is in the audit log.

        Raises LookupError, ValueEditError, ReadOnlyFlowsError, OSError and JournalUnavailableError.
        """

        def change_text(text: str) -> str:
            return add_entry(text, entry) if action == "add" else remove_entry(text, entry.entry)

        await self._journal.list_versions(flow)  # without the journal nothing is changed
        await asyncio.to_thread(change_list, self._folder, flow, name, change_text)
        values = ("", entry.entry) if action == "add" else (entry.entry, "")
        await self._journal.add_audit_row(change, LIST_ACTION, f"{flow} {name}", *values)

    async def list_versions(self, flow: str, live_version: str) -> list[dict[str, Any]]:
        """List the versions of a flow, newest first, with who made each live. Raises JournalUnavailableError."""
        versions = await self._journal.list_versions(flow)
        changes = await self._journal.list_audit_rows(FLOW_CHANGE_ACTIONS, flow)
        return describe_flow_versions(versions, changes, live_version)

    async def compare_versions(self, flow: str, version: str, against: str = "") -> str:
        """Return the differences from a version to another one, or to the file as it is now, as a unified diff.

        Raises LookupError if a version is unknown.
        """
        before = await self._load_version_source(flow, version)
        if not against:
            current = await self.read_source(flow)
            return compare_sources(read_own_source(before), current.text, f"{flow} {version}", f"{flow} now")
        after = await self._load_version_source(flow, against)
        return compare_sources(before, after, f"{flow} {version}", f"{flow} {against}")

    async def roll_back(self, flow: str, version: str, expected_digest: str, change: PersonChange) -> PublishedDraft:
        """Make an earlier version live again. Raises LookupError if it is unknown, and the errors of ``publish``."""
        text = read_own_source(await self._load_version_source(flow, version))
        current = await self.read_source(flow)
        if expected_digest and expected_digest != current.digest:
            raise DraftConflictError(f"{current.file} has changed meanwhile: look at it, and roll back again")
        return await self.publish(flow, text, current.digest, change, ROLLBACK_ACTION)

    async def _load_version_source(self, flow: str, version: str) -> str:
        row = await self._journal.load_version(flow, version)
        if row is None:
            raise LookupError(version)
        return row["source"] or ""
