"""SIP connections, domains, users, invitations and switches; outbound voice profiles. Stored only: no call is routed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from callflows.stand_in.crud_endpoints import CrudEndpoints
from callflows.stand_in.number_endpoints import add_assignment_endpoints
from callflows.stand_in.response_envelopes import RestRefusal, success_response

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from callflows.stand_in.entity_store import EntityRow
    from callflows.stand_in.rest_routing import RestRouter
    from callflows.stand_in.stand_in_platform import StandInPlatform


_NEW_ACTIVE_ROW: Final = {"is_active": True}
_NEW_DOMAIN: Final[dict[str, Any]] = {"sip_connection": None, "sip_control_app": None, "outbound_voice_profile": None}


def add_sip_endpoints(platform: StandInPlatform, rest: RestRouter) -> None:
    """Add the endpoints of SIP connections, domains and their parts, and of outbound voice profiles."""

    def find_domain(key: str) -> EntityRow:
        """Find a domain by name or UUID."""
        name = _shorten_domain(key)
        domain = next((row for row in platform.domains if _shorten_domain(row["domain"]) == name), None)
        return domain or platform.domains.get_row(key)

    def check_domain(fields: EntityRow) -> None:
        if "domain" in fields and any(
            _shorten_domain(row["domain"]) == _shorten_domain(fields["domain"]) for row in platform.domains
        ):
            raise RestRefusal(409, f"SIP domain {fields['domain']} exists already")
        drawers = {
            "sip_connection": platform.connections,
            "sip_control_app": platform.apps,
            "outbound_voice_profile": platform.voice_profiles,
        }
        for name, drawer in drawers.items():
            if fields.get(name):
                drawer.get_row(fields[name])

    async def show_route(request: Request) -> Response:
        domain, lease = find_domain(request.path_params["domain"]), platform.leases.get_lease(request.path_params["tn"])
        return success_response({"tn": lease["tn"]["tn"], "domain": domain["domain"], "tech_prefix": "0001"})

    rest.add_endpoint("domains route", show_route)
    CrudEndpoints(
        rest=rest, platform=platform, group="profiles voice", table=platform.voice_profiles, defaults=_NEW_ACTIVE_ROW
    ).add_to_router()
    add_assignment_endpoints(platform, rest, "connections", platform.connections, "sip_connection")
    CrudEndpoints(
        rest=rest, platform=platform, group="connections", table=platform.connections, defaults=_NEW_ACTIVE_ROW
    ).add_to_router()
    CrudEndpoints(
        rest=rest,
        platform=platform,
        group="domains",
        table=platform.domains,
        defaults=_NEW_DOMAIN,
        check_fields=check_domain,
        find_row=find_domain,
    ).add_to_router()
    parts = (("users", platform.users), ("invites", platform.invites), ("switches", platform.switches))
    for group, table in parts:
        # No answer contains a password.
        CrudEndpoints(
            rest=rest,
            platform=platform,
            group=group,
            table=table,
            find_owner=find_domain,
            hidden_fields=frozenset({"password"}),
        ).add_to_router()


def _shorten_domain(name: str) -> str:
    """Return a domain at Opentact without its ending, in lower case: Opentact's pages show two endings."""
    return name.lower().removesuffix(".opentact.org").removesuffix(".sip")
