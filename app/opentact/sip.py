"""SIP connections, SIP domains with their users, and outbound voice profiles. Source: API description of 2021."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from app.opentact import paths
from app.opentact.pages import listed, record_of
from app.opentact.records import Record
from app.opentact.rest import Request, Rest

if TYPE_CHECKING:
    from collections.abc import Sequence

Part = Literal["user", "invite", "switch"]


class Kept:
    """Things of one kind that an account keeps, each by its id. All raise OpentactError."""

    def __init__(self, rest: Rest, many: str, one: str, name: str = "uuid") -> None:
        self._rest = rest
        self._many = many
        self._one = one
        self._name = name

    async def all(self) -> list[Record]:
        """All of the account."""
        return await listed(self._rest, Record, self._many)

    async def get(self, which: str) -> Record:
        """One."""
        return await self._record(Request("GET", self._one, {self._name: which}, safe=True))

    async def create(self, **fields: Any) -> Record:  # noqa: ANN401 - Opentact's own
        """Make one."""
        return await self._record(Request("POST", self._many, body=fields))

    async def change(self, which: str, **fields: Any) -> Record:  # noqa: ANN401 - Opentact's own
        """Change these fields."""
        return await self._record(Request("PATCH", self._one, {self._name: which}, body=fields))

    async def delete(self, which: str) -> None:
        """Remove one."""
        await self._rest.ask(Request("DELETE", self._one, {self._name: which}))

    async def _record(self, request: Request) -> Record:
        return record_of(Record, await self._rest.ask(request) or {}, request)


class Connections(Kept):
    """SIP connections: a trunk to a system of the customer's own."""

    def __init__(self, rest: Rest) -> None:
        super().__init__(rest, paths.CONNECTIONS, paths.CONNECTION)

    async def assign(self, uuid: str, add: Sequence[str] = (), remove: Sequence[str] = ()) -> object:
        """Give numbers to a connection and take others away, by the ids of their leases."""
        body = {"add": [*add], "remove": [*remove]}
        return await self._rest.ask(Request("POST", paths.CONNECTION_NUMBERS, {"uuid": uuid}, body=body))


class Domains(Kept):
    """SIP domains, as ``acme.sip.opentact.org``, by their names."""

    def __init__(self, rest: Rest) -> None:
        super().__init__(rest, paths.DOMAINS, paths.DOMAIN, "domain")

    async def part(self, domain: str, part: Part) -> object:
        """The users, the invites or the switch of a domain, as Opentact describes them."""
        return await self._rest.ask(Request("GET", paths.DOMAIN_PART, {"domain": domain, "part": part}, safe=True))

    async def add(self, domain: str, part: Part, **fields: Any) -> object:  # noqa: ANN401 - Opentact's own
        """Add a user or an invite, or set the switch."""
        return await self._rest.ask(Request("POST", paths.DOMAIN_PART, {"domain": domain, "part": part}, body=fields))


class VoiceProfiles(Kept):
    """Outbound voice profiles: what calls that Opentact makes may cost and reach."""

    def __init__(self, rest: Rest) -> None:
        super().__init__(rest, paths.VOICE_PROFILES, paths.VOICE_PROFILE)
