"""Searches with take, skip, mode, order and masks. platform 5."""

from __future__ import annotations

import fnmatch
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from callflows.stand_in.response_envelopes import field_refusal
from callflows.text import format_suggestion

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from callflows.stand_in.entity_store import EntityRow


_RANGE_FIELD: Final = re.compile(r"(\w+_on)_(from|to)")
CREATION_FIELDS: Final = ("created_on", "modified_on", "uuid")
CALL_SEARCH_FIELDS: Final = (
    *CREATION_FIELDS,
    "direction",
    "tn",
    "from",
    "to",
    "state",
    "type",
    "sip_control_app",
    "thread",
    "q850_cause",
)
SMS_SEARCH_FIELDS: Final = (
    *CREATION_FIELDS,
    "type",
    "tn",
    "from",
    "to",
    "message",
    "state",
    "delivered",
    "thread",
    "reason",
    "readed",
    "reference_id",
)
LEASE_SEARCH_FIELDS: Final = (*CREATION_FIELDS, "tn", "autorenew", "sip_connection", "sip_control_app")
ORDER_SEARCH_FIELDS: Final = (*CREATION_FIELDS, "state", "tn")
LOG_SEARCH_FIELDS: Final = (*CREATION_FIELDS, "name", "success", "from", "tn", "command", "call", "state")


class SearchBody(BaseModel):
    """The body of a search; additional fields are masks by field name, or ranges ``…_on_from`` and ``…_on_to``."""

    model_config = ConfigDict(extra="allow")

    take: Annotated[int, Field(ge=1, le=100)] = 10
    skip: Annotated[int, Field(ge=0)] = 0
    mode: Literal["AND", "OR"] = "AND"
    order: dict[str, Literal["ASC", "DESC"]] = {}

    @property
    def masks(self) -> dict[str, Any]:
        """Masks and ranges by field name."""
        return self.model_extra or {}


def choose_page_values(
    body: dict[str, Any], query: Mapping[str, str], pages: Literal["query", "body", "both"]
) -> dict[str, Any]:
    """Return a search's body with ``take`` and ``skip`` from the place that the platform reads.

    If it reads both, the query wins.
    """
    named = {name: query[name] for name in ("take", "skip") if name in query}
    if pages == "body":
        return body
    if pages == "query":
        body = {name: value for name, value in body.items() if name not in ("take", "skip")}
    return {**body, **named}


def search_rows(rows: Iterable[EntityRow], search: SearchBody, fields: Collection[str]) -> dict[str, Any]:
    """Return the requested page of matching rows. Raises RestRefusal for an unknown field."""
    for name in search.order:
        _check_field(f"order.{name}", name, fields)
    masks = {name: value for name, value in search.masks.items() if value is not None}
    for name, value in masks.items():
        span = _RANGE_FIELD.fullmatch(name)
        _check_field(name, span[1] if span and name not in fields else name, fields)
        if span and name not in fields:
            _parse_time(name, value)
    fits = any if masks and search.mode == "OR" else all
    matching_rows = [row for row in rows if fits(_matches_mask(row, name, value, fields) for name, value in masks.items())]
    for name, way in reversed(search.order.items()):
        matching_rows.sort(
            key=lambda row, name=name: _sort_key(_field_value(row, name)),  # type: ignore[misc]
            reverse=way == "DESC",
        )
    page = matching_rows[search.skip : search.skip + search.take]
    return {"take": search.take, "skip": search.skip, "total": len(matching_rows), "data": page}


def _check_field(parameter: str, name: str, fields: Collection[str]) -> None:
    if name not in fields:
        near = format_suggestion(name, sorted(fields)) or f"there are {', '.join(sorted(fields))}"
        raise field_refusal(parameter, f"no such field ({near})", name)


def _matches_mask(row: EntityRow, name: str, mask: object, fields: Collection[str]) -> bool:
    span = _RANGE_FIELD.fullmatch(name)
    if span and name not in fields:
        field_time, bound = _parse_time(span[1], _field_value(row, span[1])), _parse_time(name, mask)
        if field_time is None or bound is None:
            return False
        return field_time >= bound if span[2] == "from" else field_time <= bound
    value = _field_value(row, name)
    if isinstance(value, bool) or isinstance(mask, bool):
        return value is mask or str(value).lower() == str(mask).lower()
    return value is not None and fnmatch.fnmatchcase(_plain_text(value), _mask_pattern(mask))


def _mask_pattern(mask: object) -> str:
    return re.sub(r"([\[?])", r"[\1]", _plain_text(mask)).replace("%", "*")


def _plain_text(value: object) -> str:
    return str(value).lower().lstrip("+")


def _field_value(row: EntityRow, name: str) -> Any:  # noqa: ANN401 - JSON
    """Return a field; of a nested row return the number, else the UUID."""
    value = row.get(name)
    return value.get("tn", value.get("uuid")) if isinstance(value, dict) else value


def _sort_key(value: object) -> tuple[int, float, str]:
    number = isinstance(value, (int, float))
    return (
        0 if value is None else 1 if number else 2,
        float(value) if isinstance(value, (int, float)) else 0.0,
        str(value),
    )


def _parse_time(name: str, value: object) -> datetime | None:
    if value is None:
        return None
    try:
        at = datetime.fromisoformat(str(value))
    except ValueError:
        raise field_refusal(name, "invalid datetime", value) from None
    return at if at.tzinfo else at.replace(tzinfo=UTC)
