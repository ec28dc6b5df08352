"""Texts that come in: the inbox says what is to be sent, and it is caused."""

from __future__ import annotations

from typing import TYPE_CHECKING

from callflows.flows.messages.text_message import INBOUND_MESSAGE_TYPE, parse_text_message
from callflows.telephony.ports import normalize_party

if TYPE_CHECKING:
    from collections.abc import Callable

    from callflows.flows.flow_book import FlowBook
    from callflows.flows.messages.message_inbox import InboxResult, MessageInbox
    from callflows.flows.messages.text_message import TextMessage
    from callflows.telephony.events import PlatformEvent
    from callflows.telephony.ports import EffectHandler


class InboundSms:
    """Hands texts to an inbox. ``book`` gives the flows as they are now; ``remember`` is told what became of each."""

    def __init__(
        self,
        inbox: MessageInbox,
        get_flow_book: Callable[[], FlowBook],
        effect_handler: EffectHandler,
        record_result: Callable[[TextMessage, InboxResult], None] | None = None,
    ) -> None:
        self._inbox = inbox
        self._get_flow_book = get_flow_book
        self._effect_handler = effect_handler
        self._record_result = record_result

    async def handle_event(self, platform_event: PlatformEvent) -> None:
        """Take a text that came in, if it is one. Raises what the inbox raises: then it may come again."""
        if not platform_event.sms:
            return
        message = parse_text_message(
            {**platform_event.sms, "type": self._find_message_type(platform_event)}, platform_event.occurred_at
        )
        taken = await self._inbox.handle_message(message)
        if self._record_result is not None:
            self._record_result(message, taken)
        for effect in taken.effects:
            self._effect_handler.queue_effect(effect)

    def _find_message_type(self, platform_event: PlatformEvent) -> str:
        """A message's type; of one that names none, whether it came to us or went out. platform 1.5 has no type."""
        named = str(platform_event.sms.get("type") or "")
        ours = self._get_flow_book().has_exact_claim(normalize_party(str(platform_event.sms.get("from") or "")))
        return named or ("smso" if ours else INBOUND_MESSAGE_TYPE)
