"""The inbox in the terminal: voicemails and text messages."""

from __future__ import annotations

import shlex
import textwrap
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from callflows.cli.cli_options import exit_with_notice, load_command_settings, print_notice
from callflows.cli.journal_output import (
    DEFAULT_TEXT_ROWS,
    FLOW_FILTER,
    FROM_FILTER,
    LOG_FORMAT,
    NUMBER_FILTER,
    ROW_LIMIT,
    SINCE_FILTER,
    UNTIL_FILTER,
    LogFormat,
    build_terminal_change,
    complete_stored_id,
    normalize_number_filter,
    open_store,
    parse_moment_option,
    print_stored_rows,
    require_known_value,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Sequence

    from callflows.flows.authoring.flow_outline import FlowOutlines
    from callflows.journal.inbox import InboxFilter
    from callflows.journal.sql_store import SqlStore


_TEXT_WIDTH: Final = 80
_HANDLED_OPTION = Annotated[str, typer.Option(metavar="ID", help="Mark this one as handled, and print nothing else.")]
_REOPEN_OPTION = Annotated[str, typer.Option(metavar="ID", help="Mark this one as new again.")]
_NOTE_OPTION = Annotated[
    tuple[str, str] | None, typer.Option(metavar="ID TEXT", help="Add a note to this one, as ID 'called back'.")
]
_STATE_OPTION = Annotated[str, typer.Option(help="Only the new ones, or only the handled ones: new, handled.")]


def voicemails(  # noqa: PLR0913, PLR0917 - an option each
    handled: _HANDLED_OPTION = "",
    reopen: _REOPEN_OPTION = "",
    note: _NOTE_OPTION = None,
    state: _STATE_OPTION = "",
    number: NUMBER_FILTER = "",
    from_: FROM_FILTER = "",
    flow: FLOW_FILTER = "",
    since: SINCE_FILTER = "",
    until: UNTIL_FILTER = "",
    limit: ROW_LIMIT = None,
    output: LOG_FORMAT = LogFormat.text,
) -> None:
    """List voicemails, the newest first: who called, how long, new or handled, notes, transcript, and the link.

    A voicemail is new until somebody marks it as handled. The first characters of an id are enough.
    """
    from callflows.journal.inbox import VOICEMAIL_FIELDS, VOICEMAIL_KIND, InboxFilter
    from callflows.journal.sql_store import SqlStore

    if _change_inbox(VOICEMAIL_KIND, handled, reopen, note):
        return
    inbox_filter = InboxFilter(flow=flow, **_read_filter_options(state, number, from_, since, until, limit, output))
    _print_inbox(SqlStore.list_voicemails, inbox_filter, output, VOICEMAIL_FIELDS, _format_voicemail)


def messages(  # noqa: PLR0913, PLR0917 - an option each
    handled: _HANDLED_OPTION = "",
    reopen: _REOPEN_OPTION = "",
    note: _NOTE_OPTION = None,
    state: _STATE_OPTION = "",
    direction: Annotated[str, typer.Option(help="Only texts that came in, or that went out: in, out.")] = "",
    number: NUMBER_FILTER = "",
    from_: FROM_FILTER = "",
    since: SINCE_FILTER = "",
    until: UNTIL_FILTER = "",
    limit: ROW_LIMIT = None,
    output: LOG_FORMAT = LogFormat.text,
) -> None:
    """List text messages of both directions, the newest first, with their delivery as Opentact reported it.

    A text that came in is new until somebody marks it as handled. The first characters of an id are enough.
    """
    from callflows.journal.inbox import MESSAGE_FIELDS, MESSAGE_KIND, InboxFilter
    from callflows.journal.sql_store import SqlStore

    if _change_inbox(MESSAGE_KIND, handled, reopen, note):
        return
    require_known_value(direction, ("in", "out"), "--direction")
    inbox_filter = InboxFilter(
        direction=direction, **_read_filter_options(state, number, from_, since, until, limit, output)
    )
    _print_inbox(SqlStore.list_messages, inbox_filter, output, MESSAGE_FIELDS, _format_message)


def _read_filter_options(
    state: str, number: str, from_: str, since: str, until: str, limit: int | None, output: LogFormat
) -> dict[str, Any]:
    from callflows.journal.inbox import INBOX_STATES

    require_known_value(state, INBOX_STATES, "--state")
    return {
        "state": state,
        "number": normalize_number_filter(number, "--number"),
        "party": normalize_number_filter(from_, "--from"),
        "since": parse_moment_option(since, "--since"),
        "until": parse_moment_option(until, "--until"),
        "limit": limit or (DEFAULT_TEXT_ROWS if output is LogFormat.text else None),
    }


def _change_inbox(kind: str, handled: str, reopen: str, note: tuple[str, str] | None) -> bool:
    """Make the changes of the options; return whether there were any."""
    from callflows.journal.inbox import set_handled

    if not (handled or reopen or note):
        return False
    with open_store() as store:
        if store is None:
            raise typer.Exit(1)
        change = build_terminal_change()
        for text, is_handled in ((handled, True), (reopen, False)):
            if text:
                key = _complete_id(store, kind, text)
                changed = store.run_writing(set_handled, kind, key, change, handled=is_handled)
                print(f"{kind} {key} {'is' if changed else 'was'} {'handled' if is_handled else 'new'}")
        if note:
            key = _complete_id(store, kind, note[0])
            _add_note(store, kind, key, note[1])
    return True


def _add_note(store: SqlStore, kind: str, key: str, text: str) -> None:
    from callflows.errors import JournalRejectionError
    from callflows.journal.inbox import add_note

    change = build_terminal_change()
    try:
        store.run_writing(add_note, kind, key, change, text)
    except JournalRejectionError as error:
        exit_with_notice(f"callflows: --note: {error}", 2)
    print(f"{kind} {key} has the note")


def _complete_id(store: SqlStore, kind: str, text: str) -> str:
    """Return the only id that starts with the given text; exit with a notice if none or several do."""
    id_ = complete_stored_id(store, kind, text)
    if not id_:
        exit_with_notice(f"callflows: there is no {kind} {text!r}: callflows {kind}s lists them", 1)
    return id_


def _print_inbox(
    list_rows: Callable[[SqlStore, InboxFilter], Generator[dict[str, Any], None, None]],
    inbox_filter: InboxFilter,
    output: LogFormat,
    fields: Sequence[str],
    format_row: Callable[[dict[str, Any], FlowOutlines], Iterator[str]],
) -> None:
    from callflows.flows.authoring.flow_outline import FlowOutlines

    def print_text(rows: Iterable[dict[str, Any]]) -> None:
        outlines, count = FlowOutlines(load_command_settings().flows), 0
        for count, row in enumerate(rows, 1):  # noqa: B007 - the number of rows is used below
            for line in format_row(row, outlines):
                print(line)
        if not count:
            print_notice("none")
        elif count == inbox_filter.limit:
            print_notice(f"there may be more: --limit {2 * count}")

    def build_row(row: dict[str, Any]) -> dict[str, Any]:
        return {name: row[name] for name in fields}

    print_stored_rows(lambda store: list_rows(store, inbox_filter), build_row, output, fields, print_text)


def _format_voicemail(row: dict[str, Any], outlines: FlowOutlines) -> Iterator[str]:
    """Yield the lines of a voicemail: a head, then its details, indented."""
    from callflows.flows.source.time_zones import format_local_time

    zone_name = outlines.find_outline(row["flow"]).zone_name
    moment = format_local_time(row["at"] or "", zone_name, "%Y-%m-%d %H:%M") or "at an unknown time"
    seconds = row["seconds"]
    length = "" if seconds is None else f"{seconds // 60}:{seconds % 60:02}"
    who = " ".join(filter(None, (row["from"] or "anonymous", row["name"])))
    yield "  ".join(filter(None, (moment, who, length, row["state"].upper() if row["state"] == "new" else row["state"])))
    yield f"    id {shlex.quote(row['id'])}{', ' + row['flow'] if row['flow'] else ''}, call {shlex.quote(row['call'])}"
    if row["transcript"]:
        yield from _wrap_text(f"“{row['transcript']}”")
    if row["url"]:
        yield f"    {row['url']}"
    yield from _format_people(row, zone_name)


def _format_message(row: dict[str, Any], outlines: FlowOutlines) -> Iterator[str]:
    """Yield the lines of a text message: a head, then its details, indented."""
    from callflows.flows.source.time_zones import format_local_time

    zone_name = outlines.find_outline_of_number(row["from" if row["direction"] == "out" else "to"] or "").zone_name
    moment = format_local_time(row["at"] or "", zone_name, "%Y-%m-%d %H:%M") or "at an unknown time"
    yield f"{moment}  {row['direction'] or 'in':<3}  {row['from']} to {row['to']}  {_describe_delivery(row)}"
    yield from _wrap_text(f"“{row['text']}”")
    yield f"    id {shlex.quote(row['id'])}"
    yield from _format_people(row, zone_name)


def _describe_delivery(row: dict[str, Any]) -> str:
    if row["direction"] != "out":
        return "handled" if row["handled"] else "NEW"
    word = {True: "delivered", False: "not delivered"}.get(row["delivered"], row["state"] or "not reported")
    return f"{word}: {row['reason']}" if row["reason"] and not row["delivered"] else word


def _format_people(row: dict[str, Any], zone_name: str) -> Iterator[str]:
    """Yield who handled something, and the notes."""
    from callflows.flows.source.time_zones import format_local_time

    if row["handled_by"]:
        moment = format_local_time(row["handled_at"] or "", zone_name, "%Y-%m-%d %H:%M")
        yield f"    handled by {row['handled_by']}, {moment}"
    for note in row["notes"]:
        yield from _wrap_text(f"note by {note['by']}: {note['text']}")


def _wrap_text(text: str) -> list[str]:
    indent = "    "
    return textwrap.wrap(text, _TEXT_WIDTH, initial_indent=indent, subsequent_indent=indent) or [indent.rstrip()]
