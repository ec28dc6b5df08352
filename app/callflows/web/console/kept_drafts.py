"""Keeps the drafts of the console's people in the database, with what their last trial has found."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any, NamedTuple

from callflows.flows.authoring.flow_drafts import hash_flow_text
from callflows.journal.call_story import format_moment
from callflows.journal.draft_store import NO_REPORT, KeptDraft
from callflows.web.journal_lists import ask_journal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from callflows.flows.authoring.flow_drafts import FlowSource
    from callflows.journal.journal_queries import JournalQueries
    from callflows.web.console.console_accounts import ConsoleUser


class OpenDraft(NamedTuple):
    """The file of a flow, and the draft that a person has of it; ``kept`` is None if the person has none."""

    current: FlowSource
    kept: KeptDraft | None

    @property
    def text(self) -> str:
        return self.kept.source if self.kept is not None else self.current.text

    @property
    def is_changed(self) -> bool:
        """Return True if going live would change the file."""
        return self.kept is not None and self.kept.digest != self.current.digest

    @property
    def has_conflict(self) -> bool:
        """Return True if the file is not that for which the draft was made."""
        return self.is_changed and self.kept is not None and self.kept.base != self.current.digest

    @property
    def digest(self) -> str:
        """Digest of the file for which the text was made."""
        return self.kept.base if self.kept is not None else self.current.digest

    @property
    def report(self) -> Mapping[str, Any]:
        report: dict[str, Any] = json.loads(self.kept.report) if self.kept is not None else {}
        return report


class KeptDrafts:
    """The drafts of all people. Every method raises HTTPException if the database is away."""

    def __init__(self, journal: JournalQueries) -> None:
        self._journal = journal

    async def open_draft(self, current: FlowSource, flow: str, user: ConsoleUser) -> OpenDraft:
        """Return the draft of a person beside the file.

        It is erased if nobody has changed anything in it since an older file, or if the file has its text by now.
        """
        kept = await ask_journal(self._journal.load_draft(flow, name_author(user)))
        if kept is not None and kept.base != current.digest and kept.digest in (kept.base, current.digest):
            await self.discard(flow, user)
            return OpenDraft(current, None)
        return OpenDraft(current, kept)

    async def keep(self, flow: str, user: ConsoleUser, text: str, base: str, report: Mapping[str, Any]) -> KeptDraft:
        """Keep a text as the draft of a person. An empty report leaves that of the same text."""
        who, digest = name_author(user), hash_flow_text(text)
        before = await ask_journal(self._journal.load_draft(flow, who))
        stored = json.dumps(report, ensure_ascii=False) if report else NO_REPORT
        if not report and before is not None and before.digest == digest:
            stored = before.report
        draft = KeptDraft(flow, who, time.time(), base, digest, text, stored)
        await ask_journal(self._journal.store_draft(draft))
        return draft

    async def store_report(self, draft: KeptDraft, report: Mapping[str, Any]) -> bool:
        """Store what a trial has found. Return False if the draft has another text meanwhile, or is gone."""
        stored = json.dumps(report, ensure_ascii=False)
        return bool(await ask_journal(self._journal.store_draft_report(draft, stored)))

    async def discard(self, flow: str, user: ConsoleUser) -> None:
        await ask_journal(self._journal.erase_draft(flow, name_author(user)))

    async def keep_scenario(self, flow: str, user: ConsoleUser, scenario: str, report: Mapping[str, Any]) -> None:
        """Keep a scenario that a person has not added to a flow yet, with what its trial has found."""
        await self.keep(_name_scenario(flow), user, scenario, hash_flow_text(scenario), report)

    async def load_scenario(self, flow: str, user: ConsoleUser) -> tuple[str, Mapping[str, Any]] | None:
        """Return the scenario of ``keep_scenario`` with its report; None if there is none."""
        kept = await ask_journal(self._journal.load_draft(_name_scenario(flow), name_author(user)))
        return (kept.source, json.loads(kept.report)) if kept is not None else None

    async def discard_scenario(self, flow: str, user: ConsoleUser) -> None:
        await self.discard(_name_scenario(flow), user)

    async def list_drafts(self) -> dict[str, list[dict[str, Any]]]:
        """Return the drafts of all people by flow, each with ``who`` and ``at``."""
        drafts: dict[str, list[dict[str, Any]]] = {}
        for draft in await ask_journal(self._journal.list_drafts()):
            drafts.setdefault(draft.flow, []).append({"who": draft.who, "at": format_moment(draft.at)})
        return drafts


def _name_scenario(flow: str) -> str:
    """Return the name under which a scenario stands among the drafts: with a space, which no name of a flow has."""
    return f"{flow} test"


def name_author(user: ConsoleUser) -> str:
    """Return the name of a person, unique among those who sign in here, at a provider and by a proxy."""
    return user.name if user.origin == "password" else f"{user.name} ({user.origin})"
