"""Lists and searches: rows as records, page after page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeVar

from pydantic import ValidationError

from app.errors import Unintelligible
from app.opentact.answers import rows_of
from app.opentact.records import Record
from app.opentact.rest import Request, Rest

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

R = TypeVar("R", bound=Record)
MOST: Final = 100
"""Rows that a page may have (documented: 1-100)."""


def record_of(kind: type[R], payload: object, request: Request) -> R:
    """A payload as a record. Raises Unintelligible."""
    if not isinstance(payload, dict):
        raise Unintelligible("the answer does not describe anything", request=str(request))
    try:
        return kind.model_validate(payload)
    except ValidationError:
        raise Unintelligible("the answer cannot be read", request=str(request)) from None


async def listed(rest: Rest, kind: type[R], path: str, query: Mapping[str, str] | None = None) -> list[R]:
    """All rows of a list that has no pages. Raises OpentactError."""
    request = Request("GET", path, query=query or {}, safe=True)
    rows, _ = rows_of(await rest.ask(request), str(request))
    return [record_of(kind, row, request) for row in rows]


async def searched(
    rest: Rest,
    kind: type[R],
    path: str,
    body: Mapping[str, Any],
    *,
    names: Mapping[str, str] | None = None,
    take: int = MOST,
    skip: int = 0,
) -> AsyncIterator[R]:
    """The rows of a search, of which ``take`` (1-100) are asked for at once. Raises OpentactError.

    It ends where Opentact says that there are no more, else with a page that is empty or repeats the one before: a page
    may have fewer rows than were asked for.
    """
    if not 1 <= take <= MOST:
        raise ValueError(f"take: a page has 1 to {MOST} rows")
    before: list[dict[str, Any]] = []
    while True:
        request = Request("POST", path, names=names or {}, body={**body, "take": take, "skip": skip}, safe=True)
        rows, total = rows_of(await rest.ask(request), str(request))
        if not rows or rows == before:
            return
        for row in rows:
            yield record_of(kind, row, request)
        skip += len(rows)
        if total is not None and skip >= total:
            return
        before = rows
