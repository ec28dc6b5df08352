"""Bulk calls: each number of a batch is rung with a document. platform 5."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from app.rehearsal.stand_in import silences
from app.rehearsal.stand_in.answers import answered
from app.rehearsal.stand_in.bodies import NewBatch
from app.rehearsal.stand_in.calls import readable
from app.rehearsal.stand_in.requests import body_of

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

    from app.rehearsal.stand_in.calls import Calls
    from app.rehearsal.stand_in.drawers import Row
    from app.rehearsal.stand_in.platform import Platform
    from app.rehearsal.stand_in.requests import Rest

AT_ONCE: Final = 10
"""Numbers of a batch that are rung together."""


def routes(platform: Platform, calls: Calls, rest: Rest) -> list[Route]:
    """``/batch``."""

    async def make(request: Request) -> Response:
        given = await body_of(request, NewBatch)
        platform.voice_profiles.of(given.outbound_voice_profile)
        lease = platform.leases.of(given.tn_lease)
        readable(given.xml.encode(), platform)
        platform.account.afford(len(given.phones) * silences.MINUTE_COST)
        platform.decide(silences.CREATED)
        row = platform.batches.add({**given.model_dump(), "type": "call_xml", "state": "created", "items": []})
        row["phones"] = [int(phone) for phone in given.phones]
        platform.spawn(_run(platform, calls, row, lease))
        return answered({**row, "items": []}, 202)

    async def one(request: Request) -> Response:
        return answered(platform.batches.of(request.path_params["uuid"]))

    return [rest.route("/batch", POST=make), rest.route("/batch/{uuid}", GET=one)]


async def _run(platform: Platform, calls: Calls, row: Row, lease: Row) -> None:
    """Ring them, some at a time."""
    room = asyncio.Semaphore(AT_ONCE)

    async def ring(phone: str) -> None:
        item: Row = {"uuid": platform.ids.uuid("batch item"), "phone": int(phone), "state": "created"}
        row["items"].append(item)
        async with room:
            live = calls.ring_out(lease, phone, row["xml"].encode(), item["uuid"])
            item.update(state="calling", call=live.leg.uuid)
            if live.task is not None:
                told = await live.task
                answered_ = "live" in live.leg.moments
                item.update(state="success" if answered_ else "failed", outcome=told.outcome, reason=told.error)

    row["state"] = "running"
    async with asyncio.TaskGroup() as group:
        for phone in row["phones"]:
            group.create_task(ring(str(phone)))
    row["state"] = "finished"
