"""Erases stored data in time: a call when its days are over, a number when somebody asks for it."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from typing import TYPE_CHECKING, Final, NamedTuple

from callflows.errors import JournalError
from callflows.journal.erasure import compile_mention_pattern, mask_mentions
from callflows.log import get_logger
from callflows.telephony.phone_numbers import parse_caller_number

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from callflows.journal.spool import Spool
    from callflows.journal.sql_store import SqlStore
    from callflows.journal.stored_rows import JournalEntry


_LOG: Final = get_logger("journal")
FIRST_ERASURE_SECONDS: Final = 10.0
"""Delay of the first erasure after the start, in seconds."""
ERASURE_INTERVAL_SECONDS: Final = 3600.0
"""Interval between erasures, in seconds."""
MAX_LOOK_PAUSE_SECONDS: Final = 2 * 86_400.0
"""Time between two looks at the clock that is no sign of a wrong clock, in seconds: a server may be off for a weekend."""
CLOCK_DOUBT_SECONDS: Final = 86_400.0
"""Time after which a clock that was set forward is trusted, in seconds."""
_CLOCK_TEXT: Final = "retention-clock"
"""Name of the shared text with the last look at the clock."""
_ERASURE_PAUSE_SECONDS: Final = 0.05
_CALLS_PER_TRANSACTION: Final = 500
"""Maximum number of calls per transaction."""
_SECONDS_PER_DAY: Final = 86_400.0


class Retention:
    """Erases calls older than a number of days, in a daemon thread."""

    # No BackgroundThread: a stop must not begin another erasure, and ends the pauses within one.
    def __init__(self, store: SqlStore, days: int) -> None:
        self._store = store
        self._days = days
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run_erasure, name="retention", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Stop after the running transaction; wait at most 5 seconds."""
        self._stopping.set()
        if self._thread.is_alive():  # not if another part of the server could not start
            self._thread.join(timeout=5)

    def _run_erasure(self) -> None:
        pause = FIRST_ERASURE_SECONDS
        while not self._stopping.wait(pause):
            pause = ERASURE_INTERVAL_SECONDS
            erased = 0
            with contextlib.suppress(JournalError):  # the writer logs the outage of the database
                now = find_trusted_time(self._store, time.time())
                while now is not None and (
                    some := self._store.erase_rows_before(now - self._days * _SECONDS_PER_DAY, _CALLS_PER_TRANSACTION)
                ):
                    erased += some
                    if self._stopping.wait(_ERASURE_PAUSE_SECONDS):
                        break
            if erased:
                _LOG.info("what was too old is erased", rows=erased, days=self._days)


def find_trusted_time(store: SqlStore, now: float) -> float | None:
    """Return the present by the clock; None as long as the clock may be wrong: what is erased too early is lost.

    A clock that is days ahead of the last look of any server is trusted after a day in which nobody has set it right: the
    servers may have been off for so long. Raises JournalUnavailableError.
    """
    before = store.load_shared_text(_CLOCK_TEXT) or ""
    look = _ClockLook(**json.loads(before)) if before else _ClockLook(now)
    is_same_doubt = look.doubted > 0 and 0 <= now - look.seen <= MAX_LOOK_PAUSE_SECONDS
    is_plausible = now - look.trusted <= MAX_LOOK_PAUSE_SECONDS  # it goes on as it did, or was set back
    if is_plausible or (is_same_doubt and now - look.doubted >= CLOCK_DOUBT_SECONDS):
        look = _ClockLook(now)
    else:
        look = _ClockLook(look.trusted, look.doubted if is_same_doubt else now, now)
    if not store.replace_shared_text(_CLOCK_TEXT, before, json.dumps(look._asdict())):
        return None  # another server looks at the same moment: the next look is in an hour
    if not look.doubted:
        return now
    days = (now - look.trusted) / _SECONDS_PER_DAY
    _LOG.error(
        "nothing is erased: the clock is far ahead of the last look at it; if it is wrong, set it right",
        days_ahead=round(days, 1),
        hours_left=round((look.doubted + CLOCK_DOUBT_SECONDS - now) / 3600, 1),
    )
    return None


class _ClockLook(NamedTuple):
    """The last look at the clock: the last trusted moment; since when a later one is doubted, and the last doubted one."""

    trusted: float
    doubted: float = 0.0
    seen: float = 0.0


def forget_number(store: SqlStore, spool: Spool, number: str, on_progress: Callable[[int], None]) -> Mapping[str, int]:
    """Forget a phone number or the login name of a SIP user. Return the number of erased or changed rows per table.

    The key ``spool`` counts the entries in spool files. Raises JournalUnavailableError.
    """
    number = parse_caller_number(number) or number
    mentioned = compile_mention_pattern(number)

    def forget_in_entry(entry: JournalEntry) -> JournalEntry | None:
        table, row = entry
        mine = table in ("calls", "messages") and number in (
            row.get(name) for name in ("caller", "number", "sender", "recipient")
        )
        return None if mine else (table, {**row, **mask_mentions(row, mentioned)})

    waiting = spool.rewrite_entries(forget_in_entry)
    found = {**store.forget_number(number, mentioned, on_progress)}
    return found | ({"spool": waiting} if waiting else {})
