"""Watches a folder of flow files and refreshes the flow library after changes.

Notifications of the operating system trigger a refresh at once. A slow poll finds changes without notification: on
network mounts, behind symbolic links, or after the folder was replaced.
"""

from __future__ import annotations

import threading
import time
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Final

import watchfiles

from callflows.log import get_logger

if TYPE_CHECKING:
    from collections.abc import Callable

    from callflows.flows.loader.flow_library import FlowLibrary
    from callflows.flows.loader.folder_loader import LoadedFlows


_LOG: Final = get_logger("flows")
FOLDER_POLL_SECONDS: Final = 2.0
"""Seconds between polls without notification."""
_POLL_COST_FACTOR: Final = 50
"""Expensive polls are rarer: polling takes at most a fiftieth of the time."""
_MAX_POLL_PAUSE_SECONDS: Final = 60.0
STUCK_SECONDS: Final = 30.0
"""A look at the files that takes longer is reported by /readyz and /metrics."""
_NOTIFICATION_RETRY_SECONDS: Final = 30.0
"""Seconds of polling after notifications failed, before the next attempt to use them."""
_NOTIFICATION_STEP_MS: Final = 50
_DEBOUNCE_MS: Final = 400
_IGNORED_FOLDERS: Final = frozenset({"__pycache__", ".git", ".hg", ".svn", ".idea", ".vscode", "node_modules"})
_TEMPORARY_SUFFIXES: Final = ("~", ".swp", ".swx", ".swo", ".tmp", ".bak", ".part", ".pyc", "4913")


def may_affect_flows(path: str) -> bool:
    """Return True if a change of this path may change a flow. Temporary files of editors and tools do not."""
    parts = PurePath(path).parts[-2:]
    name = parts[-1]
    return (
        _IGNORED_FOLDERS.isdisjoint(parts)
        and not name.endswith(_TEMPORARY_SUFFIXES)
        and not name.startswith((".#", "#", ".~"))
    )


class FolderWatcher:
    """Refreshes a library after every change, in a daemon thread."""

    def __init__(
        self,
        library: FlowLibrary,
        on_loaded: Callable[[LoadedFlows, LoadedFlows], None],
        *,
        poll_seconds: float = FOLDER_POLL_SECONDS,
    ) -> None:
        """``on_loaded`` is called in the watcher's thread with the previous and the new flows."""
        self._library = library
        self._reported_flows = library.loaded_flows
        self._on_loaded = on_loaded
        self._poll_seconds = poll_seconds
        self._stop_event = threading.Event()
        self._thread: threading.Thread | None = None
        self._refresh_began_at: float | None = None
        self._refreshed_at = time.monotonic()

    def start(self) -> None:
        self._thread = threading.Thread(target=self._watch_until_stopped, name="watcher", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop, but wait at most two seconds for a refresh in progress."""
        self._stop_event.set()
        if self._thread is not None:
            self._thread.join(timeout=2)

    def refresh_library(self) -> None:
        """Refresh the library and report a change to ``on_loaded``. Never raises."""
        self._refresh_began_at = time.monotonic()
        try:
            loaded = self._library.refresh()
            if loaded is not self._reported_flows:
                self._on_loaded(self._reported_flows, loaded)
                self._reported_flows = loaded
        except Exception:  # noqa: BLE001 - the watcher must survive every error
            _LOG.exception("the flow files could not be looked at, and go on as they were")
        finally:
            self._refresh_began_at, self._refreshed_at = None, time.monotonic()

    def get_status(self) -> dict[str, Any]:
        """Return the seconds since the last look at the files, and a problem if edits are not taken up."""
        now, began = time.monotonic(), self._refresh_began_at
        problem = ""
        if self._thread is not None and not self._thread.is_alive() and not self._stop_event.is_set():
            problem = "the thread that looks for edits has ended: restart the server"
        elif began is not None and now - began > STUCK_SECONDS:
            file = self._library.file_in_progress
            problem = (
                f"edits have not been taken up for {now - began:.0f} s"
                f"{f', because {file} is still being read' if file else ''}: restart the server if it stays so"
            )
        return {"last_look_seconds": round(now - (began or self._refreshed_at), 1), "problem": problem}

    def _watch_until_stopped(self) -> None:
        while not self._stop_event.is_set():
            try:
                self._watch_notifications()
            except FileNotFoundError:
                # The folder is missing: poll until it exists, without the warning below.
                self._poll_folder(0)
            except Exception as error:  # noqa: BLE001 - polling replaces notifications after every error
                message = (
                    "changes of the flow files are not notified, "
                    f"they are looked for every {self._poll_seconds:g} s: {error}"
                )
                _LOG.warning(message)
                self._poll_folder(_NOTIFICATION_RETRY_SECONDS)

    def _watch_notifications(self) -> None:
        """Refresh on notifications, and by polls between them, until the folder is replaced. Raises OSError."""
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
            is_due = time.monotonic() >= due or self._library.awaits_lists
            if is_due or any(may_affect_flows(path) for _, path in changes):
                self.refresh_library()
                due = (
                    time.monotonic()
                    + min(
                        max(self._poll_seconds, _POLL_COST_FACTOR * (time.thread_time() - began)), _MAX_POLL_PAUSE_SECONDS
                    )
                    - _NOTIFICATION_STEP_MS / 1000
                )
            if self._read_folder_id() != place:
                return

    def _poll_folder(self, seconds: float) -> None:
        """Refresh by polls, for at least ``seconds`` and until the folder exists."""
        again = time.monotonic() + seconds
        while not self._stop_event.wait(self._poll_seconds):
            self.refresh_library()
            if time.monotonic() >= again and self._read_folder_id():
                return

    def _read_folder_id(self) -> tuple[int, int] | None:
        """Return device and inode of the folder, which change if another folder takes its place."""
        try:
            found = self._library.folder.stat()
        except OSError:
            return None
        return found.st_dev, found.st_ino
