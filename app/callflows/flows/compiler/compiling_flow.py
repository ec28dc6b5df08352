"""A flow during its compilation: its file, the meaning of its sections, and everything its compiled steps record."""

from __future__ import annotations

import dataclasses
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from callflows.flows.compiler.coverage_recorder import CoverageRecorder
from callflows.flows.compiler.flow_graph import FlowGraph
from callflows.flows.compiler.flow_sections import FlowSections
from callflows.flows.compiler.fragments import BranchFragment, merge_adjacent_texts
from callflows.flows.compiler.other_flows import split_other_node
from callflows.flows.compiler.ticket_links import TicketLinks
from callflows.flows.entry_points import SilentArrival, SilentWay, find_root_node, hash_flow_version
from callflows.flows.expressions.condition_facts import ConditionFacts
from callflows.flows.expressions.expression_scope import CALL_SCOPE, SCOPE_LEAF
from callflows.flows.expressions.jinja_compiler import ExpressionCompiler
from callflows.flows.flow_needs import FlowNeeds
from callflows.flows.hours.overrides import ActiveOverrides
from callflows.flows.source.flow_file import parse_claimed_number
from callflows.flows.source.prompt_shape import CALL_LANGUAGE
from callflows.flows.source.sound_library import make_sound_path
from callflows.flows.suppositions import NO_SUPPOSITIONS, Suppositions, make_override_lookup
from callflows.flows.twiml.twilio_requests import NO_TWILIO_ACCOUNT, TwilioAccount
from callflows.language import Dialect, Extensions
from callflows.telephony.turn import Variables

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from callflows.flows.compiler.fragments import Fragment, Hole
    from callflows.flows.compiler.other_flows import FolderIndex, OtherFlows
    from callflows.flows.dial_policy.target_policy import DialPolicy
    from callflows.flows.entry_points import NodeEntry, NumberClaim, Silence
    from callflows.flows.expressions.expression_scope import ExpressionScope
    from callflows.flows.expressions.jinja_compiler import CompiledText
    from callflows.flows.source.flow_file import FlowFile
    from callflows.flows.source.positions import ProblemReport, SourcePath
    from callflows.flows.source.stored_values import StoredNames
    from callflows.flows.tickets import TicketSigner
    from callflows.telephony.turn import Turn


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
    drafts: Mapping[Path, bytes] = dataclasses.field(default_factory=dict)
    """Texts that are compiled instead of the content of these files, or as new files."""
    twilio_account: TwilioAccount = NO_TWILIO_ACCOUNT
    """The account that apps under ``twiml`` know."""
    folder_index: FolderIndex | None = None
    """What is read of a folder once for many compilations; without it, each one reads what it needs."""
    may_await_lists: bool = False
    """True if a flow with a big caller list is compiled later, when a thread has read the list."""


class NodeSource(NamedTuple):
    """A node's steps, the path in the file, and the (node, step) at which the call continues after the steps."""

    steps: tuple[Any, ...]
    path: SourcePath
    continuation: tuple[str, int] | None


class PromptRecord(NamedTuple):
    """A text that callers hear, or a sound: the name of a sound of ours, or a URL. ``text`` may have braces."""

    path: SourcePath
    text: str
    lang: str
    sound: str


def _make_language_setter(default_language: str) -> Callable[[Turn], None]:
    """Return an action that sets the language of a call that has none yet, for expressions.

    It holds no more than the name, because documents hold the action.
    """

    def set_default_language(turn: Turn) -> None:
        if CALL_LANGUAGE not in turn.values:
            turn.values = Variables({**turn.values, CALL_LANGUAGE: default_language})

    return set_default_language


class UntranslatedText(NamedTuple):
    """A text without a language, and the step of a node that says it."""

    path: SourcePath
    node: str
    step: int


def make_silent_arrival(node: str, entry: NodeEntry) -> SilentArrival:
    """Return the beginning of a document, whether the line is answered or not."""
    return SilentArrival(node, entry._replace(line_answered=False))


