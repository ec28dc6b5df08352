"""Our own client works with the stand-in: REST by either token, events in both envelopes, and over a broken connection."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

import pytest
from stand_in_harness import SAY, TOKEN, run_harness

from callflows.opentact.event_stream import EventStream
from callflows.opentact.rest_api import Opentact
from waiting import run_bounded, wait_until_async

if TYPE_CHECKING:
    from callflows.telephony.events import PlatformEvent

PASSWORD = {"email": "owner@example.com", "password": "a-password"}


def over(events: list[PlatformEvent]) -> set[str]:
    """The calls of which it is known that they are over."""
    return {event.call_uuid for event in events if event.kind == "call_state" and event.state == "destroyed"}


@pytest.mark.parametrize("shown", [{"token": TOKEN}, PASSWORD], ids=["token", "password"])
def test_our_client_sets_up_an_app_and_a_number(shown):
    async def set_up() -> tuple[Any, ...]:
        async with run_harness(number="") as it, Opentact(url=it.server.rest_url, **shown) as opentact:
            (found, *_) = [tn.number async for tn in opentact.numbers.search_available(state="NJ", pattern="*5550123")]
            await opentact.numbers.order_numbers([found])
            product = (await opentact.apps.list_products())[0].raw["product"]
            app = await opentact.apps.create_app("Desk", product)
            await opentact.apps.update_app(
                app.uuid, call_flow_url="https://calls.example.com/call", call_flow_method="POST"
            )
            await opentact.numbers.update_lease(found, sip_control_app=app.uuid)
            await opentact.apps.store_document(app.uuid, SAY.format("Kept").encode())
            lease = await opentact.numbers.get_lease(found)
            return (
                found,
                lease.app_uuid == app.uuid,
                await opentact.apps.get_document(app.uuid),
                len(await opentact.list_voices()),
            )

    assert run_bounded(set_up()) == ("+12015550123", True, SAY.format("Kept"), 8)


@pytest.mark.parametrize("listing", ["bare", "envelope"])
@pytest.mark.parametrize("envelope", ["2022", "2024"])
def test_our_client_hears_what_happens_and_finds_what_it_missed(envelope, listing):
    async def heard() -> list[PlatformEvent]:
        events: list[PlatformEvent] = []
        async with (
            run_harness(envelope=envelope, listing=listing, pace=100) as it,
            Opentact(url=it.server.rest_url, requests_per_second=100, **PASSWORD) as opentact,
        ):
            await it.store_document(SAY.format("Hello"))
            listening = EventStream(opentact, it.events_url)

            async def keep(event: PlatformEvent) -> None:
                events.append(event)

            task = asyncio.create_task(listening.run(keep))
            await wait_until_async(lambda: listening.health.connected, "the connection of the event stream")
            await it.ring_and_wait()
            await it.inject_faults(drop_next=1)
            await it.ring_and_wait(**{"from": "+12015550777"})
            await wait_until_async(
                lambda: len(over(events)) >= 2 and any(event.found_by_search for event in events),
                "the end of two calls, one of them found by a search",
            )
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
            assert listening.health.reconnects >= 1
            return events

    events = run_bounded(heard())
    assert len(over(events)) == 2
    assert {event.kind for event in events if event.found_by_search} >= {"call_state"}
