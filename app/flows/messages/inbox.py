"""Takes text messages that came in, whoever brings them, and says what is to be sent: each once, and nothing in circles.

Before any flow stand STOP, START and HELP, and what ends talks between machines. Nothing is sent here: whoever takes a
message causes the effects that it gives.
"""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

import structlog

from app.flows.messages.limits import FORWARDS, REPLIES, Limits
from app.flows.messages.message import ARRIVED, INBOUND, is_person, said_by
from app.flows.messages.rules import Messages
from app.flows.trail import told as in_words
from app.flows.working import worked
from app.known import Known
from app.numbers import masked

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from app.calls import Turn
    from app.consent import OptOuts
    from app.flows.book import Flow, FlowBook
    from app.flows.messages.message import Message, Said
    from app.flows.messages.rules import Decided, Sentences, Wanted
    from app.flows.working import Do
    from app.outside import Done, Effect

LATE: Final = 6 * 3600.0
"""Seconds after which a message is too old to be answered: it was found by a search, and its sender waits no more."""
_LONGEST: Final = 300

Outcome = Literal[
    "matched", "unmatched", "stopped", "started", "helped",
    "outbound", "not-arrived", "repeated", "unknown-number", "own-number", "broken",
]  # fmt: skip
_SAID: Final[Mapping[Said, Outcome]] = {"stop": "stopped", "start": "started", "help": "helped"}


class Taken(NamedTuple):
    """What became of a message.

    ``effects`` are to be caused now. ``rule`` is the index of the rule that it met; ``detail`` says why it is ``broken``.
    ``trail`` is what was decided and why, as of a call's turn.
    """

    outcome: Outcome
    flow: str = ""
    version: str = ""
    rule: int | None = None
    effects: tuple[Effect, ...] = ()
    detail: str = ""
    turn: Turn | None = None

    @property
    def trail(self) -> list[dict[str, Any]]:
        """The decisions in words."""
        return in_words(self.turn) if self.turn is not None else []


class Inbox:
    """``book`` gives the flows as they are now, ``do`` works out what is done apart (``Workshop.do``).

    ``done`` remembers which messages were taken, ``optouts`` who wants none; what they raise, ``take`` raises: such a
    message must not be acknowledged, and may come again.
    """

    def __init__(
        self,
        book: Callable[[], FlowBook],
        sentences: Sentences,
        *,
        optouts: OptOuts,
        done: Done,
        do: Do,
        clock: Callable[[], float] = time.time,
        quiet: bool = False,
    ) -> None:
        """``quiet``: the log is told nothing."""
        self._quiet = quiet
        self._book = book
        self._sentences = sentences
        self._optouts = optouts
        self._done = done
        self._do = do
        self._clock = clock
        self._limits = Limits()
        self._outbound = Known()

    async def take(self, message: Message) -> Taken:
        """What is to be done about a message, the first time that it comes; the same message again gives no effects."""
        taken = await self._taken(message)
        if self._quiet or (taken.outcome == "outbound" and not self._outbound.new(message.id)):
            return taken
        say = _log().warning if taken.outcome in ("unknown-number", "broken") else _log().info
        why = {"detail": taken.detail} if taken.detail else {}
        say("message", outcome=taken.outcome, flow=taken.flow, sender=message.sender, to=message.to, **why)
        return taken

    async def _taken(self, message: Message) -> Taken:
        if message.type != INBOUND:
            return Taken("outbound")
        if message.state != ARRIVED:
            return Taken("not-arrived")
        book = self._book()
        if message.sender == message.number or book.owns(message.sender):
            return Taken("own-number")
        flow = book.answering(message.number)
        opted_out = await self._optouts.opted_out(message.number, message.sender)
        said = said_by(message.text, opted_out=opted_out)
        changed = await self._consent(said, message)
        if not await self._done.once("message", message.id):
            return Taken("repeated")
        if flow is None:
            return Taken("unknown-number")
        return await self._answer(flow, message, opted_out=opted_out, changed=changed)

    async def _consent(self, said: str | None, message: Message) -> bool:
        """Remember a STOP or a START; whether that changed anything. It may be said again, in whatever order."""
        pair = (message.number, message.sender)
        if said == "stop":
            return await self._optouts.opt_out(*pair, message.at)
        if said == "start":
            return await self._optouts.opt_in(*pair, message.at)
        return False

    async def _answer(self, flow: Flow, message: Message, *, opted_out: bool, changed: bool) -> Taken:
        turn = message.turn()
        turn.zone, turn.sight = flow.zone, flow.sight
        rules = flow.messages or Messages(flow.name)
        decide = partial(rules.decide, message, turn, self._sentences, opted_out=opted_out)
        try:
            decided = await worked(decide, turn, self._do, flow.name)
        except Exception as error:  # noqa: BLE001 - whatever a rule breaks on, the next message is taken
            reason = f"{type(error).__name__}: {error}"[:_LONGEST]
            return Taken("broken", flow.name, flow.version, detail=reason, turn=turn)
        effects = [one.effect for one in decided.wanted if await self._passes(one, message, turn, changed=changed)]
        return Taken(_outcome(decided), flow.name, flow.version, decided.rule, tuple(effects), turn=turn)

    async def _passes(self, wanted: Wanted, message: Message, turn: Turn, *, changed: bool) -> bool:
        """Whether what a rule wants is done; the trail says so, or why not."""
        sms = wanted.effect.kind == "sms"
        refused = wanted.refused or (await self._refusal(wanted, message, changed=changed) if sms else "")
        to = {"to": masked(wanted.effect.payload["to"])} if sms else {}
        detail = {**to, "refused": refused} if refused else to
        turn.trail.append((wanted.mark, "refused" if refused else "caused", turn.values, detail))
        return not refused

    async def _refusal(self, wanted: Wanted, message: Message, *, changed: bool) -> str:
        """Why a text is not sent; nothing where it is, which is counted."""
        to, confirms = wanted.effect.payload["to"], wanted.effect.confirms
        why = self._why_never(to, message, forwarded=wanted.forwards)
        if why:
            return why
        if confirms and not changed:
            return "it is confirmed already"
        if not confirms and await self._optouts.opted_out(message.number, to):
            return "it said STOP, and wants no messages from this number"
        kind = message.sender if wanted.forwards else "stop" if confirms else "reply"
        bounds = FORWARDS if wanted.forwards else REPLIES
        talk = (message.number, to, kind)
        return self._limits.refusal(talk, bounds, message.text, wanted.effect.payload["text"], self._clock())

    def _why_never(self, to: str, message: Message, *, forwarded: bool) -> str:
        """Why nobody is written to there, however seldom."""
        if message.automated:
            return "a machine wrote it, and machines are not answered"
        if forwarded and to == message.sender:
            return "it comes from there"
        if to == message.number or self._book().owns(to):
            return "it is a number of ours: texts would go in circles"
        if not is_person(to):
            return "it is a short code or a name, behind which nobody reads"
        if self._clock() - message.at > LATE:
            return f"it is older than {LATE / 3600:g} hours"
        return ""


def _outcome(decided: Decided) -> Outcome:
    if decided.said is not None:
        return _SAID[decided.said]
    return "unmatched" if decided.rule is None else "matched"


def _log() -> structlog.typing.FilteringBoundLogger:
    log: structlog.typing.FilteringBoundLogger = structlog.get_logger("callflows.messages")
    return log
