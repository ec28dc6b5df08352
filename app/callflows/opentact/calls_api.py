"""Calls: live and finished calls of the account, and outbound calls made by Opentact."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from callflows.opentact.operation_group import OperationGroup
from callflows.opentact.pagination import MAX_PAGE_ROWS, fetch_list, fetch_record, search_records
from callflows.opentact.rest_records import OpentactRecord
from callflows.telephony.call_entity import CallEntity

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence


class CallsApi(OperationGroup):
    """Live and finished calls, and calls made by Opentact. Every method raises OpentactError."""

    async def list_live(self) -> list[CallEntity]:
        """Return the live calls (API description)."""
        return await fetch_list(self._rest, CallEntity, "apps calls online")

    async def get_call(self, uuid: str) -> CallEntity:
        """Return one call of an app (API description)."""
        return await fetch_record(self._rest, CallEntity, "calls show", {"uuid": uuid})

    def search_app_calls(self, *, take: int = MAX_PAGE_ROWS, **masks: Any) -> AsyncIterator[CallEntity]:  # noqa: ANN401 - Opentact's own
        """Iterate over calls of apps (API description); ``masks`` are search filters."""
        values, more = self._split_fields("apps calls search", masks)
        return search_records(self._rest, CallEntity, "apps calls search", values, more=more, take=take)

    def search_calls(self, *, take: int = MAX_PAGE_ROWS, **masks: Any) -> AsyncIterator[CallEntity]:  # noqa: ANN401 - Opentact's own
        """Iterate over calls of the account.

        Masks: ``direction, tn, created_on_from, created_on_to`` (source: a customer's program).
        """
        values, more = self._split_fields("calls search", masks)
        return search_records(self._rest, CallEntity, "calls search", values, more=more, take=take)

    async def push_document(self, uuid: str, document: bytes) -> object:
        """Let a live call continue with a document."""
        return await self._rest.call_operation("calls push", {"uuid": uuid, "file": document})

    async def call_numbers(self, profile: str, phones: Sequence[str], document: str, lease: str) -> OpentactRecord:
        """Call numbers and run a document with each (documented).

        ``profile`` is the id of an outbound voice profile; ``lease`` is the id of the lease whose number the callees see.
        """
        values = {"outbound_voice_profile": profile, "phones": [*phones], "xml": document, "tn_lease": lease}
        return await fetch_record(self._rest, OpentactRecord, "calls bulk", values)
