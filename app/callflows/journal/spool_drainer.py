"""The process that writes spooled turns to the database while many callers are answered.

In a thread of the server, callers would wait for Python's lock behind the rows of other calls, which take several times as
long as an answer; another process gets what the answers leave of the processors. It is started when many turns come, and
ends when nothing was spooled for a while, or with its server. Of all servers that share a folder, one has such a process.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from callflows.atomic_files import wait_for_lock
from callflows.background_work import lower_priority
from callflows.log import get_logger

if TYPE_CHECKING:
    from collections.abc import Iterator


_LOG: Final = get_logger("journal")
DRAINER_PRIORITY: Final = 18
"""As of ``nice``: of a processor that is wanted for answers, the process gets about 2 %.

With the lowest priority, which gets nothing there, a transaction could keep all others waiting.
"""
_END_SECONDS: Final = 4.0
"""Time after which a process that was told to end is killed; the entries of an unfinished transaction stay in the spool."""
_RETRY_SECONDS: Final = 10.0
"""Time after which a server tries again if the process failed, or another server had one."""
DRAINED_BY_ANOTHER: Final = 3
"""Exit code of a process that found another one at work."""
_LOCK_NAME: Final = "journal-drainer.lock"
_PROCESS_MODULE: Final = "callflows.web.spool_drain_process"


class DrainerOptions(NamedTuple):
    """The settings that the process needs; the URL may contain a password."""

    journal_url: str
    folder: str
    shortest_message_seconds: float
    log_format: str


class SpoolDrainer:
    """Starts and ends the process of one server. Only one thread at a time may use it."""

    def __init__(self, options: DrainerOptions) -> None:
        self._options = options
        self.process: subprocess.Popen[bytes] | None = None
        """The process; None if none was started, or if it has ended."""
        self._retry_at = 0.0
        self._is_drained_by_another = False

    def ensure_running(self) -> bool:
        """Start the process unless it runs. Return whether one drains the spool, that of another server included."""
        self.note_end()
        if self.process is None and time.monotonic() >= self._retry_at:
            self._is_drained_by_another = False
            self._start()
        return self.process is not None or self._is_drained_by_another

    def _start(self) -> None:
        self._retry_at = time.monotonic() + _RETRY_SECONDS
        try:
            with lock_spool_folder(Path(self._options.folder)):
                pass  # the process takes the lock itself
            # -P: no Python flow in the working folder is taken for a module.
            process = subprocess.Popen(  # noqa: S603 - a module of ours
                [sys.executable, "-P", "-m", _PROCESS_MODULE], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL
            )
        except BlockingIOError:
            self._is_drained_by_another = True
            return
        except OSError as error:
            _LOG.warning("no process writes spooled turns to the database beside the answers", reason=str(error))
            return
        self.process = process
        lower_priority(process.pid, DRAINER_PRIORITY)
        # By a pipe, since other users of the machine see arguments. It stays open: its end is that of the server.
        with contextlib.suppress(OSError):
            assert process.stdin is not None  # noqa: S101 - a pipe, as asked above
            process.stdin.write(json.dumps(self._options).encode() + b"\n")
            process.stdin.flush()

    def note_end(self) -> None:
        """Note the end of the process, if it has ended; a process that failed is logged."""
        code = self.process.poll() if self.process is not None else None
        if code is None:
            return
        self.stop()
        self._is_drained_by_another = code == DRAINED_BY_ANOTHER
        self._retry_at = time.monotonic() + (_RETRY_SECONDS if code else 0.0)
        if code and not self._is_drained_by_another:
            _LOG.warning("the process that writes spooled turns to the database failed", code=code)

    def stop(self) -> None:
        """End the process, after it has written what is spooled if that takes no longer than two seconds."""
        process, self.process = self.process, None
        if process is None:
            return
        assert process.stdin is not None  # noqa: S101 - a pipe, as asked in _start
        with contextlib.suppress(OSError):
            process.stdin.close()
        try:
            process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextlib.contextmanager
def lock_spool_folder(folder: Path) -> Iterator[None]:
    """Hold the lock of the process that drains the spool of a folder. Raises BlockingIOError if another has it."""
    path = folder / _LOCK_NAME
    with path.open("a") as lock:
        wait_for_lock(lock, path, 0.0)
        yield
