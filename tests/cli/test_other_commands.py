"""The other commands, their help, and their messages for wrong arguments."""

from __future__ import annotations

import io
import json
import re
import sys
from pathlib import Path

import pytest
from command_runner import run_command, run_command_process
from lxml import etree

from callflows.flows.steps.step_table import FLOW_STEPS
from callflows.language import from_xml
from callflows.language.verbs import ELEMENT_CLASSES
from each_case import each_case
from waiting import run_process

COMMANDS = [
    "serve",
    "check",
    "call",
    "numbers",
    "verbs",
    "words",
    "show",
    "new",
    "export",
    "override",
    "schema xml",
    "schema flow",
    "convert",
    "log",
    "forget",
    "stand-in",
    "connect",
    "doctor",
    "opentact api",
    "opentact auth",
    "opentact users create",
    "opentact numbers search",
    "opentact numbers order",
    "opentact numbers release",
    "opentact numbers list",
    "opentact messages send",
    "opentact messages list",
    "opentact apps list",
    "opentact voices",
    "opentact calls bulk",
    "opentact calls push",
    "events",
]
MENU = '<Response><Say>Press 1.</Say><Gather dtmf_length="1"><DTMF value="1"><Hangup/></DTMF></Gather></Response>\n'


@pytest.fixture
def flows(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "callflows"
    folder.mkdir()
    (folder / "acme.yaml").write_text("numbers: [+12015550123, '+1202*']\nnodes: {start: [hangup]}\n")
    (folder / "rest.yaml").write_text("nodes: {start: [hangup]}\nnumbers: rest\n")
    return folder


# Help


@each_case("command", COMMANDS)
def test_every_command_has_help_with_an_example(command):
    done = run_command(*command.split(), "--help")
    assert done.code == 0
    assert f"Example: callflows {command}" in " ".join(done.out.split())
    assert run_command(*command.split(), "-h").out == done.out


def test_the_examples_of_the_help_name_options_that_there_are():
    for command in COMMANDS:
        page = run_command(*command.split(), "--help").out
        example = page.partition("Example:")[2]
        for option in re.findall(r"--[a-z]+", example):
            assert option in page.partition("Example:")[0], f"{command} {option}"


def test_the_list_of_commands_is_the_help():
    done = run_command("--help")
    assert done.code == 0
    assert all(command.split()[0] in done.out for command in COMMANDS)
    for called in (run_command(), run_command("schema")):
        assert called.code in (0, 2)
        assert "Usage" in called.out + called.err


def test_help_in_a_pipe_has_no_colours(tmp_path):
    assert "\x1b[" not in run_command("--help").out
    assert "\x1b[" not in run_command_process("check", "--help", folder=tmp_path, PATH="/usr/bin").out


# Used wrongly


@pytest.mark.parametrize(
    "arguments",
    [
        ["chekc"],
        ["check", "--fromat", "json"],
        ["check", "--format", "yaml"],
        ["serve", "--port", "many"],
        ["serve", "--port", "99999"],
        ["serve", "--workers", "0"],
        ["verbs", "Saay"],
        ["convert"],
        ["convert", "nothing.xml"],
        ["convert", "nothing.xml", "--dialect", "latin"],
        ["convert", "nothing.xml", "--dialect", "classic"],
        ["convert", ".", "--dialect", "classic"],
        ["schema", "xml", "--dialect", "latin"],
    ],
    ids=" ".join,
)
@pytest.mark.usefixtures("flows")
def test_what_is_used_wrongly_is_two_and_no_traceback(arguments):
    done = run_command(*arguments)
    assert done.code == 2
    assert done.out == ""
    assert "Traceback" not in done.err
    assert done.err.strip()


def test_a_misspelt_verb_is_answered_with_the_right_one(flows):
    assert "did you mean" in run_command("verbs", "Saay").err
    assert "Traceback" not in run_command_process("verbs", "Saay", folder=flows, PATH="/usr/bin").err


def test_a_wrong_setting_is_one_line(flows):
    done = run_command_process("check", folder=flows.parent, PATH="/usr/bin", CALLFLOWS_PORT="many")
    assert done.code == 2
    assert done.out == ""
    (line,) = done.err.strip().splitlines()
    assert line.startswith("callflows: CALLFLOWS_PORT: ")


def test_what_reads_our_output_may_end_early(tmp_path):
    command = f"{sys.executable} -m callflows schema xml | head -c 10"
    ended = run_process(["/bin/bash", "-c", command], cwd=tmp_path)
    assert ended.stdout == "<xs:schema"
    assert "Traceback" not in ended.stderr
    assert "BrokenPipe" not in ended.stderr


# numbers


@pytest.mark.usefixtures("flows")
def test_every_number_is_listed_with_its_flow_and_place():
    assert run_command("numbers").out.splitlines() == [
        "+12015550123  acme  callflows/acme.yaml:1",
        "+1202*        acme  callflows/acme.yaml:1",
        "rest          rest  callflows/rest.yaml:2",
    ]


@pytest.mark.usefixtures("flows")
def test_numbers_as_json():
    rows = json.loads(run_command("numbers", "--format", "json").out)
    assert rows[0] == {"number": "+12015550123", "flow": "acme", "file": "callflows/acme.yaml", "line": 1, "broken": False}
    assert [row["number"] for row in rows] == ["+12015550123", "+1202*", "rest"]


def test_numbers_of_broken_flows_are_listed_as_broken(flows):
    (flows / "bad.yaml").write_text("numbers: +12015550199\nnodes: {start: [hangpu]}\n")
    done = run_command("numbers")
    assert done.code == 1
    assert "bad.yaml:2:" in done.err
    assert "+12015550199  bad  callflows/bad.yaml:1  (broken)" in done.out.splitlines()


def test_no_folder_is_said(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = run_command("numbers", "--flows", "nowhere")
    assert done.code == 1
    assert "nowhere" in done.err


# words, verbs and schemas


def test_the_words_of_flows_are_listed_and_each_has_its_page():
    listed = run_command("words").out
    for word in FLOW_STEPS:
        assert f"\n{word} " in f"\n{listed}"
        page = run_command("words", word)
        assert page.code == 0
        assert f"- {word}" in page.out
    assert run_command("words", "record_start").code == 0
    assert "did you mean 'dial'" in run_command("words", "transfer").err


@each_case("key", ["numbers", "hours", "lists", "messages", "ended", "fallback"])
def test_a_key_of_the_file_has_its_page_too(key):
    page = run_command("words", key)
    assert page.code == 0
    assert page.out.startswith(f"# {key}\n")
    assert f"{key}:" in page.out


@pytest.mark.parametrize("command", ["words", "verbs"])
@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("queue", "Opentact has no queue"),
        ("fax", "Opentact takes no faxes"),
        ("holiday", "did you mean the key 'hours' of the file?"),
        ("spam", "did you mean the key 'lists' of the file?"),
        ("beep", "did you mean 'tone'?"),
        ("forwarding", "did you mean 'dial'?"),
    ],
)
def test_a_word_of_other_phone_systems_leads_to_what_there_is_or_is_said_to_be_lacking(command, word, said):
    done = run_command(command, word)
    assert done.code == 2
    assert said in done.err


