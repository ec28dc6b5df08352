"""``callflows check`` reports the problems of files before the files are used."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from command_runner import run_command

from shipped_flows import copy_shipped_flows

GOOD = "numbers: +12015550123\nnodes:\n  start:\n    - say: Hello.\n"
BAD = "numbers: +12015550124\nnodes:\n  start:\n    - saay: Hello.\n"
WARNED = "numbers: +12015550125\nnodes:\n  start: [hangup]\n  lost: [hangup]\n"
DOCUMENT = "<Response>\n  <Say>Hello.</Say>\n  <Saay>Hello.</Saay>\n</Response>\n"


@pytest.fixture
def flows(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "callflows"
    folder.mkdir()
    (folder / "good.yaml").write_text(GOOD)
    return folder


@pytest.mark.usefixtures("flows")
def test_nothing_wrong_is_nothing_said_and_zero():
    done = run_command("check")
    assert (done.code, done.out) == (0, "")
    assert "0 error(s), 0 warning(s)" in done.err


def test_an_error_is_one_line_with_place_fix_and_rule_and_one(flows):
    (flows / "bad.yaml").write_text(BAD)
    done = run_command("check")
    assert done.code == 1
    assert done.out == ("callflows/bad.yaml:4:7: error: there is no step 'saay' (did you mean 'say'?) [unknown-step]\n")


def test_a_warning_is_said_and_zero_unless_it_is_strict(flows):
    (flows / "warned.yaml").write_text(WARNED)
    done = run_command("check")
    assert done.code == 0
    assert "callflows/warned.yaml:4:3: warning: " in done.out
    assert run_command("check", "--strict").code == 1


def test_what_opentact_does_not_document_is_one_note_that_fails_nothing(flows):
    dial = "{to: +12015550188, timeout: 25s}"
    nodes = f"{{start: [{{when: caller.anonymous, goto: other}}, dial: {dial}, hangup], other: [dial: {dial}, hangup]}}"
    (flows / "rings.yaml").write_text(f"numbers: +12015550126\nnodes: {nodes}\n")
    (flows / "document.xml").write_text('<Response><Dial timeout="25000"><To>+12015550188</To></Dial></Response>')
    done = run_command("check", "--strict")
    assert (done.code, done.out) == (0, "")
    said = "note: the timeout of <Dial> is not documented, its unit is presumed (callflows/document.xml and 1 more)"
    assert said in done.err
    notes = json.loads(run_command("check", "--format", "json").out)
    assert [(note["severity"], note["rule"]) for note in notes] == [("note", "undocumented")] * 2
    assert run_command("check", "--format", "github").out.count("::notice ") == 2


def test_problems_as_json_have_the_fields_that_programs_rely_on(flows):
    (flows / "bad.yaml").write_text(BAD)
    done = run_command("check", "--format", "json")
    assert done.code == 1
    assert json.loads(done.out) == [
        {
            "file": "callflows/bad.yaml",
            "line": 4,
            "column": 7,
            "severity": "error",
            "rule": "unknown-step",
            "message": "there is no step 'saay'",
            "fix": "did you mean 'say'?",
        }
    ]
    (flows / "bad.yaml").unlink()
    assert json.loads(run_command("check", "--format", "json").out) == []


def test_problems_for_github_are_its_commands(flows):
    (flows / "bad.yaml").write_text(BAD)
    assert run_command("check", "--format", "github").out == (
        "::error file=callflows/bad.yaml,line=4,col=7,title=unknown-step::there is no step 'saay' (did you mean 'say'?)\n"
    )


def test_what_github_would_take_for_its_own_is_escaped(flows):
    (flows / "bad.yaml").write_text('numbers: rest\nnodes: {start: ["a%0A::error::b": x]}\n')
    (line,) = run_command("check", "--format", "github").out.splitlines()
    assert "a%250A" in line


def test_files_and_folders_may_be_named(flows, tmp_path):
    (flows / "bad.yaml").write_text(BAD)
    other = tmp_path / "other"
    other.mkdir()
    (other / "worse.yaml").write_text(BAD)
    assert run_command("check", "callflows/good.yaml").code == 0
    assert run_command("check", "callflows/bad.yaml").out.count("\n") == 1
    assert "worse.yaml" in run_command("check", "other").out
    assert "bad.yaml" not in run_command("check", "other").out
    assert run_command("check", "other", "callflows/bad.yaml").out.count("\n") == 2
    assert "worse.yaml" in run_command("check", "--flows", "other").out


@pytest.mark.usefixtures("flows")
def test_a_file_that_is_named_twice_is_checked_once():
    for paths in (
        ("callflows", "callflows/good.yaml"),
        ("callflows/good.yaml", "callflows/good.yaml"),
        ("callflows", ".", "callflows/"),
    ):
        done = run_command("check", *paths)
        assert (done.code, done.out) == (0, "")


def test_the_declared_attributes_may_be_named_beside_the_flows(flows):
    (flows / "extensions.yaml").write_text("Curl: {headers: text}\n")
    (flows / "acme.yaml").write_text("numbers: rest\nnodes: {start: [say: Hi., curl: {url: 'https://x', headers: a}]}\n")
    assert run_command("check").code == 0
    done = run_command("check", "callflows/acme.yaml", "callflows/extensions.yaml", "callflows/good.yaml")
    assert (done.code, done.out) == (0, "")
    (flows / "extensions.yaml").write_text("Crul: {headers: text}\n")
    assert "extensions.yaml:1:1" in run_command("check", "callflows/extensions.yaml").out


def test_a_file_that_is_not_there_or_is_something_else_is_an_error(flows):
    (flows / "notes.txt").write_text("hello")
    assert "nothing.yaml:1:1: error" in run_command("check", "nothing.yaml").out
    assert "notes.txt:1:1: error" in run_command("check", "callflows/notes.txt").out
    assert run_command("check", "nothing").code == 1


def test_what_cannot_be_read_is_an_error_of_its_file_and_every_other_file_is_checked(flows):
    (flows / "bad.yaml").write_text(BAD)
    (flows / "circle.yaml").symlink_to("circle.yaml")
    (flows / "circle.xml").symlink_to("circle.xml")
    (flows / "nowhere.yaml").symlink_to("gone")
    (flows / "endless.yaml").symlink_to("/dev/zero")
    os.mkfifo(flows / "pipe.yaml")
    loop = "the link leads to itself: put the file in its place"
    nowhere = "the link leads to a file that is not there: put the file in its place"
    unread = [
        "circle.xml:1:1: error: the file cannot be read: Too many levels of symbolic links [unreadable]",
        f"circle.yaml:1:1: error: the file cannot be read: Too many levels of symbolic links ({loop}) [unreadable]",
        "endless.yaml:1:1: error: the file cannot be read: it is no file [unreadable]",
        f"nowhere.yaml:1:1: error: the file cannot be read: No such file or directory ({nowhere}) [unreadable]",
        "pipe.yaml:1:1: error: the file cannot be read: it is no file [unreadable]",
    ]
    lines = run_command("check").out.splitlines()
    assert "callflows/bad.yaml:4:7" in lines[0]
    assert lines[1:] == [f"callflows/{line}" for line in unread]
    for line in unread:
        assert run_command("check", f"callflows/{line.partition(':')[0]}").out == f"callflows/{line}\n"


def test_folders_that_cannot_be_followed_do_not_hide_what_is_passed_over(flows):
    (flows / "circle").symlink_to("circle")
    (flows / "sub").mkdir()
    (flows / "sub" / "circle.yaml").symlink_to("circle.yaml")
    (flows / "sub" / "folder.yaml").mkdir()
    (flows / "acme.yaml").mkdir()
    (flows / "sub" / "b.yaml").write_text(GOOD)
    places = [line.partition(": warning")[0] for line in run_command("check").out.splitlines()]
    assert places == [f"callflows/{name}:1:1" for name in ("acme.yaml", "sub/b.yaml", "sub/circle.yaml")]


def test_a_hidden_flow_file_is_told_and_the_temporary_files_of_editors_are_not(flows):
    (flows / ".b.yaml").write_text(GOOD)
    for name in (".#c.yaml", ".~c.yaml", "._c.yaml", ".c.yaml.swp", "c.yaml~", "#c.yaml#", ".c.yaml.x7d2k1", "_c.yaml"):
        (flows / name).write_text(GOOD)
    (flows / ".pre-commit-config.yaml").write_text("repos: []\n")
    said = (
        "callflows/.b.yaml:1:1: warning: the file is passed over, because its name begins with a dot"
        " (rename it to b.yaml) [passed-over]\n"
    )
    assert run_command("check").out == said
    assert said in run_command("numbers").err
    assert run_command("check", "callflows/.b.yaml").out == said
    assert "because its name begins with an underscore" in run_command("check", "callflows/_c.yaml").out


@pytest.mark.parametrize("path", [".", "..", "../.."])
def test_a_folder_above_the_flow_files_is_answered_with_their_folder(flows, monkeypatch, path):
    (flows / "a b").mkdir()
    monkeypatch.chdir(flows.parent if path == "." else flows / "a b" if path == "../.." else flows)
    done = run_command("check", path)
    fix = f"the flow files are in a folder below: callflows check {Path(path) / 'callflows'}"
    assert done.out == f"{path}:1:1: warning: there is no flow file to check ({fix}) [no-file]\n"


def test_a_folder_without_flow_files_below_is_answered_with_how_to_begin(tmp_path):
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "shared.yaml").write_text("groups: {sales: [+12015550188]}\n")
    said = run_command("check", str(tmp_path)).out
    assert said.startswith(f"{tmp_path}:1:1: warning: there is no flow file to check (begin a flow with")


def test_a_folder_of_the_settings_that_is_not_there_is_an_error(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = run_command("check")
    assert done.code == 1
    assert "callflows:1:1: error" in done.out


def test_a_number_claimed_in_two_files_is_found(flows):
    (flows / "other.yaml").write_text(GOOD)
    done = run_command("check")
    assert done.code == 1
    assert "callflows/other.yaml:1:10: error" in done.out
    assert "callflows/good.yaml:1:10" in done.out


def test_a_file_of_a_flows_folder_is_checked_with_the_files_beside_it(flows, monkeypatch):
    (flows / "other.yaml").write_text(GOOD.replace("+12015550123", '"+1 (201) 555-0123"'))
    (flows / "bad.yaml").write_text(BAD)
    (flows / "worse.yaml").write_text(BAD.replace("+12015550124", "[+12015550123, +12015550177]"))
    whole = [line for line in run_command("check").out.splitlines() if "claimed already" in line]
    assert len(whole) == 2
    assert run_command("check", "callflows/good.yaml").out.splitlines() == whole
    assert run_command("check", "callflows/other.yaml").out.splitlines() == whole[:1]
    assert run_command("check", "callflows/bad.yaml").out.count("\n") == 1
    monkeypatch.chdir(flows)
    assert run_command("check", "good.yaml").out.splitlines() == [line.replace("callflows/", "") for line in whole]


_PROGRAM = """
from callflows import Response, Say, flow

