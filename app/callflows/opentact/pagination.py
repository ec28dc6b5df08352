"""Lists and searches: rows parsed as records, page after page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Protocol, Self, TypeVar

from pydantic import ValidationError

from callflows.errors import OpentactResponseError
from callflows.opentact.rest_answers import parse_rows
from callflows.opentact.rest_client import RestClient, RestRequest

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from datetime import datetime


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


async def fetch_list(
    rest: RestClient, record_type: type[_PageRecordT], path: str, query: Mapping[str, str] | None = None
) -> list[_PageRecordT]:
    """Return all rows of a list without pages. Raises OpentactError."""
    request = RestRequest("GET", path, query=query or {}, is_safe=True)
    rows, _ = parse_rows(await rest.send_request(request), str(request))
    return [parse_record(record_type, row, request) for row in rows]


async def search_records(
    rest: RestClient,
    record_type: type[_PageRecordT],
    path: str,
    body: Mapping[str, Any],
    *,
    path_parameters: Mapping[str, str] | None = None,
    take: int = MAX_PAGE_ROWS,
    skip: int = 0,
) -> AsyncIterator[_PageRecordT]:
    """Iterate over the rows of a search, ``take`` (1-100) in each request. Raises OpentactError.

    The search ends at the total reported by Opentact, or else at an empty or repeated page: a page may have fewer rows than
    requested, so a short page does not mean the end.
    """
    if not 1 <= take <= MAX_PAGE_ROWS:
        raise ValueError(f"take: a page has 1 to {MAX_PAGE_ROWS} rows")
    before: list[dict[str, Any]] = []
    while True:
        request = RestRequest(
            "POST", path, path_parameters=path_parameters or {}, body={**body, "take": take, "skip": skip}, is_safe=True
        )
        rows, total = parse_rows(await rest.send_request(request), str(request))
        if not rows or rows == before:
            return
        for row in rows:
            yield parse_record(record_type, row, request)
        skip += len(rows)
        if total is not None and skip >= total:
            return
        before = rows
