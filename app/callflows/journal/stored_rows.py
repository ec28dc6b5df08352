"""The plain values that the journal's store takes and returns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Sequence


JournalRow: TypeAlias = "dict[str, Any]"
JournalEntry: TypeAlias = "tuple[str, JournalRow]"
"""A table name and a row with all columns. Values are plain, so that an entry can be spooled to a file."""


class CallFilter(NamedTuple):
    """Filter of the call log; an empty field matches every call.

    ``outcome`` is a key of ENDING_WORDS. Moments are seconds since 1970. ``limit`` None means no limit.
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
