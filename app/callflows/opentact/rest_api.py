"""Opentact's REST API, typed and async: ``async with OpentactClient(token="…") as client: await client.apps.list_all()``.

Every method raises OpentactError (``callflows.errors``) if Opentact refuses or cannot be reached. Reads are retried;
requests that cost money or reach people are sent once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from callflows.opentact import rest_paths
from callflows.opentact.apps_api import AppsApi
from callflows.opentact.calls_api import CallsApi, OutboundCallsApi
from callflows.opentact.messages_api import MessagesApi
from callflows.opentact.numbers_api import NumbersApi
from callflows.opentact.pagination import fetch_list
from callflows.opentact.rest_client import REST_REQUESTS_PER_SECOND, REST_TIMEOUT_SECONDS, RestClient
from callflows.opentact.rest_records import OpentactVoice
from callflows.opentact.sip_api import SipConnectionsApi, SipDomainsApi, VoiceProfilesApi
from callflows.opentact.subscriptions_api import SubscriptionsApi
from callflows.settings import OPENTACT_REST_URL

if TYPE_CHECKING:
    from types import TracebackType

    from callflows.opentact.access_tokens import AccessToken
    from callflows.opentact.backoff import BackoffClock
    from callflows.settings import Settings


class OpentactClient:
    """The account of a token, or of an email and a password. Email and password also renew a rejected token.

    ``url`` is https, or any URL on this machine. ``requests_per_second`` limits the rate; ``timeout_seconds`` is for one
    attempt. Raises SettingsError.
    """

    def __init__(
        self,
        token: str = "",
        *,
        email: str = "",
        password: str = "",
        url: str = OPENTACT_REST_URL,
        requests_per_second: float = REST_REQUESTS_PER_SECOND,
        timeout_seconds: float = REST_TIMEOUT_SECONDS,
        clock: BackoffClock | None = None,
    ) -> None:
        rest = RestClient(
            url,
            token,
            email,
            password,
            requests_per_second=requests_per_second,
            timeout_seconds=timeout_seconds,
            clock=clock,
        )
        self._rest_client = rest
        self.apps = AppsApi(rest)
        self.calls = CallsApi(rest)
        self.numbers = NumbersApi(rest)
        self.messages = MessagesApi(rest)
        self.outbound_calls = OutboundCallsApi(rest)
        self.connections = SipConnectionsApi(rest)
        self.domains = SipDomainsApi(rest)
        self.voice_profiles = VoiceProfilesApi(rest)
        self.subscriptions = SubscriptionsApi(rest)

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        """Raises SettingsError."""
        return cls(
            settings.opentact_token.get_secret_value(),
            email=settings.opentact_email,
            password=settings.opentact_password.get_secret_value(),
            url=settings.opentact_url,
        )

    async def list_voices(self) -> list[OpentactVoice]:
        """Return the voices of the verb Say (API description)."""
        return await fetch_list(self._rest_client, OpentactVoice, rest_paths.VOICES_PATH)

    async def get_token(self) -> AccessToken:
        """Return the current token, for the websocket."""
        return await self._rest_client.token_provider.get_token()

    async def replace_token(self, rejected_token: AccessToken) -> AccessToken | None:
        """Return a token other than the rejected one; None without email and password."""
        return await self._rest_client.token_provider.replace_token(rejected_token)

    def redact(self, text: str) -> str:
        """Remove tokens and passwords from a text."""
        return self._rest_client.token_provider.redact(text)

    async def close(self) -> None:
        await self._rest_client.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()
