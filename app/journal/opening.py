"""Opening a database beside the thread that writes: while one that hangs is waited for, what happens goes to files."""

from __future__ import annotations

import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from app.journal.store import Store


class Opening:
    """Opens a store, in a thread that ends with the process."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._going: Future[None] | None = None

    def done(self, within: float) -> bool:
        """Whether the store is open, by now or within some seconds; begins to open it. Raises what opening raises."""
        if self._going is None:
            self._going = Future()
            threading.Thread(target=self._open, args=(self._going,), name="journal-opened", daemon=True).start()
        try:
            self._going.exception(within)
        except TimeoutError:
            return False
        going, self._going = self._going, None
        going.result()
        return True

    def _open(self, going: Future[None]) -> None:
        try:
            self._store.open()
        except BaseException as error:  # noqa: BLE001 - whoever waits is told
            going.set_exception(error)
        else:
            going.set_result(None)
