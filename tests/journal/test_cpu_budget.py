"""The CPU time of the journal's writer beside the answers to callers."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
import types

import pytest

from callflows.journal.cpu_budget import (
    BUSY_CHECK_SECONDS,
    MANY_TURNS_PER_SECOND,
    RATE_CHECK_SECONDS,
    TURNS_BEFORE_SPOOLING,
    TURNS_BEFORE_SPOOLING_WHEN_BUSY,
    CpuBudget,
    TurnRate,
    read_main_thread_seconds,
)
from waiting import join_thread


def made(share=0.1, burst=0.5, busy=0.2, debt=5.0):
    """A share, and the clocks that it looks at: of the wall, of who writes, of who answers."""
    times = types.SimpleNamespace(wall=0.0, writing=0.0, answering=0.0)
    given = {
        "clock": lambda: times.wall,
        "read_used_seconds": lambda: times.writing,
        "read_answering_seconds": lambda: times.answering,
    }
    return CpuBudget(share, burst, busy, debt, **given), times


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


def test_a_long_write_is_saved_by_the_next_ones():
    share, times = made(share=0.1, burst=0.02)
    written = 0
    for _ in range(1000):
        if look(share, times, busy=0.9):
            write(share, times, 2.0)
            written += 1
    assert times.writing <= 0.1 * times.wall + 2.02
    assert written >= 9


def test_turns_go_to_the_spool_sooner_while_callers_are_answered():
    share, times = made()
    assert share.turns_before_spooling == TURNS_BEFORE_SPOOLING
    look(share, times, busy=0.9)
    assert share.turns_before_spooling == TURNS_BEFORE_SPOOLING_WHEN_BUSY


def list_many(*turns_of_each_second: float) -> list[bool]:
    """Whether there are many turns, after each second with some."""
    state = types.SimpleNamespace(wall=0.0, turns=0.0)
    rate = TurnRate(lambda: int(state.turns), clock=lambda: state.wall)
    found = []
    for turns in turns_of_each_second:
        state.wall += RATE_CHECK_SECONDS
        state.turns += turns * RATE_CHECK_SECONDS
        found.append(rate.is_high())
    return found


def test_many_turns_are_many_for_longer_than_a_moment():
    much, less, few = MANY_TURNS_PER_SECOND * 1.5, MANY_TURNS_PER_SECOND * 0.75, MANY_TURNS_PER_SECOND * 0.25
    assert list_many(much * 10, few, few) == [False, False, False]
    assert list_many(less, less, less) == [False, False, False]
    assert list_many(much, much, much) == [False, True, True]
    assert list_many(much, much, less, less, few, less, much) == [False, True, True, True, False, False, False]


def test_turns_are_counted_over_the_time_since_the_last_look():
    state = types.SimpleNamespace(wall=0.0, turns=0)
    rate = TurnRate(lambda: state.turns, clock=lambda: state.wall)
    for _ in range(2):
        state.wall, state.turns = state.wall + 10, state.turns + 900
        assert not rate.is_high()


def test_answers_that_wait_for_the_processor_count_as_busy():
    """A thread that is awake all the time wants a whole processor, whatever others leave of it."""
    budget = CpuBudget(0.1, 0.0, 0.5)
    end = time.monotonic() + 2 * BUSY_CHECK_SECONDS
    while time.monotonic() < end:
        pass
    assert not budget.has_budget() or sys.platform != "linux"
    assert budget.is_busy or sys.platform != "linux"


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


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells")
def test_the_work_of_another_process_is_seen_and_that_of_one_that_has_ended_is_none():
    spin = "import time\nwhile time.process_time() < 0.3: pass\nprint('done', flush=True)\ninput()"
    command = [sys.executable, "-c", spin]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:  # noqa: S603 - as above
        assert process.stdout is not None
        process.stdout.readline()
        assert read_main_thread_seconds(process.pid) >= 0.3
        process.communicate(b"\n")
    assert read_main_thread_seconds(process.pid) == 0.0
