"""The root command, which finds all others in ``command_table.py``."""

from __future__ import annotations

import os
import sys
from functools import cache
from typing import Annotated, Any

import typer

from callflows.cli.cli_options import guard_terminal, print_notice
from callflows.cli.command_groups import LazyGroup
from callflows.cli.command_table import ROOT_COMMANDS
from callflows.disk_errors import explain_disk_error
from callflows.errors import CallflowsError


class RootGroup(LazyGroup):
    """The commands of the table."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ANN401, ARG002 - as the base class has it
        return list(ROOT_COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ANN401, ARG002 - as the base class has it
        return build_command(cmd_name) if cmd_name in ROOT_COMMANDS else None

    def get_summary(self, ctx: Any, name: str) -> str:  # noqa: ANN401, ARG002 - as the base class has it
        return ROOT_COMMANDS[name].summary


@cache
def build_command(name: str) -> Any:  # noqa: ANN401 - typer's own type
    """Import a command of the table, and build it."""
    command = ROOT_COMMANDS[name]
    # Without rich, whose import takes as long as all else of --help.
    app = typer.Typer(rich_markup_mode=None)
    target = command.load()
    if isinstance(target, typer.Typer):
        app.add_typer(target, name=name)
    else:
        app.command(name, epilog=f"Example: callflows {command.example}")(target)
    return typer.main.get_group(app).commands[name]


root_app = typer.Typer(
    cls=RootGroup,
    help="Answer the phone numbers you run on Opentact: call flows as files, checked before they are live.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(is_requested: bool) -> None:  # noqa: FBT001 - as typer calls it
    if is_requested:
        from importlib.metadata import version

        print(f"callflows {version('callflows')}")
        raise typer.Exit


@root_app.callback()
def callflows(
    *,
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Answer the phone numbers you run on Opentact: call flows as files, checked before they are live."""


def run_command_line() -> None:
    """Run the command line; errors of callflows are printed as one line without a traceback."""
    with guard_terminal():
        _run_guarded()


@cache
def _build_root_command() -> Any:  # noqa: ANN401 - typer's own type
    """Build the command line; typer would build it for each command that runs in this process."""
    return typer.main.get_command(root_app)


def _drop_output() -> None:
    """Have what is still buffered go nowhere, so that there is no second error at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _run_guarded() -> None:
    try:
        try:
            _build_root_command()([*sys.argv[1:], *(["all"] if sys.argv[-1] == "--explain" else [])])
        finally:
            sys.stdout.flush()
    except CallflowsError as error:
        print_notice(f"callflows: {error}", "error")
        sys.exit(2)
    except BrokenPipeError:  # the reader, such as head, has ended
        _drop_output()
        sys.exit(0)
    except OSError as error:
        if not error.filename or not error.strerror:
            raise
        try:
            sys.stdout.flush()
        except OSError:  # the output is the one that takes nothing
            _drop_output()
        print_notice(f"callflows: {explain_disk_error(error)}", "error")
        sys.exit(2)
