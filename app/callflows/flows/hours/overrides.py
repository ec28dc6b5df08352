"""Dated exceptions to opening hours, stored in ``overrides.yaml`` beside the flows. Each override ends automatically.

The file is a list for people to read and edit. Times without offset are on the clock of the flow's zone::

    - {flow: acme, hours: office, state: closed, until: 2026-12-24 18:00}

Of several active overrides, the last one in the file wins.
"""

from __future__ import annotations

import dataclasses
import re
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Final, NamedTuple

import yaml

from callflows.atomic_files import lock_file, replace_file_text
from callflows.flows.hours.wall_clock import parse_end_moment, parse_start_moment
from callflows.flows.source.positions import ProblemReport
from callflows.flows.source.shape_validation import MIN_SPELLING_SIMILARITY
from callflows.flows.source.yaml_source import read_yaml
from callflows.text import find_nearest, format_suggestion

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping
    from datetime import tzinfo
    from pathlib import Path as File
    from zoneinfo import ZoneInfo

    from callflows.flows.source.positions import SourcePath


OVERRIDES_FILE_NAME: Final = "overrides.yaml"
_OVERRIDE_STATES: Final = ("open", "closed")
_OVERRIDE_KEYS: Final = ("flow", "hours", "state", "from", "until")


@dataclasses.dataclass(frozen=True, slots=True)
class HoursOverride:
    """One set of hours is open, or closed, from ``start`` (None: no start) until ``until``; both have offsets."""

    flow: str
    hours: str
    open: bool
    start: datetime | None
    until: datetime

    def applies_at(self, moment: datetime) -> bool:
        """Return if the override is active at a moment; ``until`` itself is excluded."""
        moment = moment.astimezone(UTC)
        return moment < self.until and (self.start is None or self.start <= moment)

    def describe(self, zone: tzinfo) -> str:
        """Describe the override for the decision trail."""
        return f"override {self.state} until {self.until.astimezone(zone).isoformat(' ', 'minutes')}"

    @property
    def state(self) -> str:
        """Return ``open`` or ``closed``."""
        return "open" if self.open else "closed"


class OverridableFlow(NamedTuple):
    """The zone and the names of the hours of a flow, as far as overrides need the flow."""

    zone: ZoneInfo | None
    hours_names: Collection[str]


class ActiveOverrides:
    """The current overrides of all flows and versions; replaced as a whole when the file changes."""

    def __init__(self) -> None:
        self._by_hours: Mapping[tuple[str, str], tuple[HoursOverride, ...]] = {}

    def get_overrides(self, flow: str, hours: str) -> tuple[HoursOverride, ...]:
        """Return the overrides of a flow's hours; the same tuple object until a change."""
        return self._by_hours.get((flow, hours), ())

    def replace_overrides(self, overrides: Iterable[HoursOverride]) -> None:
        listed = [*overrides]
        pairs = dict.fromkeys((override.flow, override.hours) for override in listed)
        fresh = {pair: select_overrides(listed, *pair) for pair in pairs}
        self._by_hours = {
            pair: self._by_hours[pair] if self._by_hours.get(pair) == new else new for pair, new in fresh.items()
        }


def select_overrides(overrides: Iterable[HoursOverride], flow: str, hours: str) -> tuple[HoursOverride, ...]:
    """Return the overrides of these hours, in order."""
    return tuple(override for override in overrides if (override.flow, override.hours) == (flow, hours))


# Reading


