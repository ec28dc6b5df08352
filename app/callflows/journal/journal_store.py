"""The database interface of the journal. ``sql_store`` implements the interface for SQLite and PostgreSQL."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeAlias

if TYPE_CHECKING:
    import re
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from callflows.telephony.ports import OptOutRequest


JournalRow: TypeAlias = "dict[str, Any]"
JournalEntry: TypeAlias = "tuple[str, JournalRow]"
"""A table name and a row with all columns. Values are plain, so that an entry can be spooled to a file."""


class CallFilter(NamedTuple):
    """Filter of the call log; an empty field matches every call.

    Moments are seconds since 1970. ``limit`` None means no limit.
    """

    number: str = ""
    caller: str = ""
    flow: str = ""
    outcome: str = ""
    state: str = ""
    since: float | None = None
    until: float | None = None
    limit: int | None = None


class StoredLease(NamedTuple):
    """The last holder of a lease, and the lease's mark (seconds since 1970)."""

    holder: str
    mark: float | None


class StoredCall(NamedTuple):
    """A call with its legs and the rows of every other table, oldest first."""

    call: JournalRow
    legs: Sequence[JournalRow]
    turns: Sequence[JournalRow]
    events: Sequence[JournalRow]
    messages: Sequence[JournalRow]
    recordings: Sequence[JournalRow]
    transcripts: Sequence[JournalRow]
    effects: Sequence[JournalRow]


def find_call_end(call: JournalRow) -> float | None:
    """Return the last reported moment of the end of a call; None if no end is reported."""
    end: float | None = call["destroy"] or call["finished"] or call["hangup"]
    return end


class JournalStore(Protocol):
    """Stores the journal. Every method blocks on the database and raises JournalUnavailableError during an outage."""

    def open(self) -> None:
        """Create or migrate the tables; any number of processes may call this at once."""

    def write_entries(self, entries: Sequence[JournalEntry]) -> None:
        """Write all entries durably, or no entry at all. Existing rows are merged.

        Raises JournalRejectionError if the database rejects an entry.
        """

    def list_calls(self, call_filter: CallFilter) -> Iterator[JournalRow]:
        """Return matching calls, newest first, each with its number of ``turns`` and ``legs``."""

    def load_call(self, call_id: str) -> StoredCall | None:
        """Return a call with all its rows; None if the id is unknown."""

    def list_call_ids(self, prefix: str, limit: int) -> Sequence[str]:
        """Return up to ``limit`` ids of calls and legs with a prefix, in order."""

    def claim_key(self, kind: str, key: str, at: float) -> bool:
        """Report whether this is the first claim of a key among all processes, as long as claims are retained."""

    def is_opted_out(self, number: str, other: str) -> bool:
        """Report whether messages from one of our numbers to another number are forbidden."""

    def store_opt_out(self, number: str, other: str, request: OptOutRequest) -> bool:
        """Store a STOP or START if the request replaces the stored one. Return whether the opt-out changed."""

    def list_held_effects(self, kind: str, before: float, limit: int) -> Sequence[JournalRow]:
        """Return effects of a kind that were requested before a moment and have no result yet."""

    def hold_lease(self, name: str, holder: str, now: float, seconds: float, mark: float | None = None) -> bool:
        """Acquire or renew a lease for some seconds. Return whether the holder has the lease.

        On success, a given ``mark`` is stored with the lease.
        """

    def load_lease(self, name: str) -> StoredLease | None:
        """Return the last holder of a lease and its mark; None if the lease was never held."""

    def erase_rows_before(self, moment: float, limit: int) -> int:
        """Erase a bounded number of old calls and of old rows without a call. Return the number of erased rows.

        Rows are old if they are older than ``moment``; ``limit`` is the maximum per query.
        """

    def forget_number(self, number: str, mention: re.Pattern[str], on_progress: Callable[[int], None]) -> Mapping[str, int]:
        """Erase the calls and messages of a number, and mask the number in all other rows.

        Returns the number of erased or changed rows per table.
        """

    def close(self) -> None:
        """Close all connections."""
