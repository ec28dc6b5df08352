"""Numbers: those that can be ordered, orders, and leases, which are the numbers that an account has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypedDict, Unpack

from app.errors import NotDocumented, OpentactError
from app.numbers import e164
from app.opentact import paths
from app.opentact.pages import MOST, record_of, searched
from app.opentact.records import Lease, Record, Tn
from app.opentact.rest import Request, Rest

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence


class Mask(TypedDict, total=False):
    """What a number to be ordered is like; ``country`` is ``US``, ``features`` are ``sms`` and ``voice``, unless given."""

    country: str
    state: str
    city: str
    rate_center: str
    npa: str
    nxx: str
    line: str
    pattern: str
    features: list[str]


def digits(number: str) -> str:
    """A number as Opentact writes one in a text: in E.164 without its plus. Raises OpentactError where it is none."""
    found = e164(number)
    if not found:
        raise OpentactError(f"{number!r} is no number", mend="write it as +12015550123")
    return found.removeprefix("+")


def integer(number: str) -> int:
    """A number as Opentact writes one that is its own, a JSON number. Raises OpentactError where it is none."""
    return int(digits(number))


def lease_of(number: str) -> str:
    """How a lease is named in a path: a number by its digits, anything else is its id."""
    return e164(number).removeprefix("+") or number


class Numbers:
    """Numbers. All raise OpentactError. ``lease`` is a number or the id of its lease."""

    def __init__(self, rest: Rest) -> None:
        self._rest = rest

    def search(self, *, take: int = MOST, **masks: Unpack[Mask]) -> AsyncIterator[Tn]:
        """Numbers that can be ordered; the body is that of a customer's program (2022), with what is given."""
        wanted = {"type": "long_code", "country": "US", "features": ["sms", "voice"]}
        given = {name: value for name, value in masks.items() if value}
        return searched(self._rest, Tn, paths.NUMBER_SEARCH, {**wanted, **given}, take=take)

    async def order(
        self, numbers: Sequence[str], *, features: Sequence[str] = ("voice", "sms"), autorenew: bool = True
    ) -> Record:
        """Order numbers, which costs money (documented)."""
        items = [{"tn": integer(number), "features": [*features], "autorenew": autorenew} for number in numbers]
        request = Request("POST", paths.ORDERS, body={"items": items})
        return record_of(Record, await self._rest.ask(request) or {}, request)

    def orders(self, *, take: int = MOST, **masks: Any) -> AsyncIterator[Record]:  # noqa: ANN401 - Opentact's own
        """Orders that fit masks."""
        return searched(self._rest, Record, paths.ORDER_SEARCH, masks, take=take)

    def leases(self, *, take: int = MOST, **masks: Any) -> AsyncIterator[Lease]:  # noqa: ANN401 - Opentact's own
        """The account's numbers that fit masks."""
        return searched(self._rest, Lease, paths.LEASE_SEARCH, masks, take=take)

    async def get(self, lease: str) -> Lease:
        """One of the account's numbers."""
        return await self._lease(Request("GET", paths.LEASE, {"lease": lease_of(lease)}, safe=True))

    async def change(self, lease: str, **fields: Any) -> Lease:  # noqa: ANN401 - Opentact's own
        """Change these fields, as ``sip_control_app``, the id of an app."""
        return await self._lease(Request("PATCH", paths.LEASE, {"lease": lease_of(lease)}, body=fields))

    async def release(self, lease: str) -> None:
        """Give a number back; somebody else may get it."""
        await self._rest.ask(Request("DELETE", paths.LEASE, {"lease": lease_of(lease)}))

    async def caller_lists(self, lease: str, body: object = None) -> object:
        """The black- and whitelist of a number ("TN Profile"). Raises NotDocumented: its path is lost."""
        return await lost(self._rest, "caller lists of a number", body, {"lease": lease_of(lease)})

    async def _lease(self, request: Request) -> Lease:
        return record_of(Lease, await self._rest.ask(request) or {}, request)


async def lost(rest: Rest, what: str, body: object, names: dict[str, str] | None = None) -> object:
    """Ask for what the table ``LOST`` has been filled in for. Raises NotDocumented where it has not."""
    method, path = paths.LOST[what]
    if not path:
        mend = "fill it in in LOST of app/opentact/paths.py once it is known"
        raise NotDocumented(f"Opentact has {what}, but how it is asked for is lost from its documentation", mend=mend)
    return await rest.ask(Request(method, path, names or {}, body=body))
