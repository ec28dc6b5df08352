"""A rehearsal in process gives the same call as a live server; and a call goes on if its server dies."""

from __future__ import annotations

import ast
import itertools
import subprocess
import sys
from datetime import UTC, datetime

import pytest
from engine_servers import (
    LOCAL_ENGINE_URL,
    SHIPPED_FLOWS,
    prepare_flows,
    ring_flow,
    run_live_server,
    run_simulated_engine,
    strip_volatile_parts,
)
from lxml import etree

from callflows.rehearsal.platform_network import HttpNetwork
from callflows.rehearsal.rehearsed_call import Rehearsal
from callflows.rehearsal.scripted_parties import ScriptedCallees, ScriptedCaller, parse_caller_script
from command_process import CommandProcess, run_callflows, run_serve
from shipped_flows import REPOSITORY_ROOT
from waiting import kill_after, kill_process, run_bounded

AT = datetime(2026, 11, 23, 15, tzinfo=UTC)
"""A Monday, ten o'clock in New York."""
CALLS = [
    ("", "answer", {}),
    ("1", "answer", {"name": "Ann"}),
    ("1", "no-answer", {}),
    ("2,1", "busy", {}),
    ("9,2,2", "no-answer", {"caller_id": ""}),
    ("4711", "answer", {"attestation": "C"}),
    ("0000,0000,4711", "answer", {}),
    ("#,0,#", "answer", {"caller_id": "anonymous"}),
    (["1", "hangup"], "answer", {}),
]
ALONE = [SHIPPED_FLOWS, "after-hours", "clinic", "hunt-group", "pin-line", "screening"]
"""Flows that reach nobody outside: those that are rung live must not either."""


@pytest.mark.parametrize(("template", "dialect"), [*zip(ALONE, itertools.cycle(("reference", "classic")), strict=False)])
def test_a_call_is_the_same_in_process_and_on_a_live_server(template, dialect, tmp_path):
    flows = prepare_flows(template, tmp_path / "flows")

    async def all_of(web, at, url):
        return [
            strip_volatile_parts(
                await ring_flow(
                    web, at, keys, callee, url=url, method=method, **{"caller_id": f"+120155509{n}{m}", **given}
                )
            )
            for m, method in enumerate(("GET", "POST"))
            for n, (keys, callee, given) in enumerate(CALLS)
        ]

    async def staged():
        async with run_simulated_engine(flows, dialect) as web:
            return await all_of(web, AT, LOCAL_ENGINE_URL)

    async def served(url):
        async with HttpNetwork(allow_external=True) as web:
            return await all_of(web, AT, f"{url}/call")

    here = run_bounded(staged())
    with run_live_server(flows, AT, tmp_path, dialect) as url:
        there = run_bounded(served(url))
    for one, other in zip(here, there, strict=True):
        assert one["outcome"] in ("hung-up", "caller-hung-up")
        assert one == other


BRANCHES = """
numbers: rest
nodes:
  start:
    - say: Hello.
    - menu: {prompt: Press., keys: {1: sales, 2: told}, attempts: 1, otherwise: sales}
  sales: [say: Sales., dial: {to: +12015550188, no_answer: nobody}, hangup]
  nobody: [say: Nobody.]
  told: [set: {pressed: digits}, say: Fetched.]
fallback: [say: We are sorry.]
"""


class Kills(ScriptedCaller):
    """Kills the server as soon as it waits in a menu."""

    serving: CommandProcess

    async def choose_action(self, window):
        if window.verb == "Gather" and self.serving.poll() is None:
            kill_process(self.serving)
        return await super().choose_action(window)


