"""REST endpoints of event subscriptions and voices."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from starlette.responses import JSONResponse

from callflows.stand_in import stand_in_rules
from callflows.stand_in.entity_store import format_platform_time
from callflows.stand_in.event_delivery import STAND_IN_EVENT_TYPES
from callflows.stand_in.response_envelopes import field_refusal, success_response
from callflows.stand_in.rest_routing import parse_operation_values
from callflows.text import format_suggestion

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from callflows.stand_in.rest_routing import RestEndpoint, RestRouter
    from callflows.stand_in.stand_in_platform import StandInPlatform


_VOICES: Final = (("en-US", "A", "FEMALE"), ("en-US", "B", "MALE"), ("en-GB", "A", "FEMALE"), ("es-US", "A", "FEMALE"))


_NEW_SUBSCRIPTION: Final[dict[str, Any]] = {"channel": "wss", "is_active": True, "expired_on": None}


def add_subscription_endpoints(platform: StandInPlatform, rest: RestRouter) -> None:
    """Add the endpoints of event subscriptions and voices."""
    voices = [
        {
            "uuid": platform.ids.next_uuid("voice"),
            "type": kind,
            "code": lang,
            "name": f"{lang}-{kind}-{letter}",
            "gender": gender,
            "naturalSampleRateHertz": 24000,
        }
        for kind in ("Standard", "WaveNet")
        for lang, letter, gender in _VOICES
    ]

    async def list_voices(_: Request) -> Response:
        return success_response(voices)

    rest.add_endpoint("subscriptions list", _list_endpoint(platform))
    rest.add_endpoint("subscriptions add", _subscribe_endpoint(platform, rest))
    rest.add_endpoint("subscriptions remove", _unsubscribe_endpoint(platform))
    rest.add_endpoint("voices", list_voices)


def _list_endpoint(platform: StandInPlatform) -> RestEndpoint:
    async def handle_request(_: Request) -> Response:
        if platform.options.listing is None:
            platform.apply_rule(stand_in_rules.SUBSCRIPTION_LIST_RULE)
        rows = [*platform.subscriptions]
        return JSONResponse(rows) if platform.options.listing == "bare" else success_response(rows)

    return handle_request


def _subscribe_endpoint(platform: StandInPlatform, rest: RestRouter) -> RestEndpoint:
    async def handle_request(request: Request) -> Response:
        values = await parse_operation_values(request, rest.table.get_operation("subscriptions add"))
        if values["type"] not in STAND_IN_EVENT_TYPES:
            raise field_refusal(
                "type",
                format_suggestion(values["type"], STAND_IN_EVENT_TYPES) or f"there are {', '.join(STAND_IN_EVENT_TYPES)}",
                values["type"],
            )
        if values.get("channel", "wss") != "wss":
            raise field_refusal("channel", "must be wss", values["channel"])
        row = {**_NEW_SUBSCRIPTION, **values}
        if row["expired_on"]:
            row["expired_on"] = _format_end(row["expired_on"])
        return success_response(platform.subscriptions.add_row(row), 201)

    return handle_request


def _format_end(text: str) -> str:
    """Return a moment in the platform's form. Raises RestRefusal (400) for one at the edge of the calendar."""
    end = datetime.fromisoformat(text)
    try:
        return format_platform_time(end if end.tzinfo else end.replace(tzinfo=UTC))
    except OverflowError:
        raise field_refusal("expired_on", "invalid datetime", text) from None


def _unsubscribe_endpoint(platform: StandInPlatform) -> RestEndpoint:
    async def handle_request(request: Request) -> Response:
        platform.apply_rule(stand_in_rules.UNSUBSCRIBE_RULE)
        return success_response(platform.subscriptions.remove_row(request.path_params["uuid"]))

    return handle_request
