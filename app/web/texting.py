"""Texts that come in: the inbox says what is to be sent, and it is caused."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.consent import party
from app.flows.messages.message import INBOUND, message_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.flows.book import FlowBook
    from app.flows.messages.inbox import Inbox, Taken
    from app.flows.messages.message import Message
    from app.happened import Happened
    from app.outside import Effects


class Texting:
    """Hands texts to an inbox. ``book`` gives the flows as they are now; ``remember`` is told what became of each."""

    def __init__(
        self,
        inbox: Inbox,
        book: Callable[[], FlowBook],
        outside: Effects,
        remember: Callable[[Message, Taken], None] | None = None,
    ) -> None:
        self._inbox = inbox
        self._book = book
        self._outside = outside
        self._remember = remember

    async def heard(self, happened: Happened) -> None:
        """Take a text that came in, if it is one. Raises what the inbox raises: then it may come again."""
        if not happened.sms:
            return
        message = message_of({**happened.sms, "type": self._type(happened)}, happened.at)
        taken = await self._inbox.take(message)
        if self._remember is not None:
            self._remember(message, taken)
        for effect in taken.effects:
            self._outside.cause(effect)

    def _type(self, happened: Happened) -> str:
        """A message's type; of one that names none, whether it came to us or went out. platform 1.5 has no type."""
        named = str(happened.sms.get("type") or "")
        ours = self._book().owns(party(str(happened.sms.get("from") or "")))
        return named or ("smso" if ours else INBOUND)
