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

    from callflows.flows.loader.flow_library import FlowLibrary
    from callflows.flows.loader.folder_loader import LoadedFlows


FOLDER_POLL_SECONDS: Final = 2.0
"""Seconds between looks that nobody asked for."""


_POLL_COST_FACTOR: Final = 50
"""A look that takes long is taken less often: at most a fiftieth of the time goes into looking."""


_NOTIFICATION_RETRY_SECONDS: Final = 30.0
"""Seconds without notifications, after they could not be had."""


_NOTIFICATION_STEP_MS: Final = 50


_DEBOUNCE_MS: Final = 400


_IGNORED_FOLDERS: Final = frozenset({"__pycache__", ".git", ".hg", ".svn", ".idea", ".vscode", "node_modules"})


_TEMPORARY_SUFFIXES: Final = ("~", ".swp", ".swx", ".swo", ".tmp", ".bak", ".part", ".pyc", "4913")


def may_affect_flows(path: str) -> bool:
    """Whether a change of this path may be one of a flow; what editors and tools leave beside their files is none."""
    parts = PurePath(path).parts[-2:]
    name = parts[-1]
    return (
        _IGNORED_FOLDERS.isdisjoint(parts)
        and not name.endswith(_TEMPORARY_SUFFIXES)
        and not name.startswith((".#", "#", ".~"))
    )


class FolderWatcher:
    """Has a library look again after every change, one look at a time, in a thread that ends with the process."""

    def __init__(
        self,
        library: FlowLibrary,
        on_loaded: Callable[[LoadedFlows, LoadedFlows], None],
        *,
        poll_seconds: float = FOLDER_POLL_SECONDS,
    ) -> None:
        """``on_loaded`` is told, in that thread, what was loaded before and what is now."""
        self._library = library
        self._reported_flows = library.loaded_flows
        self._on_loaded = on_loaded
        self._poll_seconds = poll_seconds
        self._stop_event = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to watch."""
        self._thread = threading.Thread(target=self._watch_until_stopped, name="watcher", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End; a look that is being taken is not waited for longer than two seconds."""
        self._stop_event.set()
        if self._thread is not None:
            self._thread.join(timeout=2)

    def refresh_library(self) -> None:
        """Look at the files now, and tell what has changed. Never raises."""
        try:
            loaded = self._library.refresh()
            if loaded is not self._reported_flows:
                self._on_loaded(self._reported_flows, loaded)
                self._reported_flows = loaded
        except Exception:  # noqa: BLE001 - watching goes on whatever broke
            _get_logger().exception("the flow files could not be looked at, and go on as they were")

    def _watch_until_stopped(self) -> None:
        while not self._stop_event.is_set():
            try:
                self._watch_notifications()
            except FileNotFoundError:
                self._poll_folder(0)
            except Exception as error:  # noqa: BLE001 - whatever the system says, watching goes on without it
                said = (
                    "changes of the flow files are not notified, "
                    f"they are looked for every {self._poll_seconds:g} s: {error}"
                )
                _get_logger().warning(said)
                self._poll_folder(_NOTIFICATION_RETRY_SECONDS)

    def _watch_notifications(self) -> None:
        """Look whenever notified, and now and then besides, until the folder is another one. Raises OSError."""
        place, due = self._read_folder_id(), 0.0
        for changes in watchfiles.watch(
            self._library.folder,
            watch_filter=None,
            debounce=_DEBOUNCE_MS,
            step=_NOTIFICATION_STEP_MS,
            rust_timeout=int(self._poll_seconds * 1000),
            yield_on_timeout=True,
            stop_event=self._stop_event,
            raise_interrupt=False,
            ignore_permission_denied=True,
        ):
            began = time.thread_time()
            if time.monotonic() >= due or any(may_affect_flows(path) for _, path in changes):
                self.refresh_library()
                due = (
                    time.monotonic()
                    + max(self._poll_seconds, _POLL_COST_FACTOR * (time.thread_time() - began))
                    - _NOTIFICATION_STEP_MS / 1000
                )
            if self._read_folder_id() != place:
                return

    def _poll_folder(self, seconds: float) -> None:
        """Look now and then, until the folder is there and notifications may be tried again."""
        again = time.monotonic() + seconds
        while not self._stop_event.wait(self._poll_seconds):
            self.refresh_library()
            if time.monotonic() >= again and self._read_folder_id():
                return

    def _read_folder_id(self) -> tuple[int, int] | None:
        """Which folder it is: another may be put in its place."""
        try:
            found = self._library.folder.stat()
        except OSError:
            return None
        return found.st_dev, found.st_ino


def _get_logger() -> Any:  # noqa: ANN401 - structlog's own
    return structlog.get_logger("callflows.flows")
