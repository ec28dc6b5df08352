"""SIP Control Apps by REST: their numbers, static documents, calls and logs; XML for live calls."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.rehearsal.stand_in import silences
from app.rehearsal.stand_in.answers import answered, not_found, wrong
from app.rehearsal.stand_in.bodies import AppFields, Assign, NewApp
from app.rehearsal.stand_in.calls import readable
from app.rehearsal.stand_in.kinds import crud
from app.rehearsal.stand_in.requests import body_of, file_of
from app.rehearsal.stand_in.searching import CALL_FIELDS, LOG_FIELDS, Search, found

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

    from app.rehearsal.stand_in.calls import Calls
    from app.rehearsal.stand_in.drawers import Drawer, Row
    from app.rehearsal.stand_in.platform import Platform
    from app.rehearsal.stand_in.requests import Endpoint, Rest

PRODUCTS = ({"product": 1, "uuid": "1", "name": "SIP"}, {"product": 2, "uuid": "2", "name": "SIP TLS"})


def routes(platform: Platform, calls: Calls, rest: Rest) -> list[Route]:
    """Everything under ``/sip/app``, ``/call`` and ``/sip/product``; paths that are fixed stand before those with names."""
    document = "/sip/app/call/flow/{uuid}"
    return [
        rest.route("/call/sca/{uuid}", POST=_push(calls)),
        rest.route(document, GET=_document(platform), POST=_keep(platform), DELETE=_forget(platform)),
        rest.route("/sip/app/call/online", GET=_online(calls)),
        rest.route("/sip/app/call/search", POST=_search(platform, calls, of_apps=True)),
        rest.route("/sip/app/call/{uuid}", GET=_call(calls), POST=_push(calls)),
        rest.route("/call/search", POST=_search(platform, calls, of_apps=False)),
        rest.route("/sip/app/{uuid}/logs", POST=_logs(platform)),
        numbers(platform, rest, "/sip/app/{uuid}/tnlease", platform.apps, "sip_control_app"),
        rest.route("/sip/product", GET=_products),
        *crud(rest, platform, "/sip/app", platform.apps, NewApp, AppFields, check=_check, removed=_removed(platform)),
    ]


async def _products(_: Request) -> Response:
    return answered([*PRODUCTS])


def _check(fields: Row) -> None:
    known = [product["product"] for product in PRODUCTS]
    if "product" in fields and fields["product"] not in known:
        raise wrong("product", "no such product", fields["product"])


def _removed(platform: Platform) -> Callable[[str], None]:
    def removed(uuid: str) -> None:
        platform.documents.pop(uuid, None)
        platform.leases.leave("sip_control_app", uuid)

    return removed


def numbers(platform: Platform, rest: Rest, path: str, drawer: Drawer, field: str) -> Route:
    """The numbers that something has: shown, given and taken by their leases."""

    def rows(uuid: str) -> list[Row]:
        return [platform.leases.shown(row) for row in platform.leases.drawer if row[field] == uuid]

    async def shown(request: Request) -> Response:
        return answered(rows(drawer.of(request.path_params["uuid"])["uuid"]))

    async def assign(request: Request) -> Response:
        uuid = drawer.of(request.path_params["uuid"])["uuid"]
        given = await body_of(request, Assign)
        added = [platform.leases.drawer.of(lease) for lease in given.add]
        taken = [platform.leases.drawer.of(lease) for lease in given.remove]
        for row in added:
            row[field] = uuid
        for row in taken:
            row[field] = None if row[field] == uuid else row[field]
        return answered(rows(uuid))

    return rest.route(path, GET=shown, POST=assign)


# Static documents


def _document(platform: Platform) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        uuid = platform.apps.of(request.path_params["uuid"])["uuid"]
        if uuid not in platform.documents:
            raise not_found("Call flow")
        return _kept(platform, uuid)

    return endpoint


def _keep(platform: Platform) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        uuid = platform.apps.of(request.path_params["uuid"])["uuid"]
        document = await file_of(request)
        readable(document, platform)
        platform.documents[uuid] = document
        return _kept(platform, uuid)

    return endpoint


def _forget(platform: Platform) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        uuid = platform.apps.of(request.path_params["uuid"])["uuid"]
        if platform.documents.pop(uuid, None) is None:
            raise not_found("Call flow")
        return answered(None)

    return endpoint


def _kept(platform: Platform, uuid: str) -> Response:
    return answered(platform.documents[uuid].decode(), url=f"https://documents.invalid/{uuid}.xml")


# Calls


def _push(calls: Calls) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        uuid = calls.of(request.path_params["uuid"]).leg.uuid
        leg = calls.push(uuid, await file_of(request))
        return answered(leg.entity(), 202)

    return endpoint


def _online(calls: Calls) -> Endpoint:
    async def endpoint(_: Request) -> Response:
        return answered([leg.entity() for leg in calls.online() if leg.app])

    return endpoint


def _call(calls: Calls) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        return answered(calls.leg(request.path_params["uuid"]).entity())

    return endpoint


def _search(platform: Platform, calls: Calls, *, of_apps: bool) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        search = await body_of(request, Search)
        platform.decide(silences.SEARCHES)
        rows = (leg.entity() for leg in calls.legs() if leg.app or not of_apps)
        return answered(found(rows, search, CALL_FIELDS))

    return endpoint


def _logs(platform: Platform) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        uuid = platform.apps.of(request.path_params["uuid"])["uuid"]
        search = await body_of(request, Search)
        platform.decide(silences.SEARCHES)
        rows = ({k: v for k, v in row.items() if k != "app"} for row in [*platform.logs] if row["app"] == uuid)
        return answered(found(rows, search, LOG_FIELDS))

    return endpoint
