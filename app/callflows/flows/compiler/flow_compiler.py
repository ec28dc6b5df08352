"""The flow compiler: compiles each node of a flow once, when the file is loaded.

A flow becomes one document if possible: ``goto`` places the other node inline. A node that would repeat itself or grow too
large is fetched by a signed URL instead.
"""

from __future__ import annotations

import collections
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from callflows.flows import coverage_points
from callflows.flows.compiler.compiling_flow import NodeSource, make_silent_arrival
from callflows.flows.compiler.document_writer import DocumentWriter
from callflows.flows.compiler.fallback_document import compile_fallback
from callflows.flows.compiler.fragments import DOCUMENT_EPILOGUE, DOCUMENT_PROLOGUE, merge_adjacent_texts
from callflows.flows.compiler.node_compiler import NodeCompiler
from callflows.flows.compiler.progress import Progress
from callflows.flows.compiler.silent_texts import SilentTextRemover
from callflows.flows.compiler.twiml_flow import TWIML_VALUE, compile_twiml_documents
from callflows.flows.compiler.xml_templates import compile_template_documents
from callflows.flows.entry_points import BRANCH_NAME_SEPARATOR, START_NODE, NodeEntry, find_root_node
from callflows.flows.flow import Flow
from callflows.flows.messages.ended_calls import compile_ended_steps
from callflows.flows.messages.message_rules_reader import compile_message_rules
from callflows.flows.source.flow_file import build_number_claims, check_node_names, read_number_claims
from callflows.flows.source.time_zones import find_timezone
from callflows.flows.steps.dial_step import check_hunt_group
from callflows.language import Hangup

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from callflows.flows.compiler.compiling_flow import CompilingFlow
    from callflows.flows.compiler.fragments import Fragment
    from callflows.flows.source.positions import SourcePath


MAX_COMPILED_DOCUMENT_BYTES: Final = 500_000
"""A longer document is refused when the flow is loaded."""
MAX_COMPILED_DOCUMENT_DEPTH: Final = 90
"""A document with deeper nesting is refused when the flow is loaded."""
MAX_INLINE_NODE_BYTES: Final = 12_000
"""A longer node is fetched, not placed inline."""
MAX_INLINE_NODE_CHAIN: Final = 20
"""Number of nodes placed inside each other; the next node is fetched."""
MAX_INLINE_NODE_DEPTH: Final = 40
"""Maximum depth of elements in a node placed inline."""


