"""The token that Opentact is shown: one of the portal, or a JWT that an email and a password get, for about a day."""

from __future__ import annotations

import asyncio
import base64
import dataclasses
import re
from typing import TYPE_CHECKING, Final

from app.errors import SettingsError, Unintelligible
from app.opentact.paths import AUTH, JWT_HEADERS, TOKEN_HEADERS

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

_SHORTEST: Final = 4
"""Characters of a secret that is looked for in texts: a shorter one is everywhere."""
_IN_A_HEADER: Final = re.compile("[!-~]+")


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Token:
    """A token and how it is shown; it is never printed."""

    text: str = dataclasses.field(repr=False)
    spelling: Mapping[str, str]

    @property
    def headers(self) -> dict[str, str]:
        """The headers of a request."""
        return {name: form.format(self.text) for name, form in self.spelling.items()}


class Tokens:
    """Gives the token of the moment, and another where one is refused; ``ask`` gives the payload of ``GET /auth``."""

    def __init__(self, token: str, email: str, password: str, ask: Callable[[], Awaitable[object]]) -> None:
        if not token and not (email and password):
            raise SettingsError(
                "nothing is shown to Opentact: set CALLFLOWS_OPENTACT_TOKEN (made in the portal), "
                "or CALLFLOWS_OPENTACT_EMAIL and CALLFLOWS_OPENTACT_PASSWORD"
            )
        if token and not _IN_A_HEADER.fullmatch(token):
            raise SettingsError("Opentact's token must be letters, digits and signs, without blanks")
        self.renewable = bool(email and password)
        self._token = Token(token, TOKEN_HEADERS) if token else None
        self._ask = ask
        self._renewing: asyncio.Task[Token] | None = None
        basic = base64.b64encode(f"{email}:{password}".encode()).decode()
        self._secrets = {secret for secret in (token, password, basic) if len(secret) >= _SHORTEST}

    async def current(self) -> Token:
        """The token of the moment; the first may have to be got. Raises OpentactError."""
        return self._token or await self._renewed()

    async def instead(self, refused: Token) -> Token | None:
        """Another than the one that was refused; None where there is none. Raises OpentactError.

        However many were refused with the same token, one is asked for.
        """
        if self._token is not None and self._token is not refused:
            return self._token
        return await self._renewed() if self.renewable else None

    def hide(self, text: str) -> str:
        """A text without the secrets, which Opentact may repeat in its answers."""
        for secret in self._secrets:
            text = text.replace(secret, "…")
        return text

    async def _renewed(self) -> Token:
        if self._renewing is None:
            self._renewing = asyncio.create_task(self._renew())
            self._renewing.add_done_callback(self._over)
        return await asyncio.shield(self._renewing)

    def _over(self, done: asyncio.Task[Token]) -> None:
        self._renewing = None
        if not done.cancelled():
            done.exception()  # whoever asked may be gone; nobody needs to hear of it then

    async def _renew(self) -> Token:
        payload = await self._ask()
        text = payload.get("token") if isinstance(payload, dict) else None
        if not isinstance(text, str) or not _IN_A_HEADER.fullmatch(text):
            raise Unintelligible("there is no token in the answer", request=f"GET {AUTH}")
        self._secrets.add(text)
        self._token = Token(text, JWT_HEADERS)
        return self._token
