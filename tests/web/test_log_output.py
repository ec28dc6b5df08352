"""The log never blocks, and reports dropped lines."""

from __future__ import annotations

import io

from callflows.web.log_lines import MAX_LOG_CHARACTERS, LogWriter


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
    log = LogWriter(io.StringIO())
    assert log.write("a line\n") == len("a line\n")
    log.flush()
    assert log.dropped_lines == 0
