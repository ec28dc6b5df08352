"""SIP connections, SIP domains with their users, and outbound voice profiles. Source: API description of 2021."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from callflows.opentact import rest_paths
from callflows.opentact.pagination import fetch_list, parse_record
from callflows.opentact.rest_client import RestClient, RestRequest
from callflows.opentact.rest_records import OpentactRecord

if TYPE_CHECKING:
    from collections.abc import Sequence


SipDomainPart = Literal["user", "invite", "switch"]


class SipResourceApi:
    """Resources of one kind, each addressed by a key. Every method raises OpentactError."""

    def __init__(self, rest: RestClient, list_path: str, item_path: str, key_name: str = "uuid") -> None:
        self._rest = rest
        self._list_path = list_path
        self._item_path = item_path
        self._key_name = key_name

    async def list_all(self) -> list[OpentactRecord]:
        return await fetch_list(self._rest, OpentactRecord, self._list_path)

    async def get(self, key: str) -> OpentactRecord:
        return await self._fetch_record(RestRequest("GET", self._item_path, {self._key_name: key}, is_safe=True))

    async def create(self, **fields: Any) -> OpentactRecord:  # noqa: ANN401 - Opentact's own
        return await self._fetch_record(RestRequest("POST", self._list_path, body=fields))

    async def update(self, key: str, **fields: Any) -> OpentactRecord:  # noqa: ANN401 - Opentact's own
        return await self._fetch_record(RestRequest("PATCH", self._item_path, {self._key_name: key}, body=fields))

    async def delete(self, key: str) -> None:
        await self._rest.send_request(RestRequest("DELETE", self._item_path, {self._key_name: key}))

    async def _fetch_record(self, request: RestRequest) -> OpentactRecord:
        return parse_record(OpentactRecord, await self._rest.send_request(request) or {}, request)


class SipConnectionsApi(SipResourceApi):
    """SIP connections: trunks to a customer's own system."""

    def __init__(self, rest: RestClient) -> None:
        super().__init__(rest, rest_paths.CONNECTIONS_PATH, rest_paths.CONNECTION_PATH)

    async def assign_numbers(self, uuid: str, add: Sequence[str] = (), remove: Sequence[str] = ()) -> object:
        """Add numbers to a connection and remove others, by the ids of their leases."""
        body = {"add": [*add], "remove": [*remove]}
        return await self._rest.send_request(
            RestRequest("POST", rest_paths.CONNECTION_NUMBERS_PATH, {"uuid": uuid}, body=body)
        )


class SipDomainsApi(SipResourceApi):
    """SIP domains, as ``acme.sip.opentact.org``, addressed by name."""

    def __init__(self, rest: RestClient) -> None:
        super().__init__(rest, rest_paths.DOMAINS_PATH, rest_paths.DOMAIN_PATH, "domain")

    async def get_part(self, domain: str, part: SipDomainPart) -> object:
        """Return the users, the invites or the switch of a domain, in Opentact's own format."""
        return await self._rest.send_request(
            RestRequest("GET", rest_paths.DOMAIN_PART_PATH, {"domain": domain, "part": part}, is_safe=True)
        )

    async def add_part(self, domain: str, part: SipDomainPart, **fields: Any) -> object:  # noqa: ANN401 - Opentact's own
        """Add a user or an invite, or set the switch."""
        return await self._rest.send_request(
            RestRequest("POST", rest_paths.DOMAIN_PART_PATH, {"domain": domain, "part": part}, body=fields)
        )


class VoiceProfilesApi(SipResourceApi):
    """Outbound voice profiles: limits of cost and reach for calls made by Opentact."""

    def __init__(self, rest: RestClient) -> None:
        super().__init__(rest, rest_paths.VOICE_PROFILES_PATH, rest_paths.VOICE_PROFILE_PATH)
