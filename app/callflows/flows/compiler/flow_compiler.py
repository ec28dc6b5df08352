"""The flow compiler: turns a FlowFile into a Flow. Each node is compiled and checked once, when the file is loaded.

A flow becomes one document if possible: ``goto`` places the other node inline. A node that would repeat itself or grow too
large is fetched by a signed URL instead.
"""

from __future__ import annotations

import dataclasses
import hashlib
from functools import partial
from pathlib import Path as FilePath
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from callflows.flows import coverage_points
from callflows.flows.checks.flow_checks import check_flow, check_flow_graph, check_node_names
from callflows.flows.compiler.coverage_recorder import CoverageRecorder
from callflows.flows.compiler.fallback_document import compile_fallback
from callflows.flows.compiler.flow_context import FlowContext, StoredNames
from callflows.flows.compiler.flow_graph import FlowGraph
from callflows.flows.compiler.fragments import DOCUMENT_EPILOGUE, DOCUMENT_PROLOGUE, BranchFragment, merge_adjacent_texts
from callflows.flows.compiler.node_compiler import NodeCompiler
from callflows.flows.compiler.python_flow_compiler import compile_python_flow
from callflows.flows.compiler.ticket_links import TicketLinks
from callflows.flows.compiler.xml_templates import compile_template_documents
from callflows.flows.entry_points import START_NODE, NodeEntry
from callflows.flows.expressions.expression_scope import CALL_SCOPE
from callflows.flows.expressions.jinja_compiler import ExpressionCompiler
from callflows.flows.flow import Flow
from callflows.flows.hours.overrides import ActiveOverrides
from callflows.flows.messages.message_rules_reader import compile_message_rules
from callflows.flows.messages.missed_calls import compile_missed_steps
from callflows.flows.source.flow_file import (
    FLOW_AND_NODE_NAME_PATTERN,
    FlowFile,
    build_number_claims,
    find_timezone,
    read_flow_file,
    read_number_claims,
)
from callflows.flows.source.positions import ProblemReport, SourcePath
from callflows.flows.steps.dial_step import check_hunt_group
from callflows.flows.suppositions import NO_SUPPOSITIONS, Suppositions, make_override_lookup
from callflows.language import Dialect, Extensions, Hangup

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from callflows.errors import Problem
    from callflows.flows.compiler.fragments import Fragment, Hole
    from callflows.flows.dial_policy.target_policy import DialPolicy
    from callflows.flows.expressions.jinja_compiler import CompiledText
    from callflows.flows.tickets import TicketSigner


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


@dataclasses.dataclass(frozen=True, slots=True)
class CompilerOptions:
    """Compiler options of an installation, such as the dialect, the signer, the apology and declared attributes."""

    signer: TicketSigner
    apology: str
    dialect: Dialect = "reference"
    extensions: Extensions = dataclasses.field(default_factory=Extensions)
    dial_regions: frozenset[str] | None = None
    overrides: ActiveOverrides = dataclasses.field(default_factory=ActiveOverrides)
    standalone: bool = False
    """True if documents must work without a server, so that no part depends on the app's settings."""
    records_coverage: bool = False
    """Write coverage comments into documents: for rehearsals, never for calls."""
    suppositions: Suppositions = NO_SUPPOSITIONS
    """Assumptions of a rehearsal."""


class NodeSource(NamedTuple):
    """A node's steps, the path in the file, and the (node, step) at which the call continues after the steps."""

    steps: tuple[Any, ...]
    path: SourcePath
    continuation: tuple[str, int] | None


class FlowCompilation(NamedTuple):
    """Result of compiling a flow file: a flow, or a broken flow with only the numbers and the fallback."""

    flow: Flow | None
    broken_flow: Flow | None
    problems: tuple[Problem, ...]
    dependencies: tuple[FilePath, ...] = ()
    """Other files that the flow was made of."""