@dataclasses.dataclass
class FlowFindings:
    """Everything about a flow that the compilers of its steps find out."""

    used_groups: set[str] = dataclasses.field(default_factory=set)
    literal_targets: dict[SourcePath, str] = dataclasses.field(default_factory=dict)
    """Numbers that the author wrote out as dial or message targets."""
    template_targets: tuple[NumberClaim, ...] = ()
    """Numbers that the author wrote out as targets in an XML template."""
    silent_transfers: dict[SilentArrival, frozenset[Silence]] = dataclasses.field(default_factory=dict)
    """Points since which the caller may have heard nothing at the beginning of a document."""
    silences_at_ends: dict[str, frozenset[Silence]] = dataclasses.field(default_factory=dict)
    """Points since which the caller may have heard nothing when the call comes to the end of a node."""
    silences_at_questions: dict[SourcePath, frozenset[Silence]] = dataclasses.field(default_factory=dict)
    """Points since which the caller may have heard nothing when a question begins that is nothing but a pause, by path."""
    silences_at_callbacks: dict[str, frozenset[Silence]] = dataclasses.field(default_factory=dict)
    """Points since which the caller may have heard nothing when a URL of the author cannot be fetched, by node."""
    needs: FlowNeeds = dataclasses.field(default_factory=FlowNeeds)
    prompts: dict[SourcePath, PromptRecord] = dataclasses.field(default_factory=dict)
    """Everything that callers may hear from steps, by the path of the step or the text."""
    untranslated_texts: dict[SourcePath, UntranslatedText] = dataclasses.field(default_factory=dict)
    """Texts without a language in a flow with several, by path."""
    language_changes: set[tuple[str, int]] = dataclasses.field(default_factory=set)
    """Steps that set the language of a call: node and index."""
    may_leave_texts_empty: bool = False
    """True if a spoken text may be empty in a call."""
    uses_directory: bool = False
    """True if a step takes an extension of the directory, or rings one."""
    extension_names: set[str] = dataclasses.field(default_factory=set)
    """Names of values that hold an extension of the directory."""
    targets_of_one_name: dict[SourcePath, str] = dataclasses.field(default_factory=dict)
    """Dial targets that are one name in braces, as {{ extension }}: the name by path."""


