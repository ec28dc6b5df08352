"""What the journal needs of a database; ``sql`` is the one that is there, for SQLite and PostgreSQL."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeAlias

if TYPE_CHECKING:
    import re
    from collections.abc import Callable, Iterator, Mapping, Sequence


JournalRow: TypeAlias = "dict[str, Any]"


JournalEntry: TypeAlias = "tuple[str, JournalRow]"
"""A table's name, and a row of it with all its columns: plain values only, so that it can wait in a file."""


class CallFilter(NamedTuple):
    """Which calls; what is empty does not matter. Moments are seconds since 1970, ``limit`` None is all of them."""

    number: str = ""
    caller: str = ""
    flow: str = ""
    outcome: str = ""
    state: str = ""
    since: float | None = None
    until: float | None = None
    limit: int | None = None


class StoredLease(NamedTuple):
    """Who held a lease last, and the mark (seconds since 1970) that is kept with it."""

    holder: str
    mark: float | None


class StoredCall(NamedTuple):
    """All that is kept of one call: its row, those of its legs, and the rows of each other table, oldest first."""

    call: JournalRow
    legs: Sequence[JournalRow]
    turns: Sequence[JournalRow]
    events: Sequence[JournalRow]
    messages: Sequence[JournalRow]
    recordings: Sequence[JournalRow]
    transcripts: Sequence[JournalRow]
    effects: Sequence[JournalRow]


class JournalStore(Protocol):
    """Keeps the journal. Everything here waits for the database, and raises StoreGone where it cannot be reached."""

    def open(self) -> None:
        """Make the tables, or bring them up to date; any number of processes may do so at once."""

    def write_entries(self, entries: Sequence[JournalEntry]) -> None:
        """Write all of these durably, or none; what is there already is merged. Raises StoreRefused where one is wrong."""

    def list_calls(self, call_filter: CallFilter) -> Iterator[JournalRow]:
        """Calls, the newest first, each with how many ``turns`` and ``legs`` it has."""

    def load_call(self, call_id: str) -> StoredCall | None:
        """All that is kept of a call; None where there is none of that id."""

    def list_call_ids(self, prefix: str, limit: int) -> Sequence[str]:
        """Up to ``most`` ids of calls and legs that begin so, in order."""

    def claim_key(self, kind: str, key: str, at: float) -> bool:
        """Whether this is the first to claim a key; of all processes and for as long as claims are kept."""

    def is_opted_out(self, number: str, other: str) -> bool:
        """Whether nothing may be sent from a number of ours to another."""

    def store_opt_out(self, number: str, other: str, at: float, *, out: bool) -> bool:
        """Keep a STOP or a START; whether that changed anything. The latest counts, of two at once the STOP."""

    def list_held_effects(self, kind: str, before: float, limit: int) -> Sequence[JournalRow]:
        """Effects of a kind that were wanted before a moment, and of which nothing became yet."""

    def hold_lease(self, name: str, holder: str, now: float, seconds: float, mark: float | None = None) -> bool:
        """Whether a lease is this holder's, from now on for some seconds; where it is, its mark is set if one is given."""

    def load_lease(self, name: str) -> StoredLease | None:
        """Who held a lease last, and its mark; None where nobody ever did."""

    def erase_rows_before(self, moment: float, limit: int) -> int:
        """Erase a bounded number of calls and of what belongs to none that are older; how many rows that were."""

    def forget_number(self, number: str, mention: re.Pattern[str], on_progress: Callable[[int], None]) -> Mapping[str, int]:
        """Erase the calls and messages of a number, and take it out of all others; how many rows of which table."""

    def close(self) -> None:
        """End all connections."""