b = flow("b", numbers=["+12015550123"])

@b.node
async def start(turn):
    return Response(Say("Hello."))
"""
_OTHER_NODES = "nodes: {start: [say: Hello., goto: ring], ring: [dial: +12015550123, say: Goodbye.]}"


@pytest.mark.parametrize(
    ("other_name", "other"),
    [
        ("good.yml", "numbers: +12015550177\nnodes: {start: [say: Hello.]}\n"),
        ("b.yaml", f"numbers: +12015550177\n{_OTHER_NODES}\n"),
        ("b.yaml", "numbers: +12015550177\ninclude: parts/nodes.yaml\nnodes: {start: [say: Hello., goto: ring]}\n"),
        ("b.py", _PROGRAM),
    ],
)
def test_what_a_file_has_in_common_with_another_is_found_from_either(flows, other_name, other):
    (flows / other_name).write_text(other)
    (flows / "parts").mkdir()
    (flows / "parts" / "nodes.yaml").write_text("nodes: {ring: [dial: +12015550123, say: Goodbye.]}\n")
    said = run_command("check").out
    assert said.count("\n") == 1
    assert run_command("check", f"callflows/{other_name}").out == said
    assert run_command("check", "callflows/good.yaml").out == said


def test_the_mistakes_of_the_files_beside_a_file_are_not_told(flows):
    (flows / "parts").mkdir()
    (flows / "parts" / "nodes.yaml").write_text("nodes: {ring: [saay: Hello., dial: +12015550123, say: Goodbye.]}\n")
    include = "include: parts/nodes.yaml\nnodes: {start: [say: Hello., goto: ring]}\n"
    (flows / "other.yaml").write_text(f"numbers: +12015550177\n{include}")
    assert run_command("check", "callflows/good.yaml").out.count("\n") == 1
    assert "dial-own" in run_command("check", "callflows/good.yaml").out
    assert "saay" in run_command("check", "callflows/other.yaml").out


@pytest.mark.parametrize("numbers", ["+1201*", "rest", "[+12015550177, rest]"])
def test_claims_of_many_numbers_are_compared_with_those_of_the_files_beside(flows, numbers):
    for name in ("b", "c"):
        (flows / f"{name}.yaml").write_text(f"numbers: {numbers}\nnodes: {{start: [say: Hello.]}}\n")
    said = run_command("check").out
    assert "claimed already" in said
    assert run_command("check", "callflows/b.yaml").out == said == run_command("check", "callflows/c.yaml").out


@pytest.mark.usefixtures("flows")
def test_flows_of_another_folder_are_not_taken_to_be_served_together(tmp_path):
    other = tmp_path / "samples"
    other.mkdir()
    for name in ("one", "two"):
        (other / f"{name}.yaml").write_text(GOOD)
    assert run_command("check", "samples/one.yaml").out == ""
    assert "claimed already" in run_command("check", "samples").out


def test_two_flows_of_one_name_are_found(flows):
    (flows / "good.yml").write_text(GOOD.replace("0123", "0199"))
    assert "name-twice" in run_command("check").out


def test_problems_stand_in_the_order_of_files_and_lines(flows):
    (flows / "bad.yaml").write_text("numbers: x\ntimezone: x\nnodes: {start: [saay: x]}\n")
    (flows / "a.yaml").write_text(BAD)
    places = [tuple(line.split(":")[:3]) for line in run_command("check").out.splitlines()]
    assert places == sorted(places, key=lambda place: (place[0], int(place[1]), int(place[2])))
    assert len(places) == 4


# Documents


def test_a_document_is_checked_with_line_and_column(flows):
    (flows / "menu.xml").write_text(DOCUMENT)
    for done in (run_command("check", "callflows/menu.xml"), run_command("check")):
        assert done.code == 1
        assert done.out.startswith("callflows/menu.xml:3:3: error: ")
        assert "<Saay>" in done.out
    (flows / "menu.xml").write_text(DOCUMENT.replace("Saay", "Say"))
    assert run_command("check", "callflows/menu.xml").code == 0


def test_a_document_may_have_the_declared_attributes(flows):
    (flows / "dial.xml").write_text('<Response><Dial callerId="1"><To>+12015550188</To></Dial></Response>')
    assert "callerId" in run_command("check", "callflows/dial.xml").out
    (flows / "extensions.yaml").write_text("Dial: {callerId: text}\n")
    assert run_command("check", "callflows/dial.xml").code == 0


@pytest.mark.parametrize(
    "content", [b"", b"\x00", b"\xff\xfe", b"<a/>", b"<!DOCTYPE x><Response/>", b"<Response>" * 20_000]
)
def test_a_document_that_is_none_is_an_error_and_no_crash(flows, content):
    (flows / "x.xml").write_bytes(content)
    done = run_command("check", "callflows/x.xml")
    assert done.code == 1
    assert done.out.startswith("callflows/x.xml:1:")


def test_a_flow_for_the_other_dialect_is_checked_in_the_dialect_of_the_settings(flows, monkeypatch):
    (flows / "tone.yaml").write_text("numbers: rest\nnodes: {start: [tone: {hz: 440}]}\n")
    assert run_command("check").code == 0
    monkeypatch.setenv("CALLFLOWS_DIALECT", "classic")
    assert "tone.yaml:2:" in run_command("check").out


def test_the_shipped_flows_are_fine_to_the_letter_in_both_dialects(monkeypatch, tmp_path):
    copy_shipped_flows(tmp_path)
    monkeypatch.chdir(tmp_path)
    for dialect in ("reference", "classic"):
        monkeypatch.setenv("CALLFLOWS_DIALECT", dialect)
        assert run_command("check", "--strict").code == 0


# Rules


def test_a_rule_is_explained_in_two_lines():
    done = run_command("check", "--explain", "unused")
    assert done.code == 0
    name, means, fix = done.out.splitlines()
    assert name == "unused"
    assert "never used" in means
    assert "remove it" in fix


def test_all_rules_are_listed_and_programs_may_read_them():
    listed = run_command("check", "--explain", "all")
    assert listed.code == 0
    assert "\x1b[" not in listed.out
    assert run_command("check", "--explain").out == listed.out
    rules = json.loads(run_command("check", "--explain", "all", "--format", "json").out)
    assert {"rule", "means", "fix"} == rules[0].keys()
    assert listed.out.count("\n\n") == len(rules) - 1


def test_a_rule_that_there_is_not_is_answered_with_the_right_one():
    done = run_command("check", "--explain", "unusd")
    assert (done.code, done.out) == (2, "")
    assert "did you mean 'unused'?" in done.err


@pytest.mark.usefixtures("flows")
def test_every_rule_of_a_problem_can_be_explained(flows):
    (flows / "bad.yaml").write_text(BAD)
    (problem,) = json.loads(run_command("check", "--format", "json").out)
    assert run_command("check", "--explain", problem["rule"]).code == 0
