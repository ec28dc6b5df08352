"""Writes log lines to standard error in a thread.

Logging never blocks and never raises, even on a full pipe or disk. Excess lines are dropped, counted, and reported in a
later log line.
"""

from __future__ import annotations

import contextlib
import json
import logging
import sys
import threading
import traceback
from typing import TYPE_CHECKING, Any, Final, TextIO

import structlog

from callflows.background_work import BackgroundThread, BoundedQueue
from callflows.telephony.phone_numbers import mask_number, mask_numbers_in_text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, MutableMapping


MAX_LOG_CHARACTERS: Final = 16_000_000
"""Maximum number of characters waiting to be written."""
_WRITE_PAUSE_SECONDS: Final = 0.05
_MAX_TEXTS_PER_WRITE: Final = 1_000


class _TextQueue(BoundedQueue[str]):
    """A bounded queue whose capacity is a number of characters."""

    def __init__(self, max_characters: int) -> None:
        super().__init__(max_characters)
        self._waiting_characters = 0

    def add(self, item: str) -> bool:
        if self._waiting_characters + len(item) > self.capacity:
            self.dropped_count += 1
            return False
        self._waiting_characters += len(item)
        return super().add(item)

    def take(self, max_count: int) -> list[str]:
        texts = super().take(max_count)
        self._waiting_characters -= sum(map(len, texts))
        return texts


class LogWriter:
    """A file-like object: ``write`` never blocks and never fails."""

    def __init__(self, out: TextIO | None = None) -> None:
        self._out = out
        self._queue = _TextQueue(MAX_LOG_CHARACTERS)
        self._thread = BackgroundThread("log", self._write_waiting_text, _WRITE_PAUSE_SECONDS)

    def write(self, text: str) -> int:
        """Queue text for the writer thread."""
        self._queue.add(text)
        return len(text)

    def flush(self) -> None:
        """Do nothing: queued text is written soon."""

    def start(self) -> None:
        """Start the writer as a daemon thread."""
        self._thread.start()

    def stop(self) -> None:
        """Write the queued text; give up after one second."""
        self._thread.stop(grace_seconds=1)

    def write_rest(self) -> None:
        """Write the queued text now, without the thread, if the program ends before the thread began or after its end."""
        if not self._thread.is_running:
            self._write_waiting_text()

    def _write_waiting_text(self) -> None:
        while texts := self._queue.take(_MAX_TEXTS_PER_WRITE):
            lost = self._queue.take_dropped_count()
            if lost:
                texts.append(f'{{"event": "log lines dropped", "level": "warning", "count": {lost}}}\n')
            with contextlib.suppress(OSError, ValueError):
                out = self._out or sys.stderr
                out.write("".join(texts))
                out.flush()


class _LibraryLogHandler(logging.Handler):
    """Writes the log records of libraries, such as uvicorn's, as log lines of ours."""

    def emit(self, record: logging.LogRecord) -> None:
        """Log a record; of an exception, its message and the place where it was raised."""
        error = record.exc_info[1] if record.exc_info else None
        fields = {}
        if error is not None:
            frames = traceback.extract_tb(error.__traceback__)
            fields = {"error": f"{type(error).__name__}: {error}"}
            fields |= {"place": f"{frames[-1].filename}:{frames[-1].lineno}"} if frames else {}
        with contextlib.suppress(Exception):  # a log line that cannot be written must not reach the library
            structlog.get_logger().log(record.levelno, record.getMessage().strip(), logger=record.name, **fields)


def _route_library_logs() -> None:
    """Have the warnings of libraries written as log lines of ours."""
    root = logging.getLogger()
    if not any(isinstance(handler, _LibraryLogHandler) for handler in root.handlers):
        root.addHandler(_LibraryLogHandler(logging.WARNING))


def log_uncaught_errors() -> None:
    """Write warnings and uncaught errors of the whole process as log lines."""

    def log_error(event: str, error: BaseException | None, **fields: str) -> None:
        exception = "".join(traceback.format_exception(error)) if error is not None else ""
        with contextlib.suppress(Exception):  # Python would print the error of a hook as it is
            structlog.get_logger().error(event, error=type(error).__name__, exception=exception, **fields)

    def log_main_error(kind: type[BaseException], error: BaseException, _trace: object) -> None:
        if not issubclass(kind, KeyboardInterrupt):
            log_error("the program failed", error)

    logging.captureWarnings(capture=True)
    sys.excepthook = log_main_error
    threading.excepthook = lambda failure: log_error(
        "a thread failed", failure.exc_value, thread=failure.thread.name if failure.thread is not None else ""
    )
    sys.unraisablehook = lambda failure: log_error(
        "an error could not be raised", failure.exc_value, object=repr(failure.object)
    )


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

    _route_library_logs()
    console = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,  # the call for which something is done
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
