"""SIP Control Apps: the link between numbers and the URL that answers their calls. Also logs and static documents."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from callflows.opentact.operation_group import OperationGroup
from callflows.opentact.pagination import MAX_PAGE_ROWS, fetch_list, fetch_record, search_records
from callflows.opentact.rest_records import ElementExecution, OpentactApp, OpentactRecord

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence


class AppsApi(OperationGroup):
    """SIP Control Apps. Every method raises OpentactError. Source: API description of 2021."""

    async def list_all(self) -> list[OpentactApp]:
        return await fetch_list(self._rest, OpentactApp, "apps list")

    async def get_app(self, uuid: str) -> OpentactApp:
        return await fetch_record(self._rest, OpentactApp, "apps show", {"uuid": uuid})

    async def create_app(self, name: str, product: object, **fields: Any) -> OpentactApp:  # noqa: ANN401 - Opentact's own
        """Create an app; ``product`` identifies an entry of ``list_products``."""
        values, more = self._split_fields("apps create", {"name": name, "is_active": True, **fields})
        return await fetch_record(self._rest, OpentactApp, "apps create", {**values, "product": product}, more)

    async def update_app(self, uuid: str, **fields: Any) -> OpentactApp:  # noqa: ANN401 - Opentact's own
        """Change fields such as ``call_flow_url``, ``call_flow_method``, ``call_flow_request_timeout`` (milliseconds)."""
        values, more = self._split_fields("apps change", fields)
        return await fetch_record(self._rest, OpentactApp, "apps change", {"uuid": uuid, **values}, more)

    async def delete_app(self, uuid: str) -> None:
        await self._rest.call_operation("apps delete", {"uuid": uuid})

    async def list_products(self) -> list[OpentactRecord]:
        """Return the products available for new apps."""
        return await fetch_list(self._rest, OpentactRecord, "apps products")

    async def list_leases(self, uuid: str) -> object:
        """Return an app's numbers in Opentact's own format."""
        return await self._rest.call_operation("apps numbers list", {"uuid": uuid})

    async def assign_numbers(self, uuid: str, add: Sequence[str] = (), remove: Sequence[str] = ()) -> object:
        """Add numbers to an app and remove others, by the ids of their leases."""
        return await self._rest.call_operation("apps numbers change", {"uuid": uuid, "add": [*add], "remove": [*remove]})

    async def get_document(self, uuid: str) -> str:
        """Return the static document stored for an app, or an empty text."""
        payload = await self._rest.call_operation("apps document show", {"uuid": uuid})
        return payload if isinstance(payload, str) else ""

    async def store_document(self, uuid: str, document: bytes) -> None:
        """Store a static document. Opentact does not document whether the document or the app's URL takes precedence."""
        await self._rest.call_operation("apps document store", {"uuid": uuid, "file": document})

    async def delete_document(self, uuid: str) -> None:
        await self._rest.call_operation("apps document delete", {"uuid": uuid})

    def search_executions(self, uuid: str, *, take: int = MAX_PAGE_ROWS, **masks: Any) -> AsyncIterator[ElementExecution]:  # noqa: ANN401 - Opentact's own
        """Iterate over the elements executed for an app's calls; the mask ``call`` is the id of one call."""
        values, more = self._split_fields("apps logs", masks)
        return search_records(self._rest, ElementExecution, "apps logs", {"uuid": uuid, **values}, more=more, take=take)
