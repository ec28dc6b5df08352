"""Options shared by commands, and output for people."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import re
import sys
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, NoReturn, TextIO, cast

import typer

from callflows.text import replace_unprintable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from zoneinfo import ZoneInfo

    from callflows.flows.compiler.compiling_flow import CompilerOptions
    from callflows.flows.loader.folder_loader import ProgressCallback
    from callflows.settings import Settings


FLOWS_OPTION = Annotated[
    Path | None,
    typer.Option(
        "--flows",
        metavar="DIR",
        help="The folder of the flow files. Default: the setting CALLFLOWS_FLOWS, else ./callflows.",
    ),
]
DRAFT_OPTION = Annotated[
    Path | None,
    typer.Option(
        "--draft",
        metavar="FILE",
        exists=True,
        dir_okay=False,
        help="Use this file instead of the flow file of the same name in the folder.",
    ),
]
ZONE_OPTION = Annotated[
    str,
    typer.Option("--zone", metavar="ZONE", help="The time zone of the verb Schedule, as America/New_York. Default: UTC."),
]
_PROGRESS_BAR_THRESHOLD: Final = 200
"""Number of files from which a progress bar is shown."""


class TableFormat(StrEnum):
    """Output format of rows."""

    text = "text"
    json = "json"


def load_command_settings(**overrides: Any) -> Settings:  # noqa: ANN401 - a setting each
    """Load the settings; command options other than None override them."""
    from callflows.settings import load_settings

    return load_settings(**{name: value for name, value in overrides.items() if value is not None})


def parse_zone_option(text: str) -> ZoneInfo | None:
    """Return the zone of ``--zone``, or None if the option is empty; exit with code 2 if the zone is unknown."""
    from zoneinfo import ZoneInfo, available_timezones

    if text and text not in available_timezones():
        exit_with_notice(f"callflows: --zone: {text!r} is not a time zone: write it as America/New_York", 2)
    return ZoneInfo(text) if text else None


def build_command_options(settings: Settings, draft: Path | None = None) -> CompilerOptions:
    """Return compiler options for commands without real calls: the key of the tickets is a fixed text.

    ``draft`` is compiled instead of the flow file of the same name.
    """
    from callflows.flows.compiler.compiling_flow import CompilerOptions
    from callflows.flows.tickets import TicketSigner
    from callflows.flows.twiml.twilio_requests import TwilioAccount

    regions = frozenset(settings.dial_regions) or None
    return CompilerOptions(
        TicketSigner([b"only looked at"]),
        settings.apology,
        settings.dialect,
        dial_regions=regions,
        data_folder=settings.data,
        drafts={settings.flows / draft.name: read_draft(draft)} if draft is not None else {},
        twilio_account=TwilioAccount(settings.twilio_account_sid, settings.twilio_auth_token.get_secret_value()),
    )


def read_draft(file: Path) -> bytes:
    """Return the content of a draft; exit with code 2 if it is no flow file, or cannot be read."""
    from callflows.flows.loader.folder_loader import is_flow_file, read_bounded_file

    if not is_flow_file(file):
        exit_with_notice(f"callflows: --draft: {file} is not a flow file (.yaml, .py)", 2)
    try:
        return read_bounded_file(file)
    except OSError as error:
        exit_with_notice(f"callflows: --draft: {file}: {error.strerror}", 2)


@contextlib.contextmanager
def show_progress(label: str, threshold: int = _PROGRESS_BAR_THRESHOLD) -> Iterator[ProgressCallback | None]:
    """Show a progress bar for ``threshold`` or more things; on a terminal only."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import Progress as Bar

    with Bar(console=Console(stderr=True), transient=True) as bar:
        tasks: list[Any] = []

        def on_progress(done: int, total: int) -> None:
            if total >= threshold:
                if not tasks:
                    tasks.append(bar.add_task(label, total=total))
                bar.update(tasks[0], completed=done)

        yield on_progress


_TERMINAL_CONTROL_PATTERN: Final = re.compile("[\r\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")
"""Characters that move the cursor or turn the writing round; ESC is not here, because our own colours use it."""


