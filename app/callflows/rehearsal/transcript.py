"""Record of a rehearsed call as data: steps, requests and outcome."""

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
"""``verb`` (an element or an effect), ``path``, ``at`` (seconds since the call began), and details of the verb."""
HANG_UP_ACTION: Final = "hangup"
_BRANCH_NAMES: Final = frozenset(element.__name__ for element in GATHER_BRANCHES)
"""Commands inside a branch run after the Gather, so a hang-up there does not interrupt the Gather."""


class RecordedAction(NamedTuple):
    """A caller's action in one window: opened ``at`` seconds after the call began, performed ``delay`` seconds later.

    ``action``: the pressed keys (empty after a timeout), ``hangup``, or None (no action in a conversation).
    ``is_during_sound``: the caller could only hang up. ``continues_input``: keys of the same input were pressed before.
    """

    at: float
    action: str | None
    delay: float = 0.0
    is_during_sound: bool = False
    continues_input: bool = False


class FlowPoint(NamedTuple):
    """A coverage point of a flow; the flow is empty if unknown."""

    flow: str
    point: CoveragePoint


@dataclasses.dataclass(slots=True)
class PlatformRequest:
    """A request of the platform and its reply; ``trail`` lists the decisions of our engine.

    ``status`` is 0 without a reply, and ``error`` gives the reason. Our engine sets ``flow``, ``node`` and ``outcome``.
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
    """Everything recorded of a call. ``error`` explains the outcomes ``error`` and ``loop``; ``seconds`` are virtual.

    ``interrupted_path`` is the path of the command during a hang-up by the caller; steps with ``ended`` ran after the call.
    ``assumptions`` are choices for undocumented behaviour. ``answers_itself``: the app answered the line, not a document.
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
    covered_points: list[FlowPoint] = dataclasses.field(default_factory=list)
    """Coverage points that the call reached, as far as documents report them."""
    possible_points: list[FlowPoint] = dataclasses.field(default_factory=list)
    """Coverage points that only the documents define, as those of a Python flow do."""
    answers_itself: bool = False

    @property
    def flow(self) -> str:
        """The flow that answered; an empty text if unknown."""
        return next((asked.flow for asked in self.requests if asked.flow), "")

    @property
    def interrupted_verbs(self) -> list[str]:
        """Verbs during which the caller hung up, innermost last; empty if the caller did not hang up."""
        verbs: list[str] = []
        for part in filter(None, self.interrupted_path.split(".")):
            verb = part.partition("[")[0]
            verbs = [] if verb in _BRANCH_NAMES else [*verbs, verb]
        return verbs

    @property
    def nodes(self) -> list[str]:
        """Entered nodes in order, as far as documents report them; a node of another flow as ``other-flow/node``."""
        return [
            reached.point.node if reached.flow in ("", self.flow) else f"{reached.flow}/{reached.point.node}"
            for reached in self.covered_points
            if reached.point.what == NODE_ENTERED_POINT
        ]

    @property
    def current_flow(self) -> str:
        """The flow that answered the latest request; an empty text if unknown."""
        return self.requests[-1].flow if self.requests else ""

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """Load a transcript from the output of ``to_json``."""
        known = {field.name for field in dataclasses.fields(PlatformRequest)}
        requests = [
            PlatformRequest(**{name: value for name, value in asked.items() if name in known}) for asked in data["requests"]
        ]
        whole = cls(data["number"], data["from"], data["outcome"], data.get("error", ""), data.get("seconds", 0.0))
        whole.interrupted_path, whole.steps, whole.requests = data.get("during", ""), data["steps"], requests
        whole.answers_itself = bool(data.get("answers_itself"))
        return whole

    def to_json(self) -> dict[str, Any]:
        """Return the format of ``callflows call --format json``."""
        requests = []
        for asked in self.requests:
            fields = {name: getattr(asked, name) for name in ("method", "url", "status", "ms", "document", "trail")}
            requests.append({**fields, **({"error": asked.error} if asked.error else {})})
        whole = {"number": self.number, "from": self.from_, "outcome": self.outcome, "seconds": round(self.seconds, 1)}
        wrong = {"error": self.error} if self.error else {"during": self.interrupted_path} if self.interrupted_path else {}
        itself = {"answers_itself": True} if self.answers_itself else {}
        return {**whole, **wrong, **itself, "steps": [_round_times(step) for step in self.steps], "requests": requests}


def _round_times(step: TranscriptStep) -> TranscriptStep:
    """Round times to tenths of a second: smaller differences only reflect the speed of the playing clock."""
    return {name: round(value, 1) if name in ("at", "seconds") else value for name, value in step.items()}
