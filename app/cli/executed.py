"""What Opentact executed of a call, asked of REST where the installation has an account."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

from app.cli.given import say, settings_of

if TYPE_CHECKING:
    from app.journal.store import Row, Told
    from app.opentact.event import Event
    from app.settings import Settings

_SECONDS: Final = 4.0
"""For which Opentact is waited for: the story is told anyway."""
_AROUND: Final = 60.0
_LASTS: Final = 4 * 3600.0
"""Seconds around a call, and after it began where its end is not known, in which it is looked for."""


def executed(told: Told) -> list[Row]:
    """The execution log of a call as event rows; empty, which is said, where it cannot be had."""
    import asyncio

    from app.errors import OpentactError, SettingsError
    from app.journal.entries import PROVISIONAL, entries_of
    from app.server import opentact_of
    from app.web.log import log_to

    settings, call = settings_of(), told.call
    if call["id"].startswith(PROVISIONAL) or call["started"] is None:
        return []
    try:
        if opentact_of(settings) is None:
            return []
        log_to(sys.stderr, settings.log_format)
        events = asyncio.run(_asked(settings, told))
    except (OpentactError, SettingsError, TimeoutError) as error:
        why = str(error) or f"no answer within {_SECONDS:g} s"
        say(f"callflows: Opentact does not tell what it executed: {' '.join(why.split())}")
        return []
    entries = [entry for event in events for entry in entries_of(event.happened(), lambda _turn: [])]
    return [row for table, row in entries if table == "events"]


async def _asked(settings: Settings, told: Told) -> list[Event]:
    import asyncio
    from datetime import UTC, datetime, timedelta

    from app.opentact import Opentact
    from app.opentact.filling import Filling

    call = told.call
    ended = call["destroy"] or call["hangup"] or call["finished"]
    began = datetime.fromtimestamp(call["started"], UTC)
    until = datetime.fromtimestamp(ended, UTC) if ended is not None else began + timedelta(seconds=_LASTS)
    around = timedelta(seconds=_AROUND)
    async with asyncio.timeout(_SECONDS), Opentact.of(settings) as client:
        return await Filling(client).executed(call["id"], call["app"] or "", began - around, until + around)
