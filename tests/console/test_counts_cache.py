"""The counts of the pages, computed beside the requests."""

from __future__ import annotations

import asyncio

from callflows.web.console.counts_cache import CountsCache
from waiting import run_bounded


def test_a_count_that_began_before_a_change_is_not_shown_after_it():
    async def work() -> list[int]:
        counts = CountsCache[int](60, 60)
        may_end = asyncio.Event()

        async def count_slowly() -> int:
            await may_end.wait()
            return 1

        async def count_anew() -> int:
            return 0

        before = asyncio.create_task(counts.get("new", count_slowly))
        await asyncio.sleep(0)
        counts.forget()
        after = await counts.get("new", count_anew)
        may_end.set()
        return [await before, after, await counts.get("new", count_slowly)]

    assert run_bounded(work()) == [1, 0, 0]


def test_everybody_who_asks_at_one_moment_gets_one_computation():
    async def work() -> tuple[list[int], int]:
        counts, computed = CountsCache[int](60, 60), []

        async def count() -> int:
            await asyncio.sleep(0)
            computed.append(1)
            return 7

        return await asyncio.gather(*(counts.get("new", count) for _ in range(3))), len(computed)

    assert run_bounded(work()) == ([7, 7, 7], 1)


def test_a_page_waits_a_moment_for_the_first_count_and_has_it_later():
    async def work() -> list[int | None]:
        counts, may_end = CountsCache[int](60, 60), asyncio.Event()

        async def count_slowly() -> int:
            await may_end.wait()
            return 7

        first = await counts.get_within("new", count_slowly, 0.01)
        may_end.set()
        return [first, await counts.get("new", count_slowly)]

    assert run_bounded(work()) == [None, 7]


def test_what_takes_long_to_count_is_counted_less_often():
    async def work() -> tuple[int, int]:
        counts, computed = CountsCache[int](0.0, 60), []

        async def count(seconds: float) -> int:
            await asyncio.sleep(seconds)
            computed.append(1)
            return 7

        for _ in range(3):
            await counts.get("slow", lambda: count(0.2))
        slow = len(computed)
        for _ in range(3):
            await counts.get("quick", lambda: count(0.0))
            await asyncio.sleep(0.1)
        return slow, len(computed) - slow

    slow, quick = run_bounded(work())
    assert slow == 1
    assert quick > 1
