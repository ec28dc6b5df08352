"""The call log: list calls, print the story of a call, and forget numbers."""

from __future__ import annotations

import shlex
import sys
import textwrap
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from callflows.cli.cli_options import (
    build_command_options,
    exit_with_notice,
    load_command_settings,
    print_notice,
    show_progress,
)
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
    complete_stored_id,
    normalize_number_filter,
    open_store,
    parse_moment_option,
    print_json_lines,
    print_stored_rows,
    require_known_value,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from callflows.flows.authoring.flow_outline import FlowOutlines
    from callflows.journal.sql_store import SqlStore


_TABLE_COLUMNS: Final = ("started", "from", "number", "flow", "outcome_text", "seconds", "cause_text", "id")


def log(  # noqa: PLR0913, PLR0917 - an option each
    call: Annotated[
        str | None, typer.Argument(help="The id of a call, or the first characters of it: show everything about this call.")
    ] = None,
    number: NUMBER_FILTER = "",
    from_: FROM_FILTER = "",
    flow: FLOW_FILTER = "",
    outcome: Annotated[
        str, typer.Option(help="Calls that ended so: answered, voicemail, nobody-answered, fallback, …")
    ] = "",
    state: Annotated[str, typer.Option(help="Calls that Opentact last reported in this state: live, destroyed, …")] = "",
    since: SINCE_FILTER = "",
    until: UNTIL_FILTER = "",
    limit: ROW_LIMIT = None,
    mask: Annotated[
        str, typer.Option("--masked", metavar="NUMBER", help="Print a number as the server's log writes it.")
    ] = "",
    documents: Annotated[bool, typer.Option("--documents", help="Show the documents of the call.")] = False,  # noqa: FBT002
    scenario: Annotated[bool, typer.Option("--as-scenario", help="Print a call as a scenario for a flow file.")] = False,  # noqa: FBT002
    write: Annotated[bool, typer.Option("--write", help="With --as-scenario: add it to the flow's tests.")] = False,  # noqa: FBT002
    output: LOG_FORMAT = LogFormat.text,
) -> None:
    """List calls, the newest first, or tell the whole story of one: what was asked, decided, answered, reported.

    Outcome is how the call ended: answered (somebody took it), voicemail, no-message (hung up at the tone of a voicemail),
    nobody-answered, hung-up-in-menu, ended (without a conversation), ongoing, unreported, fallback (something broke),
    unknown-number (no flow has it). Cause is why it ended, as Opentact says. Times are those of the flow's time zone, which
    is named; in JSON and CSV they are UTC.
    """
    from callflows.flows.authoring.flow_outline import FlowOutlines
    from callflows.journal.call_ending import ENDING_WORDS, find_ending
    from callflows.journal.call_story import CALL_LOG_FIELDS, build_named_row
    from callflows.journal.stored_rows import CallFilter
    from callflows.telephony.call_states import CALL_STATE_RANKS

    if mask:
        _print_masked_number(mask)
        return
    outcome = find_ending(outcome)
    require_known_value(outcome, ENDING_WORDS, "--outcome")
    require_known_value(state, CALL_STATE_RANKS, "--state")
    if scenario and call is None:
        exit_with_notice("callflows: --as-scenario needs the id of a call: callflows log CALL --as-scenario", 2)
    if write and not scenario:
        exit_with_notice("callflows: --write needs --as-scenario: callflows log CALL --as-scenario --write", 2)
    outlines = FlowOutlines(load_command_settings().flows)
    if call is not None:
        with open_store() as store:
            story = _load_story(store, call, outlines)
        if not scenario:
            _print_story(story, output, outlines, shows_documents=documents)
            return
        text = _print_scenario(story)
        if write:
            _write_scenario(story["call"]["flow"] or "", text)
        return
    most = limit or (DEFAULT_TEXT_ROWS if output is LogFormat.text else None)
    moments = parse_moment_option(since, "--since"), parse_moment_option(until, "--until")
    parties = normalize_number_filter(number, "--number"), normalize_number_filter(from_, "--from")
    call_filter = CallFilter(*parties, flow, outcome, state, *moments, limit=most)
    print_stored_rows(
        lambda store: store.list_calls(call_filter),
        lambda row: build_named_row(row, outlines),
        output,
        CALL_LOG_FIELDS,
        lambda rows: _print_call_table(rows, outlines),
    )


def _print_masked_number(number: str) -> None:
    """Print a number as the server log masks it, for searching the log."""
    from callflows.installation_parts import load_secret_keys
    from callflows.telephony.phone_numbers import NumberMask

    print(NumberMask(load_secret_keys(load_command_settings())[0])(normalize_number_filter(number, "--masked")))


