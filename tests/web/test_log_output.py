"""The log never blocks, and reports dropped lines."""

from __future__ import annotations

import io
import json
import logging

from callflows.web.log_lines import MAX_LOG_CHARACTERS, LogWriter, configure_logging
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
