"""What happened in a rehearsed call, as data: steps, requests, and how it ended."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, Self, TypeAlias

from app.language.dialects import BRANCHES
from app.spots import NODE

if TYPE_CHECKING:
    from datetime import datetime

    from app.spots import Spot

Ending: TypeAlias = Literal["hung-up", "caller-hung-up", "ended", "texted", "loop", "error"]
Step: TypeAlias = "dict[str, Any]"
"""``verb`` (an element's name, or the word of an effect), ``path``, ``at`` (seconds since the call began), what it did."""


HANGS_UP: Final = "hangup"
_BRANCHES: Final = frozenset(element.__name__ for element in BRANCHES)
"""What stands in them runs behind the command in which they stand."""


class Did(NamedTuple):
    """What a caller did when something could be done, ``at`` seconds after the call began, and how long after that.

    ``act``: the keys pressed (none: nothing was, where keys were awaited), ``hangup``, or None: nothing in a conversation.
    ``sound``: nothing but hanging up could be done.
    """

    at: float
    act: str | None
    after: float = 0.0
    sound: bool = False


@dataclasses.dataclass(slots=True)
class Asked:
    """A request of the platform, and its answer; ``trail`` is what our engine decided, where it is ours.

    ``status`` is 0 where there was no answer, and ``error`` says why. ``flow``, ``node`` and ``outcome`` are those of our
    engine.
    """

    method: str
    url: str
    status: int = 0
    ms: float = 0.0
    document: str = ""
    trail: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    error: str = ""
    flow: str = ""
    node: str = ""
    outcome: str = ""


@dataclasses.dataclass(slots=True)
class Transcript:
    """A call. ``error`` says what went wrong, where the outcome is ``error`` or ``loop``; ``seconds`` are virtual.

    ``during`` is the path of the command in which the caller hung up; steps with ``ended`` are what is done then.
    ``assumed`` is what was chosen where the documentation is silent; ``answers_itself``: the app answered, not a document.
    """

    number: str
    from_: str
    outcome: Ending = "ended"
    error: str = ""
    seconds: float = 0.0
    during: str = ""
    steps: list[Step] = dataclasses.field(default_factory=list)
    requests: list[Asked] = dataclasses.field(default_factory=list)
    assumed: list[str] = dataclasses.field(default_factory=list)
    did: list[Did] = dataclasses.field(default_factory=list)
    began: datetime | None = None
    came: list[Spot] = dataclasses.field(default_factory=list)
    """Where in the flow the call came by, as far as documents tell."""
    offered: list[Spot] = dataclasses.field(default_factory=list)
    """Where calls can come by in documents of which only the document tells: those of a program."""
    answers_itself: bool = False

    @property
    def flow(self) -> str:
        """The flow that answered; nothing where that is not known."""
        return next((asked.flow for asked in self.requests if asked.flow), "")

    @property
    def interrupted(self) -> list[str]:
        """The verbs in which the caller hung up, the innermost last; none where he did not."""
        verbs: list[str] = []
        for part in filter(None, self.during.split(".")):
            verb = part.partition("[")[0]
            verbs = [] if verb in _BRANCHES else [*verbs, verb]
        return verbs

    @property
    def nodes(self) -> list[str]:
        """The nodes that the call came to, in order, as far as documents tell."""
        return [spot.node for spot in self.came if spot.what == NODE]

    @classmethod
    def of(cls, told: dict[str, Any]) -> Self:
        """A transcript as ``told`` gave it."""
        known = {field.name for field in dataclasses.fields(Asked)}
        requests = [Asked(**{name: value for name, value in asked.items() if name in known}) for asked in told["requests"]]
        whole = cls(told["number"], told["from"], told["outcome"], told.get("error", ""), told.get("seconds", 0.0))
        whole.during, whole.steps, whole.requests = told.get("during", ""), told["steps"], requests
        whole.answers_itself = bool(told.get("answers_itself"))
        return whole

    def told(self) -> dict[str, Any]:
        """As ``callflows call --format json`` prints it."""
        requests = []
        for asked in self.requests:
            kept = {name: getattr(asked, name) for name in ("method", "url", "status", "ms", "document", "trail")}
            requests.append({**kept, **({"error": asked.error} if asked.error else {})})
        whole = {"number": self.number, "from": self.from_, "outcome": self.outcome, "seconds": round(self.seconds, 1)}
        wrong = {"error": self.error} if self.error else {"during": self.during} if self.during else {}
        itself = {"answers_itself": True} if self.answers_itself else {}
        return {**whole, **wrong, **itself, "steps": [_rounded(step) for step in self.steps], "requests": requests}


def _rounded(step: Step) -> Step:
    """A step with tenths of seconds: what is less is of the clock that played it."""
    return {name: round(value, 1) if name in ("at", "seconds") else value for name, value in step.items()}
