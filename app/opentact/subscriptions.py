"""Event subscriptions: which types the websocket delivers, and until when."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from app.errors import Conflict, OpentactError, TooManyRequests, Unavailable
from app.opentact import paths
from app.opentact.pages import listed, record_of
from app.opentact.records import Subscription
from app.opentact.rest import Request, Rest

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

CHANNEL: Final = "wss"
LASTS: Final = timedelta(days=365)
"""What a subscription is made for."""
_NEVER: Final = datetime.min.replace(tzinfo=UTC)
SOON: Final = timedelta(days=7)
"""One that ends within this time is renewed."""


class Subscriptions:
    """Event subscriptions. All raise OpentactError. Source: documented."""

    def __init__(self, rest: Rest) -> None:
        self._rest = rest

    async def all(self) -> list[Subscription]:
        """All of the account."""
        return await listed(self._rest, Subscription, paths.SUBSCRIPTIONS)

    async def create(self, kind: str, until: datetime, channel: str = CHANNEL) -> Subscription:
        """Have a type of events delivered until then."""
        expired_on = until.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        body = {"is_active": True, "expired_on": expired_on, "channel": channel, "type": kind}
        request = Request("POST", paths.SUBSCRIPTIONS, body=body)
        return record_of(Subscription, await self._rest.ask(request) or {}, request)

    async def delete(self, uuid: str) -> None:
        """Have a type delivered no more. The path is lost; this is what the others suggest."""
        await self._rest.ask(Request("DELETE", paths.SUBSCRIPTION, {"uuid": uuid}))


@dataclasses.dataclass(frozen=True, slots=True)
class Ensured:
    """What came of making sure: types that were subscribed to now, and those that were refused with the reason."""

    made: tuple[str, ...] = ()
    refused: Mapping[str, str] = dataclasses.field(default_factory=dict)


class Wanted:
    """Types that are to be delivered for ever.

    None that is there is subscribed to twice within ``SOON``, whatever end the list says: in a documented example an active
    subscription has an end before its beginning.
    """

    def __init__(self, subscriptions: Subscriptions, types: Iterable[str]) -> None:
        self._subscriptions = subscriptions
        self._types = tuple(dict.fromkeys(types))
        self._made: dict[str, datetime] = {}

    async def ensure(self, now: datetime) -> Ensured:
        """Subscribe to what is missing, inactive or about to end. Raises OpentactError where it may go better later."""
        if not self._types:
            return Ensured()
        there = [found for found in await self._subscriptions.all() if found.channel == CHANNEL]
        lasting = {found.type for found in there if found.is_active and _lasts(found, now)}
        recent = {found.type for found in there if now - self._made.get(found.type, _NEVER) < SOON}
        made, refused = [], {}
        for kind in self._types:
            if kind not in lasting | recent:
                try:
                    await self._make(kind, now, [found.uuid for found in there if found.type == kind])
                except (Unavailable, TooManyRequests):
                    raise
                except OpentactError as error:
                    refused[kind] = str(error)
                else:
                    self._made[kind] = now
                    made.append(kind)
        return Ensured(tuple(made), refused)

    async def _make(self, kind: str, now: datetime, old: list[str]) -> None:
        """A new one; where the old one is in its way, instead of it."""
        try:
            await self._subscriptions.create(kind, now + LASTS)
        except Conflict:
            if not old:
                raise
            for uuid in old:
                await self._subscriptions.delete(uuid)
            await self._subscriptions.create(kind, now + LASTS)


def _lasts(found: Subscription, now: datetime) -> bool:
    return found.expired_on is None or found.expired_on > now + SOON
