"""Tokens for Opentact: a token made in the portal, or a JWT obtained with an email and a password (valid about a day)."""

from __future__ import annotations

import asyncio
import base64
import dataclasses
import re
from typing import TYPE_CHECKING, Final

from callflows.errors import OpentactResponseError, SettingsError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from callflows.opentact.operation_file import OperationTable


_MIN_SECRET_CHARACTERS: Final = 4
"""Shorter secrets are not redacted: a text of three characters occurs everywhere."""
_HEADER_TEXT_PATTERN: Final = re.compile("[!-~]+")


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class AccessToken:
    """A token and the templates of its HTTP headers; the token is never printed."""

    text: str = dataclasses.field(repr=False)
    header_templates: Mapping[str, str]

    @property
    def headers(self) -> dict[str, str]:
        return {name: form.replace("{token}", self.text) for name, form in self.header_templates.items()}


class TokenProvider:
    """Provides the current token and renews a rejected one.

    ``fetch_auth`` returns the payload of the call ``auth``; ``sign_in`` are its fields instead of email and password.
    Raises SettingsError if no usable credentials are set.
    """

    def __init__(
        self,
        token: str,
        email: str,
        password: str,
        fetch_auth: Callable[[], Awaitable[object]],
        table: OperationTable,
        sign_in: Mapping[str, str],
    ) -> None:
        if not token and not (email and password) and not sign_in:
            raise SettingsError(
                "nothing is shown to Opentact: set CALLFLOWS_OPENTACT_TOKEN (made in the portal), "
                "or CALLFLOWS_OPENTACT_EMAIL and CALLFLOWS_OPENTACT_PASSWORD"
            )
        if token and not _HEADER_TEXT_PATTERN.fullmatch(token):
            raise SettingsError("Opentact's token must be letters, digits and signs, without blanks")
        self.is_renewable = bool((email and password) or sign_in)
        self._table = table
        self._current_token = AccessToken(token, table.portal_token_headers) if token else None
        self._fetch_auth = fetch_auth
        self._renewal: asyncio.Task[AccessToken] | None = None
        basic = base64.b64encode(f"{email}:{password}".encode()).decode()
        self._secrets = {
            secret for secret in (token, password, basic, *sign_in.values()) if len(secret) >= _MIN_SECRET_CHARACTERS
        }

    async def get_token(self) -> AccessToken:
        """Return the current token; request the first one if necessary. Raises OpentactError."""
        return self._current_token or await self._await_renewal()

    async def replace_token(self, rejected_token: AccessToken) -> AccessToken | None:
        """Return a token other than the rejected one; None without email and password. Raises OpentactError.

        Concurrent requests rejected with the same token share one renewal.
        """
        if self._current_token is not None and self._current_token is not rejected_token:
            return self._current_token
        return await self._await_renewal() if self.is_renewable else None

    def redact(self, text: str) -> str:
        """Replace secrets in a text. Opentact may repeat them in its answers."""
        for secret in self._secrets:
            text = text.replace(secret, "…")
        return text

    async def _await_renewal(self) -> AccessToken:
        if self._renewal is None:
            self._renewal = asyncio.create_task(self._renew_token())
            self._renewal.add_done_callback(self._finish_renewal)
        return await asyncio.shield(self._renewal)

    def _finish_renewal(self, task: asyncio.Task[AccessToken]) -> None:
        self._renewal = None
        if not task.cancelled():
            task.exception()  # marks the error as retrieved: the awaiting request may be cancelled already

    async def _renew_token(self) -> AccessToken:
        payload = await self._fetch_auth()
        text = payload.get("token") if isinstance(payload, dict) else None
        if not isinstance(text, str) or not _HEADER_TEXT_PATTERN.fullmatch(text):
            raise OpentactResponseError(
                "there is no token in the answer", request=self._table.get_operation("auth").request_name
            )
        self._secrets.add(text)
        self._current_token = AccessToken(text, self._table.jwt_headers)
        return self._current_token
