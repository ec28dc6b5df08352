"""Undocumented."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from callflows.opentact import rest_paths
from callflows.opentact.numbers_api import format_number_integer
from callflows.opentact.pagination import MAX_PAGE_ROWS, fetch_list, parse_record, search_records
from callflows.opentact.rest_client import RestClient, RestRequest, request_undocumented
from callflows.opentact.rest_records import OpentactCall, OpentactRecord

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence


class OutboundCallsApi:
    """Calls that Opentact makes. All raise OpentactError."""

    def __init__(self, rest: RestClient) -> None:
        self._rest = rest

    async def call_numbers(self, profile: str, phones: Sequence[str], document: str, lease: str) -> OpentactRecord:
        """Call numbers, and run a document with each (documented); ``profile`` is an outbound voice profile's id.

        ``lease`` is the id of the lease whose number they see.
        """
        numbers = [format_number_integer(phone) for phone in phones]
        body = {"outbound_voice_profile": profile, "phones": numbers, "xml": document, "tn_lease": lease}
        request = RestRequest("POST", rest_paths.BATCHES_PATH, body=body)
        return parse_record(OpentactRecord, await self._rest.send_request(request) or {}, request)

    async def call_number(self, body: object = None) -> object:
        """Call one number. Raises NotDocumented: its path is lost; a batch of one does it."""
        return await request_undocumented(self._rest, "one call", body)

    async def bridge_calls(self, body: object = None) -> object:
        """Join two calls. Raises NotDocumented: its path is lost."""
        return await request_undocumented(self._rest, "a bridge between two calls", body)


class CallsApi:
    """Calls, live and over. All raise OpentactError."""

    def __init__(self, rest: RestClient) -> None:
        self._rest = rest

    async def list_live(self) -> list[OpentactCall]:
        """Those that are live (API description)."""
        return await fetch_list(self._rest, OpentactCall, rest_paths.LIVE_CALLS_PATH)

    async def get_call(self, uuid: str) -> OpentactCall:
        """One of an app (API description)."""
        request = RestRequest("GET", rest_paths.APP_CALL_PATH, {"uuid": uuid}, is_safe=True)
        return parse_record(OpentactCall, await self._rest.send_request(request), request)

    def search_app_calls(self, *, take: int = MAX_PAGE_ROWS, **masks: Any) -> AsyncIterator[OpentactCall]:  # noqa: ANN401 - Opentact's own
        """Those of apps that fit masks (API description)."""
        return search_records(self._rest, OpentactCall, rest_paths.APP_CALL_SEARCH_PATH, masks, take=take)

    def search_calls(self, *, take: int = MAX_PAGE_ROWS, **masks: Any) -> AsyncIterator[OpentactCall]:  # noqa: ANN401 - Opentact's own
        """Those of the account: ``direction, tn, created_on_from, created_on_to`` (a customer's program)."""
        return search_records(self._rest, OpentactCall, rest_paths.CALL_SEARCH_PATH, masks, take=take)

    async def push_document(self, uuid: str, document: bytes) -> object:
        """Have a live call go on with a document (a customer's program; another path is in the API description)."""
        return await self._rest.send_request(RestRequest("POST", rest_paths.PUSH_PATH, {"uuid": uuid}, file=document))
