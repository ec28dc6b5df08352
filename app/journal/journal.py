"""The memory of an installation. Nobody waits for it: what happened is taken at once, and written by a thread of its own.

While the database is gone it waits in files; what is acknowledged is in the one or on the other, and on the disk.
"""

from __future__ import annotations

import asyncio
import collections
import concurrent.futures
import contextlib
import threading
import time
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import structlog

from app.answered import Answered
from app.errors import JournalError, StoreGone, StoreRefused
from app.journal.entries import entries_of
from app.journal.opening import Opening
from app.journal.questions import Reading
from app.journal.retention import Retention
from app.journal.share import Share

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from app.calls import Turn
    from app.happened import Happened, Settled
    from app.journal.spool import Spool
    from app.journal.store import Entry, Store

CAPACITY: Final = 20_000
"""Things that may wait in memory to be written."""
TURNS: Final = 300
"""Turns that may wait: each holds its document …"""
FEW: Final = 100
"""… and while callers need the processor: what waits long is dropped in the end, and costs callers the cache."""
TURNS_AT_ONCE: Final = 100
SHARE: Final = 0.03
BURST: Final = 0.02
BUSY: Final = 0.25
"""Of a processor, what writing turns may take in the long run, and (seconds) at once, where answering takes more than
``BUSY`` of it. Below that all turns are written: it is thousands of calls a second."""
PAUSE: Final = 0.05
"""Seconds between two looks at what waits: it is written within twice that, where the database is there."""
BATCH: Final = 1_000
"""Things that are written in one transaction."""
_AGAIN: Final = 1.0
"""Seconds after which a database that was gone is tried again."""
_OPENED: Final = 0.2
"""Seconds for which the database is awaited when it is opened, before what happens goes to files …"""
_AT_FIRST: Final = 4.0
_AT_LAST: Final = 1.0
"""… at the start, where it may have to be made, and at the end."""
_PATIENCE: Final = 10.0
"""Seconds for which whoever wants to know that something is written waits."""
_SAID_AGAIN: Final = 10.0
"""Seconds between two lines of the log that say what had to be dropped."""

_Done = concurrent.futures.Future[None]


class _Waiting(NamedTuple):
    """Something that is to be written, and who waits for it."""

    entries: list[Entry]
    done: _Done | None


