"""What nobody waits for is done soon, in order, and completely at the end."""

from __future__ import annotations

import threading
import time

import pytest
import structlog

from callflows.background_work import BackgroundThread, BoundedQueue
from waiting import join_thread, wait_until

LONG = 600.0


def test_a_full_queue_drops_new_items_and_counts_them_once():
    queue = BoundedQueue[int](3)
    assert [queue.add(number) for number in range(5)] == [True, True, True, False, False]
    assert queue.dropped_count == 2
    assert queue.take_dropped_count() == 2
    assert queue.take_dropped_count() == 0
    assert queue.take(2) == [0, 1]
    assert queue.add(5)
    assert len(queue) == 2
    assert queue.take(10) == [2, 5]


def test_the_room_of_a_queue_can_change_while_items_wait():
    queue = BoundedQueue[int](3)
    for number in range(3):
        queue.add(number)
    queue.capacity = 1
    assert not queue.add(3)
    queue.capacity = 4
    assert queue.add(4)
    assert queue.take(10) == [0, 1, 2, 4]


def test_nothing_is_lost_between_many_threads_and_the_one_that_takes():
    queue, taken = BoundedQueue[int](1_000_000), list[int]()
    thread = BackgroundThread("test", lambda: taken.extend(queue.take(1_000_000)), 0.001)
    thread.start()
    adders = [threading.Thread(target=lambda: [queue.add(1) for _ in range(5_000)]) for _ in range(4)]
    for adder in adders:
        adder.start()
    for adder in adders:
        join_thread(adder)
    thread.stop(10)
    assert len(taken) == 20_000


def test_a_thread_acts_after_every_pause():
    third, runs = threading.Event(), list[float]()

    def act() -> None:
        runs.append(time.monotonic())
        if len(runs) == 3:
            third.set()

    thread = BackgroundThread("test", act, 0.01)
    thread.start()
    assert third.wait(10)
    thread.stop(10)


def test_a_thread_that_is_woken_does_not_wait_for_the_end_of_its_pause():
    acted = threading.Event()
    thread = BackgroundThread("test", acted.set, LONG)
    thread.start()
    assert not acted.wait(0.05)
    thread.wake()
    assert acted.wait(10)
    thread.stop(10)


@pytest.mark.parametrize("wakes", [0, 1])
def test_a_stop_acts_exactly_one_last_time_and_says_so(wakes):
    last_runs = list[bool]()
    thread = BackgroundThread("test", lambda: last_runs.append(thread.is_stopping), LONG)
    thread.start()
    assert thread.is_running
    for count in range(wakes):
        thread.wake()
        wait_until(lambda count=count: len(last_runs) > count, "the run after the wake")
    thread.stop(10)
    assert last_runs == [False] * wakes + [True]
    assert not thread.is_running


def test_a_stop_waits_no_longer_than_its_grace_for_an_action_that_hangs():
    hangs, release = threading.Event(), threading.Event()

    def hang() -> None:
        hangs.set()
        release.wait(20)

    thread = BackgroundThread("test", hang, 0.0)
    thread.start()
    assert hangs.wait(10)
    began = time.monotonic()
    thread.stop(0.05)
    assert time.monotonic() - began < 10
    release.set()


def test_a_thread_that_was_never_started_stops_without_acting():
    acted = threading.Event()
    thread = BackgroundThread("test", acted.set, 0.0)
    assert not thread.is_running
    thread.stop(1)
    assert not acted.is_set()


def test_a_second_start_starts_no_second_thread():
    threads = set[int]()
    thread = BackgroundThread("test", lambda: threads.add(threading.get_ident()), 0.001)
    thread.start()
    thread.start()
    time.sleep(0.05)
    thread.stop(10)
    assert len(threads) == 1


def test_a_thread_survives_what_its_work_raises_and_says_so_once_in_a_row():
    runs: list[int] = []

    def act() -> None:
        runs.append(1)
        if len(runs) < 4:
            raise OSError("Too many open files")

    thread = BackgroundThread("test", act, 0.001)
    with structlog.testing.capture_logs() as lines:
        thread.start()
        wait_until(lambda: len(runs) > 4, "another run")
        thread.stop(10)
    assert [line["event"] for line in lines] == ["background work failed; it is tried again"]
