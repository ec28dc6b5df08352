"""Message rules: the section of a flow file, and the compiled rules.

The compiled rules only decide; ``MessageInbox`` checks the requested effects, and no text is sent here.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Annotated, Any, Final, NamedTuple

import pydantic

from callflows.flows.decisions import DecisionOrigin
from callflows.flows.messages.carrier_keywords import DEFAULT_CARRIER_WORDS, detect_carrier_keyword
from callflows.flows.source.source_values import (
    TextList,
    schema_reference,
)
from callflows.flows.steps.sms_step import truncate_sms_text
from callflows.telephony.phone_numbers import parse_e164
from callflows.telephony.ports import Effect

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from callflows.flows.dial_policy.target_policy import DialPolicy
    from callflows.flows.entry_points import NumberClaim
    from callflows.flows.messages.carrier_keywords import CarrierKeyword, CarrierWords
    from callflows.flows.messages.text_message import TextMessage
    from callflows.telephony.turn import Turn

    MessageAction = Callable[[Turn, TextMessage], Iterator["RequestedEffect"]]


class MessageRule(pydantic.BaseModel):
    """A rule of ``messages`` in a flow file. Only the first matching rule applies."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)

    keyword: TextList = pydantic.Field(
        [], description="The word that the text begins with, or a list of such; case, accents and signs do not matter."
    )
    when: str = pydantic.Field("", description="An expression, which also sees message.text, .keyword and .words.")
    reply: str | None = pydantic.Field(None, description="What is sent back to who wrote.")
    forward: TextList = pydantic.Field(
        [], description="To whom the text is sent on, and from whom it is: numbers, groups of this file, or a list."
    )
    notify: Annotated[Any, schema_reference("notice")] = pydantic.Field(
        None, description="Another server or a chat that is told."
    )
    mail: Annotated[Any, schema_reference("mail notice")] = pydantic.Field(
        None, description="A mail with the text: an address, or keys of mail."
    )
    ignore: Annotated[bool, pydantic.Field(description="Whether nothing is done, and that is meant.")] = False


MESSAGE_ACTIONS: Final = ("reply", "forward", "notify", "mail", "ignore")


# Compiled rules


MESSAGES_NODE: Final = "messages:"
"""Node name of message rules in the decision trail. The colon prevents a clash with real nodes."""
_NO_NAMES: Final[frozenset[str]] = frozenset()


class CarrierReplies(NamedTuple):
    """The replies of the product to STOP, START and HELP."""

    stop: str
    start: str
    help: str


class RequestedEffect(NamedTuple):
    """An effect requested by a rule, with its origin.

    ``refusal`` is a reason to refuse the effect in any case, "" if none. ``is_forward``: the text is not an answer.
    """

    effect: Effect
    origin: DecisionOrigin
    refusal: str = ""
    is_forward: bool = False


