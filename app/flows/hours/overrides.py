"""Dated exceptions to opening hours, kept in ``overrides.yaml`` beside the flows. Each ends by itself.

The file is a list that people read and edit, with times on the clock of the flow's zone unless they carry an offset::

    - {flow: acme, hours: office, state: closed, until: 2026-12-24 18:00}

Of several that hold at a moment, the last in the file wins.
"""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, NamedTuple

from app.errors import nearest, suggestion
from app.flows.hours.wall_clock import begin_of, end_of
from app.flows.shapes import ALIKE
from app.flows.yaml_texts import read_yaml

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping
    from datetime import tzinfo
    from zoneinfo import ZoneInfo

    from app.flows.places import Path, Report

OVERRIDES: Final = "overrides.yaml"
_STATES: Final = ("open", "closed")
_KEYS: Final = ("flow", "hours", "state", "from", "until")


@dataclasses.dataclass(frozen=True, slots=True)
class Override:
    """These hours of this flow are open, or closed, from ``begins`` (None: always were) until ``until``, with offsets."""

    flow: str
    hours: str
    open: bool
    begins: datetime | None
    until: datetime

    def holds(self, moment: datetime) -> bool:
        """Whether it decides at a moment; at ``until`` it is over."""
        moment = moment.astimezone(UTC)
        return moment < self.until and (self.begins is None or self.begins <= moment)

    def said(self, zone: tzinfo) -> str:
        """The rule as the decision trail has it."""
        return f"override {self.state} until {self.until.astimezone(zone).isoformat(' ', 'minutes')}"

    @property
    def state(self) -> str:
        """``open`` or ``closed``."""
        return "open" if self.open else "closed"


class Known(NamedTuple):
    """A flow, for overrides of it: its zone, and the names of its hours."""

    zone: ZoneInfo | None
    hours: Collection[str]


class Overrides:
    """The overrides that hold now, for every version of every flow; swapped whole when the file changes."""

    def __init__(self) -> None:
        self._by_hours: Mapping[tuple[str, str], tuple[Override, ...]] = {}

    def of(self, flow: str, hours: str) -> tuple[Override, ...]:
        """Those of a flow's hours; the same tuple until they change."""
        return self._by_hours.get((flow, hours), ())

    def change(self, overrides: Iterable[Override]) -> None:
        """Have others from now on."""
        listed = [*overrides]
        pairs = dict.fromkeys((override.flow, override.hours) for override in listed)
        fresh = {pair: of_hours(listed, *pair) for pair in pairs}
        self._by_hours = {
            pair: self._by_hours[pair] if self._by_hours.get(pair) == new else new for pair, new in fresh.items()
        }


def of_hours(overrides: Iterable[Override], flow: str, hours: str) -> tuple[Override, ...]:
    """The overrides of these hours, in their order."""
    return tuple(override for override in overrides if (override.flow, override.hours) == (flow, hours))


# Reading


def read_overrides(text: bytes, report: Report, flows: Mapping[str, Known] | None = None) -> list[Override]:
    """The right ones of a file; what is wrong is said in ``report``, with its place.

    ``flows`` has the zones of the flows, and makes a name that is none of theirs an error; without it, a time without
    offset is UTC.
    """
    if blank(text.decode("utf-8", "replace")):
        return []
    given = read_yaml(text, report)
    if given is not None and not isinstance(given, list):
        report.error((), "shape", f"{OVERRIDES} is a list", "begin each override with -")
        return []
    read = [_Entry(item, (index,), report, flows).override() for index, item in enumerate(given or [])]
    return [override for override in read if override is not None]


class _Entry:
    """One override while it is read."""

    def __init__(self, given: object, path: Path, report: Report, flows: Mapping[str, Known] | None) -> None:
        self._given = given
        self._path = path
        self._report = report
        self._flows = flows

    def override(self) -> Override | None:
        """It, or None with what is wrong said."""
        if not isinstance(self._given, dict):
            self._report.error(self._path, "shape", "an override is a mapping", f"of {', '.join(_KEYS)}")
            return None
        given = self._texts(self._given)
        named = self._named(given)
        zone = self._flows[given["flow"]].zone if self._flows and given.get("flow") in self._flows else None
        state = given.get("state", "").lower()
        if state not in _STATES and "state" in given:
            self._wrong("state", f"state: must be open or closed, not {given['state']!r}", suggestion(state, _STATES))
        begins = self._moment("from", given["from"], zone or UTC) if "from" in given else None
        until = self._moment("until", given["until"], zone or UTC) if "until" in given else None
        if begins is not None and until is not None and until.astimezone(UTC) <= begins.astimezone(UTC):
            self._wrong("until", "until: it ends before it begins", "until comes after from")
        if until is None or not named or self._report.wrong_at(self._path):
            return None
        return Override(given["flow"], given["hours"], state == "open", begins, until)

    def _texts(self, given: Mapping[str, object]) -> dict[str, str]:
        """What stands under the keys that there are; of a key that is misspelt beyond doubt too. What is wrong is said."""
        made: dict[str, str] = {}
        for key, value in given.items():
            right = key if key in _KEYS else nearest(key, _KEYS, ALIKE)
            if key not in _KEYS:
                mend = suggestion(key, _KEYS) or f"there are {', '.join(_KEYS)}"
                self._report.error((*self._path, key), "unknown-key", f"there is no key {key!r} here", mend, key=True)
                self._report.same((*self._path, key), (*self._path, right))
            elif not isinstance(value, str):
                self._report.error((*self._path, key), "shape", f"{key}: must be a text")
            if right and isinstance(value, str) and (right == key or right not in given):
                made[right] = value
        for key in _KEYS:
            if key not in made and key not in given and key != "from":
                self._report.error(self._path, "missing-key", f"{key} is missing")
        return made

    def _named(self, given: Mapping[str, str]) -> bool:
        """Whether there are such hours; that there are not is said."""
        if self._flows is None or "flow" not in given:
            return self._flows is None
        flow, hours = given["flow"], given.get("hours")
        known = self._flows.get(flow)
        if known is None:
            mend = suggestion(flow, self._flows) or f"there are {', '.join(self._flows) or 'none with hours'}"
            self._wrong("flow", f"there is no flow {flow!r}", mend)
        elif hours is not None and hours not in known.hours:
            mend = suggestion(hours, known.hours) or f"it has {', '.join(known.hours) or 'none'}"
            self._wrong("hours", f"{flow} has no hours {hours!r}", mend)
        return known is not None and hours in known.hours

    def _moment(self, key: str, written: str, zone: tzinfo) -> datetime | None:
        found = end_of(written, zone) if key == "until" else begin_of(written, zone)
        if found is None:
            self._wrong(key, f"{key}: {written!r} is no date and time", "as 2026-12-24 18:00")
            return None
        return found.astimezone(zone)

    def _wrong(self, key: str, message: str, mend: str) -> None:
        self._report.error((*self._path, key), "override", message, mend)


def blank(text: str) -> bool:
    """Whether there are but comments."""
    return all(
        line.strip("\ufeff \t") in ("", "---") or line.lstrip("\ufeff \t").startswith("#") for line in text.splitlines()
    )
