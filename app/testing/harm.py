"""What no call may come to, whoever rings and whatever is pressed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.flows.compiler import opened
from app.flows.places import Report
from app.numbers import caller_number, e164
from app.spots import OUT
from app.testing.running import wrong_with

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.flows.book import Flow
    from app.flows.compiler import Options
    from app.flows.dialing.policy import Policy
    from app.rehearsal.transcript import Step, Transcript

_HEARD = frozenset({"Say", "Play", "Tone", "Hold", "Dial", "Record", "Error"})


class Harms:
    """What harm a call of a flow came to. Targets are judged by the flow's dial policy itself, apart from the engine."""

    def __init__(self, flow: Flow, options: Options) -> None:
        self._flow = flow
        compiler = None
        if Path(flow.file).suffix != ".py":
            compiler = opened(flow.name, Path(flow.file).read_bytes(), Report(flow.file), options)
        self._policy: Policy | None = compiler.policy if compiler is not None else None
        self._answers = compiler is None or compiler.file.auto_answer != "false"
        self._written = {_plain(claim.number) for claim in flow.dials}

    def of(self, call: Transcript, *, answers_itself: bool) -> str:
        """The harm in words; nothing where the call came to none."""
        looks: list[Callable[[Transcript], str]] = [self._dead_air, self._dialled]
        if self._flow.dialect == "reference" and self._answers and not answers_itself:
            looks.insert(1, _unheard)
        harms = (look(call) for look in looks)
        return wrong_with(call, self._flow.name) or next((harm for harm in harms if harm), "")

    def _dead_air(self, call: Transcript) -> str:
        """Nothing is heard before the end, which nobody wrote."""
        if call.outcome == "caller-hung-up" or any(step["verb"] in _HEARD for step in call.steps):
            return ""
        meant = call.outcome == "hung-up" and not (call.came and call.came[-1].what == OUT)
        return "" if meant else "dead air: the call ends, and the caller has heard nothing"

    def _dialled(self, call: Transcript) -> str:
        """Somebody is rung, or written to, whom neither the author named nor the policy allows."""
        if self._policy is None:
            return ""
        own = {_plain(caller_number(call.from_)), _plain(call.number)}
        for step in call.steps:
            for target in _targets(step):
                allowed = _plain(target) in self._written or (step["verb"] == "sms" and _plain(target) in own)
                refusal = "" if allowed else self._policy.refusal(target)
                if refusal:
                    return f"a forbidden {'dial' if step['verb'] == 'Dial' else 'message'}: {refusal}"
        return ""


def _unheard(call: Transcript) -> str:
    said: Any = next((step for step in call.steps if step.get("unanswered")), None)
    return "" if said is None else f"dead air: {said['verb']} before the line is answered: nobody may hear it"


def _targets(step: Step) -> list[str]:
    return step["to"] if step["verb"] == "Dial" else [step["to"]] if step["verb"] == "sms" else []


def _plain(target: str) -> str:
    return e164(target) or target.lower().removeprefix("sip:")
