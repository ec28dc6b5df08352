"""Handles inbound text messages: each message once, without loops.

STOP, START, HELP and the limits against loops come before the rules of a flow. The inbox sends no messages: the caller of
``handle_message`` executes the returned effects.
"""

from __future__ import annotations

import contextlib
import time
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

from callflows.errors import JournalError
from callflows.flows.decisions import describe_decisions
from callflows.flows.messages.carrier_keywords import DEFAULT_CARRIER_WORDS, detect_carrier_keyword
from callflows.flows.messages.message_rules import MessageRules
from callflows.flows.messages.phone_reactions import is_reaction
from callflows.flows.messages.reply_limits import (
    FORWARD_LIMITS,
    REPLY_LIMITS,
    ReplyLimiter,
    find_limit_refusal,
    make_text_digest,
)
from callflows.flows.messages.text_message import can_receive_replies
from callflows.log import get_logger
from callflows.recent_keys import RecentKeys
from callflows.sandbox.job_runner import run_until_resolved
from callflows.telephony.message_entity import ARRIVED_MESSAGE_STATE, INBOUND_MESSAGE_TYPE
from callflows.telephony.phone_numbers import mask_number

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from callflows.flows.flow import Flow
    from callflows.flows.flow_book import FlowBook
    from callflows.flows.messages.carrier_keywords import CarrierKeyword, CarrierWords
    from callflows.flows.messages.message_rules import CarrierReplies, MessageDecision, RequestedEffect
    from callflows.flows.messages.text_message import TextMessage
    from callflows.sandbox.job_runner import RunJob
    from callflows.telephony.ports import Effect, IdempotencyStore, OptOutRegistry, SentTextRegistry
    from callflows.telephony.turn import Turn


_LOG: Final = get_logger("messages")
MAX_ANSWERABLE_AGE_SECONDS: Final = 6 * 3600.0
"""Older messages are not answered: a search found the message late, and the sender no longer waits."""
_MAX_DETAIL_CHARACTERS: Final = 300
InboxOutcome = Literal[
    "matched", "unmatched", "stopped", "started", "helped",
    "outbound", "not-arrived", "repeated", "unknown-number", "own-number", "broken",
]  # fmt: skip
_CARRIER_KEYWORD_OUTCOMES: Final[Mapping[CarrierKeyword, InboxOutcome]] = {
    "stop": "stopped",
    "start": "started",
    "help": "helped",
}


class InboxResult(NamedTuple):
    """The outcome of a message.

    ``effects`` are to be executed now. ``rule_index`` is the index of the matching rule. ``detail`` explains the outcome
    ``broken``.
    """

    outcome: InboxOutcome
    flow: str = ""
    version: str = ""
    rule_index: int | None = None
    effects: tuple[Effect, ...] = ()
    detail: str = ""
    turn: Turn | None = None

    @property
    def trail(self) -> list[dict[str, Any]]:
        """Describe the decisions in words."""
        return describe_decisions(self.turn) if self.turn is not None else []


