"""REST endpoints of SIP Control Apps: assigned numbers, static documents, calls, logs, and XML for live calls."""

from __future__ import annotations

from typing import TYPE_CHECKING

from callflows.stand_in import stand_in_rules
from callflows.stand_in.call_registry import check_readable
from callflows.stand_in.number_endpoints import make_assignment_route
from callflows.stand_in.request_bodies import AppChangesBody, NewAppBody
from callflows.stand_in.response_envelopes import field_refusal, not_found_refusal, success_response
from callflows.stand_in.rest_routing import make_crud_routes, parse_rest_body, parse_rest_file
from callflows.stand_in.row_search import CALL_SEARCH_FIELDS, LOG_SEARCH_FIELDS, SearchBody, search_rows

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

    from callflows.stand_in.call_registry import CallRegistry
    from callflows.stand_in.entity_store import EntityRow
    from callflows.stand_in.rest_routing import RestEndpoint, RestRouter
    from callflows.stand_in.stand_in_platform import StandInPlatform


SIP_PRODUCTS = ({"product": 1, "uuid": "1", "name": "SIP"}, {"product": 2, "uuid": "2", "name": "SIP TLS"})


def make_app_routes(platform: StandInPlatform, calls: CallRegistry, rest: RestRouter) -> list[Route]:
    """Return the routes under ``/sip/app``, ``/call`` and ``/sip/product``."""
    # Starlette takes the first match, so fixed paths stand before paths with parameters.
    document = "/sip/app/call/flow/{uuid}"
    return [
        rest.make_route("/call/sca/{uuid}", POST=_push_document_endpoint(calls)),
        rest.make_route(
            document,
            GET=_show_document_endpoint(platform),
            POST=_store_document_endpoint(platform),
            DELETE=_remove_document_endpoint(platform),
        ),
        rest.make_route("/sip/app/call/online", GET=_list_live_calls_endpoint(calls)),
        rest.make_route("/sip/app/call/search", POST=_search_calls_endpoint(platform, calls, only_apps=True)),
        rest.make_route("/sip/app/call/{uuid}", GET=_show_call_endpoint(calls), POST=_push_document_endpoint(calls)),
        rest.make_route("/call/search", POST=_search_calls_endpoint(platform, calls, only_apps=False)),
        rest.make_route("/sip/app/{uuid}/logs", POST=_search_logs_endpoint(platform)),
        make_assignment_route(platform, rest, "/sip/app/{uuid}/tnlease", platform.apps, "sip_control_app"),
        rest.make_route("/sip/product", GET=_list_products),
        *make_crud_routes(
            rest,
            platform,
            "/sip/app",
            platform.apps,
            NewAppBody,
            AppChangesBody,
            check_fields=_check_product,
            on_removed=_make_removal_hook(platform),
        ),
    ]


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
        search = await parse_rest_body(request, SearchBody)
        platform.apply_rule(stand_in_rules.SEARCH_PAYLOAD_RULE)
        rows = (leg.build_entity() for leg in calls.iterate_legs() if leg.app or not only_apps)
        return success_response(search_rows(rows, search, CALL_SEARCH_FIELDS))

    return handle_request


def _search_logs_endpoint(platform: StandInPlatform) -> RestEndpoint:
    async def handle_request(request: Request) -> Response:
        uuid = platform.apps.get_row(request.path_params["uuid"])["uuid"]
        search = await parse_rest_body(request, SearchBody)
        platform.apply_rule(stand_in_rules.SEARCH_PAYLOAD_RULE)
        rows = ({k: v for k, v in row.items() if k != "app"} for row in [*platform.logs] if row["app"] == uuid)
        return success_response(search_rows(rows, search, LOG_SEARCH_FIELDS))

    return handle_request
