"""Writes log lines to standard error in a thread.

Logging never blocks and never raises, even on a full pipe or disk. Excess lines are dropped, counted, and reported in a
later log line.
"""

from __future__ import annotations

import collections
import contextlib
import json
import logging
import sys
import threading
from typing import TYPE_CHECKING, Any, Final, TextIO

import structlog

from callflows.telephony.phone_numbers import mask_number, mask_numbers_in_text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, MutableMapping


MAX_LOG_CHARACTERS: Final = 16_000_000
"""Maximum number of characters waiting to be written."""
_WRITE_PAUSE_SECONDS: Final = 0.05


class LogWriter:
    """A file-like object: ``write`` never blocks and never fails."""

    def __init__(self, out: TextIO | None = None) -> None:
        self._out = out
        self._waiting: collections.deque[str] = collections.deque()
        self._waiting_characters = 0
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self.dropped_lines = 0

    def write(self, text: str) -> int:
        """Queue text for the writer thread."""
        if self._waiting_characters + len(text) > MAX_LOG_CHARACTERS:
            self.dropped_lines += 1
        else:
            self._waiting_characters += len(text)
            self._waiting.append(text)
        return len(text)

    def flush(self) -> None:
        """Do nothing: queued text is written soon."""

    def start(self) -> None:
        """Start the writer as a daemon thread."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run_writer, name="log", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Write the queued text; give up after one second."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(timeout=1)

    def _run_writer(self) -> None:
        while not self._stopping.wait(_WRITE_PAUSE_SECONDS):
            self._write_waiting_text()
        self._write_waiting_text()

    def _write_waiting_text(self) -> None:
        while self._waiting:
            text = "".join(self._waiting.popleft() for _ in range(min(len(self._waiting), 1000)))
            self._waiting_characters -= len(text)
            lost, self.dropped_lines = self.dropped_lines, 0
            if lost:
                text += f'{{"event": "log lines dropped", "level": "warning", "count": {lost}}}\n'
            with contextlib.suppress(OSError, ValueError):
                out = self._out or sys.stderr
                out.write(text)
                out.flush()


def create_line_renderer(log_format: str) -> Callable[[Mapping[str, Any]], str]:
    """Return a function that renders a line of the call log from its fields."""
    if log_format == "json":
        return json.JSONEncoder(separators=(", ", ": ")).encode
    render = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    return lambda fields: str(render(None, "", dict(fields)))


_NUMBER_FIELDS: Final = frozenset({"caller", "number", "sender", "to"})
"""Fields with a phone number or a SIP login name."""
_UNMASKED_FIELDS: Final = frozenset({"call", "version"})
"""Fields that never contain a phone number, even if the value looks like one."""


def configure_logging(out: LogWriter | TextIO, log_format: str, mask: Callable[[str], str] = mask_number) -> None:
    """Configure structured log lines to ``out``. Callers log full numbers; ``mask`` is applied to every number here."""

    def mask_numbers(_logger: object, _method: str, fields: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        for name, value in fields.items():
            if isinstance(value, str) and name not in _UNMASKED_FIELDS:
                fields[name] = mask(value) if name in _NUMBER_FIELDS else mask_numbers_in_text(value, mask)
        return fields

    console = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback)
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.format_exc_info,
            mask_numbers,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer() if log_format == "json" else console,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.WriteLoggerFactory(out),  # type: ignore[arg-type]
        cache_logger_on_first_use=False,
    )
