"""SIP connections, domains, users and invites; outbound voice profiles. Stored only: no call is routed by them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from callflows.stand_in import stand_in_rules
from callflows.stand_in.number_endpoints import make_assignment_route
from callflows.stand_in.request_bodies import (
    SipDomainBody,
    SipDomainChangesBody,
    SipInviteBody,
    SipUserBody,
    VoiceProfileBody,
)
from callflows.stand_in.response_envelopes import RestRefusal, not_found_refusal, success_response
from callflows.stand_in.rest_routing import make_crud_routes, parse_rest_body

if TYPE_CHECKING:
    from collections.abc import Callable

    from pydantic import BaseModel
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

    from callflows.stand_in.entity_store import EntityRow, EntityTable
    from callflows.stand_in.rest_routing import RestRouter
    from callflows.stand_in.stand_in_platform import StandInPlatform

    RowFinder = Callable[[str], EntityRow]


def make_sip_routes(platform: StandInPlatform, rest: RestRouter) -> list[Route]:
    """Return the routes under ``/sip/connection``, ``/sip/domain`` and ``/profile/outbound_voice``."""

    def find_domain(key: str) -> EntityRow:
        """Find a domain by name or UUID."""
        name = key.lower().removesuffix(".opentact.org").removesuffix(".sip")
        domain = next((row for row in platform.domains if row["domain"] in (name, key)), None)
        return domain or platform.domains.get_row(key)

    def check_domain(fields: EntityRow) -> None:
        if any(row["domain"] == fields.get("domain") for row in platform.domains):
            raise RestRefusal(409, f"SIP domain {fields['domain']} exists already")

    async def refuse_switch(request: Request) -> Response:
        find_domain(request.path_params["domain"])
        raise RestRefusal(501, f"{stand_in_rules.SWITCH_BODY_RULE.unknown}: the documentation does not say")

    profiles, connections, fields = platform.voice_profiles, platform.connections, VoiceProfileBody
    return [
        *make_crud_routes(rest, platform, "/profile/outbound_voice", profiles, fields, fields),
        make_assignment_route(platform, rest, "/sip/connection/{uuid}/tnlease", connections, "sip_connection"),
        *make_crud_routes(rest, platform, "/sip/connection", connections, fields, fields),
        *_make_domain_part_routes(rest, platform, find_domain, "user", platform.users, SipUserBody),
        *_make_domain_part_routes(rest, platform, find_domain, "invite", platform.invites, SipInviteBody),
        rest.make_route("/sip/domain/{domain}/switch", POST=refuse_switch),
        *make_crud_routes(
            rest,
            platform,
            "/sip/domain",
            platform.domains,
            SipDomainBody,
            SipDomainChangesBody,
            check_fields=check_domain,
            find_row=find_domain,
        ),
    ]


def _make_domain_part_routes(
    rest: RestRouter,
    platform: StandInPlatform,
    find_domain: RowFinder,
    part: str,
    table: EntityTable,
    new_model: type[BaseModel],
) -> list[Route]:
    """Return the routes of a domain's users or invites."""

    async def list_rows(request: Request) -> Response:
        uuid = find_domain(request.path_params["domain"])["uuid"]
        return success_response([_public_row(row) for row in table if row["domain"] == uuid])

    async def create_row(request: Request) -> Response:
        uuid = find_domain(request.path_params["domain"])["uuid"]
        fields = (await parse_rest_body(request, new_model)).model_dump(mode="json")
        platform.apply_rule(stand_in_rules.CREATION_STATUS_RULE)
        return success_response(_public_row(table.add_row({**fields, "domain": uuid})), 201)

    async def remove_row(request: Request) -> Response:
        uuid = find_domain(request.path_params["domain"])["uuid"]
        row = table.get_row(request.path_params["uuid"])
        if row["domain"] != uuid:
            raise not_found_refusal(table.entity_name)
        return success_response(_public_row(table.remove_row(row["uuid"])))

    path = f"/sip/domain/{{domain}}/{part}"
    return [rest.make_route(path, GET=list_rows, POST=create_row), rest.make_route(f"{path}/{{uuid}}", DELETE=remove_row)]


def _public_row(row: EntityRow) -> EntityRow:
    """Remove the domain and the password, which no response may contain."""
    return {name: value for name, value in row.items() if name not in ("domain", "password")}
