"""Caller lists, and how often a caller has rung: what a flow screens its callers by.

A list is a CSV file of rows ``number or prefix*, reason, until``. It is read once and never changes; a call looks at it as
it holds at the moment of the call.
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
"""A row for callers who withhold their number."""


_MAX_LOOKUP_CHARACTERS: Final = 64
"""Characters of a text that is looked up; no number is longer."""


class CallerListRow(NamedTuple):
    """What a list says of a number: the reason, and until when; ``until`` without an offset is the flow's wall clock."""

    reason: str = ""
    until: datetime | None = None

    @property
    def end_timestamp(self) -> float:
        """When it ends, as seconds since the epoch, as far as one can say without a zone."""
        if self.until is None:
            return math.inf
        return (self.until if self.until.tzinfo else self.until.replace(tzinfo=UTC)).timestamp()

    def applies_at(self, moment: datetime, zone: tzinfo | None) -> bool:
        """Whether the row counts at a moment (with its offset)."""
        if self.until is None:
            return True
        until = self.until if self.until.tzinfo else self.until.replace(tzinfo=zone or UTC)
        return moment.timestamp() < until.timestamp()


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class CallerList:
    """A list of callers. Numbers are kept as integers, prefixes by their digits; look-up does not depend on their count."""

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
        """The list as it holds at a moment (with its offset), for a flow in a zone; UTC without one."""
        return CallerListView(self, moment, zone)

    def find_row(self, number: str, moment: datetime, zone: tzinfo | None) -> CallerListRow | None:
        """The row that holds for a number in E.164, or for nobody's: exact, else the longest prefix."""
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
    """A list at a moment, as an expression sees it: ``caller in lists.spam``, ``number in lists.vip``."""

    __slots__ = ("_list", "_moment", "_zone")

    def __init__(self, caller_list: CallerList, moment: datetime, zone: tzinfo | None) -> None:
        self._list = caller_list
        self._moment = moment
        self._zone = zone

    def __contains__(self, caller: object) -> bool:
        """Whether a caller or a number, however it is written, is in the list; an empty text of the flow's is nobody."""
        return self._find_row(caller) is not None

    def reason(self, caller: object) -> str:
        """Why somebody is in the list, ``listed`` where the row does not say; nothing where he is not."""
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