class FlowCompiler:
    """Compiles the nodes of one flow."""

    def __init__(self, flow: CompilingFlow) -> None:
        self.flow = flow
        self._compiled_nodes: dict[tuple[str, NodeEntry], DocumentWriter] = {}
        self._nodes_in_progress: list[str] = []
        self._always_fetched_nodes: set[str] = set()
        self._branch_nodes: dict[SourcePath, str] = {}
        self._branch_counts: collections.Counter[str] = collections.Counter()

    def build_flow(self) -> Flow:
        """Compile the flow. Problems are in the report."""
        flow = self.flow
        claims = tuple(read_number_claims(flow.flow_file.numbers, flow.report))
        zone = find_timezone(flow.flow_file.timezone, ("timezone",), flow.report)
        fallback = self._compile_fallback()
        fragments_by_node = self._compile_documents()
        self._check_unused_groups()
        if flow.flow_file.dial_policy:
            _ = flow.dial_policy  # reading the policy reports its problems
        flow.ticket_links.prepare_tickets([*flow.node_sources, *flow.graph.other_nodes], flow.graph, flow.dialect)
        messages, ended = compile_message_rules(self), compile_ended_steps(self)
        needs = flow.needs
        needs.worker = flow.expression_compiler.needs_worker or messages.needs_worker or bool(flow.flow_file.template)
        needs.calls_today = any("calls" in carried for carried in flow.ticket_links.carried_fields.values())
        if ended is not None:
            needs.worker |= ended.needs_worker
            needs.calls_today |= ended.uses_call_count
        needs.app = flow.flow_file.document_origin == TWIML_VALUE
        needs.current_time = flow.graph.first_time_use is not None
        return Flow(
            name=flow.name,
            file=flow.report.file,
            version=flow.version,
            dialect=flow.dialect,
            zone=zone,
            claims=claims,
            fragments_by_node=fragments_by_node,
            fallback=fallback,
            resolve=flow.sections.resolve,
            hours_names=tuple(flow.sections.hours),
            needs=needs,
            literal_targets=(*build_number_claims(flow.literal_targets, flow.report), *flow.template_targets),
            message_rules=messages,
            ended_calls=ended,
            entered_nodes=flow.find_entered_nodes() if not claims else frozenset(),
            silent_ways=flow.list_silent_ways(),
            node_files={
                node: place.file
                for node in flow.flow_file.nodes
                if (place := flow.report.get_position(("nodes", node), key=True)).file
            },
            included_files={
                file.relative_to(flow.folder).as_posix(): text for file, text in flow.flow_file.included_files.items()
            },
            coverage_points=flow.coverage_recorder.coverage_points,
            decision_points=flow.coverage_recorder.decision_points,
            received_names=tuple(flow.flow_file.receives),
            template_file=str(flow.folder / flow.flow_file.template) if flow.flow_file.template else "",
            silent_text_remover=SilentTextRemover(flow.fallback_xml)
            if flow.may_leave_texts_empty or flow.flow_file.template
            else None,
        )

    def _make_node_compiler(self, node: str, progress: Progress) -> NodeCompiler:
        document = DocumentWriter(self.flow, node, self.flow.coverage_recorder.make_comment, progress=progress)
        return NodeCompiler(self, document, self.flow.expression_compiler)

    def _check_unused_groups(self) -> None:
        """Report problems in hunt groups that no step rings."""
        for name in self.flow.groups.keys() - self.flow.used_groups:
            check_hunt_group(name, self._make_node_compiler(START_NODE, Progress()))

    def _compile_fallback(self) -> bytes:
        """Compile the document for failures, which is also the content of a Callback's Error."""
        document = compile_fallback(self)
        self.flow.fallback_xml = "".join(piece for piece in document.fragments if isinstance(piece, str))
        self._check_document_limits(document, "the fallback", ("fallback",), ("make it shorter", "ring fewer in turn"))
        return f"{DOCUMENT_PROLOGUE}{self.flow.fallback_xml}{DOCUMENT_EPILOGUE}".encode()

    def _check_document_limits(
        self, document: DocumentWriter, subject: str, path: SourcePath, fixes: tuple[str, str]
    ) -> None:
        """Report a document that is too long or too deep to answer a call."""
        if document.size > MAX_COMPILED_DOCUMENT_BYTES:
            self.flow.report.error(
                path, "too-long", f"{subject} has over {MAX_COMPILED_DOCUMENT_BYTES} bytes", fixes[0], key=True
            )
        if document.depth > MAX_COMPILED_DOCUMENT_DEPTH:
            message = f"{subject} has elements more than {MAX_COMPILED_DOCUMENT_DEPTH} deep inside each other"
            self.flow.report.error(path, "too-deep", message, fixes[1], key=True)

    def _compile_documents(self) -> Mapping[str, Mapping[NodeEntry, tuple[Fragment, ...]]]:
        origin = self.flow.flow_file.document_origin
        if origin:
            self.flow.node_sources[START_NODE] = NodeSource((), (origin,), None)
            self.flow.coverage_recorder.make_comment(
                START_NODE,
                0,
                coverage_points.NODE_ENTERED_POINT,
                (origin,),
                True,  # noqa: FBT003 - a CommentMaker
            )
        if origin == TWIML_VALUE:
            return compile_twiml_documents(self.flow)
        if origin:
            return compile_template_documents(self.flow, self.flow.folder)
        return self._compile_nodes() if check_node_names(self.flow.flow_file.nodes, self.flow.report) else {}

    def _compile_nodes(self) -> dict[str, MappingProxyType[NodeEntry, tuple[Fragment, ...]]]:
        entries = [
            (node, NodeEntry(line_answered=answered))
            for node in [START_NODE, *self.flow.flow_file.nodes]
            for answered in (False, True)
        ]
        while entries:
            for node, entry in entries:
                self.compile_node(node, entry)
            entries = [key for key in self.flow.ticket_links.target_documents if key not in self._compiled_nodes]
        documents: dict[str, dict[NodeEntry, tuple[Fragment, ...]]] = {node: {} for node in self.flow.node_sources}
        for (node, entry), document in self._compiled_nodes.items():
            documents[node][entry] = merge_adjacent_texts(document.fragments)
            fixes = ("make its texts shorter, or two nodes of it", "make two nodes of it")
            self._check_document_limits(document, f"the document of {node!r}", ("nodes", node), fixes)
        return {node: MappingProxyType(entries) for node, entries in documents.items()}

    def list_documents(self) -> list[DocumentWriter]:
        """Return every document that was compiled."""
        return [*self._compiled_nodes.values()]

    def compile_node(self, node: str, entry: NodeEntry) -> DocumentWriter:
        """Compile a node from an entry on. The result is cached."""
        document = self._compiled_nodes.get((node, entry))
        if document is None:
            self._nodes_in_progress.append(node)
            document = self._compiled_nodes[node, entry] = self._compile_node_document(node, entry)
            self._nodes_in_progress.pop()
        return document

    def _compile_node_document(self, node: str, entry: NodeEntry) -> DocumentWriter:
        steps, path, continuation = self.flow.node_sources[node]
        was_here = bool(entry.step or entry.attempt)
        silences = frozenset({make_silent_arrival(node, entry)})
        progress = Progress(answered=entry.line_answered, heard=was_here, waited=was_here, silences=silences)
        compiler = self._make_node_compiler(node, progress)
        document = compiler.document
        is_first = path in (("nodes", node), ("template",)) and not (was_here or entry.has_digits)
        document.write_coverage_comment(
            coverage_points.NODE_ENTERED_POINT if is_first else coverage_points.NODE_REENTERED_POINT, path, key=True
        )
        compiler.compile_steps(steps, path, entry)
        if not document.progress.ends and continuation is not None:
            compiler.write_continuation(*continuation)
        elif not document.progress.ends:
            self.flow.record_silent_end(node, document.progress.silences)
            document.write_coverage_comment(coverage_points.NODE_EXIT_POINT, path, key=True)
            document.write_verbs(Hangup())
        return document

    def compile_inline_node(self, node: str, entry: NodeEntry) -> DocumentWriter | None:
        """Compile a node to place inline. Returns None if the node must be fetched: in progress, or too large."""
        if (
            node in self._nodes_in_progress
            or len(self._nodes_in_progress) >= MAX_INLINE_NODE_CHAIN
            or node in self._always_fetched_nodes
            or node in self.flow.graph.other_nodes
        ):
            return None
        document = self.compile_node(node, entry)
        fits = document.size <= MAX_INLINE_NODE_BYTES and document.depth <= MAX_INLINE_NODE_DEPTH
        return document if fits else None

    def add_branch_node(
        self,
        node: str,
        steps: Sequence[Any],
        path: SourcePath,
        continuation: tuple[str, int] | None,
        *,
        always_fetched: bool = False,
    ) -> str:
        """Add a node with the steps of a branch, and return the node's name.

        ``continuation`` is the (node, step) after the branch. A node with ``always_fetched`` is never placed inline.
        """
        sources = self.flow.node_sources
        name = self._branch_nodes.get(path, "")
        if not name:
            root = find_root_node(node)
            self._branch_counts[root] += 1
            name = self._branch_nodes[path] = f"{root}{BRANCH_NAME_SEPARATOR}{self._branch_counts[root]}"
            sources[name] = NodeSource(tuple(steps), path, continuation)
            self._always_fetched_nodes |= {name} if always_fetched else set()
        return name
