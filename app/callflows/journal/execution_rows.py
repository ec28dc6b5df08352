"""Merges the execution log of a call into its events: Opentact's events of 2024 do not say where an element stands."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from callflows.journal.call_path import MAX_CLOCK_SKEW_SECONDS
from callflows.telephony.events import EXECUTION_LOG_SOURCE, SEARCH_SOURCES, extract_executed_step

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from callflows.journal.stored_rows import JournalRow, StoredCall


def add_execution_log(stored: StoredCall, execution_rows: Iterable[JournalRow]) -> StoredCall:
    """Add the rows of an execution log to a call's events."""
    return stored._replace(events=merge_execution_rows(stored.events, execution_rows))


def merge_stored_log(events: Sequence[JournalRow]) -> Sequence[JournalRow]:
    """Return the events of a call, with the stored rows of its execution log merged into the reported ones.

    A search that came before the log may have found any of its rows; those are stored as found by the search.
    """
    logged = [event for event in events if event["kind"] == "call_flow" and event["source"] in SEARCH_SOURCES]
    if not logged:
        return events
    return merge_execution_rows((event for event in events if event not in logged), logged)


def merge_execution_rows(events: Iterable[JournalRow], execution_rows: Iterable[JournalRow]) -> list[JournalRow]:
    """Return events with the rows of an execution log.

    If an event of the same step exists, only the step's path is added to that event: an event of about the same time, or
    of any time if as many events as rows are left of such steps, since a busy platform reports late, but in order.
    """
    reported = [*events]
    keys = {row["key"] for event in reported for row in (event, event.get("placed_by", event))}
    added: list[JournalRow] = []
    for row in (row for row in execution_rows if row["key"] not in keys):
        step = _read_step(row)
        same = next((n for n, event in enumerate(reported) if _is_event_of_step(event, row["at"], step)), None)
        if same is None:
            added.append(row)
        else:
            reported[same] = _place_event(reported[same], row)
    unplaced = sorted(filter(_is_unplaced_step, reported), key=_get_moment)
    for identity in {_identify_step(row) for row in added}:
        rows = [row for row in sorted(added, key=_get_moment) if _identify_step(row) == identity]
        late = [event for event in unplaced if _identify_step(event) == identity]
        if len(rows) == len(late):
            for row, event in zip(rows, late, strict=True):
                reported[reported.index(event)] = _place_event(event, row)
                added.remove(row)
    return sorted([*reported, *added], key=_get_moment)


def _place_event(event: JournalRow, row: JournalRow) -> JournalRow:
    """Return an event with the place of its element, and with the row that gives the place as ``placed_by``."""
    return {**event, "path": str(_read_step(row).get("path") or ""), "placed_by": row}


def _read_step(event: JournalRow) -> Mapping[str, object]:
    return extract_executed_step(json.loads(event["raw"]))


def _is_unplaced_step(event: JournalRow) -> bool:
    """Return True if an event is about an executed step whose place in the document is not known."""
    return event["kind"] == "call_flow" and "path" not in event and not _read_step(event).get("path")


def _identify_step(event: JournalRow) -> tuple[object, object]:
    step = _read_step(event)
    return step.get("name"), step.get("success")


def _get_moment(event: JournalRow) -> tuple[float, float]:
    return event["at"], event["arrived"] or 0.0


def has_stored_log(events: Iterable[JournalRow]) -> bool:
    """Return True if the events of a stored call include its execution log."""
    return any(event.get("placed_by", event)["source"] == EXECUTION_LOG_SOURCE for event in events)


def tells_every_place(events: Iterable[JournalRow]) -> bool:
    """Return True if every report of an executed element has the place of the element; False without a report."""
    reports = [event for event in events if event["kind"] == "call_flow" and event["source"] not in SEARCH_SOURCES]
    return bool(reports) and all(
        event.get("path") or extract_executed_step(json.loads(event["raw"] or "{}")).get("path") for event in reports
    )


def _is_event_of_step(event: JournalRow, at: float, step: Mapping[str, object]) -> bool:
    """Return True if an event without a path is about an executed step."""
    if event["kind"] != "call_flow" or "path" in event or abs(event["at"] - at) > MAX_CLOCK_SKEW_SECONDS:
        return False
    reported_step = _read_step(event)
    paths = {str(known["path"]) for known in (reported_step, step) if known.get("path")}
    is_same_result = all(reported_step.get(name) == step.get(name) for name in ("name", "success"))
    return is_same_result and len(paths) <= 1
