"""Adds and removes single entries of caller lists; all other lines of the file stay as they are."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Final, NamedTuple

from callflows.atomic_files import lock_file, open_plain_file, replace_file_text, resolve_links
from callflows.errors import ValueEditError
from callflows.flows.authoring.flow_drafts import FlowSource, build_write_refusal, hash_flow_text, read_flow_source
from callflows.flows.caller_lists.caller_list_reader import (
    INVISIBLE_LIST_CHARACTERS,
    detect_list_delimiter,
    find_list_columns,
    parse_list_expiry,
)
from callflows.flows.source.flow_file import FLOW_AND_NODE_NAME_PATTERN
from callflows.flows.source.positions import ProblemReport
from callflows.flows.source.yaml_source import read_yaml
from callflows.flows.suppositions import normalize_list_entry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from callflows.flows.caller_lists.caller_list_reader import ListColumns


MAX_EDITED_LIST_BYTES: Final = 5_000_000
"""A longer list comes from another program, and is changed there."""


class ListEntry(NamedTuple):
    """An entry of a caller list: a number, a prefix with ``*``, or anonymous; ``until`` is the last day."""

    entry: str
    reason: str = ""
    until: str = ""
    line: int = 0


def list_entries(text: str) -> Iterator[ListEntry]:
    """Yield the entries of a list with their lines; a header and comments are none."""
    delimiter, columns = _find_list_form(text)
    for row in _read_rows(text, delimiter):
        written, reason, until = (row.cells[at].strip() if 0 <= at < len(row.cells) else "" for at in columns[:3])
        entry = normalize_list_entry(written.strip(INVISIBLE_LIST_CHARACTERS))
        if entry:
            yield ListEntry(entry, " ".join(reason.split()), until, row.first_line)


class _ListRow(NamedTuple):
    """A row of a list: a cell in quotes may go over several lines."""

    cells: list[str]
    first_line: int
    last_line: int


def _read_rows(text: str, delimiter: str) -> Iterator[_ListRow]:
    lines = text.removeprefix("\ufeff").split("\n")
    number = 0

    def take_lines() -> Iterator[str]:
        nonlocal number
        while number < len(lines):
            number += 1
            yield f"{lines[number - 1]}\n"

    while number < len(lines):
        if not _begins_row(lines[number]):
            number += 1
            continue
        first_line = number + 1
        # The reader takes as many lines as the row has.
        cells = next(csv.reader(take_lines(), delimiter=delimiter, skipinitialspace=True))
        yield _ListRow(cells, first_line, number)


def _begins_row(line: str) -> bool:
    """Return whether a line is neither blank nor a comment."""
    return bool(line.strip()) and not line.lstrip().startswith("#")


def _find_list_form(text: str) -> tuple[str, ListColumns]:
    """Return the delimiter and the columns of a list."""
    first = next((line for line in text.removeprefix("\ufeff").split("\n") if _begins_row(line)), "")
    delimiter = detect_list_delimiter(first)
    return delimiter, find_list_columns(next((row.cells for row in _read_rows(text, delimiter)), []))


def add_entry(text: str, new: ListEntry) -> str:
    """Return the text of a list with one more entry at its end. Raises ValueEditError."""
    entry, until = normalize_list_entry(new.entry), new.until.strip()
    if not entry:
        raise ValueEditError(f"{new.entry!r} is no number with its country code, no prefix with *, and not anonymous")
    if any(known.entry == entry for known in list_entries(text)):
        raise ValueEditError(f"{entry} is in the list already")
    try:
        parse_list_expiry(until)
    except ValueError:
        raise ValueEditError(f"until: {new.until!r:.60} is no date: write it as 2026-12-24") from None
    delimiter, columns = _find_list_form(text)
    row = [""] * (max(columns[:3]) + 1)
    for name, at, cell in zip(columns._fields, columns, (entry, " ".join(new.reason.split()), until), strict=False):
        if at >= 0:
            row[at] = cell
        elif cell:
            # The reader of lists passes over a cell without a column: the entry would hold for ever.
            raise ValueEditError(f"the header of the list has no column {name!r}: add the column in the file")
    line = io.StringIO()
    csv.writer(line, delimiter=delimiter, lineterminator="").writerow(row)
    end = "\r\n" if "\r\n" in text else "\n"
    between = "" if not text or text.endswith("\n") else end
    return f"{text}{between}{line.getvalue()}{end}"


def remove_entry(text: str, entry: str) -> str:
    """Return the text of a list without an entry. Raises ValueEditError if there is none."""
    normalized = normalize_list_entry(entry)
    first_lines = {known.line for known in list_entries(text) if normalized and known.entry == normalized}
    if not first_lines:
        raise ValueEditError(f"{entry!r} is not in the list")
    rows = _read_rows(text, _find_list_form(text)[0])
    gone = {line for row in rows if row.first_line in first_lines for line in range(row.first_line, row.last_line + 1)}
    return "\n".join(line for number, line in enumerate(text.split("\n"), 1) if number not in gone)


def read_list_source(folder: Path, flow: str, name: str) -> FlowSource:
    """Read the file of a caller list of a flow. Raises LookupError if the flow has no such list, and OSError."""
    if not FLOW_AND_NODE_NAME_PATTERN.fullmatch(flow):
        raise LookupError(flow)
    data = read_yaml(read_flow_source(folder, flow).text.encode(), ProblemReport(flow))
    lists = data.get("lists") if isinstance(data, dict) else None
    written = lists.get(name) if isinstance(lists, dict) else None
    try:
        file = resolve_links(folder / written) if isinstance(written, str) else folder
    except ValueError:  # a null character
        raise LookupError(name) from None
    if not isinstance(written, str) or not file.is_relative_to(resolve_links(folder)):
        raise LookupError(name)
    with open_plain_file(file) as opened:
        content = opened.read(MAX_EDITED_LIST_BYTES + 1)
    if len(content) > MAX_EDITED_LIST_BYTES:
        raise OSError(0, f"it has more than {MAX_EDITED_LIST_BYTES} bytes: change it where it comes from")
    text = content.decode("utf-8")
    return FlowSource(file, text, hash_flow_text(text))


def change_list(folder: Path, flow: str, name: str, change: Callable[[str], str]) -> FlowSource:
    """Write the changed text of a caller list, whole and at once; return the source before.

    Raises LookupError, ValueEditError, OSError, and ReadOnlyFlowsError with a patch.
    """
    before = read_list_source(folder, flow, name)
    try:
        with lock_file(before.file):
            before = read_list_source(folder, flow, name)
            replace_file_text(before.file, change(before.text))
    except OSError as error:
        raise build_write_refusal(before, change(before.text), error, folder) from None
    return before
