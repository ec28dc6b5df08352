"""Dated exceptions to opening hours, kept in ``overrides.yaml`` beside the flows. Each ends by itself.

The file is a list that people read and edit, with times on the clock of the flow's zone unless they carry an offset::

    - {flow: acme, hours: office, state: closed, until: 2026-12-24 18:00}

Of several that hold at a moment, the last in the file wins. What is added or dropped by a command leaves the other lines,
and their comments, as they are.
"""

from __future__ import annotations

import dataclasses
import re
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Final, NamedTuple

import yaml

from app.errors import suggestion
from app.flows.hours.wall_clock import begin_of, end_of
from app.flows.places import Report
from app.flows.whole_file import locked, replace
from app.flows.yaml_texts import read_yaml

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping
    from datetime import tzinfo
    from pathlib import Path as File
    from zoneinfo import ZoneInfo

    from app.flows.places import Path

OVERRIDES: Final = "overrides.yaml"
_HEADER: Final = "# Dated exceptions to opening hours; each ends by itself, and the last that holds wins.\n"
_STATES: Final = ("open", "closed")
_KEYS: Final = ("flow", "hours", "state", "from", "until")
_DASH: Final = re.compile(r"^( *)-(?: |$)", re.MULTILINE)
_PLAIN: Final = re.compile("[A-Za-z][A-Za-z0-9._-]*")


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
    if _blank(text.decode("utf-8", "replace")):
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
        if not self._shaped():
            return None
        given: dict[str, str] = self._given  # type: ignore[assignment]
        named = self._named(given["flow"], given["hours"])
        zone = self._flows[given["flow"]].zone if self._flows and given["flow"] in self._flows else None
        state = given["state"].lower()
        if state not in _STATES:
            self._wrong("state", f"state: must be open or closed, not {given['state']!r}", suggestion(state, _STATES))
        begins = self._moment("from", given["from"], zone or UTC) if "from" in given else None
        until = self._moment("until", given["until"], zone or UTC)
        if begins is not None and until is not None and until.astimezone(UTC) <= begins.astimezone(UTC):
            self._wrong("until", "until: it ends before it begins", "until comes after from")
            return None
        if not named or state not in _STATES or until is None or (begins is None and "from" in given):
            return None
        return Override(given["flow"], given["hours"], state == "open", begins, until)

    def _shaped(self) -> bool:
        """Whether it has the keys that it needs, each with a text."""
        if not isinstance(self._given, dict):
            self._report.error(self._path, "shape", "an override is a mapping", f"of {', '.join(_KEYS)}")
            return False
        right = True
        for key, value in self._given.items():
            if key not in _KEYS:
                mend = suggestion(key, _KEYS) or f"there are {', '.join(_KEYS)}"
                self._report.error((*self._path, key), "unknown-key", f"there is no key {key!r} here", mend, key=True)
                right = False
            elif not isinstance(value, str):
                self._report.error((*self._path, key), "shape", f"{key}: must be a text")
                right = False
        for key in _KEYS:
            if key not in self._given and key != "from":
                self._report.error(self._path, "missing-key", f"{key} is missing")
                right = False
        return right

    def _named(self, flow: str, hours: str) -> bool:
        if self._flows is None:
            return True
        known = self._flows.get(flow)
        if known is None:
            self._wrong("flow", f"there is no flow {flow!r}", suggestion(flow, [*self._flows]))
        elif hours not in known.hours:
            mend = suggestion(hours, [*known.hours]) or f"it has {', '.join(known.hours) or 'none'}"
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


# Writing


def write_overrides(overrides: Iterable[Override], now: datetime) -> str:
    """The file's text, without those that are over."""
    return _HEADER + "".join(_line(override) for override in overrides if override.until.astimezone(UTC) > now)


def _line(override: Override) -> str:
    begins = {} if override.begins is None else {"from": _written(override.begins)}
    given = {
        "flow": _quoted(override.flow),
        "hours": _quoted(override.hours),
        "state": override.state,
        **begins,
        "until": _written(override.until),
    }
    return f"- {{{', '.join(f'{key}: {value}' for key, value in given.items())}}}\n"


