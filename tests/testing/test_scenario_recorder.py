"""A rehearsed call becomes a scenario that passes."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from scenario_folders import TEST_SETTINGS, get_only, run_folder, write_scenario_folder
from test_scenarios import FLOW

from callflows.rehearsal.rehearsed_call import Rehearsal
from callflows.rehearsal.scenario_recorder import record_scenario
from callflows.rehearsal.scripted_parties import ScriptedCallees, ScriptedCaller, parse_caller_script
from callflows.testing.scenario_report import format_failed_scenario
from callflows.testing.scenario_runner import serve_folder
from waiting import run_bounded


def recorded(path, text: str, zone=None, **given):
    folder = write_scenario_folder(path, acme=text)
    rehearsal = Rehearsal(**{"number": "+12015550123", "at": datetime(2026, 11, 23, 15, 0, 7, tzinfo=UTC), **given})

    async def ring():
        async with serve_folder(folder, TEST_SETTINGS) as network:
            return await rehearsal.run(network)

    call = run_bounded(ring())
    return call, record_scenario(call, rehearsal, zone=zone)


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"caller": "1"},
        {"caller": "1", "callees": "busy"},
        {"caller": "2", "callees": ["busy", {"+12015550191": "answer"}]},
        {"caller": "9,,2", "callees": "no-answer", "name": "Ann", "attestation": "B", "caller_id": "anonymous"},
        {"caller": "1", "lookups": {"who": {"vip": True, "name": "/Ann/"}}},
        {"caller": "1", "lookups": {"https://crm.example.com/%2B12015550999": {"vip": True}}},
        {"caller": "1", "lookups": {"who": "fails"}, "calls_today": 5, "answers_itself": True},
        {"caller": ["1", {"wait": "12s"}, "hangup"]},
        {"caller": ["", {"wait": "7s"}, "2"]},
        {"caller": [",,", {"wait": "150s"}, "hangup"], "callees": "busy"},
        {"caller": "hangup"},
        {"caller": "91,2"},
        {"caller": ["9", {"wait": "1s"}, "1"]},
        {"caller": ["9", {"wait": "1s"}, "hangup"]},
    ],
    ids=str,
)
def test_a_recorded_call_passes_as_a_scenario(given, tmp_path):
    made = {**given, "caller": ScriptedCaller(parse_caller_script(given.get("caller", "")))}
    call, scenario = recorded(tmp_path, FLOW, **{**made, "callees": ScriptedCallees(given.get("callees", "answer"))})
    folder = write_scenario_folder(tmp_path, acme=f"{FLOW}tests:\n{scenario}")
    assert folder.problems == ()
    again = get_only(run_folder(folder))
    assert again.has_passed, "\n".join(format_failed_scenario(again)) + scenario
    kept = [(step["verb"], step.get("text"), step.get("to"), step["at"]) for step in call.steps]
    assert [(step["verb"], step.get("text"), step.get("to"), step["at"]) for step in again.transcript.steps] == kept


def test_a_scenario_fails_when_the_flow_does_something_else(tmp_path):
    _, scenario = recorded(tmp_path, FLOW, caller=ScriptedCaller(parse_caller_script("1")))
    changed = FLOW.replace("1: sales, 2: support", "1: support, 2: sales")
    assert not get_only(run_folder(write_scenario_folder(tmp_path, acme=f"{changed}tests:\n{scenario}"))).has_passed


def test_the_moment_is_said_on_the_clock_that_is_asked_for(tmp_path):
    _, scenario = recorded(tmp_path, FLOW, ZoneInfo("America/New_York"))
    assert "at: '2026-11-23 10:00:07-05:00'" in scenario


def test_a_text_in_slashes_is_no_regular_expression(tmp_path):
    text = "numbers: +12015550123\nnodes: {start: [say: /a.b/]}\n"
    _, scenario = recorded(tmp_path, text)
    assert get_only(run_folder(write_scenario_folder(tmp_path, acme=f"{text}tests:\n{scenario}"))).has_passed
    assert not get_only(
        run_folder(write_scenario_folder(tmp_path, acme=f"{text.replace('a.b', 'axb')}tests:\n{scenario}"))
    ).has_passed


def test_what_a_real_lookup_found_is_kept(tmp_path):
    call, _ = recorded(
        tmp_path, FLOW, caller=ScriptedCaller(parse_caller_script("1")), lookups={"who": {"vip": True, "name": "Ann"}}
    )
    told = record_scenario(call, dataclasses.replace(Rehearsal(number="+12015550123"), lookups={}))
    assert "name: Ann" in told
