"""Text messages, and calls to many numbers at once: what reaches people, and is sent once or not at all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal

from callflows.errors import OpentactError, OutboundRequestError
from callflows.opentact import rest_paths
from callflows.opentact.numbers_api import format_lease_key, format_number_digits
from callflows.opentact.pagination import MAX_PAGE_ROWS, fetch_list, parse_record, search_records
from callflows.opentact.rest_client import RestClient, RestRequest, request_undocumented
from callflows.opentact.rest_records import OpentactMessage, OpentactRecord

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from callflows.telephony.ports import Effect


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
        request = RestRequest("POST", rest_paths.MESSAGES_PATH, body=body)
        return parse_record(OpentactMessage, await self._rest.send_request(request) or {}, request)

    def search_messages(
        self,
        direction: Literal["", "in", "out"] = "",
        *,
        take: int = MAX_PAGE_ROWS,
        **masks: Any,  # noqa: ANN401 - Opentact's own
    ) -> AsyncIterator[OpentactMessage]:
        """Messages that were received (``in``), sent (``out``), or both, that fit masks."""
        return search_records(self._rest, OpentactMessage, rest_paths.MESSAGE_SEARCH_PATHS[direction], masks, take=take)

    async def list_profiles(self) -> list[OpentactRecord]:
        """The messaging profiles: ``callback_url``, and ``callback_url2`` where the first cannot be reached."""
        return await fetch_list(self._rest, OpentactRecord, rest_paths.MESSAGE_PROFILES_PATH)

    async def create_profile(self, **fields: Any) -> OpentactRecord:  # noqa: ANN401 - Opentact's own
        """Make a messaging profile."""
        request = RestRequest("POST", rest_paths.MESSAGE_PROFILES_PATH, body=fields)
        return parse_record(OpentactRecord, await self._rest.send_request(request) or {}, request)

    async def update_profile(self, uuid: str, **fields: Any) -> OpentactRecord:  # noqa: ANN401 - Opentact's own
        """Change a messaging profile."""
        request = RestRequest("PATCH", rest_paths.MESSAGE_PROFILE_PATH, {"uuid": uuid}, body=fields)
        return parse_record(OpentactRecord, await self._rest.send_request(request) or {}, request)

    async def delete_profile(self, uuid: str) -> None:
        """Remove a messaging profile."""
        await self._rest.send_request(RestRequest("DELETE", rest_paths.MESSAGE_PROFILE_PATH, {"uuid": uuid}))

    async def enable_messaging(self, lease: str, profile: str, campaign: str = "") -> object:
        """Let a number send and receive, by a messaging profile and, where carriers ask for one, an SMS campaign."""
        body = {"messaging_profile": profile, **({"sms_campaign": campaign} if campaign else {})}
        return await self._rest.send_request(
            RestRequest("POST", rest_paths.LEASE_MESSAGES_PATH, {"lease": format_lease_key(lease)}, body=body)
        )

    async def disable_messaging(self, lease: str) -> None:
        """Let a number send and receive no more."""
        await self._rest.send_request(
            RestRequest("DELETE", rest_paths.LEASE_MESSAGES_PATH, {"lease": format_lease_key(lease)})
        )

    async def send_from_pool(self, body: object = None) -> object:
        """Send from whichever number of a pool. Raises NotDocumented: its path is lost."""
        return await request_undocumented(self._rest, "a message from a pool of numbers", body)


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
