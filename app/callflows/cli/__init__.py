"""The command line. Commands import their dependencies inside the function, so that ``--help`` is quick."""

from __future__ import annotations

import gc
import sys

__all__ = ["main"]

_UNIX_MODULES = frozenset({"fcntl", "grp", "pwd", "resource", "termios", "uvloop"})
"""Modules of Python, and a library, that Windows does not have."""
_STOPPED_EXIT_CODE = 130
"""The exit code of a command that Ctrl-C stopped, as shells have it."""


def main() -> None:
    """Run the command line. Ctrl-C and a missing library end it with a sentence, also while it is being imported."""
    # Imports leave no garbage, and the searches for it would take a sixth of the start of a server.
    gc.set_threshold(20_000, 50, 100)
    try:
        from callflows.cli.root_commands import run_command_line

        run_command_line()
    except KeyboardInterrupt:
        from callflows.cli.cli_options import print_notice

        print_notice("callflows: stopped")
        sys.exit(_STOPPED_EXIT_CODE)
    except ModuleNotFoundError as error:
        library = (error.name or "").partition(".")[0]
        if library in ("", "callflows"):
            raise  # a fault of ours, not of the installation
        if library in _UNIX_MODULES:
            print(
                "callflows: this command needs Linux or macOS: on Windows, run it in WSL or in the container",
                file=sys.stderr,
            )
            sys.exit(2)
        print(f"callflows: the library {library} is missing: install callflows again, with its libraries", file=sys.stderr)
        sys.exit(2)
