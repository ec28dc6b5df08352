"""The file of overrides, changed by a command: its other lines, and their comments, stay as they are."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Final

import yaml

from app.flows.hours.overrides import OVERRIDES, Override, blank
from app.flows.hours.wall_clock import end_of
from app.flows.places import Report
from app.flows.whole_file import locked, replace
from app.flows.yaml_texts import read_yaml

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path as File

_PLAIN: Final = re.compile("[A-Za-z][A-Za-z0-9._-]*")
_DASH: Final = re.compile(r"^( *)-(?: |$)", re.MULTILINE)
_HEADER: Final = "# Dated exceptions to opening hours; each ends by itself, and the last that holds wins.\n"


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
    if blank(text):
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


def _rewrite(folder: File, change: Callable[[str], str]) -> None:
    """Put a changed text in the place of a folder's file, whole, while nobody else does."""
    file = (folder / OVERRIDES).resolve()
    with locked(file):
        new = change(file.read_text(encoding="utf-8") if file.exists() else "")
        if new.strip() in ("", _HEADER.strip()):  # nothing of anybody's is left
            file.unlink(missing_ok=True)
            return
        if not blank(new):
            _entries(new)
        replace(file, new)