def _written(moment: datetime) -> str:
    return moment.isoformat(" ", "seconds" if moment.second else "minutes")


def _quoted(name: str) -> str:
    """A name as YAML has it; in quotes where it is more than a word."""
    return name if _PLAIN.fullmatch(name) else "'" + name.replace("'", "''") + "'"


def add(folder: File, override: Override, now: datetime) -> None:
    """Add an override to a folder's file, and drop those that are over; at once or not at all, for several at once too.

    Raises ValueError where the file cannot be read, and OSError where it cannot be written.
    """

    def change(text: str) -> str:
        kept = _without(text, lambda entry: _is_over(entry, now))
        dash = _DASH.search(kept)
        return kept + (dash[1] if dash else "") + _line(override)

    _rewrite(folder, change)


def cancel(folder: File, flow: str, hours: str, now: datetime) -> int:
    """Take the overrides of these hours out, and those that are over; gives how many of these hours there were."""
    names = (flow, hours)
    taken: list[object] = []

    def keeps(text: str) -> str:
        def goes(entry: Mapping[str, str]) -> bool:
            its = (entry.get("flow"), entry.get("hours")) == names
            taken.extend([entry] if its else [])
            return its or _is_over(entry, now)

        return _without(text, goes)

    _rewrite(folder, keeps)
    return len(taken)


def _is_over(entry: Mapping[str, str], now: datetime) -> bool:
    """Whether it is over everywhere, for one that names no offset; what cannot be read is not."""
    ends = end_of(entry.get("until", ""), timezone(timedelta(hours=-12)))
    return ends is not None and ends <= now


def _without(text: str, goes: Callable[[Mapping[str, str]], bool]) -> str:
    """The file's text without the lines of some entries. Raises ValueError where they cannot be told apart."""
    if _blank(text):
        return "".join(f"{line}\n" for line in text.splitlines()) or _HEADER
    lines = text.splitlines()
    kept = [True] * len(lines)
    entries = _entries(text)
    for entry in entries:
        if goes({str(key.value): str(value.value) for key, value in entry.value}):
            first, last = _lines(entry, lines)
            kept[first:last] = [False] * (last - first)
    return "".join(f"{line}\n" for line, stays in zip(lines, kept, strict=True) if stays)


def _entries(text: str) -> list[yaml.MappingNode]:
    """The entries of a file, as YAML's own nodes, which know their lines."""
    report = Report(OVERRIDES)
    given = read_yaml(text.encode(), report)
    if given == []:
        raise ValueError(f"{OVERRIDES}: take the brackets out")
    if report.broken or not isinstance(given, list):
        raise ValueError("; ".join(map(str, report.problems)) or f"{OVERRIDES} is no list: begin each override with -")
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    entries: list[yaml.MappingNode] = [] if root is None else root.value
    dashes = [line for line in text.splitlines() if _DASH.match(line)]
    if len(dashes) != len(entries) or not all(isinstance(entry, yaml.MappingNode) for entry in entries):
        raise ValueError(f"{OVERRIDES}: write each override on lines of its own, the first beginning with -")
    return entries


def _lines(entry: yaml.Node, lines: list[str]) -> tuple[int, int]:
    """The lines of an entry, from its dash on, the last one not included."""
    first = entry.start_mark.line
    while not _DASH.match(lines[first]):
        first -= 1
    last = entry
    while isinstance(last, yaml.MappingNode) and not last.flow_style:
        last = last.value[-1][1]
    return first, last.end_mark.line + 1


def _blank(text: str) -> bool:
    """Whether there are but comments."""
    return all(
        line.strip("\ufeff \t") in ("", "---") or line.lstrip("\ufeff \t").startswith("#") for line in text.splitlines()
    )


def _rewrite(folder: File, change: Callable[[str], str]) -> None:
    """Put a changed text in the place of a folder's file, whole, while nobody else does."""
    file = (folder / OVERRIDES).resolve()
    with locked(file):
        new = change(file.read_text(encoding="utf-8") if file.exists() else "")
        if not _blank(new):
            _entries(new)
        replace(file, new)
