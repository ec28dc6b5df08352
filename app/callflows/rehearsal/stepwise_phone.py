"""A rehearsed call that stops whenever a person has to decide: what was heard so far, and what is awaited.

The call is rehearsed again from its beginning with all decisions so far. So nothing is kept between two decisions, and the
same decisions give the same call.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from callflows.rehearsal.call_parties import CallerHangUp, DialResult, KeyInput

if TYPE_CHECKING:
    from collections.abc import Sequence

    from callflows.rehearsal.call_parties import ActionWindow, CallerAction
    from callflows.rehearsal.platform_network import PlatformNetwork
    from callflows.rehearsal.rehearsed_call import Rehearsal
    from callflows.rehearsal.transcript import Transcript, TranscriptStep


SILENCE: Final = "-"
HANG_UP: Final = "h"
KEYS: Final = "0123456789*#"
CALLEE_RESULTS: Final = {"a": "answered", "b": "busy", "n": "no-answer"}
"""Results of a rung party, each with its letter."""
MAX_DECISIONS: Final = 200


class _DecisionAwaitedError(Exception):
    """The call has come to a decision that is not made yet."""


class AwaitedDecision(NamedTuple):
    """The call waits for a key (``kind`` is ``keys``, ``verb`` the command), or for a rung party (``callee``)."""

    kind: str
    verb: str = ""
    targets: Sequence[str] = ()
    continues_input: bool = False


class StepwiseCall(NamedTuple):
    """A call up to its next decision, or to its end (``awaited`` is None, ``transcript`` has the whole call)."""

    steps: Sequence[TranscriptStep]
    awaited: AwaitedDecision | None
    transcript: Transcript | None = None


class _DecidedParties:
    """The caller and the callees, who do what was decided, one after the other."""

    def __init__(self, decisions: Sequence[str]) -> None:
        self.steps: list[TranscriptStep] = []
        self.awaited: AwaitedDecision | None = None
        self._left = [*decisions]

    async def hear_step(self, step: TranscriptStep) -> None:
        self.steps.append(step)

    async def choose_action(self, window: ActionWindow) -> CallerAction:
        if window.kind != "keys":
            return None
        verb = "Record" if "Record[" in window.path else window.verb  # a recording lasts as long as its Pause
        decision = self._take_decision(AwaitedDecision("keys", verb, continues_input=window.continues_input))
        if decision == HANG_UP:
            return CallerHangUp()
        return KeyInput(decision) if decision in KEYS else None

    async def ring_targets(self, targets: Sequence[str], path: str) -> DialResult:  # noqa: ARG002 - as the Protocol says
        decision = self._take_decision(AwaitedDecision("callee", "Dial", tuple(targets)))
        if decision == "a":
            return DialResult("answered", targets[0])
        return DialResult("busy" if decision == "b" else "no-answer")

    def _take_decision(self, awaited: AwaitedDecision) -> str:
        if not self._left:
            self.awaited = awaited
            raise _DecisionAwaitedError
        return self._left.pop(0)


def read_decisions(text: str) -> list[str]:
    """Read decisions as a page has them: a letter or a key each. Raises ValueError."""
    known = {*KEYS, *CALLEE_RESULTS, SILENCE, HANG_UP}
    if len(text) > MAX_DECISIONS or not set(text) <= known:
        raise ValueError(f"decisions are up to {MAX_DECISIONS} of {''.join(sorted(known))}")
    return [*text]


async def run_until_decision(rehearsal: Rehearsal, network: PlatformNetwork, decisions: Sequence[str]) -> StepwiseCall:
    """Rehearse a call with decisions, up to the first one that is not made."""
    parties = _DecidedParties(decisions)
    rehearsal.caller = rehearsal.callees = parties
    try:
        transcript = await rehearsal.run(network)
    except _DecisionAwaitedError:
        return StepwiseCall(parties.steps, parties.awaited)
    return StepwiseCall(transcript.steps, None, transcript)
