"""The README is the product's face, and the pages of ``docs`` stand behind it: what they show is run here."""

from __future__ import annotations

import contextlib
import io
import re
import shlex
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from callflows.flows.authoring.diagram import build_flow_diagram
from callflows.flows.authoring.svg_drawing import render_svg
from callflows.flows.compiler.compiling_flow import CompilerOptions
from callflows.flows.loader.check_runner import check_paths
from callflows.flows.loader.folder_loader import load_flow_folder
from callflows.flows.source.positions import ProblemReport
from callflows.flows.tickets import TicketSigner
from callflows.sandbox.deferred_jobs import NeedsResult
from callflows.settings import Settings
from callflows.telephony.turn import Turn
from callflows.testing.scenario_reader import check_scenarios
from callflows.testing.scenario_report import format_failed_scenario
from callflows.testing.scenario_runner import load_scenario_folders, run_scenarios
from command_process import run_callflows
from each_case import each_case
from shipped_flows import FRONT_DESK_FILE, copy_shipped_flows
from strict_mypy import STRICT_MYPY
from waiting import run_bounded, run_process

ROOT = Path(__file__).parent.parent
FILES = {
    "README": ROOT / "README.md",
    **{name: ROOT / f"{name}.md" for name in ("CHANGELOG", "CONTRIBUTING")},
    **{str(file.relative_to(ROOT / "docs").with_suffix("")): file for file in sorted((ROOT / "docs").rglob("*.md"))},
}
PAGES = {name: file.read_text(encoding="utf-8") for name, file in FILES.items()}
README = PAGES["README"]
OPTIONS = CompilerOptions(TicketSigner([b"readme"]), "Sorry.")


def blocks(language: str, page: str = "README") -> list[str]:
    found = re.findall(r"^ *```(\w+)\n(.*?)^ *```", PAGES[page], re.MULTILINE | re.DOTALL)
    return [text for kind, text in found if kind == language]


PYTHON = {
    "test": blocks("python", "rehearsal")[0],
    "program": blocks("python", "flows")[0],
    "builder": blocks("python", "flows")[1],
}


@each_case("page", PAGES)
def test_every_link_leads_somewhere(page):
    """To a file of the project, and to a title that it has."""
    file = FILES[page]
    for target in re.findall(r"\]\((?!https?:)([^)]+)\)", PAGES[page]):
        path, _, title = target.partition("#")
        led = (file.parent / path) if path else file
        assert led.is_file(), target
        titles = re.findall(r"^#+ (.*)$", led.read_text(encoding="utf-8"), re.MULTILINE) if title else []
        assert not title or title in {re.sub(r"[^\w -]", "", said.lower()).replace(" ", "-") for said in titles}, target


def test_the_python_block_runs_and_prints_what_stands_below_it():
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(PYTHON["builder"], "flows.md", "exec"), {})  # noqa: S102 - the page's own code
    assert printed.getvalue() == blocks("xml", "flows")[0]


def test_the_python_blocks_pass_mypy_in_strict_mode(tmp_path):
    files = [tmp_path / f"{name}_block.py" for name in PYTHON]
    for file, block in zip(files, PYTHON.values(), strict=True):
        file.write_text(block)
    checked = run_process([*STRICT_MYPY, *map(str, files)], cwd=ROOT)
    assert checked.returncode == 0, checked.stdout


def test_the_test_of_a_flow_passes(monkeypatch, tmp_path):
    copy_shipped_flows(tmp_path)
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    exec(compile(PYTHON["test"], "rehearsal.md", "exec"), names)  # noqa: S102 - the page's own code
    names["test_nobody_in_sales_means_a_message"]()


def test_the_scenario_passes_on_the_flow_file_above_it(tmp_path):
    file = tmp_path / "acme.yaml"
    file.write_text(blocks("yaml")[0] + blocks("yaml")[1], encoding="utf-8")
    assert [p for p in check_paths([file], OPTIONS, extra_check=check_scenarios) if p.severity != "note"] == []
    (folder,) = load_scenario_folders([file], OPTIONS)
    (ran,) = run_bounded(run_scenarios(folder, folder.cases, Settings()))
    assert ran.has_passed, "\n".join(format_failed_scenario(ran))


def test_the_commands_that_test_flows_run_as_they_stand(tmp_path):
    copy_shipped_flows(tmp_path)
    section = README.partition("## Test your flows")[2].partition("```sh\n")[2].partition("```")[0]
    commands = [line.partition("#")[0].split() for line in section.splitlines()]
    assert len(commands) == 3
    for command in commands:
        done = run_callflows(*command[1:], cwd=tmp_path)
        assert done.returncode == 0, done.stdout + done.stderr


def test_the_program_answers_a_call(tmp_path):
    file = tmp_path / "acme.py"
    file.write_text(PYTHON["program"], encoding="utf-8")
    flow = load_flow_folder(tmp_path, OPTIONS).book.find_answering_flow("+12015550124")
    turn = Turn({"from": "+12015550999", "to": "12015550124"}, get_base_url=lambda: "https://calls.example.com")
    with pytest.raises(NeedsResult) as pending:
        flow.answer("start", turn)
    turn.deferred_results.append(run_bounded(pending.value.job.run()))
    turn.reset_progress()
    document = flow.answer("start", turn).decode()
    assert "<Say>Welcome.</Say>" in document
    assert re.search(r'url="https://calls\.example\.com/call/acme/other\?ticket=[0-9a-f-]+\.[^"]+"', document)