def test_several_words_have_their_pages_and_an_unknown_one_a_suggestion():
    pages = run_command("words", "ended", "mail").out
    assert ("# ended\n" in pages, "# mail" in pages) == (True, True)
    assert "did you mean 'hangup'" in run_command("words", "hang", "up").err
    assert "did you mean 'languages'" in run_command("words", "langauges").err
    assert "receives" in run_command("words").out


@pytest.mark.parametrize(("key", "owner"), [("keyword", "messages"), ("into", "lookup"), ("greeting", "voicemail")])
def test_a_key_of_a_step_leads_to_the_page_of_the_step(key, owner):
    done = run_command("words", key)
    assert (done.code, done.out) == (2, "")
    assert owner in done.err
    assert "callflows words " in done.err


@pytest.mark.parametrize("word", ["menu", "goto", "voicemail", "sms"])
def test_a_word_of_flows_asked_for_as_a_verb_leads_to_the_words(word):
    done = run_command("verbs", word)
    assert done.code == 2
    assert f"callflows words {word}" in done.err
    assert "callflows words" in run_command("verbs", "transfer").err


def test_every_verb_is_listed_and_has_a_page():
    listed = run_command("verbs").out
    rows = json.loads(run_command("verbs", "--format", "json").out)
    for name in ELEMENT_CLASSES:
        assert name in listed
        page = run_command("verbs", name)
        assert page.code == 0
        assert name in page.out
    assert {row["name"] for row in rows} == set(ELEMENT_CLASSES)


def test_a_verb_may_be_named_as_in_a_flow():
    assert run_command("verbs", "record_start").out == run_command("verbs", "RecordStart").out


