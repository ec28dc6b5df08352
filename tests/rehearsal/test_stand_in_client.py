"""Our own client works with the stand-in: REST by either token, events in both envelopes, and over a broken connection."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

import pytest
from there import SAY, TOKEN, run, there

from app.opentact.api import Opentact
from app.opentact.events import Events

if TYPE_CHECKING:
    from app.opentact.event import Event

PASSWORD = {"email": "owner@example.com", "password": "a-password"}


def over(events: list[Event]) -> set[str]:
    """The calls of which it is known that they are over."""
    return {event.call_uuid for event in events if event.type == "call_state" and event.state == "destroyed"}


@pytest.mark.parametrize("shown", [{"token": TOKEN}, PASSWORD], ids=["token", "password"])
def test_our_client_sets_up_an_app_and_a_number(shown):
    async def set_up() -> tuple[Any, ...]:
        async with there(number="") as it, Opentact(url=it.served.rest, **shown) as opentact:
            (found, *_) = [tn.number async for tn in opentact.numbers.search(state="NJ", pattern="*5550123")]
            await opentact.numbers.order([found])
            product = (await opentact.apps.products())[0].said["product"]
            app = await opentact.apps.create("Desk", product)
            await opentact.apps.change(app.uuid, call_flow_url="https://calls.example.com/call", call_flow_method="POST")
            await opentact.numbers.change(found, sip_control_app=app.uuid)
            await opentact.apps.keep(app.uuid, SAY.format("Kept").encode())
            lease = await opentact.numbers.get(found)
            return found, lease.app == app.uuid, await opentact.apps.document(app.uuid), len(await opentact.voices())

    assert run(set_up()) == ("+12015550123", True, SAY.format("Kept"), 8)


@pytest.mark.parametrize("listing", ["bare", "envelope"])
@pytest.mark.parametrize("envelope", ["2022", "2024"])
def test_our_client_hears_what_happens_and_finds_what_it_missed(envelope, listing):
    async def heard() -> list[Event]:
        events: list[Event] = []
        async with (
            there(envelope=envelope, listing=listing, pace=100) as it,
            Opentact(url=it.served.rest, per_second=100, **PASSWORD) as opentact,
        ):
            await it.keep(SAY.format("Hello"))
            listening = Events(opentact, it.events)

            async def keep(event: Event) -> None:
                events.append(event)

            task = asyncio.create_task(listening.run(keep))
            while not listening.health.connected:  # noqa: ASYNC110 - a client is waited for
                await asyncio.sleep(0.01)
            await it.call()
            await it.broken(drop_next=1)
            await it.call(**{"from": "+12015550777"})
            while len(over(events)) < 2 or not any(event.found for event in events):  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.01)
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
            assert listening.health.reconnects >= 1
            return events

    events = run(heard())
    assert len(over(events)) == 2
    assert {event.type for event in events if event.found} >= {"call_state"}
