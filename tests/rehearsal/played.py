"""Cases of the interpreter: documents, who does what, and the transcript, each in a file; servers that are only pages."""

from __future__ import annotations

import asyncio
import dataclasses
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from app.rehearsal.asking import Reply
from app.rehearsal.callers import ScriptedCallees, ScriptedCaller, script
from app.rehearsal.rehearsing import Rehearsal

if TYPE_CHECKING:
    from app.rehearsal.interpreter import Interpreter
    from app.rehearsal.parties import Awaiting, Does
    from app.rehearsal.transcript import Transcript

CASES = Path(__file__).parent / "cases"
AT = datetime(2026, 11, 23, 15, tzinfo=UTC)
"""A Monday, ten o'clock in New York."""
_SECTION = re.compile(r"^=== (.*)\n", re.MULTILINE)
_QUIET = ("verb", "path", "at")


@dataclasses.dataclass
class Case:
    """A file. The first line is its sentence, then ``name: value`` lines, then sections that begin with ``===``."""

    says: str
    given: dict[str, str]
    document: bytes
    pages: dict[str, tuple[int, bytes]]
    transcript: str

    @property
    def dialect(self) -> str:
        return self.given.get("dialect", "reference")

    @property
    def silences(self) -> list[str]:
        """The rules that decide in it, in their order."""
        return [name for name in self.given.get("silent", "").split(", ") if name]


def read(file: Path) -> Case:
    head, *parts = _SECTION.split(file.read_text(encoding="utf-8"))
    says, *lines = head.strip().splitlines()
    sections = dict(zip(parts[::2], parts[1::2], strict=True))
    pages = {}
    for name, text in sections.items():
        if name not in ("document", "transcript"):
            url, _, status = name.partition(" ")
            pages[url] = (int(status or 200), text.strip().encode())
    given = {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return Case(says, given, sections["document"].strip().encode(), pages, sections.get("transcript", ""))


class Pages:
    """Servers of which nothing is known but their pages."""

    def __init__(self, pages: dict[str, tuple[int, bytes]]) -> None:
        self._pages = pages
        self.asked: list[tuple[str, str, bytes | None, float]] = []

    async def ask(self, method: str, url: str, body: bytes | None, patience: float) -> Reply:
        self.asked.append((method, url, body, patience))
        parts = urlsplit(url)
        page = self._pages.get(f"{parts.scheme}://{parts.netloc}{parts.path}")
        if page is None:
            return Reply(0, b"", 0.0, "nobody is there", url)
        return Reply(page[0], page[1], 1.0, "", url)


class Pushing(ScriptedCaller):
    """While it waits in a verb, a document is posted to the call."""

    def __init__(self, acts: Any, verb: str, document: bytes) -> None:
        super().__init__(acts)
        self.line: Interpreter
        self._verb = verb
        self._document = document

    async def does(self, awaiting: Awaiting) -> Does:
        if awaiting.verb == self._verb and self._document:
            self.line.push(self._document)
            self._document = b""
        return await super().does(awaiting)


def callees_of(written: str) -> ScriptedCallees:
    """``busy``, or one for each Dial: ``busy, answer``; ``12015550188 answer; else busy`` by target."""
    if ";" in written:
        return ScriptedCallees(dict(part.split() for part in written.split("; ")))
    return ScriptedCallees(written.split(", "))


def line_of(case: Case, *, strict: bool = False, network: Pages | None = None) -> Interpreter:
    keys = case.given.get("keys", "")
    acts = script([_act(part) for part in keys.split("; ")]) if keys else ()
    push = case.pages.get("push", (0, b""))[1]
    caller = Pushing(acts, case.given.get("push-in", ""), push)
    rehearsal = Rehearsal(
        number=case.given.get("to", "+12015550123"),
        caller_id=case.given.get("from", "+12015550999"),
        at=datetime.fromisoformat(case.given["at"]) if "at" in case.given else AT,
        caller=caller,
        callees=callees_of(case.given.get("callee", "answer")),
        answers_itself=case.given.get("answers-itself") == "true" or None,
        curls=case.given.get("curls") == "true",
        zone=ZoneInfo(case.given["zone"]) if "zone" in case.given else None,
        strict=strict,
    )
    line = caller.line = rehearsal.line(network or Pages(case.pages))
    line.ringing.id = "a-call"
    return line


def _act(part: str) -> Any:
    word, _, value = part.partition(" ")
    return {"wait": value} if word == "wait" else part


def play(case: Case, *, strict: bool = False) -> tuple[Transcript, list[str]]:
    """The call, and the rules that decided."""
    line = line_of(case, strict=strict)
    transcript = asyncio.run(line.play(case.document))
    return transcript, [*line.rules.used]


def written(transcript: Transcript) -> str:
    """A transcript in short: a line a step with what it did, the requests, the end."""
    lines = [f"{step['at']:g} {step['path'] or step['verb']}{_did(step)}" for step in transcript.steps]
    for asked in transcript.requests[1:]:
        wrong = f" ({asked.error})" if asked.error else ""
        lines.append(f"> {asked.method} {asked.url}".rstrip() + f" {asked.status}{wrong}")
    wrong = f": {transcript.error}" if transcript.error else ""
    return "\n".join([*lines, f"{transcript.seconds:g} {transcript.outcome}{wrong}"]) + "\n"


def _did(step: dict[str, Any]) -> str:
    did = [f"{name}={value}" for name, value in step.items() if name not in _QUIET]
    return f" {', '.join(did)}" if did else ""
