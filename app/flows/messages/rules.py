"""The rules of a flow on texts, ready: what they want done about a message. Pure; nothing is sent here."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from app.flows.messages.message import PLAINLY, SAID, said_by
from app.flows.trail import Mark
from app.flows.words.lengths import fitting
from app.numbers import e164
from app.outside import Effect

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from app.calls import Turn
    from app.flows.book import Claim
    from app.flows.messages.message import Message, Said

    Act = Callable[[Turn, Message], Iterator["Wanted"]]

MESSAGES: Final = "messages:"
"""Where in a flow it is decided what is done with texts, for the trail; no node is named so."""
_NOBODY: Final[frozenset[str]] = frozenset()


class Sentences(NamedTuple):
    """What the product says by itself to who writes STOP, START and HELP."""

    stop: str
    start: str
    help: str


class Wanted(NamedTuple):
    """An effect that a rule wants, and where it says so; ``refused``: why it cannot be, whoever looks at it.

    ``forwards``: it is a text that is sent on, not an answer.
    """

    effect: Effect
    mark: Mark
    refused: str = ""
    forwards: bool = False


class Decided(NamedTuple):
    """What is to be done about a message.

    ``said``: it says STOP, START or HELP as a whole; ``rule`` is the index of the rule that it met, None for none.
    """

    said: Said | None
    rule: int | None
    wanted: tuple[Wanted, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Way:
    """A rule: without keywords any text meets it, without ``holds`` at any time. ``replies``: it says what is sent."""

    index: int
    keywords: frozenset[str]
    holds: Callable[[Turn], object] | None
    mark: Mark
    acts: tuple[Act, ...]
    replies: bool = False
    ignores: bool = False

    def meets(self, turn: Turn) -> bool:
        """Whether a text meets the rule, whatever its first word; the trail says so."""
        holds = self.holds is None or bool(self.holds(turn))
        turn.trail.append((self.mark, holds, turn.values, None))
        return holds


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Messages:
    """A flow's rules. ``forwards`` are the numbers that its author wrote out; ``apart``: workers are needed.

    ``none`` is what the trail says of a text that meets none of them; nothing where every text meets one.
    """

    flow: str
    ways: tuple[Way, ...] = ()
    forwards: tuple[Claim, ...] = ()
    apart: bool = False
    none: Mark | None = None

    def decide(self, message: Message, turn: Turn, sentences: Sentences, *, opted_out: bool = False) -> Decided:
        """What is to be done about a message; ``opted_out`` is whether its sender wants no messages until now.

        Raises Pending where something must be worked out apart first, and whatever a text or a condition raises.
        """
        said = said_by(message.text, opted_out=opted_out)
        way = self._of(said, turn) if said else self._met(turn)
        wanted = [*way.acts] if way is not None else []
        if said and not (way is not None and (way.replies or way.ignores)):
            wanted.insert(0, self._sentence(said, getattr(sentences, said)))
        done = tuple(one for act in wanted for one in act(turn, message))
        if said == "stop":
            done = tuple(_confirming(one) for one in done)
        return Decided(said, way.index if way is not None else None, done)

    def _met(self, turn: Turn) -> Way | None:
        keyword = turn.values["message"]["keyword"]
        for way in self.ways:
            if way.keywords and (keyword not in way.keywords or way.keywords & PLAINLY):
                turn.trail.append((way.mark, False, turn.values, None))
            elif way.meets(turn):
                return way
        if self.none is not None:
            turn.trail.append((self.none, True, turn.values, None))
        return None

    def _of(self, said: Said, turn: Turn) -> Way | None:
        """The rule that has the text for STOP, START or HELP: one with the very word, else with the word itself."""
        words: list[str] = [*dict.fromkeys([*({*turn.values["message"]["words"]} & SAID[said]), said])]
        for word in words:
            for way in self.ways:
                if word in way.keywords and way.meets(turn):
                    return way
        return None

    def _sentence(self, said: Said, text: str) -> Act:
        """The product's own answer."""
        mark = Mark(MESSAGES, -1, said, text, _NOBODY, _NOBODY)
        return lambda _turn, message: iter([texted(self.flow, message, said, mark, text)])


def texted(flow: str, message: Message, place: str, mark: Mark, text: str, *, to: str = "", refused: str = "") -> Wanted:
    """A text in answer to a message: to its sender, or forwarded. ``place`` is the same for the same rule and target."""
    target = to or message.sender
    payload = {"to": e164(target) or target, "from": message.number, "text": fitting(text)}
    if not text.strip():
        refused = refused or "the text is empty"
    return Wanted(Effect("sms", f"{message.id}/{flow}/messages/{place}", payload), mark, refused, bool(to))


def _confirming(wanted: Wanted) -> Wanted:
    """What goes to who said STOP is the one confirmation."""
    if wanted.effect.kind != "sms" or wanted.forwards:
        return wanted
    return wanted._replace(effect=dataclasses.replace(wanted.effect, confirms=True))


def described(rule: Mapping[str, Any], keywords: Iterable[str]) -> str:
    """A rule's condition as the trail says it."""
    parts = [f"keyword {', '.join(keywords)}" if keywords else "", f"when {rule['when']}" if rule.get("when") else ""]
    return " and ".join(filter(None, parts)) or "else"
