"""The process that writes spooled turns to the database while many callers are answered.

In a thread of the server, callers would wait for Python's lock behind the rows of other calls, which take several times as
long as an answer; another process gets what the answers leave of the processors. It is started when many turns come, and
ends when nothing was spooled for a while, or with its server. Of all servers that share a folder, one has such a process.
"""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from callflows.atomic_files import wait_for_lock
from callflows.background_work import lower_priority
from callflows.log import get_logger

if TYPE_CHECKING:
    from collections.abc import Iterator


_LOG: Final = get_logger("journal")
DRAINER_PRIORITY: Final = 15
"""As of ``nice``: of a processor that is wanted for answers, the process gets about 3 %, and so ends its transactions."""
IDLE_SECONDS: Final = 30.0
"""Time without a spooled entry after which the process ends."""
_LOOK_SECONDS: Final = 0.05
"""Interval at which the process looks for spooled entries."""
_LAST_ENTRIES_SECONDS: Final = 2.0
"""Time that the process gets for what is spooled when its server ends; the rest stays in the spool."""
_END_SECONDS: Final = 4.0
"""Time after which a process that was told to end is killed; the entries of an unfinished transaction stay in the spool."""
_RETRY_SECONDS: Final = 10.0
"""Time after which a server tries again if the process failed, or another server had one."""
_DRAINED_BY_ANOTHER: Final = 3
"""Exit code of a process that found another one at work."""
_LOCK_NAME: Final = "journal-drainer.lock"


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
        try:
            process = subprocess.Popen(
                [sys.executable, "-m", "callflows.journal.spool_drainer"],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
            )
        except OSError as error:
            self._retry_at = time.monotonic() + _RETRY_SECONDS
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
        self._is_drained_by_another = code == _DRAINED_BY_ANOTHER
        if code:
            self._retry_at = time.monotonic() + _RETRY_SECONDS
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


def drain_until_idle(options: DrainerOptions, is_over: threading.Event) -> None:
    """Write spooled entries to the database until nothing was spooled for a while, or until ``is_over`` is set."""
    from callflows.journal.cpu_budget import CpuBudget  # noqa: PLC0415 - heavy, and not needed beside another process
    from callflows.journal.journal_health import JournalHealth  # noqa: PLC0415 - as above
    from callflows.journal.journal_writer import JournalWriter  # noqa: PLC0415 - as above
    from callflows.journal.spool import Spool  # noqa: PLC0415 - as above
    from callflows.journal.sql_store import SqlStore  # noqa: PLC0415 - as above
    from callflows.journal.waiting_items import WaitingItems  # noqa: PLC0415 - as above

    spool, health = Spool(Path(options.folder)), JournalHealth()
    store = SqlStore(options.journal_url, options.shortest_message_seconds)
    writer = JournalWriter(WaitingItems(None, health), store, spool, health)
    writer.cpu_budget = CpuBudget(read_answering_seconds=lambda: 0.0)
    writer.start()
    idle_since = time.monotonic()
    while not is_over.wait(_LOOK_SECONDS) and time.monotonic() - idle_since < IDLE_SECONDS:
        if spool.look_for_entries():
            idle_since = time.monotonic()
    end = time.monotonic() + _LAST_ENTRIES_SECONDS
    while spool.look_for_entries() and time.monotonic() < end:
        time.sleep(_LOOK_SECONDS)
    writer.stop(_LAST_ENTRIES_SECONDS / 2)
    store.close()


@contextlib.contextmanager
def _lock_folder(folder: Path) -> Iterator[None]:
    """Hold the lock of the process that drains the spool of a folder. Raises BlockingIOError if another has it."""
    path = folder / _LOCK_NAME
    with path.open("a") as lock:
        wait_for_lock(lock, path, 0.0)
        yield


def run_drainer() -> int:
    """Run the process, and return its exit code. Its options are the first line of standard input."""
    is_over = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: is_over.set())
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes of a terminal: the server ends this one
    server = open(sys.stdin.fileno(), "rb", buffering=0, closefd=False)  # noqa: SIM115 - without a buffer's lock
    line = server.readline()
    if not line:
        return 0  # the server has ended already
    options = DrainerOptions(*json.loads(line))

    def await_server_end() -> None:
        server.read()
        is_over.set()

    threading.Thread(target=await_server_end, name="server", daemon=True).start()
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(_lock_folder(Path(options.folder)))
        except BlockingIOError:
            return _DRAINED_BY_ANOTHER
        from callflows.web.log_lines import LogWriter, configure_logging  # noqa: PLC0415 - as in drain_until_idle

        log = LogWriter()
        configure_logging(log, options.log_format)
        log.start()
        drain_until_idle(options, is_over)
        log.stop()
    return 0


if __name__ == "__main__":
    sys.exit(run_drainer())
