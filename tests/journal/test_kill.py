"""A process that is killed takes nothing with it that was acknowledged, and little of what was only remembered."""

from __future__ import annotations

from kill import killed


def test_nothing_that_was_acknowledged_is_lost_when_the_process_is_killed(url, tmp_path):
    counted = killed(url, tmp_path, 0.5)
    assert counted.acknowledged >= 20
    assert counted.missing == 0
    assert 0 < counted.found <= counted.remembered
