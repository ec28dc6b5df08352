"""Text messages, and calls to many numbers at once: what reaches people, and is sent once or not at all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal

from app.errors import OpentactError, OutboundRequestError
from app.opentact import paths
from app.opentact.numbers import format_lease_key, format_number_digits, format_number_integer, request_undocumented
from app.opentact.pages import MAX_PAGE_ROWS, fetch_list, parse_record, search_records
from app.opentact.records import OpentactMessage, OpentactRecord
from app.opentact.rest import RestClient, RestRequest

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

    from app.outside import Effect

MAX_OPENTACT_SMS_CHARACTERS: Final = 918
"""Characters of a message (documented: 1-918, which is six parts of 153)."""


def validate_sms_text(text: str) -> str:
    """A text as it can be sent: 1 to 918 characters.

    A longer one is refused and not split: its parts may come in any order or not all, and each costs. Raises OpentactError.
    """
    if not text.strip():
        raise OpentactError("the message has no text", fix="write one")
    if len(text) > MAX_OPENTACT_SMS_CHARACTERS:
        raise OpentactError(
            f"the message has {len(text)} characters",
            fix=f"Opentact takes at most {MAX_OPENTACT_SMS_CHARACTERS}: shorten it",
        )
    return text


class MessagesApi:
    """Text messages. All raise OpentactError."""

    def __init__(self, rest: RestClient) -> None:
        self._rest = rest

    async def send_message(self, from_: str, to: str, text: str, **fields: Any) -> OpentactMessage:  # noqa: ANN401 - Opentact's own
        """Send one, once (documented); ``custom_callback_url`` among the fields is told what became of it."""
        body = {
            "from": format_number_digits(from_),
            "to": format_number_digits(to),
            "message": validate_sms_text(text),
            **fields,
        }
        request = RestRequest("POST", paths.MESSAGES_PATH, body=body)
        return parse_record(OpentactMessage, await self._rest.send_request(request) or {}, request)

    def search_messages(
        self,
        direction: Literal["", "in", "out"] = "",
        *,
        take: int = MAX_PAGE_ROWS,
        **masks: Any,  # noqa: ANN401 - Opentact's own
    ) -> AsyncIterator[OpentactMessage]:
        """Messages that were received (``in``), sent (``out``), or both, that fit masks."""
        return search_records(self._rest, OpentactMessage, paths.MESSAGE_SEARCH_PATHS[direction], masks, take=take)

    async def list_profiles(self) -> list[OpentactRecord]:
        """The messaging profiles: ``callback_url``, and ``callback_url2`` where the first cannot be reached."""
        return await fetch_list(self._rest, OpentactRecord, paths.MESSAGE_PROFILES_PATH)

    async def create_profile(self, **fields: Any) -> OpentactRecord:  # noqa: ANN401 - Opentact's own
        """Make a messaging profile."""
        request = RestRequest("POST", paths.MESSAGE_PROFILES_PATH, body=fields)
        return parse_record(OpentactRecord, await self._rest.send_request(request) or {}, request)

    async def update_profile(self, uuid: str, **fields: Any) -> OpentactRecord:  # noqa: ANN401 - Opentact's own
        """Change a messaging profile."""
        request = RestRequest("PATCH", paths.MESSAGE_PROFILE_PATH, {"uuid": uuid}, body=fields)
        return parse_record(OpentactRecord, await self._rest.send_request(request) or {}, request)

    async def delete_profile(self, uuid: str) -> None:
        """Remove a messaging profile."""
        await self._rest.send_request(RestRequest("DELETE", paths.MESSAGE_PROFILE_PATH, {"uuid": uuid}))

    async def enable_messaging(self, lease: str, profile: str, campaign: str = "") -> object:
        """Let a number send and receive, by a messaging profile and, where carriers ask for one, an SMS campaign."""
        body = {"messaging_profile": profile, **({"sms_campaign": campaign} if campaign else {})}
        return await self._rest.send_request(
            RestRequest("POST", paths.LEASE_MESSAGES_PATH, {"lease": format_lease_key(lease)}, body=body)
        )

    async def disable_messaging(self, lease: str) -> None:
        """Let a number send and receive no more."""
        await self._rest.send_request(RestRequest("DELETE", paths.LEASE_MESSAGES_PATH, {"lease": format_lease_key(lease)}))

    async def send_from_pool(self, body: object = None) -> object:
        """Send from whichever number of a pool. Raises NotDocumented: its path is lost."""
        return await request_undocumented(self._rest, "a message from a pool of numbers", body)


class OutboundCallsApi:
    """Calls that Opentact makes. All raise OpentactError."""

    def __init__(self, rest: RestClient) -> None:
        self._rest = rest

    async def call_numbers(self, profile: str, phones: Sequence[str], document: str, lease: str) -> OpentactRecord:
        """Call numbers, and run a document with each (documented); ``profile`` is an outbound voice profile's id.

        ``lease`` is the id of the lease whose number they see.
        """
        numbers = [format_number_integer(phone) for phone in phones]
        body = {"outbound_voice_profile": profile, "phones": numbers, "xml": document, "tn_lease": lease}
        request = RestRequest("POST", paths.BATCHES_PATH, body=body)
        return parse_record(OpentactRecord, await self._rest.send_request(request) or {}, request)

    async def call_number(self, body: object = None) -> object:
        """Call one number. Raises NotDocumented: its path is lost; a batch of one does it."""
        return await request_undocumented(self._rest, "one call", body)

    async def bridge_calls(self, body: object = None) -> object:
        """Join two calls. Raises NotDocumented: its path is lost."""
        return await request_undocumented(self._rest, "a bridge between two calls", body)


def create_sms_sender(messages: MessagesApi) -> Callable[[Effect], Awaitable[None]]:
    """What sends the message of a step ``sms``. Raises OutsideError, whose words do not have the text."""

    async def send_sms(effect: Effect) -> None:
        wanted = {name: str(effect.payload.get(name, "")) for name in ("from", "to", "text")}
        try:
            await messages.send_message(wanted["from"], wanted["to"], wanted["text"])
        except OpentactError as error:
            said = str(error)
            raise OutboundRequestError(said.replace(wanted["text"], "…") if wanted["text"] else said) from None

    return send_sms
