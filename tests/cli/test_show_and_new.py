"""``callflows new`` writes a flow without problems; ``callflows show`` draws it."""

from __future__ import annotations

import json
import os
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from command_runner import run_command
from lxml import etree

from callflows.flows.authoring.gallery.flow_templates import create_flow, load_flow_templates
from callflows.flows.authoring.opening_week import describe_opening_week
from callflows.flows.source.positions import ProblemReport
from waiting import run_process


@pytest.fixture(autouse=True)
def _folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_without_a_template_they_are_listed_with_a_line_each():
    lines = run_command("new").out.splitlines()
    assert [line.split()[0] for line in lines] == [*load_flow_templates()]
    assert run_command("new", "acme").out == run_command("new", "--list").out == run_command("new").out
    listed = json.loads(run_command("new", "--list", "--format", "json").out)
    assert [row["name"] for row in listed] == [*load_flow_templates()]
    assert all(row["says"] for row in listed)


def test_every_template_can_be_begun_in_one_folder_and_none_has_a_problem():
    first, *others = load_flow_templates()
    assert run_command("new", first, "--template", first).code == 0
    for place, name in enumerate(others):  # as the command does, without a look at all other flows each time
        create_flow(Path("callflows"), name, name, f"+120155501{place:02}", {})
    done = run_command("check", "--strict")
    assert (done.code, done.out) == (0, "")
    rows = json.loads(run_command("numbers", "--format", "json").out)
    assert len({row["number"] for row in rows}) == len(rows) > len(others)


def test_a_new_flow_says_what_to_do_next():
    done = run_command("new", "acme", "--template", "screening", "--number", "+1 201 555 0142")
    assert done.out.splitlines()[:3] == [
        "written: callflows/acme.yaml",
        "written: callflows/lists/vip.csv",
        "written: callflows/lists/unwanted.csv",
    ]
    for command in ("callflows check callflows/acme.yaml", "callflows numbers", "callflows serve"):
        assert command in done.out
    assert "+12015550142  acme" in run_command("numbers").out


def test_a_new_flow_begins_with_the_line_of_a_schema_that_is_beside_it():
    run_command("new", "acme", "--template", "clinic")
    line = Path("callflows/acme.yaml").read_text(encoding="utf-8").splitlines()[0]
    schema = line.removeprefix("# yaml-language-server: $schema=")
    assert schema != line
    assert json.loads(Path("callflows", schema).read_text(encoding="utf-8"))["$schema"]


def test_a_name_without_a_template_writes_nothing_and_says_so():
    done = run_command("new", "front-desk")
    assert done.code == 2
    assert "no file was written: name a template" in done.err
    assert not Path("callflows").exists()


def test_a_new_flow_as_json():
    done = run_command("new", "acme", "--template", "clinic", "--flows", "mine", "--format", "json")
    assert json.loads(done.out) == {"file": "mine/acme.yaml", "beside": [], "number": "+12015550123"}


def test_what_is_in_the_way_is_one_line_and_exit_code_2():
    run_command("new", "acme", "--template", "clinic")
    for arguments, said in [
        (["acme", "--template", "clinic"], "is there already"),
        (["other", "--template", "clinic", "--number", "+12015550123"], "answered already, by callflows/acme.yaml"),
        (["other", "--template", "clinc"], "did you mean 'clinic'?"),
        (["--template", "clinic"], "the name of the new flow is missing"),
    ]:
        done = run_command("new", *arguments)
        assert done.code == 2
        assert said in done.err
        assert done.err.count("\n") == 1
    assert run_command("new", "acme", "--template", "survey", "--force").code == 0


def test_a_flow_is_shown_by_its_name_and_by_its_file(tmp_path):
    run_command("new", "acme", "--template", "front-desk")
    assert run_command("show", "acme").out.startswith("acme · +12015550123 · America/New_York\n\nstart\n")
    assert run_command("show", "callflows/acme.yaml").out == run_command("show", "acme").out
    assert run_command("show", "acme", "--flows", str(tmp_path / "callflows")).out == run_command("show", "acme").out
    assert run_command("show", "acme", "--format", "mermaid").out.startswith("flowchart TD\n")
    assert etree.fromstring(run_command("show", "acme", "--format", "svg").out.encode()).tag.endswith("}svg")


