"""Opens the journal's database with a time limit."""

from __future__ import annotations

import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from callflows.journal.sql_store import SqlStore


class StoreOpener:
    """Opens a store in a daemon thread, so that a database that hangs does not block the journal's writer."""

    def __init__(self, store: SqlStore) -> None:
        self._store = store
        self._opening: Future[None] | None = None

    def ensure_open(self, wait_seconds: float) -> bool:
        """Start opening if necessary; return True if the store is open within some seconds. Raises the error of opening."""
        if self._opening is None:
            self._opening = Future()
            threading.Thread(target=self._run_open, args=(self._opening,), name="journal-opener", daemon=True).start()
        try:
            self._opening.exception(wait_seconds)
        except TimeoutError:
            return False
        finished, self._opening = self._opening, None
        finished.result()
        return True

    def _run_open(self, opening: Future[None]) -> None:
        try:
            self._store.open()
        except BaseException as error:  # noqa: BLE001 - ensure_open raises the error
            opening.set_exception(error)
        else:
            opening.set_result(None)
