"""What commands are given, and how they speak to people."""

from __future__ import annotations

import contextlib
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, NoReturn

import typer

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from zoneinfo import ZoneInfo

    from app.flows.compiler import Options
    from app.flows.loader import Progress
    from app.settings import Settings

FLOWS = Annotated[
    Path | None, typer.Option("--flows", metavar="DIR", help="The folder of the flow files; else the setting, ./callflows.")
]
ZONE = Annotated[
    str, typer.Option("--zone", metavar="ZONE", help="The zone of native Schedule, as America/New_York; else UTC.")
]
_MANY: Final = 200
"""Files from which on a bar shows how far it is."""


class TableFormat(StrEnum):
    """How rows are shown."""

    text = "text"
    json = "json"


def settings_of(**given: Any) -> Settings:  # noqa: ANN401 - a setting each
    """The settings of the installation, but for what a command was given."""
    from app.settings import load

    return load(**{name: value for name, value in given.items() if value is not None})


def zone_of(written: str) -> ZoneInfo | None:
    """The zone that ``--zone`` names; None where none is named."""
    from zoneinfo import ZoneInfo, available_timezones

    if written and written not in available_timezones():
        fail(f"callflows: --zone: {written!r} is no time zone: write it as America/New_York", 2)
    return ZoneInfo(written) if written else None


def options_of(settings: Settings) -> Options:
    """What flows are compiled for where nothing is signed for real."""
    from app.flows.compiler import Options
    from app.flows.tickets import Signer

    regions = frozenset(settings.dial_regions) or None
    return Options(Signer([b"only looked at"]), settings.apology, settings.dialect, dial_regions=regions)


@contextlib.contextmanager
def progress(doing: str, least: int = _MANY) -> Iterator[Progress | None]:
    """A bar on a terminal, for whoever has that many things to do or more; nothing in a pipe."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import Progress as Bar

    with Bar(console=Console(stderr=True), transient=True) as bar:
        tasks: list[Any] = []

        def on_progress(done: int, total: int) -> None:
            if total >= least:
                if not tasks:
                    tasks.append(bar.add_task(doing, total=total))
                bar.update(tasks[0], completed=done)

        yield on_progress


def table(rows: Sequence[Sequence[object]]) -> None:
    """Print rows in columns; what strangers wrote cannot steer the terminal."""
    cells = [["".join(sign if sign.isprintable() else " " for sign in str(cell)) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for row in cells:
        print("  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip())


def confirm(plan: Sequence[str], *, yes: bool) -> None:
    """Say what will be done, and ask; without anybody to ask nothing is done, exit 2; where the answer is no, exit 1."""
    for line in plan:
        say(line)
    if yes:
        return
    if not sys.stdin.isatty():
        fail("callflows: nothing was done: there is nobody to ask; say --yes to do it", 2)
    if not typer.confirm("Do it?", err=True):
        fail("callflows: nothing was done", 1)


def say(text: str) -> None:
    """For people; a full disk does not keep a command from its work."""
    with contextlib.suppress(OSError):
        print(text, file=sys.stderr, flush=True)


def fail(text: str, code: int) -> NoReturn:
    """Say why a command ends, and end it."""
    say(text)
    raise typer.Exit(code)
