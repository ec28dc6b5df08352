"""What was acknowledged is there whatever goes away, and calls are answered meanwhile."""

from __future__ import annotations

import pytest
from faults import filled, killed, lost


def test_nothing_that_was_acknowledged_is_lost_when_the_process_is_killed(url, tmp_path):
    counted = killed(url, tmp_path, 0.5)
    assert counted.acknowledged >= 20
    assert counted.missing == 0
    assert 0 < counted.found <= counted.remembered


@pytest.mark.parametrize("fault", [lost, filled])
def test_nothing_that_was_acknowledged_is_lost_with_the_database_or_the_room_on_the_disk(fault, tmp_path):
    told = fault("sqlite:///", tmp_path, 0.5)
    assert told.acknowledged >= 20
    assert told.missing == 0
    assert told.gone
    assert (told.refused > 0) == (fault is filled)
    assert told.answered == told.asked > 0