def read_overrides(
    text: bytes, report: ProblemReport, flows: Mapping[str, OverridableFlow] | None = None
) -> list[HoursOverride]:
    """Return the valid overrides of a file; report every problem with its position.

    ``flows`` supplies the zones and makes an unknown name an error. Without ``flows``, a time without offset is UTC.
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
    """Reads one override."""

    def __init__(
        self, data: object, path: SourcePath, report: ProblemReport, flows: Mapping[str, OverridableFlow] | None
    ) -> None:
        self._data = data
        self._path = path
        self._report = report
        self._flows = flows

    def read_override(self) -> HoursOverride | None:
        """Return the override, or None after an error."""
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
        """Return the texts by key; report problems. A clearly misspelled key counts as the correct one."""
        made: dict[str, str] = {}
        for key, value in data.items():
            right = key if key in _OVERRIDE_KEYS else find_nearest(key, _OVERRIDE_KEYS, MIN_SPELLING_SIMILARITY)
            if key not in _OVERRIDE_KEYS:
                fix = format_suggestion(key, _OVERRIDE_KEYS) or f"there are {', '.join(_OVERRIDE_KEYS)}"
                self._report.error((*self._path, key), "unknown-key", f"there is no key {key!r} here", fix, key=True)
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
        """Return whether the flow defines these hours; report a problem if not."""
        if self._flows is None or "flow" not in texts:
            return self._flows is None
        flow, hours = texts["flow"], texts.get("hours")
        known = self._flows.get(flow)
        if known is None:
            fix = format_suggestion(flow, self._flows) or f"there are {', '.join(self._flows) or 'none with hours'}"
            self._report_error("flow", f"there is no flow {flow!r}", fix)
        elif hours is not None and hours not in known.hours_names:
            fix = format_suggestion(hours, known.hours_names) or f"it has {', '.join(known.hours_names) or 'none'}"
            self._report_error("hours", f"{flow} has no hours {hours!r}", fix)
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
    return all(
        line.strip("\ufeff \t") in ("", "---") or line.lstrip("\ufeff \t").startswith("#") for line in text.splitlines()
    )


# Editing the file. Other lines and comments stay unchanged.


_PLAIN_YAML_NAME: Final = re.compile("[A-Za-z][A-Za-z0-9._-]*")
_LIST_DASH: Final = re.compile(r"^( *)-(?: |$)", re.MULTILINE)
_OVERRIDES_FILE_HEADER: Final = "# Dated exceptions to opening hours; each ends by itself, and the last that holds wins.\n"


def render_overrides(overrides: Iterable[HoursOverride], now: datetime) -> str:
    """Render the file without expired overrides."""
    return _OVERRIDES_FILE_HEADER + "".join(
        _render_override(override) for override in overrides if override.until.astimezone(UTC) > now
    )


def _render_override(override: HoursOverride) -> str:
    begins = {} if override.start is None else {"from": _render_moment(override.start)}
    given = {
        "flow": _quote_yaml_name(override.flow),
        "hours": _quote_yaml_name(override.hours),
        "state": override.state,
        **begins,
        "until": _render_moment(override.until),
    }
    return f"- {{{', '.join(f'{key}: {value}' for key, value in given.items())}}}\n"


def _render_moment(moment: datetime) -> str:
    return moment.isoformat(" ", "seconds" if moment.second else "minutes")


def _quote_yaml_name(name: str) -> str:
    """Quote a name for YAML unless the name is a plain word."""
    return name if _PLAIN_YAML_NAME.fullmatch(name) else "'" + name.replace("'", "''") + "'"


def add_override(folder: File, override: HoursOverride, now: datetime) -> None:
    """Add an override to a folder's file and remove expired ones.

    The change is atomic, also between concurrent writers. Raises ValueError if the file cannot be read, and OSError if
    the file cannot be written.
    """

    def append_override(text: str) -> str:
        kept = _remove_entries(text, lambda entry: _has_expired(entry, now))
        dash = _LIST_DASH.search(kept)
        return kept + (dash[1] if dash else "") + _render_override(override)

    _rewrite_overrides_file(folder, append_override)


def cancel_overrides(folder: File, flow: str, hours: str, now: datetime) -> int:
    """Remove the overrides of these hours, and all expired ones; return the number removed for these hours."""
    names = (flow, hours)
    taken: list[object] = []

    def remove_overrides(text: str) -> str:
        def is_removed(entry: Mapping[str, str]) -> bool:
            its = (entry.get("flow"), entry.get("hours")) == names
            taken.extend([entry] if its else [])
            return its or _has_expired(entry, now)

        return _remove_entries(text, is_removed)

    _rewrite_overrides_file(folder, remove_overrides)
    return len(taken)


def _has_expired(entry: Mapping[str, str], now: datetime) -> bool:
    """Return whether an entry has ended in every time zone. An unreadable entry has not."""
    # UTC-12 is the last zone to reach a wall time.
    ends = parse_end_moment(entry.get("until", ""), timezone(timedelta(hours=-12)))
    return ends is not None and ends <= now


def _remove_entries(text: str, is_removed: Callable[[Mapping[str, str]], bool]) -> str:
    """Return the text without the lines of removed entries. Raises ValueError if entries share lines."""
    if has_only_comments(text):
        return "".join(f"{line}\n" for line in text.splitlines()) or _OVERRIDES_FILE_HEADER
    lines = text.splitlines()
    kept = [True] * len(lines)
    entries = _parse_entries(text)
    for entry in entries:
        if is_removed({str(key.value): str(value.value) for key, value in entry.value}):
            first, last = _find_line_range(entry, lines)
            kept[first:last] = [False] * (last - first)
    return "".join(f"{line}\n" for line, stays in zip(lines, kept, strict=True) if stays)


def _parse_entries(text: str) -> list[yaml.MappingNode]:
    """Return YAML's own nodes of the entries, because the nodes have line numbers. Raises ValueError."""
    report = ProblemReport(OVERRIDES_FILE_NAME)
    given = read_yaml(text.encode(), report)
    if given == []:
        raise ValueError(f"{OVERRIDES_FILE_NAME}: take the brackets out")
    if report.has_errors or not isinstance(given, list):
        raise ValueError(
            "; ".join(map(str, report.problems)) or f"{OVERRIDES_FILE_NAME} is no list: begin each override with -"
        )
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    entries: list[yaml.MappingNode] = [] if root is None else root.value
    dashes = [line for line in text.splitlines() if _LIST_DASH.match(line)]
    if len(dashes) != len(entries) or not all(isinstance(entry, yaml.MappingNode) for entry in entries):
        raise ValueError(f"{OVERRIDES_FILE_NAME}: write each override on lines of its own, the first beginning with -")
    return entries


def _find_line_range(entry: yaml.Node, lines: list[str]) -> tuple[int, int]:
    """Return the line range of an entry, starting at the dash; the end is exclusive."""
    first = entry.start_mark.line
    while not _LIST_DASH.match(lines[first]):
        first -= 1
    last = entry
    while isinstance(last, yaml.MappingNode) and not last.flow_style:
        last = last.value[-1][1]
    return first, last.end_mark.line + 1


def _rewrite_overrides_file(folder: File, edit: Callable[[str], str]) -> None:
    """Replace the text of a folder's file atomically, under a lock."""
    file = (folder / OVERRIDES_FILE_NAME).resolve()
    with lock_file(file):
        new = edit(file.read_text(encoding="utf-8") if file.exists() else "")
        if new.strip() in ("", _OVERRIDES_FILE_HEADER.strip()):  # only our own header is left
            file.unlink(missing_ok=True)
            return
        if not has_only_comments(new):
            _parse_entries(new)
        replace_file_text(file, new)