@pytest.mark.parametrize("dialect", ["reference", "classic"])
@pytest.mark.usefixtures("flows")
def test_the_schema_of_a_dialect_is_a_schema(dialect):
    done = run_command("schema", "xml", "--dialect", dialect)
    assert done.code == 0
    schema = etree.XMLSchema(etree.fromstring(done.out.encode()))
    assert schema.validate(etree.fromstring("<Response><Say>Hello.</Say></Response>"))
    assert not schema.validate(etree.fromstring("<Response><Saay>Hello.</Saay></Response>"))
    assert "XSD 1.0 cannot express" in done.err


def test_the_schema_has_the_declared_attributes(flows):
    document = etree.fromstring('<Response><Dial callerId="1"><To>+12015550188</To></Dial></Response>')
    assert not etree.XMLSchema(etree.fromstring(run_command("schema", "xml").out.encode())).validate(document)
    (flows / "extensions.yaml").write_text("Dial: {callerId: text}\n")
    assert etree.XMLSchema(etree.fromstring(run_command("schema", "xml").out.encode())).validate(document)


def test_the_schema_of_flow_files_has_the_declared_attributes(flows):
    plain = run_command("schema", "flow")
    assert (plain.code, plain.err.splitlines()[0]) == (
        0,
        "JSON Schema cannot express these rules; `callflows check` checks them:",
    )
    assert "callerId" not in json.loads(plain.out)["definitions"]["step dial"]["properties"]
    (flows / "extensions.yaml").write_text("Dial: {callerId: text}\nDail: {a: text}\n")
    declared = run_command("schema", "flow")
    assert "callerId" in json.loads(declared.out)["definitions"]["step dial"]["properties"]
    assert "there is no element <Dail>" in declared.err


# convert


def test_a_document_is_converted_and_back(flows):
    (flows.parent / "menu.xml").write_text("<Response><Dial><To>+12015550188</To></Dial></Response>")
    done = run_command("convert", "menu.xml", "--dialect", "classic")
    assert done.code == 0
    assert "<Number>+12015550188</Number>" in done.out
    (flows.parent / "classic.xml").write_text(done.out)
    back = run_command("convert", "classic.xml", "--dialect", "reference")
    assert from_xml(back.out.encode()) == from_xml((flows.parent / "menu.xml").read_bytes())


def test_what_the_other_dialect_cannot_say_is_refused_with_the_reason(flows):
    (flows.parent / "tone.xml").write_text('<Response><Tone hz="440"/></Response>')
    done = run_command("convert", "tone.xml", "--dialect", "classic")
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith("tone.xml: Tone[0]: <Tone> is not in the classic dialect")


def test_a_document_that_cannot_be_read_is_refused_with_its_place(flows):
    (flows.parent / "bad.xml").write_text("<Response>\n <Saay/></Response>")
    done = run_command("convert", "bad.xml", "--dialect", "classic")
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith("bad.xml:2:2: ")


def test_a_document_without_changes_in_its_own_dialect_means_the_same(flows):
    (flows.parent / "menu.xml").write_text(MENU)
    assert from_xml(run_command("convert", "menu.xml", "--dialect", "reference").out.encode()) == from_xml(MENU.encode())


UNUSABLE_DATA = ["file", "in a file", "proc", "loop", "long", "database is a folder", "no database"]
DATA_COMMANDS = ["token create a", "token list", "user add ann --password-stdin", "user list", "user remove ann", "log"]


@pytest.mark.parametrize("place", UNUSABLE_DATA)
def test_a_command_whose_data_folder_cannot_be_used_says_so_without_the_number_of_an_error(place, tmp_path, monkeypatch):
    """Not even root can use these places."""
    file, loop, folder = tmp_path / "file", tmp_path / "loop", tmp_path / "folder"
    file.write_text("x", encoding="utf-8")
    loop.symlink_to(loop)
    folder.mkdir()
    if place == "no database":
        (folder / "callflows.db").write_text("no database" * 1000, encoding="utf-8")
    elif place == "database is a folder":
        (folder / "callflows.db").mkdir()
        (folder / "console-users").mkdir()
    else:
        long = tmp_path / ("n" * 300)
        folder = {"file": file, "in a file": file / "data", "proc": Path("/proc/callflows"), "loop": loop}.get(place, long)
    monkeypatch.setenv("CALLFLOWS_DATA", str(folder))
    for words in DATA_COMMANDS:
        monkeypatch.setattr("sys.stdin", io.StringIO("a long password of ann\n"))
        done = run_command(*words.split())
        assert "Errno" not in done.err, (words, done.err)
        assert done.code in (0, 1, 2), (words, done.err)
        if words == "token create a":
            assert (done.code, done.err.startswith("callflows: ")) == (2, True), done
            assert "(CALLFLOWS_DATA must be a folder that this user can write" in done.err
