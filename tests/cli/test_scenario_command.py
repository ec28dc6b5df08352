"""``callflows test``: its output and its exit codes."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from command_runner import run_command

from waiting import run_process

FLOW = """\
numbers: +12015550123
nodes:
  start:
    - menu: {prompt: Press 1., keys: {1: fine}, attempts: 1, otherwise: bye}
  fine: [say: Fine.]
  bye: [say: Goodbye.]
tests:
  - name: one is fine
    keys: 1
    expect: [say: Fine.]
"""
FAILS = """\
  - name: silence is not
    expect: [say: Fine.]
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "callflows").mkdir()
    (tmp_path / "callflows" / "acme.yaml").write_text(FLOW)
    return tmp_path


@pytest.mark.usefixtures("folder")
def test_scenarios_that_pass_are_counted_and_the_exit_code_is_0():
    done = run_command("test")
    assert (done.code, done.out, done.err) == (0, "1 scenario(s), 0 failed\n", "")


def test_a_folder_without_flows_is_told_how_to_begin_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for command in ("test", "numbers", "check"):
        assert "callflows new NAME --template front-desk" in "".join(run_command(command)[1:])
    (tmp_path / "callflows").mkdir()
    for command in ("test", "numbers", "check"):
        assert "callflows new NAME --template front-desk" in "".join(run_command(command)[1:])


def test_warnings_are_told_in_the_order_of_the_file(folder):
    (folder / "callflows" / "acme.yaml").write_text(
        "numbers: +12015550123\nvariables: {unused: a}\nnodes:\n  start:\n    - say: <break/>\n  alone: [say: Hello.]\n"
    )
    places = [line.split(":")[1] for line in run_command("test").err.splitlines() if "warning" in line]
    assert len(places) > 2
    assert places == sorted(places)


def test_one_that_fails_is_told_with_its_place_and_the_exit_code_is_1(folder):
    (folder / "callflows" / "acme.yaml").write_text(FLOW + FAILS)
    done = run_command("test", "callflows/acme.yaml")
    assert done.code == 1
    assert done.out.startswith("callflows/acme.yaml:11:5: FAILED acme: silence is not\n")
    assert "callflows/acme.yaml:12:14: expected say: Fine." in done.out
    assert done.out.endswith("2 scenario(s), 1 failed\n")
    assert run_command("test", "-k", "ONE").code == 0
    assert run_command("test", "-k", "nothing is named so").code == 2


@pytest.mark.usefixtures("folder")
def test_coverage_says_what_none_reached():
    done = run_command("test", "--coverage")
    assert done.code == 0
    assert done.out.splitlines() == [
        "callflows/acme.yaml     3 of 5    60 %",
        "  callflows/acme.yaml:4:73: start: otherwise",
        "  callflows/acme.yaml:6:3: the node bye",
        "1 scenario(s), 0 failed",
    ]


def test_results_are_json_and_junit(folder):
    (folder / "callflows" / "acme.yaml").write_text(FLOW + FAILS)
    told = json.loads(
        run_command("test", "--format", "json", "--coverage", "--explore", "--examples", "5", "--junit", "out.xml").out
    )
    assert [one["passed"] for one in told["scenarios"]] == [True, False]
    assert told["coverage"][0]["total"] == 5
    assert (told["explored"], told["errors"]) == ([], [])
    assert told["callers"] == [{"flow": "acme", "file": "callflows/acme.yaml", "callers": 5}]
    assert [suite.get("failures") for suite in ET.parse("out.xml").getroot()] == ["1"]  # noqa: S314 - our own


def test_a_flow_that_is_wrong_is_said_and_the_others_are_run_all_the_same(folder):
    (folder / "callflows" / "other.yaml").write_text("numbers: +12015550124\nnodes: {start: [sey: Hello.]}\n")
    done = run_command("test")
    assert done.code == 1
    assert "other.yaml:1" not in done.err
    assert "there is no step 'sey'" in done.err
    assert "1 scenario(s), 0 failed" in done.out


@pytest.mark.usefixtures("folder")
def test_what_is_not_there_is_said():
    assert run_command("test", "callflows/nothing.yaml").code == 1
    Path("setup.py").write_text("open('wrote', 'w').close()\n")
    done = run_command("test", "nothing", "callflows")
    assert not Path("wrote").exists(), "what is beside a path that is not there is not run"
    assert (done.code, done.err.splitlines()[0]) == (1, "nothing:1:1: error: there is no such file or folder [no-file]")
    assert run_command("test", "--flows", "nowhere").code == 1
    assert run_command("test", "--junit", "no/such/folder.xml").code == 2


def test_a_path_that_goes_wrong_is_printed_as_a_scenario(folder):
    (folder / "callflows" / "acme.yaml").write_text(
        FLOW.replace("[say: Goodbye.]", "[set: {x: '1'}, say: '{{ 1 / (x|int - 1) }}']")
    )
    done = run_command("test", "--explore", "--seed", "3")
    assert done.code == 1
    assert "callflows/acme.yaml: acme: the caller got the fallback" in done.out
    assert "\n  - name: the caller got the fallback\n" in done.out
    assert "1 flow(s) went wrong" in done.out


@pytest.mark.usefixtures("folder")
def test_how_many_callers_came_at_random_is_said_by_flow_and_in_all():
    done = run_command("test", "--explore", "--examples", "7")
    assert done.code == 0
    assert done.out.startswith("callflows/acme.yaml     7 random caller(s)\n")
    assert done.out.endswith("1 scenario(s), 0 failed; 7 random caller(s), 0 flow(s) went wrong\n")


def test_check_says_what_is_wrong_with_scenarios_and_serves_the_flow_all_the_same(folder):
    (folder / "callflows" / "acme.yaml").write_text(
        FLOW.replace("say: Fine.]\n", "sey: Fine.]\n").replace("fine: [sey", "fine: [say")
    )
    done = run_command("check")
    assert done.code == 1
    assert "callflows/acme.yaml:10:14: error: expect: there is no 'sey' (did you mean 'say'?) [unknown-key]" in done.out
    assert "(broken)" not in run_command("numbers").out


def test_without_hypothesis_exploring_says_how_to_get_it(folder):
    (folder / "hypothesis.py").write_text("raise ModuleNotFoundError('hypothesis')\n")
    command = [sys.executable, "-m", "callflows", "test", "--explore"]
    done = run_process(command, cwd=folder, env={"PYTHONPATH": str(folder), "PATH": os.environ["PATH"]})
    assert done.returncode == 2
    assert "pip install 'callflows[explore]'" in done.stderr
