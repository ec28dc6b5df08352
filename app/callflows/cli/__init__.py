"""The command line. Commands import their dependencies inside the function, so that ``--help`` is quick."""

from callflows.cli.root_commands import main

__all__ = ["main"]