def _print_call_table(rows: Iterable[dict[str, Any]], outlines: FlowOutlines) -> None:
    listed = [
        {name: _format_cell(name, row[name], outlines.find_outline(row["flow"]).zone_name) for name in _TABLE_COLUMNS}
        for row in rows
    ]
    heads = {name: name.removesuffix("_text") for name in _TABLE_COLUMNS}
    widths = {name: max(len(row[name]) for row in [heads, *listed]) for name in _TABLE_COLUMNS}
    for row in [heads, *listed] if listed else ():
        print("  ".join(f"{row[name]:<{widths[name]}}" for name in _TABLE_COLUMNS).rstrip())
    if not listed:
        print_notice("no calls")


def _format_cell(name: str, value: object, zone_name: str) -> str:
    from callflows.flows.source.time_zones import format_local_time

    if name == "started":
        return format_local_time(str(value or ""), zone_name, "%Y-%m-%d %H:%M:%S")
    text = "" if value is None else " ".join(str(value).split())
    return shlex.quote(text) if name == "id" else text


def _load_story(store: SqlStore | None, call: str, outlines: FlowOutlines) -> dict[str, Any]:
    from callflows.cli.execution_log import fetch_execution_rows
    from callflows.journal.call_story import build_call_story, name_story_parties
    from callflows.journal.execution_rows import add_execution_log
    from callflows.journal.inbox import CALL_KIND

    call_rows = store.load_call(complete_stored_id(store, CALL_KIND, call) or call) if store is not None else None
    if store is None or call_rows is None:
        exit_with_notice(f"callflows: there is no record of a call {call!r}: callflows log lists the calls", 1)
    shortest = store.shortest_message_seconds
    story = build_call_story(add_execution_log(call_rows, fetch_execution_rows(call_rows)), shortest)
    name_story_parties(story, outlines)
    return story


def _print_scenario(story: dict[str, Any]) -> str:
    """Print a call as a scenario, and return it. The call is rehearsed with the current flows, so the scenario passes."""
    import asyncio

    from callflows.cli.rehearsal_setup import ring_number
    from callflows.flows.suppositions import Suppositions
    from callflows.rehearsal.scenario_recorder import record_scenario
    from callflows.testing.journal_replay import build_replay

    rehearsal, unknown, hours = build_replay(story)
    supposed = Suppositions(hours=tuple((name, state == "open") for name, state in hours.items()))
    transcript, zone = asyncio.run(ring_number(rehearsal, load_command_settings(), suppositions=supposed))
    print_notice("rehearsed again with the flows as they are now")
    scenario = record_scenario(transcript, rehearsal, zone=zone, unknown_from=unknown, hours_states=hours)
    print(scenario, end="")
    return scenario


def _write_scenario(flow: str, scenario: str) -> None:
    """Add a scenario to the file of a flow. Prints a patch if the folder is read-only."""
    from callflows.errors import CallflowsError, DraftRefusedError, ReadOnlyFlowsError
    from callflows.flows.authoring.flow_drafts import check_and_publish, read_flow_source
    from callflows.flows.authoring.scenario_edits import add_scenario
    from callflows.flows.loader.folder_loader import load_flow_folder

    settings = load_command_settings()
    options = build_command_options(settings)
    current = read_flow_source(settings.flows, flow)
    if not flow or not current.digest:
        exit_with_notice(f"callflows: {flow or 'no flow'} has no file whose tests could get it: copy it there", 1)
    try:
        text = add_scenario(current.text, scenario)
        check_and_publish(
            settings.flows, options, flow, text, current.digest, lambda: load_flow_folder(settings.flows, options).book
        )
    except DraftRefusedError as error:
        exit_with_notice(f"callflows: nothing was written: {'; '.join(map(str, error.problems))}", 1)
    except ReadOnlyFlowsError as error:
        print(error.patch, end="")
        exit_with_notice(f"callflows: {error}", 1)
    except CallflowsError as error:
        exit_with_notice(f"callflows: nothing was written: {error}", 1)
    print_notice(f"added to the tests of {current.file}: callflows test runs it")


def _print_story(story: dict[str, Any], output: LogFormat, outlines: FlowOutlines, *, shows_documents: bool) -> None:
    import json

    if output is LogFormat.text:
        zone_name = outlines.find_outline(story["call"]["flow"]).zone_name
        for line in _format_story(story, zone_name, shows_documents=shows_documents):
            print(line)
    elif output is LogFormat.csv:
        exit_with_notice("callflows: one call cannot be printed as a table: use --format json, jsonl or text", 2)
    elif output is LogFormat.jsonl:
        print_json_lines(story["story"])
    else:
        print(json.dumps(story, ensure_ascii=False, indent=2))


