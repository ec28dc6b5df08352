"""Event subscriptions: which types the websocket delivers, and until when."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from callflows.errors import OpentactConflictError, OpentactError, OpentactRateLimitError, OpentactUnavailableError
from callflows.opentact import rest_paths
from callflows.opentact.pagination import fetch_list, parse_record
from callflows.opentact.rest_client import RestClient, RestRequest
from callflows.opentact.rest_records import OpentactSubscription

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


WEBSOCKET_CHANNEL: Final = "wss"


SUBSCRIPTION_LIFETIME: Final = timedelta(days=365)
"""What a subscription is made for."""


_DISTANT_PAST: Final = datetime.min.replace(tzinfo=UTC)


SUBSCRIPTION_RENEWAL_MARGIN: Final = timedelta(days=7)
"""One that ends within this time is renewed."""


class SubscriptionsApi:
    """Event subscriptions. All raise OpentactError. Source: documented."""

    def __init__(self, rest: RestClient) -> None:
        self._rest = rest

    async def list_all(self) -> list[OpentactSubscription]:
        """All of the account."""
        return await fetch_list(self._rest, OpentactSubscription, rest_paths.SUBSCRIPTIONS_PATH)

    async def create_subscription(
        self, event_type: str, expires_at: datetime, channel: str = WEBSOCKET_CHANNEL
    ) -> OpentactSubscription:
        """Have a type of events delivered until then."""
        expired_on = expires_at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        body = {"is_active": True, "expired_on": expired_on, "channel": channel, "type": event_type}
        request = RestRequest("POST", rest_paths.SUBSCRIPTIONS_PATH, body=body)
        return parse_record(OpentactSubscription, await self._rest.send_request(request) or {}, request)

    async def delete_subscription(self, uuid: str) -> None:
        """Have a type delivered no more. The path is lost; this is what the others suggest."""
        await self._rest.send_request(RestRequest("DELETE", rest_paths.SUBSCRIPTION_PATH, {"uuid": uuid}))


@dataclasses.dataclass(frozen=True, slots=True)
class SubscriptionOutcome:
    """What came of making sure: types that were subscribed to now, and those that were refused with the reason."""

    new_types: tuple[str, ...] = ()
    refusal_reasons: Mapping[str, str] = dataclasses.field(default_factory=dict)


class SubscriptionKeeper:
    """Types that are to be delivered for ever.

    None that is there is subscribed to twice within ``SOON``, whatever end the list says: in a documented example an active
    subscription has an end before its beginning.
    """

    def __init__(self, subscriptions: SubscriptionsApi, types: Iterable[str]) -> None:
        self._api = subscriptions
        self._types = tuple(dict.fromkeys(types))
        self._creation_times: dict[str, datetime] = {}

    async def ensure_subscriptions(self, now: datetime) -> SubscriptionOutcome:
        """Subscribe to what is missing, inactive or about to end. Raises OpentactError where it may go better later."""
        if not self._types:
            return SubscriptionOutcome()
        there = [found for found in await self._api.list_all() if found.channel == WEBSOCKET_CHANNEL]
        lasting = {found.type for found in there if found.is_active and _is_lasting(found, now)}
        recent = {
            found.type
            for found in there
            if now - self._creation_times.get(found.type, _DISTANT_PAST) < SUBSCRIPTION_RENEWAL_MARGIN
        }
        made, refused = [], {}
        for kind in self._types:
            if kind not in lasting | recent:
                try:
                    await self._create_or_replace(kind, now, [found.uuid for found in there if found.type == kind])
                except (OpentactUnavailableError, OpentactRateLimitError):
                    raise
                except OpentactError as error:
                    refused[kind] = str(error)
                else:
                    self._creation_times[kind] = now
                    made.append(kind)
        return SubscriptionOutcome(tuple(made), refused)

    async def _create_or_replace(self, event_type: str, now: datetime, old_uuids: list[str]) -> None:
        """A new one; where the old one is in its way, instead of it."""
        try:
            await self._api.create_subscription(event_type, now + SUBSCRIPTION_LIFETIME)
        except OpentactConflictError:
            if not old_uuids:
                raise
            for uuid in old_uuids:
                await self._api.delete_subscription(uuid)
            await self._api.create_subscription(event_type, now + SUBSCRIPTION_LIFETIME)


def _is_lasting(subscription: OpentactSubscription, now: datetime) -> bool:
    return subscription.expired_on is None or subscription.expired_on > now + SUBSCRIPTION_RENEWAL_MARGIN
