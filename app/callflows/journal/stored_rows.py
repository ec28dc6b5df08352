"""The plain values that the journal's store takes and returns."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias, TypeVar

from callflows.telephony.call_states import FIRST_ENDED_RANK

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from callflows.flows.document_comments import ElementPlace


_Value = TypeVar("_Value")
JournalRow: TypeAlias = "dict[str, Any]"
JournalEntry: TypeAlias = "tuple[str, JournalRow]"
"""A table name and a row with all columns. Values are plain, so that an entry can be spooled to a file."""


_VALUES_PER_STATEMENT: Final = 500
"""Databases limit the parameters of a statement; SQLite before 3.32 to 999."""


def split_list(values: Sequence[_Value]) -> Iterator[Sequence[_Value]]:
    """Yield the values in parts that fit into one statement."""
    for start in range(0, len(values), _VALUES_PER_STATEMENT):
        yield values[start : start + _VALUES_PER_STATEMENT]


class CallFilter(NamedTuple):
    """Filter of the call log; an empty field matches every call.

    ``ending`` is a key of ENDING_WORDS. Moments are seconds since 1970. ``limit`` None means no limit. ``node`` is a node
    that the call came to. ``after`` is the start and the id of the last call of the page before. ``text`` is a part of a
    number or of the caller's name. ``is_going`` means only calls of which Opentact reported a state, and no end.
    ``final_endings`` means only calls that are over and ended in one of these ways.
    """

    number: str = ""
    caller: str = ""
    flow: str = ""
    ending: str = ""
    state: str = ""
    since: float | None = None
    until: float | None = None
    limit: int | None = None
    node: str = ""
    ids: tuple[str, ...] = ()
    after: tuple[float, str] | None = None
    text: str = ""
    is_going: bool = False
    final_endings: tuple[str, ...] = ()


class StoredLease(NamedTuple):
    """The last holder of a lease, and the lease's mark (seconds since 1970)."""

    holder: str
    mark: float | None


class StoredCall(NamedTuple):
    """A call with its legs and its rows of the other tables, oldest first. A query may leave out tables with a default.

    ``places`` has the places of the elements of the turns' documents, by key and path, ``files`` the names of flow files by
    flow and version.
    """

    call: JournalRow
    legs: Sequence[JournalRow]
    turns: Sequence[JournalRow]
    events: Sequence[JournalRow]
    recordings: Sequence[JournalRow]
    places: Mapping[str, Mapping[str, ElementPlace]]
    messages: Sequence[JournalRow] = ()
    transcripts: Sequence[JournalRow] = ()
    effects: Sequence[JournalRow] = ()
    notes: Sequence[JournalRow] = ()
    files: Mapping[tuple[str, str], str] = MappingProxyType({})

    @property
    def own_events(self) -> list[JournalRow]:
        """The events of the call itself, without those of its legs."""
        return [event for event in self.events if event["call"] == self.call["id"]]


CALL_END_COLUMNS: Final = ("destroy", "finished", "hangup")
"""Columns of CALLS_TABLE with a reported moment of the end of a call, the last moment first."""


def find_call_end(call: JournalRow) -> float | None:
    """Return the last reported moment of the end of a call; None if no moment is reported."""
    return next((call[column] for column in CALL_END_COLUMNS if call[column]), None)


def find_hangup(call: JournalRow) -> float | None:
    """Return the moment at which somebody hung up, or else the last reported moment of the end."""
    hangup: float | None = call["hangup"]
    return hangup or find_call_end(call)


def is_call_over(call: JournalRow) -> bool:
    """Return True if the end of a call or leg is reported. ``IS_OVER`` is the same in SQL.

    The moments of ``hangup`` and ``destroy`` need no look: they imply a state. ``finished`` implies none.
    """
    return (call["state"] or "") >= FIRST_ENDED_RANK or call["finished"] is not None
