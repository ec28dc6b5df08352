"""Every page of the documentation: flow files are checked and their scenarios run, commands print what the page shows."""

from __future__ import annotations

import json
import re
import shutil
import sys
import tomllib
from importlib.util import find_spec
from pathlib import Path

import pytest
import yaml
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from callflows.flows.authoring.flow_reference import FILE_KEY_RULES, load_example, render_flow_reference
from callflows.flows.checks.rule_table import CHECK_RULES
from callflows.flows.compiler.compiling_flow import CompilerOptions
from callflows.flows.loader.check_runner import check_paths
from callflows.flows.source.flow_file import FlowFile
from callflows.flows.steps.step_table import FLOW_STEPS, STEP_COMPILERS
from callflows.flows.tickets import TicketSigner
from callflows.settings import Settings
from callflows.testing.scenario_reader import check_scenarios
from callflows.testing.scenario_report import format_failed_scenario
from callflows.testing.scenario_runner import load_scenario_folders, run_scenarios
from doc_pages import DOCS, ROOT, is_output, list_pages, read_blocks, run_console, write_block
from each_case import each_case

sys.path.insert(0, str(Path(__file__).parent / "cli"))
from command_runner import run_command

from sound_makers import put_sound
from waiting import run_bounded, run_process

PAGES = list_pages()
OPTIONS = CompilerOptions(TicketSigner([b"docs"]), "Sorry.")
EXAMPLES = Path(load_example.__code__.co_filename).parent / "examples"


def flow_blocks() -> list[object]:
    return [
        pytest.param(page, block.text, id=f"{page}:{block.line}")
        for page, text in PAGES.items()
        if page not in {"docs/flow-reference.md", "README.md"}  # both have tests of their own
        for block in read_blocks(text)
        if block.is_flow_file
    ]


def check_and_run(file: Path) -> None:
    """Fail if the file has a problem, warnings included, or if one of its scenarios fails."""
    problems = check_paths([file], OPTIONS, extra_check=check_scenarios)
    assert [str(problem) for problem in problems if problem.severity != "note"] == []
    (folder,) = load_scenario_folders([file], OPTIONS)
    for ran in run_bounded(run_scenarios(folder, folder.cases, Settings())):
        assert ran.has_passed, "\n".join(format_failed_scenario(ran))


@pytest.mark.parametrize(("page", "text"), flow_blocks())
def test_a_flow_file_of_a_page_has_no_problem_and_passes_its_tests(page, text, tmp_path):
    for block in read_blocks(PAGES[page]):
        if block.title and block.language in {"csv", "xml"}:
            write_block(block, tmp_path)
    file = tmp_path / "callflows" / "acme.yaml"
    file.parent.mkdir(exist_ok=True)
    file.write_text(text, encoding="utf-8")
    for name in re.findall(r"(?:play|sound): ([\w/-]+\.wav)", text):
        put_sound(file.parent, name)
    check_and_run(file)


