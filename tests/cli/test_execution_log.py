"""``callflows log CALL`` also shows the commands that Opentact executed, if there is an account."""

from __future__ import annotations

import json
import socket
import sys
import time
from pathlib import Path

import httpx
import pytest
from command_runner import run_command

from callflows.journal.journal_rows import build_journal_entries
from callflows.journal.sql_store import SqlStore
from callflows.outbound_http import get_tls_context
from callflows.stand_in.stand_in_options import StandInNumber, StandInOptions
from callflows.telephony.events import AnsweredRequest, AnswerOutcome

sys.path.insert(0, str(Path(__file__).parents[1] / "setup"))
from test_connect_with_stand_in import in_a_thread

from waiting import wait_until

NUMBER = "+12015550123"
DOCUMENT = (
    "<Response><Answer/><Say>Press 1.</Say><Gather dtmf_length='1'><DTMF value='1'><Tone/></DTMF></Gather></Response>"
)


def remember(call: str, app: str) -> None:
    """The turn of a call, as the server keeps it."""
    store = SqlStore("sqlite:///data/callflows.db")
    store.open()
    told = {"from": "+12015550999", "to": NUMBER, "call": call, "sca": app}
    outcome = AnswerOutcome("answered", "desk", "start")
    turn = AnsweredRequest(time.time() - 1, 0.001, "POST", "/call", b"", told, 200, [DOCUMENT], outcome, None)
    store.write_entries(build_journal_entries(turn))
    store.close()


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return monkeypatch.setenv


@pytest.mark.parametrize("known", [True, False], ids=["its app is known", "its app is not known"])
def test_what_was_executed_is_told_with_its_place_and_the_turn(here, known):
    with in_a_thread(StandInOptions(numbers=(StandInNumber(number=NUMBER),), pace=500)) as there:
        rest = {"headers": {"x-auth-token": there.platform.options.token}, "trust_env": False, "verify": get_tls_context()}
        (app,) = httpx.get(f"{there.rest_url}/sip/app", **rest).json()["payload"]
        httpx.post(f"{there.rest_url}/sip/app/call/flow/{app['uuid']}", files={"file": DOCUMENT}, **rest)
        calls = f"{there.url}/stand-in/calls"
        rung = httpx.post(calls, json={"to": NUMBER, "keys": "1"}, trust_env=False, verify=get_tls_context()).json()
        wait_until(
            lambda: httpx.get(f"{calls}/{rung['uuid']}", trust_env=False, verify=get_tls_context()).json()["over"],
            "the end of the simulated call",
        )
        here("CALLFLOWS_OPENTACT_URL", there.rest_url)
        here("CALLFLOWS_OPENTACT_TOKEN", there.platform.options.token)
        remember(rung["uuid"], app["uuid"] if known else "")
        done, said = run_command("log", rung["uuid"], "--format", "json"), run_command("log", rung["uuid"])
    assert (done.code, done.err) == (0, "")
    steps = [entry for entry in json.loads(done.out)["story"] if "step" in entry]
    assert [(entry["step"]["path"], entry["turn"]) for entry in steps] == [
        ("Answer[0]", 1), ("Say[1]", 1), ("Gather[2].DTMF[0].Tone[0]", 1), ("Gather[2]", 1),
    ]  # fmt: skip
    assert "Tone success (node start, key 1, turn 1)" in said.out


def test_where_opentact_does_not_answer_that_is_a_line_and_the_story_is_told(here):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        here("CALLFLOWS_OPENTACT_URL", f"http://127.0.0.1:{silent.getsockname()[1]}/rest")
        here("CALLFLOWS_OPENTACT_TOKEN", "s3same")
        here("CALLFLOWS_LOG_FORMAT", "json")
        remember("one", "app")
        done = run_command("log", "one")
    assert done.code == 0
    assert "asked" in done.out
    assert done.err.splitlines() == [
        "callflows: Opentact did not return the list of executed commands: no answer within 4 s"
    ]


def test_a_call_that_only_we_know_is_not_asked_for(here):
    here("CALLFLOWS_OPENTACT_URL", "http://127.0.0.1:1/rest")
    here("CALLFLOWS_OPENTACT_TOKEN", "s3same")
    remember("", "app")
    assert run_command("log", "ours-").err == ""
