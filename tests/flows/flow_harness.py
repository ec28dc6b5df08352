"""A flow that a test writes, and the documents that it answers with."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, NamedTuple

from callflows.flows.compiler.compiling_flow import CompilerOptions
from callflows.flows.decisions import describe_decisions as in_words
from callflows.flows.entry_points import FIRST_ENTRY, START_NODE, NodeEntry
from callflows.flows.flow_compilation import compile_flow
from callflows.flows.tickets import TicketSigner
from callflows.language import Extensions, Response, Say, from_xml
from callflows.language.element import walk_elements
from callflows.sandbox.deferred_jobs import NeedsResult
from callflows.telephony.ports import LookupRequest, LookupResult
from callflows.telephony.turn import Turn, Variables
from waiting import run_bounded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from datetime import datetime

    from callflows.errors import Problem
    from callflows.flows.flow import Flow
    from callflows.sandbox.deferred_jobs import WorkerJob

BASE_URL = "https://flows.localhost"
SIGNER = TicketSigner([b"a key of the tests"])
APOLOGY = "We are sorry."
_SIGNED_URL = re.compile(rf'"{BASE_URL}/call/acme/([^/"?]+)\?ticket=([^"]+)"')


class CompilationResult(NamedTuple):
    """A flow and what was said about it."""

    flow: Flow | None
    problems: tuple[Problem, ...]

    @property
    def rules(self) -> list[str]:
        return [problem.rule for problem in self.problems]


def compile_text(
    text: str | bytes, dialect: str = "reference", extensions: dict[str, dict[str, str]] | None = None
) -> CompilationResult:
    """A flow file of this text; where a defect of ours is found instead of an author's, the test fails here."""
    options = CompilerOptions(SIGNER, APOLOGY, dialect, Extensions.from_declarations(extensions or {}))  # type: ignore[arg-type]
    compiled = compile_flow("acme", text if isinstance(text, bytes) else text.encode(), "acme.yaml", options)
    assert "defect" not in [problem.rule for problem in compiled.problems], compiled.problems
    return CompilationResult(compiled.flow, compiled.problems)


def compile_valid_flow(text: str, dialect: str = "reference", extensions: dict[str, dict[str, str]] | None = None) -> Flow:
    """A flow file of this text, which must be right."""
    flow, problems = compile_text(text, dialect, extensions)
    assert flow is not None, "\n".join(map(str, problems))
    return flow


def make_flow_text(steps: str, more: str = "") -> str:
    """A flow file whose start has these steps (lines, not indented)."""
    lines = "\n".join(f"    {line}" for line in steps.strip("\n").splitlines())
    return f"numbers: rest\n{more}\nnodes:\n  start:\n{lines}\n"


def make_turn(clock: Callable[[], datetime] | None = None, *, answers: bool | None = None, **request_fields: str) -> Turn:
    """A request of Opentact; ``answers``: whether its app answers by itself."""
    fields = {
        "from": "+12015550999",
        "to": "12015550123",
        **{name.rstrip("_"): value for name, value in request_fields.items()},
    }
    return Turn(fields, get_base_url=lambda: BASE_URL, auto_answer=answers, clock=clock)


def answer_as_xml(flow: Flow, node: str = START_NODE, turn: Turn | None = None, entry: NodeEntry = FIRST_ENTRY) -> str:
    """The document of a node as XML, without the Response around it; valid to the letter, or the test fails here."""
    written = answer_node(flow, node, turn or make_turn(), entry)
    from_xml(written, extensions=ALL_EXTENSIONS)
    return written.decode().partition("<Response>")[2].removesuffix("</Response>")


def answer_node(
    flow: Flow,
    node: str,
    turn: Turn,
    entry: NodeEntry = FIRST_ENTRY,
    lookup_answers: Mapping[str, LookupResult] | None = None,
) -> bytes:
    """The document of a node; what it needs is done here, lookups are answered by ``found`` by URL."""
    while True:
        try:
            return flow.answer(node, turn, entry)
        except NeedsResult as pending:
            job = pending.job
            nobody = LookupResult(None, ok=False, reason="nobody answers")
            try:
                turn.deferred_results.append(
                    (lookup_answers or {}).get(job.url, nobody) if isinstance(job, LookupRequest) else run_job_now(job)
                )
            except Exception as error:
                pending.add_notes_to(error)
                raise
            turn.reset_progress()


def run_job_now(job: WorkerJob) -> Any:
    """The result of a job, run here instead of in a sandbox."""
    result = job.run()
    return run_bounded(result) if hasattr(result, "__await__") else result


ALL_EXTENSIONS = Extensions.from_declarations(
    {"Dial": {"callerId": "text"}, "Curl": {"headers": "text"}, "Say": {"wait": "ms"}}
)
"""The attributes that a test may declare."""


def request_document(flow: Flow, node: str = START_NODE, **request_fields: Any) -> str:
    """The document of a node for a request of these fields."""
    return answer_as_xml(flow, node, make_turn(**request_fields))


def spoken_texts(xml: str) -> list[str]:
    """All that a document speaks, in order."""
    return [str(verb.attributes["text"]) for _, verb in walk_elements(parse_response(xml)) if isinstance(verb, Say)]


def compile_steps(steps: str, dialect: str = "reference", more: str = "", **request_fields: Any) -> str:
    """The document that these steps are, without the line's answer and its end, which all have."""
    xml = request_document(compile_valid_flow(make_flow_text(steps, more), dialect), **request_fields)
    return xml.removeprefix("<Answer/>").removesuffix("<Hangup/>")