@pytest.mark.parametrize(
    ("keys", "callee", "heard"),
    [
        ("1", "no-answer", ["Hello.", "Press.", "Sales.", "Nobody."]),
        ("2", "answer", ["Hello.", "Press.", "We are sorry."]),
    ],
)
def test_a_call_whose_server_is_killed_in_a_menu_goes_on_by_branches_and_has_the_fallback_where_it_must_ask(
    keys, callee, heard, tmp_path
):
    (tmp_path / "flows").mkdir()
    (tmp_path / "flows" / "acme.yaml").write_text(BRANCHES)
    caller = Kills(parse_caller_script(keys) if keys else ())

    async def call(url):
        async with HttpNetwork(allow_external=True) as web:
            rehearsal = Rehearsal(number="+1", url=f"{url}/call", caller=caller, callees=ScriptedCallees(callee))
            return await rehearsal.run(web)

    with run_serve(tmp_path, "--flows", "flows", env={"PATH": "/usr/bin:/bin"}) as (serving, url):
        caller.serving = serving
        told = run_bounded(call(url))
        assert serving.returncode == -9
    assert [step["text"] for step in told.steps if step["verb"] == "Say"] == heard
    assert told.outcome == "hung-up"
    failed = [asked.error for asked in told.requests[1:]]
    assert all("ConnectError" in error for error in failed)
    assert len(failed) == (keys == "2")


# A server written with other tools


STATIC = {
    "call": '<Response><Answer/><Say>Press 1.</Say><Gather dtmf_length="1" url="next?x=1"/><Hangup/></Response>',
    "next": "<Response><Say>You came here.</Say><Hangup tag='end'/></Response>",
}


@pytest.fixture
def static(tmp_path):
    """``python -m http.server`` with two documents; it answers GET only."""
    folder = tmp_path / "pages"
    folder.mkdir()
    command = [sys.executable, "-u", "-m", "http.server", "0", "--bind", "127.0.0.1", "--directory", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as serving:  # noqa: S603
        with kill_after(serving):
            url = serving.stdout.readline().partition("(")[2].partition("/)")[0]
        for name, document in STATIC.items():
            (folder / name).write_text(document.replace('url="next', f'url="{url}/next'))
        yield url
        kill_process(serving)


def called(tmp_path, *arguments):
    done = run_callflows("call", *arguments, cwd=tmp_path, env={"PATH": "/usr/bin:/bin"})
    return done.returncode, done.stdout, done.stderr


def test_a_plain_server_of_static_documents_is_rehearsed_from_the_command_line(static, tmp_path):
    code, out, err = called(tmp_path, "+12015550123", "--url", f"{static}/call", "--method", "GET", "--keys", "1")
    assert (code, err) == (0, "")
    assert out.splitlines() == [
        "   0:00  answered",
        "   0:00  “Press 1.”",
        "   0:00  pressed 1",
        "   0:00  “You came here.”",
        "   0:01  hangs up (end)",
        "   0:01  hung up",
    ]
    code, out, err = called(tmp_path, "+12015550123", "--url", f"{static}/call", "--keys", "1")
    assert code == 1
    assert err.endswith("add --method GET\n")
    assert "the status is 501; Opentact does not document what the caller hears then" in out


# One engine


def test_the_rehearsal_has_no_second_implementation_of_flows_hours_or_policy():
    imported = set()
    for file in sorted((REPOSITORY_ROOT / "app" / "callflows" / "rehearsal").rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("callflows."):
                imported |= {node.module}
    assert not {
        name
        for name in imported
        if name.startswith(("callflows.flows.hours", "callflows.flows.dial_policy", "callflows.web", "callflows.server"))
    }
    for module in ("server.py", "rehearsal_engine.py"):
        composed = (REPOSITORY_ROOT / "app" / "callflows" / module).read_text()
        assert composed.count(" AnswerEngine(") == 1, "the live engine and the rehearsed one are the same class"


def test_documents_of_the_flows_are_played_as_they_are_answered(tmp_path):
    async def call():
        async with run_simulated_engine(prepare_flows("clinic", tmp_path / "flows")) as web:
            return await ring_flow(web, AT, "1,1")

    told = run_bounded(call())
    document = etree.fromstring(told.requests[0].document.encode())
    spoken = [step["text"] for step in told.steps if step["verb"] == "Say"]
    assert spoken[:2] == [say.text for say in document.iter("Say")][:2]
