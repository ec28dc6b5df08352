"""Compiles steps outside the nodes of a flow, with a different scope: message rules and steps after calls."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from callflows.flows.compiler.document_writer import DocumentWriter
from callflows.flows.compiler.node_compiler import NodeCompiler
from callflows.flows.expressions.jinja_compiler import ExpressionCompiler
from callflows.flows.steps.sms_step import SmsStep

if TYPE_CHECKING:
    from collections.abc import Mapping

    from callflows.flows.compiler.step_context import FlowNodes
    from callflows.flows.expressions.expression_scope import ExpressionScope
    from callflows.flows.source.positions import SourcePath


_DECISIONS_OF_COMMENTS: Final[Mapping[str, tuple[str, object]]] = {
    "holds": ("when", True),
    "does not hold": ("when", False),
    "refused": (SmsStep.step_key, "refused"),
    "sent": (SmsStep.step_key, "caused"),
}
"""Word and outcome in the trail, by the label of a coverage comment."""


def make_rule_compiler(nodes: FlowNodes, node: str, scope: ExpressionScope) -> NodeCompiler:
    """Return a compiler with its own scope.

    ``node`` is a key of the file with a colon, because no real node has such a name.
    """
    flow = nodes.flow

    def record_coverage_point(node: str, step_index: int, label: str, path: SourcePath, key: bool) -> str:  # noqa: FBT001 - a CommentMaker
        """Record a coverage point, and return no comment: no document is written, and the trail reports conditions."""
        if label in _DECISIONS_OF_COMMENTS:
            flow.coverage_recorder.record_decision((node, step_index, *_DECISIONS_OF_COMMENTS[label]), label, path, key=key)
        return ""

    whole_scope = {**scope, **flow.sections.scope}
    expression_compiler = ExpressionCompiler(
        whole_scope, flow.voice.get("lang", "en-US"), flow.make_condition_facts(whole_scope)
    )
    return NodeCompiler(nodes, DocumentWriter(flow, node, record_coverage_point), expression_compiler)
