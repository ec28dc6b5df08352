"""The sections of a flow file beside its nodes: hours, caller lists, hunt groups, variables and the dial policy."""

from __future__ import annotations

import functools
import pathlib
import re
import types
from typing import TYPE_CHECKING, Any, Final

from callflows.errors import CallerListAwaitedError
from callflows.flows.entry_points import UNCLAIMED_NUMBERS
from callflows.flows.expressions.empty_texts import is_spoken_text
from callflows.flows.expressions.expression_scope import LIST_SCOPE, MOMENT_SCOPE, SCOPE_LEAF
from callflows.flows.expressions.value_names import check_value_name
from callflows.flows.hours.hours_reader import read_opening_hours
from callflows.flows.hours.spoken_times import HoursStatus
from callflows.flows.source.compile_time_limit import COMPILE_TIME_LIMIT
from callflows.flows.source.directory_entry import read_directory
from callflows.flows.source.flow_file import parse_claimed_number
from callflows.flows.source.hunt_group import HuntGroup
from callflows.flows.source.number_values import check_number_values
from callflows.flows.source.shape_validation import validate_shape
from callflows.flows.source.time_zones import find_zone_country
from callflows.flows.source.voice_attributes import read_language_voices, read_voice_attributes
from callflows.telephony.calls import LocalTime
from callflows.telephony.phone_numbers import find_calling_code
from callflows.telephony.truth_words import reads_like_no
from callflows.telephony.turn import MISSING, MissingValue, Variables

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime
    from zoneinfo import ZoneInfo

    from callflows.flows.caller_lists.caller_list import CallerList
    from callflows.flows.dial_policy.target_policy import DialPolicy
    from callflows.flows.expressions.expression_scope import ScopeFields
    from callflows.flows.hours.opening_hours import OpeningHours, OpeningState
    from callflows.flows.hours.overrides import HoursOverride
    from callflows.flows.source.flow_file import FlowFile
    from callflows.flows.source.positions import ProblemReport, SourcePath
    from callflows.flows.suppositions import Suppositions
    from callflows.telephony.turn import Turn


_HOURS_SCOPE: Final[ScopeFields] = {
    "open": SCOPE_LEAF,
    "status": SCOPE_LEAF,
    "next_opening": MOMENT_SCOPE,
    "next_closing": MOMENT_SCOPE,
}


def _is_filled(value: object) -> bool:
    return is_spoken_text(value) if isinstance(value, str) else bool(value)


