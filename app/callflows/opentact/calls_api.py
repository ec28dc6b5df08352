"""Calls: live and finished calls of the account, and outbound calls made by Opentact."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from callflows.opentact import rest_paths
from callflows.opentact.numbers_api import format_number_integer
from callflows.opentact.pagination import MAX_PAGE_ROWS, fetch_list, parse_record, search_records
from callflows.opentact.rest_client import RestClient, RestRequest, request_undocumented
from callflows.opentact.rest_records import OpentactRecord
from callflows.telephony.call_entity import CallEntity

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence


class OutboundCallsApi:
    """Calls made by Opentact. Every method raises OpentactError."""

    def __init__(self, rest: RestClient) -> None:
        self._rest = rest

    async def call_numbers(self, profile: str, phones: Sequence[str], document: str, lease: str) -> OpentactRecord:
        """Call numbers and run a document with each (documented).

        ``profile`` is the id of an outbound voice profile; ``lease`` is the id of the lease whose number the callees see.
        """
        numbers = [format_number_integer(phone) for phone in phones]
        body = {"outbound_voice_profile": profile, "phones": numbers, "xml": document, "tn_lease": lease}
        request = RestRequest("POST", rest_paths.BATCHES_PATH, body=body)
        return parse_record(OpentactRecord, await self._rest.send_request(request) or {}, request)

    async def call_number(self, body: object = None) -> object:
        """Call one number. Raises OpentactUndocumentedError while the path is unknown; use a batch of one instead."""
        return await request_undocumented(self._rest, "one call", body)

    async def bridge_calls(self, body: object = None) -> object:
        """Join two calls. Raises OpentactUndocumentedError while the path is unknown."""
        return await request_undocumented(self._rest, "a bridge between two calls", body)


class CallsApi:
    """Live and finished calls. Every method raises OpentactError."""

    def __init__(self, rest: RestClient) -> None:
        self._rest = rest

    async def list_live(self) -> list[CallEntity]:
        """Return the live calls (API description)."""
        return await fetch_list(self._rest, CallEntity, rest_paths.LIVE_CALLS_PATH)

    async def get_call(self, uuid: str) -> CallEntity:
        """Return one call of an app (API description)."""
        request = RestRequest("GET", rest_paths.APP_CALL_PATH, {"uuid": uuid}, is_safe=True)
        return parse_record(CallEntity, await self._rest.send_request(request), request)

    def search_app_calls(self, *, take: int = MAX_PAGE_ROWS, **masks: Any) -> AsyncIterator[CallEntity]:  # noqa: ANN401 - Opentact's own
        """Iterate over calls of apps (API description); ``masks`` are search filters."""
        return search_records(self._rest, CallEntity, rest_paths.APP_CALL_SEARCH_PATH, masks, take=take)

    def search_calls(self, *, take: int = MAX_PAGE_ROWS, **masks: Any) -> AsyncIterator[CallEntity]:  # noqa: ANN401 - Opentact's own
        """Iterate over calls of the account.

        Masks: ``direction, tn, created_on_from, created_on_to`` (source: a customer's program).
        """
        return search_records(self._rest, CallEntity, rest_paths.CALL_SEARCH_PATH, masks, take=take)

    async def push_document(self, uuid: str, document: bytes) -> object:
        """Let a live call continue with a document.

        The path is from a customer's program; the API description has another one.
        """
        return await self._rest.send_request(RestRequest("POST", rest_paths.PUSH_PATH, {"uuid": uuid}, file=document))