class MessageInbox:
    """Applies the rules of the current flows to inbound messages.

    ``book`` returns the current flows. ``run_job`` runs deferred jobs. ``deduplication`` remembers handled messages,
    ``optouts`` the senders who opted out. ``handle_message`` raises every error of both stores: such a message must not be
    acknowledged, and may arrive again.
    """

    def __init__(
        self,
        book: Callable[[], FlowBook],
        sentences: CarrierReplies,
        *,
        carrier_words: CarrierWords = DEFAULT_CARRIER_WORDS,
        optouts: OptOutRegistry,
        deduplication: IdempotencyStore,
        run_job: RunJob,
        clock: Callable[[], float] = time.time,
        quiet: bool = False,
        sent_texts: SentTextRegistry | None = None,
    ) -> None:
        """``quiet``: write no log lines. Without ``sent_texts``, texts are counted in memory."""
        self._sent_texts = sent_texts
        self._quiet = quiet
        self._get_book = book
        self._sentences = sentences
        self._carrier_words = carrier_words
        self._optouts = optouts
        self._deduplication = deduplication
        self._run_job = run_job
        self._clock = clock
        self._reply_limiter = ReplyLimiter()
        self._recent_outbound_ids = RecentKeys()

    async def handle_message(self, message: TextMessage) -> InboxResult:
        """Return the outcome and the effects of a message; a repeated message has no effects."""
        taken = await self._process_message(message)
        if self._quiet or (taken.outcome == "outbound" and not self._recent_outbound_ids.add(message.id)):
            return taken
        say = _LOG.warning if taken.outcome in ("unknown-number", "broken") else _LOG.info
        why = {"detail": taken.detail} if taken.detail else {}
        say("message", outcome=taken.outcome, flow=taken.flow, sender=message.sender, to=message.to, **why)
        return taken

    async def _process_message(self, message: TextMessage) -> InboxResult:
        if message.type != INBOUND_MESSAGE_TYPE:
            return InboxResult("outbound")
        if message.state != ARRIVED_MESSAGE_STATE:
            return InboxResult("not-arrived")
        book = self._get_book()
        if message.sender == message.number or book.has_exact_claim(message.sender):
            return InboxResult("own-number")
        flow = book.find_answering_flow(message.number)
        opted_out = await self._optouts.is_opted_out(message.number, message.sender)
        carrier_keyword = detect_carrier_keyword(message.text, opted_out=opted_out, carrier_words=self._carrier_words)
        # Before the claim: if the store fails, the message stays unclaimed and may arrive again.
        changed = await self._update_opt_out(carrier_keyword, message)
        if not await self._deduplication.claim_key("message", message.id):
            return InboxResult("repeated")
        if flow is None:
            return InboxResult("unknown-number")
        return await self._apply_rules(flow, message, opted_out=opted_out, consent_changed=changed)

    async def _update_opt_out(self, carrier_keyword: str | None, message: TextMessage) -> bool:
        """Store a STOP or START; return whether the state changed. Safe to repeat, in any order."""
        pair = (message.number, message.sender)
        if carrier_keyword == "stop":
            return await self._optouts.opt_out(*pair, message.received_at)
        if carrier_keyword == "start":
            return await self._optouts.opt_in(*pair, message.received_at)
        return False

    async def _apply_rules(
        self, flow: Flow, message: TextMessage, *, opted_out: bool, consent_changed: bool
    ) -> InboxResult:
        turn = message.make_turn()
        turn.zone, turn.resolve = flow.zone, flow.resolve
        rules = flow.message_rules or MessageRules(flow.name)
        decide = partial(
            rules.decide_effects,
            message,
            turn,
            self._sentences,
            carrier_words=self._carrier_words,
            opted_out=opted_out,
        )
        try:
            decided = await run_until_resolved(decide, turn, self._run_job, flow.name)
        except Exception as error:  # noqa: BLE001 - a broken rule must not stop the next message
            reason = f"{type(error).__name__}: {error}"[:_MAX_DETAIL_CHARACTERS]
            return InboxResult("broken", flow.name, flow.version, detail=reason, turn=turn)
        effects = [
            one.effect
            for one in decided.requested_effects
            if await self._may_cause(
                one, message, turn, confirms=decided.carrier_keyword == "stop", consent_changed=consent_changed
            )
        ]
        return InboxResult(
            _outcome_of_decision(decided), flow.name, flow.version, decided.rule_index, tuple(effects), turn=turn
        )

    async def _may_cause(
        self, request: RequestedEffect, message: TextMessage, turn: Turn, *, confirms: bool, consent_changed: bool
    ) -> bool:
        """Return True if a requested effect is executed; record the decision in the trail.

        ``confirms``: the effect belongs to a STOP, whose confirmation is sent once.
        """
        sms = request.effect.kind == "sms"
        refused = request.refusal or (
            await self._find_refusal(request, message, confirms=confirms, consent_changed=consent_changed) if sms else ""
        )
        to = {"to": mask_number(request.effect.payload["to"])} if sms else {}
        detail = {**to, "refused": refused} if refused else to
        turn.trail.append((request.origin, "refused" if refused else "caused", turn.values, detail))
        return not refused

    async def _find_refusal(
        self, request: RequestedEffect, message: TextMessage, *, confirms: bool, consent_changed: bool
    ) -> str:
        """Return the reason not to send a text; "" if allowed, and then the text is counted."""
        to, reaches_opted_out = request.effect.payload["to"], request.effect.reaches_opted_out
        confirms = confirms and reaches_opted_out
        why = self._find_permanent_refusal(to, message, is_forward=request.is_forward)
        if why:
            return why
        if confirms and not consent_changed:
            return "it is confirmed already"
        if not reaches_opted_out and await self._optouts.is_opted_out(message.number, to):
            return "the recipient sent STOP and gets no messages from this number"
        kind = message.sender if request.is_forward else "stop" if confirms else "reply"
        bounds = FORWARD_LIMITS if request.is_forward else REPLY_LIMITS
        talk = (message.number, to, kind)
        texts = (message.text, request.effect.payload["text"])
        now = self._clock()
        if self._sent_texts is not None:
            digest = make_text_digest(*texts)
            with contextlib.suppress(JournalError):  # the message is claimed: it does not come again for the database
                return await self._sent_texts.count_text(
                    ">".join(talk), digest, now, lambda sent: find_limit_refusal(sent, bounds, digest, now)
                )
        return self._reply_limiter.count_or_refuse(talk, bounds, *texts, now)

    def _find_permanent_refusal(self, to: str, message: TextMessage, *, is_forward: bool) -> str:
        """Return the reason never to write to a target, independent of rate; "" if none."""
        if message.automated:
            return "a machine wrote it, and machines are not answered"
        if not is_forward and is_reaction(message.text):
            return "it is a reaction that a phone reports, and nobody wrote"
        if is_forward and to == message.sender:
            return "it comes from there"
        if to == message.number or self._get_book().has_exact_claim(to):
            return "it is a number of ours: texts would go in circles"
        if not can_receive_replies(to):
            return "it is a short code or a name, behind which nobody reads"
        if self._clock() - message.received_at > MAX_ANSWERABLE_AGE_SECONDS:
            return f"it is older than {MAX_ANSWERABLE_AGE_SECONDS / 3600:g} hours"
        return ""


def _outcome_of_decision(decision: MessageDecision) -> InboxOutcome:
    if decision.carrier_keyword is not None:
        return _CARRIER_KEYWORD_OUTCOMES[decision.carrier_keyword]
    return "unmatched" if decision.rule_index is None else "matched"
