"""What is at Opentact already."""

from __future__ import annotations

import dataclasses
import re
from typing import TYPE_CHECKING, Any, Final

from app.errors import NotFound, SettingsError
from app.opentact.subscriptions import CHANNEL, SOON

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from app.opentact import Opentact
    from app.opentact.records import App, Lease, Record, Subscription

UUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


@dataclasses.dataclass(frozen=True, slots=True)
class Found:
    """The account's apps, numbers and subscriptions; ``app`` is the one that is meant, with its static document."""

    apps: tuple[App, ...]
    leases: tuple[Lease, ...]
    subscriptions: tuple[Subscription, ...]
    products: tuple[Record, ...] = ()
    app: App | None = None
    document: str = ""
    profiles: tuple[Record, ...] = ()


async def account_of(opentact: Opentact, *, texts: bool) -> Found:
    """All that an account has; messaging profiles only where there are ``texts``. Raises OpentactError."""
    apps = await opentact.apps.all()
    leases = [lease async for lease in opentact.numbers.leases()]
    profiles = await opentact.messages.profiles() if texts else []
    subscriptions = await opentact.subscriptions.all()
    return Found(tuple(apps), tuple(leases), tuple(subscriptions), profiles=tuple(profiles))


async def with_app(opentact: Opentact, found: Found, named: str, ours: Iterable[str]) -> Found:
    """With the app that is meant, all told; where there is none, with what one may be made of.

    Raises OpentactError, and SettingsError where it cannot be told which is meant.
    """
    app = chosen(found.apps, named, ours)
    if app is None:
        return dataclasses.replace(found, products=tuple(await opentact.apps.products()))
    whole = await opentact.apps.get(app.uuid)
    return dataclasses.replace(found, app=whole, document=await document_of(opentact, app.uuid))


async def document_of(opentact: Opentact, app: str) -> str:
    """The static document that is kept for an app; nothing where there is none. Raises OpentactError."""
    try:
        return await opentact.apps.document(app)
    except NotFound:
        return ""


def chosen(apps: Sequence[App], named: str, ours: Iterable[str], default: str = "callflows") -> App | None:
    """The app of an id or a name; where none is named, the one that was connected, else that of the default name."""
    by_id = {app.uuid: app for app in apps}
    if not named:
        connected = [by_id[uuid] for uuid in ours if uuid in by_id]
        if len(connected) == 1:
            return connected[0]
    if named in by_id:
        return by_id[named]
    if UUID.fullmatch(named):
        raise SettingsError(f"--app {named}: the account has no such app; callflows opentact apps lists them")
    same = [app for app in apps if app.name == (named or default)]
    if len(same) > 1:
        ids = ", ".join(app.uuid for app in same)
        raise SettingsError(f"{len(same)} apps are named {named or default!r}: say which by --app and its id ({ids})")
    return same[0] if same else None


def connection_of(lease: Lease) -> str:
    """The id of the SIP connection that a number belongs to; nothing where it belongs to none."""
    connection = lease.sip_connection
    return connection if isinstance(connection, str) else connection.uuid if connection is not None else ""


def holder_told(lease: Lease) -> bool:
    """Whether Opentact says whom a number belongs to: what is not said is unknown, not nothing."""
    return "sip_control_app" in lease.said


def delivers(found: Subscription, now: datetime) -> bool:
    """Whether a subscription lasts, as far as can be told.

    In a documented example an active one has an end before its beginning, so such an end says nothing.
    """
    return found.channel == CHANNEL and found.is_active is True and (strange(found) or _lasts(found, now))


def strange(found: Subscription) -> bool:
    """Whether a subscription ends before it begins."""
    return found.expired_on is not None and found.created_on is not None and found.expired_on < found.created_on


def _lasts(found: Subscription, now: datetime) -> bool:
    return found.expired_on is None or found.expired_on > now + SOON


def product_of(record: Record) -> Any:  # noqa: ANN401 - Opentact's own
    """What an app is told as its product: its number. How it stands in the list is not documented."""
    found = next((record.said[name] for name in ("product", "id", "uuid") if record.said.get(name) is not None), "")
    return int(found) if isinstance(found, str) and found.isdecimal() else found
