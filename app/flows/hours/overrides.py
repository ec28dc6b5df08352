"""Dated exceptions to opening hours, kept in ``overrides.yaml`` beside the flows. Each ends by itself.

The file is a list that people read and edit, with times on the clock of the flow's zone unless they carry an offset::

    - {flow: acme, hours: office, state: closed, until: 2026-12-24 18:00}

Of several that hold at a moment, the last in the file wins.
"""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, NamedTuple

from app.errors import find_nearest, format_suggestion
from app.flows.hours.wall_clock import parse_end_moment, parse_start_moment
from app.flows.shapes import MIN_SPELLING_SIMILARITY
from app.flows.yaml_texts import read_yaml

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping
    from datetime import tzinfo
    from zoneinfo import ZoneInfo

    from app.flows.places import ProblemReport, SourcePath

OVERRIDES_FILE_NAME: Final = "overrides.yaml"
_OVERRIDE_STATES: Final = ("open", "closed")
_OVERRIDE_KEYS: Final = ("flow", "hours", "state", "from", "until")


@dataclasses.dataclass(frozen=True, slots=True)
class HoursOverride:
    """These hours of this flow are open, or closed, from ``begins`` (None: always were) until ``until``, with offsets."""

    flow: str
    hours: str
    open: bool
    start: datetime | None
    until: datetime

    def applies_at(self, moment: datetime) -> bool:
        """Whether it decides at a moment; at ``until`` it is over."""
        moment = moment.astimezone(UTC)
        return moment < self.until and (self.start is None or self.start <= moment)

    def describe(self, zone: tzinfo) -> str:
        """The rule as the decision trail has it."""
        return f"override {self.state} until {self.until.astimezone(zone).isoformat(' ', 'minutes')}"

    @property
    def state(self) -> str:
        """``open`` or ``closed``."""
        return "open" if self.open else "closed"


class OverridableFlow(NamedTuple):
    """A flow, for overrides of it: its zone, and the names of its hours."""

    zone: ZoneInfo | None
    hours_names: Collection[str]


class ActiveOverrides:
    """The overrides that hold now, for every version of every flow; swapped whole when the file changes."""

    def __init__(self) -> None:
        self._by_hours: Mapping[tuple[str, str], tuple[HoursOverride, ...]] = {}

    def get_overrides(self, flow: str, hours: str) -> tuple[HoursOverride, ...]:
        """Those of a flow's hours; the same tuple until they change."""
        return self._by_hours.get((flow, hours), ())

    def replace_overrides(self, overrides: Iterable[HoursOverride]) -> None:
        """Have others from now on."""
        listed = [*overrides]
        pairs = dict.fromkeys((override.flow, override.hours) for override in listed)
        fresh = {pair: select_overrides(listed, *pair) for pair in pairs}
        self._by_hours = {
            pair: self._by_hours[pair] if self._by_hours.get(pair) == new else new for pair, new in fresh.items()
        }


def select_overrides(overrides: Iterable[HoursOverride], flow: str, hours: str) -> tuple[HoursOverride, ...]:
    """The overrides of these hours, in their order."""
    return tuple(override for override in overrides if (override.flow, override.hours) == (flow, hours))


# Reading


def read_overrides(
    text: bytes, report: ProblemReport, flows: Mapping[str, OverridableFlow] | None = None
) -> list[HoursOverride]:
    """The right ones of a file; what is wrong is said in ``report``, with its place.

    ``flows`` has the zones of the flows, and makes a name that is none of theirs an error; without it, a time without
    offset is UTC.
    """
    if has_only_comments(text.decode("utf-8", "replace")):
        return []
    given = read_yaml(text, report)
    if given is not None and not isinstance(given, list):
        report.error((), "shape", f"{OVERRIDES_FILE_NAME} is a list", "begin each override with -")
        return []
    read = [_OverrideReader(item, (index,), report, flows).read_override() for index, item in enumerate(given or [])]
    return [override for override in read if override is not None]


