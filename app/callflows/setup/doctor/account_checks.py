"""The account at Opentact, fetched once for all checks; and the checks of credentials, subscriptions and events."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from callflows.errors import OutboundRequestError, SettingsError
from callflows.opentact import Opentact
from callflows.opentact.backoff import get_utc_now
from callflows.opentact.event_connection import (
    ConnectionTimeouts,
    EventConnectionLostError,
    EventTokenRejectedError,
    describe_connection_error,
    is_token_accepted,
    open_event_connection,
    receive_frame,
)
from callflows.opentact.event_parser import MalformedFrameError, parse_frame
from callflows.opentact.subscriptions_api import SUBSCRIPTION_RENEWAL_MARGIN, WEBSOCKET_CHANNEL
from callflows.setup.connect.current_setup import ends_before_start, select_app
from callflows.setup.connect.undo_log import UndoLog
from callflows.setup.doctor.doctor_runner import DoctorFinding, SharedFetch

if TYPE_CHECKING:
    from callflows.opentact.access_tokens import AccessToken
    from callflows.opentact.rest_records import OpentactApp, OpentactLease, OpentactRecord, OpentactSubscription
    from callflows.settings import Settings


TOKEN_EXPIRY_MARGIN: Final = timedelta(days=7)
"""A token expiring within this time causes a warning."""
_TIMEOUTS: Final = ConnectionTimeouts(open_seconds=8.0, auth_seconds=8.0)
CONNECT_COMMAND: Final = "callflows connect"


class DoctorAccount:
    """The account; each part is fetched once. ``app_name`` selects the app, by name or id.

    Every fetch raises OpentactError, and SettingsError without credentials.
    """

    def __init__(self, settings: Settings, app_name: str = "") -> None:
        self._settings = settings
        self._app_name = app_name
        self._client: Opentact | None = None
        self.apps = SharedFetch(self._fetch_apps)
        self.app = SharedFetch(self._fetch_app)
        self.leases = SharedFetch(self._fetch_leases)
        self.profiles = SharedFetch(self._fetch_profiles)
        self.subscriptions = SharedFetch(self._fetch_subscriptions)

    @property
    def client(self) -> Opentact:
        if self._client is None:
            self._client = Opentact.from_settings(self._settings)
        return self._client

    async def close(self) -> None:
        if self._client is not None:
            await self._client.close()

    async def _fetch_apps(self) -> list[OpentactApp]:
        return await self.client.apps.list_all()

    async def _fetch_app(self) -> OpentactApp | None:
        """Return the app of this server: the named or connected one, or else an app with our call control URL."""
        apps = await self.apps()
        matching_app = select_app(apps, self._app_name, UndoLog(self._settings.data).entries.apps)
        if matching_app is None and self._settings.public_url and not self._app_name:
            ours = f"{self._settings.public_url}/call"
            matching_app = next((app for app in apps if (app.call_flow_url or "").startswith(ours)), None)
        return await self.client.apps.get_app(matching_app.uuid) if matching_app else None

    async def _fetch_leases(self) -> list[OpentactLease]:
        return [lease async for lease in self.client.numbers.search_leases()]

    async def _fetch_profiles(self) -> list[OpentactRecord]:
        return await self.client.profiles.list_profiles()

    async def _fetch_subscriptions(self) -> list[OpentactSubscription]:
        return await self.client.subscriptions.list_all()


async def diagnose_credentials(settings: Settings, account: DoctorAccount) -> list[DoctorFinding]:
    """Check whether Opentact accepts the credentials, and when the token expires."""
    apps = await account.apps()
    findings = [DoctorFinding("ok", f"Opentact accepts the credentials; the account has {len(apps)} app(s)")]
    end = parse_token_expiry(settings.opentact_token.get_secret_value())
    if end is not None and not (settings.opentact_email and settings.opentact_password.get_secret_value()):
        left = end - get_utc_now()
        if left < TOKEN_EXPIRY_MARGIN:
            message = f"the token ends on {end:%Y-%m-%d %H:%M} UTC" if left > timedelta(0) else "the token has expired"
            credentials = "CALLFLOWS_OPENTACT_EMAIL and CALLFLOWS_OPENTACT_PASSWORD"
            fix = f"create a new token in the portal, or set {credentials} to renew it automatically"
            findings.append(DoctorFinding("warning", message, fix))
    return findings


def parse_token_expiry(token: str) -> datetime | None:
    """Return the expiry time of a JWT, or None. The signature is not verified."""
    parts = token.split(".")
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
        return datetime.fromtimestamp(float(claims["exp"]), UTC)
    except (IndexError, ValueError, TypeError, KeyError, OverflowError, OSError):
        return None


async def diagnose_subscriptions(settings: Settings, account: DoctorAccount) -> list[DoctorFinding]:
    """Check the subscription of each configured event type."""
    subscriptions = [one for one in await account.subscriptions() if one.channel == WEBSOCKET_CHANNEL]
    return [
        _diagnose_subscription(kind, [one for one in subscriptions if one.type == kind]) for kind in settings.event_types
    ]


def _diagnose_subscription(event_type: str, subscriptions: list[OpentactSubscription]) -> DoctorFinding:
    active = [one for one in subscriptions if one.is_active]
    if not active:
        return DoctorFinding(
            "error",
            f"{event_type}: {'the subscription is not active' if subscriptions else 'there is no subscription'}",
            CONNECT_COMMAND,
        )
    lasting = [one for one in active if one.expired_on is None or one.expired_on > get_utc_now()]
    if not lasting:
        odd = next((one for one in active if ends_before_start(one)), None)
        if odd is None:
            return DoctorFinding(
                "error", f"{event_type}: the subscription has ended on {active[0].expired_on:%Y-%m-%d}", CONNECT_COMMAND
            )
        message = f"{event_type}: the active subscription has an end ({odd.expired_on:%Y-%m-%d}) before its beginning"
        return DoctorFinding(
            "warning",
            f"{message}; Opentact does not document the meaning",
            "check with callflows events whether they arrive",
        )
    if all(one.expired_on is not None and one.expired_on < get_utc_now() + SUBSCRIPTION_RENEWAL_MARGIN for one in lasting):
        return DoctorFinding(
            "warning", f"{event_type}: the subscription ends on {lasting[0].expired_on:%Y-%m-%d}", CONNECT_COMMAND
        )
    return DoctorFinding("ok", f"{event_type} is delivered")


async def diagnose_event_connection(settings: Settings, account: DoctorAccount) -> list[DoctorFinding]:
    """Check the websocket: open a connection, send the token and wait for success."""
    url = settings.opentact_events_url
    token = await account.client.get_token()
    try:
        try:
            await _authenticate_websocket(url, token)
        except EventTokenRejectedError:
            another = await account.client.replace_token(token)
            if another is None:
                raise
            await _authenticate_websocket(url, another)
    except SettingsError:
        raise
    except OutboundRequestError:
        raise
    except Exception as error:  # noqa: BLE001 - every connection error becomes a finding
        description = account.client.redact(describe_connection_error(error))
        fix = "check that this machine reaches it, and that CALLFLOWS_OPENTACT_EVENTS_URL and the token are correct"
        return [DoctorFinding("error", f"no events from {url}: {description}", fix)]
    return [DoctorFinding("ok", f"{url} accepts the token")]


async def _authenticate_websocket(url: str, token: AccessToken) -> None:
    """Wait for a successful authentication. Raises EventTokenRejectedError and the errors of websockets."""
    async with open_event_connection(url, token, _TIMEOUTS) as socket:
        while True:
            try:
                events = parse_frame(await receive_frame(socket), get_utc_now())
            except MalformedFrameError:
                continue
            except EventConnectionLostError as lost:
                raise EventTokenRejectedError(f"{lost}, after callflows sent the token") from None
            for event in events:
                if event.kind == "auth" and not is_token_accepted(event):
                    raise EventTokenRejectedError(event.message or "the token is not accepted")
                if event.kind == "auth":
                    return
