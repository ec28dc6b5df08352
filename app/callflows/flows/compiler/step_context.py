"""The ports of the compiler: the node compiler as a step sees it, and the other nodes as a node compiler sees them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from callflows.flows.compiler.compiling_flow import CompilingFlow
    from callflows.flows.compiler.document_writer import DocumentWriter
    from callflows.flows.compiler.text_compiler import TextCompiler
    from callflows.flows.decisions import DecisionOrigin
    from callflows.flows.entry_points import NodeEntry, Silence
    from callflows.flows.source.positions import ProblemReport, SourcePath
    from callflows.telephony.turn import Turn


class StepContext(Protocol):
    """The surroundings of a step during compilation: the flow, the document, texts, branches, transfers to other nodes."""

    flow: CompilingFlow
    document: DocumentWriter
    texts: TextCompiler
    inside_branch: bool
    """True inside a verb's branch, to which no request can return."""
    attempt: int
    """Number of times the caller was asked before; 0 unless a request returns to the step."""
    has_digits: bool
    """True if a request brings the caller's digits to the step."""
    continues_elsewhere: bool
    """Set to True by a step if another entry contains the following steps."""
    voice: Mapping[str, str]
    """Voice of texts that name none."""
    language: str
    """Name of the language whose texts are compiled; empty if the language of the call decides."""
    skips_missing_sounds: bool
    """True within a prompt of which callers hear something else, if a sound of it is missing."""
    next_step_key: str
    """Key of the following step; empty after the last step."""

    @property
    def node(self) -> str: ...

    @property
    def step_index(self) -> int: ...

    @property
    def is_static(self) -> bool:
        """True in the fallback, which may depend on no call."""

    @property
    def report(self) -> ProblemReport: ...

    def make_empty_branch(self, *, line_answered: bool | None = None, inside_branch: bool = True) -> Self:
        """Return an empty context for a verb's branch, or with ``inside_branch=False`` for a step with a condition."""

    def compile_steps(self, steps: Sequence[Any], path: SourcePath) -> None:
        """Compile steps in order."""

    def compile_branch(
        self,
        steps: Sequence[Any],
        path: SourcePath,
        *,
        line_answered: bool | None = None,
        silences: AbstractSet[Silence] = frozenset(),
    ) -> Self:
        """Compile the steps of a verb's branch. ``silences`` are the points since which the caller has heard nothing."""

    def write_conditional(
        self, condition: Callable[[Turn], object], branch: StepContext, origin: DecisionOrigin, else_text: str = ""
    ) -> None:
        """Write a branch that runs if a condition holds."""

    def record_stored_value(self, name: str, sample: object, path: SourcePath, first_carrying_step: int) -> None:
        """Record an estimate of a stored value, for the size of tickets."""

    def check_target_node(self, node: str, path: SourcePath) -> bool:
        """Return True if the node exists. Reports an unknown node."""

    def write_goto(self, node: str, path: SourcePath) -> None:
        """End here and continue at a node."""

    def write_resume(self, step_index: int) -> None:
        """End here and continue at a later step of this node."""

    def write_fetch(self, node: str, entry: NodeEntry) -> None:
        """End here and continue in a separate document."""

    def render_fallback(self) -> str:
        """Return the fallback as part of a document."""

    def add_document_url_placeholder(self, node: str, entry: NodeEntry) -> str:
        """Return a placeholder for the signed URL of a document."""

    def add_branch_node(
        self, steps: Sequence[Any], path: SourcePath, continuation: tuple[str, int] | None, *, always_fetched: bool = False
    ) -> str:
        """Add a node with the steps of a branch, and return the node's name."""


class FlowNodes(Protocol):
    """The other nodes of a flow, as a node compiler needs them."""

    @property
    def flow(self) -> CompilingFlow: ...

    def compile_inline_node(self, node: str, entry: NodeEntry) -> DocumentWriter | None:
        """Return a compiled node to place inline. None if the node must be fetched."""

    def add_branch_node(
        self,
        node: str,
        steps: Sequence[Any],
        path: SourcePath,
        continuation: tuple[str, int] | None,
        *,
        always_fetched: bool = False,
    ) -> str:
        """Add a node with the steps of a branch of ``node``, and return the new node's name."""
