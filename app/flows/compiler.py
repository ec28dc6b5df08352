"""FlowFile to Flow: each node becomes a document of pieces, made and checked here, once.

A flow is written into one document where it can be: ``goto`` writes the other node in place. What would repeat
itself, or grow too big, comes back to us by a signed URL instead.
"""

from __future__ import annotations

import dataclasses
import hashlib
from functools import partial
from pathlib import Path as FilePath
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from app import spots
from app.flows.book import START, Entry, Flow
from app.flows.checks.flow import look, look_round, named_well
from app.flows.expressions.scope import SCOPE
from app.flows.fallback import fallback_of
from app.flows.files import NAME, FlowFile, claims_at, zone_of
from app.flows.files import claims as claimed
from app.flows.files import read as read_file
from app.flows.hours.overrides import Overrides
from app.flows.links import Links
from app.flows.messages.reading import messages_of
from app.flows.missed import missed_of
from app.flows.noted import Noted
from app.flows.pieces import EPILOGUE, PROLOGUE, Branch, merged
from app.flows.places import Path, Report
from app.flows.programmed import program_flow
from app.flows.prompts import Prompts
from app.flows.reach import Reach
from app.flows.supposed import NOTHING, Supposed, overriding
from app.flows.surroundings import Kept, Surroundings
from app.flows.templates import documents as documents_of_template
from app.flows.words.dialling import look_at_group
from app.flows.writing import Run
from app.language import Dialect, Extensions, Hangup

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from app.errors import Problem
    from app.flows.dialing.policy import Policy
    from app.flows.pieces import Hole, Piece
    from app.flows.prompts import Text
    from app.flows.tickets import Signer

DOCUMENT_BYTES: Final = 500_000
"""A document longer than this is refused when it is loaded."""
DOCUMENT_DEPTH: Final = 90
"""A document with more elements inside each other is refused when it is loaded."""
INLINE_BYTES: Final = 12_000
"""A node longer than this is fetched, not written in place."""
INLINE_CHAIN: Final = 20
"""Nodes written inside each other; the next is fetched."""
INLINE_DEPTH: Final = 40
"""Elements inside each other in a node that is written in place."""


@dataclasses.dataclass(frozen=True, slots=True)
class Options:
    """What flows are compiled for: an installation's dialect, signer, apology and declared attributes."""

    signer: Signer
    apology: str
    dialect: Dialect = "reference"
    extensions: Extensions = dataclasses.field(default_factory=Extensions)
    dial_regions: frozenset[str] | None = None
    overrides: Overrides = dataclasses.field(default_factory=Overrides)
    alone: bool = False
    """Whether documents must stand without a server: nothing in them may depend on how the app is set."""
    annotated: bool = False
    """Whether documents say in comments where in the flow they come by: for rehearsals, never for calls."""
    supposed: Supposed = NOTHING
    """What a rehearsal supposes."""


class Node(NamedTuple):
    """A node's steps, where they stand, and where the call goes on after them: nowhere, or at a node's step."""

    steps: tuple[Any, ...]
    path: Path
    after: tuple[str, int] | None


class Compiled(NamedTuple):
    """What a flow file gave: a flow, or a broken one, which only has its numbers and its fallback."""

    flow: Flow | None
    broken: Flow | None
    problems: tuple[Problem, ...]
    reads: tuple[FilePath, ...] = ()
    """Other files of which the flow was made."""


def compile_flow(name: str, text: bytes, file: str, options: Options) -> Compiled:
    """A flow file's content as a Flow. Never raises: a defect of ours is a problem of that file, and of no other."""
    report = Report(file)
    reads: set[FilePath] = set()
    try:
        flow = _compiled(name, text, report, options, reads)
    except Exception as error:  # noqa: BLE001 - other flows must not fall with this one
        flow = None
        report.error((), "defect", f"the file could not be compiled: {type(error).__name__}: {error}", "please report it")
    problems = tuple(report.problems)
    if flow is None or not report.broken:
        return Compiled(flow, None, problems, (*sorted(reads),))
    errors = tuple(problem for problem in problems if problem.severity == "error")
    return Compiled(
        None,
        dataclasses.replace(flow, documents={}, problems=errors, messages=None, missed=None),
        problems,
        (*sorted(reads),),
    )


def _compiled(name: str, text: bytes, report: Report, options: Options, reads: set[FilePath]) -> Flow | None:
    file = FilePath(report.file)
    if file.suffix == ".py":
        return program_flow(name, text, file, report, options)
    compiler = opened(name, text, report, options, reads)
    return compiler.flow() if compiler is not None else None


