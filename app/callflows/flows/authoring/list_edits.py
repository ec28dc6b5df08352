"""Adds and removes single entries of caller lists; all other lines of the file stay as they are."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Final, NamedTuple

from callflows.atomic_files import lock_file, replace_file_text
from callflows.errors import ValueEditError
from callflows.flows.authoring.flow_drafts import FlowSource, build_write_refusal, hash_flow_text, read_flow_source
from callflows.flows.source.positions import ProblemReport
from callflows.flows.source.yaml_source import read_yaml
from callflows.flows.suppositions import normalize_list_entry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


MAX_EDITED_LIST_BYTES: Final = 5_000_000
"""A longer list comes from another program, and is changed there."""


class ListEntry(NamedTuple):
    """An entry of a caller list: a number, a prefix with ``*``, or anonymous; ``until`` is the last day."""

    entry: str
    reason: str = ""
    until: str = ""
    line: int = 0


def list_entries(text: str) -> Iterator[ListEntry]:
    """Yield the entries of a list with their lines; a heading and comments are none."""
    for line, row in _read_rows(text):
        entry = normalize_list_entry(row[0].strip()) if row else ""
        if entry:
            reason, until = (*(part.strip() for part in row[1:3]), "", "")[:2]
            yield ListEntry(entry, reason, until, line)


def _read_rows(text: str) -> Iterator[tuple[int, list[str]]]:
    delimiter = find_list_delimiter(text)
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip() and not line.lstrip().startswith("#"):
            yield number, next(csv.reader([line.rstrip("\r")], delimiter=delimiter))


def find_list_delimiter(text: str) -> str:
    """Return the delimiter of the first row that has one; a comma if none has."""
    for line in text.splitlines():
        found = [delimiter for delimiter in ",;\t" if delimiter in line]
        if found and not line.lstrip().startswith("#"):
            return min(found, key=line.index)
    return ","


def add_entry(text: str, new: ListEntry) -> str:
    """Return the text of a list with one more entry at its end. Raises ValueEditError."""
    entry = normalize_list_entry(new.entry)
    if not entry:
        raise ValueEditError(f"{new.entry!r} is no number with its country code, no prefix with *, and not anonymous")
    if any(known.entry == entry for known in list_entries(text)):
        raise ValueEditError(f"{entry} is in the list already")
    row = io.StringIO()
    fields = [entry, " ".join(new.reason.split()), new.until.strip()]
    csv.writer(row, delimiter=find_list_delimiter(text), lineterminator="").writerow(fields)
    end = "\r\n" if "\r\n" in text else "\n"
    between = "" if not text or text.endswith("\n") else end
    return f"{text}{between}{row.getvalue()}{end}"


def remove_entry(text: str, entry: str) -> str:
    """Return the text of a list without an entry. Raises ValueEditError if there is none."""
    wanted = normalize_list_entry(entry)
    gone = {known.line for known in list_entries(text) if wanted and known.entry == wanted}
    if not gone:
        raise ValueEditError(f"{entry!r} is not in the list")
    return "\n".join(line for number, line in enumerate(text.split("\n"), 1) if number not in gone)


def read_list_source(folder: Path, flow: str, name: str) -> FlowSource:
    """Read the file of a caller list of a flow. Raises LookupError if the flow has no such list, and OSError."""
    data = read_yaml(read_flow_source(folder, flow).text.encode(), ProblemReport(flow))
    lists = data.get("lists") if isinstance(data, dict) else None
    written = lists.get(name) if isinstance(lists, dict) else None
    file = (folder / written).resolve() if isinstance(written, str) else folder
    if not isinstance(written, str) or not file.is_relative_to(folder.resolve()):
        raise LookupError(name)
    with file.open("rb") as opened:
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
