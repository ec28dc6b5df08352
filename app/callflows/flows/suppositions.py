"""Suppositions of a rehearsal, which override the flow file and the clock. Live calls have no suppositions."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING, Final

from callflows.flows.caller_lists.caller_list import ANONYMOUS_LIST_ENTRY, CallerList, CallerListRow
from callflows.flows.hours.overrides import HoursOverride
from callflows.telephony.phone_numbers import parse_e164

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from zoneinfo import ZoneInfo

    from callflows.language import Dialect


_SUPPOSED_ROW_REASON: Final = "supposed"
_MAX_PREFIX_DIGITS: Final = 15


@dataclasses.dataclass(frozen=True, slots=True)
class Suppositions:
    """``hours`` pairs names with open (True) or closed for the day of the call. ``lists`` pairs names with more callers.

    A call that requests a node in ``failing_nodes`` gets the answer to a failure.
    """

    dialect: Dialect | None = None
    hours: tuple[tuple[str, bool], ...] = ()
    lists: tuple[tuple[str, tuple[str, ...]], ...] = ()
    failing_nodes: tuple[str, ...] = ()

    def make_overrides(
        self, flow_name: str, name: str, moment: datetime, zone: ZoneInfo | None
    ) -> tuple[HoursOverride, ...]:
        """Return the override of hours at a moment. The override ends with the day, so that a next opening exists."""
        is_open = dict(self.hours).get(name)
        if is_open is None:
            return ()
        here = moment.astimezone(zone or UTC)
        until = datetime.combine(here.date() + timedelta(days=1), time(), here.tzinfo)
        return (HoursOverride(flow_name, name, is_open, None, until),)

    def with_supposed_callers(self, caller_list: CallerList) -> CallerList:
        """Return a caller list that also contains the supposed callers."""
        more = [normalize_list_entry(written) for written in dict(self.lists).get(caller_list.name, ())]
        if not more:
            return caller_list
        row = CallerListRow(_SUPPOSED_ROW_REASON)
        return CallerList(
            caller_list.name,
            {**caller_list.numbers, **{int(entry[1:]): row for entry in more if entry[:1] == "+" and entry[-1] != "*"}},
            {**caller_list.prefixes, **{entry[1:-1]: row for entry in more if entry[-1:] == "*"}},
            row if ANONYMOUS_LIST_ENTRY in more else caller_list.anonymous_row,
        )


def normalize_list_entry(entry: str) -> str:
    """Return a list entry as ``+12015550123``, ``+1201*`` or ``anonymous``; an empty text for an invalid entry."""
    text = entry.strip()
    if text.lower() == ANONYMOUS_LIST_ENTRY:
        return ANONYMOUS_LIST_ENTRY
    digits = text.removesuffix("*").lstrip("+")
    if text.endswith("*"):
        return f"+{digits}*" if digits.isascii() and digits.isdecimal() and len(digits) <= _MAX_PREFIX_DIGITS else ""
    return parse_e164(text)


NO_SUPPOSITIONS: Final = Suppositions()


def make_override_lookup(
    suppositions: Suppositions, flow_name: str, find_real_overrides: Callable[[str], tuple[HoursOverride, ...]]
) -> Callable[[str, datetime, ZoneInfo | None], Sequence[HoursOverride]]:
    """Return a function that finds the overrides of hours at a moment: the real overrides, then the supposed ones above."""
    if not suppositions.hours:
        return lambda name, _at, _zone: find_real_overrides(name)
    return lambda name, at, zone: (*find_real_overrides(name), *suppositions.make_overrides(flow_name, name, at, zone))