def test_a_flow_that_is_not_there_has_a_near_name():
    run_command("new", "acme", "--template", "front-desk")
    done = run_command("show", "acne")
    assert (done.code, done.out) == (2, "")
    assert "did you mean 'acme'?" in done.err


@pytest.mark.parametrize("command", ["show", "export"])
def test_a_flow_whose_file_cannot_be_read_says_why(tmp_path, command):
    (tmp_path / "callflows").mkdir()
    (tmp_path / "callflows" / "circle.yaml").symlink_to("circle.yaml")
    (tmp_path / "callflows" / "nowhere.yaml").symlink_to("gone")
    os.mkfifo(tmp_path / "callflows" / "pipe.yaml")
    for name in ("circle", "nowhere", "pipe"):
        done = run_command(command, name)
        assert (done.code, done.out) == (1, "")
        assert done.err.startswith(f"callflows/{name}.yaml:1:1: error: the file cannot be read: ")


def test_a_broken_flow_is_shown_and_one_that_cannot_be_read_says_why(tmp_path):
    (tmp_path / "broken.yaml").write_text("nodes: {start: [goto: gone, strange: 3]}\n")
    (tmp_path / "worse.yaml").write_text("nodes: [\n")
    (tmp_path / "wrong.py").write_text("import nothing_of_this_name\n")
    (tmp_path / "latin.yaml").write_bytes(b"nodes: {start: [say: \xe4]}\n")
    assert "→ gone (there is no such node)" in run_command("show", "broken.yaml").out
    for name in ("worse.yaml", "wrong.py", "latin.yaml"):
        done = run_command("show", name)
        assert (done.code, done.out) == (1, "")
        assert done.err.startswith(f"{name}:")


def test_the_list_of_commands_does_not_load_what_draws():
    modules = ("callflows.flows.authoring.svg_layout", "callflows.flows.authoring.gallery")
    script = (
        f"import sys, callflows.cli, callflows.flows.authoring.diagram; sys.exit(any(m in sys.modules for m in {modules}))"
    )
    root = Path(__file__).parents[2]
    assert run_process([sys.executable, "-c", script], cwd=root).returncode == 0


def test_show_says_in_words_when_a_flow_is_open_in_the_coming_week():
    Path("office.yaml").write_text(
        "numbers: +12015550123\ntimezone: America/New_York\n"
        "hours:\n  office: {mon-thu: [09:00-12:30, 13:00-17:00], fri: 22:00-02:00, sat: 00:00-24:00}\n"
        "nodes:\n  start:\n    - {when: hours.office.open, say: Hello.}\n    - say: We are closed.\n",
        encoding="utf-8",
    )
    shown = run_command("show", "office.yaml").out
    assert "hours office in the coming week, on the clock of America/New_York" in shown
    lines = shown.partition("hours office")[2].splitlines()[1:]
    assert len(lines) == 7
    told = {line.split(",")[0].strip(): line.partition(": ")[2] for line in lines}
    assert told["Tuesday"] == "open from 9 AM to 12:30 PM and from 1 PM to 5 PM"
    assert told["Friday"] == "open from 10 PM, through the night, to 2 AM of the day after"
    assert told["Saturday"] == "open all day"
    assert told["Sunday"] == "closed"


def test_show_names_the_holiday_that_closes_a_day():
    document = {"timezone": "America/New_York", "hours": {"office": {"daily": "09:00-17:00", "holidays": "US"}}}
    lines = [*describe_opening_week(document, datetime(2026, 12, 23, 15, tzinfo=UTC), ProblemReport("office.yaml"))]
    assert lines[2] == "  Wednesday, December 23: open from 9 AM to 5 PM"
    assert lines[4] == "  Friday, December 25: closed (holiday Christmas Day)"


def test_show_says_which_override_the_week_of_the_file_does_not_have(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run_command("new", "acme", "--template", "clinic")
    assert "but clinic" not in run_command("show", "acme").out
    assert run_command("override", "acme", "clinic", "closed", "--until", "2h").code == 0
    assert run_command("show", "acme").out.splitlines()[-1].startswith("  but clinic: override closed until ")
    assert run_command("override", "acme", "clinic", "normal").code == 0
    assert "but clinic" not in run_command("show", "acme").out
