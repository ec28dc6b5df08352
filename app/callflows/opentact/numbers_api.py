"""Numbers: search and orders, and leases. A lease is a number of the account."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypedDict, Unpack

from callflows.errors import OpentactError
from callflows.opentact import rest_paths
from callflows.opentact.pagination import MAX_PAGE_ROWS, parse_record, search_records
from callflows.opentact.rest_client import RestClient, RestRequest, request_undocumented
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
    features: list[str]


def format_number_digits(number: str) -> str:
    """Return a number as text for Opentact: E.164 without the plus sign. Raises OpentactError if invalid."""
    found = parse_e164(number)
    if not found:
        raise OpentactError(f"{number!r} is no number", fix="write it as +12015550123")
    return found.removeprefix("+")


def format_number_integer(number: str) -> int:
    """Return a number as a JSON number for Opentact. Raises OpentactError if invalid."""
    return int(format_number_digits(number))


def format_lease_key(lease: str) -> str:
    """Return the path parameter of a lease: the digits of a number, or else the id."""
    return parse_e164(lease).removeprefix("+") or lease


class NumbersApi:
    """Numbers. Every method raises OpentactError. ``lease`` is a number or the id of a lease."""

    def __init__(self, rest: RestClient) -> None:
        self._rest = rest

    def search_available(
        self, *, take: int = MAX_PAGE_ROWS, **masks: Unpack[NumberSearchMask]
    ) -> AsyncIterator[OpentactNumber]:
        """Iterate over available numbers. The body follows a customer's program (2022), plus the given masks."""
        wanted = {"type": "long_code", "country": "US", "features": ["sms", "voice"]}
        given = {name: value for name, value in masks.items() if value}
        return search_records(self._rest, OpentactNumber, rest_paths.NUMBER_SEARCH_PATH, {**wanted, **given}, take=take)

    async def order_numbers(
        self, numbers: Sequence[str], *, features: Sequence[str] = ("voice", "sms"), autorenew: bool = True
    ) -> OpentactRecord:
        """Order numbers; orders cost money (documented)."""
        items = [
            {"tn": format_number_integer(number), "features": [*features], "autorenew": autorenew} for number in numbers
        ]
        request = RestRequest("POST", rest_paths.ORDERS_PATH, body={"items": items})
        return parse_record(OpentactRecord, await self._rest.send_request(request) or {}, request)

    def search_orders(self, *, take: int = MAX_PAGE_ROWS, **masks: Any) -> AsyncIterator[OpentactRecord]:  # noqa: ANN401 - Opentact's own
        return search_records(self._rest, OpentactRecord, rest_paths.ORDER_SEARCH_PATH, masks, take=take)

    def search_leases(self, *, take: int = MAX_PAGE_ROWS, **masks: Any) -> AsyncIterator[OpentactLease]:  # noqa: ANN401 - Opentact's own
        """Iterate over the account's numbers; ``masks`` are search filters."""
        return search_records(self._rest, OpentactLease, rest_paths.LEASE_SEARCH_PATH, masks, take=take)

    async def get_lease(self, lease: str) -> OpentactLease:
        return await self._fetch_lease(
            RestRequest("GET", rest_paths.LEASE_PATH, {"lease": format_lease_key(lease)}, is_safe=True)
        )

    async def update_lease(self, lease: str, **fields: Any) -> OpentactLease:  # noqa: ANN401 - Opentact's own
        """Change fields such as ``sip_control_app``, the id of an app."""
        return await self._fetch_lease(
            RestRequest("PATCH", rest_paths.LEASE_PATH, {"lease": format_lease_key(lease)}, body=fields)
        )

    async def release_number(self, lease: str) -> None:
        """Give a number back; another customer may get the number afterwards."""
        await self._rest.send_request(RestRequest("DELETE", rest_paths.LEASE_PATH, {"lease": format_lease_key(lease)}))

    async def request_caller_lists(self, lease: str, body: object = None) -> object:
        """Request the black- and whitelist of a number ("TN Profile").

        Raises OpentactUndocumentedError while the path is unknown.
        """
        return await request_undocumented(self._rest, "caller lists of a number", body, {"lease": format_lease_key(lease)})

    async def _fetch_lease(self, request: RestRequest) -> OpentactLease:
        return parse_record(OpentactLease, await self._rest.send_request(request) or {}, request)
