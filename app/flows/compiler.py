"""FlowFile to Flow: each node becomes a document of pieces, made and checked here, once.

What a step writes are verbs; where a text changes from call to call a mark stands in the verb, and the written XML is
cut at its marks into pieces. So the language itself checks every step, and no rendered text can change a document's shape.

A flow is written into one document where it can be: ``goto`` writes the other node in place. What would repeat
itself, or grow too big, comes back to us by a signed URL instead.
"""

from __future__ import annotations

import dataclasses
import hashlib
import re
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Self
from urllib.parse import quote
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from app.calls import e164
from app.errors import BuildError, DialectError, ExpressionError, suggestion
from app.flows.book import EPILOGUE, PROLOGUE, REST, START, Branch, Choice, Claim, Entry, Flow
from app.flows.files import FlowFile, Path, Report
from app.flows.files import read as read_file
from app.flows.prompts import Prompts
from app.flows.steps import STEPS, condition, verb_or_word
from app.flows.tickets import pack
from app.language import (
    Answer,
    Callback,
    Dialect,
    Error,
    Extensions,
    Gather,
    Hangup,
    Hold,
    Play,
    Record,
    Response,
    Say,
    Tone,
    to_xml,
)
from app.language.markup import escape_attribute
from app.language.values import clean

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from app.calls import Turn
    from app.flows.book import Hole, Piece
    from app.flows.tickets import Signer
    from app.language.element import Element

INLINE_BYTES: Final = 12_000
"""A node longer than this is fetched, not written in place."""
INLINE_CHAIN: Final = 20
"""Nodes written inside each other; the next is fetched."""
INLINE_DEPTH: Final = 40
"""Elements inside each other in a node that is written in place."""
CALLBACK_TIMEOUT: Final = 5000
"""What our Callbacks wait before their Error runs; documented, its unit presumed to be ms."""

_NEEDS_ANSWER: Final = (Say, Play, Tone, Gather, Record, Hold)
_MARK: Final = re.compile("<Say>\ufdd0([0-9]+)\ufdd1</Say>|(?:http://\ufdd2)?\ufdd0([0-9]+)\ufdd1")
_RESERVED: Final = re.compile("[\ufdd0-\ufdd2]")
_FILE_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")

CARRIED: Final = {
    "caller": "from",
    "caller.name": "name",
    "call.from_": "from",
    "call.id": "call",
    "call.app": "sca",
    "call.started": "started",
    "call.attestation": "attestation",
    "call.to": "to",
    "number": "to",
}
"""What a later request may not tell again, by the names that look at it; a field without an entry goes by its root."""


@dataclasses.dataclass(frozen=True, slots=True)
class Options:
    """What flows are compiled for: an installation's dialect, signer, apology and declared attributes."""

    signer: Signer
    apology: str
    dialect: Dialect = "reference"
    extensions: Extensions = dataclasses.field(default_factory=Extensions)


def compile_flow(name: str, text: bytes, file: str, options: Options) -> tuple[Flow | None, Report]:
    """A flow file's content as a Flow; None where the report has errors."""
    report = Report(file)
    if not _FILE_NAME.fullmatch(name):
        report.error((), "file-name", f"{name!r} cannot be a flow's name", "use letters, digits, - and _")
    parsed = read_file(text, report)
    if parsed is None:
        return None, report
    version = hashlib.sha256(
        text + repr((options.dialect, options.apology, options.extensions.kinds)).encode()
    ).hexdigest()[:12]
    flow = Compiler(name, version, parsed, report, options).flow()
    return (None if report.broken else flow), report


