"""Event subscriptions: event types delivered by the websocket, each until an expiry time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from callflows.errors import OpentactConflictError, OpentactError, OpentactRateLimitError, OpentactUnavailableError
from callflows.opentact.operation_group import OperationGroup
from callflows.opentact.pagination import fetch_list, fetch_record
from callflows.opentact.rest_records import OpentactSubscription

if TYPE_CHECKING:
    from collections.abc import Iterable


WEBSOCKET_CHANNEL: Final = "wss"
SUBSCRIPTION_LIFETIME: Final = timedelta(days=365)
"""Lifetime requested for a new subscription."""
_DISTANT_PAST: Final = datetime.min.replace(tzinfo=UTC)
SUBSCRIPTION_RENEWAL_MARGIN: Final = timedelta(days=7)
"""A subscription expiring within this time is renewed."""


class SubscriptionsApi(OperationGroup):
    """Event subscriptions. Every method raises OpentactError. Source: documented."""

    async def list_all(self) -> list[OpentactSubscription]:
        return await fetch_list(self._rest, OpentactSubscription, "subscriptions list")

    async def create_subscription(
        self, event_type: str, expires_at: datetime, channel: str = WEBSOCKET_CHANNEL
    ) -> OpentactSubscription:
        values = {"is_active": True, "expired_on": expires_at, "channel": channel, "type": event_type}
        return await fetch_record(self._rest, OpentactSubscription, "subscriptions add", values)

    async def delete_subscription(self, uuid: str) -> None:
        """Delete a subscription. The documented path is lost; this one is inferred from the others."""
        await self._rest.call_operation("subscriptions remove", {"uuid": uuid})


class SubscriptionKeeper:
    """Keeps event types subscribed permanently.

    An existing subscription is not renewed twice within ``SUBSCRIPTION_RENEWAL_MARGIN``, whatever expiry the list shows: in
    a documented example an active subscription expires before its creation.
    """

    def __init__(self, subscriptions: SubscriptionsApi, types: Iterable[str]) -> None:
        self._api = subscriptions
        self._types = tuple(dict.fromkeys(types))
        self._creation_times: dict[str, datetime] = {}

    async def ensure_subscriptions(self, now: datetime) -> dict[str, str]:
        """Subscribe to missing, inactive or expiring types; return the refused types, each with the reason.

        Raises OpentactError if a later attempt may succeed.
        """
        if not self._types:
            return {}
        there = [found for found in await self._api.list_all() if found.channel == WEBSOCKET_CHANNEL]
        lasting = {found.type for found in there if found.is_active and _is_lasting(found, now)}
        recent = {
            found.type
            for found in there
            if now - self._creation_times.get(found.type, _DISTANT_PAST) < SUBSCRIPTION_RENEWAL_MARGIN
        }
        refused = {}
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
        return refused

    async def _create_or_replace(self, event_type: str, now: datetime, old_uuids: list[str]) -> None:
        """Create a subscription; on a conflict delete the old ones first."""
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
