"""REST endpoints of SIP Control Apps: assigned numbers, static documents, calls, logs, and XML for live calls."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from callflows.stand_in.call_registry import check_readable
from callflows.stand_in.crud_endpoints import CrudEndpoints
from callflows.stand_in.number_endpoints import add_assignment_endpoints
from callflows.stand_in.response_envelopes import field_refusal, not_found_refusal, success_response
from callflows.stand_in.rest_routing import parse_rest_file, parse_rest_search
from callflows.stand_in.row_search import CALL_SEARCH_FIELDS, LOG_SEARCH_FIELDS, search_rows

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request
    from starlette.responses import Response

    from callflows.stand_in.call_registry import CallRegistry
    from callflows.stand_in.entity_store import EntityRow
    from callflows.stand_in.rest_routing import RestEndpoint, RestRouter
    from callflows.stand_in.stand_in_platform import StandInPlatform


SIP_PRODUCTS: Final = tuple(
    {
        "id": number,
        "product": number,
        "uuid": str(number),
        "name": name,
        "description": f"Calls by {name}",
        "type": "sip",
        "tech_prefix": f"{number:04}",
    }
    for number, name in ((1, "SIP"), (2, "SIP TLS"))
)
NEW_APP_FIELDS: Final[dict[str, Any]] = {
    "is_active": True,
    "webhook_url": None,
    "webhook_method": "GET",
    "webhook_request_timeout": None,
    "call_flow_url": None,
    "call_flow_method": "GET",
    "call_flow_request_timeout": None,
    "class4_ingress_trunk_settings": {},
    "class4_egress_trunk_settings": {},
    "auto_answer": True,
    "max_call_length_min": None,
    "shaken_verify_policy": 0,
    "shaken_minimum_accepted_attest_lvl": "C",
}
"""Fields of an app that a request leaves out."""


def add_app_endpoints(platform: StandInPlatform, calls: CallRegistry, rest: RestRouter) -> None:
    """Add the endpoints of apps, their calls, and the calls of the account."""
    for name, endpoint in {
        "calls push": _push_document_endpoint(calls),
        "calls show": _show_call_endpoint(calls),
        "calls search": _search_calls_endpoint(platform, calls, only_apps=False),
        "apps document show": _show_document_endpoint(platform),
        "apps document store": _store_document_endpoint(platform),
        "apps document delete": _remove_document_endpoint(platform),
        "apps calls online": _list_live_calls_endpoint(calls),
        "apps calls search": _search_calls_endpoint(platform, calls, only_apps=True),
        "apps logs": _search_logs_endpoint(platform),
        "apps products": _list_products,
    }.items():
        rest.add_endpoint(name, endpoint)
    add_assignment_endpoints(platform, rest, "apps", platform.apps, "sip_control_app")
    CrudEndpoints(
        rest=rest,
        platform=platform,
        group="apps",
        table=platform.apps,
        defaults=NEW_APP_FIELDS,
        check_fields=_check_product,
        on_removed=_make_removal_hook(platform),
    ).add_to_router()


async def _list_products(_: Request) -> Response:
    return success_response([*SIP_PRODUCTS])


def _check_product(fields: EntityRow) -> None:
    known = [product["product"] for product in SIP_PRODUCTS]
    if "product" in fields and fields["product"] not in known:
        raise field_refusal("product", "no such product", fields["product"])


def _make_removal_hook(platform: StandInPlatform) -> Callable[[str], None]:
    def forget_app(uuid: str) -> None:
        platform.static_documents.pop(uuid, None)
        platform.leases.clear_references("sip_control_app", uuid)

    return forget_app


# Static documents


def _show_document_endpoint(platform: StandInPlatform) -> RestEndpoint:
    async def handle_request(request: Request) -> Response:
        uuid = platform.apps.get_row(request.path_params["uuid"])["uuid"]
        if uuid not in platform.static_documents:
            raise not_found_refusal("Call flow")
        return _document_response(platform, uuid)

    return handle_request


def _store_document_endpoint(platform: StandInPlatform) -> RestEndpoint:
    async def handle_request(request: Request) -> Response:
        uuid = platform.apps.get_row(request.path_params["uuid"])["uuid"]
        document = await parse_rest_file(request)
        check_readable(document, platform)
        platform.static_documents[uuid] = document
        return _document_response(platform, uuid)

    return handle_request


def _remove_document_endpoint(platform: StandInPlatform) -> RestEndpoint:
    async def handle_request(request: Request) -> Response:
        uuid = platform.apps.get_row(request.path_params["uuid"])["uuid"]
        if platform.static_documents.pop(uuid, None) is None:
            raise not_found_refusal("Call flow")
        return success_response(None)

    return handle_request


def _document_response(platform: StandInPlatform, uuid: str) -> Response:
    return success_response(platform.static_documents[uuid].decode(), url=f"https://documents.invalid/{uuid}.xml")


# Calls


def _push_document_endpoint(calls: CallRegistry) -> RestEndpoint:
    async def handle_request(request: Request) -> Response:
        uuid = calls.get_session(request.path_params["uuid"]).leg.uuid
        leg = calls.push_document(uuid, await parse_rest_file(request))
        return success_response(leg.build_entity(), 202)

    return handle_request


def _list_live_calls_endpoint(calls: CallRegistry) -> RestEndpoint:
    async def handle_request(_: Request) -> Response:
        return success_response([leg.build_entity() for leg in calls.list_live_legs() if leg.app])

    return handle_request


def _show_call_endpoint(calls: CallRegistry) -> RestEndpoint:
    async def handle_request(request: Request) -> Response:
        return success_response(calls.get_leg(request.path_params["uuid"]).build_entity())

    return handle_request


def _search_calls_endpoint(platform: StandInPlatform, calls: CallRegistry, *, only_apps: bool) -> RestEndpoint:
    async def handle_request(request: Request) -> Response:
        search = await parse_rest_search(request, platform)
        rows = (leg.build_entity() for leg in calls.iterate_legs() if leg.app or not only_apps)
        return success_response(search_rows(rows, search, CALL_SEARCH_FIELDS))

    return handle_request


def _search_logs_endpoint(platform: StandInPlatform) -> RestEndpoint:
    async def handle_request(request: Request) -> Response:
        uuid = platform.apps.get_row(request.path_params["uuid"])["uuid"]
        search = await parse_rest_search(request, platform)
        rows = ({k: v for k, v in row.items() if k != "app"} for row in [*platform.logs] if row["app"] == uuid)
        return success_response(search_rows(rows, search, LOG_SEARCH_FIELDS))

    return handle_request
