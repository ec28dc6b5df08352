"""The execution log of a call gives the reported steps their places in the document."""

from __future__ import annotations

import json

from callflows.journal.execution_rows import has_stored_log, merge_execution_rows, merge_stored_log, tells_every_place


def build_report(at, name, *, success=True):
    """The event of a step, without its place, as Opentact reports it since 2024."""
    raw = {"type": "call_flow", "call_flow": {"name": name, "success": success}}
    return {"key": f"event at {at}", "kind": "call_flow", "at": at, "arrived": at, "source": "wss", "raw": json.dumps(raw)}


def build_logged(at, name, path, *, success=True):
    """The row of the same step in the log."""
    raw = {"type": "call_flow", "call_flow": {"name": name, "success": success, "path": path}}
    return {"key": f"row at {at}", "kind": "call_flow", "at": at, "arrived": at, "source": "log", "raw": json.dumps(raw)}


def list_places(events):
    return [(event["key"], event.get("path")) for event in events]


LOG = [build_logged(10.0, "Say", "Say[0]"), build_logged(20.0, "Say", "Say[1]"), build_logged(30.0, "Hangup", "Hangup[2]")]


def test_reports_of_the_same_moments_get_their_places():
    reports = [build_report(10.5, "Say"), build_report(20.5, "Say"), build_report(30.5, "Hangup")]
    assert [place for _key, place in list_places(merge_execution_rows(reports, LOG))] == ["Say[0]", "Say[1]", "Hangup[2]"]


def test_reports_that_come_late_get_their_places_in_order():
    reports = [build_report(60.0, "Say"), build_report(61.0, "Say"), build_report(62.0, "Hangup")]
    assert list_places(merge_execution_rows(reports, LOG)) == [
        ("event at 60.0", "Say[0]"),
        ("event at 61.0", "Say[1]"),
        ("event at 62.0", "Hangup[2]"),
    ]


def test_a_late_report_of_which_nobody_knows_the_step_gets_no_place():
    found = list_places(merge_execution_rows([build_report(60.0, "Say"), build_report(62.0, "Hangup")], LOG))
    assert found == [("row at 10.0", None), ("row at 20.0", None), ("event at 60.0", None), ("event at 62.0", "Hangup[2]")]


def test_a_step_that_failed_is_not_the_one_that_went_well():
    found = list_places(merge_execution_rows([build_report(62.0, "Hangup", success=False)], LOG[2:]))
    assert found == [("row at 30.0", None), ("event at 62.0", None)]


FOUND = [{**row, "source": "search"} for row in LOG]
REPORTS = [build_report(10.5, "Say"), build_report(20.5, "Say"), build_report(30.5, "Hangup")]


def test_rows_that_a_search_found_before_the_log_was_fetched_give_places_too():
    """The rows of the log are then known already, and stay those of the search."""
    stored = merge_stored_log([*FOUND, *REPORTS])
    assert [place for _key, place in list_places(stored)] == ["Say[0]", "Say[1]", "Hangup[2]"]
    assert tells_every_place(stored)


def test_a_search_that_found_a_part_of_the_log_does_not_stand_for_the_log():
    stored = merge_stored_log([*FOUND[:1], *REPORTS])
    assert [place for _key, place in list_places(stored)] == ["Say[0]", None, None]
    assert not has_stored_log(stored)
    assert not tells_every_place(stored)
    assert has_stored_log(merge_stored_log([*FOUND[:1], *LOG[1:], *REPORTS]))


def test_a_log_that_is_fetched_after_a_search_tells_no_step_twice():
    stored = merge_stored_log([*FOUND[:1], *REPORTS])
    assert [place for _key, place in list_places(merge_execution_rows(stored, LOG))] == ["Say[0]", "Say[1]", "Hangup[2]"]