class CompilingFlow(FlowFindings):
    """One flow during its compilation. Compilers of nodes, texts and rules read it, and record what they find in it."""

    def __init__(
        self,
        name: str,
        version: str,
        flow_file: FlowFile,
        stored: StoredNames,
        report: ProblemReport,
        options: CompilerOptions,
        dependencies: set[Path],
        other_flows: OtherFlows,
        digit_nodes: frozenset[str] = frozenset(),
    ) -> None:
        """``digit_nodes`` are the nodes that need the digits of the step that leads to them.

        Every file read during the compilation is added to ``dependencies``.
        """
        super().__init__()
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
        self._stored = stored
        self._digit_nodes = digit_nodes
        self.other_flows = other_flows
        find_overrides = make_override_lookup(options.suppositions, name, partial(options.overrides.get_overrides, name))
        self.sections = FlowSections(
            flow_file,
            report,
            self.folder,
            dependencies,
            options.dial_regions,
            find_overrides,
            options.suppositions,
            may_await_lists=options.may_await_lists,
        )
        self.languages = self.sections.languages
        """Voices by the names of the flow's languages, the default language first."""
        self.set_default_language = _make_language_setter(next(iter(self.languages), ""))
        self.groups = self.sections.groups
        self.directory = self.sections.directory
        self.voice = self.sections.voice
        scope = {**CALL_SCOPE, **dict.fromkeys(sorted(stored.names)), **self.sections.scope}
        if self.languages:
            scope[CALL_LANGUAGE] = SCOPE_LEAF
        self.expression_compiler = ExpressionCompiler(
            scope,
            self.voice.get("lang", "en-US"),
            dataclasses.replace(
                self.make_condition_facts(scope),
                number_names=stored.list_number_fields(),
                digit_counts=stored.find_digit_counts(),
                languages={name: voice.get("lang", "") for name, voice in self.languages.items()},
            ),
        )
        self._filled_names: dict[str, bool] = {}
        self.fallback_xml = ""
        self.graph = FlowGraph(flow_file.nodes, stored.names | {"digits"})
        self.ticket_links = TicketLinks(name, options.signer, stored.secret_names)
        self.coverage_recorder = CoverageRecorder(report, enabled=options.records_coverage)
        self._language_conditions: dict[str, Callable[[Turn], bool]] = {}
        self._sound_holes: dict[str, Hole] = {}
        self._shared_branches: dict[tuple[Fragment, ...], BranchFragment] = {}
        self._shared_holes: dict[tuple[str, bool, str], Hole] = {}

    @property
    def secret_names(self) -> frozenset[str]:
        return self._stored.secret_names

    @property
    def dial_policy(self) -> DialPolicy:
        return self.sections.dial_policy

    def is_name_filled(self, name: str) -> bool:
        """Return True if a variable of the file, or a value that steps store, is never empty where it is used."""
        root, _, field = name.partition(".")
        if root == "variables":
            return self.sections.is_variable_filled(field.partition(".")[0])
        if name not in self._filled_names:
            self._filled_names[name] = False  # also the answer for a value that is computed from itself
            stored = [value for value in self._stored.values if value.name == name]
            self._filled_names[name] = bool(stored) and all(
                value.is_never_empty
                or (
                    value.expression and self.expression_compiler.is_condition_filled(value.expression, self.is_name_filled)
                )
                for value in stored
            )
        return self._filled_names[name]

    def make_condition_facts(self, scope: ExpressionScope) -> ConditionFacts:
        """Return what the sections of the file say about the names of a scope."""
        return ConditionFacts(
            scope,
            doubtful_variables=self.sections.find_doubtful_variables(),
            variables=self.sections.list_variable_values(),
            calling_code=self.sections.find_calling_code(),
            find_own_numbers=self.find_own_numbers,
        )

    def find_own_numbers(self) -> frozenset[str]:
        """Return every number that a call of the flow can have called; empty if calls of other numbers may come to it.

        Shared files are written for several flows, each with numbers of its own.
        """
        claims = {parse_claimed_number(claim.strip()) for claim in self.flow_file.numbers}
        is_open = not claims or any(not claim.startswith("+") or claim.endswith("*") for claim in claims)
        if is_open or self.flow_file.included_files or self.flow_file.receives or self.find_entered_nodes():
            return frozenset()
        return frozenset(claims)

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

    def share_sound_hole(self, name: str) -> Hole:
        """Return the hole for the URL of a sound, in the form for an element. The hole is shared."""
        path = make_sound_path(name)
        return self._sound_holes.setdefault(name, lambda turn: f"{turn.base_url}{path}")

    def needs_digits(self, node: str) -> bool:
        """Return True if a node, perhaps of another flow, uses the digits of the step that leads to it."""
        other_name, other_node = split_other_node(node)
        other = self.other_flows.find_flow(other_name) if other_name else None
        return node in self._digit_nodes if other is None else other_node in other.digit_nodes

    def is_node(self, name: str) -> bool:
        """Return True if a text is the name of a node of the file, or of a flow beside it with a node."""
        other_name, _ = split_other_node(name)
        return name in self.flow_file.nodes or bool(other_name and self.other_flows.find_flow(other_name))

    def find_entered_nodes(self) -> frozenset[str]:
        """Return the nodes that another flow of the folder names. The files are read: call this only if it matters."""
        return self.other_flows.find_mentioned_nodes(self.flow_file.nodes)

    def list_silent_ways(self) -> tuple[SilentWay, ...]:
        """Return the ways between nodes without a word, if the flow goes on in other flows."""
        if not self.graph.other_nodes:
            return ()
        ways = []
        for node, targets in self.graph.silent_edges.items():
            place = self.report.get_position(("nodes", find_root_node(node)), key=True)
            file = place.file or self.report.file
            ways += [SilentWay(node, target, file, place.line, place.column) for target in sorted(targets)]
        return tuple(ways)

    def record_silent_transfer(self, node: str, entry: NodeEntry, silences: frozenset[Silence]) -> None:
        """Record that a call gets to a document, and the points since which its caller may have heard nothing."""
        arrival = make_silent_arrival(node, entry)
        self.silent_transfers[arrival] = self.silent_transfers.get(arrival, frozenset()) | silences

    def record_silent_end(self, node: str, silences: frozenset[Silence]) -> None:
        """Record that a call comes to the end of a node, and is hung up on."""
        self.silences_at_ends[node] = self.silences_at_ends.get(node, frozenset()) | silences

    def record_silent_question(self, path: SourcePath, silences: frozenset[Silence]) -> None:
        """Record a question of which the caller hears nothing."""
        self.silences_at_questions[path] = self.silences_at_questions.get(path, frozenset()) | silences

    def record_failing_callback(self, node: str, silences: frozenset[Silence]) -> None:
        """Record that the call is over if a URL of the author cannot be fetched."""
        self.silences_at_callbacks[node] = self.silences_at_callbacks.get(node, frozenset()) | silences

    def record_other_node(self, flow_name: str, node: str) -> None:
        """Record that calls go on at a node of another flow, with the values that it receives and that are no secrets."""
        other = self.other_flows.find_flow(flow_name)
        names = other.list_carried_names(node) if other is not None else set()
        self.graph.add_other_node(f"{flow_name}/{node}", names - self.secret_names)

    def has_stored_name(self, name: str) -> bool:
        return name in self._stored.names

    def share_language_condition(self, name: str) -> Callable[[Turn], bool]:
        """Return the condition that holds for calls in a language. The condition is shared."""
        return self._language_conditions.setdefault(name, lambda turn: bool(turn.values[CALL_LANGUAGE] == name))

    def record_untranslated_text(self, path: SourcePath, node: str, step: int) -> None:
        """Record a text that is said in the default language whatever the language of the call is."""
        self.untranslated_texts[path] = UntranslatedText(path, node, step)

    def record_prompt(self, path: SourcePath, text: object, lang: str, sound: str = "") -> None:
        """Record a text that is said, or a sound with its text."""
        self.prompts[path] = PromptRecord(path, text if isinstance(text, str) else "", lang, sound)

    def make_url_hole(self, node: str, entry: NodeEntry) -> Hole:
        """Return a hole for the signed URL of a node, in the form for an attribute."""
        if node in self.graph.other_nodes:
            return self.ticket_links.make_other_url_hole(node, entry)
        return self.ticket_links.make_url_hole(node, entry, self.version)
