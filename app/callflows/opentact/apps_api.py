"""SIP Control Apps: the link between numbers and the URL that answers their calls. Also logs and static documents."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from callflows.opentact import rest_paths
from callflows.opentact.pagination import MAX_PAGE_ROWS, fetch_list, parse_record, search_records
from callflows.opentact.rest_client import RestClient, RestRequest
from callflows.opentact.rest_records import ElementExecution, OpentactApp, OpentactRecord

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence


class AppsApi:
    """SIP Control Apps. Every method raises OpentactError. Source: API description of 2021."""

    def __init__(self, rest: RestClient) -> None:
        self._rest = rest

    async def list_all(self) -> list[OpentactApp]:
        return await fetch_list(self._rest, OpentactApp, rest_paths.APPS_PATH)

    async def get_app(self, uuid: str) -> OpentactApp:
        return await self._fetch_app(RestRequest("GET", rest_paths.APP_PATH, {"uuid": uuid}, is_safe=True))

    async def create_app(self, name: str, product: object, **fields: Any) -> OpentactApp:  # noqa: ANN401 - Opentact's own
        """Create an app; ``product`` identifies an entry of ``list_products``."""
        # Opentact requires both trunk settings of a new app, so empty ones are sent.
        trunks: dict[str, Any] = {name: {} for name in rest_paths.APP_TRUNK_SETTINGS_FIELDS}
        body = {"name": name, "is_active": True, "product": product, **trunks, **fields}
        return await self._fetch_app(RestRequest("POST", rest_paths.APPS_PATH, body=body))

    async def update_app(self, uuid: str, **fields: Any) -> OpentactApp:  # noqa: ANN401 - Opentact's own
        """Change fields such as ``call_flow_url``, ``call_flow_method``, ``call_flow_request_timeout`` (milliseconds)."""
        return await self._fetch_app(RestRequest("PATCH", rest_paths.APP_PATH, {"uuid": uuid}, body=fields))

    async def delete_app(self, uuid: str) -> None:
        await self._rest.send_request(RestRequest("DELETE", rest_paths.APP_PATH, {"uuid": uuid}))

    async def list_products(self) -> list[OpentactRecord]:
        """Return the products available for new apps."""
        return await fetch_list(self._rest, OpentactRecord, rest_paths.PRODUCTS_PATH)

    async def list_leases(self, uuid: str) -> object:
        """Return an app's numbers in Opentact's own format."""
        return await self._rest.send_request(RestRequest("GET", rest_paths.APP_NUMBERS_PATH, {"uuid": uuid}, is_safe=True))

    async def assign_numbers(self, uuid: str, add: Sequence[str] = (), remove: Sequence[str] = ()) -> object:
        """Add numbers to an app and remove others, by the ids of their leases."""
        body = {"add": [*add], "remove": [*remove]}
        return await self._rest.send_request(RestRequest("POST", rest_paths.APP_NUMBERS_PATH, {"uuid": uuid}, body=body))

    async def get_document(self, uuid: str) -> str:
        """Return the static document stored for an app, or an empty text."""
        payload = await self._rest.send_request(
            RestRequest("GET", rest_paths.APP_DOCUMENT_PATH, {"uuid": uuid}, is_safe=True)
        )
        return payload if isinstance(payload, str) else ""

    async def store_document(self, uuid: str, document: bytes) -> None:
        """Store a static document. Opentact does not document whether the document or the app's URL takes precedence."""
        await self._rest.send_request(RestRequest("POST", rest_paths.APP_DOCUMENT_PATH, {"uuid": uuid}, file=document))

    async def delete_document(self, uuid: str) -> None:
        await self._rest.send_request(RestRequest("DELETE", rest_paths.APP_DOCUMENT_PATH, {"uuid": uuid}))

    def search_executions(self, uuid: str, *, take: int = MAX_PAGE_ROWS, **masks: Any) -> AsyncIterator[ElementExecution]:  # noqa: ANN401 - Opentact's own
        """Iterate over the elements executed for an app's calls."""
        return search_records(
            self._rest, ElementExecution, rest_paths.APP_LOGS_PATH, masks, path_parameters={"uuid": uuid}, take=take
        )

    async def _fetch_app(self, request: RestRequest) -> OpentactApp:
        return parse_record(OpentactApp, await self._rest.send_request(request), request)
