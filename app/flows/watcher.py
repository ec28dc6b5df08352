"""Watches a folder of flow files, and has the library look again when something may have changed.

The system's notifications wake it at once. Where they do not come (network mounts, files behind links, a folder put in
another's place), a slow look at the files' times finds the change.
"""

from __future__ import annotations

import threading
import time
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Final

import structlog
import watchfiles

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.flows.library import Library
    from app.flows.loader import Loaded

EVERY: Final = 2.0
"""Seconds between looks that nobody asked for."""
_SHARE: Final = 50
"""A look that takes long is taken less often: at most a fiftieth of the time goes into looking."""
_RETRY: Final = 30.0
"""Seconds without notifications, after they could not be had."""
_STEP_MS: Final = 50
_GATHER_MS: Final = 400
_OTHERS: Final = frozenset({"__pycache__", ".git", ".hg", ".svn", ".idea", ".vscode", "node_modules"})
_UNFINISHED: Final = ("~", ".swp", ".swx", ".swo", ".tmp", ".bak", ".part", ".pyc", "4913")


def concerns_flows(path: str) -> bool:
    """Whether a change of this path may be one of a flow; what editors and tools leave beside their files is none."""
    parts = PurePath(path).parts[-2:]
    name = parts[-1]
    return _OTHERS.isdisjoint(parts) and not name.endswith(_UNFINISHED) and not name.startswith((".#", "#", ".~"))


class Watcher:
    """Has a library look again after every change, one look at a time, in a thread that ends with the process."""

    def __init__(self, library: Library, on_loaded: Callable[[Loaded, Loaded], None], *, every: float = EVERY) -> None:
        """``on_loaded`` is told, in that thread, what was loaded before and what is now."""
        self._library = library
        self._told = library.loaded
        self._on_loaded = on_loaded
        self._every = every
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to watch."""
        self._thread = threading.Thread(target=self._work, name="watcher", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End; a look that is being taken is not waited for longer than two seconds."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(timeout=2)

    def look(self) -> None:
        """Look at the files now, and tell what has changed. Never raises."""
        try:
            loaded = self._library.refresh()
            if loaded is not self._told:
                self._on_loaded(self._told, loaded)
                self._told = loaded
        except Exception:  # noqa: BLE001 - watching goes on whatever broke
            _log().exception("the flow files could not be looked at, and go on as they were")

    def _work(self) -> None:
        while not self._stopping.is_set():
            try:
                self._listen()
            except FileNotFoundError:
                self._wait(0)
            except Exception as error:  # noqa: BLE001 - whatever the system says, watching goes on without it
                said = f"changes of the flow files are not notified, they are looked for every {self._every:g} s: {error}"
                _log().warning(said)
                self._wait(_RETRY)

    def _listen(self) -> None:
        """Look whenever notified, and now and then besides, until the folder is another one. Raises OSError."""
        place, due = self._place(), 0.0
        for changes in watchfiles.watch(
            self._library.folder,
            watch_filter=None,
            debounce=_GATHER_MS,
            step=_STEP_MS,
            rust_timeout=int(self._every * 1000),
            yield_on_timeout=True,
            stop_event=self._stopping,
            raise_interrupt=False,
            ignore_permission_denied=True,
        ):
            began = time.thread_time()
            if time.monotonic() >= due or any(concerns_flows(path) for _, path in changes):
                self.look()
                due = time.monotonic() + max(self._every, _SHARE * (time.thread_time() - began)) - _STEP_MS / 1000
            if self._place() != place:
                return

    def _wait(self, seconds: float) -> None:
        """Look now and then, until the folder is there and notifications may be tried again."""
        again = time.monotonic() + seconds
        while not self._stopping.wait(self._every):
            self.look()
            if time.monotonic() >= again and self._place():
                return

    def _place(self) -> tuple[int, int] | None:
        """Which folder it is: another may be put in its place."""
        try:
            found = self._library.folder.stat()
        except OSError:
            return None
        return found.st_dev, found.st_ino


def _log() -> Any:  # noqa: ANN401 - structlog's own
    return structlog.get_logger("callflows.flows")
