"""Text messages, and calls to many numbers at once: what reaches people, and is sent once or not at all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal

from app.errors import OpentactError, OutsideError
from app.opentact import paths
from app.opentact.numbers import digits, integer, lease_of, lost
from app.opentact.pages import MOST, listed, record_of, searched
from app.opentact.records import Message, Record
from app.opentact.rest import Request, Rest

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

    from app.outside import Effect

LONGEST: Final = 918
"""Characters of a message (documented: 1-918, which is six parts of 153)."""


def sendable(text: str) -> str:
    """A text as it can be sent: 1 to 918 characters.

    A longer one is refused and not split: its parts may come in any order or not all, and each costs. Raises OpentactError.
    """
    if not text.strip():
        raise OpentactError("the message has no text", mend="write one")
    if len(text) > LONGEST:
        raise OpentactError(f"the message has {len(text)} characters", mend=f"Opentact takes at most {LONGEST}: shorten it")
    return text


class Messages:
    """Text messages. All raise OpentactError."""

    def __init__(self, rest: Rest) -> None:
        self._rest = rest

    async def send(self, from_: str, to: str, text: str, **fields: Any) -> Message:  # noqa: ANN401 - Opentact's own
        """Send one, once (documented); ``custom_callback_url`` among the fields is told what became of it."""
        body = {"from": digits(from_), "to": digits(to), "message": sendable(text), **fields}
        request = Request("POST", paths.MESSAGES, body=body)
        return record_of(Message, await self._rest.ask(request) or {}, request)

    def search(
        self,
        direction: Literal["", "in", "out"] = "",
        *,
        take: int = MOST,
        **masks: Any,  # noqa: ANN401 - Opentact's own
    ) -> AsyncIterator[Message]:
        """Messages that were received (``in``), sent (``out``), or both, that fit masks."""
        return searched(self._rest, Message, paths.MESSAGE_SEARCH[direction], masks, take=take)

    async def profiles(self) -> list[Record]:
        """The messaging profiles: ``callback_url``, and ``callback_url2`` where the first cannot be reached."""
        return await listed(self._rest, Record, paths.MESSAGE_PROFILES)

    async def make_profile(self, **fields: Any) -> Record:  # noqa: ANN401 - Opentact's own
        """Make a messaging profile."""
        request = Request("POST", paths.MESSAGE_PROFILES, body=fields)
        return record_of(Record, await self._rest.ask(request) or {}, request)

    async def change_profile(self, uuid: str, **fields: Any) -> Record:  # noqa: ANN401 - Opentact's own
        """Change a messaging profile."""
        request = Request("PATCH", paths.MESSAGE_PROFILE, {"uuid": uuid}, body=fields)
        return record_of(Record, await self._rest.ask(request) or {}, request)

    async def delete_profile(self, uuid: str) -> None:
        """Remove a messaging profile."""
        await self._rest.ask(Request("DELETE", paths.MESSAGE_PROFILE, {"uuid": uuid}))

    async def enable(self, lease: str, profile: str, campaign: str = "") -> object:
        """Let a number send and receive, by a messaging profile and, where carriers ask for one, an SMS campaign."""
        body = {"messaging_profile": profile, **({"sms_campaign": campaign} if campaign else {})}
        return await self._rest.ask(Request("POST", paths.LEASE_MESSAGES, {"lease": lease_of(lease)}, body=body))

    async def disable(self, lease: str) -> None:
        """Let a number send and receive no more."""
        await self._rest.ask(Request("DELETE", paths.LEASE_MESSAGES, {"lease": lease_of(lease)}))

    async def send_by_pool(self, body: object = None) -> object:
        """Send from whichever number of a pool. Raises NotDocumented: its path is lost."""
        return await lost(self._rest, "a message from a pool of numbers", body)


class Dialling:
    """Calls that Opentact makes. All raise OpentactError."""

    def __init__(self, rest: Rest) -> None:
        self._rest = rest

    async def batch(self, profile: str, phones: Sequence[str], document: str, lease: str) -> Record:
        """Call numbers, and run a document with each (documented); ``profile`` is an outbound voice profile's id.

        ``lease`` is the id of the lease whose number they see.
        """
        numbers = [integer(phone) for phone in phones]
        body = {"outbound_voice_profile": profile, "phones": numbers, "xml": document, "tn_lease": lease}
        request = Request("POST", paths.BATCHES, body=body)
        return record_of(Record, await self._rest.ask(request) or {}, request)

    async def call(self, body: object = None) -> object:
        """Call one number. Raises NotDocumented: its path is lost; a batch of one does it."""
        return await lost(self._rest, "one call", body)

    async def bridge(self, body: object = None) -> object:
        """Join two calls. Raises NotDocumented: its path is lost."""
        return await lost(self._rest, "a bridge between two calls", body)


def texting(messages: Messages) -> Callable[[Effect], Awaitable[None]]:
    """What sends the message of a step ``sms``. Raises OutsideError, whose words do not have the text."""

    async def send(effect: Effect) -> None:
        wanted = {name: str(effect.payload.get(name, "")) for name in ("from", "to", "text")}
        try:
            await messages.send(wanted["from"], wanted["to"], wanted["text"])
        except OpentactError as error:
            said = str(error)
            raise OutsideError(said.replace(wanted["text"], "…") if wanted["text"] else said) from None

    return send
