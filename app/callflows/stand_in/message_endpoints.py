"""Text messages: sending, receiving, search, messaging profiles and their callbacks."""

from __future__ import annotations

import asyncio
import hashlib
import json
from typing import TYPE_CHECKING, Final

from callflows.stand_in import event_delivery, stand_in_rules
from callflows.stand_in.crud_endpoints import CrudEndpoints
from callflows.stand_in.request_bodies import SmsBody
from callflows.stand_in.response_envelopes import RestRefusal, not_found_refusal, success_response
from callflows.stand_in.rest_routing import parse_rest_body, parse_rest_search
from callflows.stand_in.row_search import SMS_SEARCH_FIELDS, search_rows

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from callflows.stand_in.entity_store import EntityRow
    from callflows.stand_in.request_bodies import InboundTextBody
    from callflows.stand_in.rest_routing import RestEndpoint, RestRouter
    from callflows.stand_in.stand_in_platform import StandInPlatform


MESSAGE_CALLBACK_TIMEOUT_SECONDS: Final = 10.0
"""Timeout of a callback, in seconds of real time."""
MESSAGE_TYPES_BY_LIST: Final = {
    "messages list": ("smso", "smsi", "smsr"),
    "messages inbound list": ("smsi",),
    "messages outbound list": ("smso",),
}
NEW_PROFILE_FIELDS: Final = {
    "callback_url": None,
    "callback_url2": None,
    "number_pool_enable": False,
    "long_code_weight": 1,
    "tollfree_weight": 1,
    "skip_unhealthy_tns": False,
    "sticky_sender": False,
}
"""Fields of a messaging profile that a request leaves out."""


class StandInMessages:
    """All messages of the account. platform 1.5 and 4."""

    def __init__(self, platform: StandInPlatform) -> None:
        self._platform = platform

    def send_message(self, body: SmsBody) -> EntityRow:
        """Send a message from a number of the account. Raises RestRefusal."""
        platform = self._platform
        lease = platform.leases.get_by_number(body.sender or body.tn or "")
        if "sms" not in lease["features"]:
            raise RestRefusal(409, f"TN {lease['tn']['tn']} is not enabled for SMS")
        platform.account.check_balance(stand_in_rules.COST_PER_SMS)
        platform.apply_rule(stand_in_rules.CREATION_STATUS_RULE)
        row = self._add_row("smso", lease, str(lease["tn"]["tn"]), body.to, body.message)
        row |= {"state": "created", "delivered": False, "automated": False, "reason": "sending"}
        platform.account.charge_balance(stand_in_rules.COST_PER_SMS, "sms_charge_out")
        platform.start_task(self._deliver_message(row, lease, body.custom_callback_url))
        return {**row}

    def receive_message(self, body: InboundTextBody) -> EntityRow:
        """Receive a message at a number of the account. Raises RestRefusal."""
        lease = self._platform.leases.get_by_number(body.to)
        if "sms" not in lease["features"]:
            raise RestRefusal(409, f"TN {body.to} is not enabled for SMS")
        row = self._add_row("smsi", lease, body.sender, str(lease["tn"]["tn"]), body.message)
        row["state"] = "success"
        self._platform.start_task(self._report_state(row, lease, None))
        return {**row}

    def _add_row(self, kind: str, lease: EntityRow, from_: str, to: str, text: str) -> EntityRow:
        """Store a message; both directions between two numbers share a thread."""
        thread = hashlib.sha256(":".join(sorted((from_, to))).encode()).hexdigest()[:32]
        who = {"from": from_, "to": to, "thread": thread, "message": text}
        whose = {"tn": lease["tn"], "account": self._platform.account.build_entity()}
        return self._platform.messages.add_row({"type": kind, **who, "state": "created", **whose})

    async def _deliver_message(self, row: EntityRow, lease: EntityRow, callback_url: str | None) -> None:
        """Move a sent message through its states: created, success, delivered."""
        beat = stand_in_rules.SMS_STATE_SECONDS / self._platform.options.pace
        for state, delivered in (("created", False), ("success", False), ("success", True)):
            self._platform.messages.update_row(row["uuid"], {"state": state, "delivered": delivered})
            await self._report_state(row, lease, callback_url)
            await asyncio.sleep(beat)

    async def _report_state(self, row: EntityRow, lease: EntityRow, callback_url: str | None) -> None:
        """Send the event, and the callback of the message or else of its profile, if any."""
        happened = event_delivery.build_sms_event(row)
        if self._platform.events.year == "2022":
            self._platform.report_event(happened)
        else:
            self._platform.report_undocumented_event(stand_in_rules.SMS_ENVELOPE_2024_RULE, happened)
        profile = lease["messaging_profile"]
        profile_row = self._platform.messaging_profiles.get_row(profile) if profile else {}
        urls = [callback_url] if callback_url else [profile_row.get("callback_url"), profile_row.get("callback_url2")]
        await self._request_callback([asked for asked in urls if asked], json.dumps(row).encode())

    async def _request_callback(self, urls: list[str], body: bytes) -> None:
        """Request the first URL; the second if the first is unreachable."""
        for url in urls:
            if self._platform.skips_request("POST", url, stand_in_rules.CALLBACK_METHOD_RULE):
                return
            reply = await self._platform.send_request("POST", url, body, MESSAGE_CALLBACK_TIMEOUT_SECONDS)
            if reply.status:
                return


def add_message_endpoints(platform: StandInPlatform, messages: StandInMessages, rest: RestRouter) -> None:
    """Add the endpoints of messages and messaging profiles."""

    async def send_sms(request: Request) -> Response:
        return success_response(messages.send_message(await parse_rest_body(request, SmsBody)), 202)

    def clear_profile(uuid: str) -> None:
        platform.leases.clear_references("messaging_profile", uuid)

    async def list_profile_numbers(request: Request) -> Response:
        uuid = platform.messaging_profiles.get_row(request.path_params["uuid"])["uuid"]
        leases = [row for row in platform.leases.table if row["messaging_profile"] == uuid]
        return success_response([*map(platform.leases.build_rest_row, leases)])

    rest.add_endpoint("messages send", send_sms)
    rest.add_endpoint("profiles messaging numbers", list_profile_numbers)
    for name, kinds in MESSAGE_TYPES_BY_LIST.items():
        rest.add_endpoint(name, _search_endpoint(platform, kinds))
    for direction in ("inbound", "outbound"):
        kinds = MESSAGE_TYPES_BY_LIST[f"messages {direction} list"]
        rest.add_endpoint(f"messages {direction} show", _show_message_endpoint(platform, kinds))
    CrudEndpoints(
        rest=rest,
        platform=platform,
        group="profiles messaging",
        table=platform.messaging_profiles,
        defaults=NEW_PROFILE_FIELDS,
        on_removed=clear_profile,
    ).add_to_router()


def _search_endpoint(platform: StandInPlatform, kinds: tuple[str, ...]) -> RestEndpoint:
    async def handle_request(request: Request) -> Response:
        search = await parse_rest_search(request, platform)
        rows = (row for row in platform.messages if row["type"] in kinds)
        return success_response(search_rows(rows, search, SMS_SEARCH_FIELDS))

    return handle_request


def _show_message_endpoint(platform: StandInPlatform, kinds: tuple[str, ...]) -> RestEndpoint:
    async def handle_request(request: Request) -> Response:
        row = platform.messages.get_row(request.path_params["uuid"])
        if row["type"] not in kinds:
            raise not_found_refusal(platform.messages.entity_name)
        return success_response(row)

    return handle_request
