"""The log never blocks, and reports dropped lines."""

from __future__ import annotations

import io
import json
import logging
import sys
import threading
import warnings

import pytest

from callflows.web.log_lines import MAX_LOG_CHARACTERS, LogWriter, configure_logging, log_uncaught_errors
from waiting import wait_until


def test_lines_that_do_not_fit_are_dropped_and_said_when_there_is_room_again():
    out = io.StringIO()
    log = LogWriter(out)
    log.write("x" * MAX_LOG_CHARACTERS)
    log.write("lost\n")
    log.write("lost\n")
    log.start()
    log.stop()
    assert "lost\n" not in out.getvalue()
    assert '"log lines dropped", "level": "warning", "count": 2' in out.getvalue()


def test_a_log_that_is_not_started_keeps_its_lines():
    out = io.StringIO()
    log = LogWriter(out)
    assert log.write("a line\n") == len("a line\n")
    log.flush()
    assert not out.getvalue()
    log.start()
    log.stop()
    assert out.getvalue() == "a line\n"


def test_a_log_that_ends_before_it_began_writes_its_lines_all_the_same():
    out = io.StringIO()
    log = LogWriter(out)
    log.write("why it did not begin\n")
    log.write_rest()
    assert out.getvalue() == "why it did not begin\n"


@pytest.fixture
def uncaught(monkeypatch) -> io.StringIO:
    """The log of a process whose warnings and uncaught errors are log lines."""
    for name in ("excepthook", "unraisablehook"):
        monkeypatch.setattr(sys, name, getattr(sys, name))
    monkeypatch.setattr(threading, "excepthook", threading.excepthook)
    out = io.StringIO()
    configure_logging(out, "json")
    log_uncaught_errors()
    yield out
    logging.captureWarnings(capture=False)


class Broken:
    def __del__(self):
        raise ValueError("12015550123 cannot end")


def test_every_error_that_nobody_catches_and_every_warning_is_one_line_of_json(uncaught):
    def fail():
        raise ValueError("12015550123 fails")

    thread = threading.Thread(target=fail, name="worker of a test")
    thread.start()
    thread.join(10)
    try:
        fail()
    except ValueError:
        sys.excepthook(*sys.exc_info())
    broken = Broken()
    del broken
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(capture=True)
        warnings.warn("12015550123 is old", DeprecationWarning, stacklevel=1)
    lines = [json.loads(line) for line in uncaught.getvalue().splitlines()]
    assert [line["event"].partition(":")[0] for line in lines[:3]] == [
        *("a thread failed", "the program failed", "an error could not be raised")
    ]
    assert lines[0]["thread"] == "worker of a test"
    assert "in fail" in lines[1]["exception"]
    assert lines[3]["logger"] == "py.warnings"
    assert "12015550123" not in uncaught.getvalue()


def test_there_is_room_for_new_lines_when_the_old_ones_are_written():
    out = io.StringIO()
    log = LogWriter(out)
    log.start()
    for count in range(1, 4):
        log.write("x" * MAX_LOG_CHARACTERS)
        wait_until(lambda count=count: len(out.getvalue()) == count * MAX_LOG_CHARACTERS, "the line in the output")
    log.stop()
    assert out.getvalue() == "x" * 3 * MAX_LOG_CHARACTERS


def test_what_a_library_logs_is_one_line_of_json_without_a_traceback_and_without_a_full_number():
    out = io.StringIO()
    configure_logging(out, "json")
    logger = logging.getLogger("a.library")
    try:
        int("12015550123\n16777216 bytes")
    except ValueError:
        logger.exception("Exception in ASGI application\n")
    logger.warning("Invalid HTTP request received.")
    first, second = map(json.loads, out.getvalue().splitlines())
    assert (first["event"], first["level"]) == ("Exception in ASGI application", "error")
    assert first["error"].startswith("ValueError: ")
    assert "...0123" in first["error"]
    assert "12015550123" not in first["error"]
    assert "Traceback" not in first["error"]
    assert first["place"].endswith(".py:" + first["place"].rpartition(":")[2])
    assert (second["event"], second["logger"]) == ("Invalid HTTP request received.", "a.library")
