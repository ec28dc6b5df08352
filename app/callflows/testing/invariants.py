"""Invariants of every call, for any caller and any keys: no failure, no dead air, no forbidden target."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from callflows.flows.coverage_points import NODE_EXIT_POINT
from callflows.flows.flow_compilation import read_flow
from callflows.flows.source.positions import ProblemReport
from callflows.telephony.phone_numbers import normalize_target, parse_caller_number
from callflows.testing.scenario_runner import find_call_failure

if TYPE_CHECKING:
    from collections.abc import Callable

    from callflows.flows.compiler.compiling_flow import CompilerOptions
    from callflows.flows.dial_policy.target_policy import DialPolicy
    from callflows.flows.flow import Flow
    from callflows.rehearsal.transcript import Transcript, TranscriptStep


_AUDIBLE_VERBS = frozenset({"Say", "Play", "Tone", "Hold", "Dial", "Record", "Error"})


class InvariantViolation(NamedTuple):
    """A violated invariant, and expectations for a scenario that fails until the flow is fixed."""

    description: str
    expect: tuple[Any, ...]


class CallInvariants:
    """Checks calls of a flow. Targets are checked against the dial policy directly, without the engine's own check."""

    def __init__(self, flow: Flow, options: CompilerOptions) -> None:
        self._flow = flow
        source = None
        if Path(flow.file).suffix != ".py":
            source = read_flow(flow.name, Path(flow.file).read_bytes(), ProblemReport(flow.file), options)
        self._policy: DialPolicy | None = source.dial_policy if source is not None else None
        self._is_line_answered = source is None or source.flow_file.auto_answer != "false"
        self._literal_targets = {normalize_target(claim.number) for claim in flow.literal_targets}

    def find_violation(self, call: Transcript, *, answers_itself: bool) -> InvariantViolation | None:
        """Return the first violation, or None."""
        wrong = find_call_failure(call, self._flow.name)
        if wrong:
            return InvariantViolation(wrong, ())
        looks: list[Callable[[Transcript], InvariantViolation | None]] = [self._find_dead_air, self._find_forbidden_target]
        if self._flow.dialect == "reference" and self._is_line_answered and not answers_itself:
            looks.append(_find_unheard_audio)
        return next((harm for harm in (look(call) for look in looks) if harm is not None), None)

    def _find_dead_air(self, call: Transcript) -> InvariantViolation | None:
        """Report a call that ends before the caller hears anything, unless the author wrote such an end."""
        if call.outcome == "caller-hung-up" or any(step["verb"] in _AUDIBLE_VERBS for step in call.steps):
            return None
        last = call.covered_points[-1].point.what if call.covered_points else ""
        meant = call.outcome == "hung-up" and last != NODE_EXIT_POINT
        return None if meant else InvariantViolation("dead air: the call ends before the caller hears anything", ("say",))

    def _find_forbidden_target(self, call: Transcript) -> InvariantViolation | None:
        """Report a target that the file does not name and the dial policy forbids. Texts to the caller are allowed."""
        if self._policy is None:
            return None
        own = {normalize_target(parse_caller_number(call.from_)), normalize_target(call.number)}
        for step in call.steps:
            for target in _list_step_targets(step):
                allowed = normalize_target(target) in self._literal_targets or (
                    step["verb"] == "sms" and normalize_target(target) in own
                )
                refusal = "" if allowed else self._policy.find_refusal(target)
                if refusal:
                    word = "dial" if step["verb"] == "Dial" else "sms"
                    return InvariantViolation(f"a forbidden {word}: {refusal}", ({"not": [{word: {"to": target}}]},))
        return None


def _find_unheard_audio(call: Transcript) -> InvariantViolation | None:
    unheard_step: Any = next((step for step in call.steps if step.get("unanswered")), None)
    wrong = "dead air: a prompt is played before the call is answered, so the caller may not hear it"
    return None if unheard_step is None else InvariantViolation(wrong, ("answer",))


def _list_step_targets(step: TranscriptStep) -> list[str]:
    return step["to"] if step["verb"] == "Dial" else [step["to"]] if step["verb"] == "sms" else []
