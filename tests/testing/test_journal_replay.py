"""A recorded call becomes a scenario: keys within a document are inferred, or reported as unknown."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest
from scenario_folders import TEST_SETTINGS, get_only, run_folder, write_scenario_folder
from test_scenario_recorder import recorded

from callflows.rehearsal.scenario_recorder import record_scenario
from callflows.rehearsal.scripted_parties import (
    ScriptedCallees,
    ScriptedCaller,
    ScriptedHangUp,
    ScriptedPress,
    parse_caller_script,
)
from callflows.testing.infer_keys import comes_from_gather
from callflows.testing.journal_replay import build_replay
from callflows.testing.scenario_report import format_failed_scenario
from callflows.testing.scenario_runner import serve_folder
from waiting import run_bounded

FLOW = """
numbers: +12015550123
nodes:
  start:
    - menu: {prompt: Press a key., keys: {1: sales, 2: help, 3: more}, attempts: 1, otherwise: nobody}
  sales:
    - dial: {to: ann@acme.sip.opentact.org, no_answer: nobody}
  help:
    - dial: {to: +12015550190, no_answer: nobody}
  more:
    - collect: {into: id, digits: 2, prompt: Your number., attempts: 1, otherwise: nobody}
    - say: It is {{ id }}.
    - menu: {prompt: Another., keys: {5: sales, 6: help}, attempts: 1, otherwise: nobody}
  nobody:
    - say: Goodbye.
    - hangup
"""


def story_of(call, legs=(), executed=()):
    """What the journal tells of a rehearsed call, as a server that heard only requests and legs."""
    told = []
    for turn, request in enumerate(call.requests, 1):
        url = urlsplit(request.url)
        pressed = parse_qs(url.query).get("dtmf", [""])[0]
        asked = {"what": "asked", "turn": turn, "method": "POST", "pressed": pressed, "request_fields": {}}
        told.append({**asked, "url": f"{url.path}?{url.query}"})
        told.append({"what": "answered", "turn": turn, "document": request.document})
    told += [{"what": "reported", "turn": turn, "step": {"path": path}} for turn, path in executed]
    row = {"number": "+12015550123", "from": "+12015550999", "name": "", "attestation": "", "started": None}
    legs = [{"to": to, "answered": answered, "cause": 16} for to, answered in legs]
    return {"call": row, "legs": legs, "story": told}


def replayed(path, story):
    """The scenario of a story, and what it makes when it is run."""
    rehearsal, unknown, _ = build_replay(story)

    async def ring():
        async with serve_folder(write_scenario_folder(path, acme=FLOW), TEST_SETTINGS) as network:
            return await rehearsal.run(network)

    scenario = record_scenario(run_bounded(ring()), rehearsal, unknown_from=unknown)
    folder = write_scenario_folder(path, acme=f"{FLOW}tests:\n{scenario}")
    assert folder.problems == (), scenario
    again = get_only(run_folder(folder))
    assert again.has_passed, "\n".join(format_failed_scenario(again)) + scenario
    return scenario


@pytest.mark.parametrize(
    ("keys", "callees", "legs", "acts"),
    [
        ("1", "answer", [("ann", True)], ["1"]),
        ("2", "no-answer", [("+12015550190", False)], ["2"]),
        ("3,42,5", "answer", [("ann", True)], ["3", "42", "5"]),
        ("3,42,6", "busy", [("12015550190", False)], ["3", "42", "6"]),
    ],
)
def test_who_was_rung_and_where_the_call_came_next_tell_what_was_pressed(tmp_path, keys, callees, legs, acts):
    call, _ = recorded(tmp_path, FLOW, caller=ScriptedCaller(parse_caller_script(keys)), callees=ScriptedCallees(callees))
    story = story_of(call, legs)
    assert build_replay(story).rehearsal.caller.remaining_actions == tuple(map(ScriptedPress, acts))
    scenario = replayed(tmp_path, story)
    assert "keys: ?" not in scenario
    assert ("outcome" in scenario, "ann@" in scenario) == (True, legs[0][0] == "ann")


@pytest.mark.parametrize(
    ("branch", "pressed"),
    [
        ("DTMF[1].Say[0]", ScriptedPress("1")),
        ("Error[4].Say[0]", ScriptedPress("")),
        ("Default[5].Say[0]", ScriptedHangUp()),
    ],
)
def test_what_opentact_executed_tells_what_was_pressed(branch, pressed):
    document = """<Response><Gather><Say>Which?</Say><DTMF value="1"><Say>One</Say></DTMF>
    <DTMF value="2"><Say>Two</Say></DTMF>
    <DTMF value="3"/><Error><Say>None</Say></Error><Default><Say>Another</Say></Default></Gather></Response>"""
    asked = {"what": "asked", "turn": 1, "method": "GET", "url": "/call", "pressed": "", "request_fields": {}}
    told = [asked, {"what": "answered", "turn": 1, "document": document}]
    told.append({"what": "reported", "turn": 1, "step": {"path": f"Gather[0].{branch}"}})
    row = {"number": "+12015550123", "from": "", "name": "", "attestation": "", "started": None}
    replay = build_replay({"call": row, "legs": [], "story": told})
    assert replay.rehearsal.caller.remaining_actions == (pressed,)
    assert bool(replay.unknown_from) == (pressed == ScriptedHangUp())


def test_where_nothing_tells_what_was_pressed_that_is_said_and_only_what_came_before_is_expected(tmp_path):
    call, _ = recorded(tmp_path, FLOW, caller=ScriptedCaller(parse_caller_script("1")))
    scenario = replayed(tmp_path, story_of(call))
    assert scenario.startswith("  # keys: ? the keys pressed at Gather[")
    assert "Press a key." in scenario
    assert "ann@" not in scenario
    assert "outcome" not in scenario


def test_hours_are_supposed_as_they_were_found_whatever_overrode_them():
    def decided(**values):
        return {"what": "decided", "step_key": "goto", "rule": "", "outcome": True, "values": values}

    told = [
        decided(**{"hours.office": "closed: override", "caller.name": "Ann"}),
        decided(**{"hours.office": "closed: override", "hours.late": "open: mon 18:00-22:00"}),
        decided(**{"hours.late": "closed: "}),
    ]
    row = {"number": "+12015550123", "from": "", "name": "", "attestation": "", "started": None}
    assert build_replay({"call": row, "legs": [], "story": told}).hours_states == {"office": "closed"}


def test_a_parameter_that_only_ends_as_that_of_keys_is_none_of_them():
    assert not comes_from_gather({"url": "/call/acme/a?ticket=x&postcode=1"})
    assert comes_from_gather({"url": "/call/acme/a?ticket=x&code="})


def test_what_is_secret_is_not_known(tmp_path):
    call, _ = recorded(tmp_path, FLOW, caller=ScriptedCaller(parse_caller_script("3,42,5")))
    story = story_of(call, [("ann", True)])
    next(entry for entry in story["story"] if entry.get("pressed") == "42")["pressed"] = "••••"
    scenario = replayed(tmp_path, story)
    assert scenario.startswith("  # keys: ? the keys pressed before turn 2 are secret")
    assert "Your number." in scenario
