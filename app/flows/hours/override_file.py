"""The file of overrides, changed by a command: its other lines, and their comments, stay as they are."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Final

import yaml

from app.flows.hours.overrides import OVERRIDES_FILE_NAME, HoursOverride, has_only_comments
from app.flows.hours.wall_clock import parse_end_moment
from app.flows.places import ProblemReport
from app.flows.whole_file import lock_file, replace_file_text
from app.flows.yaml_texts import read_yaml

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path as File

_PLAIN_YAML_NAME: Final = re.compile("[A-Za-z][A-Za-z0-9._-]*")
_LIST_DASH: Final = re.compile(r"^( *)-(?: |$)", re.MULTILINE)
_OVERRIDES_FILE_HEADER: Final = "# Dated exceptions to opening hours; each ends by itself, and the last that holds wins.\n"


def render_overrides(overrides: Iterable[HoursOverride], now: datetime) -> str:
    """The file's text, without those that are over."""
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
    """A name as YAML has it; in quotes where it is more than a word."""
    return name if _PLAIN_YAML_NAME.fullmatch(name) else "'" + name.replace("'", "''") + "'"


def add_override(folder: File, override: HoursOverride, now: datetime) -> None:
    """Add an override to a folder's file, and drop those that are over; at once or not at all, for several at once too.

    Raises ValueError where the file cannot be read, and OSError where it cannot be written.
    """

    def append_override(text: str) -> str:
        kept = _remove_entries(text, lambda entry: _has_expired(entry, now))
        dash = _LIST_DASH.search(kept)
        return kept + (dash[1] if dash else "") + _render_override(override)

    _rewrite_overrides_file(folder, append_override)


def cancel_overrides(folder: File, flow: str, hours: str, now: datetime) -> int:
    """Take the overrides of these hours out, and those that are over; gives how many of these hours there were."""
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
    """Whether it is over everywhere, for one that names no offset; what cannot be read is not."""
    ends = parse_end_moment(entry.get("until", ""), timezone(timedelta(hours=-12)))
    return ends is not None and ends <= now


def _remove_entries(text: str, is_removed: Callable[[Mapping[str, str]], bool]) -> str:
    """The file's text without the lines of some entries. Raises ValueError where they cannot be told apart."""
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
    """The entries of a file, as YAML's own nodes, which know their lines."""
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
    """The lines of an entry, from its dash on, the last one not included."""
    first = entry.start_mark.line
    while not _LIST_DASH.match(lines[first]):
        first -= 1
    last = entry
    while isinstance(last, yaml.MappingNode) and not last.flow_style:
        last = last.value[-1][1]
    return first, last.end_mark.line + 1


def _rewrite_overrides_file(folder: File, edit: Callable[[str], str]) -> None:
    """Put a changed text in the place of a folder's file, whole, while nobody else does."""
    file = (folder / OVERRIDES_FILE_NAME).resolve()
    with lock_file(file):
        new = edit(file.read_text(encoding="utf-8") if file.exists() else "")
        if new.strip() in ("", _OVERRIDES_FILE_HEADER.strip()):  # nothing of anybody's is left
            file.unlink(missing_ok=True)
            return
        if not has_only_comments(new):
            _parse_entries(new)
        replace_file_text(file, new)
