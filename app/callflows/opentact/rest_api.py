"""Opentact's REST API, typed and async: ``async with Opentact(token="…") as opentact: await opentact.apps.all()``.

Every method raises OpentactError (of ``callflows.errors``) where Opentact refuses or cannot be asked. Questions are asked
again where that may help; requests which cost money or reach people are sent once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Self

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

if TYPE_CHECKING:
    from types import TracebackType

    from callflows.opentact.access_tokens import AccessToken
    from callflows.opentact.backoff import BackoffClock
    from callflows.settings import Settings


DEFAULT_REST_URL: Final = "https://api.opentact.org/rest"


class OpentactClient:
    """The account of a token, or of an email and a password, which renew a token that is refused.

    ``url`` is https, or anything on this machine; ``per_second`` bounds the requests, ``seconds`` is for one of them.
    Raises SettingsError where it cannot be used so.
    """

    def __init__(
        self,
        token: str = "",
        *,
        email: str = "",
        password: str = "",
        url: str = DEFAULT_REST_URL,
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
        """That of an installation. Raises SettingsError."""
        return cls(
            settings.opentact_token.get_secret_value(),
            email=settings.opentact_email,
            password=settings.opentact_password.get_secret_value(),
            url=settings.opentact_url,
        )

    async def list_voices(self) -> list[OpentactVoice]:
        """The voices that Say can have (API description)."""
        return await fetch_list(self._rest_client, OpentactVoice, rest_paths.VOICES_PATH)

    async def get_token(self) -> AccessToken:
        """The token of the moment, which the websocket is shown too."""
        return await self._rest_client.token_provider.get_token()

    async def replace_token(self, rejected_token: AccessToken) -> AccessToken | None:
        """A token instead of one that was refused; None where there is no email and password."""
        return await self._rest_client.token_provider.replace_token(rejected_token)

    def redact(self, text: str) -> str:
        """A text without tokens and passwords."""
        return self._rest_client.token_provider.redact(text)

    async def close(self) -> None:
        """End the connections."""
        await self._rest_client.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()
