"""Dated exceptions to opening hours, stored in ``overrides.yaml`` beside the flows. Each override ends automatically.

``callflows override`` writes the file whole; people may edit it too. An entry may have a note. Times without offset are on
the clock of the flow's zone::

    - {flow: acme, hours: office, state: closed, until: 2026-12-24 18:00, note: Christmas Eve}

Of several active overrides, the last one in the file wins.
"""

from __future__ import annotations

import contextlib
import dataclasses
import math
import os
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

import yaml

from callflows.atomic_files import lock_file, replace_file_text, resolve_links
from callflows.flows.hours.wall_clock import parse_end_moment, parse_start_moment
from callflows.flows.source.misspelt_keys import correct_misspelt_keys
from callflows.flows.source.positions import ProblemReport
from callflows.flows.source.yaml_source import read_yaml
from callflows.text import format_suggestion

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping
    from datetime import tzinfo
    from pathlib import Path as File
    from zoneinfo import ZoneInfo

    from callflows.flows.source.positions import SourcePath


OVERRIDES_FILE_NAME: Final = "overrides.yaml"
SHARED_OVERRIDES_FILE_NAME: Final = "overrides.shared.yaml"
"""File in the data folder with the overrides that all servers had last; a server alone has none."""
OverrideEntry: TypeAlias = "dict[str, object]"
_OVERRIDE_STATES: Final = ("open", "closed")
_OVERRIDE_KEYS: Final = ("flow", "hours", "state", "from", "until", "note")
_OPTIONAL_KEYS: Final = frozenset({"from", "note"})


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
    if _has_only_comments(text):
        return []
    entries = read_yaml(text, report)
    if entries is not None and not isinstance(entries, list):
        report.error((), "shape", f"{OVERRIDES_FILE_NAME} is a list", "begin each override with -")
        return []
    read = [_OverrideReader(item, (index,), report, flows).read_override() for index, item in enumerate(entries or [])]
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
        texts = self._read_texts(self._data)
        named = self._check_names(texts)
        zone = self._flows[texts["flow"]].zone if self._flows and texts.get("flow") in self._flows else None
        state = texts.get("state", "").lower()
        if state not in _OVERRIDE_STATES and "state" in texts:
            self._report_error(
                "state",
                f"state: must be open or closed, not {texts['state']!r}",
                format_suggestion(state, _OVERRIDE_STATES),
            )
        begins = self._read_moment("from", texts["from"], zone or UTC) if "from" in texts else None
        until = self._read_moment("until", texts["until"], zone or UTC) if "until" in texts else None
        if begins is not None and until is not None and until.astimezone(UTC) <= begins.astimezone(UTC):
            self._report_error("until", "until: it ends before it begins", "until comes after from")
        if until is None or not named or self._report.has_error_at(self._path):
            return None
        return HoursOverride(texts["flow"], texts["hours"], state == "open", begins, until)

    def _read_texts(self, data: Mapping[str, object]) -> dict[str, str]:
        """Return the texts by key; report problems. A clearly misspelled key counts as the correct one."""
        texts: dict[str, str] = {}
        corrected = correct_misspelt_keys(data, _OVERRIDE_KEYS, self._path, self._report)
        for key, value in corrected.items():
            if key not in _OVERRIDE_KEYS:
                fix = format_suggestion(key, _OVERRIDE_KEYS) or f"there are {', '.join(_OVERRIDE_KEYS)}"
                self._report.error((*self._path, key), "unknown-key", f"there is no key {key!r} here", fix, key=True)
            elif not isinstance(value, str):
                self._report.error((*self._path, key), "shape", f"{key}: must be a text")
            else:
                texts[key] = value
        for key in _OVERRIDE_KEYS:
            if key not in texts and key not in corrected and key not in _OPTIONAL_KEYS:
                self._report.error(self._path, "missing-key", f"{key} is missing")
        return texts

    def _check_names(self, texts: Mapping[str, str]) -> bool:
        """Return True if the flow defines these hours; report a problem if not."""
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


def _has_only_comments(text: bytes) -> bool:
    lines = [line.strip("\ufeff \t") for line in text.decode("utf-8", "replace").splitlines()]
    return all(line in ("", "---") or line.startswith("#") for line in lines)


# Writing


_OVERRIDES_FILE_HEADER: Final = (
    "# Dated exceptions to opening hours; each ends by itself, and the last that holds wins.\n"
    "# callflows writes this file whole: a comment goes, a note: stays.\n"
)


