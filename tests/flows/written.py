"""A flow that a test writes, and the documents that it answers with."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, NamedTuple

from app.calls import Turn
from app.flows.apart import Pending
from app.flows.book import FIRST, START, Entry
from app.flows.compiler import Options, compile_flow
from app.flows.tickets import Signer
from app.flows.trail import told as in_words
from app.kept import Values
from app.language import Extensions, Response, Say, from_xml
from app.language.element import paths
from app.outside import Found, Lookup

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from datetime import datetime

    from app.errors import Problem
    from app.flows.book import Flow

BASE = "https://flows.test"
SIGNER = Signer([b"a key of the tests"])
APOLOGY = "We are sorry."
_URL = re.compile(rf'"{BASE}/call/acme/([^/"?]+)\?ticket=([^"]+)"')


class Compiled(NamedTuple):
    """A flow and what was said about it."""

    flow: Flow | None
    problems: tuple[Problem, ...]

    @property
    def rules(self) -> list[str]:
        return [problem.rule for problem in self.problems]


def compiled(
    text: str | bytes, dialect: str = "reference", extensions: dict[str, dict[str, str]] | None = None
) -> Compiled:
    """A flow file of this text; where a defect of ours is found instead of an author's, the test fails here."""
    options = Options(SIGNER, APOLOGY, dialect, Extensions.declare(extensions or {}))  # type: ignore[arg-type]
    made = compile_flow("acme", text if isinstance(text, bytes) else text.encode(), "acme.yaml", options)
    assert "defect" not in [problem.rule for problem in made.problems], made.problems
    return Compiled(made.flow, made.problems)


def flow_of(text: str, dialect: str = "reference", extensions: dict[str, dict[str, str]] | None = None) -> Flow:
    """A flow file of this text, which must be right."""
    flow, problems = compiled(text, dialect, extensions)
    assert flow is not None, "\n".join(map(str, problems))
    return flow


def starting(steps: str, more: str = "") -> str:
    """A flow file whose start has these steps (lines, not indented)."""
    lines = "\n".join(f"    {line}" for line in steps.strip("\n").splitlines())
    return f"numbers: rest\n{more}\nnodes:\n  start:\n{lines}\n"


def turn_of(clock: Callable[[], datetime] | None = None, *, answers: bool | None = None, **told: str) -> Turn:
    """A request of Opentact; ``answers``: whether its app answers by itself."""
    fields = {"from": "+12015550999", "to": "12015550123", **{name.rstrip("_"): value for name, value in told.items()}}
    return Turn(fields, base=lambda: BASE, answers_itself=answers, clock=clock)


def answered(flow: Flow, node: str = START, turn: Turn | None = None, entry: Entry = FIRST) -> str:
    """The document of a node as XML, without the Response around it; valid to the letter, or the test fails here."""
    written = played(flow, node, turn or turn_of(), entry)
    from_xml(written, extensions=EVERYTHING)
    return written.decode().partition("<Response>")[2].removesuffix("</Response>")


def played(flow: Flow, node: str, turn: Turn, entry: Entry = FIRST, found: Mapping[str, Found] | None = None) -> bytes:
    """The document of a node; what it needs is done here, lookups are answered by ``found`` by URL."""
    while True:
        try:
            return flow.answer(node, turn, entry)
        except Pending as pending:
            job = pending.job
            nobody = Found(None, ok=False, reason="nobody answers")
            turn.results.append((found or {}).get(job.url, nobody) if isinstance(job, Lookup) else job.do())
            turn.begin()


EVERYTHING = Extensions.declare({"Dial": {"callerId": "text"}, "Curl": {"headers": "text"}, "Say": {"wait": "ms"}})
"""The attributes that a test may declare."""


def document(flow: Flow, node: str = START, **told: Any) -> str:
    """The document of a node for a request of these fields."""
    return answered(flow, node, turn_of(**told))


def says(xml: str) -> list[str]:
    """All that a document speaks, in order."""
    return [str(verb.attributes["text"]) for _, verb in paths(read(xml)) if isinstance(verb, Say)]


def written(steps: str, dialect: str = "reference", more: str = "", **told: Any) -> str:
    """The document that these steps are, without the line's answer and its end, which all have."""
    xml = document(flow_of(starting(steps, more), dialect), **told)
    return xml.removeprefix("<Answer/>").removesuffix("<Hangup/>")


def leads(xml: str) -> list[tuple[str, Entry]]:
    """Where the signed URLs of a document lead."""
    return [(node, _entry(node, ticket)) for node, ticket in _URL.findall(xml)]


