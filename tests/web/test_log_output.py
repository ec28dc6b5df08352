"""The log never blocks, and reports dropped lines."""

from __future__ import annotations

import io

from callflows.web.log_lines import MAX_LOG_CHARACTERS, LogWriter
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