class MessageDecision(NamedTuple):
    """The decision about a message.

    ``carrier_keyword``: the whole text means STOP, START or HELP. ``rule_index`` is None without matching rule.
    """

    carrier_keyword: CarrierKeyword | None
    rule_index: int | None
    requested_effects: tuple[RequestedEffect, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class CompiledMessageRule:
    """A compiled rule: without ``keywords`` every text matches; without ``condition`` the rule always holds."""

    index: int
    keywords: frozenset[str]
    condition: Callable[[Turn], object] | None
    origin: DecisionOrigin
    actions: tuple[MessageAction, ...]
    has_reply: bool = False
    ignores_message: bool = False

    def matches(self, turn: Turn) -> bool:
        """Return True if the condition holds, independent of keywords; record the decision in the trail."""
        holds = self.condition is None or bool(self.condition(turn))
        turn.trail.append((self.origin, holds, turn.values, None))
        return holds


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class MessageRules:
    """The compiled rules of a flow.

    ``forward_claims`` are the literal numbers of ``forward``. ``no_match_origin`` is the trail entry for a text without
    matching rule, None if every text matches a rule.
    """

    flow: str
    rules: tuple[CompiledMessageRule, ...] = ()
    forward_claims: tuple[NumberClaim, ...] = ()
    needs_worker: bool = False
    no_match_origin: DecisionOrigin | None = None
    dial_policy: DialPolicy | None = None
    """The policy that the file has; None if it has none."""

    def decide_effects(
        self,
        message: TextMessage,
        turn: Turn,
        carrier_replies: CarrierReplies,
        *,
        carrier_words: CarrierWords = DEFAULT_CARRIER_WORDS,
        opted_out: bool = False,
    ) -> MessageDecision:
        """Return the decision about a message; ``opted_out`` is the sender's state before this message.

        Raises NeedsResult if a deferred job must run first, and every error of a text or condition.
        """
        carrier_keyword = detect_carrier_keyword(message.text, opted_out=opted_out, carrier_words=carrier_words)
        way = (
            self._find_keyword_rule(carrier_keyword, getattr(carrier_words, carrier_keyword), turn)
            if carrier_keyword
            else self._find_matching_rule(turn, carrier_words.unambiguous)
        )
        actions = [*way.actions] if way is not None else []
        if carrier_keyword and not (way is not None and (way.has_reply or way.ignores_message)):
            actions.insert(0, self._make_carrier_reply(carrier_keyword, getattr(carrier_replies, carrier_keyword)))
        done = tuple(self._judge_reply(one) for act in actions for one in act(turn, message))
        if carrier_keyword in ("stop", "help"):  # carriers want both answered, also to those who opted out
            done = tuple(_mark_carrier_reply(one) for one in done)
        return MessageDecision(carrier_keyword, way.index if way is not None else None, done)

    def _judge_reply(self, request: RequestedEffect) -> RequestedEffect:
        """Refuse an answer to a sender whose number costs money: anybody can pretend to have that number."""
        if request.effect.kind != "sms" or request.is_forward or request.refusal:
            return request
        from callflows.flows.dial_policy.target_policy import DialPolicy  # noqa: PLC0415 - heavy, and few servers get texts

        policy = self.dial_policy or DialPolicy()
        return request._replace(refusal=policy.find_caller_refusal(request.effect.payload["to"]))

    def _find_matching_rule(self, turn: Turn, unambiguous_words: frozenset[str]) -> CompiledMessageRule | None:
        keyword = turn.values["message"]["keyword"]
        for way in self.rules:
            if way.keywords and (keyword not in way.keywords or way.keywords & unambiguous_words):
                turn.trail.append((way.origin, False, turn.values, None))
            elif way.matches(turn):
                return way
        if self.no_match_origin is not None:
            turn.trail.append((self.no_match_origin, True, turn.values, None))
        return None

    def _find_keyword_rule(
        self, carrier_keyword: CarrierKeyword, synonyms: frozenset[str], turn: Turn
    ) -> CompiledMessageRule | None:
        """Return the rule for STOP, START or HELP: first by the exact word of the text, then by the keyword."""
        message_words: list[str] = turn.values["message"]["words"]
        words = dict.fromkeys([*(word for word in message_words if word in synonyms), carrier_keyword])
        for word in words:
            for way in self.rules:
                if word in way.keywords and way.matches(turn):
                    return way
        return None

    def _make_carrier_reply(self, carrier_keyword: CarrierKeyword, text: str) -> MessageAction:
        origin = DecisionOrigin(MESSAGES_NODE, -1, carrier_keyword, text, _NO_NAMES, _NO_NAMES)
        return lambda _turn, message: iter([make_text_effect(self.flow, message, carrier_keyword, origin, text)])


def make_text_effect(
    flow: str, message: TextMessage, place: str, origin: DecisionOrigin, text: str, *, to: str = "", refusal: str = ""
) -> RequestedEffect:
    """Return a text to the sender of a message, or a forward to ``to``.

    ``place`` must be the same for the same rule and target, because the idempotency key contains ``place``.
    """
    target = to or message.sender
    payload = {"to": parse_e164(target) or target, "from": message.number, "text": truncate_sms_text(text)}
    if not text.strip():
        refusal = refusal or "the text is empty"
    return RequestedEffect(Effect("sms", f"{message.id}/{flow}/messages/{place}", payload), origin, refusal, bool(to))


def _mark_carrier_reply(request: RequestedEffect) -> RequestedEffect:
    """Mark an answer to STOP or HELP as allowed after an opt-out; leave forwards and other effects unchanged."""
    if request.effect.kind != "sms" or request.is_forward:
        return request
    return request._replace(effect=dataclasses.replace(request.effect, reaches_opted_out=True))


def describe_rule_condition(rule: Mapping[str, Any], keywords: Iterable[str]) -> str:
    """Describe the condition of a rule for the trail."""
    parts = [f"keyword {', '.join(keywords)}" if keywords else "", f"when {rule['when']}" if rule.get("when") else ""]
    return " and ".join(filter(None, parts)) or "else"
