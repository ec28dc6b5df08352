"""What no call may come to, whoever rings and whatever is pressed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from app.flows.compiler import opened
from app.flows.places import Report
from app.numbers import caller_number, plain
from app.spots import OUT
from app.testing.running import wrong_with

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.flows.book import Flow
    from app.flows.compiler import Options
    from app.flows.dialing.policy import Policy
    from app.rehearsal.transcript import Step, Transcript

_HEARD = frozenset({"Say", "Play", "Tone", "Hold", "Dial", "Record", "Error"})


class Harm(NamedTuple):
    """What was wrong, and what a scenario expects so that it fails as long as that is so."""

    wrong: str
    expect: tuple[Any, ...]


class Harms:
    """What harm a call of a flow came to. Targets are judged by the flow's dial policy itself, apart from the engine."""

    def __init__(self, flow: Flow, options: Options) -> None:
        self._flow = flow
        compiler = None
        if Path(flow.file).suffix != ".py":
            compiler = opened(flow.name, Path(flow.file).read_bytes(), Report(flow.file), options)
        self._policy: Policy | None = compiler.policy if compiler is not None else None
        self._answers = compiler is None or compiler.file.auto_answer != "false"
        self._written = {plain(claim.number) for claim in flow.dials}

    def of(self, call: Transcript, *, answers_itself: bool) -> Harm | None:
        """The harm; None where the call came to none."""
        wrong = wrong_with(call, self._flow.name)
        if wrong:
            return Harm(wrong, ())
        looks: list[Callable[[Transcript], Harm | None]] = [self._dead_air, self._dialled]
        if self._flow.dialect == "reference" and self._answers and not answers_itself:
            looks.append(_unheard)
        return next((harm for harm in (look(call) for look in looks) if harm is not None), None)

    def _dead_air(self, call: Transcript) -> Harm | None:
        """Nothing is heard before the end, which nobody wrote."""
        if call.outcome == "caller-hung-up" or any(step["verb"] in _HEARD for step in call.steps):
            return None
        meant = call.outcome == "hung-up" and not (call.came and call.came[-1].what == OUT)
        return None if meant else Harm("dead air: the call ends, and the caller has heard nothing", ("say",))

    def _dialled(self, call: Transcript) -> Harm | None:
        """Somebody is rung, or written to, whom neither the author named nor the policy allows."""
        if self._policy is None:
            return None
        own = {plain(caller_number(call.from_)), plain(call.number)}
        for step in call.steps:
            for target in _targets(step):
                allowed = plain(target) in self._written or (step["verb"] == "sms" and plain(target) in own)
                refusal = "" if allowed else self._policy.refusal(target)
                if refusal:
                    word = "dial" if step["verb"] == "Dial" else "sms"
                    return Harm(f"a forbidden {word}: {refusal}", ({"not": [{word: {"to": target}}]},))
        return None


def _unheard(call: Transcript) -> Harm | None:
    said: Any = next((step for step in call.steps if step.get("unanswered")), None)
    wrong = "dead air: something is played before the line is answered: nobody may hear it"
    return None if said is None else Harm(wrong, ("answer",))


def _targets(step: Step) -> list[str]:
    return step["to"] if step["verb"] == "Dial" else [step["to"]] if step["verb"] == "sms" else []
