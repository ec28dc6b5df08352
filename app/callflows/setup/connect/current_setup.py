"""The current setup at Opentact: apps, numbers, subscriptions and messaging profiles of the account."""

from __future__ import annotations

import dataclasses
import re
from typing import TYPE_CHECKING, Any, Final

from callflows.errors import OpentactNotFoundError, SettingsError
from callflows.opentact.subscriptions_api import SUBSCRIPTION_RENEWAL_MARGIN, WEBSOCKET_CHANNEL

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from callflows.opentact import Opentact
    from callflows.opentact.rest_records import OpentactApp, OpentactLease, OpentactRecord, OpentactSubscription


UUID_PATTERN: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


@dataclasses.dataclass(frozen=True, slots=True)
class CurrentSetup:
    """The account's apps, numbers and subscriptions; ``app`` is the app of this installation, with its static document."""

    apps: tuple[OpentactApp, ...]
    leases: tuple[OpentactLease, ...]
    subscriptions: tuple[OpentactSubscription, ...]
    products: tuple[OpentactRecord, ...] = ()
    app: OpentactApp | None = None
    document: str = ""
    profiles: tuple[OpentactRecord, ...] = ()


async def fetch_current_setup(opentact: Opentact, *, with_profiles: bool) -> CurrentSetup:
    """Fetch the current setup; messaging profiles only on request. Raises OpentactError."""
    apps = await opentact.apps.list_all()
    leases = [lease async for lease in opentact.numbers.search_leases()]
    profiles = await opentact.profiles.list_profiles() if with_profiles else []
    subscriptions = await opentact.subscriptions.list_all()
    return CurrentSetup(tuple(apps), tuple(leases), tuple(subscriptions), profiles=tuple(profiles))


async def add_app_details(
    opentact: Opentact, current: CurrentSetup, app_name: str, connected_uuids: Iterable[str]
) -> CurrentSetup:
    """Add all details of this installation's app; without an app, add the available products.

    Raises OpentactError, and SettingsError if the app is ambiguous or unknown.
    """
    app = select_app(current.apps, app_name, connected_uuids)
    if app is None:
        return dataclasses.replace(current, products=tuple(await opentact.apps.list_products()))
    whole = await opentact.apps.get_app(app.uuid)
    return dataclasses.replace(current, app=whole, document=await fetch_static_document(opentact, app.uuid))


async def fetch_static_document(opentact: Opentact, app: str) -> str:
    """Return the static document of an app, or an empty text. Raises OpentactError."""
    try:
        return await opentact.apps.get_document(app)
    except OpentactNotFoundError:
        return ""


def select_app(
    apps: Sequence[OpentactApp], app_name: str, connected_uuids: Iterable[str], default_name: str = "callflows"
) -> OpentactApp | None:
    """Return the app with an id or a name; without a name, the connected app, or else the app of the default name.

    Raises SettingsError if an id is unknown or several apps share the name.
    """
    by_id = {app.uuid: app for app in apps}
    if not app_name:
        connected = [by_id[uuid] for uuid in connected_uuids if uuid in by_id]
        if len(connected) == 1:
            return connected[0]
    if app_name in by_id:
        return by_id[app_name]
    if UUID_PATTERN.fullmatch(app_name):
        raise SettingsError(f"--app {app_name}: the account has no such app; callflows opentact apps list shows them")
    same = [app for app in apps if app.name == (app_name or default_name)]
    if len(same) > 1:
        ids = ", ".join(app.uuid for app in same)
        raise SettingsError(
            f"{len(same)} apps are named {app_name or default_name!r}: choose one with --app and its id ({ids})"
        )
    return same[0] if same else None


def get_sip_connection_uuid(lease: OpentactLease) -> str:
    """Return the id of the SIP connection of a number, or an empty text."""
    connection = lease.sip_connection
    return connection if isinstance(connection, str) else connection.uuid if connection is not None else ""


def is_holder_known(lease: OpentactLease) -> bool:
    """Return True if Opentact reports the holder of a number. A missing field means unknown, not "nobody"."""
    return "sip_control_app" in lease.raw


def is_delivering(subscription: OpentactSubscription, now: datetime) -> bool:
    """Return True if a subscription is active and lasts.

    In a documented example an active subscription expires before its creation, so such an expiry is ignored.
    """
    return (
        subscription.channel == WEBSOCKET_CHANNEL
        and subscription.is_active is True
        and (ends_before_start(subscription) or _is_lasting(subscription, now))
    )


def ends_before_start(subscription: OpentactSubscription) -> bool:
    return (
        subscription.expired_on is not None
        and subscription.created_on is not None
        and subscription.expired_on < subscription.created_on
    )


def _is_lasting(subscription: OpentactSubscription, now: datetime) -> bool:
    return subscription.expired_on is None or subscription.expired_on > now + SUBSCRIPTION_RENEWAL_MARGIN


def get_product_number(record: OpentactRecord) -> Any:  # noqa: ANN401 - Opentact's own
    """Return the product number for a new app. The field name in Opentact's list is not documented."""
    product_number = next((record.raw[name] for name in ("product", "id", "uuid") if record.raw.get(name) is not None), "")
    return int(product_number) if isinstance(product_number, str) and product_number.isdecimal() else product_number
