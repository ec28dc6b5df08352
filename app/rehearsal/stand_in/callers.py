"""The stand-in's own door: callers, messages from outside, faults, and what was asked of our URLs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import ValidationError
from starlette.responses import JSONResponse

from app.rehearsal.stand_in.answers import Refused, answered, invalid
from app.rehearsal.stand_in.bodies import Ring, Text
from app.rehearsal.stand_in.calls import callees_of
from app.rehearsal.stand_in.faults import AT_ONCE, AtOnce, Faults
from app.rehearsal.stand_in.requests import body_of, door, json_of

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

    from app.rehearsal.stand_in.calls import Calls, Live
    from app.rehearsal.stand_in.messages import Messages
    from app.rehearsal.stand_in.platform import Platform
    from app.rehearsal.stand_in.requests import Endpoint


def routes(platform: Platform, calls: Calls, messages: Messages) -> list[Route]:
    """Everything under ``/stand-in``."""
    return [
        door(platform, "/calls", POST=_ring(calls)),
        door(platform, "/calls/{uuid}", GET=_told(calls), DELETE=_hang_up(calls)),
        door(platform, "/messages", POST=_text(messages)),
        door(platform, "/callees", PUT=_callees(platform)),
        door(platform, "/requests", GET=_asked(platform)),
        door(platform, "/faults", GET=_faults(platform), POST=_break(platform), DELETE=_mend(platform)),
    ]


def _ring(calls: Calls) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        given = await body_of(request, Ring)
        live = calls.ring(given)
        if not given.wait or live.task is None:
            return JSONResponse({"uuid": live.leg.uuid}, 202)
        return JSONResponse((await live.task).told())

    return endpoint


def _told(calls: Calls) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        return JSONResponse(_live(calls.of(request.path_params["uuid"])))

    return endpoint


def _live(live: Live) -> dict[str, Any]:
    return {"uuid": live.leg.uuid, "state": live.leg.state, "over": live.over, **live.line.transcript.told()}


def _hang_up(calls: Calls) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        live = calls.of(request.path_params["uuid"])
        if live.over:
            raise Refused(409, "Call is over")
        live.line.hang_up()
        return JSONResponse({"uuid": live.leg.uuid}, 202)

    return endpoint


def _text(messages: Messages) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        return JSONResponse(messages.receive(await body_of(request, Text)), 202)

    return endpoint


def _callees(platform: Platform) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        given = await json_of(request)
        callees_of(given, 0.0)
        platform.callees = given
        return JSONResponse(given)

    return endpoint


def _asked(platform: Platform) -> Endpoint:
    async def endpoint(_: Request) -> Response:
        return JSONResponse([*platform.asked])

    return endpoint


def _faults(platform: Platform) -> Endpoint:
    async def endpoint(_: Request) -> Response:
        return JSONResponse(platform.faults.model_dump())

    return endpoint


def _break(platform: Platform) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        given = await json_of(request)
        try:
            now = AtOnce(**{name: value for name, value in given.items() if name in AT_ONCE})
            later = Faults(**{name: value for name, value in given.items() if name not in AT_ONCE})
        except ValidationError as error:
            raise invalid(error) from None
        _set(platform.faults, later)
        if now.drop:
            platform.events.drop()
        if now.expire:
            platform.tokens.expire()
        return JSONResponse(platform.faults.model_dump())

    return endpoint


def _mend(platform: Platform) -> Endpoint:
    async def endpoint(_: Request) -> Response:
        for name, value in Faults().model_dump().items():
            setattr(platform.faults, name, value)
        return answered(None)

    return endpoint


def _set(faults: Faults, given: Faults) -> None:
    for name in given.model_fields_set:
        setattr(faults, name, getattr(given, name))
