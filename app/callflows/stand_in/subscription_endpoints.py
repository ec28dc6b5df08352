"""REST endpoints of authentication, event subscriptions, balance notifications and voices."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from starlette.responses import JSONResponse

from callflows.stand_in import stand_in_rules
from callflows.stand_in.entity_store import format_platform_time
from callflows.stand_in.event_delivery import STAND_IN_EVENT_TYPES
from callflows.stand_in.request_bodies import SubscriptionBody
from callflows.stand_in.response_envelopes import UNAUTHORIZED_MESSAGE, RestRefusal, field_refusal, success_response
from callflows.stand_in.rest_routing import parse_rest_body, parse_rest_json
from callflows.text import format_suggestion

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

    from callflows.stand_in.rest_routing import RestEndpoint, RestRouter
    from callflows.stand_in.stand_in_platform import StandInPlatform


_VOICES: Final = (("en-US", "A", "FEMALE"), ("en-US", "B", "MALE"), ("en-GB", "A", "FEMALE"), ("es-US", "A", "FEMALE"))


def make_subscription_routes(platform: StandInPlatform, rest: RestRouter) -> list[Route]:
    """Return the routes ``/auth``, ``/event/subscription``, ``/account/notification`` and ``/dict/gtts``."""
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

    return [
        rest.make_route("/auth", is_public=True, GET=_auth_endpoint(platform)),
        rest.make_route("/event/subscription", GET=_list_endpoint(platform), POST=_subscribe_endpoint(platform)),
        rest.make_route("/event/subscription/{uuid}", DELETE=_unsubscribe_endpoint(platform)),
        rest.make_route("/account/notification", PATCH=_notification_endpoint(platform)),
        rest.make_route("/dict/gtts", GET=list_voices),
    ]


def _auth_endpoint(platform: StandInPlatform) -> RestEndpoint:
    async def handle_request(request: Request) -> Response:
        scheme, _, basic = request.headers.get("authorization", "").partition(" ")
        token = platform.tokens.issue_jwt(basic.strip()) if scheme.lower() == "basic" else None
        if token is None:
            raise RestRefusal(401, UNAUTHORIZED_MESSAGE)
        return success_response({"token": token})

    return handle_request


def _list_endpoint(platform: StandInPlatform) -> RestEndpoint:
    async def handle_request(_: Request) -> Response:
        if platform.options.listing is None:
            platform.apply_rule(stand_in_rules.SUBSCRIPTION_LIST_RULE)
        rows = [*platform.subscriptions]
        return JSONResponse(rows) if platform.options.listing == "bare" else success_response(rows)

    return handle_request


def _subscribe_endpoint(platform: StandInPlatform) -> RestEndpoint:
    async def handle_request(request: Request) -> Response:
        given = await parse_rest_body(request, SubscriptionBody)
        if given.type not in STAND_IN_EVENT_TYPES:
            raise field_refusal(
                "type",
                format_suggestion(given.type, STAND_IN_EVENT_TYPES) or f"there are {', '.join(STAND_IN_EVENT_TYPES)}",
                given.type,
            )
        end = format_platform_time(given.expired_on) if given.expired_on else None
        return success_response(platform.subscriptions.add_row({**given.model_dump(), "expired_on": end}), 201)

    return handle_request


def _unsubscribe_endpoint(platform: StandInPlatform) -> RestEndpoint:
    async def handle_request(request: Request) -> Response:
        platform.apply_rule(stand_in_rules.UNSUBSCRIBE_RULE)
        return success_response(platform.subscriptions.remove_row(request.path_params["uuid"]))

    return handle_request


def _notification_endpoint(platform: StandInPlatform) -> RestEndpoint:
    async def handle_request(request: Request) -> Response:
        given = await parse_rest_json(request)
        platform.apply_rule(stand_in_rules.BALANCE_NOTIFICATION_RULE)
        platform.events.reports_balance = any(given.values())
        return success_response(given)

    return handle_request
