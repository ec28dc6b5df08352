"""Numbers: search and orders, and leases. A lease is a number of the account."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypedDict, Unpack

from callflows.errors import OpentactError
from callflows.opentact.operation_group import OperationGroup
from callflows.opentact.pagination import MAX_PAGE_ROWS, fetch_record, search_records
from callflows.opentact.rest_records import OpentactLease, OpentactNumber, OpentactRecord
from callflows.telephony.phone_numbers import parse_e164

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence


class NumberSearchMask(TypedDict, total=False):
    """Search filters for available numbers; defaults: ``country`` ``US``, ``features`` ``sms`` and ``voice``."""

    country: str
    state: str
    city: str
    rate_center: str
    npa: str
    nxx: str
    line: str
    pattern: str
    profile: str
    features: list[str]


class NumbersApi(OperationGroup):
    """Numbers. Every method raises OpentactError. ``lease`` is a number or the id of a lease."""

    def search_available(
        self, *, take: int = MAX_PAGE_ROWS, **masks: Unpack[NumberSearchMask]
    ) -> AsyncIterator[OpentactNumber]:
        """Iterate over available numbers."""
        return search_records(self._rest, OpentactNumber, "numbers search", build_number_search(masks), take=take)

    async def order_numbers(
        self, numbers: Sequence[str], *, features: Sequence[str] = ("voice", "sms"), autorenew: bool = True
    ) -> OpentactRecord:
        """Order numbers; orders cost money (documented)."""
        items = build_order_items(numbers, features, autorenew=autorenew)
        return await fetch_record(self._rest, OpentactRecord, "numbers order", {"items": items})

    def search_orders(self, *, take: int = MAX_PAGE_ROWS, **masks: Any) -> AsyncIterator[OpentactRecord]:  # noqa: ANN401 - Opentact's own
        values, more = self._split_fields("numbers orders search", masks)
        return search_records(self._rest, OpentactRecord, "numbers orders search", values, more=more, take=take)

    def search_leases(self, *, take: int = MAX_PAGE_ROWS, **masks: Any) -> AsyncIterator[OpentactLease]:  # noqa: ANN401 - Opentact's own
        """Iterate over the account's numbers; ``masks`` are search filters."""
        values, more = self._split_fields("numbers list", masks)
        return search_records(self._rest, OpentactLease, "numbers list", values, more=more, take=take)

    async def get_lease(self, lease: str) -> OpentactLease:
        number = parse_e164(lease)
        name, values = ("numbers find", {"number": number}) if number else ("numbers show", {"lease": lease})
        return await fetch_record(self._rest, OpentactLease, name, values)

    async def update_lease(self, lease: str, **fields: Any) -> OpentactLease:  # noqa: ANN401 - Opentact's own
        """Change fields such as ``sip_control_app``, the id of an app."""
        values, more = self._split_fields("numbers change", fields)
        uuid = await self._find_lease_uuid(lease)
        return await fetch_record(self._rest, OpentactLease, "numbers change", {"lease": uuid, **values}, more)

    async def release_number(self, lease: str) -> None:
        """Give a number back; another customer may get the number afterwards."""
        await self._rest.call_operation("numbers release", {"lease": await self._find_lease_uuid(lease)})

    async def _find_lease_uuid(self, lease: str) -> str:
        """Return the id of a lease; a change is documented by the id alone."""
        if not parse_e164(lease):
            return lease
        return (await self.get_lease(lease)).uuid


def build_number_search(masks: NumberSearchMask) -> dict[str, Any]:
    """Return the fields of a search for available numbers: those of a customer's program (2022), and the masks."""
    used_masks = {name: value for name, value in masks.items() if value}
    return {"type": "long_code", "country": "US", "features": ["sms", "voice"], **used_masks}


def build_order_items(numbers: Sequence[str], features: Sequence[str], *, autorenew: bool) -> list[dict[str, Any]]:
    """Return the items of an order. Raises OpentactError for what is no number."""
    items = []
    for number in numbers:
        digits = parse_e164(number).removeprefix("+")
        if not digits:
            raise OpentactError(f"{number!r} is no number", fix="write it as +12015550123")
        items.append({"tn": int(digits), "features": [*features], "autorenew": autorenew})
    return items
