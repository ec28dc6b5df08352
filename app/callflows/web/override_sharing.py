"""Keeps the overrides of opening hours of all servers with the same database alike."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from callflows.errors import JournalError
from callflows.flows.hours.shared_overrides import NO_SHARED_OVERRIDES, apply_exchange, plan_exchange
from callflows.log import get_logger

if TYPE_CHECKING:
    from pathlib import Path

    from callflows.journal.journal import Journal

_LOG: Final = get_logger("hours")
SHARED_OVERRIDES_NAME: Final = "overrides"
_EXCHANGE_SECONDS: Final = 2.0


class OverrideSharing:
    """Exchanges the overrides in the data folder with the other servers, through the database, every two seconds."""

    def __init__(self, data_folder: Path, journal: Journal) -> None:
        self._data_folder = data_folder
        self._journal = journal
        self._problem = ""
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start in the running loop."""
        self._task = asyncio.create_task(self._exchange_repeatedly())

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _exchange_repeatedly(self) -> None:
        while True:
            problem = ""
            try:
                await self.exchange()
            except JournalError:
                pass  # an outage of the database; the journal reports it
            except Exception as error:  # noqa: BLE001 - an entry of another version of callflows must not end the exchange
                problem = f"{type(error).__name__}: {error}"
            if problem and problem != self._problem:
                _LOG.error("overrides are not shared with the other servers", reason=problem)
            self._problem = problem
            await asyncio.sleep(_EXCHANGE_SECONDS)

    async def exchange(self) -> None:
        """Send the changes of this server, and take up those of others. Raises JournalError, OSError and ValueError."""
        shared_text = await self._journal.load_shared_text(SHARED_OVERRIDES_NAME) or NO_SHARED_OVERRIDES
        exchange = await asyncio.to_thread(plan_exchange, self._data_folder, shared_text, datetime.now(UTC))
        if exchange.shared_text != shared_text and not await self._journal.replace_shared_text(
            SHARED_OVERRIDES_NAME, shared_text, exchange.shared_text
        ):
            return  # another server was quicker: the next exchange takes up its change, too
        await asyncio.to_thread(apply_exchange, self._data_folder, exchange)
