"""The execution log of a call, fetched from Opentact's REST API if the installation has an account."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

from callflows.cli.cli_options import load_command_settings, print_notice

if TYPE_CHECKING:
    from callflows.journal.stored_rows import JournalRow, StoredCall
    from callflows.settings import Settings
    from callflows.telephony.events import PlatformEvent


_REQUEST_TIMEOUT_SECONDS: Final = 4.0
"""Time limit for Opentact: the call story is printed with or without the log."""
_SEARCH_MARGIN_SECONDS: Final = 60.0  # before and after a call


def fetch_execution_rows(call_story: StoredCall) -> list[JournalRow]:
    """Return the execution log of a call as event rows; if unavailable, print the reason and return an empty list."""
    import asyncio

    from callflows.errors import OpentactError, SettingsError
    from callflows.installation_parts import create_opentact_client
    from callflows.journal.execution_rows import has_stored_log
    from callflows.journal.journal_rows import PROVISIONAL_ID_PREFIX, build_journal_entries
    from callflows.web.log_lines import configure_logging

    settings, call = load_command_settings(), call_story.call
    if call["id"].startswith(PROVISIONAL_ID_PREFIX) or call["started"] is None or has_stored_log(call_story.events):
        return []
    try:
        if create_opentact_client(settings) is None:
            return []
        configure_logging(sys.stderr, settings.log_format)
        events = asyncio.run(_fetch_execution_events(settings, call_story))
    except (OpentactError, SettingsError, TimeoutError) as error:
        why = str(error) or f"no answer within {_REQUEST_TIMEOUT_SECONDS:g} s"
        print_notice(f"callflows: Opentact did not return the list of executed commands: {' '.join(why.split())}")
        return []
    entries = [entry for event in events for entry in build_journal_entries(event)]
    return [row for table, row in entries if table == "events"]


async def _fetch_execution_events(settings: Settings, call_story: StoredCall) -> list[PlatformEvent]:
    import asyncio
    from datetime import UTC, datetime, timedelta

    from callflows.journal.stored_rows import find_call_end
    from callflows.opentact import Opentact
    from callflows.opentact.backfill import EventBackfill
    from callflows.telephony.call_record import LONGEST_CALL_SECONDS

    call = call_story.call
    ended = find_call_end(call)
    began = datetime.fromtimestamp(call["started"], UTC)
    until = datetime.fromtimestamp(ended, UTC) if ended is not None else began + timedelta(seconds=LONGEST_CALL_SECONDS)
    around = timedelta(seconds=_SEARCH_MARGIN_SECONDS)
    async with asyncio.timeout(_REQUEST_TIMEOUT_SECONDS), Opentact.from_settings(settings) as client:
        return await EventBackfill(client).find_executions(call["id"], call["app"] or "", began - around, until + around)
