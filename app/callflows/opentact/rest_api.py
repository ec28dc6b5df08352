"""Opentact's REST API, typed and async: ``async with Opentact(token="…") as opentact: await opentact.apps.list_all()``.

Every method raises OpentactError (``callflows.errors``) if Opentact refuses or cannot be reached. Reads are retried;
requests that cost money or reach people are sent once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from callflows.opentact.apps_api import AppsApi
from callflows.opentact.calls_api import CallsApi
from callflows.opentact.messages_api import MessagesApi, MessagingProfilesApi
from callflows.opentact.numbers_api import NumbersApi
from callflows.opentact.operation_file import DOCUMENTED_TABLE, load_operation_table
from callflows.opentact.operation_group import OperationGroup
from callflows.opentact.pagination import fetch_list, search_records
from callflows.opentact.rest_client import REST_REQUESTS_PER_SECOND, REST_TIMEOUT_SECONDS, RestClient
from callflows.opentact.rest_records import OpentactRecord, OpentactVoice
from callflows.opentact.sip_api import SipConnectionsApi
from callflows.opentact.subscriptions_api import SubscriptionsApi
from callflows.settings import OPENTACT_REST_URL

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from types import TracebackType

    from callflows.opentact.access_tokens import AccessToken
    from callflows.opentact.backoff import BackoffClock
    from callflows.opentact.operation_file import OperationTable
    from callflows.settings import Settings


class Opentact:
    """The account of a token, or of an email and a password. Email and password also renew a rejected token.

    ``google_token`` signs in instead of email and password. ``table`` is the operation table, by default as documented.
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
        table: OperationTable = DOCUMENTED_TABLE,
        google_token: str = "",
    ) -> None:
        rest = RestClient(
            url,
            token,
            email,
            password,
            requests_per_second=requests_per_second,
            timeout_seconds=timeout_seconds,
            clock=clock,
            table=table,
            sign_in={"google_token": google_token} if google_token else None,
        )
        self._rest_client = rest
        self.account = OperationGroup(rest, "account")
        self.apps = AppsApi(rest, "apps")
        self.calls = CallsApi(rest, "calls")
        self.connections = SipConnectionsApi(rest, "connections")
        self.domains = OperationGroup(rest, "domains")
        self.invites = OperationGroup(rest, "invites")
        self.lists = OperationGroup(rest, "lists")
        self.messages = MessagesApi(rest, "messages")
        self.numbers = NumbersApi(rest, "numbers")
        self.profiles = MessagingProfilesApi(rest, "profiles")
        self.rooms = OperationGroup(rest, "rooms")
        self.subscriptions = SubscriptionsApi(rest, "subscriptions")
        self.switches = OperationGroup(rest, "switches")
        self.tokens = OperationGroup(rest, "tokens")
        self.users = OperationGroup(rest, "users")

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        """Raises SettingsError."""
        return cls(
            settings.opentact_token.get_secret_value(),
            email=settings.opentact_email,
            password=settings.opentact_password.get_secret_value(),
            url=settings.opentact_url,
            table=load_operation_table(settings),
        )

    @property
    def table(self) -> OperationTable:
        """The operation table, with the operator's corrections."""
        return self._rest_client.table

    async def call_operation(
        self, name: str, values: Mapping[str, Any] | None = None, more: Mapping[str, Any] | None = None
    ) -> Any:  # noqa: ANN401 - JSON
        """Return the payload of a line of the operation table, exactly as received."""
        return await self._rest_client.call_operation(name, values, more)

    def search_rows(
        self, name: str, values: Mapping[str, Any] | None = None, more: Mapping[str, Any] | None = None
    ) -> AsyncIterator[OpentactRecord]:
        """Iterate over all rows of a search of the operation table."""
        return search_records(self._rest_client, OpentactRecord, name, values or {}, more=more)

    async def sign_in(self) -> dict[str, Any]:
        """Return the payload of the call ``auth``, with a new token."""
        payload = await self._rest_client.fetch_auth()
        return payload if isinstance(payload, dict) else {}

    async def list_voices(self) -> list[OpentactVoice]:
        """Return the voices of the verb Say (API description)."""
        return await fetch_list(self._rest_client, OpentactVoice, "voices")

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
