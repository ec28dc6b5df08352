"""Bulk calls: each number of a batch is rung and receives the document. platform 5."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from callflows.stand_in import stand_in_rules
from callflows.stand_in.call_registry import check_readable
from callflows.stand_in.request_bodies import NewBatchBody
from callflows.stand_in.response_envelopes import success_response
from callflows.stand_in.rest_routing import parse_rest_body

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from callflows.stand_in.call_registry import CallRegistry
    from callflows.stand_in.entity_store import EntityRow
    from callflows.stand_in.rest_routing import RestRouter
    from callflows.stand_in.stand_in_platform import StandInPlatform


MAX_PARALLEL_BATCH_CALLS: Final = 10
"""Numbers of one batch that are rung at the same time."""


def add_batch_endpoint(platform: StandInPlatform, calls: CallRegistry, rest: RestRouter) -> None:
    """Add the endpoint of bulk calls."""

    async def create_batch(request: Request) -> Response:
        body = await parse_rest_body(request, NewBatchBody)
        platform.voice_profiles.get_row(body.outbound_voice_profile)
        lease = platform.leases.get_lease(body.tn_lease)
        check_readable(body.xml.encode(), platform)
        platform.account.check_balance(len(body.phones) * stand_in_rules.COST_PER_MINUTE)
        platform.apply_rule(stand_in_rules.CREATION_STATUS_RULE)
        row = platform.batches.add_row({**body.model_dump(), "type": "call_xml", "state": "created", "items": []})
        row["phones"] = [int(phone) for phone in body.phones]
        platform.start_task(_run_batch(platform, calls, row, lease))
        return success_response({**row, "items": []}, 202)

    rest.add_endpoint("calls bulk", create_batch)


async def _run_batch(platform: StandInPlatform, calls: CallRegistry, row: EntityRow, lease: EntityRow) -> None:
    room = asyncio.Semaphore(MAX_PARALLEL_BATCH_CALLS)

    async def ring_phone(phone: str) -> None:
        item: EntityRow = {"uuid": platform.ids.next_uuid("batch item"), "phone": int(phone), "state": "created"}
        row["items"].append(item)
        async with room:
            live = calls.start_batch_call(lease, phone, row["xml"].encode(), item["uuid"])
            item.update(state="calling", call=live.leg.uuid)
            if live.task is not None:
                transcript = await live.task
                answered_ = "live" in live.leg.state_times
                item.update(state="success" if answered_ else "failed", outcome=transcript.outcome, reason=transcript.error)

    row["state"] = "running"
    async with asyncio.TaskGroup() as group:
        for phone in row["phones"]:
            group.create_task(ring_phone(str(phone)))
    row["state"] = "finished"
