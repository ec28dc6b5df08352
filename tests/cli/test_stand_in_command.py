"""``callflows stand-in``: its output, its refusals, and a call through it."""

from __future__ import annotations

import contextlib
import json
import socket
from datetime import datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import httpx
from command_runner import run_command

from callflows.rehearsal import undocumented_rules
from callflows.stand_in.stand_in_options import StandInOptions
from callflows.stand_in.stand_in_rules import ALL_UNDOCUMENTED_RULES
from command_process import CommandProcess, find_free_port
from each_case import each_case
from waiting import kill_process, wait_for_exit, wait_for_server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextlib.contextmanager
def running(*arguments: str, folder: Path) -> Iterator[tuple[str, CommandProcess]]:
    """The command in a process of its own: where it listens. Its messages are in a file ``log``."""
    port = find_free_port()
    with (folder / "log").open("w") as log:
        command = [arguments[0], "--port", str(port), *arguments[1:]]
        process = CommandProcess(command, cwd=folder, stderr=log)
    url = f"http://127.0.0.1:{port}"
    try:
        wait_for_server(process, url, folder / "log")
        yield url, process
    finally:
        kill_process(process)


def test_its_first_line_says_that_it_is_an_imitation_and_it_ends_when_it_is_told(tmp_path):
    with running("stand-in", "--number", "+12015550123", folder=tmp_path) as (url, process):
        process.terminate()
        assert wait_for_exit(process, 20) == 0
        said = (tmp_path / "log").read_text().splitlines()
    assert "imitation of Opentact" in said[0]
    assert "not Opentact" in said[0]
    assert f"{url}/rest" in said[1]
    assert any("+12015550123" in line and "pushed" in line for line in said)


def test_serve_and_stand_in_and_call_work_together_at_once(tmp_path):
    (tmp_path / "callflows").mkdir()
    flow = "numbers: +12015550123\nnodes: {start: [{say: Hello there.}, {pause: {length: 120s, dtmf_stop: '#'}}, hangup]}\n"
    (tmp_path / "callflows" / "desk.yaml").write_text(flow, encoding="utf-8")
    with running("serve", folder=tmp_path) as (served, _):
        options = ("--number", "+12015550123", "--url", f"{served}/call", "--pace", "1000")
        with running("stand-in", *options, folder=tmp_path) as (there, _):
            done = run_command("call", "+12015550123", "--via", there, "--format", "json")
            lines = run_command("call", "+12015550123", "--via", there).out.splitlines()
    assert lines[0].split() == ["0:00", "answered", "by", "the", "app", "itself"]
    assert lines[2].endswith("a pause of 120 s")
    assert done.code == 0, done.err
    told = json.loads(done.out)
    assert [step["text"] for step in told["steps"] if step["verb"] == "Say"] == ["Hello there."]
    assert told["requests"][0]["url"].startswith(f"{served}/call?")


def test_native_schedules_go_by_the_zone_that_is_given(tmp_path):
    """Kiritimati is 25 hours before Niue: it is never the same day in both."""
    schedule = "<Response><Schedule dow='{}'><Say>Now.</Say></Schedule></Response>"
    with running("stand-in", "--number", "+12015550123", "--zone", "Pacific/Kiritimati", folder=tmp_path) as (there, _):
        rest, headers = f"{there}/rest/sip/app", {"x-auth-token": StandInOptions().token}
        (app,) = httpx.get(rest, headers=headers, trust_env=False).json()["payload"]
        spoken = []
        for zone in ("Pacific/Kiritimati", "Pacific/Niue"):
            file = {"file": schedule.format(f"{datetime.now(ZoneInfo(zone)):%a}".lower())}
            httpx.post(f"{rest}/call/flow/{app['uuid']}", headers=headers, files=file, trust_env=False)
            told = json.loads(run_command("call", "+12015550123", "--via", there, "--format", "json").out)
            spoken.append([step["verb"] for step in told["steps"]])
    assert spoken == [["Schedule", "Say"], ["Schedule"]]


def test_the_rules_are_those_of_the_xml_and_its_own():
    printed = run_command("stand-in", "--rules")
    assert printed.code == 0
    rows = json.loads(run_command("stand-in", "--rules", "--format", "json").out)
    assert [row["name"] for row in rows] == [rule.name for rule in ALL_UNDOCUMENTED_RULES]
    assert set(undocumented_rules.XML_RULES) < set(ALL_UNDOCUMENTED_RULES)
    assert len({rule.name for rule in ALL_UNDOCUMENTED_RULES}) == len(ALL_UNDOCUMENTED_RULES)
    for rule in ALL_UNDOCUMENTED_RULES:
        assert f"{rule.unknown}: {rule.done}" in printed.out


@each_case(
    ("options", "said"),
    [
        (("--number", "front desk"), "write it as +12015550123"),
        (("--number", "+12015550123", "--url", "localhost:8000"), "write it as http://127.0.0.1:8000/call"),
        (("--webhook", "ftp://x"), "--webhook"),
        (("--fault", "slw=100"), "did you mean 'slow'?"),
        (("--fault", "fail_share=2"), "less than or equal to 1"),
        (("--zone", "New York"), "write it as America/New_York"),
    ],
)
def test_what_is_given_wrongly_is_refused_with_the_fix(options, said):
    done = run_command("stand-in", *options)
    assert done.code == 2
    assert said in done.err


def test_a_port_that_is_taken_is_said():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = run_command("stand-in", "--port", str(taken.getsockname()[1]))
    assert done.code == 2
    assert "another port" in done.err


def test_where_others_can_ask_what_everybody_knows_is_no_secret(tmp_path):
    with running("stand-in", "--host", "0.0.0.0", folder=tmp_path) as (url, process):  # noqa: S104 - what is tested
        known = {"x-auth-token": "a-token-of-the-portal"}
        assert httpx.get(f"{url}/rest/sip/app", headers=known, trust_env=False).status_code == 401
        assert httpx.get(f"{url}/rest/auth", auth=("owner@example.com", "a-password"), trust_env=False).status_code == 401
        process.terminate()
        wait_for_exit(process, 20)
        said = (tmp_path / "log").read_text()
    assert "a-password" not in said
