"""REST endpoints of numbers: search, orders and leases."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from callflows.stand_in import event_delivery, stand_in_rules
from callflows.stand_in.request_bodies import LEASE_FEATURES, NumberSearchBody, OrderBody
from callflows.stand_in.response_envelopes import RestRefusal, field_refusal, not_found_refusal, success_response
from callflows.stand_in.rest_routing import parse_operation_values, parse_rest_body, parse_rest_search
from callflows.stand_in.row_search import LEASE_SEARCH_FIELDS, ORDER_SEARCH_FIELDS, search_rows
from callflows.stand_in.stand_in_account import list_orderable_numbers

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from callflows.stand_in.entity_store import EntityRow, EntityTable
    from callflows.stand_in.rest_routing import RestEndpoint, RestRouter
    from callflows.stand_in.stand_in_platform import StandInPlatform


KEYPAD_LETTERS: Final = str.maketrans("abcdefghijklmnopqrstuvwxyz", "22233344455566677778889999")
EXACT_NUMBER_FIELDS: Final = ("type", "country", "state", "rate_center", "npa", "nxx", "line")


PLACES: Final[dict[str, list[dict[str, Any]]]] = {
    "numbers places offered": [{"country": "US", "name": "United States"}],
    "numbers places countries": [{"code": "US", "name": "United States"}, {"code": "CA", "name": "Canada"}],
    "numbers places timezones": [{"name": name} for name in ("America/New_York", "America/Chicago", "UTC")],
}


def add_number_endpoints(platform: StandInPlatform, rest: RestRouter) -> None:
    """Add the endpoints of numbers, orders and leases."""
    for name, endpoint in {
        "numbers search": _search_numbers_endpoint(platform),
        "numbers price": _price_endpoint(),
        "numbers order": _order_endpoint(platform),
        "numbers orders list": _list_orders_endpoint(platform),
        "numbers orders show": _show_order_endpoint(platform),
        "numbers orders search": _search_orders_endpoint(platform),
        "numbers list": _search_leases_endpoint(platform),
        "numbers show": _show_lease_endpoint(platform, "lease"),
        "numbers find": _show_lease_endpoint(platform, "number"),
        "numbers change": _change_lease_endpoint(platform, rest),
        "numbers release": _release_lease_endpoint(platform),
        "numbers sms on": _enable_sms_endpoint(platform, rest),
        "numbers sms off": _disable_sms_endpoint(platform),
        "numbers places states": _list_places_endpoint("country", ("country", "US"), "state"),
        "numbers places rate-centers": _list_places_endpoint("state", None, "rate_center"),
        **{name: _make_fixed_endpoint(rows) for name, rows in PLACES.items()},
    }.items():
        rest.add_endpoint(name, endpoint)


def _make_fixed_endpoint(rows: list[EntityRow]) -> RestEndpoint:
    async def handle_request(_: Request) -> Response:
        return success_response(rows)

    return handle_request


def _list_places_endpoint(key: str, fixed: tuple[str, str] | None, field: str) -> RestEndpoint:
    """Return the states of a country, or the rate centers of a state, of the orderable numbers."""

    async def handle_request(request: Request) -> Response:
        place = request.query_params.get(key, "").upper()
        if not place:
            raise field_refusal(key, "is required", "")
        found = {str(row[field]): None for row in list_orderable_numbers() if str(row[key]).upper() == place}
        return success_response([{"name": name, **(dict([fixed]) if fixed else {key: place})} for name in found])

    return handle_request


def _search_numbers_endpoint(platform: StandInPlatform) -> RestEndpoint:
    async def handle_request(request: Request) -> Response:
        body = await parse_rest_body(request, NumberSearchBody)
        take, skip = _parse_page(request, body, platform.options.pages)
        platform.apply_rule(stand_in_rules.SEARCH_MASKS_RULE)
        leased = {row["tn"]["tn"] for row in platform.leases.table}
        rows = [row for row in list_orderable_numbers() if row["tn"] not in leased and _matches_search(row, body)]
        return success_response({"take": take, "skip": skip, "total": len(rows), "data": rows[skip : skip + take]})

    return handle_request


def _parse_page(request: Request, body: NumberSearchBody, pages: str) -> tuple[int, int]:
    """Return size and offset, from the body or from ``?page&size``; pages count from 1."""
    query = request.query_params
    if pages == "body" or not {"size", "page", "take", "skip"} & query.keys():
        return (body.take, body.skip) if pages != "query" else (10, 0)
    by_page = "size" in query or "page" in query
    try:
        size = int(query.get("size", query.get("take", 10)))
        page, skip = int(query.get("page", 1)), int(query.get("skip", 0))
    except ValueError:
        raise field_refusal("page", "invalid integer number", request.url.query) from None
    if not 1 <= size <= 100:  # noqa: PLR2004 - the limits of ``take``
        raise field_refusal("size", "must be 1 to 100", size)
    if page < 1:
        raise field_refusal("page", "must be 1 or more", page)
    if skip < 0:
        raise field_refusal("skip", "must be 0 or more", skip)
    return size, size * (page - 1) if by_page else skip


def _matches_search(row: EntityRow, body: NumberSearchBody) -> bool:
    conditions: dict[str, Any] = body.model_dump(include={*EXACT_NUMBER_FIELDS}, exclude_none=True)
    conditions |= {"state": body.province} if body.province else {}
    same = all(str(row[name]).lower() == str(value).lower() for name, value in conditions.items())
    city = not body.city or body.city.lower() in row["city"].lower()
    features = set(body.features) <= set(row["features"])
    return same and city and features and not body.postal_code and _matches_pattern(row, body)


def _matches_pattern(row: EntityRow, body: NumberSearchBody) -> bool:
    """Return True if the pattern occurs in the ten digits; ``*`` is any text, ``%`` one digit."""
    if not body.pattern:
        return True
    pattern = body.pattern.lower()
    pattern = pattern.translate(KEYPAD_LETTERS) if body.abc_search else pattern
    expression = "".join({"*": ".*", "%": "."}.get(sign, re.escape(sign)) for sign in pattern)
    return re.search(expression, str(row["tn"])[1:]) is not None


def _order_endpoint(platform: StandInPlatform) -> RestEndpoint:
    async def handle_request(request: Request) -> Response:
        body = await parse_rest_body(request, OrderBody)
        orderable_numbers = {row["tn"] for row in list_orderable_numbers()}
        for item in body.items:
            if platform.leases.find_by_number(item.tn) is not None:
                raise RestRefusal(409, f"TN {item.tn} is leased already")
            if int(item.tn) not in orderable_numbers:
                raise not_found_refusal(f"TN {item.tn}")
        cost = len(body.items) * stand_in_rules.COST_PER_NUMBER
        platform.account.check_balance(cost)
        platform.apply_rule(stand_in_rules.CREATION_STATUS_RULE)
        items = [
            _lease_ordered_number(platform, int(item.tn), item.list_features(), autorenew=item.autorenew)
            for item in body.items
        ]
        counts = {"total": len(items), "success": len(items), "processing": 0, "failed": 0}
        order = platform.orders.add_row({"state": "success", **counts, "items": items})
        platform.account.charge_balance(cost, "tn_order")
        platform.report_undocumented_event(stand_in_rules.ORDER_EVENT_RULE, event_delivery.build_order_event(order))
        return success_response(order, 201)

    return handle_request


def _price_endpoint() -> RestEndpoint:
    async def handle_request(request: Request) -> Response:
        body = await parse_rest_body(request, OrderBody)
        items = [{"tn": int(item.tn), "price": stand_in_rules.COST_PER_NUMBER} for item in body.items]
        return success_response({"items": items, "total": len(items) * stand_in_rules.COST_PER_NUMBER})

    return handle_request


def _lease_ordered_number(platform: StandInPlatform, number: int, features: list[str], *, autorenew: bool) -> EntityRow:
    lease = platform.leases.add_lease(number, features=features, autorenew=autorenew)
    return {"tn": number, "features": features, "autorenew": autorenew, "state": "success", "lease": lease["uuid"]}


def _list_orders_endpoint(platform: StandInPlatform) -> RestEndpoint:
    async def handle_request(_: Request) -> Response:
        return success_response([*platform.orders])

    return handle_request


def _show_order_endpoint(platform: StandInPlatform) -> RestEndpoint:
    async def handle_request(request: Request) -> Response:
        return success_response(platform.orders.get_row(request.path_params["uuid"]))

    return handle_request


def _search_orders_endpoint(platform: StandInPlatform) -> RestEndpoint:
    async def handle_request(request: Request) -> Response:
        search = await parse_rest_search(request, platform)
        return success_response(search_rows(platform.orders, search, ORDER_SEARCH_FIELDS))

    return handle_request


def _search_leases_endpoint(platform: StandInPlatform) -> RestEndpoint:
    async def handle_request(request: Request) -> Response:
        search = await parse_rest_search(request, platform)
        skipped = search.masks.pop("sip_connections_skip", None) or []
        leases = [row for row in platform.leases.table if row["sip_connection"] not in skipped]
        return success_response(search_rows(map(platform.leases.build_rest_row, leases), search, LEASE_SEARCH_FIELDS))

    return handle_request


def _show_lease_endpoint(platform: StandInPlatform, key: str) -> RestEndpoint:
    async def handle_request(request: Request) -> Response:
        return success_response(platform.leases.build_rest_row(platform.leases.get_lease(request.path_params[key])))

    return handle_request


def _change_lease_endpoint(platform: StandInPlatform, rest: RestRouter) -> RestEndpoint:
    async def handle_request(request: Request) -> Response:
        row = platform.leases.get_lease(request.path_params["lease"])
        fields = await parse_operation_values(request, rest.table.get_operation("numbers change"))
        drawers = (
            ("sip_control_app", platform.apps),
            ("sip_connection", platform.connections),
            ("messaging_profile", platform.messaging_profiles),
        )
        for name, drawer in drawers:
            if fields.get(name):
                drawer.get_row(fields[name])
        features = [feature for feature in row["features"] if fields.get(feature, True)]
        features += [name for name in LEASE_FEATURES if fields.get(name) and name not in features]
        other_fields = {name: value for name, value in fields.items() if name not in LEASE_FEATURES}
        changed = platform.leases.table.update_row(row["uuid"], {**other_fields, "features": features})
        return success_response(platform.leases.build_rest_row(changed))

    return handle_request


def _release_lease_endpoint(platform: StandInPlatform) -> RestEndpoint:
    async def handle_request(request: Request) -> Response:
        row = platform.leases.get_lease(request.path_params["lease"])
        return success_response(platform.leases.build_rest_row(platform.leases.table.remove_row(row["uuid"])))

    return handle_request


def _enable_sms_endpoint(platform: StandInPlatform, rest: RestRouter) -> RestEndpoint:
    async def handle_request(request: Request) -> Response:
        row = platform.leases.get_lease(request.path_params["number"])
        values = await parse_operation_values(request, rest.table.get_operation("numbers sms on"))
        platform.messaging_profiles.get_row(values["messaging_profile"])
        features = [*dict.fromkeys([*row["features"], "sms"])]
        fields = {"messaging_profile": values["messaging_profile"], "sms_campaign": values.get("sms_campaign")}
        changed = platform.leases.table.update_row(row["uuid"], {**fields, "features": features})
        return success_response(platform.leases.build_rest_row(changed))

    return handle_request


def _disable_sms_endpoint(platform: StandInPlatform) -> RestEndpoint:
    async def handle_request(request: Request) -> Response:
        row = platform.leases.get_lease(request.path_params["number"])
        features = [feature for feature in row["features"] if feature != "sms"]
        changed = {"messaging_profile": None, "sms_campaign": None, "features": features}
        return success_response(platform.leases.build_rest_row(platform.leases.table.update_row(row["uuid"], changed)))

    return handle_request


def add_assignment_endpoints(
    platform: StandInPlatform, rest: RestRouter, group: str, table: EntityTable, field: str
) -> None:
    """Add the endpoints that list and change the numbers of an app or a connection."""

    def list_assigned(uuid: str) -> list[EntityRow]:
        return [platform.leases.build_rest_row(row) for row in platform.leases.table if row[field] == uuid]

    async def show_assigned(request: Request) -> Response:
        return success_response(list_assigned(table.get_row(request.path_params["uuid"])["uuid"]))

    async def assign_leases(request: Request) -> Response:
        uuid = table.get_row(request.path_params["uuid"])["uuid"]
        values = await parse_operation_values(request, rest.table.get_operation(f"{group} numbers change"))
        added = [platform.leases.table.get_row(lease) for lease in values.get("add") or ()]
        removed = [platform.leases.table.get_row(lease) for lease in values.get("remove") or ()]
        for row in added:
            row[field] = uuid
        for row in removed:
            row[field] = None if row[field] == uuid else row[field]
        return success_response(list_assigned(uuid))

    rest.add_endpoint(f"{group} numbers list", show_assigned)
    rest.add_endpoint(f"{group} numbers change", assign_leases)
