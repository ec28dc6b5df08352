"""``callflows watch``: calls as they arrive and end, read from the journal."""

from __future__ import annotations

import contextlib
import json
import signal
import time
from typing import TYPE_CHECKING, Annotated, Any, Final, NamedTuple

import typer

from callflows.cli.cli_options import TableFormat, load_command_settings, print_notice
from callflows.cli.journal_output import normalize_number_filter, open_store

if TYPE_CHECKING:
    from collections.abc import Iterator

    from callflows.flows.authoring.flow_outline import FlowOutlines
    from callflows.journal.sql_store import SqlStore
    from callflows.journal.stored_rows import CallFilter, JournalRow


_LOOK_INTERVAL_SECONDS: Final = 1.0
_OVERLAP_SECONDS: Final = 60.0
"""A call may be written this long after its beginning, and is found all the same."""
_SAME_CALL_SECONDS: Final = 30.0
_MAX_CALLS_PER_LOOK: Final = 1_000


def watch(
    number: Annotated[str, typer.Option(help="Only calls to this number.")] = "",
    from_: Annotated[str, typer.Option("--from", help="Only calls of this caller.")] = "",
    flow: Annotated[str, typer.Option(help="Only calls that this flow answers.")] = "",
    count: Annotated[int | None, typer.Option(min=1, help="End after this number of lines.")] = None,
    seconds: Annotated[float | None, typer.Option(min=0.1, help="End after this time.")] = None,
    output: Annotated[
        TableFormat, typer.Option("--format", help="The output format; json prints one object on each line.")
    ] = (TableFormat.text),
) -> None:
    """Print calls as they arrive and as they end. Ctrl-C ends this.

    The calls are those of the journal, so all servers that share its database are seen. The end of a call is known where
    Opentact's events are heard.
    """
    from callflows.flows.authoring.flow_outline import FlowOutlines
    from callflows.journal.stored_rows import CallFilter

    # A shell starts a job in the background with Ctrl-C ignored, and Python would leave that so.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    outlines = FlowOutlines(load_command_settings().flows)
    call_filter = CallFilter(normalize_number_filter(number, "--number"), normalize_number_filter(from_, "--from"), flow)
    until = time.monotonic() + seconds if seconds is not None else None
    left = count
    with contextlib.suppress(KeyboardInterrupt), open_store() as store:
        if store is None:
            raise typer.Exit(1)
        print_notice("watching; Ctrl-C ends it")
        for sighting in _watch_calls(store, call_filter, until):
            line = _format_sighting if output is TableFormat.text else _format_sighting_json
            print(line(sighting, outlines), flush=True)
            left = None if left is None else left - 1
            if left == 0:
                return


class CallSighting(NamedTuple):
    """A call was seen to begin or to end."""

    what: str
    call: JournalRow


class CallWatch:
    """Compares each look at the journal with the one before."""

    def __init__(self, store: SqlStore, call_filter: CallFilter, began: float) -> None:
        self._store = store
        self._call_filter = call_filter
        self._began = began
        self._open_calls: dict[str, JournalRow] = {}
        self._ended_ids: dict[str, float] = {}

    def look(self, now: float) -> Iterator[CallSighting]:
        """Yield calls that began or ended since the last look, the oldest first."""
        since = max(self._began, now - _OVERLAP_SECONDS)
        found = {
            call["id"]: call
            for call in self._list_calls(self._call_filter._replace(since=since, limit=_MAX_CALLS_PER_LOOK))
        }
        waiting = [id_ for id_ in self._open_calls if id_ not in found]
        if waiting:
            found |= {call["id"]: call for call in self._list_calls(self._call_filter._replace(ids=tuple(waiting)))}
        for id_ in waiting:
            if id_ not in found:
                self._replace_id(id_, found)
        self._ended_ids = {id_: at for id_, at in self._ended_ids.items() if at >= since - _OVERLAP_SECONDS}
        for id_, call in sorted(found.items(), key=lambda item: (item[1]["started"] or 0.0, item[0])):
            yield from self._compare_call(id_, call, now)

    def _list_calls(self, call_filter: CallFilter) -> list[JournalRow]:
        with contextlib.closing(self._store.list_calls(call_filter)) as calls:
            return [*calls]

    def _replace_id(self, id_: str, found: dict[str, JournalRow]) -> None:
        """Forget a call that is gone; it may have got Opentact's id meanwhile."""
        old = self._open_calls.pop(id_)
        for other, call in found.items():
            is_same = (call["caller"], call["number"]) == (old["caller"], old["number"])
            if is_same and other not in self._open_calls and abs(call["started"] - old["started"]) <= _SAME_CALL_SECONDS:
                self._open_calls[other] = call
                return

    def _compare_call(self, id_: str, call: JournalRow, now: float) -> Iterator[CallSighting]:
        from callflows.journal.stored_rows import is_call_over
        from callflows.telephony.call_record import LONGEST_CALL_SECONDS

        if id_ in self._ended_ids:
            return
        if id_ not in self._open_calls:
            yield CallSighting("began", call)
        self._open_calls[id_] = call
        is_over = is_call_over(call)
        if is_over:
            yield CallSighting("ended", call)
            self._ended_ids[id_] = call["started"] or now
        if is_over or now - (call["started"] or now) > LONGEST_CALL_SECONDS:
            del self._open_calls[id_]


def _watch_calls(store: SqlStore, call_filter: CallFilter, until: float | None) -> Iterator[CallSighting]:
    """Yield sightings until a moment of the monotonic clock; during an outage of the database, wait."""
    from callflows.errors import JournalUnavailableError

    call_watch, is_away = CallWatch(store, call_filter, time.time()), False
    while until is None or time.monotonic() < until:
        try:
            yield from [*call_watch.look(time.time())]
            is_away = False
        except JournalUnavailableError as error:
            if not is_away:
                print_notice(f"callflows: the database is away: {error}")
            is_away = True
        left = _LOOK_INTERVAL_SECONDS if until is None else min(_LOOK_INTERVAL_SECONDS, until - time.monotonic())
        time.sleep(max(left, 0.0))


def _build_row(sighting: CallSighting, outlines: FlowOutlines) -> dict[str, Any]:
    from callflows.journal.call_story import build_named_row

    return build_named_row(sighting.call, outlines)


def _format_sighting(sighting: CallSighting, outlines: FlowOutlines) -> str:
    from callflows.flows.source.time_zones import format_local_time

    row = _build_row(sighting, outlines)
    zone_name = outlines.find_outline(row["flow"]).zone_name
    moment = row["ended"] if sighting.what == "ended" else row["started"]
    clock = format_local_time(moment or "", zone_name, "%H:%M:%S") or "?"
    who = row["from"] or "anonymous"
    if sighting.what == "began":
        return f"{clock}  {who} calls {row['number']}{' (' + row['flow'] + ')' if row['flow'] else ''}"
    lasted = f", {row['seconds']} s" if row["seconds"] is not None else ""
    return f"{clock}  {who} is gone: {row['outcome_text']}{lasted}"


def _format_sighting_json(sighting: CallSighting, outlines: FlowOutlines) -> str:
    return json.dumps({"what": sighting.what, **_build_row(sighting, outlines)}, ensure_ascii=False)
