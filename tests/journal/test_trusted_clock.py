"""What is old is erased by the clock, and not by a clock that is wrong: what is erased cannot be restored."""

from __future__ import annotations

import time

import structlog
from sample_events import generate_platform_events
from store_helpers import list_ids, write_items

from callflows.journal.retention import Retention, find_trusted_time
from waiting import wait_until

HOUR, DAY, YEAR = 3600.0, 86_400.0, 365 * 86_400.0
NOW = 1_800_000_000.0


def look_hourly(store, begin, hours):
    """After how many hours a server trusts its clock for the first time, and how often in all."""
    trusted = [hour for hour in range(hours) if find_trusted_time(store, begin + hour * HOUR) is not None]
    return (trusted[0] if trusted else None), len(trusted)


def test_a_clock_that_goes_is_trusted_also_after_a_weekend(store):
    assert look_hourly(store, NOW, 48) == (0, 48)
    assert look_hourly(store, NOW + 47 * HOUR + 2 * DAY, 2) == (0, 2)


def test_a_clock_that_is_set_forward_is_trusted_after_a_day_in_which_nobody_sets_it_right(store):
    assert find_trusted_time(store, NOW) == NOW
    with structlog.testing.capture_logs() as lines:
        assert look_hourly(store, NOW + 4 * YEAR, 30) == (24, 6)
    assert len(lines) == 24
    assert "nothing is erased" in lines[0]["event"]
    assert (lines[0]["days_ahead"], lines[0]["hours_left"], lines[23]["hours_left"]) == (1460.0, 24.0, 1.0)


def test_a_clock_that_is_set_right_again_is_trusted_at_once(store):
    assert find_trusted_time(store, NOW) == NOW
    assert look_hourly(store, NOW + 4 * YEAR, 10) == (None, 0)
    assert find_trusted_time(store, NOW + 11 * HOUR) == NOW + 11 * HOUR
    assert look_hourly(store, NOW + 4 * YEAR, 24) == (None, 0)


def test_a_clock_that_was_trusted_and_is_set_back_by_years_is_doubted_at_the_next_jump(store):
    assert find_trusted_time(store, NOW + 4 * YEAR) is not None
    assert find_trusted_time(store, NOW) == NOW
    assert find_trusted_time(store, NOW + 4 * YEAR) is None


def test_a_second_jump_begins_the_day_again(store):
    assert find_trusted_time(store, NOW) == NOW
    assert look_hourly(store, NOW + YEAR, 20) == (None, 0)
    assert look_hourly(store, NOW + 2 * YEAR, 30) == (24, 6)


def test_a_server_with_a_wrong_clock_beside_one_with_a_right_clock_is_never_trusted(store):
    for hour in range(72):
        assert find_trusted_time(store, NOW + hour * HOUR) == NOW + hour * HOUR
        assert find_trusted_time(store, NOW + 4 * YEAR + hour * HOUR) is None


def test_where_the_clock_has_jumped_no_call_is_erased(store, monkeypatch):
    monkeypatch.setattr("callflows.journal.retention.FIRST_ERASURE_SECONDS", 0.01)
    monkeypatch.setattr("callflows.journal.retention.ERASURE_INTERVAL_SECONDS", 0.01)
    write_items(store, *generate_platform_events(5))
    all_ids = list_ids(store)
    find_trusted_time(store, time.time() - 30 * DAY)
    with structlog.testing.capture_logs() as lines:
        retention = Retention(store, 1)
        retention.start()
        wait_until(lambda: len(lines) >= 3, "three looks at the clock")
        retention.stop()
    assert list_ids(store) == all_ids
    find_trusted_time(store, time.time() - 30 * DAY)  # it was set back
    find_trusted_time(store, time.time() - 29 * DAY)
    for hours in range(-29 * 24, 1):
        find_trusted_time(store, time.time() + hours * HOUR)
    retention = Retention(store, 1)
    retention.start()
    wait_until(lambda: list_ids(store) == [], "the erasure")
    retention.stop()
