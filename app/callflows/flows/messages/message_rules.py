"""A rule of ``messages`` as its author writes it."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Annotated, Any, Final, NamedTuple

import pydantic

from callflows.flows.decisions import DecisionOrigin
from callflows.flows.messages.text_message import CARRIER_KEYWORDS, UNAMBIGUOUS_KEYWORDS, detect_carrier_keyword
from callflows.flows.source.source_values import (
    TextList,
    schema_reference,
)
from callflows.flows.steps.lookup_notify_sms import truncate_sms_text
from callflows.telephony.phone_numbers import parse_e164
from callflows.telephony.ports import Effect

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from callflows.flows.entry_points import NumberClaim
    from callflows.flows.messages.text_message import CarrierKeyword, TextMessage
    from callflows.telephony.turn import Turn

    MessageAction = Callable[[Turn, TextMessage], Iterator["RequestedEffect"]]


class MessageRule(pydantic.BaseModel):
    """What is done with a text message: the first rule that it meets, and no other."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)

    keyword: TextList = pydantic.Field(
        [], description="The word that the text begins with, or a list of such; case, accents and signs do not matter."
    )
    when: str = pydantic.Field("", description="An expression, which also sees message.text, .keyword and .words.")
    reply: str | None = pydantic.Field(None, description="What is sent back to who wrote.")
    forward: TextList = pydantic.Field(
        [], description="To whom the text is sent on, and from whom it is: numbers, groups of this file, or a list."
    )
    notify: Annotated[Any, schema_reference("notice")] = pydantic.Field(None, description="Another server that is told.")
    ignore: Annotated[bool, pydantic.Field(description="Whether nothing is done, and that is meant.")] = False


MESSAGE_ACTIONS: Final = ("reply", "forward", "notify", "ignore")


# The rules of a flow on texts, ready: what they want done about a message. Pure; nothing is sent here.


MESSAGES_NODE: Final = "messages:"
"""Where in a flow it is decided what is done with texts, for the trail; no node is named so."""


_NO_NAMES: Final[frozenset[str]] = frozenset()


class CarrierReplies(NamedTuple):
    """What the product says by itself to who writes STOP, START and HELP."""

    stop: str
    start: str
    help: str


class RequestedEffect(NamedTuple):
    """An effect that a rule wants, and where it says so; ``refused``: why it cannot be, whoever looks at it.

    ``forwards``: it is a text that is sent on, not an answer.
    """

    effect: Effect
    mark: DecisionOrigin
    refusal: str = ""
    is_forward: bool = False


class MessageDecision(NamedTuple):
    """What is to be done about a message.

    ``said``: it says STOP, START or HELP as a whole; ``rule`` is the index of the rule that it met, None for none.
    """

    carrier_keyword: CarrierKeyword | None
    rule_index: int | None
    requested_effects: tuple[RequestedEffect, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class CompiledMessageRule:
    """A rule: without keywords any text meets it, without ``holds`` at any time. ``replies``: it says what is sent."""

    index: int
    keywords: frozenset[str]
    condition: Callable[[Turn], object] | None
    mark: DecisionOrigin
    actions: tuple[MessageAction, ...]
    has_reply: bool = False
    ignores_message: bool = False

    def matches(self, turn: Turn) -> bool:
        """Whether a text meets the rule, whatever its first word; the trail says so."""
        holds = self.condition is None or bool(self.condition(turn))
        turn.trail.append((self.mark, holds, turn.values, None))
        return holds


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class MessageRules:
    """A flow's rules. ``forwards`` are the numbers that its author wrote out; ``apart``: workers are needed.

    ``none`` is what the trail says of a text that meets none of them; nothing where every text meets one.
    """

    flow: str
    rules: tuple[CompiledMessageRule, ...] = ()
    forward_claims: tuple[NumberClaim, ...] = ()
    needs_worker: bool = False
    no_match_mark: DecisionOrigin | None = None

    def decide_effects(
        self, message: TextMessage, turn: Turn, carrier_replies: CarrierReplies, *, opted_out: bool = False
    ) -> MessageDecision:
        """What is to be done about a message; ``opted_out`` is whether its sender wants no messages until now.

        Raises Pending where something must be worked out apart first, and whatever a text or a condition raises.
        """
        said = detect_carrier_keyword(message.text, opted_out=opted_out)
        way = self._find_keyword_rule(said, turn) if said else self._find_matching_rule(turn)
        wanted = [*way.actions] if way is not None else []
        if said and not (way is not None and (way.has_reply or way.ignores_message)):
            wanted.insert(0, self._make_carrier_reply(said, getattr(carrier_replies, said)))
        done = tuple(one for act in wanted for one in act(turn, message))
        if said == "stop":
            done = tuple(_mark_confirmation(one) for one in done)
        return MessageDecision(said, way.index if way is not None else None, done)

    def _find_matching_rule(self, turn: Turn) -> CompiledMessageRule | None:
        keyword = turn.values["message"]["keyword"]
        for way in self.rules:
            if way.keywords and (keyword not in way.keywords or way.keywords & UNAMBIGUOUS_KEYWORDS):
                turn.trail.append((way.mark, False, turn.values, None))
            elif way.matches(turn):
                return way
        if self.no_match_mark is not None:
            turn.trail.append((self.no_match_mark, True, turn.values, None))
        return None

    def _find_keyword_rule(self, carrier_keyword: CarrierKeyword, turn: Turn) -> CompiledMessageRule | None:
        """The rule that has the text for STOP, START or HELP: one with the very word, else with the word itself."""
        words: list[str] = [
            *dict.fromkeys([*({*turn.values["message"]["words"]} & CARRIER_KEYWORDS[carrier_keyword]), carrier_keyword])
        ]
        for word in words:
            for way in self.rules:
                if word in way.keywords and way.matches(turn):
                    return way
        return None

    def _make_carrier_reply(self, carrier_keyword: CarrierKeyword, text: str) -> MessageAction:
        """The product's own answer."""
        mark = DecisionOrigin(MESSAGES_NODE, -1, carrier_keyword, text, _NO_NAMES, _NO_NAMES)
        return lambda _turn, message: iter([make_text_effect(self.flow, message, carrier_keyword, mark, text)])


def make_text_effect(
    flow: str, message: TextMessage, place: str, mark: DecisionOrigin, text: str, *, to: str = "", refusal: str = ""
) -> RequestedEffect:
    """A text in answer to a message: to its sender, or forwarded. ``place`` is the same for the same rule and target."""
    target = to or message.sender
    payload = {"to": parse_e164(target) or target, "from": message.number, "text": truncate_sms_text(text)}
    if not text.strip():
        refusal = refusal or "the text is empty"
    return RequestedEffect(Effect("sms", f"{message.id}/{flow}/messages/{place}", payload), mark, refusal, bool(to))


def _mark_confirmation(request: RequestedEffect) -> RequestedEffect:
    """What goes to who said STOP is the one confirmation."""
    if request.effect.kind != "sms" or request.is_forward:
        return request
    return request._replace(effect=dataclasses.replace(request.effect, is_stop_confirmation=True))


def describe_rule_condition(rule: Mapping[str, Any], keywords: Iterable[str]) -> str:
    """A rule's condition as the trail says it."""
    parts = [f"keyword {', '.join(keywords)}" if keywords else "", f"when {rule['when']}" if rule.get("when") else ""]
    return " and ".join(filter(None, parts)) or "else"