class FlowSections:
    """``scope`` describes the names for expressions. ``resolve`` returns the values for a turn."""

    def __init__(
        self,
        flow_file: FlowFile,
        report: ProblemReport,
        folder: pathlib.Path,
        dependencies: set[pathlib.Path],
        dial_regions: frozenset[str] | None,
        find_overrides: Callable[[str, datetime, ZoneInfo | None], Sequence[HoursOverride]],
        suppositions: Suppositions,
        *,
        may_await_lists: bool,
    ) -> None:
        """``find_overrides`` returns the overrides of hours by name and moment.

        Every file read is added to ``dependencies``. Raises CallerListAwaitedError if lists may be awaited and a thread
        still reads a big one.
        """
        self._may_await_lists = may_await_lists
        self._flow_file = flow_file
        self._dial_regions = dial_regions
        self._find_overrides = find_overrides
        self._suppositions = suppositions
        self._report = report
        self.voice = read_voice_attributes(flow_file.voice, ("voice",), report)
        self.languages = read_language_voices(flow_file.languages, self.voice, report)
        if self.languages:
            default = next(iter(self.languages.values()))
            self.voice = {**default, **{name: value for name, value in self.voice.items() if name not in default}}
        self.groups = self._read_groups()
        self.directory = read_directory(flow_file.directory, report)
        self.variables = {
            name: value for name, value in flow_file.variables.items() if self._check_name(("variables",), name)
        }
        for name, value in self.variables.items():
            self._check_constant(("variables", name), value)
        self._variables_by_number = self._read_number_values()
        """Variables by the number called (E.164, a prefix as ``+1201*``, or ``rest``); empty if they are all the same."""
        self.hours = self._read_hours()
        self.lists = self._read_lists(folder, dependencies)
        # A value with an error is dropped; its name stays known, so that one mistake brings one message.
        self.scope: Mapping[str, ScopeFields] = {
            "hours": dict.fromkeys([*self.hours, *report.list_faulty_names("hours")], _HOURS_SCOPE),
            "lists": {name: {} for name in [*self.lists, *report.list_faulty_names("lists")]},
            "variables": {
                **dict.fromkeys(report.list_faulty_names("variables"), SCOPE_LEAF),
                **{
                    name: SCOPE_LEAF if isinstance(value, str) else LIST_SCOPE
                    for values in (self.variables, *self._variables_by_number.values())
                    for name, value in values.items()
                },
            },
        }

    @functools.cached_property
    def dial_policy(self) -> DialPolicy:
        """Policy for computed targets, read on first use."""
        from callflows.flows.dial_policy.target_policy import read_dial_policy  # noqa: PLC0415 - heavy, rarely needed

        own = [claim.strip() for claim in self._flow_file.numbers]
        return read_dial_policy(self._flow_file.dial_policy, ("dial_policy",), self._report, own, self._dial_regions)

    def _read_hours(self) -> dict[str, OpeningHours]:
        hours_by_name = {}
        for name, section in self._flow_file.hours.items():
            hours = (
                read_opening_hours(name, section, ("hours", name), self._report, find_countries=self._find_countries)
                if self._check_name(("hours",), name)
                else None
            )
            if hours is not None:
                hours_by_name[name] = hours
        return hours_by_name

    def _find_countries(self) -> frozenset[str]:
        """Return the countries of the flow: those of its numbers and of its time zone, as far as they are known."""
        from callflows.flows.dial_policy.numbering_plans import find_regions  # noqa: PLC0415 - heavy, rarely needed

        claims = (parse_claimed_number(claim) for claim in self._flow_file.numbers)
        zone_country = find_zone_country(self._flow_file.timezone)
        return find_regions(filter(None, claims))[0] | (frozenset({zone_country}) if zone_country else frozenset())

    def _read_lists(self, folder: pathlib.Path, dependencies: set[pathlib.Path]) -> dict[str, CallerList]:
        if not self._flow_file.lists:
            return {}
        from callflows.flows.caller_lists.caller_list_cache import CALLER_LIST_CACHE, ListPlace  # noqa: PLC0415 - heavy

        lists_by_name: dict[str, CallerList] = {}
        awaited: list[pathlib.Path] = []
        for name, written in self._flow_file.lists.items():
            path = ("lists", name)
            if not self._check_name(("lists",), name):
                continue
            if not written or ".." in pathlib.PurePath(written).parts or pathlib.PurePath(written).is_absolute():
                message = f"lists: {name}: {written!r} must be a file beside the flow file, or in a folder below"
                self._report.error(path, "list-missing", message, "as lists/spam.csv")
                lists_by_name[name] = create_empty_list(name)
                continue
            file = folder / written
            dependencies.add(file)
            place = ListPlace(name, file, self._report.file, self._report.get_position(path))
            with COMPILE_TIME_LIMIT.pause():  # a list of a million rows takes its time
                cache = CALLER_LIST_CACHE
                found = cache.request_list(place) if self._may_await_lists else cache.find_list(place)
            if found is None:
                awaited.append(file)
                continue
            lists_by_name[name] = self._suppositions.with_supposed_callers(found.caller_list)
            self._report.problems += [problem for problem in found.problems if problem not in self._report.problems]
        if awaited:
            raise CallerListAwaitedError(", ".join(map(str, awaited)))
        return lists_by_name

    def _read_groups(self) -> dict[str, HuntGroup]:
        groups_by_name = {}
        for name, section in self._flow_file.groups.items():
            path = ("groups", name)
            if not isinstance(section, dict):
                section = {"to": section}  # noqa: PLW2901 - a plain value is the target to ring
            group = validate_shape(HuntGroup, section, path, self._report)
            if group is not None and self._check_name(("groups",), name):
                groups_by_name[name] = group
        return groups_by_name

    def _check_name(self, path: tuple[str, ...], name: str) -> bool:
        try:
            check_value_name(name)
        except ValueError as error:
            is_day = path == ("hours",) and _DAY_KEY.match(name) is not None
            fix = "the days stand under a name: hours: {office: {mon-fri: 09:00-17:00}}" if is_day else ""
            self._report.error((*path, name), "value", f"{path[0]}: {error}", fix, key=True)
            return False
        return True

    def resolve(self, name: str, turn: Turn) -> object:
        """Return the value of ``hours``, ``lists`` or ``variables`` for a turn."""
        if name == "hours":
            return LazyMapping(lambda asked: self._resolve_hours(asked, turn.now.moment, turn.zone))
        if name == "lists":
            return LazyMapping(lambda asked: self.lists[asked].at_moment(turn.now.moment, turn.zone))
        return self._find_variables(str(turn.number)) if self._variables_by_number else self.variables

    def find_number_values(self, name: str) -> dict[SourcePath, str | list[str]]:
        """Return all values of a variable by their place, if any number has one of its own."""
        found: dict[SourcePath, str | list[str]] = {
            ("numbers", number, name): values[name]
            for number, values in self._flow_file.number_values.items()
            if name in values
        }
        if found and name in self.variables:
            found["variables", name] = self.variables[name]
        return found

    def find_constant_values(self, name: str) -> dict[SourcePath, str]:
        """Return the values of a variable that is the same for every number, by their place."""
        if any(name in values for values in self._flow_file.number_values.values()):
            return {}
        value = self.variables.get(name, "")
        if isinstance(value, str):
            return {("variables", name): value} if value else {}
        return {("variables", name, index): one for index, one in enumerate(value)}

    def is_variable_filled(self, name: str) -> bool:
        """Return True if a variable has a value that is not empty and can be spoken, for each number."""
        values_by_number = self._variables_by_number.values() or [self.variables]
        return all(_is_filled(values.get(name)) for values in values_by_number)

    def find_doubtful_variables(self) -> dict[str, str]:
        """Return the texts that are true and probably meant to be false, by dotted name, as ``variables.emergency``."""
        return {
            f"variables.{name}": value
            for values in (self.variables, *self._variables_by_number.values())
            for name, value in values.items()
            if isinstance(value, str) and reads_like_no(value)
        }

    def list_variable_values(self) -> dict[str, tuple[str | list[str], ...]]:
        """Return the values of each variable by its dotted name: one, or one for each number."""
        found: dict[str, dict[str | tuple[str, ...], str | list[str]]] = {}
        for values in self._variables_by_number.values() or [self.variables]:
            for name, value in values.items():
                key = value if isinstance(value, str) else tuple(value)
                found.setdefault(f"variables.{name}", {})[key] = value
        return {name: tuple(values.values()) for name, values in found.items()}

    def find_calling_code(self) -> str:
        """Return the country code of the flow's numbers, as ``+1``; "" if they have several, or if one is unknown."""
        codes = {find_calling_code(parse_claimed_number(claim.strip())) for claim in self._flow_file.numbers}
        return codes.pop() if len(codes) == 1 else ""

    def _find_variables(self, number: str) -> Mapping[str, Any]:
        """Return the variables of a number: those of an exact claim, else of the longest prefix, else of ``rest``."""
        known = self._variables_by_number
        if number in known:
            return known[number]
        for length in range(len(number), 0, -1):
            found = known.get(f"{number[:length]}*")
            if found is not None:
                return found
        return known.get(UNCLAIMED_NUMBERS) or Variables(self.variables)

    def _read_number_values(self) -> dict[str, Variables]:
        """Read the variables of each number; those under ``variables`` are the defaults."""
        read: dict[str, dict[str, str | list[str]]] = {}
        for number, values in self._flow_file.number_values.items():
            read[number] = {name: value for name, value in values.items() if self._check_name(("numbers", number), name)}
            for name, value in read[number].items():
                self._check_constant(("numbers", number, name), value)
        check_number_values(read, self.variables, self._report)
        if not any(read.values()):
            return {}
        return {
            parse_claimed_number(number.strip()): Variables({**self.variables, **values}) for number, values in read.items()
        }

    def _check_constant(self, path: tuple[str, ...], value: str | list[str]) -> None:
        """Report a variable with an expression in it."""
        if any("{{" in text or "{%" in text for text in ([value] if isinstance(value, str) else value)):
            message = f"{path[0]}: {path[-1]}: stays as it is from call to call"
            self._report.error(path, "template", message, "use set in a node for what changes")

    def _resolve_hours(self, name: str, moment: datetime, zone: ZoneInfo | None) -> OpeningHoursView:
        return OpeningHoursView(self.hours[name].at_moment(moment, zone, self._find_overrides(name, moment, zone)))


