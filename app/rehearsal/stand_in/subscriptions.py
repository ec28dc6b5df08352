"""Authentication, event subscriptions, and voices by REST."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from starlette.responses import JSONResponse

from app.errors import suggestion
from app.rehearsal.stand_in import silences
from app.rehearsal.stand_in.answers import UNAUTHORIZED, Refused, answered, wrong
from app.rehearsal.stand_in.bodies import Subscription
from app.rehearsal.stand_in.drawers import moment
from app.rehearsal.stand_in.events import TYPES
from app.rehearsal.stand_in.requests import body_of, json_of

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

    from app.rehearsal.stand_in.platform import Platform
    from app.rehearsal.stand_in.requests import Endpoint, Rest

_VOICES: Final = (("en-US", "A", "FEMALE"), ("en-US", "B", "MALE"), ("en-GB", "A", "FEMALE"), ("es-US", "A", "FEMALE"))


def routes(platform: Platform, rest: Rest) -> list[Route]:
    """``/auth``, ``/event/subscription``, ``/account/notification`` and ``/dict/gtts``."""
    voices = [
        {
            "uuid": platform.ids.uuid("voice"),
            "type": kind,
            "code": lang,
            "name": f"{lang}-{kind}-{letter}",
            "gender": gender,
            "naturalSampleRateHertz": 24000,
        }
        for kind in ("Standard", "WaveNet")
        for lang, letter, gender in _VOICES
    ]

    async def spoken(_: Request) -> Response:
        return answered(voices)

    return [
        rest.route("/auth", open_to_all=True, GET=_auth(platform)),
        rest.route("/event/subscription", GET=_listed(platform), POST=_subscribe(platform)),
        rest.route("/event/subscription/{uuid}", DELETE=_unsubscribe(platform)),
        rest.route("/account/notification", PATCH=_notification(platform)),
        rest.route("/dict/gtts", GET=spoken),
    ]


def _auth(platform: Platform) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        scheme, _, basic = request.headers.get("authorization", "").partition(" ")
        token = platform.tokens.given(basic.strip()) if scheme.lower() == "basic" else None
        if token is None:
            raise Refused(401, UNAUTHORIZED)
        return answered({"token": token})

    return endpoint


def _listed(platform: Platform) -> Endpoint:
    async def endpoint(_: Request) -> Response:
        if platform.options.listing is None:
            platform.decide(silences.SUBSCRIPTIONS)
        rows = [*platform.subscriptions]
        return JSONResponse(rows) if platform.options.listing == "bare" else answered(rows)

    return endpoint


def _subscribe(platform: Platform) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        given = await body_of(request, Subscription)
        if given.type not in TYPES:
            raise wrong("type", suggestion(given.type, TYPES) or f"there are {', '.join(TYPES)}", given.type)
        end = moment(given.expired_on) if given.expired_on else None
        return answered(platform.subscriptions.add({**given.model_dump(), "expired_on": end}), 201)

    return endpoint


def _unsubscribe(platform: Platform) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        platform.decide(silences.UNSUBSCRIBE)
        return answered(platform.subscriptions.remove(request.path_params["uuid"]))

    return endpoint


def _notification(platform: Platform) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        given = await json_of(request)
        platform.decide(silences.BALANCE)
        platform.events.balances = any(given.values())
        return answered(given)

    return endpoint
