"""Live parts of pages: the first part that a watcher gets, and how often the server looks."""

from __future__ import annotations

import asyncio
import contextlib

from callflows.web.console.live_hub import MAX_WATCHERS, LiveHub, choose_look_pause
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


def test_watchers_who_come_together_share_a_look():
    looks = []

    async def render() -> str:
        looks.append(None)
        await asyncio.sleep(0.01)
        return f"<p>look {len(looks)}</p>"

    async def watch_together() -> list[bytes]:
        hub = LiveHub("now", render)
        async with asyncio.timeout(5):
            first = asyncio.create_task(_read_part(hub))
            await first
            return await asyncio.gather(*(_read_part(hub) for _ in range(MAX_WATCHERS - 1)))

    parts = run_bounded(watch_together())
    assert len(looks) <= 4, "one for the first, one that may have begun before the others came, and one or two for them all"
    assert all(part.startswith(b"event: now\ndata: <p>look ") for part in parts)


def test_a_watcher_who_leaves_while_the_server_looks_makes_room_for_another():
    going_on = asyncio.Event()

    async def render() -> str:
        await going_on.wait()
        return "<p>one call</p>"

    async def leave_and_come_back() -> bytes:
        hub = LiveHub("now", render)
        async with asyncio.timeout(5):
            going_on.set()
            await _read_part(hub)
            going_on.clear()
            for _ in range(MAX_WATCHERS + 1):
                leaving = asyncio.create_task(_read_part(hub))
                await asyncio.sleep(0)
                await asyncio.sleep(0)
                leaving.cancel()
                await asyncio.wait([leaving])
            going_on.set()
            return await _read_part(hub)

    assert run_bounded(leave_and_come_back()) == b"event: now\ndata: <p>one call</p>\n\n"
