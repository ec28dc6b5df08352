"""What the journal needs of a database; ``sql`` is the one that is there, for SQLite and PostgreSQL."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeAlias

if TYPE_CHECKING:
    import re
    from collections.abc import Callable, Iterator, Mapping, Sequence

Row: TypeAlias = "dict[str, Any]"
Entry: TypeAlias = "tuple[str, Row]"
"""A table's name, and a row of it with all its columns: plain values only, so that it can wait in a file."""


class Filter(NamedTuple):
    """Which calls; what is empty does not matter. Moments are seconds since 1970, ``limit`` None is all of them."""

    number: str = ""
    caller: str = ""
    flow: str = ""
    outcome: str = ""
    state: str = ""
    since: float | None = None
    until: float | None = None
    limit: int | None = None


class Lease(NamedTuple):
    """Who held a lease last, and the mark (seconds since 1970) that is kept with it."""

    holder: str
    mark: float | None


class Told(NamedTuple):
    """All that is kept of one call: its row, those of its legs, and the rows of each other table, oldest first."""

    call: Row
    legs: Sequence[Row]
    turns: Sequence[Row]
    events: Sequence[Row]
    messages: Sequence[Row]
    recordings: Sequence[Row]
    transcripts: Sequence[Row]
    effects: Sequence[Row]


class Store(Protocol):
    """Keeps the journal. Everything here waits for the database, and raises StoreGone where it cannot be reached."""

    def open(self) -> None:
        """Make the tables, or bring them up to date; any number of processes may do so at once."""

    def write(self, entries: Sequence[Entry]) -> None:
        """Write all of these durably, or none; what is there already is merged. Raises StoreRefused where one is wrong."""

    def calls(self, wanted: Filter) -> Iterator[Row]:
        """Calls, the newest first, each with how many ``turns`` and ``legs`` it has."""

    def told(self, call: str) -> Told | None:
        """All that is kept of a call; None where there is none of that id."""

    def ids(self, prefix: str, most: int) -> Sequence[str]:
        """Up to ``most`` ids of calls and legs that begin so, in order."""

    def claim(self, kind: str, key: str, at: float) -> bool:
        """Whether this is the first to claim a key; of all processes and for as long as claims are kept."""

    def opted_out(self, number: str, other: str) -> bool:
        """Whether nothing may be sent from a number of ours to another."""

    def opt(self, number: str, other: str, at: float, *, out: bool) -> bool:
        """Keep a STOP or a START; whether that changed anything. The latest counts, of two at once the STOP."""

    def held(self, kind: str, before: float, most: int) -> Sequence[Row]:
        """Effects of a kind that were wanted before a moment, and of which nothing became yet."""

    def hold(self, name: str, holder: str, now: float, seconds: float, mark: float | None = None) -> bool:
        """Whether a lease is this holder's, from now on for some seconds; where it is, its mark is set if one is given."""

    def lease(self, name: str) -> Lease | None:
        """Who held a lease last, and its mark; None where nobody ever did."""

    def erase_before(self, moment: float, most: int) -> int:
        """Erase a bounded number of calls and of what belongs to none that are older; how many rows that were."""

    def forget(self, number: str, mentioned: re.Pattern[str], on_progress: Callable[[int], None]) -> Mapping[str, int]:
        """Erase the calls and messages of a number, and take it out of all others; how many rows of which table."""

    def close(self) -> None:
        """End all connections."""