def add_override(folder: File, override: HoursOverride, now: datetime) -> None:
    """Add an override to a folder's file and remove expired ones.

    The change is atomic, also between concurrent writers. Raises ValueError if the file cannot be read, and OSError if
    the file cannot be written.
    """
    with _edit_entries(folder, now) as entries:
        begins = {} if override.start is None else {"from": _render_moment(override.start)}
        ends = {"until": _render_moment(override.until)}
        entries.append({"flow": override.flow, "hours": override.hours, "state": override.state, **begins, **ends})


def cancel_overrides(folder: File, flow: str, hours: str, now: datetime) -> int:
    """Remove the overrides of these hours, and all expired ones; return the number removed for these hours.

    Raises ValueError and OSError as ``add_override`` does.
    """
    with _edit_entries(folder, now) as entries:
        others = [entry for entry in entries if (entry.get("flow"), entry.get("hours")) != (flow, hours)]
        removed_count = len(entries) - len(others)
        entries[:] = others
    return removed_count


def choose_override_folder(flows_folder: File, data_folder: File) -> File:
    """Return the folder for a new override: that of the flows, or the data folder if the former is read-only.

    If the data folder has overrides already, new ones are added to them, because they win over those beside the flows. If
    it has shared ones, other servers know only those of the data folder.
    """
    has_own = any((data_folder / name).is_file() for name in (OVERRIDES_FILE_NAME, SHARED_OVERRIDES_FILE_NAME))
    if _can_change_overrides(flows_folder) and not has_own:
        return flows_folder
    data_folder.mkdir(parents=True, exist_ok=True)
    return data_folder


def cancel_all_overrides(folders: Iterable[File], flow: str, hours: str, now: datetime) -> int:
    """Remove the overrides of these hours in all folders; return their number.

    Raises ValueError if a folder is read-only and has some, and as ``cancel_overrides`` does.
    """
    with_file = [folder for folder in folders if (folder / OVERRIDES_FILE_NAME).is_file()]
    return sum(_cancel_overrides_in(folder, flow, hours, now) for folder in with_file)


def _can_change_overrides(folder: File) -> bool:
    return os.access(resolve_links(folder / OVERRIDES_FILE_NAME).parent, os.W_OK, effective_ids=True)


def _cancel_overrides_in(folder: File, flow: str, hours: str, now: datetime) -> int:
    if _can_change_overrides(folder):
        return cancel_overrides(folder, flow, hours, now)
    file = folder / OVERRIDES_FILE_NAME
    known = select_overrides(read_overrides(file.read_bytes(), ProblemReport(str(file))), flow, hours)
    if any(one.until > now for one in known):
        raise ValueError(f"{file} is read-only and has an override of these hours: take it out where the flows are kept")
    return 0


@contextlib.contextmanager
def _edit_entries(folder: File, now: datetime) -> Iterator[list[OverrideEntry]]:
    """Yield the entries of a folder's file that have not expired, and write the changed list, under a lock."""
    file = resolve_links(folder / OVERRIDES_FILE_NAME)
    with lock_file(file):
        # Entries stay as they were written: one with a mistake is not ours to take away.
        entries = [entry for entry in load_entries(file) if not has_expired(entry, now)]
        yield entries
        write_entries(file, entries)


def write_entries(file: File, entries: list[OverrideEntry], *, keeps_empty: bool = False) -> None:
    """Write the entries of a file; without entries there is no file, unless it ``keeps_empty``. Raises OSError."""
    if entries:
        written = yaml.safe_dump(entries, sort_keys=False, default_flow_style=None, allow_unicode=True, width=math.inf)
        replace_file_text(file, _OVERRIDES_FILE_HEADER + written)
    elif keeps_empty:
        replace_file_text(file, "[]\n")
    else:
        file.unlink(missing_ok=True)


def load_entries(file: File) -> list[OverrideEntry]:
    """Return the entries of a file as mappings of texts; none if the file does not exist. Raises ValueError."""
    text = file.read_bytes() if file.exists() else b""
    if _has_only_comments(text):
        return []
    report = ProblemReport(OVERRIDES_FILE_NAME)
    entries = read_yaml(text, report)
    if report.has_errors:
        raise ValueError("; ".join(map(str, report.problems)))
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise ValueError(f"{OVERRIDES_FILE_NAME} is no list of overrides: begin each override with - and its flow")
    return entries


def _render_moment(moment: datetime) -> str:
    return moment.isoformat(" ", "seconds" if moment.second else "minutes")


def has_expired(entry: Mapping[str, object], now: datetime) -> bool:
    """Return True if an entry has ended in every time zone. An unreadable entry has not."""
    # UTC-12 is the last zone to reach a wall time.
    ends = parse_end_moment(str(entry.get("until", "")), timezone(timedelta(hours=-12)))
    return ends is not None and ends <= now
