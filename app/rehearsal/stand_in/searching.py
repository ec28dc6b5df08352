"""Searches: take, skip, mode, order, and masks. platform 5."""

from __future__ import annotations

import fnmatch
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from app.errors import suggestion
from app.rehearsal.stand_in.answers import wrong

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from app.rehearsal.stand_in.drawers import Row

_SPAN: Final = re.compile(r"(\w+_on)_(from|to)")
MADE: Final = ("created_on", "modified_on", "uuid")
CALL_FIELDS: Final = (*MADE, "direction", "tn", "from", "to", "state", "type", "sip_control_app", "thread", "q850_cause")
SMS_FIELDS: Final = (*MADE, "type", "tn", "from", "to", "message", "state", "delivered", "thread", "reason")
LEASE_FIELDS: Final = (*MADE, "tn", "autorenew", "sip_connection", "sip_control_app")
ORDER_FIELDS: Final = (*MADE, "state", "tn")
LOG_FIELDS: Final = (*MADE, "name", "success", "command", "call", "state")


class Search(BaseModel):
    """The body of a search; what else stands in it are masks by field, and ``…_on_from`` and ``…_on_to``."""

    model_config = ConfigDict(extra="allow")

    take: Annotated[int, Field(ge=1, le=100)] = 10
    skip: Annotated[int, Field(ge=0)] = 0
    mode: Literal["AND", "OR"] = "AND"
    order: dict[str, Literal["ASC", "DESC"]] = {}

    @property
    def masks(self) -> dict[str, Any]:
        """What rows must be like."""
        return self.model_extra or {}


def found(rows: Iterable[Row], search: Search, fields: Collection[str]) -> dict[str, Any]:
    """The page that is asked for. Raises Refused where a field is not known."""
    for name in search.order:
        _known(f"order.{name}", name, fields)
    masks = {name: value for name, value in search.masks.items() if value is not None}
    for name, value in masks.items():
        span = _SPAN.fullmatch(name)
        _known(name, span[1] if span and name not in fields else name, fields)
        if span and name not in fields:
            _moment(name, value)
    fits = any if masks and search.mode == "OR" else all
    kept = [row for row in rows if fits(_fits(row, name, value, fields) for name, value in masks.items())]
    for name, way in reversed(search.order.items()):
        kept.sort(key=lambda row, name=name: _sortable(_value(row, name)), reverse=way == "DESC")  # type: ignore[misc]
    page = kept[search.skip : search.skip + search.take]
    return {"take": search.take, "skip": search.skip, "total": len(kept), "data": page}


def _known(place: str, name: str, fields: Collection[str]) -> None:
    if name not in fields:
        near = suggestion(name, sorted(fields)) or f"there are {', '.join(sorted(fields))}"
        raise wrong(place, f"no such field ({near})", name)


def _fits(row: Row, name: str, wanted: object, fields: Collection[str]) -> bool:
    span = _SPAN.fullmatch(name)
    if span and name not in fields:
        there, bound = _moment(span[1], _value(row, span[1])), _moment(name, wanted)
        if there is None or bound is None:
            return False
        return there >= bound if span[2] == "from" else there <= bound
    value = _value(row, name)
    if isinstance(value, bool) or isinstance(wanted, bool):
        return value is wanted or str(value).lower() == str(wanted).lower()
    return value is not None and fnmatch.fnmatchcase(_plain(value), _mask(wanted))


def _mask(wanted: object) -> str:
    return re.sub(r"([\[?])", r"[\1]", _plain(wanted)).replace("%", "*")


def _plain(value: object) -> str:
    return str(value).lower().lstrip("+")


def _value(row: Row, name: str) -> Any:  # noqa: ANN401 - JSON
    """A field; of what is a row of its own its number, else its identity."""
    value = row.get(name)
    return value.get("tn", value.get("uuid")) if isinstance(value, dict) else value


def _sortable(value: object) -> tuple[int, float, str]:
    number = isinstance(value, (int, float))
    return (
        0 if value is None else 1 if number else 2,
        float(value) if isinstance(value, (int, float)) else 0.0,
        str(value),
    )


def _moment(name: str, written: object) -> datetime | None:
    if written is None:
        return None
    try:
        at = datetime.fromisoformat(str(written))
    except ValueError:
        raise wrong(name, "invalid datetime", written) from None
    return at if at.tzinfo else at.replace(tzinfo=UTC)
