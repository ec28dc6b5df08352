"""Steps under ``ended``: executed once, when Opentact reports the end of a call, however it ended."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from jinja2 import Environment, TemplateSyntaxError

from callflows.flows.compiler.fragments import merge_adjacent_texts, prepare_fragments, render_fragments
from callflows.flows.entry_points import ENDED_NODE, START_NODE
from callflows.flows.expressions.condition_values import list_compared_constants
from callflows.flows.expressions.expression_scope import CALL_SCOPE, LIST_SCOPE, SCOPE_LEAF
from callflows.flows.messages.rule_compiler import make_rule_compiler
from callflows.flows.steps.step_table import FLOW_STEPS, STEP_COMPILERS
from callflows.telephony.call_record import ENDED_CALL_FIELDS, ENDED_VALUE
from callflows.text import format_known_words, format_suggestion

if TYPE_CHECKING:
    from callflows.flows.compiler.fragments import Fragment
    from callflows.flows.compiler.step_context import FlowNodes
    from callflows.flows.expressions.expression_scope import ExpressionScope
    from callflows.flows.source.positions import ProblemReport
    from callflows.telephony.turn import Turn


ENDED_STEP_NAMES: Final = tuple(name for name, cls in FLOW_STEPS.items() if cls.is_possible_after_call)
"""The steps possible after a call."""
_LIST_FIELDS: Final = ("keys", "recordings", "tags")
ENDED_SCOPE: Final[ExpressionScope] = {
    **{name: seen for name, seen in CALL_SCOPE.items() if name != "digits"},
    ENDED_VALUE: {**dict.fromkeys(ENDED_CALL_FIELDS, SCOPE_LEAF), **dict.fromkeys(_LIST_FIELDS, LIST_SCOPE)},
}
"""Names visible to these steps; digits and variables of the call are not available."""


class EndedCallSteps:
    """A flow's compiled steps after a call. ``uses_call_count``: the steps use ``caller.calls_today``."""

    __slots__ = ("_fragments", "needs_worker", "uses_call_count")

    def __init__(self, fragments: tuple[Fragment, ...], *, needs_worker: bool, uses_call_count: bool) -> None:
        self._fragments = fragments
        self.needs_worker = needs_worker
        self.uses_call_count = uses_call_count

    def run_steps(self, turn: Turn) -> None:
        """Add the effects and decisions of the steps to the turn. Raises the errors of rendering."""
        render_fragments(self._fragments, turn, [])


def _check_step_after_call(step: object, index: int, report: ProblemReport) -> bool:
    """Return True if a step is possible after a call; report a problem if not."""
    strange = [
        key for key in (step if isinstance(step, dict) else [step]) if key in STEP_COMPILERS and key not in ENDED_STEP_NAMES
    ]
    for key in strange:
        message = f"ended: the call is over, and {key!r} cannot be done any more"
        report.error(
            ("ended", index, str(key)),
            "ended",
            message,
            f"there are {', '.join(ENDED_STEP_NAMES[:-1])} and {ENDED_STEP_NAMES[-1]}",
            key=True,
        )
    return not strange


def _check_compared_nodes(step: dict[Any, Any], index: int, nodes: FlowNodes) -> None:
    """Report names that ``ended.node`` is compared with and that no node of the file has."""
    try:
        tree = Environment(autoescape=True).parse(f"{{{{ {step['when']} }}}}")
    except TemplateSyntaxError:
        return  # reported by the compiler of the condition
    known = [*nodes.flow.flow_file.nodes] or [START_NODE]
    for value in list_compared_constants(tree, f"{ENDED_VALUE}.node"):
        if isinstance(value, str) and value and value not in known:
            near = format_suggestion(value, known) or format_known_words(known)
            nodes.flow.report.warning(("ended", index, "when"), "ended-node", f"no node is named {value!r}", near)


def compile_ended_steps(nodes: FlowNodes) -> EndedCallSteps | None:
    """Compile the steps of a file and report their problems; None if the file has no such steps."""
    flow = nodes.flow
    if not flow.flow_file.ended:
        return None
    compiler = make_rule_compiler(nodes, ENDED_NODE, ENDED_SCOPE)
    for index, step in enumerate(flow.flow_file.ended):
        compiler.document.step_index = index
        if _check_step_after_call(step, index, flow.report):
            compiler.compile_step(step, ("ended", index))
            if isinstance(step, dict) and isinstance(step.get("when"), str):
                _check_compared_nodes(step, index, nodes)
            if isinstance(step, dict) and "when" not in step:
                step_key = next(iter(step), "")
                flow.coverage_recorder.record_decision((ENDED_NODE, index, step_key, "caused"), step_key, ("ended", index))
    return EndedCallSteps(
        prepare_fragments(merge_adjacent_texts(compiler.document.fragments)),
        needs_worker=compiler.texts.expression_compiler.needs_worker,
        uses_call_count="caller.calls_today" in flow.graph.used_names[ENDED_NODE],
    )