class Compiler:
    """Compiles one file."""

    def __init__(self, name: str, version: str, file: FlowFile, report: Report, options: Options) -> None:
        self.name = name
        self.version = version
        self.file = file
        self.report = report
        self.options = options
        self.dialect: Dialect = file.dialect or options.dialect
        self.prompts = Prompts()
        self.voice: dict[str, str] = {}
        self.fallback = ""
        self.uses: dict[str, set[str]] = {node: set() for node in file.nodes}
        self.edges: dict[str, set[str]] = {node: set() for node in file.nodes}
        self.carries: dict[str, tuple[str, ...]] = {}
        self._runs: dict[tuple[str, Entry], Run] = {}
        self._wanted: set[tuple[str, Entry]] = set()
        self._stack: list[str] = []

    def flow(self) -> Flow:
        """The flow; what is wrong with it is in the report."""
        claims = tuple(self._claims())
        zone = self._zone()
        self.voice = self._voice()
        fallback = self._fallback()
        documents = self._documents() if self._named_well() else {}
        self._reach()
        return Flow(
            name=self.name,
            file=self.report.file,
            version=self.version,
            dialect=self.dialect,
            zone=zone,
            claims=claims,
            documents=documents,
            fallback=fallback,
        )

    # What stands around the nodes

    def _claims(self) -> Iterable[Claim]:
        for index, written in enumerate(self.file.numbers):
            path: Path = ("numbers", index)
            if path not in self.report.places:
                path = ("numbers",)
            number = _claimed(written.strip())
            if not number:
                mend = "write it with its country code, as +12015550123; a prefix as +1201*; all that is left over as rest"
                self.report.error(path, "number", f"numbers: {written!r} is not a number", mend)
                continue
            place = self.report.place(path)
            yield Claim(number, self.report.file, place.line, place.column)

    def _zone(self) -> ZoneInfo | None:
        name = self.file.timezone
        if not name:
            return None
        try:
            return ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            self.report.error(("timezone",), "timezone", f"timezone: there is no zone {name!r}", "as America/New_York")
            return None

    def _voice(self) -> dict[str, str]:
        """The defaults of every Say: its attributes but for the text."""
        known = [name for name in Say.row.attributes if name not in ("text", "loop", "tag")]
        voice = {}
        for name, value in self.file.voice.items():
            path = ("voice", name)
            if name not in known:
                near = suggestion(name, known) or f"there are {', '.join(known)}"
                self.report.error(path, "unknown-key", f"voice: there is no {name!r}", near, key=True)
                continue
            try:
                voice[name] = str(Say.row.attributes[name].kind.read(value))
            except ValueError as error:
                self.report.error(path, "value", f"voice: {name}: {error}")
        return voice

    def _fallback(self) -> bytes:
        """The document served when anything goes wrong; and what a Callback's Error says."""
        run = Run(self, "", static=True)
        if self.file.fallback:
            run.steps(self.file.fallback, ("fallback",))
        else:
            run.write(Say(self.options.apology))
        if not run.ends:
            run.write(Hangup())
        self.fallback = "".join(piece for piece in run.pieces if isinstance(piece, str))
        return f"{PROLOGUE}{self.fallback}{EPILOGUE}".encode()

    # Nodes

    def _named_well(self) -> bool:
        for node in self.file.nodes:
            if not _FILE_NAME.fullmatch(node):
                self.report.error(
                    ("nodes", node),
                    "node-name",
                    f"{node!r} cannot be a node's name",
                    "use letters, digits, - and _",
                    key=True,
                )
                return False
        if START not in self.file.nodes:
            self.report.error(("nodes",), "no-start", f"no node is named {START!r}", "every flow begins at start", key=True)
        return START in self.file.nodes

    def _documents(self) -> dict[str, MappingProxyType[Entry, tuple[Piece, ...]]]:
        wanted = [(node, Entry(answered=answered)) for node in [START, *self.file.nodes] for answered in (False, True)]
        while wanted:
            for node, entry in wanted:
                self.run(node, entry)
            wanted = [key for key in self._wanted if key not in self._runs]
        documents: dict[str, dict[Entry, tuple[Piece, ...]]] = {node: {} for node in self.file.nodes}
        for (node, entry), run in self._runs.items():
            documents[node][entry] = _merged(run.pieces)
        return {node: MappingProxyType(entries) for node, entries in documents.items()}

    def run(self, node: str, entry: Entry) -> Run:
        """A node's pieces from an entry on, made once."""
        done = self._runs.get((node, entry))
        if done is None:
            self._stack.append(node)
            done = Run(self, node, answered=entry.answered)
            done.steps(self.file.nodes[node], ("nodes", node), entry)
            if not done.ends:
                done.write(Hangup())
            self._runs[node, entry] = done
            self._stack.pop()
        return done

    def inlined(self, node: str, *, answered: bool) -> Run | None:
        """A node to be written in place; None where it must be fetched: it is being written, or it is too big."""
        if node in self._stack or len(self._stack) >= INLINE_CHAIN:
            return None
        run = self.run(node, Entry(answered=answered))
        return run if run.size <= INLINE_BYTES and run.depth <= INLINE_DEPTH else None

    def url(self, node: str, entry: Entry) -> Hole:
        """The signed URL of a node, as it stands in an attribute."""
        self._wanted.add((node, entry))
        sign, place = self.options.signer.sign, f"{self.name}/{node}"
        path = f"/call/{self.name}/{node}?ticket="
        state: dict[str, Any] = {"v": self.version}
        if entry != Entry(answered=True):
            state["e"] = [entry.step, entry.attempt, int(entry.answered)]
        constant = pack(state)
        carries = self.carries

        def hole(turn: Turn) -> str:
            told = {name: turn.told[name] for name in carries[node] if turn.told.get(name)}
            if not entry.answered and turn.answers_itself is not None:
                told["itself"] = "1" if turn.answers_itself else ""
            carried = pack({**state, "t": told}) if told else constant
            return f"{escape_attribute(turn.base)}{path}{sign(place, carried)}"

        return hole

    def _reach(self) -> None:
        """Work out what each node's tickets must carry, and which nodes nothing leads to."""
        for node in self.file.nodes:
            reached, left = {node}, [node]
            while left:
                new = self.edges[left.pop()] - reached
                reached |= new
                left += new
            names = {name for other in reached for name in self.uses[other]}
            fields = {CARRIED.get(name) or CARRIED.get(name.partition(".")[0], "") for name in names}
            self.carries[node] = tuple(sorted(fields - {""}))
            if node == START and not self.report.broken:
                self._unreached(reached)

    def _unreached(self, reached: set[str]) -> None:
        for node in self.file.nodes:
            if node not in reached:
                self.report.warning(
                    ("nodes", node),
                    "unreachable-node",
                    f"nothing leads to the node {node!r}",
                    "a goto is missing, or it can go",
                    key=True,
                )


