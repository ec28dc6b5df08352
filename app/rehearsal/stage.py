"""Our own engine on a stage: what it asks and causes outside is written down for the call, whose clock is its own.

Many calls are rehearsed in one process; each knows its own by the task in which it runs.
"""

from __future__ import annotations

import dataclasses
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final, Protocol

from app.characters import clean
from app.consent import party
from app.ended import VOICEMAIL, completed
from app.outside import Found
from app.rehearsal.over import ended

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
    from datetime import date, datetime

    from app.answered import Answered
    from app.calls import Turn
    from app.ended import Ended
    from app.happened import Happened
    from app.outside import Effect, Effects, Lookup
    from app.rehearsal.line import Line
    from app.spots import Spot

    Heard = Callable[[Happened], Awaitable[None]]


class Message(Protocol):
    """A text that came in."""

    @property
    def number(self) -> str:
        """The number of ours, in E.164."""

    @property
    def sender(self) -> str:
        """Who wrote: E.164, else a short code or a name."""

    @property
    def text(self) -> str:
        """What it says."""


class Taken(Protocol):
    """What our engine made of a text."""

    @property
    def outcome(self) -> str:
        """``matched``, ``unmatched``, ``stopped``, ``started``, ``helped``, or why no flow looked at it."""

    @property
    def flow(self) -> str:
        """The flow that took it."""

    @property
    def effects(self) -> Sequence[Effect]:
        """What is caused."""

    @property
    def detail(self) -> str:
        """Why it is broken."""

    @property
    def turn(self) -> Turn | None:
        """What was decided."""


STOPPED: Final = "it said STOP, and wants no messages from this number"
"""Why a text is refused."""
FAILS: Final = "fails"
"""As the answer of a lookup: there is none."""


@dataclasses.dataclass(slots=True)
class Scene:
    """What the engine is told while one call is rehearsed.

    ``lookups`` are answers by the name they are kept under, or by URL; ``calls_today`` how often the caller rang today.
    """

    line: Line
    lookups: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    calls_today: int = 1
    opted_out: bool = False
    """Whether the caller said STOP before to the number called."""
    held: list[Effect] = dataclasses.field(default_factory=list)
    """Those that wait for the end of the call."""
    texting: Heard | None = None
    """What takes the texts of this scene."""
    writer: str = ""
    """Who wrote the text that is taken."""
    stage: Stage | None = None
    """Ours, where it is our engine that answered."""
    flow: str = ""

    def wants_none(self, effect: Effect) -> bool:
        """Whether a text goes to the caller, who wants none."""
        ringing, sides = self.line.ringing, (effect.payload.get("from"), effect.payload.get("to"))
        return self.opted_out and tuple(party(str(side)) for side in sides) == (party(ringing.to), party(ringing.from_))


_SCENE: ContextVar[Scene] = ContextVar("scene")


def enter(scene: Scene) -> None:
    """From now on the engine, asked by this task, is in this scene."""
    _SCENE.set(scene)


