"""Compiles steps outside the nodes of a flow, with a different scope: message rules and steps for missed calls."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Self

from callflows.flows.compiler.node_compiler import NodeCompiler
from callflows.flows.expressions.jinja_compiler import ExpressionCompiler

if TYPE_CHECKING:
    from collections.abc import Mapping

    from callflows.flows.compiler.flow_compiler import FlowCompiler
    from callflows.flows.expressions.expression_scope import ExpressionScope
    from callflows.flows.source.positions import SourcePath


_DECISIONS_OF_COMMENTS: Final[Mapping[str, tuple[str, object]]] = {
    "holds": ("when", True),
    "does not hold": ("when", False),
    "refused": ("sms", "refused"),
    "sent": ("sms", "caused"),
}
"""Word and outcome in the trail, by the label of a coverage comment."""


class RuleCompiler(NodeCompiler):
    """A NodeCompiler with its own scope."""

    own_prompts: ExpressionCompiler | None = None

    @classmethod
    def with_scope(cls, compiler: FlowCompiler, node: str, scope: ExpressionScope) -> Self:
        """Return an empty compiler. ``node`` is a key of the file with a colon, because no real node has such a name."""
        made = cls(compiler, node)
        made.own_prompts = ExpressionCompiler({**scope, **compiler.flow_context.scope}, compiler.voice.get("lang", "en-US"))
        return made

    @property
    def expression_compiler(self) -> ExpressionCompiler:
        """Return the expression compiler of this scope."""
        return self.own_prompts or self.flow_compiler.expression_compiler

    def make_branch(self, *, line_answered: bool | None = None, inside_branch: bool = True) -> Self:
        """Return a branch, as ``NodeCompiler`` does, with the same scope."""
        made = super().make_branch(line_answered=line_answered, inside_branch=inside_branch)
        made.own_prompts = self.own_prompts
        return made

    def make_coverage_comment(self, label: str, path: SourcePath, *, key: bool = False) -> str:
        """Return "" and record a coverage point: no document is written, and the trail reports conditions."""
        if label in _DECISIONS_OF_COMMENTS:
            word, outcome = _DECISIONS_OF_COMMENTS[label]
            self.flow_compiler.coverage_recorder.record_decision(
                (self.node, self.step_index, word, outcome), label, path, key=key
            )
        return ""

    def compile_rule_step(self, step: object, path: SourcePath) -> None:
        self._compile_step(step, path)