class _OverrideReader:
    """One override while it is read."""

    def __init__(
        self, data: object, path: SourcePath, report: ProblemReport, flows: Mapping[str, OverridableFlow] | None
    ) -> None:
        self._data = data
        self._path = path
        self._report = report
        self._flows = flows

    def read_override(self) -> HoursOverride | None:
        """It, or None with what is wrong said."""
        if not isinstance(self._data, dict):
            self._report.error(self._path, "shape", "an override is a mapping", f"of {', '.join(_OVERRIDE_KEYS)}")
            return None
        given = self._read_texts(self._data)
        named = self._check_names(given)
        zone = self._flows[given["flow"]].zone if self._flows and given.get("flow") in self._flows else None
        state = given.get("state", "").lower()
        if state not in _OVERRIDE_STATES and "state" in given:
            self._report_error(
                "state",
                f"state: must be open or closed, not {given['state']!r}",
                format_suggestion(state, _OVERRIDE_STATES),
            )
        begins = self._read_moment("from", given["from"], zone or UTC) if "from" in given else None
        until = self._read_moment("until", given["until"], zone or UTC) if "until" in given else None
        if begins is not None and until is not None and until.astimezone(UTC) <= begins.astimezone(UTC):
            self._report_error("until", "until: it ends before it begins", "until comes after from")
        if until is None or not named or self._report.has_error_at(self._path):
            return None
        return HoursOverride(given["flow"], given["hours"], state == "open", begins, until)

    def _read_texts(self, data: Mapping[str, object]) -> dict[str, str]:
        """What stands under the keys that there are; of a key that is misspelt beyond doubt too. What is wrong is said."""
        made: dict[str, str] = {}
        for key, value in data.items():
            right = key if key in _OVERRIDE_KEYS else find_nearest(key, _OVERRIDE_KEYS, MIN_SPELLING_SIMILARITY)
            if key not in _OVERRIDE_KEYS:
                mend = format_suggestion(key, _OVERRIDE_KEYS) or f"there are {', '.join(_OVERRIDE_KEYS)}"
                self._report.error((*self._path, key), "unknown-key", f"there is no key {key!r} here", mend, key=True)
                self._report.alias_subtree((*self._path, key), (*self._path, right))
            elif not isinstance(value, str):
                self._report.error((*self._path, key), "shape", f"{key}: must be a text")
            if right and isinstance(value, str) and (right == key or right not in data):
                made[right] = value
        for key in _OVERRIDE_KEYS:
            if key not in made and key not in data and key != "from":
                self._report.error(self._path, "missing-key", f"{key} is missing")
        return made

    def _check_names(self, texts: Mapping[str, str]) -> bool:
        """Whether there are such hours; that there are not is said."""
        if self._flows is None or "flow" not in texts:
            return self._flows is None
        flow, hours = texts["flow"], texts.get("hours")
        known = self._flows.get(flow)
        if known is None:
            mend = format_suggestion(flow, self._flows) or f"there are {', '.join(self._flows) or 'none with hours'}"
            self._report_error("flow", f"there is no flow {flow!r}", mend)
        elif hours is not None and hours not in known.hours_names:
            mend = format_suggestion(hours, known.hours_names) or f"it has {', '.join(known.hours_names) or 'none'}"
            self._report_error("hours", f"{flow} has no hours {hours!r}", mend)
        return known is not None and hours in known.hours_names

    def _read_moment(self, key: str, text: str, zone: tzinfo) -> datetime | None:
        found = parse_end_moment(text, zone) if key == "until" else parse_start_moment(text, zone)
        if found is None:
            self._report_error(key, f"{key}: {text!r} is no date and time", "as 2026-12-24 18:00")
            return None
        return found.astimezone(zone)

    def _report_error(self, key: str, message: str, fix: str) -> None:
        self._report.error((*self._path, key), "override", message, fix)


def has_only_comments(text: str) -> bool:
    """Whether there are but comments."""
    return all(
        line.strip("\ufeff \t") in ("", "---") or line.lstrip("\ufeff \t").startswith("#") for line in text.splitlines()
    )
