"""Live parts of pages: the first part that a watcher gets, and how often the server looks."""

from __future__ import annotations

import asyncio
import contextlib

from callflows.web.console.live_hub import LiveHub, choose_look_pause
from waiting import run_bounded


async def _read_part(hub: LiveHub) -> bytes:
    """Watch until the first part comes, and leave."""

    async def is_session_valid() -> bool:
        return True

    async with contextlib.aclosing(hub.watch(is_session_valid).body_iterator) as stream:
        async for chunk in stream:
            if chunk.startswith(b"event:"):
                return chunk
    raise AssertionError("the stream has ended")


def test_a_later_watcher_gets_the_newest_part_at_once_although_nothing_changes_any_more():
    async def render() -> str:
        return "<p>one call</p>"

    async def watch_twice() -> list[bytes]:
        hub = LiveHub("now", render)
        async with asyncio.timeout(5):
            return [await _read_part(hub), await _read_part(hub)]

    assert run_bounded(watch_twice()) == [b"event: now\ndata: <p>one call</p>\n\n"] * 2


def test_a_watcher_who_comes_between_two_looks_gets_no_older_part_than_its_page():
    parts = ["<p>closed</p>"]

    async def render() -> str:
        return parts[-1]

    async def watch_around_a_change() -> bytes:
        hub = LiveHub("now", render)
        async with asyncio.timeout(5):
            await _read_part(hub)
            parts.append("<p>open</p>")
            return await _read_part(hub)

    assert run_bounded(watch_around_a_change()) == b"event: now\ndata: <p>open</p>\n\n"


def test_a_busy_server_looks_less_often_and_one_whose_looks_take_long_even_less():
    pauses = [choose_look_pause(0.01, 0.02), choose_look_pause(0.01, 0.6), choose_look_pause(3.0, 0.6)]
    assert pauses == sorted({*pauses})