def _format_story(story: dict[str, Any], zone_name: str, *, shows_documents: bool) -> Iterator[str]:
    """Return a story as text: one line for each entry, optionally with documents. Times are the wall clock of a zone."""
    from callflows.flows.source.time_zones import format_local_time
    from callflows.journal.story_words import describe_story_entry, indent_document, skip_repeated_entries

    call = story["call"]
    ended = f", {call['seconds']} s" if call["seconds"] is not None else ""
    cause = f", {call['cause_text']}" if call["cause_text"] else ""
    who = f"{call['from'] or 'anonymous'} to {call['number']}"
    yield f"{shlex.quote(call['id'])}: {who}, {call['outcome_text'] or 'outcome unknown'}{ended}{cause}"
    yield f"  began {format_local_time(call['started'] or '', zone_name, '%Y-%m-%d %H:%M:%S') or 'at an unknown time'}"
    if call["why"]:
        yield from textwrap.wrap(f"why   {call['why']}", 80, initial_indent="  ", subsequent_indent=" " * 8)
    yield from _format_path(story["path"])
    yield from _format_heard(story)
    for leg in story["legs"]:
        yield f"  leg {leg['id']}: to {leg['to']}, {leg['state']}, {leg['cause_text'] or 'no cause'}"
    for entry in skip_repeated_entries(story["story"]):
        clock_time = format_local_time(entry["at"] or "", zone_name, "%H:%M:%S.%f").partition(" ")[0]
        yield f"{clock_time:<12}  {entry['what']:<11}  {describe_story_entry(entry)}"
        if entry["what"] == "answered" and shows_documents:
            yield from (f"{'':<27}{line}" for line in indent_document(entry["document"]))


def _format_path(path: list[dict[str, Any]]) -> Iterator[str]:
    """Return the nodes that a call came to, each with its place in the flow file and the way that led there."""
    words = [
        f"{'-> ' if index else ''}{visit['way'] + ' -> ' if visit['way'] else ''}"
        f"{visit['node']}{' (' + visit['place'] + ')' if visit['place'] else ''}"
        for index, visit in enumerate(path)
    ]
    if words:
        yield from textwrap.wrap(
            " ".join(words), 80, initial_indent="  path  ", subsequent_indent=" " * 8, break_on_hyphens=False
        )


def _format_heard(story: dict[str, Any]) -> Iterator[str]:
    """Return what the caller heard and pressed, with the seconds since the beginning of the call."""
    from datetime import datetime

    if not story["heard"]:
        return
    sure = all(words["sure"] for words in story["heard"])
    yield "  as heard" if sure else "  as heard, as far as is known: Opentact did not report every step"
    began = datetime.fromisoformat(story["call"]["started"] or story["heard"][0]["at"])
    for words in story["heard"]:
        seconds = max(0, round((datetime.fromisoformat(words["at"]) - began).total_seconds()))
        text = f"{words['who']}: {words['text']}" if words["sure"] else f"{words['who']}, sent: {words['text']}"
        yield from textwrap.wrap(
            f"{seconds // 60}:{seconds % 60:02}  {text}", 80, initial_indent="    ", subsequent_indent=" " * 10
        )


def forget(
    number: Annotated[str, typer.Argument(help="A number, or the login name of a SIP user.")],
    yes: Annotated[bool, typer.Option("--yes", help="Erase without asking.")] = False,  # noqa: FBT002 - an option
) -> None:
    """Erase a number: its calls and messages, and every other mention of it in the records."""
    from callflows.journal.retention import forget_number
    from callflows.journal.spool import Spool
    from callflows.telephony.phone_numbers import mask_number, parse_caller_number

    number = normalize_number_filter(number, "NUMBER")
    if not parse_caller_number(number):
        exit_with_notice(f"callflows: {number!r} is neither a number nor the login name of a SIP user", 2)
    with open_store() as store:
        if store is None:
            return
        if not yes and not sys.stdin.isatty():
            exit_with_notice("callflows: nothing was erased: without a terminal, nobody can confirm; add --yes", 2)
        if not yes:
            typer.confirm(f"Erase all records of {number}? They cannot be restored.", abort=True)
        with show_progress("looking") as on_progress:
            looked = (lambda count: on_progress(count, count)) if on_progress else (lambda _count: None)
            erased_counts = forget_number(store, Spool(load_command_settings().data), number, looked)
    rows = ", ".join(f"{count} in {table}" for table, count in sorted(erased_counts.items()))
    print(f"{mask_number(parse_caller_number(number))} is erased: {rows or 'there were no records'}")
