"""The command line. Each command imports what it needs, so that ``--help`` is quick."""

from callflows.cli.root_commands import main

__all__ = ["main"]
