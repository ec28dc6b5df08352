"""What the account at Opentact has, looked at once for all checks, and what is to be said of its credentials and events."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from app.errors import OutsideError, SettingsError
from app.opentact import Opentact
from app.opentact.connection import Beat, Lost, Refused, accepted, frame_of, opened, why
from app.opentact.event import Malformed, events_of
from app.opentact.pace import now
from app.opentact.subscriptions import CHANNEL, SOON
from app.setup.connecting.found import chosen, strange
from app.setup.connecting.ledger import Ledger
from app.setup.doctor.results import Finding, Once

if TYPE_CHECKING:
    from app.opentact.records import App, Lease, Subscription
    from app.opentact.tokens import Token
    from app.settings import Settings

ENDING: Final = timedelta(days=7)
"""How long before its end a token is said to end."""
_BEAT: Final = Beat(open_within=8.0, auth_within=8.0)
CONNECT: Final = "callflows connect"


class Account:
    """The account, asked for each thing once. ``named`` is the app that is meant, by its name or id.

    All raise OpentactError, and SettingsError where nothing is shown to Opentact.
    """

    def __init__(self, settings: Settings, named: str = "") -> None:
        self._settings = settings
        self._named = named
        self._client: Opentact | None = None
        self.apps = Once(self._apps)
        self.app = Once(self._app)
        self.leases = Once(self._leases)
        self.subscriptions = Once(self._subscriptions)

    @property
    def opentact(self) -> Opentact:
        """The client."""
        if self._client is None:
            self._client = Opentact.of(self._settings)
        return self._client

    async def close(self) -> None:
        """End its connections."""
        if self._client is not None:
            await self._client.close()

    async def _apps(self) -> list[App]:
        return await self.opentact.apps.all()

    async def _app(self) -> App | None:
        """The app that shall ask this server: the one that is named or was connected, else one that asks it already."""
        apps = await self.apps()
        found = chosen(apps, self._named, Ledger(self._settings.data).entries.apps)
        if found is None and self._settings.public_url and not self._named:
            ours = f"{self._settings.public_url}/call"
            found = next((app for app in apps if (app.call_flow_url or "").startswith(ours)), None)
        return await self.opentact.apps.get(found.uuid) if found else None

    async def _leases(self) -> list[Lease]:
        return [lease async for lease in self.opentact.numbers.leases()]

    async def _subscriptions(self) -> list[Subscription]:
        return await self.opentact.subscriptions.all()


async def credentials(settings: Settings, account: Account) -> list[Finding]:
    """Whether Opentact accepts what it is shown, and for how long."""
    apps = await account.apps()
    found = [Finding("ok", f"Opentact accepts them; the account has {len(apps)} app(s)")]
    end = end_of(settings.opentact_token.get_secret_value())
    if end is not None and not (settings.opentact_email and settings.opentact_password.get_secret_value()):
        left = end - now()
        if left < ENDING:
            said = (
                f"the token ends on {end:%Y-%m-%d %H:%M} UTC" if left > timedelta(0) else "the token says that it has ended"
            )
            mend = "make another in the portal, or set CALLFLOWS_OPENTACT_EMAIL and _PASSWORD, which renew it"
            found.append(Finding("warning", said, mend))
    return found


def end_of(token: str) -> datetime | None:
    """When a token ends, where it is a JWT that says so; nobody's signature is looked at."""
    parts = token.split(".")
    try:
        said = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
        return datetime.fromtimestamp(float(said["exp"]), UTC)
    except (IndexError, ValueError, TypeError, KeyError, OverflowError, OSError):
        return None


async def subscribed(settings: Settings, account: Account) -> list[Finding]:
    """Whether the wanted types of events are delivered, and for how long."""
    there = [one for one in await account.subscriptions() if one.channel == CHANNEL]
    return [_subscribed(kind, [one for one in there if one.type == kind]) for kind in settings.event_types]


def _subscribed(kind: str, there: list[Subscription]) -> Finding:
    active = [one for one in there if one.is_active]
    if not active:
        return Finding(
            "error", f"{kind}: {'the subscription is not active' if there else 'there is no subscription'}", CONNECT
        )
    lasting = [one for one in active if one.expired_on is None or one.expired_on > now()]
    if not lasting:
        odd = next((one for one in active if strange(one)), None)
        if odd is None:
            return Finding("error", f"{kind}: the subscription has ended on {active[0].expired_on:%Y-%m-%d}", CONNECT)
        said = f"{kind}: the active subscription has an end ({odd.expired_on:%Y-%m-%d}) before its beginning"
        return Finding("warning", f"{said}; what that means is not documented", "see by callflows events whether they come")
    if all(one.expired_on is not None and one.expired_on < now() + SOON for one in lasting):
        return Finding("warning", f"{kind}: the subscription ends on {lasting[0].expired_on:%Y-%m-%d}", CONNECT)
    return Finding("ok", f"{kind} is delivered")


async def listening(settings: Settings, account: Account) -> list[Finding]:
    """Whether events arrive: the websocket is opened, shown the token, and must welcome it."""
    url = settings.opentact_events_url
    token = await account.opentact.token()
    try:
        try:
            await _welcomed(url, token)
        except Refused:
            another = await account.opentact.another_token(token)
            if another is None:
                raise
            await _welcomed(url, another)
    except SettingsError:
        raise
    except OutsideError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever connecting raises: its reason is told
        said = account.opentact.hide(why(error))
        mend = "see whether this machine reaches it, and whether CALLFLOWS_OPENTACT_EVENTS_URL and the token are right"
        return [Finding("error", f"no events from {url}: {said}", mend)]
    return [Finding("ok", f"{url} welcomes the token")]


async def _welcomed(url: str, token: Token) -> None:
    """Open the websocket and wait for its success. Raises Refused, and whatever connecting raises."""
    async with opened(url, token, _BEAT) as socket:
        while True:
            try:
                events = events_of(await frame_of(socket), now())
            except Malformed:
                continue
            except Lost as lost:
                raise Refused(f"{lost}, after it was shown the token") from None
            for event in events:
                if event.type == "auth" and not accepted(event):
                    raise Refused(event.text or "the token is not accepted")
                if event.type == "auth":
                    return
