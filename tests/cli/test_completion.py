"""Shell completion of commands, flows, numbers, hours and nodes."""

from __future__ import annotations

import pytest
from command_runner import run_command
from typer.main import get_command

from callflows.cli.root_commands import root_app
from each_case import each_case

FLOW = "numbers: [{}]\nhours: {{office: {{mon-fri: 09:00-17:00}}}}\nnodes: {{start: [hangup], {}: [hangup]}}\n"


@pytest.fixture(autouse=True)
def flows(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "callflows"
    folder.mkdir()
    (folder / "acme.yaml").write_text(FLOW.format("+12015550123, '+1202*'", "sales"))
    (folder / "clinic.yaml").write_text(FLOW.format("+12025550188", "nurse"))
    (folder / "broken.yaml").write_text("numbers: [")
    (folder / "opentact.yaml").write_text("calls: {}\n")
    return folder


def complete(*words: str) -> list[str]:
    """What the shell offers for the last word."""
    command = get_command(root_app)
    *before, incomplete = words
    context = command.make_context("callflows", [*before], resilient_parsing=True)
    while context._protected_args:  # noqa: SLF001 - as typer finds the command that is completed
        name, command, rest = command.resolve_command(context, [*context._protected_args, *context.args])  # noqa: SLF001 - as above
        context = command.make_context(name, rest, parent=context, resilient_parsing=True)
    for parameter in command.get_params(context):
        last = before[-1] if before else ""
        if last.startswith("-") and last in parameter.opts:
            return [item.value for item in parameter.shell_complete(context, incomplete)]
    waiting = [
        parameter
        for parameter in command.get_params(context)
        if parameter.param_type_name == "argument" and context.params.get(parameter.name) is None
    ]
    found = waiting[0].shell_complete(context, incomplete) if waiting else command.shell_complete(context, incomplete)
    return [item.value for item in found]


@each_case(
    ("words", "offered"),
    [
        (("show", ""), ["acme", "broken", "clinic"]),
        (("show", "a"), ["acme"]),
        (("show", "acme", "--node", "s"), ["sales", "start"]),
        (("override", "clinic", ""), ["office"]),
        (("call", ""), ["+12015550123", "+12025550188"]),
        (("log", "--number", "+1202"), ["+12025550188"]),
        (("log", "--flow", "c"), ["clinic"]),
        (("opentact", "calls", "bulk", "--flow", "cl"), ["clinic"]),
        (("opentact", "numbers", "rel"), ["release"]),
        (("opentact", "sw"), ["switches"]),
    ],
)
def test_the_shell_completes_what_the_flows_have(words, offered):
    assert complete(*words) == offered


def test_a_folder_that_is_not_there_offers_nothing(flows, monkeypatch):
    monkeypatch.setenv("CALLFLOWS_FLOWS", str(flows / "gone"))
    assert complete("show", "") == []


def test_completion_is_installed_by_an_option():
    assert "--install-completion" in run_command("--help").out