def opened(name: str, text: bytes, report: Report, options: Options, reads: set[FilePath] | None = None) -> Compiler | None:
    """A YAML flow file, ready to be compiled; None, with the errors in ``report``, where it cannot be read."""
    if not NAME.fullmatch(name):
        report.error((), "file-name", f"{name!r} cannot be a flow's name", "use letters, digits, - and _")
    parsed = read_file(text, report)
    if parsed is None:
        return None
    made_for = (options.dialect, options.apology, options.extensions.kinds, options.alone)
    version = hashlib.sha256(text + repr(made_for).encode()).hexdigest()[:12]
    return Compiler(name, version, parsed, report, options, set() if reads is None else reads)


class Compiler:
    """Compiles one file."""

    def __init__(
        self, name: str, version: str, file: FlowFile, report: Report, options: Options, reads: set[FilePath]
    ) -> None:
        self.name = name
        self.version = version
        self.file = file
        self.report = report
        self.options = options
        self.reads = reads
        self.folder = FilePath(report.file).parent
        self.dialect: Dialect = options.supposed.dialect or file.dialect or options.dialect
        self.nodes: dict[str, Node] = {
            name: Node(tuple(steps), ("nodes", name), None) for name, steps in file.nodes.items()
        }
        found = Kept(file.nodes)
        self.secrets = found.secrets
        supposed = options.supposed
        overrides = overriding(supposed, name, partial(options.overrides.of, name))
        self.around = Surroundings(file, report, self.folder, reads, options.dial_regions, overrides, supposed)
        self.groups = self.around.groups
        self.groups_used: set[str] = set()
        self.voice = self.around.voice
        scope = {**SCOPE, **dict.fromkeys(sorted(found.names)), **self.around.scope}
        self.prompts = Prompts(scope, self.voice.get("lang", "en-US"))
        self.fallback = ""
        self.reach = Reach(file.nodes, found.names | {"digits"})
        self.links = Links(name, options.signer, found.secrets)
        self.dials: dict[Path, str] = {}
        self.mute: set[str] = set()
        self._runs: dict[tuple[str, Entry], Run] = {}
        self._branches: dict[tuple[Piece, ...], Branch] = {}
        self._texts: dict[tuple[str, bool, str], Hole] = {}
        self._stack: list[str] = []
        self._fetched: set[str] = set()
        self.noted = Noted(report, wanted=options.annotated)
        self.outside = False
        """Whether something outside is asked or told."""

    def flow(self) -> Flow:
        """The flow; what is wrong with it is in the report."""
        claims = tuple(claimed(self.file.numbers, self.report))
        zone = zone_of(self.file.timezone, ("timezone",), self.report)
        fallback = self._fallback()
        documents = self._made()
        self._look_at_groups()
        if self.file.dial_policy:
            _ = self.policy  # which is read, and what is wrong with it said
        self.links.load(self.nodes, self.reach, self.dialect)
        messages, missed = messages_of(self), missed_of(self)
        look_round(self)
        look(self)
        return Flow(
            name=self.name,
            file=self.report.file,
            version=self.version,
            dialect=self.dialect,
            zone=zone,
            claims=claims,
            documents=documents,
            fallback=fallback,
            sight=self.around.sight,
            hours=tuple(self.around.hours),
            outside=self.outside,
            apart=self.prompts.apart or messages.apart or bool(self.file.template or (missed and missed.apart)),
            dials=claims_at(self.dials, self.report),
            counts=any("calls" in carried for carried in self.links.carries.values()) or bool(missed and missed.counts),
            messages=messages,
            missed=missed,
            spots=self.noted.spots,
            beside=self.noted.beside,
            timed=self.reach.time_asked is not None,
        )

    def _look_at_groups(self) -> None:
        """Say what is wrong with groups that nobody rings."""
        for name in self.groups.keys() - self.groups_used:
            look_at_group(name, Run(self, START))

    def _fallback(self) -> bytes:
        """The document served when anything goes wrong; and what a Callback's Error says."""
        run = fallback_of(self)
        self.fallback = "".join(piece for piece in run.pieces if isinstance(piece, str))
        self._bounded(run, "the fallback", ("fallback",), ("make it shorter", "ring fewer in turn"))
        return f"{PROLOGUE}{self.fallback}{EPILOGUE}".encode()

    def _bounded(self, run: Run, what: str, path: Path, mends: tuple[str, str]) -> None:
        """Refuse what no call could be answered with: a document that is too long, or too deep."""
        if run.size > DOCUMENT_BYTES:
            self.report.error(path, "too-long", f"{what} has over {DOCUMENT_BYTES} bytes", mends[0], key=True)
        if run.depth > DOCUMENT_DEPTH:
            message = f"{what} has elements more than {DOCUMENT_DEPTH} deep inside each other"
            self.report.error(path, "too-deep", message, mends[1], key=True)

    # Nodes

    def _made(self) -> Mapping[str, Mapping[Entry, tuple[Piece, ...]]]:
        if self.file.template:
            self.nodes[START] = Node((), ("template",), None)
            self.noted.comment(START, spots.NODE, ("template",), key=True)
            return documents_of_template(self, self.folder)
        return self._documents() if named_well(self.file.nodes, self.report) else {}

    def version_of(self, more: str) -> None:
        """Note something else of which the flow is made: its version changes with it."""
        self.version = hashlib.sha256(f"{self.version}{more}".encode()).hexdigest()[:12]

    def _documents(self) -> dict[str, MappingProxyType[Entry, tuple[Piece, ...]]]:
        wanted = [(node, Entry(answered=answered)) for node in [START, *self.file.nodes] for answered in (False, True)]
        while wanted:
            for node, entry in wanted:
                self.run(node, entry)
            wanted = [key for key in self.links.wanted if key not in self._runs]
        documents: dict[str, dict[Entry, tuple[Piece, ...]]] = {node: {} for node in self.nodes}
        for (node, entry), run in self._runs.items():
            documents[node][entry] = merged(run.pieces)
            mends = ("make its texts shorter, or two nodes of it", "make two nodes of it")
            self._bounded(run, f"the document of {node!r}", ("nodes", node), mends)
        return {node: MappingProxyType(entries) for node, entries in documents.items()}

    @property
    def policy(self) -> Policy:
        """Which computed targets may be rung."""
        return self.around.policy

    def run(self, node: str, entry: Entry) -> Run:
        """A node's pieces from an entry on, made once."""
        done = self._runs.get((node, entry))
        if done is None:
            self._stack.append(node)
            steps, path, after = self.nodes[node]
            done = Run(self, node, answered=entry.answered)
            first = path in (("nodes", node), ("template",)) and not (entry.step or entry.attempt or entry.given)
            done.note(spots.NODE if first else spots.ON, path, key=True)
            done.silent = not entry.step and not entry.attempt
            done.asked = not done.silent
            done.steps(steps, path, entry)
            if not done.ends and after is not None:
                done.go_on(*after)
            elif not done.ends:
                if done.mute and not done.asked:
                    self.mute.add(node)
                done.note(spots.OUT, path, key=True)
                done.write(Hangup())
            self._runs[node, entry] = done
            self._stack.pop()
        return done

    def inlined(self, node: str, entry: Entry) -> Run | None:
        """A node to be written in place; None where it must be fetched: it is being written, or it is too big."""
        if node in self._stack or len(self._stack) >= INLINE_CHAIN or node in self._fetched:
            return None
        run = self.run(node, entry)
        return run if run.size <= INLINE_BYTES and run.depth <= INLINE_DEPTH else None

    def apart(
        self, node: str, steps: Sequence[Any], path: Path, after: tuple[str, int] | None, *, fetched: bool = False
    ) -> str:
        """A node of a branch's steps, which goes on ``after`` it; gives its name. ``fetched``: it never stands in place."""
        made = Node(tuple(steps), path, after)
        name = next((name for name, other in self.nodes.items() if other.path == path), "")
        if not name:
            root = node.partition(".")[0]
            name = f"{root}.{sum(other.startswith(f'{root}.') for other in self.nodes) + 1}"
            self.nodes[name] = made
            self._fetched |= {name} if fetched else set()
        return name

    def dialled(self, number: str, path: Path) -> None:
        """Note a number that the author wrote out to be rung or written to."""
        self.dials[path] = number

    def computed(self, path: Path) -> None:
        """Note where a number is worked out; say where none may be rung at all."""
        from app.flows.dialing.policy import warn_of_closed  # noqa: PLC0415 - heavy, and few flows dial what is computed

        warn_of_closed(self.policy, path, self.report)

    def branch(self, pieces: Sequence[Piece]) -> Branch:
        """A branch of these pieces; the same one wherever they stand, so that it is kept once."""
        whole = merged(pieces)
        if len(whole) == 1 and isinstance(whole[0], Branch):
            return whole[0]
        return self._branches.setdefault(whole, Branch(whole))

    def hole(self, text: Text, *, url: bool, lang: str) -> Hole:
        """The hole that a text fills; the same one wherever the text stands in that language."""
        return self._texts.setdefault((text.source, url, lang), text.render)

    def url(self, node: str, entry: Entry) -> Hole:
        """The signed URL of a node, as it stands in an attribute."""
        return self.links.url(node, entry, self.version)
