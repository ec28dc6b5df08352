"""Numbers by REST: those that can be had, orders, and leases."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from app.rehearsal.stand_in import envelopes, silences
from app.rehearsal.stand_in.answers import Refused, answered, not_found, wrong
from app.rehearsal.stand_in.bodies import EnableSms, LeaseFields, NumberSearch, Order
from app.rehearsal.stand_in.leases import inventory
from app.rehearsal.stand_in.requests import body_of, changes_of
from app.rehearsal.stand_in.searching import LEASE_FIELDS, ORDER_FIELDS, Search, found

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

    from app.rehearsal.stand_in.drawers import Row
    from app.rehearsal.stand_in.platform import Platform
    from app.rehearsal.stand_in.requests import Endpoint, Rest

KEYPAD: Final = str.maketrans("abcdefghijklmnopqrstuvwxyz", "22233344455566677778889999")
SAME: Final = ("type", "country", "state", "rate_center", "npa", "nxx", "line")


def routes(platform: Platform, rest: Rest) -> list[Route]:
    """``/tn/search``, ``/order`` and ``/lease/tn``."""
    sms = rest.route("/lease/tn/{lease}/subscription/sms", POST=_enable(platform), DELETE=_disable(platform))
    return [
        rest.route("/tn/search", POST=_search(platform)),
        rest.route("/order", POST=_order(platform)),
        rest.route("/order/search", POST=_orders(platform)),
        rest.route("/lease/tn/search", POST=_leases(platform)),
        sms,
        rest.route("/lease/tn/{lease}", GET=_lease(platform), PATCH=_change(platform), DELETE=_release(platform)),
    ]


def _search(platform: Platform) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        given = await body_of(request, NumberSearch)
        take, skip = _page(request, given)
        platform.decide(silences.MASKS)
        leased = {row["tn"]["tn"] for row in platform.leases.drawer}
        rows = [row for row in inventory() if row["tn"] not in leased and _fits(row, given)]
        return answered({"take": take, "skip": skip, "total": len(rows), "data": rows[skip : skip + take]})

    return endpoint


def _page(request: Request, given: NumberSearch) -> tuple[int, int]:
    """How many, from where: by the body, or by ``?page&size`` of 2020, where pages count from 0."""
    if "size" not in request.query_params and "page" not in request.query_params:
        return given.take, given.skip
    try:
        size, page = int(request.query_params.get("size", 10)), int(request.query_params.get("page", 0))
    except ValueError:
        raise wrong("page", "invalid integer number", request.url.query) from None
    if not 1 <= size <= 100:  # noqa: PLR2004 - as take
        raise wrong("size", "must be 1 to 100", size)
    if page < 0:
        raise wrong("page", "must be 0 or more", page)
    return size, size * page


def _fits(row: Row, given: NumberSearch) -> bool:
    wanted: dict[str, Any] = given.model_dump(include={*SAME}, exclude_none=True)
    wanted |= {"state": given.province} if given.province else {}
    same = all(str(row[name]).lower() == str(value).lower() for name, value in wanted.items())
    city = not given.city or given.city.lower() in row["city"].lower()
    features = set(given.features) <= set(row["features"])
    return same and city and features and not given.postal_code and _matches(row, given)


def _matches(row: Row, given: NumberSearch) -> bool:
    """Whether ten digits fit a pattern: anywhere in them, * is any, % is one."""
    if not given.pattern:
        return True
    pattern = given.pattern.lower()
    pattern = pattern.translate(KEYPAD) if given.abc_search else pattern
    expression = "".join({"*": ".*", "%": "."}.get(sign, re.escape(sign)) for sign in pattern)
    return re.search(expression, str(row["tn"])[1:]) is not None


def _order(platform: Platform) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        given = await body_of(request, Order)
        there = {row["tn"] for row in inventory()}
        for item in given.items:
            if platform.leases.find(item.tn) is not None:
                raise Refused(409, f"TN {item.tn} is leased already")
            if int(item.tn) not in there:
                raise not_found(f"TN {item.tn}")
        cost = len(given.items) * silences.NUMBER_COST
        platform.account.afford(cost)
        platform.decide(silences.CREATED)
        items = [_leased(platform, int(item.tn), item.wanted(), autorenew=item.autorenew) for item in given.items]
        order = platform.orders.add({"state": "success", "items": items})
        platform.account.charge(cost, "tn_order")
        platform.tell_if(silences.ORDER_EVENT, envelopes.order(order))
        return answered(order, 201)

    return endpoint


def _leased(platform: Platform, number: int, features: list[str], *, autorenew: bool) -> Row:
    lease = platform.leases.add(number, features=features, autorenew=autorenew)
    return {"tn": number, "features": features, "autorenew": autorenew, "state": "success", "lease": lease["uuid"]}


def _orders(platform: Platform) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        search = await body_of(request, Search)
        platform.decide(silences.SEARCHES)
        return answered(found(platform.orders, search, ORDER_FIELDS))

    return endpoint


def _leases(platform: Platform) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        search = await body_of(request, Search)
        platform.decide(silences.SEARCHES)
        return answered(found(map(platform.leases.shown, platform.leases.drawer), search, LEASE_FIELDS))

    return endpoint


def _lease(platform: Platform) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        return answered(platform.leases.shown(platform.leases.of(request.path_params["lease"])))

    return endpoint


def _change(platform: Platform) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        row = platform.leases.of(request.path_params["lease"])
        fields = await changes_of(request, LeaseFields)
        for name, drawer in (("sip_control_app", platform.apps), ("sip_connection", platform.connections)):
            if fields.get(name):
                drawer.of(fields[name])
        return answered(platform.leases.shown(platform.leases.drawer.change(row["uuid"], fields)))

    return endpoint


def _release(platform: Platform) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        row = platform.leases.of(request.path_params["lease"])
        return answered(platform.leases.shown(platform.leases.drawer.remove(row["uuid"])))

    return endpoint


def _enable(platform: Platform) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        row = platform.leases.of(request.path_params["lease"])
        given = await body_of(request, EnableSms)
        platform.messaging_profiles.of(given.messaging_profile)
        features = [*dict.fromkeys([*row["features"], "sms"])]
        changed = platform.leases.drawer.change(row["uuid"], {**given.model_dump(), "features": features})
        return answered(platform.leases.shown(changed))

    return endpoint


def _disable(platform: Platform) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        row = platform.leases.of(request.path_params["lease"])
        features = [feature for feature in row["features"] if feature != "sms"]
        changed = {"messaging_profile": None, "sms_campaign": None, "features": features}
        return answered(platform.leases.shown(platform.leases.drawer.change(row["uuid"], changed)))

    return endpoint
