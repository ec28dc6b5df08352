"""Lists and searches: rows parsed as records, page after page."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, Protocol, Self, TypeVar

from pydantic import ValidationError

from callflows.errors import OpentactResponseError
from callflows.opentact.rest_answers import parse_rows

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from datetime import datetime

    from callflows.opentact.rest_client import RestClient
    from callflows.opentact.rest_requests import RestRequest


class RestRecord(Protocol):
    """A record of an answer: an ``OpentactRecord``, a call or a message. ``raw`` is the object exactly as received."""

    @classmethod
    def from_raw(cls, raw: Mapping[str, Any]) -> Self:
        """Read a record. Raises pydantic's ValidationError."""

    @property
    def raw(self) -> Mapping[str, Any]: ...

    def list_timestamps(self) -> list[datetime]:
        """Return all known timestamps of the record."""


_PageRecordT = TypeVar("_PageRecordT", bound=RestRecord)
MAX_PAGE_ROWS: Final = 100
"""Limit of rows in a page (documented: 1-100)."""


def parse_record(record_type: type[_PageRecordT], payload: object, request: RestRequest) -> _PageRecordT:
    """Parse a payload as a record. Raises OpentactResponseError."""
    if not isinstance(payload, dict):
        raise OpentactResponseError("the answer does not describe anything", request=str(request))
    try:
        return record_type.from_raw(payload)
    except ValidationError:
        raise OpentactResponseError("the answer cannot be read", request=str(request)) from None


async def fetch_record(
    rest: RestClient,
    record_type: type[_PageRecordT],
    operation: str,
    values: Mapping[str, Any],
    more: Mapping[str, Any] | None = None,
) -> _PageRecordT:
    """Return the record that a call answers; a change may be answered with nothing. Raises OpentactError."""
    request = rest.build_request(operation, values, more)
    payload = await rest.send_request(request)
    return parse_record(record_type, payload if request.is_safe else payload or {}, request)


async def fetch_list(
    rest: RestClient, record_type: type[_PageRecordT], operation: str, values: Mapping[str, Any] | None = None
) -> list[_PageRecordT]:
    """Return all rows of a list without pages. Raises OpentactError."""
    request = rest.build_request(operation, values)
    rows, _ = parse_rows(await rest.send_request(request), str(request))
    return [parse_record(record_type, row, request) for row in rows]


async def search_records(
    rest: RestClient,
    record_type: type[_PageRecordT],
    operation: str,
    values: Mapping[str, Any],
    *,
    more: Mapping[str, Any] | None = None,
    take: int = MAX_PAGE_ROWS,
) -> AsyncIterator[_PageRecordT]:
    """Iterate over the rows of a search, ``take`` (1-100) in each request. Raises OpentactError.

    ``values`` are the call's fields; ``more`` are further masks. The search ends at the total reported by Opentact, or else
    at an empty or repeated page: a page may have fewer rows than requested, so a short page does not mean the end. A page
    that comes again, or has no rows, before the reported total is an error: rows would be missing without a word.
    """
    if not 1 <= take <= MAX_PAGE_ROWS:
        raise ValueError(f"take: a page has 1 to {MAX_PAGE_ROWS} rows")
    has_page_numbers = any(field.name == "page" for field in rest.table.get_operation(operation).fields)
    known_pages: set[str] = set()
    skip = 0
    while True:
        numbered = {"page": skip // take + 1, "size": take} if has_page_numbers else {}
        request = rest.build_request(operation, {**values, **numbered, "take": take, "skip": skip}, more)
        rows, total = parse_rows(await rest.send_request(request), str(request))
        page = json.dumps(rows, sort_keys=True)
        if not rows or page in known_pages:
            if total is not None and skip < total:
                raise _build_page_error(request, skip, total, is_empty=not rows)
            return
        known_pages.add(page)
        for row in rows:
            yield parse_record(record_type, row, request)
        skip += len(rows)
        if total is not None and skip >= total:
            return
        if has_page_numbers and skip == len(rows) < take:
            take = len(rows)  # Opentact's own size of a page, so that the next page begins after these rows


def _build_page_error(request: RestRequest, read: int, total: int, *, is_empty: bool) -> OpentactResponseError:
    what = "the next page is empty" if is_empty else "a page came again"
    return OpentactResponseError(
        f"Opentact reports {total} rows, but after {read} of them {what}: the others cannot be read",
        request=str(request),
        fix="callflows sends take and skip in the query and in the body; correct the call in opentact.yaml if they moved",
    )
