"""The table of commands is what the commands themselves say, and is enough for ``--help``."""

from __future__ import annotations

import inspect
import sys

import typer

from callflows.cli.command_table import ROOT_COMMANDS
from waiting import run_process

HELP_WITH_IMPORTS = "import sys, callflows.cli\ntry: callflows.cli.main()\nfinally: print(*sys.modules, file=sys.stderr)"


def test_the_summary_of_each_command_begins_its_help():
    for name, command in ROOT_COMMANDS.items():
        target = command.load()
        text = target.info.help if isinstance(target, typer.Typer) else inspect.getdoc(target)
        assert text.partition("\n\n")[0].replace("\n", " ") == command.summary, name


def test_each_command_shows_an_example_of_itself():
    for name, command in ROOT_COMMANDS.items():
        is_group = isinstance(command.load(), typer.Typer)
        assert command.example.partition(" ")[0] == ("" if is_group else name)


def test_help_imports_no_command_and_no_library_but_typer():
    process = run_process([sys.executable, "-c", HELP_WITH_IMPORTS, "--help"])
    assert all(command.summary in " ".join(process.stdout.split()) for command in ROOT_COMMANDS.values())
    modules = set(process.stderr.split())
    assert "callflows.cli.command_table" in modules
    assert not modules & {f"callflows.cli.{command.module}" for command in ROOT_COMMANDS.values()}
    assert not modules & {"asyncio", "pydantic", "rich", "sqlalchemy", "yaml"}
