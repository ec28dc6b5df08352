"""Caller lists as they were last read, for the compiler; a server reads big lists in threads of their own.

A list of a million rows takes seconds. In this time, the flows of other files must become live as ever.
"""

from __future__ import annotations

import dataclasses
import threading
from collections import OrderedDict
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Final, TypeAlias

from callflows.flows.caller_lists.caller_list_reader import read_caller_list
from callflows.flows.source.positions import ProblemReport

if TYPE_CHECKING:
    import pathlib

    from callflows.errors import Problem
    from callflows.flows.caller_lists.caller_list import CallerList
    from callflows.flows.source.positions import SourcePosition


BIG_LIST_BYTES: Final = 1_000_000
"""Larger lists are read in a thread of their own, if a flow can wait for them."""
_MAX_CACHED_LISTS: Final = 64
_ListState: TypeAlias = tuple[tuple[int, int, int] | None, date]
"""Time (ns), size and inode of a file, and the day of reading: expired lists are reported by day."""


@dataclasses.dataclass(frozen=True, slots=True)
class ListPlace:
    """A list's name and file, and the place in a flow file that names it."""

    name: str
    file: pathlib.Path
    flow_file: str
    position: SourcePosition


@dataclasses.dataclass(frozen=True, slots=True)
class ReadList:
    """A list with the problems of its file."""

    caller_list: CallerList
    problems: tuple[Problem, ...]


class CallerListCache:
    """The latest state of each list; a newer one takes the place of an older one. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lists: OrderedDict[ListPlace, tuple[_ListState, ReadList]] = OrderedDict()
        self._readers: dict[ListPlace, threading.Thread] = {}

    def __len__(self) -> int:
        return len(self._lists)

    def find_list(self, place: ListPlace) -> ReadList:
        """Return a list in its current state, and read it first if needed."""
        state = _get_state(place.file)
        return self._find_cached_list(place, state) or self._read_list(place, state)

    def request_list(self, place: ListPlace) -> ReadList | None:
        """Return a list, or None while a thread reads a big one: ask again later."""
        state = _get_state(place.file)
        found = self._find_cached_list(place, state)
        signature = state[0]
        if found is not None or signature is None or signature[1] <= BIG_LIST_BYTES:
            return found or self._read_list(place, state)
        with self._lock:
            if place not in self._readers:
                reader = threading.Thread(
                    target=self._read_in_background, args=(place, state), name="list-reader", daemon=True
                )
                self._readers[place] = reader
                reader.start()
        return None

    def _find_cached_list(self, place: ListPlace, state: _ListState) -> ReadList | None:
        with self._lock:
            known = self._lists.get(place)
            return known[1] if known is not None and known[0] == state else None

    def _read_list(self, place: ListPlace, state: _ListState) -> ReadList:
        report = ProblemReport(place.flow_file)
        report.positions[()] = place.position
        midnight = datetime.combine(state[1], datetime.min.time(), UTC)
        found = read_caller_list(place.name, place.file, report, (), midnight)
        result = ReadList(found, tuple(report.problems))
        with self._lock:
            self._lists[place] = state, result
            self._lists.move_to_end(place)
            if len(self._lists) > _MAX_CACHED_LISTS:
                self._lists.popitem(last=False)
        return result

    def _read_in_background(self, place: ListPlace, state: _ListState) -> None:
        try:
            self._read_list(place, state)
        finally:
            with self._lock:
                del self._readers[place]


CALLER_LIST_CACHE: Final = CallerListCache()
"""The lists of this process."""


def _get_state(file: pathlib.Path) -> _ListState:
    today = datetime.now(UTC).date()
    try:
        found = file.stat()
    except OSError:
        return None, today
    return (found.st_mtime_ns, found.st_size, found.st_ino), today