class Stage:
    """What the engine is put together with where nothing is real: ``Effects`` and ``Counts``, a clock, an ear.

    ``told`` puts a turn's trail into words; ``real`` are effects that are had all the same; ``after`` gives the turn of a
    flow, by its name, in which it does what it does when a call has ended; ``came`` says by which places beside its nodes
    a turn of a flow came; ``texting`` makes what takes the texts of one scene.
    """

    def __init__(
        self,
        told: Callable[[Turn], list[dict[str, Any]]],
        real: Effects | None = None,
        after: Callable[[str, Ended], Awaitable[Turn | None]] | None = None,
        came: Callable[[str, Turn], Iterable[Spot]] | None = None,
        texting: Callable[[], Heard] | None = None,
    ) -> None:
        self._told = told
        self._real = real
        self._after = after
        self._came = came
        self._texting = texting

    def now(self) -> datetime:
        """The moment on the clock of the call."""
        return _SCENE.get().line.clock.now()

    def count(self, flow: str, caller: str, day: date) -> int:  # noqa: ARG002 - as the Protocol says
        """The caller's calls today, as the scene has them."""
        return _SCENE.get().calls_today

    async def lookup(self, asked: Lookup) -> Found:
        """The scene's answer, else that of nobody: the lookup's default."""
        scene = _SCENE.get()
        if self._real is not None:
            found = await self._real.lookup(asked)
        else:
            found = _answer(scene.lookups, asked)
        result = {"result": "found" if found.ok else "failed", **({"reason": found.reason} if found.reason else {})}
        scene.line.note("lookup", "", url=asked.url, method=asked.method, into=asked.into, **result)
        return found

    def cause(self, effect: Effect) -> None:
        """Write an effect down."""
        scene = _SCENE.get()
        if effect.kind == VOICEMAIL:
            scene.held.append(effect)
        elif effect.kind == "sms" and scene.wants_none(effect):
            scene.line.note("refused", "", word="sms", reason=STOPPED)
        else:
            self._caused(effect)

    def _caused(self, effect: Effect) -> None:
        if self._real is not None:
            self._real.cause(effect)
        word = "notify" if effect.kind == VOICEMAIL else effect.kind
        did = effect.payload if word == "sms" else {"url": effect.payload.get("url"), "payload": effect.payload.get("body")}
        writer = _SCENE.get().writer
        kind = {"as": "reply" if effect.payload["to"] == writer else "forward"} if writer and word == "sms" else {}
        _SCENE.get().line.note(word, "", **did, **kind)

    async def over(self) -> None:
        """The call has ended: what was held until then, and what its flow does then."""
        scene = _SCENE.get()
        call, steps = ended(scene.line, scene.calls_today), scene.line.transcript.steps
        known = len(steps)
        for effect in scene.held:
            self._caused(completed(effect, call))
        turn = await self._after(scene.flow, call) if self._after is not None else None
        if turn is not None:
            self._trailed(scene.flow, turn)
            for effect in turn.effects:
                self.cause(effect)
        for step in steps[known:]:
            step["ended"] = True

    def _trailed(self, flow: str, turn: Turn) -> None:
        """Note what was decided beside the nodes of a flow."""
        transcript = _SCENE.get().line.transcript
        transcript.requests[-1].trail += self._told(turn)
        transcript.came += self._came(flow, turn) if self._came is not None else ()
        self._refused(turn)

    def _refused(self, turn: Turn) -> None:
        """Note what was not sent."""
        for mark, outcome, _, detail in turn.trail:
            if outcome == "refused":
                _SCENE.get().line.note("refused", "", word=mark.word, reason=(detail or {}).get("refused", ""))

    async def heard(self, *reports: Happened) -> None:
        """Take what is reported in this scene: a text that comes in."""
        scene = _SCENE.get()
        if self._texting is None:
            return
        take = scene.texting = scene.texting or self._texting()
        for report in reports:
            await take(report)

    def took(self, message: Message, taken: Taken) -> None:
        """Note what became of a text, and what was refused; its effects follow."""
        scene = _SCENE.get()
        asked = scene.line.transcript.requests[-1]
        asked.flow, asked.outcome = taken.flow, "broken" if taken.outcome == "broken" else "answered"
        asked.error = clean(taken.detail) or ("" if taken.flow else taken.outcome)
        scene.writer = message.sender
        ignored = {} if taken.effects else {"ignored": True}
        said = {"from": message.sender, "to": message.number, "text": message.text}
        scene.line.note("text", "", **said, result=taken.outcome, **ignored)
        if taken.turn is not None:
            self._trailed(taken.flow, taken.turn)

    def remember(self, answered: Answered) -> None:
        """Put what was decided beside the request."""
        if answered.outcome.flow:
            _SCENE.get().stage, _SCENE.get().flow = self, answered.outcome.flow
        asked = _SCENE.get().line.transcript.requests[-1]
        asked.flow, asked.outcome = answered.outcome.flow, answered.outcome.kind
        asked.trail = self._told(answered.turn) if answered.turn is not None else []
        if answered.turn is not None:
            self._refused(answered.turn)
        if answered.outcome.kind == "answered":
            asked.node = answered.outcome.node.partition(".")[0]
        else:
            asked.error = clean(f"{answered.outcome.kind}: {answered.outcome.cause}: {answered.outcome.detail}")


def _answer(lookups: Mapping[str, Any], asked: Lookup) -> Found:
    for name in (asked.into, asked.url, asked.url.partition("?")[0]):
        if name in lookups:
            value = lookups[name]
            if value == FAILS:
                return Found(None, ok=False, reason="the scenario says so")
            return Found(value, ok=True, status=200)
    return Found(None, ok=False, reason="nothing is asked in a rehearsal")
