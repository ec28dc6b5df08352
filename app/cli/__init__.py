"""The command line. Each command imports what it needs, so that ``--help`` is quick."""

from app.cli.commands import main

__all__ = ["main"]
