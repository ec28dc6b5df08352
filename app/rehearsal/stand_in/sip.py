"""SIP connections, domains, users and invites; outbound voice profiles: kept as given, no call is routed by them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.rehearsal.stand_in import silences
from app.rehearsal.stand_in.answers import Refused, answered, not_found
from app.rehearsal.stand_in.apps import numbers
from app.rehearsal.stand_in.bodies import Domain, DomainFields, Invite, User, VoiceFields
from app.rehearsal.stand_in.kinds import crud
from app.rehearsal.stand_in.requests import body_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from pydantic import BaseModel
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

    from app.rehearsal.stand_in.drawers import Drawer, Row
    from app.rehearsal.stand_in.platform import Platform
    from app.rehearsal.stand_in.requests import Rest

    Finds = Callable[[str], Row]


def routes(platform: Platform, rest: Rest) -> list[Route]:
    """``/sip/connection``, ``/sip/domain`` and ``/profile/outbound_voice``."""

    def domain(written: str) -> Row:
        """A domain by its name or identity."""
        name = written.lower().removesuffix(".opentact.org").removesuffix(".sip")
        found = next((row for row in platform.domains if row["domain"] in (name, written)), None)
        return found or platform.domains.of(written)

    def check(fields: Row) -> None:
        if any(row["domain"] == fields.get("domain") for row in platform.domains):
            raise Refused(409, f"SIP domain {fields['domain']} exists already")

    async def switch(request: Request) -> Response:
        domain(request.path_params["domain"])
        raise Refused(501, f"{silences.SWITCH.unknown}: the documentation does not say")

    profiles, connections, fields = platform.voice_profiles, platform.connections, VoiceFields
    return [
        *crud(rest, platform, "/profile/outbound_voice", profiles, fields, fields),
        numbers(platform, rest, "/sip/connection/{uuid}/tnlease", connections, "sip_connection"),
        *crud(rest, platform, "/sip/connection", connections, fields, fields),
        *_inside(rest, platform, domain, "user", platform.users, User),
        *_inside(rest, platform, domain, "invite", platform.invites, Invite),
        rest.route("/sip/domain/{domain}/switch", POST=switch),
        *crud(rest, platform, "/sip/domain", platform.domains, Domain, DomainFields, check=check, named=domain),
    ]


def _inside(rest: Rest, platform: Platform, domain: Finds, part: str, drawer: Drawer, new: type[BaseModel]) -> list[Route]:
    """What belongs to a domain."""

    async def all_of(request: Request) -> Response:
        uuid = domain(request.path_params["domain"])["uuid"]
        return answered([_shown(row) for row in drawer if row["domain"] == uuid])

    async def make(request: Request) -> Response:
        uuid = domain(request.path_params["domain"])["uuid"]
        fields = (await body_of(request, new)).model_dump(mode="json")
        platform.decide(silences.CREATED)
        return answered(_shown(drawer.add({**fields, "domain": uuid})), 201)

    async def remove(request: Request) -> Response:
        uuid = domain(request.path_params["domain"])["uuid"]
        row = drawer.of(request.path_params["uuid"])
        if row["domain"] != uuid:
            raise not_found(drawer.what)
        return answered(_shown(drawer.remove(row["uuid"])))

    path = f"/sip/domain/{{domain}}/{part}"
    return [rest.route(path, GET=all_of, POST=make), rest.route(f"{path}/{{uuid}}", DELETE=remove)]


def _shown(row: Row) -> Row:
    """Without its domain, and never with a password."""
    return {name: value for name, value in row.items() if name not in ("domain", "password")}