class Run:
    """A run of pieces while it is written: the steps of a node, or of a branch in it.

    ``static``: nothing in it may depend on a call (the fallback). ``step`` is the index of the node's step that is being written, None
    inside a verb's branch, to which nothing can come back.
    """

    def __init__(
        self, compiler: Compiler, node: str, *, answered: bool = False, static: bool = False, inner: bool = False
    ) -> None:
        self.compiler = compiler
        self.node = node
        self.answered = answered
        self.static = static
        self.inner = inner
        self.step = 0
        self.attempt = 0
        self.pieces: list[Piece] = []
        self.ends = False
        self.elsewhere = False
        """The steps that follow are written in another entry."""
        self.size = 0
        self.depth = 1
        self._holes: list[Hole | tuple[Piece, ...]] = []

    @property
    def dialect(self) -> Dialect:
        """The dialect that is written."""
        return self.compiler.dialect

    def branch(self, *, answered: bool | None = None, inner: bool = True) -> Self:
        """An empty run inside this one: a verb's branch, or with ``inner=False`` a step under a condition."""
        made = type(self)(
            self.compiler,
            self.node,
            answered=self.answered if answered is None else answered,
            static=self.static,
            inner=self.inner or inner,
        )
        made.step, made.attempt = self.step, self.attempt
        return made

    def error(self, path: Path, rule: str, message: str, mend: str = "", *, key: bool = False, line: int = 0) -> None:
        """Something is wrong at ``path``."""
        self.compiler.report.error(path, rule, message, mend, key=key, line=line)

    # Steps

    def steps(self, steps: Sequence[Any], path: Path, entry: Entry | None = None) -> None:
        """Write steps in order, from an entry's step on."""
        first = entry.step if entry else 0
        for index, step in enumerate(steps):
            if index < first:
                continue
            here = (*path, index)
            if self.ends and self.elsewhere:
                return
            if self.ends:
                self.error(
                    here, "after-the-end", "this step is never reached", "the flow has gone elsewhere, or ended, before it"
                )
                return
            if not self.inner:
                self.step = index
                self.attempt = entry.attempt if entry and index == first else 0
            self._one(step, here)

    def _one(self, step: object, path: Path) -> None:
        word, value, when = verb_or_word(step, path, self)
        if not word:
            return
        if when is None or (not self.inner and self.attempt):
            STEPS[word](value, (*path, word), self)
            return
        holds = condition(when, (*path, "when"), self)
        under = self.branch(inner=False)
        under.inner = self.inner
        STEPS[word](value, (*path, word), under)
        self.add(Choice(holds, _merged(under.pieces), under.ends), under.size, under.depth)

    def add(self, piece: Piece, size: int, depth: int) -> None:
        """Write a piece of that many bytes and elements inside each other."""
        self.pieces.append(piece)
        self.size += size
        self.depth = max(self.depth, depth)

    # Texts

    def text(self, source: str, path: Path, *, url: bool = False) -> str:
        """An author's text for a verb: itself, or a mark where it changes from call to call."""
        if _RESERVED.search(source):
            self.error(path, "text", "the text holds one of U+FDD0 to U+FDD2, which are no characters", "take it out")
            return ""
        try:
            text = self.compiler.prompts.text(source, _in_url if url else str)
        except ExpressionError as error:
            self.error(path, "template", str(error), error.mend, line=error.line - 1)
            return source if url else ""
        if text.constant is not None:
            return text.constant
        if self.static:
            self.error(path, "fallback-not-static", "the fallback needs nothing but itself, and this text needs the call")
        self.uses(text.uses)
        render = text.render
        return self.mark(lambda turn: escape_attribute(clean(render(turn))))

    def uses(self, names: Iterable[str]) -> None:
        """Note the names that this node looks at."""
        if self.node:
            self.compiler.uses[self.node].update(names)

    def mark(self, hole: Hole) -> str:
        """A mark that stands for what ``hole`` gives."""
        self._holes.append(hole)
        return f"\ufdd0{len(self._holes) - 1}\ufdd1"

    def mark_url(self, hole: Hole) -> str:
        """A mark that stands for a whole URL."""
        return f"http://\ufdd2{self.mark(hole)}"

    def place(self, run: Run) -> Say:
        """A verb that stands for a run that was written apart, in the element that is written next."""
        self.depth = max(self.depth, run.depth + 4)
        self.size += run.size
        return self._stand_in(run.pieces)

    def _stand_in(self, pieces: Sequence[Piece]) -> Say:
        self._holes.append(tuple(pieces))
        return Say(f"\ufdd0{len(self._holes) - 1}\ufdd1")

    # Verbs

    def write(self, *elements: Element, path: Path = ()) -> None:
        """Write verbs, answering the line before the first that needs it."""
        for element in elements:
            if not self.answered and isinstance(element, _NEEDS_ANSWER):
                self._answer()
            try:
                written = to_xml(Response(element), self.dialect, extensions=self.compiler.options.extensions).decode()
            except DialectError as error:
                self.error(path, "dialect", error.reason, "write it in the other dialect, or without it")
                continue
            except BuildError as error:
                self.error(path, "verb", str(error))
                continue
            self._cut(written[len(PROLOGUE) : -len(EPILOGUE)])
            self.depth = max(self.depth, element.depth)
            if isinstance(element, Answer):
                self.answered = True
            if isinstance(element, (Hangup, Callback)):
                self.ends = True
        self._holes.clear()

    def _cut(self, written: str) -> None:
        """Cut XML at its marks into pieces."""
        at = 0
        for mark in _MARK.finditer(written):
            self._add_text(written[at : mark.start()])
            hole = self._holes[int(mark[1] or mark[2])]
            if isinstance(hole, tuple):
                constant = all(isinstance(piece, str) for piece in hole)
                self.pieces += hole if constant else [Branch(_merged(hole))]
            else:
                self.add(hole, 64, 1)
            at = mark.end()
        self._add_text(written[at:])

    def _add_text(self, text: str) -> None:
        if text:
            self.add(text, len(text), 1)

    def _answer(self) -> None:
        """``<Answer/>`` where the dialect has it, the file wants it and the app does not answer by itself."""
        self.answered = True
        mode = self.compiler.file.auto_answer
        if self.dialect == "classic" or mode == "false":
            return
        if mode == "true" or self.static:
            self._add_text("<Answer/>")
        else:
            self.add(Choice(_must_answer, ("<Answer/>",), ends=False), len("<Answer/>"), 1)

    # Going elsewhere

    def goto(self, node: str, path: Path) -> None:
        """End here and go on at a node: written in place, or fetched."""
        self.ends = True
        if self.static:
            self.error(
                path, "fallback-not-static", "the fallback cannot go to a node", "say what is to be said, and hang up"
            )
            return
        if not self.known(node, path):
            return
        inlined = self.compiler.inlined(node, answered=self.answered)
        if inlined is None:
            self.fetch(node, Entry(answered=self.answered))
            return
        self.pieces += inlined.pieces
        self.size += inlined.size
        self.depth = max(self.depth, inlined.depth)

    def known(self, node: str, path: Path) -> bool:
        """Whether there is such a node; notes that this one leads to it."""
        nodes = self.compiler.file.nodes
        if node not in nodes:
            near = suggestion(node, [*nodes]) or f"there are {', '.join(nodes)}"
            self.error(path, "unknown-node", f"no node is named {node!r}", near)
            return False
        self.compiler.edges[self.node].add(node)
        return True

    def fetch(self, node: str, entry: Entry) -> None:
        """Go on in a document of its own, or with the fallback where that cannot be fetched."""
        self.compiler.edges[self.node].add(node)
        url = self.mark_url(self.compiler.url(node, entry))
        sorry = Error(self._stand_in([self._sorry()]))
        self.write(Callback(sorry, url=url, method="GET", timeout=CALLBACK_TIMEOUT))
        self.ends = True

    def _sorry(self) -> str:
        fallback = self.compiler.fallback
        return fallback.removeprefix("<Answer/>") if self.answered else fallback


def _claimed(written: str) -> str:
    """A number as it is claimed: E.164, ``+1201*`` or ``rest``; nothing where it is none."""
    if written == REST:
        return REST
    if written.endswith("*"):
        digits = written[:-1].removeprefix("+")
        return f"+{digits}*" if digits.isascii() and digits.isdecimal() else ""
    return e164(written)


def _in_url(value: str) -> str:
    return quote(clean(value), safe="")


def _must_answer(turn: Turn) -> bool:
    return not turn.answers_itself


def _merged(pieces: Sequence[Piece]) -> tuple[Piece, ...]:
    """Pieces with neighbouring texts made one."""
    merged: list[Piece] = []
    for piece in pieces:
        if isinstance(piece, str) and merged and isinstance(merged[-1], str):
            merged[-1] += piece
        elif piece:
            merged.append(piece)
    return tuple(merged)
