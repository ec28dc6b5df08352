"""Passes inbound text messages to the inbox, and queues the resulting effects."""

from __future__ import annotations

from typing import TYPE_CHECKING

from callflows.flows.messages.text_message import parse_text_message
from callflows.telephony.message_entity import INBOUND_MESSAGE_TYPE, OUTBOUND_MESSAGE_TYPE
from callflows.telephony.ports import normalize_party

if TYPE_CHECKING:
    from collections.abc import Callable

    from callflows.flows.flow_book import FlowBook
    from callflows.flows.messages.message_inbox import InboxResult, MessageInbox
    from callflows.flows.messages.text_message import TextMessage
    from callflows.telephony.events import PlatformEvent
    from callflows.telephony.message_entity import MessageEntity
    from callflows.telephony.ports import EffectSender


class InboundSms:
    """Passes text messages to an inbox.

    ``get_flow_book`` returns the current flows; ``record_result`` receives each message and its result.
    """

    def __init__(
        self,
        inbox: MessageInbox,
        get_flow_book: Callable[[], FlowBook],
        effect_sender: EffectSender,
        record_result: Callable[[TextMessage, InboxResult], None] | None = None,
    ) -> None:
        self._inbox = inbox
        self._get_flow_book = get_flow_book
        self._effect_sender = effect_sender
        self._record_result = record_result

    async def handle_event(self, platform_event: PlatformEvent) -> None:
        """Handle a text message; ignore other events. Raises the inbox's errors, so that the event can be retried."""
        if platform_event.sms is None:
            return
        message = parse_text_message(
            platform_event.sms, platform_event.occurred_at, self._find_message_type(platform_event.sms)
        )
        taken = await self._inbox.handle_message(message)
        if self._record_result is not None:
            self._record_result(message, taken)
        for effect in taken.effects:
            self._effect_sender.queue_effect(effect)

    def _find_message_type(self, sms: MessageEntity) -> str:
        """Return the message type; derive a missing type from the sender. platform 1.5 has no type."""
        ours = self._get_flow_book().has_exact_claim(normalize_party(sms.from_))
        return sms.type or (OUTBOUND_MESSAGE_TYPE if ours else INBOUND_MESSAGE_TYPE)
