"""A flow during its compilation: its file, the meaning of its sections, and everything its compiled steps record."""

from __future__ import annotations

import dataclasses
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from callflows.flows.compiler.coverage_recorder import CoverageRecorder
from callflows.flows.compiler.flow_context import FlowContext
from callflows.flows.compiler.flow_graph import FlowGraph
from callflows.flows.compiler.fragments import BranchFragment, merge_adjacent_texts
from callflows.flows.compiler.ticket_links import TicketLinks
from callflows.flows.entry_points import hash_flow_version
from callflows.flows.expressions.expression_scope import CALL_SCOPE
from callflows.flows.expressions.jinja_compiler import ExpressionCompiler
from callflows.flows.hours.overrides import ActiveOverrides
from callflows.flows.suppositions import NO_SUPPOSITIONS, Suppositions, make_override_lookup
from callflows.language import Dialect, Extensions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from callflows.flows.compiler.fragments import Fragment, Hole
    from callflows.flows.dial_policy.target_policy import DialPolicy
    from callflows.flows.entry_points import NodeEntry, NumberClaim
    from callflows.flows.expressions.jinja_compiler import CompiledText
    from callflows.flows.source.flow_file import FlowFile
    from callflows.flows.source.positions import ProblemReport, SourcePath
    from callflows.flows.tickets import TicketSigner


@dataclasses.dataclass(frozen=True, slots=True)
class CompilerOptions:
    """Compiler options of an installation, such as the dialect, the signer, the apology and declared attributes."""

    signer: TicketSigner
    apology: str
    dialect: Dialect = "reference"
    extensions: Extensions = dataclasses.field(default_factory=Extensions)
    dial_regions: frozenset[str] | None = None
    overrides: ActiveOverrides = dataclasses.field(default_factory=ActiveOverrides)
    data_folder: Path | None = None
    """A second folder with overrides: ``callflows override`` writes there if the folder of the flows is read-only."""
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


class CompilingFlow:
    """One flow during its compilation. Compilers of nodes, texts and rules read it, and record what they find in it."""

    def __init__(
        self,
        name: str,
        version: str,
        flow_file: FlowFile,
        stored_names: frozenset[str],
        secret_names: frozenset[str],
        report: ProblemReport,
        options: CompilerOptions,
        dependencies: set[Path],
        digit_nodes: frozenset[str] = frozenset(),
    ) -> None:
        """``stored_names`` are the names of values that steps store, ``secret_names`` the secret names among these.

        ``digit_nodes`` are the nodes that need the digits of the step that leads to them.

        Every file read during the compilation is added to ``dependencies``.
        """
        self.name = name
        self.version = version
        self.flow_file = flow_file
        self.report = report
        self.options = options
        self.dependencies = dependencies
        self.folder = Path(report.file).parent
        self.dialect: Dialect = options.suppositions.dialect or flow_file.dialect or options.dialect
        self.node_sources: dict[str, NodeSource] = {
            node: NodeSource(tuple(steps), ("nodes", node), None) for node, steps in flow_file.nodes.items()
        }
        self.secret_names = secret_names
        self.digit_nodes = digit_nodes
        find_overrides = make_override_lookup(options.suppositions, name, partial(options.overrides.get_overrides, name))
        self.context = FlowContext(
            flow_file, report, self.folder, dependencies, options.dial_regions, find_overrides, options.suppositions
        )
        self.groups = self.context.groups
        self.directory = self.context.directory
        self.uses_directory = False
        """True if a step takes an extension of the directory, or rings one."""
        self.voice = self.context.voice
        scope = {**CALL_SCOPE, **dict.fromkeys(sorted(stored_names)), **self.context.scope}
        self.expression_compiler = ExpressionCompiler(scope, self.voice.get("lang", "en-US"))
        self.fallback_xml = ""
        self.graph = FlowGraph(flow_file.nodes, stored_names | {"digits"})
        self.ticket_links = TicketLinks(name, options.signer, secret_names)
        self.coverage_recorder = CoverageRecorder(report, enabled=options.records_coverage)
        self.used_groups: set[str] = set()
        self.literal_targets: dict[SourcePath, str] = {}
        """Numbers that the author wrote out as dial or message targets."""
        self.template_targets: tuple[NumberClaim, ...] = ()
        """Numbers that the author wrote out as targets in an XML template."""
        self.nodes_ending_unheard: set[str] = set()
        """Nodes at whose end a caller may have heard nothing."""
        self.uses_network = False
        """True if the flow sends requests to other servers."""
        self._shared_branches: dict[tuple[Fragment, ...], BranchFragment] = {}
        self._shared_holes: dict[tuple[str, bool, str], Hole] = {}

    @property
    def dial_policy(self) -> DialPolicy:
        return self.context.dial_policy

    def extend_version(self, content: str) -> None:
        """Change the version with the content of another file that the flow is made of."""
        self.version = hash_flow_version(self.version, content)

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