class LazyMapping(dict[str, Any]):
    """A mapping that makes each value on first access."""

    def __init__(self, make_value: Callable[[str], Any]) -> None:
        super().__init__()
        self._make_value = make_value

    def __missing__(self, name: str) -> Any:  # noqa: ANN401 - depends on ``make_value``
        value = self[name] = self._make_value(name)
        return value


class OpeningHoursView:
    """Opening hours at a moment, for expressions. ``reason`` is the rule that decided."""

    __slots__ = ("_opening",)
    FIELDS: Final = frozenset({"open", "status", "next_opening", "next_closing"})

    def __init__(self, opening: OpeningState) -> None:
        self._opening = opening

    @property
    def opening(self) -> OpeningState:
        """The state itself, which expressions cannot reach."""
        return self._opening

    @property
    def open(self) -> bool:
        return self._opening.open

    @property
    def status(self) -> HoursStatus:
        """Return ``open`` or ``closed``; the filter ``spoken`` adds the time of the next change."""
        is_open = self._opening.open
        return HoursStatus.make(
            is_open=is_open, next_change=self._opening.next_closing if is_open else self._opening.next_opening
        )

    @property
    def reason(self) -> str:
        return self._opening.reason

    @property
    def next_opening(self) -> LocalTime | MissingValue:
        """Next opening. MISSING if the hours have no next opening."""
        return _to_local_time(self._opening.next_opening)

    @property
    def next_closing(self) -> LocalTime | MissingValue:
        """Next closing. MISSING if the hours have no next closing."""
        return _to_local_time(self._opening.next_closing)

    def __reduce__(self) -> tuple[Any, ...]:
        opening = self._opening
        return _restore_hours_view, (opening.open, opening.next_opening, opening.next_closing, opening.reason)


def _restore_hours_view(
    is_open: bool,  # noqa: FBT001 - pickled as positional arguments
    next_opening: datetime | None,
    next_closing: datetime | None,
    reason: str,
) -> OpeningHoursView:
    """Rebuild opening hours that another process computed."""
    opening: Any = types.SimpleNamespace(open=is_open, next_opening=next_opening, next_closing=next_closing, reason=reason)
    return OpeningHoursView(opening)


def _to_local_time(moment: datetime | None) -> LocalTime | MissingValue:
    return MISSING if moment is None else LocalTime(moment)


def create_empty_list(name: str) -> CallerList:
    """Return a list without callers, in place of a list that cannot be read."""
    from callflows.flows.caller_lists.caller_list import CallerList  # noqa: PLC0415 - heavy

    return CallerList(name)


_DAY_KEY: Final = re.compile(r"(?:mon|tue|wed|thu|fri|sat|sun)\w*\s*-", re.IGNORECASE)
"""Several days as a key, which is no name of hours."""