def compile_flow(name: str, text: bytes, file: str, options: CompilerOptions) -> FlowCompilation:
    """Compile a flow file. Never raises: an internal defect becomes a problem of this file and of no other."""
    report = ProblemReport(file)
    reads: set[FilePath] = set()
    try:
        flow = _compile_file(name, text, report, options, reads)
    except Exception as error:  # noqa: BLE001 - other flows must not fall with this one
        flow = None
        report.error((), "defect", f"the file could not be compiled: {type(error).__name__}: {error}", "please report it")
    problems = tuple(report.problems)
    if flow is None or not report.has_errors:
        return FlowCompilation(flow, None, problems, (*sorted(reads),))
    errors = tuple(problem for problem in problems if problem.severity == "error")
    return FlowCompilation(
        None,
        dataclasses.replace(flow, documents={}, problems=errors, message_rules=None, missed_calls=None),
        problems,
        (*sorted(reads),),
    )


def _compile_file(
    name: str, text: bytes, report: ProblemReport, options: CompilerOptions, dependencies: set[FilePath]
) -> Flow | None:
    file = FilePath(report.file)
    if file.suffix == ".py":
        return compile_python_flow(name, text, file, report, options)
    compiler = make_flow_compiler(name, text, report, options, dependencies)
    return compiler.build_flow() if compiler is not None else None


def make_flow_compiler(
    name: str, text: bytes, report: ProblemReport, options: CompilerOptions, dependencies: set[FilePath] | None = None
) -> FlowCompiler | None:
    """Return a compiler for a YAML flow file; None, with errors in ``report``, if the file cannot be read."""
    if not FLOW_AND_NODE_NAME_PATTERN.fullmatch(name):
        report.error((), "file-name", f"{name!r} cannot be a flow's name", "use letters, digits, - and _")
    parsed = read_flow_file(text, report)
    if parsed is None:
        return None
    made_for = (options.dialect, options.apology, options.extensions.kinds, options.standalone)
    version = hashlib.sha256(text + repr(made_for).encode()).hexdigest()[:12]
    return FlowCompiler(name, version, parsed, report, options, set() if dependencies is None else dependencies)


