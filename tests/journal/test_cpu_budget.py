"""The CPU time of the journal's writer beside the answers to callers."""

from __future__ import annotations

import threading
import types

from callflows.journal.cpu_budget import BUSY_CHECK_SECONDS, CpuBudget
from waiting import join_thread


def made(share=0.1, burst=0.5, busy=0.2):
    """A share, and the clocks that it looks at: of the wall, of who writes, of who answers."""
    times = types.SimpleNamespace(wall=0.0, writing=0.0, answering=0.0)
    given = {
        "clock": lambda: times.wall,
        "read_used_seconds": lambda: times.writing,
        "read_answering_seconds": lambda: times.answering,
    }
    return CpuBudget(share, burst, busy, **given), times


def look(share, times, busy):
    """Time passes in which the answering thread takes this share of the processor; whether something is left after it."""
    times.wall += 2 * BUSY_CHECK_SECONDS
    times.answering += busy * 2 * BUSY_CHECK_SECONDS
    return share.has_budget()


def write(share, times, seconds):
    with share:
        times.writing += seconds


def test_while_nobody_answers_everything_is_written():
    share, times = made()
    for _ in range(20):
        assert look(share, times, busy=0.1)
        write(share, times, 10)


def test_while_callers_are_answered_it_has_its_share_and_no_more():
    share, times = made(share=0.1, burst=0.5)
    for _ in range(1000):
        if look(share, times, busy=0.9):
            write(share, times, BUSY_CHECK_SECONDS)
    assert 0.1 * times.wall <= times.writing <= 0.1 * times.wall + 0.5 + BUSY_CHECK_SECONDS


def test_it_is_all_there_again_when_answering_takes_less():
    share, times = made()
    while look(share, times, busy=0.9):
        write(share, times, BUSY_CHECK_SECONDS)
    assert look(share, times, busy=0.1)
    assert not share.is_busy


def test_a_thread_that_has_ended_answers_nobody():
    found = []
    thread = threading.Thread(target=lambda: found.append(CpuBudget(0.1, 0.0, 0.2)))
    thread.start()
    join_thread(thread)
    assert found[0].has_budget()
