"""Opentact's REST API, typed and async: ``async with Opentact(token="…") as opentact: await opentact.apps.all()``.

Every method raises OpentactError (of ``app.errors``) where Opentact refuses or cannot be asked. Questions are asked again
where that may help; what costs money or reaches people is asked once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Self

from app.opentact import paths
from app.opentact.apps import Apps, Calls
from app.opentact.messages import Dialling, Messages
from app.opentact.numbers import Numbers
from app.opentact.pages import listed
from app.opentact.records import Voice
from app.opentact.rest import PER_SECOND, SECONDS, Rest
from app.opentact.sip import Connections, Domains, VoiceProfiles
from app.opentact.subscriptions import Subscriptions

if TYPE_CHECKING:
    from types import TracebackType

    from app.opentact.pace import Pace
    from app.opentact.tokens import Token
    from app.settings import Settings

URL: Final = "https://api.opentact.org/rest"


class Opentact:
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
        url: str = URL,
        per_second: float = PER_SECOND,
        seconds: float = SECONDS,
        pace: Pace | None = None,
    ) -> None:
        rest = Rest(url, token, email, password, per_second=per_second, seconds=seconds, pace=pace)
        self._rest = rest
        self.apps = Apps(rest)
        self.calls = Calls(rest)
        self.numbers = Numbers(rest)
        self.messages = Messages(rest)
        self.dialling = Dialling(rest)
        self.connections = Connections(rest)
        self.domains = Domains(rest)
        self.voice_profiles = VoiceProfiles(rest)
        self.subscriptions = Subscriptions(rest)

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """That of an installation. Raises SettingsError."""
        return cls(
            settings.opentact_token.get_secret_value(),
            email=settings.opentact_email,
            password=settings.opentact_password.get_secret_value(),
            url=settings.opentact_url,
        )

    async def voices(self) -> list[Voice]:
        """The voices that Say can have (API description)."""
        return await listed(self._rest, Voice, paths.VOICES)

    async def token(self) -> Token:
        """The token of the moment, which the websocket is shown too."""
        return await self._rest.tokens.current()

    async def another_token(self, refused: Token) -> Token | None:
        """A token instead of one that was refused; None where there is no email and password."""
        return await self._rest.tokens.instead(refused)

    def hide(self, text: str) -> str:
        """A text without tokens and passwords."""
        return self._rest.tokens.hide(text)

    async def close(self) -> None:
        """End the connections."""
        await self._rest.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()
