"""Opening a database beside the thread that writes: while one that hangs is waited for, what happens goes to files."""

from __future__ import annotations

import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from app.journal.store import JournalStore


class StoreOpener:
    """Opens a store, in a thread that ends with the process."""

    def __init__(self, store: JournalStore) -> None:
        self._store = store
        self._opening: Future[None] | None = None

    def ensure_open(self, wait_seconds: float) -> bool:
        """Whether the store is open, by now or within some seconds; begins to open it. Raises what opening raises."""
        if self._opening is None:
            self._opening = Future()
            threading.Thread(target=self._run_open, args=(self._opening,), name="journal-opened", daemon=True).start()
        try:
            self._opening.exception(wait_seconds)
        except TimeoutError:
            return False
        going, self._opening = self._opening, None
        going.result()
        return True

    def _run_open(self, opening: Future[None]) -> None:
        try:
            self._store.open()
        except BaseException as error:  # noqa: BLE001 - whoever waits is told
            opening.set_exception(error)
        else:
            opening.set_result(None)
