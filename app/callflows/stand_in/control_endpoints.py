"""The stand-in's own endpoints: inbound calls and texts, callee behaviour, faults, and the requests sent to our URLs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import ValidationError
from starlette.responses import JSONResponse

from callflows.stand_in.call_registry import parse_callee_behaviour, parse_script_keys
from callflows.stand_in.request_bodies import InboundCallBody, InboundTextBody
from callflows.stand_in.response_envelopes import RestRefusal, success_response, validation_refusal
from callflows.stand_in.rest_routing import make_control_route, parse_rest_body, parse_rest_json
from callflows.stand_in.stand_in_options import IMMEDIATE_FAULT_NAMES, FaultSettings, ImmediateFaults

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

    from callflows.stand_in.call_registry import CallRegistry, CallSession
    from callflows.stand_in.message_endpoints import StandInMessages
    from callflows.stand_in.rest_routing import RestEndpoint
    from callflows.stand_in.stand_in_platform import StandInPlatform


def make_control_routes(platform: StandInPlatform, calls: CallRegistry, messages: StandInMessages) -> list[Route]:
    """Return the routes under ``/stand-in``."""
    return [
        make_control_route(platform, "/calls", POST=_ring_endpoint(calls)),
        make_control_route(platform, "/calls/{uuid}", GET=_show_call_endpoint(calls), DELETE=_hang_up_endpoint(calls)),
        make_control_route(platform, "/messages", POST=_receive_text_endpoint(messages)),
        make_control_route(platform, "/batches/{uuid}", GET=_show_batch_endpoint(platform)),
        make_control_route(platform, "/callees", PUT=_set_callees_endpoint(platform)),
        make_control_route(platform, "/callee-keys", PUT=_set_callee_keys_endpoint(platform)),
        make_control_route(platform, "/requests", GET=_list_requests_endpoint(platform)),
        make_control_route(
            platform,
            "/faults",
            GET=_show_faults_endpoint(platform),
            POST=_inject_faults_endpoint(platform),
            DELETE=_clear_faults_endpoint(platform),
        ),
    ]


def _ring_endpoint(calls: CallRegistry) -> RestEndpoint:
    async def handle_request(request: Request) -> Response:
        body = await parse_rest_body(request, InboundCallBody)
        live = calls.start_inbound_call(body)
        if not body.wait or live.task is None:
            return JSONResponse({"uuid": live.leg.uuid}, 202)
        return JSONResponse((await live.task).to_json())

    return handle_request


def _show_call_endpoint(calls: CallRegistry) -> RestEndpoint:
    async def handle_request(request: Request) -> Response:
        return JSONResponse(_serialize_session(calls.get_session(request.path_params["uuid"])))

    return handle_request


def _serialize_session(session: CallSession) -> dict[str, Any]:
    return {
        "uuid": session.leg.uuid,
        "state": session.leg.state,
        "over": session.is_over,
        **session.call.transcript.to_json(),
    }


def _show_batch_endpoint(platform: StandInPlatform) -> RestEndpoint:
    async def handle_request(request: Request) -> Response:
        return JSONResponse(platform.batches.get_row(request.path_params["uuid"]))

    return handle_request


def _hang_up_endpoint(calls: CallRegistry) -> RestEndpoint:
    async def handle_request(request: Request) -> Response:
        live = calls.get_session(request.path_params["uuid"])
        if live.is_over:
            raise RestRefusal(409, "Call is over")
        live.call.hang_up()
        return JSONResponse({"uuid": live.leg.uuid}, 202)

    return handle_request


def _receive_text_endpoint(messages: StandInMessages) -> RestEndpoint:
    async def handle_request(request: Request) -> Response:
        return JSONResponse(messages.receive_message(await parse_rest_body(request, InboundTextBody)), 202)

    return handle_request


def _set_callees_endpoint(platform: StandInPlatform) -> RestEndpoint:
    async def handle_request(request: Request) -> Response:
        behaviour = await parse_rest_json(request)
        parse_callee_behaviour(behaviour, 0.0)
        platform.callee_behaviour = behaviour
        return JSONResponse(behaviour)

    return handle_request


def _set_callee_keys_endpoint(platform: StandInPlatform) -> RestEndpoint:
    async def handle_request(request: Request) -> Response:
        keys = (await parse_rest_json(request)).get("keys")
        parse_script_keys(keys)
        platform.callee_keys = keys
        return JSONResponse({"keys": keys})

    return handle_request


def _list_requests_endpoint(platform: StandInPlatform) -> RestEndpoint:
    async def handle_request(_: Request) -> Response:
        return JSONResponse([*platform.sent_requests])

    return handle_request


def _show_faults_endpoint(platform: StandInPlatform) -> RestEndpoint:
    async def handle_request(_: Request) -> Response:
        return JSONResponse(platform.faults.model_dump())

    return handle_request


def _inject_faults_endpoint(platform: StandInPlatform) -> RestEndpoint:
    async def handle_request(request: Request) -> Response:
        body = await parse_rest_json(request)
        try:
            now = ImmediateFaults(**{name: value for name, value in body.items() if name in IMMEDIATE_FAULT_NAMES})
            later = FaultSettings(**{name: value for name, value in body.items() if name not in IMMEDIATE_FAULT_NAMES})
        except ValidationError as error:
            raise validation_refusal(error) from None
        _apply_faults(platform.faults, later)
        if now.drop:
            platform.events.drop_connections()
        if now.expire:
            platform.tokens.expire_jwts()
        return JSONResponse(platform.faults.model_dump())

    return handle_request


def _clear_faults_endpoint(platform: StandInPlatform) -> RestEndpoint:
    async def handle_request(_: Request) -> Response:
        for name, value in FaultSettings().model_dump().items():
            setattr(platform.faults, name, value)
        return success_response(None)

    return handle_request


def _apply_faults(faults: FaultSettings, changes: FaultSettings) -> None:
    for name in changes.model_fields_set:
        setattr(faults, name, getattr(changes, name))
