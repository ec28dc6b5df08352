"""Steps under ``missed``: executed once, after a call ended without being taken."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from callflows.flows.compiler.fragments import merge_adjacent_texts, prepare_fragments, render_fragments
from callflows.flows.expressions.expression_scope import CALL_SCOPE, SCOPE_LEAF
from callflows.flows.messages.rule_compiler import make_rule_compiler
from callflows.flows.steps.step_table import STEP_COMPILERS, WORD_STEPS

if TYPE_CHECKING:
    from callflows.flows.compiler.context import FlowNodes
    from callflows.flows.compiler.fragments import Fragment
    from callflows.flows.expressions.expression_scope import ExpressionScope
    from callflows.flows.source.positions import ProblemReport
    from callflows.telephony.turn import Turn


MISSED_NODE: Final = "missed:"
"""Node name of the steps in the decision trail. The colon prevents a clash with real nodes."""
MISSED_STEP_NAMES: Final = tuple(name for name, cls in WORD_STEPS.items() if cls.is_possible_after_call)
"""The steps possible after a call."""
MISSED_SCOPE: Final[ExpressionScope] = {
    **{name: seen for name, seen in CALL_SCOPE.items() if name != "digits"},
    "ended": dict.fromkeys(("seconds", "rang", "tags"), SCOPE_LEAF),
}
"""Names visible to these steps; digits and variables of the call are not available."""


class MissedCallSteps:
    """A flow's compiled steps for a missed call. ``uses_call_count``: the steps use ``caller.calls_today``."""

    __slots__ = ("_fragments", "needs_worker", "uses_call_count")

    def __init__(self, fragments: tuple[Fragment, ...], *, needs_worker: bool, uses_call_count: bool) -> None:
        self._fragments = fragments
        self.needs_worker = needs_worker
        self.uses_call_count = uses_call_count

    def run_steps(self, turn: Turn) -> None:
        """Add the effects and decisions of the steps to the turn. Raises the errors of rendering."""
        render_fragments(self._fragments, turn, [])


def _check_step_after_call(step: object, index: int, report: ProblemReport) -> bool:
    """Return whether a step is possible after a call; report a problem if not."""
    strange = [
        key
        for key in (step if isinstance(step, dict) else [step])
        if key in STEP_COMPILERS and key not in MISSED_STEP_NAMES
    ]
    for key in strange:
        message = f"missed: the call is over, and {key!r} cannot be done any more"
        report.error(
            ("missed", index, str(key)), "missed", message, f"there are {' and '.join(MISSED_STEP_NAMES)}", key=True
        )
    return not strange


def compile_missed_steps(nodes: FlowNodes) -> MissedCallSteps | None:
    """Compile the steps of a file and report their problems; None if the file has no such steps."""
    flow = nodes.flow
    if not flow.flow_file.missed:
        return None
    compiler = make_rule_compiler(nodes, MISSED_NODE, MISSED_SCOPE)
    for index, step in enumerate(flow.flow_file.missed):
        compiler.document.step_index = index
        if _check_step_after_call(step, index, flow.report):
            compiler.compile_step(step, ("missed", index))
            if isinstance(step, dict) and "when" not in step:
                word = next(iter(step), "")
                flow.coverage_recorder.record_decision((MISSED_NODE, index, word, "caused"), word, ("missed", index))
    return MissedCallSteps(
        prepare_fragments(merge_adjacent_texts(compiler.document.fragments)),
        needs_worker=compiler.texts.expression_compiler.needs_worker,
        uses_call_count="caller.calls_today" in flow.graph.used_names[MISSED_NODE],
    )