def find_signed_targets(xml: str) -> list[tuple[str, NodeEntry]]:
    """Where the signed URLs of a document lead."""
    return [(node, _read_entry(node, ticket)) for node, ticket in _SIGNED_URL.findall(xml)]


def _read_entry(node: str, ticket: str) -> NodeEntry:
    step, attempt, line, *given = SIGNER.read_ticket(f"acme/{node}", ticket).get("e", (0, 0, 1))
    return NodeEntry(step, attempt, bool(line), bool(given))


def iterate_documents(flow: Flow, **request_fields: Any) -> Iterator[tuple[str, NodeEntry, str]]:
    """Every document that a call can come to, by following every signed URL."""
    visited: set[tuple[str, NodeEntry]] = set()
    left = [(START_NODE, NodeEntry())]
    while left:
        node, entry = left.pop()
        if (node, entry) in visited:
            continue
        visited.add((node, entry))
        xml = answer_as_xml(flow, node, make_turn(**request_fields), entry)
        left += find_signed_targets(xml)
        yield node, entry, xml


def parse_response(xml: str) -> Response:
    """A document as verbs: the same for the same meaning."""
    return from_xml(f"<Response>{xml}</Response>".encode(), extensions=ALL_EXTENSIONS)


class Conversation:
    """A call that comes back to us: follows signed URLs with what was pressed, as Opentact and our server do."""

    def __init__(
        self,
        flow: Flow,
        dialect: str = "reference",
        lookup_answers: Mapping[str, LookupResult] | None = None,
        owns: Sequence[str] = (),
        **request_fields: str,
    ) -> None:
        """``owns`` are numbers of other flows of this server."""
        self.flow = flow
        self.owns = owns
        self.dialect = dialect
        self.lookup_answers = lookup_answers
        self.request_fields = {"from_": "+12015550999", **request_fields}
        self.effects: list[Any] = []
        self.trail: list[dict[str, Any]] = []
        self.tickets: list[dict[str, Any]] = []
        self.turn = make_turn(**self.request_fields)
        self.xml = ""
        self._request_node(START_NODE, FIRST_ENTRY)

    def _request_node(self, node: str, entry: NodeEntry) -> None:
        self.turn.owns_number = self.owns.__contains__
        raw = answer_node(self.flow, node, self.turn, entry, self.lookup_answers)
        from_xml(raw, extensions=ALL_EXTENSIONS)
        self.xml = raw.decode().partition("<Response>")[2].removesuffix("</Response>")
        self.effects += self.turn.effects
        words = in_words(self.turn)
        json.dumps(words)
        self.trail += words

    @property
    def spoken_texts(self) -> list[str]:
        """All that the document speaks where everything can be fetched."""
        return spoken_texts(re.sub("<Callback.*?</Callback>", "", self.xml))

    @property
    def heard_texts(self) -> list[str]:
        """All that is spoken until the caller is asked something, or the call ends; documents are fetched as they end."""
        spoken = self.spoken_texts
        for _ in range(20):
            if not self.xml.endswith("</Callback>") or "<Gather" in self.xml:
                break
            spoken += self.follow_callback(-1).spoken_texts
        return spoken

    @property
    def urls(self) -> list[str]:
        """Every signed URL of the document, in order."""
        return [match[0].strip('"') for match in _SIGNED_URL.finditer(self.xml)]

    def press_keys(self, digits: str, at: int = 0) -> Conversation:
        """Digits are pressed at the document's Gather of that index; nothing where it is silent."""
        gathers = re.findall(rf'<Gather[^>]*(?:url|callback)="{BASE_URL}/call/acme/([^/"?]+)\?ticket=([^"]+)"', self.xml)
        node, ticket = gathers[at]
        if self.dialect == "classic":
            fields = {"code": str(int(digits)) if digits.isdecimal() else digits, "attempts": "1"}
            return self.follow_ticket(node, ticket, **fields, success="true" if digits else "false")
        return self.follow_ticket(node, ticket, dtmf=digits)

    def follow_callback(self, at: int = 0) -> Conversation:
        """The document's Callback of that index is fetched."""
        callbacks = re.findall(rf'<Callback url="{BASE_URL}/call/acme/([^/"?]+)\?ticket=([^"]+)"', self.xml)
        return self.follow_ticket(*callbacks[at])

    def follow_ticket(self, node: str, ticket: str, **request_fields: str) -> Conversation:
        """A signed URL is asked."""
        state = SIGNER.read_ticket(f"acme/{node}", ticket)
        self.tickets.append({**state})
        carried = state.get("t", {})
        known = {key: value for key, value in carried.items() if key != "itself"}
        self.turn = make_turn(**{"from_": self.request_fields["from_"], "to": "12015550123", **request_fields, **known})
        self.turn.earlier_values = Variables(state.get("s", {}))
        self.turn.reset_progress()
        if "itself" in carried:
            self.turn.auto_answer = bool(carried["itself"])
        self._request_node(node, _read_entry(node, ticket))
        return self

    def find_needed_jobs(self, digits: str) -> list[str]:
        """What would have to be done apart for these digits, by name; none of it is done."""
        node, ticket = find_signed_urls(self.xml)[0]
        turn = make_turn(dtmf=digits)
        try:
            self.flow.answer(node, turn, _read_entry(node, ticket))
        except NeedsResult as pending:
            return [type(pending.job).__name__]
        return []


def find_signed_urls(xml: str) -> list[tuple[str, str]]:
    """The signed URLs of a document as node and ticket."""
    return _SIGNED_URL.findall(xml)
