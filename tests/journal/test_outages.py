"""Acknowledged events survive every outage, and calls are answered meanwhile."""

from __future__ import annotations

import pytest

from faults import measure_database_outage, measure_full_disk, measure_kill


def test_nothing_that_was_acknowledged_is_lost_when_the_process_is_killed(url, tmp_path):
    # At the rate of the command, a busy machine would write for minutes.
    counted = measure_kill(url, tmp_path, 0.5, remembered_per_second=300)
    assert counted.acknowledged >= 20
    assert counted.missing_count == 0
    assert 0 < counted.found_count <= counted.remembered


@pytest.mark.parametrize("fault", [measure_database_outage, measure_full_disk])
def test_nothing_that_was_acknowledged_is_lost_with_the_database_or_the_room_on_the_disk(fault, tmp_path):
    told = fault("sqlite:///", tmp_path, 0.5)
    assert told.acknowledged >= 20
    assert told.missing_count == 0
    assert (told.refused > 0) == (fault is measure_full_disk)
    assert told.answered == told.calls > 0
