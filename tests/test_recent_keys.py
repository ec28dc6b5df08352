"""A key is new once, as long as it is remembered."""

from __future__ import annotations

import types

from callflows import recent_keys
from callflows.recent_keys import RecentKeys


def test_the_oldest_key_makes_room_for_a_new_one():
    keys = RecentKeys(2)
    assert [keys.add(key) for key in "abacb"] == [True, True, False, True, False]
    assert [key in keys for key in "abc"] == [False, True, True]
    assert keys.add("a")


def test_a_key_is_forgotten_when_its_time_is_over_and_is_the_newest_when_it_comes_again(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(recent_keys, "time", types.SimpleNamespace(monotonic=lambda: now[0]))
    keys = RecentKeys(2, memory_seconds=60)
    assert keys.add("a")
    assert not keys.add("a")
    assert keys.add("b")
    now[0] = 61.0
    assert "a" not in keys
    assert keys.add("a")
    assert keys.add("c")
    assert "a" in keys, "b was older"


def test_without_a_time_a_key_stays():
    keys = RecentKeys()
    assert None not in keys
    assert keys.add(None)
    assert None in keys