class FlowCompiler:
    """Compiles one file."""

    def __init__(
        self,
        name: str,
        version: str,
        flow_file: FlowFile,
        report: ProblemReport,
        options: CompilerOptions,
        dependencies: set[FilePath],
    ) -> None:
        self.name = name
        self.version = version
        self.flow_file = flow_file
        self.report = report
        self.options = options
        self.dependencies = dependencies
        self.folder = FilePath(report.file).parent
        self.dialect: Dialect = options.suppositions.dialect or flow_file.dialect or options.dialect
        self.nodes: dict[str, NodeSource] = {
            name: NodeSource(tuple(steps), ("nodes", name), None) for name, steps in flow_file.nodes.items()
        }
        found = StoredNames(flow_file.nodes)
        self.secret_names = found.secret_names
        supposed = options.suppositions
        overrides = make_override_lookup(supposed, name, partial(options.overrides.get_overrides, name))
        self.flow_context = FlowContext(
            flow_file, report, self.folder, dependencies, options.dial_regions, overrides, supposed
        )
        self.groups = self.flow_context.groups
        self.used_groups: set[str] = set()
        self.voice = self.flow_context.voice
        scope = {**CALL_SCOPE, **dict.fromkeys(sorted(found.names)), **self.flow_context.scope}
        self.expression_compiler = ExpressionCompiler(scope, self.voice.get("lang", "en-US"))
        self.fallback_xml = ""
        self.flow_graph = FlowGraph(flow_file.nodes, found.names | {"digits"})
        self.ticket_links = TicketLinks(name, options.signer, found.secret_names)
        self.literal_targets: dict[SourcePath, str] = {}
        self.nodes_ending_unheard: set[str] = set()
        self._compiled_nodes: dict[tuple[str, NodeEntry], NodeCompiler] = {}
        self._shared_branches: dict[tuple[Fragment, ...], BranchFragment] = {}
        self._shared_holes: dict[tuple[str, bool, str], Hole] = {}
        self._nodes_in_progress: list[str] = []
        self._always_fetched_nodes: set[str] = set()
        self.coverage_recorder = CoverageRecorder(report, enabled=options.records_coverage)
        self.uses_network = False
        """True if the flow sends requests to other servers."""

    def build_flow(self) -> Flow:
        """Compile the flow. Problems are in the report."""
        claims = tuple(read_number_claims(self.flow_file.numbers, self.report))
        zone = find_timezone(self.flow_file.timezone, ("timezone",), self.report)
        fallback = self._compile_fallback()
        documents = self._compile_documents()
        self._check_unused_groups()
        if self.flow_file.dial_policy:
            _ = self.dial_policy  # reading the policy reports its problems
        self.ticket_links.prepare_tickets(self.nodes, self.flow_graph, self.dialect)
        messages, missed = compile_message_rules(self), compile_missed_steps(self)
        check_flow_graph(self)
        check_flow(self)
        return Flow(
            name=self.name,
            file=self.report.file,
            version=self.version,
            dialect=self.dialect,
            zone=zone,
            claims=claims,
            documents=documents,
            fallback=fallback,
            resolve=self.flow_context.resolve,
            hours_names=tuple(self.flow_context.hours),
            uses_network=self.uses_network,
            needs_worker=self.expression_compiler.needs_worker
            or messages.needs_worker
            or bool(self.flow_file.template or (missed and missed.needs_worker)),
            literal_targets=build_number_claims(self.literal_targets, self.report),
            uses_calls_today=any("calls" in carried for carried in self.ticket_links.carried_fields.values())
            or bool(missed and missed.uses_call_count),
            message_rules=messages,
            missed_calls=missed,
            coverage_points=self.coverage_recorder.coverage_points,
            decision_points=self.coverage_recorder.decision_points,
            uses_current_time=self.flow_graph.first_time_use is not None,
        )

    def _check_unused_groups(self) -> None:
        """Report problems in hunt groups that no step rings."""
        for name in self.groups.keys() - self.used_groups:
            check_hunt_group(name, NodeCompiler(self, START_NODE))

    def _compile_fallback(self) -> bytes:
        """Compile the document for failures, which is also the content of a Callback's Error."""
        run = compile_fallback(self)
        self.fallback_xml = "".join(piece for piece in run.fragments if isinstance(piece, str))
        self._check_document_limits(run, "the fallback", ("fallback",), ("make it shorter", "ring fewer in turn"))
        return f"{DOCUMENT_PROLOGUE}{self.fallback_xml}{DOCUMENT_EPILOGUE}".encode()

    def _check_document_limits(
        self, compiled: NodeCompiler, subject: str, path: SourcePath, fixes: tuple[str, str]
    ) -> None:
        """Report a document that is too long or too deep to answer a call."""
        if compiled.size > MAX_COMPILED_DOCUMENT_BYTES:
            self.report.error(
                path, "too-long", f"{subject} has over {MAX_COMPILED_DOCUMENT_BYTES} bytes", fixes[0], key=True
            )
        if compiled.depth > MAX_COMPILED_DOCUMENT_DEPTH:
            message = f"{subject} has elements more than {MAX_COMPILED_DOCUMENT_DEPTH} deep inside each other"
            self.report.error(path, "too-deep", message, fixes[1], key=True)

    # Nodes

    def _compile_documents(self) -> Mapping[str, Mapping[NodeEntry, tuple[Fragment, ...]]]:
        if self.flow_file.template:
            self.nodes[START_NODE] = NodeSource((), ("template",), None)
            self.coverage_recorder.make_comment(START_NODE, coverage_points.NODE_ENTERED_POINT, ("template",), key=True)
            return compile_template_documents(self, self.folder)
        return self._compile_nodes() if check_node_names(self.flow_file.nodes, self.report) else {}

    def extend_version(self, content: str) -> None:
        """Change the version with the content of another file that the flow is made of."""
        self.version = hashlib.sha256(f"{self.version}{content}".encode()).hexdigest()[:12]

    def _compile_nodes(self) -> dict[str, MappingProxyType[NodeEntry, tuple[Fragment, ...]]]:
        wanted = [
            (node, NodeEntry(line_answered=answered))
            for node in [START_NODE, *self.flow_file.nodes]
            for answered in (False, True)
        ]
        while wanted:
            for node, entry in wanted:
                self.compile_node(node, entry)
            wanted = [key for key in self.ticket_links.target_documents if key not in self._compiled_nodes]
        documents: dict[str, dict[NodeEntry, tuple[Fragment, ...]]] = {node: {} for node in self.nodes}
        for (node, entry), run in self._compiled_nodes.items():
            documents[node][entry] = merge_adjacent_texts(run.fragments)
            fixes = ("make its texts shorter, or two nodes of it", "make two nodes of it")
            self._check_document_limits(run, f"the document of {node!r}", ("nodes", node), fixes)
        return {node: MappingProxyType(entries) for node, entries in documents.items()}

    @property
    def dial_policy(self) -> DialPolicy:
        return self.flow_context.dial_policy

    def compile_node(self, node: str, entry: NodeEntry) -> NodeCompiler:
        """Compile a node from an entry on. The result is cached."""
        done = self._compiled_nodes.get((node, entry))
        if done is None:
            self._nodes_in_progress.append(node)
            steps, path, after = self.nodes[node]
            done = NodeCompiler(self, node, line_answered=entry.line_answered)
            first = path in (("nodes", node), ("template",)) and not (entry.step or entry.attempt or entry.has_digits)
            done.write_coverage_comment(
                coverage_points.NODE_ENTERED_POINT if first else coverage_points.NODE_REENTERED_POINT, path, key=True
            )
            done.is_silent = not entry.step and not entry.attempt
            done.has_waited = not done.is_silent
            done.compile_steps(steps, path, entry)
            if not done.terminates and after is not None:
                done.write_continuation(*after)
            elif not done.terminates:
                if done.only_answers_or_ends and not done.has_waited:
                    self.nodes_ending_unheard.add(node)
                done.write_coverage_comment(coverage_points.NODE_EXIT_POINT, path, key=True)
                done.write_verbs(Hangup())
            self._compiled_nodes[node, entry] = done
            self._nodes_in_progress.pop()
        return done

    def compile_inline_node(self, node: str, entry: NodeEntry) -> NodeCompiler | None:
        """Compile a node to place inline. Returns None if the node must be fetched: in progress, or too large."""
        if (
            node in self._nodes_in_progress
            or len(self._nodes_in_progress) >= MAX_INLINE_NODE_CHAIN
            or node in self._always_fetched_nodes
        ):
            return None
        run = self.compile_node(node, entry)
        return run if run.size <= MAX_INLINE_NODE_BYTES and run.depth <= MAX_INLINE_NODE_DEPTH else None

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
        made = NodeSource(tuple(steps), path, continuation)
        name = next((name for name, other in self.nodes.items() if other.path == path), "")
        if not name:
            root = node.partition(".")[0]
            name = f"{root}.{sum(other.startswith(f'{root}.') for other in self.nodes) + 1}"
            self.nodes[name] = made
            self._always_fetched_nodes |= {name} if always_fetched else set()
        return name

    def record_literal_target(self, number: str, path: SourcePath) -> None:
        """Record a number that the author wrote out as a dial or message target."""
        self.literal_targets[path] = number

    def record_computed_target(self, path: SourcePath) -> None:
        """Warn about a computed target if the dial policy allows no computed targets."""
        from callflows.flows.dial_policy.target_policy import warn_about_closed_policy  # noqa: PLC0415 - heavy

        warn_about_closed_policy(self.dial_policy, path, self.report)

    def share_branch(self, fragments: Sequence[Fragment]) -> BranchFragment:
        """Return a branch of these fragments. Equal fragments share one branch, to save memory."""
        whole = merge_adjacent_texts(fragments)
        if len(whole) == 1 and isinstance(whole[0], BranchFragment):
            return whole[0]
        return self._shared_branches.setdefault(whole, BranchFragment(whole))

    def share_hole(self, text: CompiledText, *, url: bool, lang: str) -> Hole:
        """Return the hole for a text. Equal texts in one language share one hole."""
        return self._shared_holes.setdefault((text.source, url, lang), text.render)

    def make_url_hole(self, node: str, entry: NodeEntry) -> Hole:
        """Return a hole for the signed URL of a node, in the form for an attribute."""
        return self.ticket_links.make_url_hole(node, entry, self.version)