def test_the_flow_file_has_no_problem(tmp_path):
    file = tmp_path / "acme.yaml"
    file.write_text(blocks("yaml")[0], encoding="utf-8")
    assert [p for p in check_paths([file], OPTIONS) if p.severity != "note"] == []


def test_the_rules_on_texts_have_no_problem_beside_the_flow(tmp_path):
    file = tmp_path / "acme.yaml"
    (rules,) = [block for block in blocks("yaml", "flows") if block.startswith("messages:")]
    file.write_text(blocks("yaml")[0] + rules, encoding="utf-8")
    assert [p for p in check_paths([file], OPTIONS) if p.severity != "note"] == []


def test_the_flow_for_many_numbers_has_no_problem(tmp_path):
    file = tmp_path / "acme.yaml"
    (flow,) = [block for block in blocks("yaml", "flows") if block.startswith("numbers:")]
    file.write_text(flow, encoding="utf-8")
    assert [p for p in check_paths([file], OPTIONS) if p.severity != "note"] == []


def test_the_problem_shown_is_the_one_that_check_says(tmp_path):
    file = tmp_path / "acme.yaml"
    file.write_text(blocks("yaml")[0].replace("keys: {1: sales,", "keys: {1: slaes,"), encoding="utf-8")
    (problem,) = [p for p in check_paths([file], OPTIONS) if p.severity == "error"]
    assert blocks("text")[0].strip() == str(problem).replace(str(file), "callflows/acme.yaml")


def test_the_document_shown_is_what_the_shipped_front_desk_answers_on_a_weekday(tmp_path):
    flow = load_flow_folder(copy_shipped_flows(tmp_path), OPTIONS).book.find_answering_flow("+12015550123")
    assert flow is not None
    turn = Turn(
        {"from": "+12015550999", "to": "12015550123"},
        get_base_url=lambda: "http://127.0.0.1:8000",
        clock=lambda: datetime(2026, 11, 23, 15, tzinfo=UTC),
    )
    root = etree.fromstring(flow.answer("start", turn))
    etree.indent(root)
    answered = ['<?xml version="1.0" encoding="UTF-8"?>', *etree.tostring(root, encoding="unicode").splitlines()]
    shown = [line for line in blocks("xml")[0].splitlines() if line.strip() != "…"]
    rest = iter(answered)
    missing = [line for line in shown if line not in rest]
    assert missing == []


def test_the_commands_that_begin_a_flow_run_as_they_stand(tmp_path):
    section = README.partition("are a beginning: a front desk")[2].partition("```sh\n")[2].partition("```")[0]
    commands = [line.partition("#")[0].split() for line in section.splitlines()]
    assert len(commands) == 4
    for command in commands:
        done = run_callflows(*command[1:], cwd=tmp_path)
        assert done.returncode == 0, done.stderr
    assert (tmp_path / "callflows" / "acme.yaml").is_file()


def test_the_call_shown_is_the_one_that_the_command_rings(tmp_path):
    copy_shipped_flows(tmp_path)
    section = README.partition("## Ring it")[2].partition("\n## ")[0]
    (command,), (shown,) = (re.findall(rf"```{kind}\n(.*?)```", section, re.DOTALL) for kind in ("sh", "text"))
    done = run_callflows(*shlex.split(command)[1:], cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == shown


def test_the_picture_is_that_of_the_shipped_front_desk():
    diagram = build_flow_diagram("front-desk", FRONT_DESK_FILE.read_bytes(), ProblemReport(str(FRONT_DESK_FILE)))
    assert diagram is not None

    def texts(picture: str) -> list[str]:
        return sorted("".join(text.itertext()) for text in etree.fromstring(picture.encode()).iter("{*}text"))

    shown = (ROOT / "docs" / "front-desk.svg").read_text(encoding="utf-8")
    assert texts(shown) == texts(render_svg(diagram)), (
        "draw it again: callflows show front-desk --format svg > docs/front-desk.svg"
    )


def test_every_setting_is_in_the_table():
    table = PAGES["operation"].partition("## Settings")[2].partition("\n## ")[0]
    missing = [name for name in Settings.model_fields if f"`{name.upper()}`" not in table]
    assert missing == []


@each_case(
    "command",
    [
        "serve",
        "check",
        "test",
        "call",
        "numbers",
        "verbs",
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
        "opentact numbers search",
        "opentact messages send",
        "opentact apps list",
        "opentact voices",
        "opentact calls bulk",
        "opentact calls push",
        "events",
    ],
)
def test_every_command_is_in_the_table(command):
    assert f"`callflows {command}" in PAGES["commands"]


def test_the_first_command_installs_what_serving_and_trying_need_and_the_second_what_tests_need():
    serve, test = [line for text in blocks("sh") for line in text.splitlines() if line.startswith("python3 -m venv")]
    assert "-e '.[explore]'" in serve
    assert "-e '.[test]'" in test
