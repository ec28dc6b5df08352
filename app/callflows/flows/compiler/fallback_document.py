"""The fallback: the document that callers hear if anything goes wrong. It has no values of a call."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from callflows.flows.compiler.document_writer import DocumentWriter
from callflows.flows.compiler.node_compiler import NodeCompiler
from callflows.flows.compiler.silent_texts import EMPTY_SAY_PATTERN
from callflows.language import Hangup, Say

if TYPE_CHECKING:
    from callflows.flows.compiler.compiling_flow import CompilingFlow
    from callflows.flows.compiler.step_context import FlowNodes


FALLBACK_NODE: Final = "fallback:"
"""Node name of the fallback's steps. No call can go to this node."""


def compile_fallback(nodes: FlowNodes) -> DocumentWriter:
    """Compile the file's fallback, or the apology of the settings if the file has no valid fallback."""
    flow = nodes.flow
    document = _compile_fallback_steps(nodes)
    if not document.fragments:
        document.write_verbs(Say(flow.options.apology))
    elif flow.flow_file.fallback:
        document.fragments.insert(0, document.make_coverage_comment("is served", ("fallback",), key=True))
    if not document.progress.ends:
        document.write_verbs(Hangup())
    return document


def _compile_fallback_steps(nodes: FlowNodes) -> DocumentWriter:
    """Compile the steps of the file's fallback. The document is empty if the steps have errors."""
    flow = nodes.flow
    document = _make_static_document(flow)
    problem_count = len(flow.report.problems)
    NodeCompiler(nodes, document, flow.expression_compiler).compile_steps(flow.flow_file.fallback, ("fallback",))
    if flow.flow_file.fallback and not document.progress.silence_broken:
        message = "when something goes wrong, callers hear nothing"
        fix = "say that the call cannot be taken now, or leave the fallback out: then the apology of the settings is said"
        flow.report.warning(("fallback",), "says-nothing", message, fix, key=True)
    has_errors = any(problem.severity == "error" for problem in flow.report.problems[problem_count:])
    return _make_static_document(flow) if has_errors or _has_only_silent_texts(document) else document


def _has_only_silent_texts(document: DocumentWriter) -> bool:
    """Return True if nothing is heard of a fallback but texts without a letter or a digit."""
    content = "".join(piece for piece in document.fragments if isinstance(piece, str))
    rest = EMPTY_SAY_PATTERN.sub("", content)
    return rest != content and _AUDIBLE_TAG.search(rest) is None


_AUDIBLE_TAG: Final = re.compile("<(?:Say|Play|Tone|Hold|Dial|Record|Geo|Schedule|Call|Callback)[ />]")


def _make_static_document(flow: CompilingFlow) -> DocumentWriter:
    return DocumentWriter(flow, FALLBACK_NODE, flow.coverage_recorder.make_comment, is_static=True)
