"""What happened in a rehearsed call, as data: steps, requests, and how it ended."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, Self, TypeAlias

from callflows.flows.coverage_points import NODE_ENTERED_POINT
from callflows.language.dialects import GATHER_BRANCHES

if TYPE_CHECKING:
    from datetime import datetime

    from callflows.flows.coverage_points import CoveragePoint


CallOutcome: TypeAlias = Literal["hung-up", "caller-hung-up", "ended", "texted", "loop", "error"]


TranscriptStep: TypeAlias = "dict[str, Any]"
"""``verb`` (an element's name, or the word of an effect), ``path``, ``at`` (seconds since the call began), what it did."""


HANG_UP_ACTION: Final = "hangup"


_BRANCH_NAMES: Final = frozenset(element.__name__ for element in GATHER_BRANCHES)
"""What stands in them runs behind the command in which they stand."""


class RecordedAction(NamedTuple):
    """What a caller did when something could be done, ``at`` seconds after the call began, and how long after that.

    ``act``: the keys pressed (none: nothing was, where keys were awaited), ``hangup``, or None: nothing in a conversation.
    ``sound``: nothing but hanging up could be done.
    """

    at: float
    action: str | None
    delay: float = 0.0
    is_during_sound: bool = False


@dataclasses.dataclass(slots=True)
class PlatformRequest:
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
    outcome: CallOutcome = "ended"
    error: str = ""
    seconds: float = 0.0
    interrupted_path: str = ""
    steps: list[TranscriptStep] = dataclasses.field(default_factory=list)
    requests: list[PlatformRequest] = dataclasses.field(default_factory=list)
    assumptions: list[str] = dataclasses.field(default_factory=list)
    caller_actions: list[RecordedAction] = dataclasses.field(default_factory=list)
    started_at: datetime | None = None
    covered_points: list[CoveragePoint] = dataclasses.field(default_factory=list)
    """Where in the flow the call came by, as far as documents tell."""
    possible_points: list[CoveragePoint] = dataclasses.field(default_factory=list)
    """Where calls can come by in documents of which only the document tells: those of a program."""
    answers_itself: bool = False

    @property
    def flow(self) -> str:
        """The flow that answered; nothing where that is not known."""
        return next((asked.flow for asked in self.requests if asked.flow), "")

    @property
    def interrupted_verbs(self) -> list[str]:
        """The verbs in which the caller hung up, the innermost last; none where he did not."""
        verbs: list[str] = []
        for part in filter(None, self.interrupted_path.split(".")):
            verb = part.partition("[")[0]
            verbs = [] if verb in _BRANCH_NAMES else [*verbs, verb]
        return verbs

    @property
    def nodes(self) -> list[str]:
        """The nodes that the call came to, in order, as far as documents tell."""
        return [spot.node for spot in self.covered_points if spot.what == NODE_ENTERED_POINT]

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """A transcript as ``told`` gave it."""
        known = {field.name for field in dataclasses.fields(PlatformRequest)}
        requests = [
            PlatformRequest(**{name: value for name, value in asked.items() if name in known}) for asked in data["requests"]
        ]
        whole = cls(data["number"], data["from"], data["outcome"], data.get("error", ""), data.get("seconds", 0.0))
        whole.interrupted_path, whole.steps, whole.requests = data.get("during", ""), data["steps"], requests
        whole.answers_itself = bool(data.get("answers_itself"))
        return whole

    def to_json(self) -> dict[str, Any]:
        """As ``callflows call --format json`` prints it."""
        requests = []
        for asked in self.requests:
            kept = {name: getattr(asked, name) for name in ("method", "url", "status", "ms", "document", "trail")}
            requests.append({**kept, **({"error": asked.error} if asked.error else {})})
        whole = {"number": self.number, "from": self.from_, "outcome": self.outcome, "seconds": round(self.seconds, 1)}
        wrong = {"error": self.error} if self.error else {"during": self.interrupted_path} if self.interrupted_path else {}
        itself = {"answers_itself": True} if self.answers_itself else {}
        return {**whole, **wrong, **itself, "steps": [_round_times(step) for step in self.steps], "requests": requests}


def _round_times(step: TranscriptStep) -> TranscriptStep:
    """A step with tenths of seconds: what is less is of the clock that played it."""
    return {name: round(value, 1) if name in ("at", "seconds") else value for name, value in step.items()}