_ASCII_SPELLINGS: Final = str.maketrans(
    {"\u201c": '"', "\u201d": '"', "\u201e": '"', "\u2018": "'", "\u2019": "'", "\u2026": "...", "\xb7": "-",
     "\u2013": "-", "\u2014": "-", "\u2192": "->", "\xd7": "x"}
)  # fmt: skip
"""Spellings of our own signs for a terminal that has ASCII only."""


def spell_in_encoding(text: str, encoding: str) -> str:
    """Return a text that the encoding has: XML and JSON with their own escapes, other texts in similar signs."""
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        begin = text.lstrip()[:1]
        if begin == "<":
            return text.encode(encoding, "xmlcharrefreplace").decode(encoding)
        if begin in ("{", "["):
            pairs = text.encode("utf-16-be", "surrogatepass")
            units = (int.from_bytes(pairs[at : at + 2]) for at in range(0, len(pairs), 2))
            return "".join(chr(unit) if unit < _FIRST_CHARACTER_BEYOND_ASCII else f"\\u{unit:04x}" for unit in units)
        return text.translate(_ASCII_SPELLINGS).encode(encoding, "replace").decode(encoding)
    return text


_FIRST_CHARACTER_BEYOND_ASCII: Final = 0x80


class GuardedStream:
    """A standard stream on which control characters of others, as a caller's name has them, are escaped as in JSON.

    A character that the stream cannot encode never ends a command: it is spelled otherwise.

    Data of others never has ESC: ``clean_text`` removes it on arrival. On a terminal, a progress bar begins its line anew
    with carriage return and ESC, which stay.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        if "\x1b[" not in text or not self._stream.isatty():
            text = _TERMINAL_CONTROL_PATTERN.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
        with _name_output_in_errors():
            self._stream.write(spell_in_encoding(text, self._stream.encoding or "utf-8"))
        return len(text)

    def flush(self) -> None:
        with _name_output_in_errors():
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - everything else is the stream's own
        return getattr(self._stream, name)


@contextlib.contextmanager
def _name_output_in_errors() -> Iterator[None]:
    """Have an error, as of a full disk, say that the output is meant."""
    try:
        yield
    except BrokenPipeError:  # the reader wants no more
        raise
    except OSError as error:
        error.filename = error.filename or "the output cannot be written"
        raise


@contextlib.contextmanager
def guard_terminal() -> Iterator[None]:
    """Escape control characters in everything that a command prints."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed by who started the command: nobody reads it
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: PTH123, SIM115 - open to the end
    out, err = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = cast("TextIO", GuardedStream(out)), cast("TextIO", GuardedStream(err))
    try:
        yield
    finally:
        sys.stdout, sys.stderr = out, err


def print_table(rows: Sequence[Sequence[object]]) -> None:
    """Print rows in columns; unprintable characters are replaced, so that foreign text cannot control the terminal."""
    cells = [[replace_unprintable(str(cell)) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for row in cells:
        print("  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip())


def confirm_plan(plan: Sequence[str], *, is_confirmed: bool) -> None:
    """Print the plan and ask for confirmation. Exit with code 2 without a terminal to ask, 1 if the answer is no."""
    for line in plan:
        print_notice(line)
    if is_confirmed:
        return
    if not sys.stdin.isatty():
        exit_with_notice("callflows: nothing was changed: without a terminal, nobody can confirm; add --yes", 2)
    if not typer.confirm("Continue?", err=True):
        exit_with_notice("callflows: nothing was changed", 1)


@dataclasses.dataclass
class _NoticeStyle:
    """The form of notices in this process; JSON if a program reads standard error."""

    is_json: bool = False


_NOTICE_STYLE: Final = _NoticeStyle()


def write_notices_as_json() -> None:
    """Have notices of this process written as log lines of JSON from now on."""
    _NOTICE_STYLE.is_json = True


def print_notice(text: str, level: Literal["info", "error"] = "info") -> None:
    """Print a line for people on standard error; a write error, such as a full disk, is ignored."""
    if _NOTICE_STYLE.is_json:
        at = datetime.now(UTC).isoformat().replace("+00:00", "Z")
        text = json.dumps({"event": text, "level": level, "timestamp": at})
    with contextlib.suppress(OSError):
        print(text, file=sys.stderr, flush=True)


def exit_with_notice(text: str, code: int) -> NoReturn:
    print_notice(text, "error" if code else "info")
    raise typer.Exit(code)