def _entry(node: str, ticket: str) -> Entry:
    step, attempt, line, *given = SIGNER.read(f"acme/{node}", ticket).get("e", (0, 0, 1))
    return Entry(step, attempt, bool(line), bool(given))


def everything(flow: Flow, **told: Any) -> Iterator[tuple[str, Entry, str]]:
    """Every document that a call can come to, by following every signed URL."""
    seen: set[tuple[str, Entry]] = set()
    left = [(START, Entry())]
    while left:
        node, entry = left.pop()
        if (node, entry) in seen:
            continue
        seen.add((node, entry))
        xml = answered(flow, node, turn_of(**told), entry)
        left += leads(xml)
        yield node, entry, xml


def read(xml: str) -> Response:
    """A document as verbs: the same for the same meaning."""
    return from_xml(f"<Response>{xml}</Response>".encode(), extensions=EVERYTHING)


class Conversation:
    """A call that comes back to us: follows signed URLs with what was pressed, as Opentact and our server do."""

    def __init__(
        self, flow: Flow, dialect: str = "reference", found: Mapping[str, Found] | None = None, **told: str
    ) -> None:
        self.flow = flow
        self.dialect = dialect
        self.found = found
        self.told = {"from_": "+12015550999", **told}
        self.effects: list[Any] = []
        self.trail: list[dict[str, Any]] = []
        self.tickets: list[dict[str, Any]] = []
        self.turn = turn_of(**self.told)
        self.xml = ""
        self._ask(START, FIRST)

    def _ask(self, node: str, entry: Entry) -> None:
        raw = played(self.flow, node, self.turn, entry, self.found)
        from_xml(raw, extensions=EVERYTHING)
        self.xml = raw.decode().partition("<Response>")[2].removesuffix("</Response>")
        self.effects += self.turn.effects
        told = in_words(self.turn)
        json.dumps(told)
        self.trail += told

    @property
    def says(self) -> list[str]:
        """All that the document speaks where everything can be fetched."""
        return says(re.sub("<Callback.*?</Callback>", "", self.xml))

    @property
    def heard(self) -> list[str]:
        """All that is spoken until the caller is asked something, or the call ends; documents are fetched as they end."""
        spoken = self.says
        for _ in range(20):
            if not self.xml.endswith("</Callback>") or "<Gather" in self.xml:
                break
            spoken += self.go_on(-1).says
        return spoken

    @property
    def urls(self) -> list[str]:
        """Every signed URL of the document, in order."""
        return [found[0].strip('"') for found in _URL.finditer(self.xml)]

    def press(self, digits: str, at: int = 0) -> Conversation:
        """Digits are pressed at the document's Gather of that index; nothing where it is silent."""
        gathers = re.findall(rf'<Gather[^>]*(?:url|callback)="{BASE}/call/acme/([^/"?]+)\?ticket=([^"]+)"', self.xml)
        node, ticket = gathers[at]
        if self.dialect == "classic":
            fields = {"code": str(int(digits)) if digits.isdecimal() else digits, "attempts": "1"}
            return self.follow(node, ticket, **fields, success="true" if digits else "false")
        return self.follow(node, ticket, dtmf=digits)

    def go_on(self, at: int = 0) -> Conversation:
        """The document's Callback of that index is fetched."""
        callbacks = re.findall(rf'<Callback url="{BASE}/call/acme/([^/"?]+)\?ticket=([^"]+)"', self.xml)
        return self.follow(*callbacks[at])

    def follow(self, node: str, ticket: str, **told: str) -> Conversation:
        """A signed URL is asked."""
        state = SIGNER.read(f"acme/{node}", ticket)
        self.tickets.append({**state})
        carried = state.get("t", {})
        known = {key: value for key, value in carried.items() if key != "itself"}
        self.turn = turn_of(**{"from_": self.told["from_"], "to": "12015550123", **told, **known})
        self.turn.kept = Values(state.get("s", {}))
        self.turn.begin()
        if "itself" in carried:
            self.turn.answers_itself = bool(carried["itself"])
        self._ask(node, _entry(node, ticket))
        return self

    def needs(self, digits: str) -> list[str]:
        """What would have to be done apart for these digits, by name; none of it is done."""
        node, ticket = leads_signed(self.xml)[0]
        turn = turn_of(dtmf=digits)
        try:
            self.flow.answer(node, turn, _entry(node, ticket))
        except Pending as pending:
            return [type(pending.job).__name__]
        return []


def leads_signed(xml: str) -> list[tuple[str, str]]:
    """The signed URLs of a document as node and ticket."""
    return _URL.findall(xml)
