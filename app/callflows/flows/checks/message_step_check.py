"""Finds steps after a voicemail that are not run if the caller hangs up, as most callers do after a message."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from callflows.flows.steps.choose_step import ChooseStep
from callflows.flows.steps.collect_step import CollectStep
from callflows.flows.steps.dial_step import DialStep
from callflows.flows.steps.goto_step import GotoStep
from callflows.flows.steps.lookup_step import LookupStep
from callflows.flows.steps.mail_step import MailStep
from callflows.flows.steps.menu_step import MenuStep
from callflows.flows.steps.notify_step import NotifyStep
from callflows.flows.steps.opt_out_step import OptOutStep
from callflows.flows.steps.sms_step import SmsStep
from callflows.flows.steps.step_table import find_step_key, step_key_of_element
from callflows.flows.steps.voicemail_step import VoicemailStep
from callflows.language.verbs import Curl, Gather

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from callflows.flows.compiler.compiling_flow import CompilingFlow
    from callflows.flows.source.positions import SourcePath


_EFFECT_STEPS: Final = (
    SmsStep.step_key,
    MailStep.step_key,
    NotifyStep.step_key,
    LookupStep.step_key,
    OptOutStep.step_key,
    step_key_of_element(Curl.spec.name),
)
_FIX_BY_STEP: Final[Mapping[str, str]] = dict.fromkeys(
    (SmsStep.step_key, MailStep.step_key, NotifyStep.step_key),
    "put it under ended:, beside nodes, with when: ended.message",
)
_STEPS_WITH_CALLER: Final = (
    MenuStep.step_key,
    CollectStep.step_key,
    DialStep.step_key,
    VoicemailStep.step_key,
    step_key_of_element(Gather.spec.name),
)
"""Steps in which the caller takes part: what follows is meant for a caller who stayed."""


class _StepPlace(NamedTuple):
    """A place in a list of steps; ``outer`` is the place after the step that contains the list."""

    steps: Sequence[Any]
    position: int
    path: SourcePath
    outer: _StepPlace | None


def check_steps_after_messages(flow: CompilingFlow) -> None:
    """Warn of each voicemail that an effect follows before the caller takes part in the call again."""
    for node, steps in flow.flow_file.nodes.items():
        for place in _find_voicemails(steps or (), ("nodes", node), None):
            found = _find_effect_step(place, flow.flow_file.nodes)
            if found is None:
                continue
            step_key, path = found
            message = f"{step_key} comes after a voicemail: it is not run if the caller hangs up after the message"
            fix = _FIX_BY_STEP.get(step_key, "put it before the voicemail")
            flow.report.warning((*path, step_key), "after-a-message", message, fix, key=True)


def _find_voicemails(steps: Sequence[Any], path: SourcePath, outer: _StepPlace | None) -> Iterator[_StepPlace]:
    """Yield the place after each voicemail, also in the branches of other steps."""
    for index, step in enumerate(steps):
        following = _StepPlace(steps, index + 1, path, outer)
        if find_step_key(step) == VoicemailStep.step_key:
            yield following
        for key, value in step.items() if isinstance(step, dict) else ():
            for branch, branch_path in _find_branches(value, (*path, index, key)):
                yield from _find_voicemails(branch, branch_path, following)


def _find_branches(value: object, path: SourcePath) -> Iterator[tuple[Sequence[Any], SourcePath]]:
    """Yield the lists of steps in a step's value."""
    parts = value.items() if isinstance(value, dict) else ()
    for key, part in parts:
        if isinstance(part, list) and any(isinstance(step, dict) for step in part):
            yield part, (*path, key)
        elif isinstance(part, dict):
            yield from _find_branches(part, (*path, key))


def _find_effect_step(place: _StepPlace, nodes: Mapping[str, Sequence[Any]]) -> tuple[str, SourcePath] | None:
    """Return the key and the path of the first effect that may follow, before the caller takes part again."""
    waiting: list[_StepPlace | None] = [place]
    seen: set[str] = set()
    while waiting:
        here = waiting.pop()
        while here is not None:
            if here.position >= len(here.steps):
                here = here.outer
                continue
            step = here.steps[here.position]
            step_key = find_step_key(step)
            if step_key in _EFFECT_STEPS:
                return step_key, (*here.path, here.position)
            for node in _find_targets(step, step_key):
                if node in nodes and node not in seen:
                    seen.add(node)
                    waiting.append(_StepPlace(nodes[node] or (), 0, ("nodes", node), None))
            ends = step_key in ("hangup", GotoStep.step_key) and isinstance(step, dict) and "when" not in step
            here = None if ends or step_key in _STEPS_WITH_CALLER else here._replace(position=here.position + 1)
    return None


def _find_targets(step: object, step_key: str) -> Iterator[str]:
    """Yield the nodes to which a goto or a choose leads."""
    value = step.get(step_key) if isinstance(step, dict) else None
    ways = value if step_key == ChooseStep.step_key and isinstance(value, list) else ()
    targets = [
        value if step_key == GotoStep.step_key else None,
        *(way.get("goto") for way in ways if isinstance(way, dict)),
    ]
    yield from (target for target in targets if isinstance(target, str))
