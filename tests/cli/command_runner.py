"""The command line, run in this process or in one of its own."""

from __future__ import annotations

import contextlib
import io
from typing import TYPE_CHECKING, NamedTuple
from unittest import mock

from callflows.cli import main
from command_process import run_callflows

if TYPE_CHECKING:
    from pathlib import Path


class CommandResult(NamedTuple):
    """What a command gave."""

    code: int
    out: str
    err: str


def run_command(*arguments: str) -> CommandResult:
    """A command in this process, as the console script runs it."""
    out, err = io.StringIO(), io.StringIO()
    code = 0
    with (
        mock.patch("sys.argv", ["callflows", *arguments]),
        # serve sets it for the rest of its process
        mock.patch("callflows.cli.cli_options._NOTICE_STYLE.is_json", new=False),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        try:
            main()
        except SystemExit as end:
            code = int(end.code or 0)
    return CommandResult(code, out.getvalue(), err.getvalue())


def run_command_process(*arguments: str, folder: Path, **environment: str) -> CommandResult:
    """A command in a process of its own."""
    process = run_callflows(*arguments, cwd=folder, env=environment)
    return CommandResult(process.returncode, process.stdout, process.stderr)
