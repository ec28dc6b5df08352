"""Text messages. A message reaches people and is therefore sent once or not at all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal

from callflows.errors import (
    OpentactError,
    OpentactRateLimitError,
    OpentactUnavailableError,
    OutboundRequestError,
    RetryLaterError,
)
from callflows.opentact.operation_group import OperationGroup
from callflows.opentact.pagination import MAX_PAGE_ROWS, fetch_list, fetch_record, search_records
from callflows.opentact.rest_records import OpentactRecord
from callflows.telephony.message_entity import MessageEntity
from callflows.text import MAX_SMS_CHARACTERS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from callflows.telephony.ports import Effect


_STATUS_UNAVAILABLE: Final = 503
MESSAGE_SEARCHES: Final = {"": "messages list", "in": "messages inbound list", "out": "messages outbound list"}
"""The call that searches messages of a direction, or of both."""


def validate_sms_text(text: str) -> str:
    """Return the text if Opentact accepts the length (1 to 918 characters). Raises OpentactError.

    A longer text is refused, not split: its parts may arrive in any order or not at all, and each costs.
    """
    if not text.strip():
        raise OpentactError("the message has no text", fix="write one")
    if len(text) > MAX_SMS_CHARACTERS:
        raise OpentactError(
            f"the message has {len(text)} characters",
            fix=f"Opentact takes at most {MAX_SMS_CHARACTERS}: shorten it",
        )
    return text


class MessagesApi(OperationGroup):
    """Text messages. Every method raises OpentactError."""

    async def send_message(self, from_: str, to: str, text: str, **fields: Any) -> MessageEntity:  # noqa: ANN401 - Opentact's own
        """Send one message, once (documented).

        The optional field ``custom_callback_url`` is the URL for delivery reports.
        """
        values, more = self._split_fields("messages send", fields)
        values |= {"from": from_, "to": to, "message": validate_sms_text(text)}
        return await fetch_record(self._rest, MessageEntity, "messages send", values, more)

    def search_messages(
        self,
        direction: Literal["", "in", "out"] = "",
        *,
        take: int = MAX_PAGE_ROWS,
        **masks: Any,  # noqa: ANN401 - Opentact's own
    ) -> AsyncIterator[MessageEntity]:
        """Iterate over received (``in``), sent (``out``) or all messages; ``masks`` are search filters."""
        name = MESSAGE_SEARCHES[direction]
        values, more = self._split_fields(name, masks)
        return search_records(self._rest, MessageEntity, name, values, more=more, take=take)


class MessagingProfilesApi(OperationGroup):
    """Messaging profiles, and the numbers that text with them. Every method raises OpentactError."""

    async def list_profiles(self) -> list[OpentactRecord]:
        """Return the messaging profiles, with ``callback_url`` and the alternative ``callback_url2``."""
        return await fetch_list(self._rest, OpentactRecord, "profiles messaging list")

    async def create_profile(self, name: str, **fields: Any) -> OpentactRecord:  # noqa: ANN401 - Opentact's own
        values, more = self._split_fields("profiles messaging create", fields)
        return await fetch_record(self._rest, OpentactRecord, "profiles messaging create", {"name": name, **values}, more)

    async def update_profile(self, uuid: str, **fields: Any) -> OpentactRecord:  # noqa: ANN401 - Opentact's own
        values, more = self._split_fields("profiles messaging change", fields)
        return await fetch_record(self._rest, OpentactRecord, "profiles messaging change", {"uuid": uuid, **values}, more)

    async def delete_profile(self, uuid: str) -> None:
        await self._rest.call_operation("profiles messaging delete", {"uuid": uuid})

    async def enable_messaging(self, number: str, profile: str, campaign: str = "") -> object:
        """Enable messages on a number, with a messaging profile and, if carriers require one, an SMS campaign."""
        values = {"number": number, "messaging_profile": profile, **({"sms_campaign": campaign} if campaign else {})}
        return await self._rest.call_operation("numbers sms on", values)

    async def disable_messaging(self, number: str) -> None:
        await self._rest.call_operation("numbers sms off", {"number": number})


def create_sms_sender(messages: MessagesApi) -> Callable[[Effect], Awaitable[None]]:
    """Return the function behind the step ``sms``.

    The function raises OutboundRequestError without the text of the message; RetryLaterError if it was surely not sent.
    """

    async def send_sms(effect: Effect) -> None:
        sender, to, text = (str(effect.payload.get(name, "")) for name in ("from", "to", "text"))
        try:
            await messages.send_message(sender, to, text)
        except OpentactError as error:
            message = str(error)
            reason = message.replace(text, "…") if text else message
            if _was_surely_not_sent(error):
                raise RetryLaterError(reason, getattr(error, "retry_after", None)) from None
            raise OutboundRequestError(reason) from None

    return send_sms


def _was_surely_not_sent(error: OpentactError) -> bool:
    """Return True if Opentact was not reached, or refused a message with the wish to be asked later."""
    if isinstance(error, OpentactUnavailableError):
        return not error.may_have_happened or (error.status == _STATUS_UNAVAILABLE and error.retry_after is not None)
    return isinstance(error, OpentactRateLimitError)