@pytest.mark.parametrize("page", [page for page in PAGES if "```console" in PAGES[page]])
def test_the_commands_of_a_page_print_what_it_shows(page, tmp_path, monkeypatch):
    """Titled blocks are written, diffs applied and commands run, in the order of the page."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    for block in read_blocks(PAGES[page]):
        if block.title.startswith("callflows/"):
            write_block(block, tmp_path)
        elif block.language == "console":
            for command, expected, output in run_console(block, run_command):
                assert is_output(expected, output), f"{page}: $ {command}\n{output}"


@each_case("page", PAGES)
def test_other_blocks_can_be_read(page):
    for block in read_blocks(PAGES[page]):
        if block.language == "yaml":
            assert [*yaml.compose_all(block.text)], block.line
        elif block.language == "json":
            json.loads(block.text)
        elif block.language == "toml":
            tomllib.loads(block.text)
        elif block.language == "python":
            compile(block.text, page, "exec")


@each_case("page", PAGES)
def test_pages_say_fix(page):
    assert re.findall(r"(?i)\b(?:un)?mend(?:s|ed|ing)?\b", PAGES[page]) == []


def test_the_server_shown_for_compose_is_the_one_of_the_repository():
    (shown,) = [block for block in read_blocks(PAGES["docs/how-to/docker.md"]) if block.title == "compose.yaml"]
    composed = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))
    assert yaml.safe_load(shown.text)["services"] == {"callflows": composed["services"]["callflows"]}


@pytest.mark.parametrize(
    ("page", "title", "file"),
    [
        ("systemd", "/etc/systemd/system/callflows.service", "systemd/callflows.service"),
        ("reverse-proxy", "/etc/nginx/conf.d/callflows.conf", "nginx/callflows.conf"),
        ("reverse-proxy", "Caddyfile", "caddy/Caddyfile"),
        ("reverse-proxy", "/etc/traefik/callflows.yaml", "traefik/callflows.yaml"),
        ("several-servers", "/etc/nginx/conf.d/callflows.conf", "nginx/replicas.conf"),
    ],
)
def test_a_file_shown_is_the_one_in_deploy(page, title, file):
    (shown,) = [block for block in read_blocks(PAGES[f"docs/how-to/{page}.md"]) if block.title == title]
    assert shown.text == (ROOT / "deploy" / file).read_text(encoding="utf-8")


def test_every_page_is_in_the_navigation():
    nav = (ROOT / "zensical.toml").read_text(encoding="utf-8")
    pages = [file.relative_to(DOCS).as_posix() for file in DOCS.rglob("*.md")]
    assert [page for page in pages if f'"{page}"' not in nav] == []


@pytest.mark.skipif(find_spec("zensical") is None, reason="needs pip install -e '.[docs]'")
def test_the_site_builds_without_a_warning(tmp_path):
    shutil.copytree(DOCS, tmp_path / "docs")
    shutil.copy(ROOT / "zensical.toml", tmp_path)  # a copy, because the site is written beside the file
    command = [sys.executable, "-m", "zensical", "build", "--strict"]
    built = run_process(command, cwd=tmp_path)
    assert built.returncode == 0, built.stdout + built.stderr


# The reference of flow files


def test_the_reference_is_up_to_date():
    """Write it again: python -m callflows.flows.authoring.flow_reference > docs/flow-reference.md"""
    assert PAGES["docs/flow-reference.md"] == render_flow_reference(), test_the_reference_is_up_to_date.__doc__


@each_case("name", FlowFile.model_fields)
def test_every_key_of_a_file_has_an_example(name):
    assert f"{name}:" in load_example("keys", name)


@each_case("name", STEP_COMPILERS)
def test_every_step_has_an_example(name):
    assert re.search(rf"- {name}\b", load_example("steps", name))


@pytest.mark.parametrize("file", sorted(EXAMPLES.glob("*/*.yaml")), ids=lambda file: f"{file.parent.name}/{file.stem}")
def test_an_example_has_no_problem_and_passes_its_tests(file, tmp_path):
    for beside in file.parent.rglob("*"):
        if beside.suffix in {".csv", ".j2", ".wav"} or (beside.is_file() and beside.parent != file.parent):
            copy = tmp_path / beside.relative_to(file.parent)
            copy.parent.mkdir(exist_ok=True)
            copy.write_bytes(beside.read_bytes())
    (tmp_path / file.name).write_bytes(file.read_bytes())
    check_and_run(tmp_path / file.name)


@each_case("name", FLOW_STEPS)
def test_every_flow_step_says_what_the_caller_hears(name):
    assert FLOW_STEPS[name].caller_hears
    assert FLOW_STEPS[name].check_rules


def test_rules_that_the_reference_names_exist():
    named = {rule for rules in FILE_KEY_RULES.values() for rule in rules}
    named |= {rule for step in FLOW_STEPS.values() for rule in step.check_rules}
    assert sorted(named - CHECK_RULES.keys()) == []
    assert sorted(FILE_KEY_RULES.keys() - FlowFile.model_fields.keys()) == []


# Programs on the pages


def test_the_receiver_of_webhooks_accepts_what_is_signed_and_nothing_else():
    key = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    (receiver,) = [block for block in read_blocks(PAGES["docs/how-to/voicemail-webhook.md"]) if block.language == "python"]
    names: dict[str, object] = {"__name__": "receiver"}
    exec(compile(receiver.text, "receiver.py", "exec"), names)  # noqa: S102 - the page's own code
    names["KEY"] = key
    body = b'{"type": "voicemail"}'
    from datetime import UTC, datetime  # noqa: PLC0415 - once

    now = datetime.now(UTC)
    headers = {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(key).sign("msg_1", now, body.decode()),
    }
    assert names["is_genuine"](headers, body)
    assert not names["is_genuine"](headers, body + b" ")
    assert not names["is_genuine"]({**headers, "webhook-timestamp": "1600000000"}, body)
    assert not names["is_genuine"]({}, body)
    with pytest.raises(WebhookVerificationError):
        Webhook(key).verify(body + b" ", headers)


def test_every_name_and_file_that_the_page_for_contributors_gives_is_there():
    files = [file for folder in ("app", "tests", "docs") for file in (ROOT / folder).rglob("*.*") if file.is_file()]
    sources = "\n".join(file.read_text(encoding="utf-8") for file in files if file.suffix in {".py", ".html"})
    known = {*re.findall(r"\w+", sources)}
    told = re.findall(r"`([\w./]+)`", PAGES["docs/architecture.md"])
    paths = {name for name in told if name.endswith((".py", ".html", ".md"))}
    names = {name for name in {*told} - paths if "/" not in name}
    assert len(paths) > 50
    assert len(names) > 100
    assert {path for path in paths if not any(str(file).endswith(f"/{path}") for file in files)} == set()
    assert {name for name in names if not {*name.split(".")} <= known} == set()
