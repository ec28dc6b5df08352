"""REST endpoints of authentication, API tokens, the account, TN profiles and rooms of web calls."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from callflows.stand_in import stand_in_rules
from callflows.stand_in.crud_endpoints import CrudEndpoints
from callflows.stand_in.response_envelopes import UNAUTHORIZED_MESSAGE, RestRefusal, success_response
from callflows.stand_in.rest_routing import parse_operation_values, parse_rest_json

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from callflows.stand_in.rest_routing import RestEndpoint, RestRouter
    from callflows.stand_in.stand_in_platform import StandInPlatform


_TN_PROFILES: Final = (("standard", False), ("toll-free", True))


def add_account_endpoints(platform: StandInPlatform, rest: RestRouter) -> None:
    """Add the endpoints of tokens, the account, TN profiles and rooms."""
    rest.add_endpoint("auth", _auth_endpoint(platform, rest), is_public=True)
    rest.add_endpoint("tokens create", _create_token_endpoint(platform, rest))
    rest.add_endpoint("tokens list", _list_tokens_endpoint(platform))
    rest.add_endpoint("tokens rename", _change_token_endpoint(platform, rest))
    rest.add_endpoint("tokens delete", _delete_token_endpoint(platform))
    rest.add_endpoint("tokens delete-all", _delete_all_tokens_endpoint(platform))
    rest.add_endpoint("account show", _show_account_endpoint(platform))
    rest.add_endpoint("account notifications", _notification_endpoint(platform))
    CrudEndpoints(rest=rest, platform=platform, group="account hours", table=platform.office_hours).add_to_router()
    _add_tn_profile_endpoints(platform, rest)
    CrudEndpoints(rest=rest, platform=platform, group="rooms", table=platform.rooms).add_to_router()


def _auth_endpoint(platform: StandInPlatform, rest: RestRouter) -> RestEndpoint:
    async def handle_request(request: Request) -> Response:
        scheme, _, basic = request.headers.get("authorization", "").partition(" ")
        token = platform.tokens.issue_jwt(basic.strip()) if scheme.lower() == "basic" else None
        headers = rest.table.get_operation("auth").list_fields("header")
        if token is None and any(request.headers.get(field.sent_name) for field in headers):
            platform.apply_rule(stand_in_rules.OTHER_SIGN_IN_RULE)
            token = platform.tokens.issue_owner_jwt()
        if token is None:
            raise RestRefusal(401, UNAUTHORIZED_MESSAGE)
        account = platform.account
        user = {**account.build_user(), "account": account.build_entity(), "wss_online": bool(platform.events.connections)}
        return success_response({"token": token, **user})

    return handle_request


def _create_token_endpoint(platform: StandInPlatform, rest: RestRouter) -> RestEndpoint:
    async def handle_request(request: Request) -> Response:
        values = await parse_operation_values(request, rest.table.get_operation("tokens create"))
        return success_response(platform.tokens.create_token(values["name"], values["ttl"]), 201)

    return handle_request


def _list_tokens_endpoint(platform: StandInPlatform) -> RestEndpoint:
    async def handle_request(_: Request) -> Response:
        return success_response(
            [{name: value for name, value in row.items() if name != "token"} for row in platform.tokens.created_rows]
        )

    return handle_request


def _change_token_endpoint(platform: StandInPlatform, rest: RestRouter) -> RestEndpoint:
    async def handle_request(request: Request) -> Response:
        values = await parse_operation_values(request, rest.table.get_operation("tokens rename"))
        row = platform.tokens.change_token(request.path_params["uuid"], values.get("name"), values.get("ttl"))
        return success_response({name: value for name, value in row.items() if name != "token"})

    return handle_request


def _delete_token_endpoint(platform: StandInPlatform) -> RestEndpoint:
    async def handle_request(request: Request) -> Response:
        platform.tokens.delete_token(request.path_params["token"])
        return success_response(None)

    return handle_request


def _delete_all_tokens_endpoint(platform: StandInPlatform) -> RestEndpoint:
    async def handle_request(_: Request) -> Response:
        platform.tokens.created_rows.clear()
        return success_response(None)

    return handle_request


def _show_account_endpoint(platform: StandInPlatform) -> RestEndpoint:
    async def handle_request(_: Request) -> Response:
        return success_response(platform.account.build_entity())

    return handle_request


def _notification_endpoint(platform: StandInPlatform) -> RestEndpoint:
    async def handle_request(request: Request) -> Response:
        body = await parse_rest_json(request)
        platform.apply_rule(stand_in_rules.BALANCE_NOTIFICATION_RULE)
        platform.events.reports_balance = any(body.values())
        return success_response(body)

    return handle_request


def _add_tn_profile_endpoints(platform: StandInPlatform, rest: RestRouter) -> None:
    for priority, (name, is_toll_free) in enumerate(_TN_PROFILES, 1):
        fields: dict[str, Any] = {"name": name, "description": f"{name} numbers", "is_active": True, "priority": priority}
        platform.tn_profiles.add_row({**fields, "toll_free": is_toll_free, "tn_search_validator": None})

    async def list_profiles(_: Request) -> Response:
        return success_response([*platform.tn_profiles])

    async def show_profile(request: Request) -> Response:
        return success_response(platform.tn_profiles.get_row(request.path_params["uuid"]))

    async def list_prices(_: Request) -> Response:
        return success_response([])

    rest.add_endpoint("profiles tn list", list_profiles)
    rest.add_endpoint("profiles tn show", show_profile)
    rest.add_endpoint("profiles tn prices", list_prices)
