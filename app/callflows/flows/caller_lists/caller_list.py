"""Caller lists, for screening callers in conditions.

A list is a CSV file with rows ``number or prefix*, reason, until``. The list is read once and is immutable; a call sees
the rows valid at the moment of the call.
"""

from __future__ import annotations

import dataclasses
import math
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, NamedTuple

from callflows.telephony.calls import Caller
from callflows.telephony.phone_numbers import PhoneNumber, parse_caller_number

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import tzinfo


ANONYMOUS_LIST_ENTRY: Final = "anonymous"
"""Row for callers with anonymous caller ID."""
_MAX_LOOKUP_CHARACTERS: Final = 64
"""Longer texts are not looked up, because no number is longer."""


class CallerListRow(NamedTuple):
    """Reason and expiry of an entry; ``until`` without offset is on the flow's wall clock."""

    reason: str = ""
    until: datetime | None = None

    @property
    def end_timestamp(self) -> float:
        """Return the expiry in seconds since the epoch, infinity if none; the zone is UTC if unknown."""
        if self.until is None:
            return math.inf
        return (self.until if self.until.tzinfo else self.until.replace(tzinfo=UTC)).timestamp()

    def applies_at(self, moment: datetime, zone: tzinfo | None) -> bool:
        """Return True if the row is valid at a moment (with offset)."""
        if self.until is None:
            return True
        until = self.until if self.until.tzinfo else self.until.replace(tzinfo=zone or UTC)
        return moment.timestamp() < until.timestamp()


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class CallerList:
    """A list of callers: numbers as integers, prefixes as digits. Lookup time does not depend on the size."""

    name: str
    numbers: Mapping[int, CallerListRow] = dataclasses.field(default_factory=dict)
    prefixes: Mapping[str, CallerListRow] = dataclasses.field(default_factory=dict)
    anonymous_row: CallerListRow | None = None
    _prefix_lengths: tuple[int, ...] = dataclasses.field(init=False, default=())

    def __post_init__(self) -> None:
        lengths = sorted({len(prefix) for prefix in self.prefixes}, reverse=True)
        object.__setattr__(self, "_prefix_lengths", tuple(lengths))

    def __len__(self) -> int:
        return len(self.numbers) + len(self.prefixes) + (self.anonymous_row is not None)

    def at_moment(self, moment: datetime, zone: tzinfo | None = None) -> CallerListView:
        """Return the list at a moment (with offset), for a flow in a zone (default UTC)."""
        return CallerListView(self, moment, zone)

    def find_row(self, number: str, moment: datetime, zone: tzinfo | None) -> CallerListRow | None:
        """Return the valid row of a number in E.164, or of an anonymous caller if ``number`` is empty.

        An exact number wins over a prefix, a longer prefix over a shorter one.
        """
        if not number:
            return self.anonymous_row if self.anonymous_row and self.anonymous_row.applies_at(moment, zone) else None
        digits = number[1:]
        if not (number[0] == "+" and digits.isascii() and digits.isdecimal()):
            return None
        found = self.numbers.get(int(digits))
        if found and found.applies_at(moment, zone):
            return found
        for length in self._prefix_lengths:
            found = self.prefixes.get(digits[:length])
            if found and found.applies_at(moment, zone):
                return found
        return None


class CallerListView:
    """A list at a moment, for expressions: ``caller in lists.spam``, ``number in lists.vip``."""

    __slots__ = ("_list", "_moment", "_zone")

    def __init__(self, caller_list: CallerList, moment: datetime, zone: tzinfo | None) -> None:
        self._list = caller_list
        self._moment = moment
        self._zone = zone

    def __contains__(self, caller: object) -> bool:
        """Return True if the list contains a caller or a number in any notation; an empty text is never listed."""
        return self._find_row(caller) is not None

    def reason(self, caller: object) -> str:
        """Return the reason of an entry, ``listed`` if the row has none, or "" if the caller is not listed."""
        row = self._find_row(caller)
        return "" if row is None else row.reason or "listed"

    def _find_row(self, caller: object) -> CallerListRow | None:
        if isinstance(caller, Caller):
            return self._list.find_row(caller.number, self._moment, self._zone)
        if isinstance(caller, int) and not isinstance(caller, bool):
            caller = str(caller) if 0 < caller < _NUMBER_LIMIT else ""
        if (
            not isinstance(caller, str)
            or len(caller) > _MAX_LOOKUP_CHARACTERS
            or (not caller and not isinstance(caller, PhoneNumber))
        ):
            return None
        return self._list.find_row(parse_caller_number(caller), self._moment, self._zone)

    def __str__(self) -> str:
        return self._list.name


_NUMBER_LIMIT: Final = 10**15
