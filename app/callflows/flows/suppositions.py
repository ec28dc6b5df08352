"""What a rehearsal supposes of a flow, whatever its file and the clock say. Live calls suppose nothing."""

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

    from callflows.flows.flow import Flow
    from callflows.language import Dialect
    from callflows.telephony.turn import Turn


_SUPPOSED_ROW_REASON: Final = "supposed"


_MAX_PREFIX_DIGITS: Final = 15


@dataclasses.dataclass(frozen=True, slots=True)
class Suppositions:
    """``hours`` are names with whether they are open on the day of the call, ``lists`` names with who is in them.

    ``breaks`` are nodes that break when a call comes to ask for them.
    """

    dialect: Dialect | None = None
    hours: tuple[tuple[str, bool], ...] = ()
    lists: tuple[tuple[str, tuple[str, ...]], ...] = ()
    failing_nodes: tuple[str, ...] = ()

    def make_overrides(
        self, flow_name: str, name: str, moment: datetime, zone: ZoneInfo | None
    ) -> tuple[HoursOverride, ...]:
        """The override of hours at a moment: until the end of its day, so that there is a next opening."""
        is_open = dict(self.hours).get(name)
        if is_open is None:
            return ()
        here = moment.astimezone(zone or UTC)
        until = datetime.combine(here.date() + timedelta(days=1), time(), here.tzinfo)
        return (HoursOverride(flow_name, name, is_open, None, until),)

    def with_failing_nodes(self, flow: Flow) -> Flow:
        """A flow in which nodes break: whoever asks for one gets what the engine answers then."""
        if not self.failing_nodes:
            return flow
        broken = {
            node: dict.fromkeys(entries, (_fail_node,)) if node.partition(".")[0] in self.failing_nodes else entries
            for node, entries in flow.documents.items()
        }
        return dataclasses.replace(flow, documents=broken, _prepared_fragments={})

    def with_supposed_callers(self, caller_list: CallerList) -> CallerList:
        """A list with those who are supposed to be in it."""
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


class SimulatedNodeFailure(Exception):
    """A node breaks since a scenario says so."""


def _fail_node(_turn: Turn) -> str:
    raise SimulatedNodeFailure("the scenario says that it breaks")


def normalize_list_entry(entry: str) -> str:
    """Who is in a list, as a row says it: ``+12015550123``, ``+1201*``, ``anonymous``; nothing where it is none of them."""
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
    """The overrides of a flow's hours by name at a moment: the real ones, and above them what is supposed."""
    if not suppositions.hours:
        return lambda name, _at, _zone: find_real_overrides(name)
    return lambda name, at, zone: (*find_real_overrides(name), *suppositions.make_overrides(flow_name, name, at, zone))
