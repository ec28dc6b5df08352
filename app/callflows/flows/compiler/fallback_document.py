"""The fallback: the document that callers hear if anything goes wrong. The fallback depends on no call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from callflows.flows.compiler.node_compiler import NodeCompiler
from callflows.language import Hangup, Say

if TYPE_CHECKING:
    from callflows.flows.compiler.flow_compiler import FlowCompiler


FALLBACK_NODE: Final = "fallback:"
"""Node name of the fallback's steps. No call can go to this node."""


def compile_fallback(flow_compiler: FlowCompiler) -> NodeCompiler:
    """Compile the file's fallback, or the apology of the settings if the file has no valid fallback."""
    run = NodeCompiler(flow_compiler, FALLBACK_NODE, is_static=True)
    known = len(flow_compiler.report.problems)
    run.compile_steps(flow_compiler.flow_file.fallback, ("fallback",))
    if flow_compiler.flow_file.fallback and run.only_answers_or_ends:
        message = "when something goes wrong, callers hear nothing"
        fix = "say that the call cannot be taken now, or leave the fallback out: then the apology of the settings is said"
        flow_compiler.report.warning(("fallback",), "says-nothing", message, fix, key=True)
    if not run.fragments or any(problem.severity == "error" for problem in flow_compiler.report.problems[known:]):
        run = NodeCompiler(flow_compiler, FALLBACK_NODE, is_static=True)
        run.write_verbs(Say(flow_compiler.options.apology))
    elif flow_compiler.flow_file.fallback:
        run.fragments.insert(0, run.make_coverage_comment("is served", ("fallback",), key=True))
    if not run.terminates:
        run.write_verbs(Hangup())
    return run
