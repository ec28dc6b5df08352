"""Output of the commands that read the journal: tables, JSON and CSV, moments, and the opened database."""

from __future__ import annotations

import contextlib
import sys
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeVar

import typer

from callflows.cli.cli_options import exit_with_notice, load_command_settings, print_notice
from callflows.cli.completion import complete_flow, complete_number
from callflows.text import escape_spreadsheet_formula

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Sequence

    from callflows.journal.inbox import PersonChange
    from callflows.journal.sql_store import SqlStore


DEFAULT_TEXT_ROWS: Final = 50
"""Default number of rows of a list as text."""
_RowT = TypeVar("_RowT")
_MAX_ID_CANDIDATES: Final = 10


class LogFormat(StrEnum):
    """Output format of calls."""

    text = "text"
    json = "json"
    jsonl = "jsonl"
    csv = "csv"


NUMBER_FILTER = Annotated[str, typer.Option(help="Only those to this number of ours.", autocompletion=complete_number)]
FROM_FILTER = Annotated[str, typer.Option("--from", help="Only those of this caller or sender.")]
FLOW_FILTER = Annotated[str, typer.Option(help="Only those of this flow.", autocompletion=complete_flow)]
SINCE_FILTER = Annotated[
    str, typer.Option(help="Since this time (2026-11-23, 2026-11-23T10:00Z), or since so long ago: 2h, 7d.")
]
UNTIL_FILTER = Annotated[str, typer.Option(help="Before this time, written as for --since.")]
ROW_LIMIT = Annotated[int | None, typer.Option(min=1, help="Rows at most. Default: 50 as text, all as JSON.")]
LOG_FORMAT = Annotated[LogFormat, typer.Option("--format", help="The output format.")]


_SQLITE_FIX: Final = "CALLFLOWS_DATA must be a folder that this user can write, on a disk with room"


@contextlib.contextmanager
def open_store(*, creates: bool = False, tells_absence: bool = True) -> Iterator[SqlStore | None]:
    """Open the journal's database, and close it in the end; None if no database exists yet, unless ``creates`` is set.

    Raises JournalUnavailableError.
    """
    from callflows.errors import JournalUnavailableError
    from callflows.journal.sql_store import SqlStore

    store = SqlStore(load_command_settings().journal_url)
    if not creates and store.sqlite_file is not None and not store.sqlite_file.exists():
        if tells_absence:
            print_notice(f"no calls were recorded yet: there is no {store.sqlite_file}")
        yield None
        return
    with contextlib.closing(store):
        try:
            store.open()
        except JournalUnavailableError as error:
            fix = "" if store.sqlite_file is None else f" ({_SQLITE_FIX})"
            raise JournalUnavailableError(f"{store.display_name} cannot be read: {error}{fix}") from error
        yield store


def build_terminal_change() -> PersonChange:
    """Return who uses this terminal, for the audit log."""
    import getpass
    import socket
    import time

    from callflows.journal.inbox import PersonChange

    return PersonChange(getpass.getuser(), f"terminal of {socket.gethostname()}", time.time())


def record_audit(action: str, key: str, before: str, after: str) -> None:
    """Add a change to the audit log if there is a database; an outage is told, and the change holds."""
    from callflows.errors import JournalError
    from callflows.journal.inbox import add_audit_row
    from callflows.journal.sql_store import SqlStore

    store = SqlStore(load_command_settings().journal_url)
    if store.sqlite_file is not None and not store.sqlite_file.exists():
        return
    with contextlib.closing(store):
        try:
            store.open()
            store.run_writing(add_audit_row, build_terminal_change(), action, key, (before, after))
        except JournalError as error:
            print_notice(f"callflows: the change is not in the audit log: {error}")


def require_known_value(value: str, known: Iterable[str], option: str) -> None:
    if value and value not in known:
        exit_with_notice(f"callflows: {option}: {value!r} is not valid: use {', '.join(known)}", 2)


def normalize_number_filter(text: str, option: str) -> str:
    """Return a number in E.164, or another party unchanged; exit with code 2 for a number without its country."""
    from callflows.flows.country_code_check import read_written_party

    try:
        return read_written_party(text)
    except ValueError as error:
        exit_with_notice(f"callflows: {option}: {error}", 2)


def parse_moment_option(text: str, option: str) -> float | None:
    """Return seconds since 1970; a moment without a zone is UTC, like displayed moments."""
    from callflows.journal.call_story import parse_moment

    if not text:
        return None
    try:
        return parse_moment(text)
    except (ValueError, OverflowError):
        exit_with_notice(
            f"callflows: {option}: {text!r} is not a time: write 2026-11-23, 2026-11-23T10:00Z, or 2h, 7d for so long ago",
            2,
        )


def complete_stored_id(store: SqlStore, kind: str, text: str) -> str:
    """Return the only id that starts with a text, or "" if none does; exit with code 2 if several do."""
    from callflows.journal.inbox import query_ids_by_prefix

    ids = store.run_reading(query_ids_by_prefix, kind, text, _MAX_ID_CANDIDATES + 1) if text else []
    if len(ids) > 1:
        more = ", …" if len(ids) > _MAX_ID_CANDIDATES else ""
        listed = f"{', '.join(ids[:_MAX_ID_CANDIDATES])}{more}"
        exit_with_notice(f"callflows: {text!r} is the beginning of several ids: {listed}", 2)
    return ids[0] if ids else ""


def print_stored_rows(
    list_rows: Callable[[SqlStore], Generator[_RowT, None, None]],
    build_row: Callable[[_RowT], dict[str, Any]],
    output: LogFormat,
    fields: Sequence[str],
    print_text: Callable[[Iterable[dict[str, Any]]], None],
) -> None:
    """Print rows of the journal in the format; ``print_text`` prints them as text. There are none without a database."""
    from callflows.journal.inbox import join_notes

    # The query is closed even if the output ends early, as in a pipe to head: it would keep the database open.
    with open_store() as store, contextlib.ExitStack() as queries:
        stored: Iterable[_RowT] = ()
        if store is not None:
            stored = queries.enter_context(contextlib.closing(list_rows(store)))
        rows = map(build_row, stored)
        if output is LogFormat.text:
            print_text(rows)
        elif output is LogFormat.csv:
            print_csv(map(join_notes, rows), fields)
        else:
            (print_json_array if output is LogFormat.json else print_json_lines)(rows)


def print_json_array(rows: Iterable[dict[str, Any]]) -> None:
    import json

    # Written row by row: there may be a million calls.
    begun = False
    for row in rows:
        sys.stdout.write(f"{',' if begun else '['}\n  {json.dumps(row, ensure_ascii=False)}")
        begun = True
    print("\n]" if begun else "[]")


def print_json_lines(rows: Iterable[dict[str, Any]]) -> None:
    import json

    for row in rows:
        print(json.dumps(row, ensure_ascii=False))


def print_csv(rows: Iterable[dict[str, Any]], fields: Sequence[str]) -> None:
    import csv

    table = csv.DictWriter(sys.stdout, fields, lineterminator="\n")
    table.writeheader()
    for row in rows:
        table.writerow({name: escape_spreadsheet_formula(value) for name, value in row.items()})