class Journal(Reading):
    """What happened. ``remember`` is for whoever must not wait, ``record_now`` for whoever must be sure."""

    def __init__(
        self,
        store: Store,
        spool: Spool,
        told: Callable[[Turn], list[dict[str, Any]]],
        retention_days: int | None = None,
    ) -> None:
        """``told`` puts the trail of a turn into words."""
        super().__init__(store)
        self._spool = spool
        self._told = told
        self._retention = Retention(store, retention_days) if retention_days is not None else None
        self._coming: collections.deque[tuple[Answered | Happened | Settled, _Done | None]] = collections.deque()
        self._turns: collections.deque[Answered] = collections.deque()
        self._share: Share
        self._room = TURNS
        self._held: list[_Waiting] = []
        self._counts: collections.Counter[str] = collections.Counter()
        self._lost = 0
        self._said = float("-inf")
        self._opening = Opening(store)
        self._first = True
        self._gone = "it was not opened yet"
        self._retry_at = 0.0
        self._spooled = True
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def remember(self, what: Answered | Happened | Settled) -> None:
        """Take something to be written soon, or drop it where too much waits; never waits, never raises."""
        if isinstance(what, Answered):
            taken = len(self._turns) < self._room
            if taken:
                self._turns.append(what)
                if len(self._turns) == TURNS // 2:
                    self._wake.set()
        else:
            taken = len(self._coming) < CAPACITY
            if taken:
                self._coming.append((what, None))
        self._lost += not taken

    async def record_now(self, *happened: Happened) -> None:
        """Write reports; they are on the disk when this returns. Raises JournalError where they may not be."""
        if self._thread is None or self._stopping.is_set() or len(self._coming) + len(happened) > CAPACITY:
            raise JournalError("nothing can be written now")
        waiting = [_Done() for _ in happened]
        self._coming.extend(zip(happened, waiting, strict=True))
        self._wake.set()
        try:
            async with asyncio.timeout(_PATIENCE):
                await asyncio.gather(*map(asyncio.wrap_future, waiting))
        except TimeoutError:
            raise JournalError(f"it was not written within {_PATIENCE:.0f} seconds") from None

    def start(self) -> None:
        """Begin to write, in a thread that ends with the process; the database need not be there.

        The thread that calls this is the one that answers callers.
        """
        self._share = Share(SHARE, BURST, BUSY)
        self._thread = threading.Thread(target=self._work, name="journal", daemon=True)
        self._thread.start()
        if self._retention is not None:
            self._retention.start()

    def stop(self, grace: float = 5.0) -> None:
        """Write what waits, and end."""
        self._stopping.set()
        self._wake.set()
        if self._retention is not None:
            self._retention.stop()
        if self._thread is not None:
            self._thread.join(timeout=grace)
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._store.close()

    def state(self) -> dict[str, Any]:
        """How it is: ``database`` (ok; gone: the log says why), what waits in memory and in files, what was dropped."""
        return {
            "database": "gone" if self._gone else "ok",
            "waiting": len(self._coming) + len(self._turns) + len(self._held),
            "spooled_bytes": self._spool.bytes,
            "dropped": self._counts["dropped"] + self._lost,
        }

    def counts(self) -> Mapping[str, int]:
        """How much was ``written``, ``spooled`` (to be written later), ``refused`` (by the database), ``dropped``."""
        return {**dict.fromkeys(("written", "spooled", "refused", "dropped"), 0), **self._counts}

    def _work(self) -> None:
        while not self._stopping.is_set():
            self._wake.wait(PAUSE)
            self._wake.clear()
            self._flush()
        self._retry_at = 0.0
        self._flush()

    def _flush(self) -> None:
        """Write all that waits now, or what of it can be."""
        try:
            while (due := self._turns_due()) or self._coming or self._held:
                with self._share if due else contextlib.nullcontext():
                    self._take(TURNS_AT_ONCE if due else 0)
                    if self._held and not self._write():
                        return
            if self._spooled:
                self._back()
        except Exception as error:  # noqa: BLE001 - the thread goes on whatever breaks
            _log().exception("the journal broke", error=type(error).__name__)
            self._let_go(error)
        finally:
            self._say_lost()

    def _let_go(self, error: Exception) -> None:
        """Give up what was to be written when the journal broke, so that all else is: it may be what broke it."""
        held, self._held = self._held, []
        self._counts["refused"] += len(held)
        for waiting in held:
            _settle(waiting.done, JournalError(f"it cannot be written: {type(error).__name__}"))

    def _turns_due(self) -> bool:
        """Whether turns are to be written now: as many as take no more than their share of the processor."""
        if not self._turns or self._stopping.is_set():
            return bool(self._turns)
        left = self._share.left()
        self._room = FEW if self._share.busy else TURNS
        return left

    def _take(self, turns: int) -> None:
        """Make rows of what came, as far as there is room: what others report first, then some of our own turns."""
        while self._coming and len(self._held) < BATCH:
            self._hold(*self._coming.popleft())
        for _ in range(min(len(self._turns), turns, BATCH - len(self._held))):
            self._hold(self._turns.popleft(), None)

    def _hold(self, what: Answered | Happened | Settled, done: _Done | None) -> None:
        try:
            self._held.append(_Waiting(entries_of(what, self._told), done))
        except Exception as error:  # noqa: BLE001 - whatever it is, what comes after it is written
            self._counts["refused"] += 1
            _log().exception("something cannot be remembered", error=type(error).__name__)
            _settle(done, JournalError(f"it cannot be remembered: {type(error).__name__}"))

    def _write(self) -> bool:
        """Write what is held to the database, else to the files; whether that could be done at all."""
        entries = [entry for waiting in self._held for entry in waiting.entries]
        if self._reachable():
            try:
                self._store.write(entries)
            except StoreGone as error:
                self._lose(error)
            except StoreRefused:
                return self._write_each()
            else:
                return self._over("written")
        try:
            self._spooled = True
            self._spool.append(entries)
        except (OSError, JournalError) as error:
            return self._keep(error)
        return self._over("spooled")

    def _write_each(self) -> bool:
        """Find out what is refused; all else is written, unless the database goes in between."""
        while self._held:
            first = self._held[0]
            try:
                self._store.write(first.entries)
            except StoreRefused as error:
                self._refused(error)
                _settle(first.done, error)
            except StoreGone as error:
                self._lose(error)
                return True
            else:
                self._counts["written"] += 1
                _settle(first.done)
            del self._held[0]
        return True

    def _over(self, became: str) -> bool:
        """What was held is on a disk: whoever waits is told."""
        held, self._held = self._held, []
        self._counts[became] += len(held)
        for waiting in held:
            _settle(waiting.done)
        return True

    def _keep(self, error: Exception) -> bool:
        """Neither database nor disk takes anything: whoever waits is told, the rest is tried again."""
        held, self._held = self._held, [waiting for waiting in self._held if waiting.done is None]
        for waiting in held:
            _settle(waiting.done, JournalError(f"neither the database nor the disk takes it: {error}"))
        self._say("nothing can be written: what happens waits in memory", reason=str(error), waiting=len(self._coming))
        return False

    def _refused(self, error: Exception) -> None:
        self._counts["refused"] += 1
        ours = error.__cause__ if isinstance(error.__cause__, (ValueError, TypeError, ArithmeticError)) else None
        _log().error("the database refuses something for good", reason=str(error), exc_info=ours)

    def _reachable(self) -> bool:
        """Whether the database may be written to now; where it is back, all that waits in files is written first."""
        if self._gone and time.monotonic() < self._retry_at:
            return False
        return not (self._spooled or self._gone) or self._back()

    def _back(self) -> bool:
        """Open the database if need be, and write what waits in files; whether that went well."""
        if time.monotonic() < self._retry_at:
            return False
        try:
            if self._gone and not self._open():
                return False
            while self._spool.drain(self._replay):
                pass
        except (StoreGone, OSError) as error:
            self._lose(error)
            return False
        if self._gone:
            _log().info("the journal is written to its database")
        self._gone, self._spooled = "", False
        return True

    def _open(self) -> bool:
        """Whether the database is open; begins to open it."""
        first, self._first = self._first, False
        return self._opening.done(_AT_FIRST if first else _AT_LAST if self._stopping.is_set() else _OPENED)

    def _replay(self, entries: list[Entry]) -> None:
        """Write a segment; what of it is refused is left out."""
        try:
            self._store.write(entries)
        except StoreRefused:
            for entry in entries:
                try:
                    self._store.write([entry])
                except StoreRefused as error:
                    self._refused(error)

    def _lose(self, error: Exception) -> None:
        """The database is gone: say so once, and try again later."""
        self._retry_at = time.monotonic() + _AGAIN
        if not self._gone or self._said == float("-inf"):
            self._say("the database is gone: what happens waits in files, calls are answered", reason=str(error))
        self._gone = str(error) or type(error).__name__

    def _say_lost(self) -> None:
        if self._lost:
            lost, self._lost = self._lost, 0
            self._counts["dropped"] += lost
            self._say("the journal dropped what happened: too much waits", count=lost)

    def _say(self, event: str, **more: Any) -> None:  # noqa: ANN401 - plain values
        now = time.monotonic()
        if now - self._said >= _SAID_AGAIN:
            self._said = now
            _log().error(event, dropped=self._counts["dropped"], **more)


def _settle(done: _Done | None, error: Exception | None = None) -> None:
    if done is not None and done.set_running_or_notify_cancel():
        done.set_exception(error) if error else done.set_result(None)


def _log() -> structlog.typing.FilteringBoundLogger:
    log: structlog.typing.FilteringBoundLogger = structlog.get_logger("callflows.journal")
    return log
