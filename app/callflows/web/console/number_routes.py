"""Opentact's settings of the flows' numbers: fetched beside the pages, and shown as of its last answer."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final, NamedTuple

from callflows.errors import OpentactError, SettingsError
from callflows.log import get_logger

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from callflows.setup.doctor.doctor_runner import DoctorFinding


_LOG: Final = get_logger("console")
_ROUTES_LIFE_SECONDS: Final = 600.0
_RETRY_SECONDS: Final = 60.0
_FETCH_TIMEOUT_SECONDS: Final = 30.0


class RoutesAnswer(NamedTuple):
    """The numbers whose calls do not come here, each with the reason, and when Opentact said so (seconds since 1970)."""

    checked_at: float
    misrouted: Mapping[str, DoctorFinding]


class NumberRoutes:
    """Opentact's settings of the numbers, as of some minutes ago. No page waits for Opentact."""

    def __init__(self, fetch: Callable[[], Awaitable[Mapping[str, DoctorFinding]]] | None) -> None:
        """``fetch`` asks Opentact; None without an account."""
        self._fetch = fetch
        self._fetch_after = 0.0
        self._task: asyncio.Task[None] | None = None
        self.answer: RoutesAnswer | None = None
        """The last answer; None if there was none. It is replaced at any time: a page reads it once."""

    def refresh_soon(self) -> None:
        """Ask Opentact in the background, unless its answer is recent."""
        is_fetching = self._task is not None and not self._task.done()
        if self._fetch is not None and not is_fetching and time.monotonic() >= self._fetch_after:
            self._task = asyncio.create_task(self._refresh(self._fetch))

    async def _refresh(self, fetch: Callable[[], Awaitable[Mapping[str, DoctorFinding]]]) -> None:
        self._fetch_after = time.monotonic() + _RETRY_SECONDS
        try:
            async with asyncio.timeout(_FETCH_TIMEOUT_SECONDS):
                misrouted = await fetch()
        except (OpentactError, SettingsError, TimeoutError) as error:
            _LOG.warning("the console did not learn where Opentact sends calls", reason=str(error) or type(error).__name__)
        else:
            self.answer = RoutesAnswer(time.time(), misrouted)
            self._fetch_after = time.monotonic() + _ROUTES_LIFE_SECONDS
