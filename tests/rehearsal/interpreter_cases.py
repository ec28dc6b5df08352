"""Cases of the interpreter: documents, who does what, and the transcript, each in a file; servers that are only pages."""

from __future__ import annotations

import dataclasses
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from callflows.rehearsal.platform_network import NetworkReply
from callflows.rehearsal.rehearsed_call import Rehearsal
from callflows.rehearsal.scripted_parties import ScriptedCallees, ScriptedCaller, parse_caller_script
from waiting import run_bounded

if TYPE_CHECKING:
    from callflows.rehearsal.call_parties import ActionWindow, CallerAction
    from callflows.rehearsal.interpreter import Interpreter
    from callflows.rehearsal.transcript import Transcript

CASES_FOLDER = Path(__file__).parent / "cases"
CASE_TIME = datetime(2026, 11, 23, 15, tzinfo=UTC)
"""A Monday, ten o'clock in New York."""
_SECTION = re.compile(r"^=== (.*)\n", re.MULTILINE)
_HIDDEN_STEP_FIELDS = ("verb", "path", "at")


@dataclasses.dataclass
class InterpreterCase:
    """A file. The first line is its sentence, then ``name: value`` lines, then sections that begin with ``===``."""

    title: str
    settings: dict[str, str]
    document: bytes
    pages: dict[str, tuple[int, bytes]]
    transcript: str

    @property
    def dialect(self) -> str:
        return self.settings.get("dialect", "reference")

    @property
    def rule_names(self) -> list[str]:
        """The rules that decide in it, in their order."""
        return [name for name in self.settings.get("silent", "").split(", ") if name]


def read_case(file: Path) -> InterpreterCase:
    head, *parts = _SECTION.split(file.read_text(encoding="utf-8"))
    says, *lines = head.strip().splitlines()
    sections = dict(zip(parts[::2], parts[1::2], strict=True))
    pages = {}
    for name, text in sections.items():
        if name not in ("document", "transcript"):
            url, _, status = name.partition(" ")
            pages[url] = (int(status or 200), text.strip().encode())
    given = {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return InterpreterCase(says, given, sections["document"].strip().encode(), pages, sections.get("transcript", ""))


class PageNetwork:
    """Servers of which nothing is known but their pages."""

    def __init__(self, pages: dict[str, tuple[int, bytes]]) -> None:
        self._pages = pages
        self.requests: list[tuple[str, str, bytes | None, float]] = []

    async def send_request(self, method: str, url: str, body: bytes | None, timeout_seconds: float) -> NetworkReply:
        self.requests.append((method, url, body, timeout_seconds))
        parts = urlsplit(url)
        page = self._pages.get(f"{parts.scheme}://{parts.netloc}{parts.path}")
        if page is None:
            return NetworkReply(0, b"", 0.0, "nobody is there", url)
        return NetworkReply(page[0], page[1], 1.0, "", url)


class PushingCaller(ScriptedCaller):
    """While it waits in a verb, a document is posted to the call."""

    def __init__(self, acts: Any, verb: str, document: bytes) -> None:
        super().__init__(acts)
        self.call: Interpreter
        self._verb = verb
        self._document = document

    async def choose_action(self, window: ActionWindow) -> CallerAction:
        if window.verb == self._verb and self._document:
            self.call.push_document(self._document)
            self._document = b""
        return await super().choose_action(window)


def parse_callees(text: str) -> ScriptedCallees:
    """``busy``, or one for each Dial: ``busy, answer``; ``12015550188 answer; else busy`` by target."""
    if ";" in text:
        return ScriptedCallees(dict(part.split() for part in text.split("; ")))
    return ScriptedCallees(text.split(", "))


def build_interpreter(case: InterpreterCase, *, strict: bool = False, network: PageNetwork | None = None) -> Interpreter:
    keys = case.settings.get("keys", "")
    acts = parse_caller_script([_parse_action(part) for part in keys.split("; ")]) if keys else ()
    push = case.pages.get("push", (0, b""))[1]
    caller = PushingCaller(acts, case.settings.get("push-in", ""), push)
    rehearsal = Rehearsal(
        number=case.settings.get("to", "+12015550123"),
        caller_id=case.settings.get("from", "+12015550999"),
        at=datetime.fromisoformat(case.settings["at"]) if "at" in case.settings else CASE_TIME,
        caller=caller,
        callees=parse_callees(case.settings.get("callee", "answer")),
        answers_itself=case.settings.get("answers-itself") == "true" or None,
        curls=case.settings.get("curls") == "true",
        zone=ZoneInfo(case.settings["zone"]) if "zone" in case.settings else None,
        strict=strict,
    )
    line = caller.call = rehearsal.build_interpreter(network or PageNetwork(case.pages))
    line.phone_call.id = "a-call"
    return line


def _parse_action(part: str) -> Any:
    word, _, value = part.partition(" ")
    return {"wait": value} if word == "wait" else part


def play_case(case: InterpreterCase, *, strict: bool = False) -> tuple[Transcript, list[str]]:
    """The call, and the rules that decided."""
    line = build_interpreter(case, strict=strict)
    transcript = run_bounded(line.run_from_document(case.document))
    return transcript, [*line.rules.applied_rules]


def render_transcript(transcript: Transcript) -> str:
    """A transcript in short: a line a step with what it did, the requests, the end."""
    lines = [f"{step['at']:g} {step['path'] or step['verb']}{_render_details(step)}" for step in transcript.steps]
    for request in transcript.requests[1:]:
        wrong = f" ({request.error})" if request.error else ""
        lines.append(f"> {request.method} {request.url}".rstrip() + f" {request.status}{wrong}")
    wrong = f": {transcript.error}" if transcript.error else ""
    return "\n".join([*lines, f"{transcript.seconds:g} {transcript.outcome}{wrong}"]) + "\n"


def _render_details(step: dict[str, Any]) -> str:
    did = [f"{name}={value}" for name, value in step.items() if name not in _HIDDEN_STEP_FIELDS]
    return f" {', '.join(did)}" if did else ""
