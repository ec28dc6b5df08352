"""REST endpoints of numbers: search, orders and leases."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from callflows.stand_in import event_delivery, stand_in_rules
from callflows.stand_in.request_bodies import AssignmentBody, EnableSmsBody, LeaseChangesBody, NumberSearchBody, OrderBody
from callflows.stand_in.response_envelopes import RestRefusal, field_refusal, not_found_refusal, success_response
from callflows.stand_in.rest_routing import parse_rest_body, parse_rest_changes
from callflows.stand_in.row_search import LEASE_SEARCH_FIELDS, ORDER_SEARCH_FIELDS, SearchBody, search_rows
from callflows.stand_in.stand_in_account import list_orderable_numbers

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

    from callflows.stand_in.entity_store import EntityRow, EntityTable
    from callflows.stand_in.rest_routing import RestEndpoint, RestRouter
    from callflows.stand_in.stand_in_platform import StandInPlatform


KEYPAD_LETTERS: Final = str.maketrans("abcdefghijklmnopqrstuvwxyz", "22233344455566677778889999")
EXACT_NUMBER_FIELDS: Final = ("type", "country", "state", "rate_center", "npa", "nxx", "line")


def make_number_routes(platform: StandInPlatform, rest: RestRouter) -> list[Route]:
    """Return the routes under ``/tn/search``, ``/order`` and ``/lease/tn``."""
    sms = rest.make_route(
        "/lease/tn/{lease}/subscription/sms", POST=_enable_sms_endpoint(platform), DELETE=_disable_sms_endpoint(platform)
    )
    return [
        rest.make_route("/tn/search", POST=_search_numbers_endpoint(platform)),
        rest.make_route("/order", POST=_order_endpoint(platform)),
        rest.make_route("/order/search", POST=_search_orders_endpoint(platform)),
        rest.make_route("/lease/tn/search", POST=_search_leases_endpoint(platform)),
        sms,
        rest.make_route(
            "/lease/tn/{lease}",
            GET=_show_lease_endpoint(platform),
            PATCH=_change_lease_endpoint(platform),
            DELETE=_release_lease_endpoint(platform),
        ),
    ]


def _search_numbers_endpoint(platform: StandInPlatform) -> RestEndpoint:
    async def handle_request(request: Request) -> Response:
        given = await parse_rest_body(request, NumberSearchBody)
        take, skip = _parse_page(request, given)
        platform.apply_rule(stand_in_rules.SEARCH_MASKS_RULE)
        leased = {row["tn"]["tn"] for row in platform.leases.table}
        rows = [row for row in list_orderable_numbers() if row["tn"] not in leased and _matches_search(row, given)]
        return success_response({"take": take, "skip": skip, "total": len(rows), "data": rows[skip : skip + take]})

    return handle_request


def _parse_page(request: Request, body: NumberSearchBody) -> tuple[int, int]:
    """Return size and offset, from the body or from ``?page&size``; pages count from 1."""
    if "size" not in request.query_params and "page" not in request.query_params:
        return body.take, body.skip
    try:
        size, page = int(request.query_params.get("size", 10)), int(request.query_params.get("page", 1))
    except ValueError:
        raise field_refusal("page", "invalid integer number", request.url.query) from None
    if not 1 <= size <= 100:  # noqa: PLR2004 - the limits of ``take``
        raise field_refusal("size", "must be 1 to 100", size)
    if page < 1:
        raise field_refusal("page", "must be 1 or more", page)
    return size, size * (page - 1)


def _matches_search(row: EntityRow, body: NumberSearchBody) -> bool:
    wanted: dict[str, Any] = body.model_dump(include={*EXACT_NUMBER_FIELDS}, exclude_none=True)
    wanted |= {"state": body.province} if body.province else {}
    same = all(str(row[name]).lower() == str(value).lower() for name, value in wanted.items())
    city = not body.city or body.city.lower() in row["city"].lower()
    features = set(body.features) <= set(row["features"])
    return same and city and features and not body.postal_code and _matches_pattern(row, body)


def _matches_pattern(row: EntityRow, body: NumberSearchBody) -> bool:
    """Return whether the pattern occurs in the ten digits; ``*`` is any text, ``%`` one digit."""
    if not body.pattern:
        return True
    pattern = body.pattern.lower()
    pattern = pattern.translate(KEYPAD_LETTERS) if body.abc_search else pattern
    expression = "".join({"*": ".*", "%": "."}.get(sign, re.escape(sign)) for sign in pattern)
    return re.search(expression, str(row["tn"])[1:]) is not None


def _order_endpoint(platform: StandInPlatform) -> RestEndpoint:
    async def handle_request(request: Request) -> Response:
        given = await parse_rest_body(request, OrderBody)
        orderable_numbers = {row["tn"] for row in list_orderable_numbers()}
        for item in given.items:
            if platform.leases.find_by_number(item.tn) is not None:
                raise RestRefusal(409, f"TN {item.tn} is leased already")
            if int(item.tn) not in orderable_numbers:
                raise not_found_refusal(f"TN {item.tn}")
        cost = len(given.items) * stand_in_rules.COST_PER_NUMBER
        platform.account.check_balance(cost)
        platform.apply_rule(stand_in_rules.CREATION_STATUS_RULE)
        items = [
            _lease_ordered_number(platform, int(item.tn), item.list_features(), autorenew=item.autorenew)
            for item in given.items
        ]
        order = platform.orders.add_row({"state": "success", "items": items})
        platform.account.charge_balance(cost, "tn_order")
        platform.report_undocumented_event(stand_in_rules.ORDER_EVENT_RULE, event_delivery.build_order_event(order))
        return success_response(order, 201)

    return handle_request


def _lease_ordered_number(platform: StandInPlatform, number: int, features: list[str], *, autorenew: bool) -> EntityRow:
    lease = platform.leases.add_lease(number, features=features, autorenew=autorenew)
    return {"tn": number, "features": features, "autorenew": autorenew, "state": "success", "lease": lease["uuid"]}


def _search_orders_endpoint(platform: StandInPlatform) -> RestEndpoint:
    async def handle_request(request: Request) -> Response:
        search = await parse_rest_body(request, SearchBody)
        platform.apply_rule(stand_in_rules.SEARCH_PAYLOAD_RULE)
        return success_response(search_rows(platform.orders, search, ORDER_SEARCH_FIELDS))

    return handle_request


def _search_leases_endpoint(platform: StandInPlatform) -> RestEndpoint:
    async def handle_request(request: Request) -> Response:
        search = await parse_rest_body(request, SearchBody)
        platform.apply_rule(stand_in_rules.SEARCH_PAYLOAD_RULE)
        return success_response(
            search_rows(map(platform.leases.build_rest_row, platform.leases.table), search, LEASE_SEARCH_FIELDS)
        )

    return handle_request


def _show_lease_endpoint(platform: StandInPlatform) -> RestEndpoint:
    async def handle_request(request: Request) -> Response:
        return success_response(platform.leases.build_rest_row(platform.leases.get_lease(request.path_params["lease"])))

    return handle_request


def _change_lease_endpoint(platform: StandInPlatform) -> RestEndpoint:
    async def handle_request(request: Request) -> Response:
        row = platform.leases.get_lease(request.path_params["lease"])
        fields = await parse_rest_changes(request, LeaseChangesBody)
        for name, drawer in (("sip_control_app", platform.apps), ("sip_connection", platform.connections)):
            if fields.get(name):
                drawer.get_row(fields[name])
        return success_response(platform.leases.build_rest_row(platform.leases.table.update_row(row["uuid"], fields)))

    return handle_request


def _release_lease_endpoint(platform: StandInPlatform) -> RestEndpoint:
    async def handle_request(request: Request) -> Response:
        row = platform.leases.get_lease(request.path_params["lease"])
        return success_response(platform.leases.build_rest_row(platform.leases.table.remove_row(row["uuid"])))

    return handle_request


def _enable_sms_endpoint(platform: StandInPlatform) -> RestEndpoint:
    async def handle_request(request: Request) -> Response:
        row = platform.leases.get_lease(request.path_params["lease"])
        given = await parse_rest_body(request, EnableSmsBody)
        platform.messaging_profiles.get_row(given.messaging_profile)
        features = [*dict.fromkeys([*row["features"], "sms"])]
        changed = platform.leases.table.update_row(row["uuid"], {**given.model_dump(), "features": features})
        return success_response(platform.leases.build_rest_row(changed))

    return handle_request


def _disable_sms_endpoint(platform: StandInPlatform) -> RestEndpoint:
    async def handle_request(request: Request) -> Response:
        row = platform.leases.get_lease(request.path_params["lease"])
        features = [feature for feature in row["features"] if feature != "sms"]
        changed = {"messaging_profile": None, "sms_campaign": None, "features": features}
        return success_response(platform.leases.build_rest_row(platform.leases.table.update_row(row["uuid"], changed)))

    return handle_request


def make_assignment_route(platform: StandInPlatform, rest: RestRouter, path: str, table: EntityTable, field: str) -> Route:
    """Return the route that lists, adds and removes the numbers of an app or a connection."""

    def list_assigned(uuid: str) -> list[EntityRow]:
        return [platform.leases.build_rest_row(row) for row in platform.leases.table if row[field] == uuid]

    async def show_assigned(request: Request) -> Response:
        return success_response(list_assigned(table.get_row(request.path_params["uuid"])["uuid"]))

    async def assign_leases(request: Request) -> Response:
        uuid = table.get_row(request.path_params["uuid"])["uuid"]
        given = await parse_rest_body(request, AssignmentBody)
        added = [platform.leases.table.get_row(lease) for lease in given.add]
        taken = [platform.leases.table.get_row(lease) for lease in given.remove]
        for row in added:
            row[field] = uuid
        for row in taken:
            row[field] = None if row[field] == uuid else row[field]
        return success_response(list_assigned(uuid))

    return rest.make_route(path, GET=show_assigned, POST=assign_leases)
