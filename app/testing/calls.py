"""Calls in your own tests: ring a flow, and ask what the caller met."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.errors import FlowError, ScenarioError
from app.flows.compiler import Options
from app.flows.loader import flow_files
from app.flows.places import Report
from app.flows.scenarios import Scenario
from app.flows.shapes import validate
from app.flows.tickets import Signer
from app.rehearsal.telling import lines
from app.settings import load
from app.testing.around import around_of
from app.testing.expecting import expecting
from app.testing.running import folders_of, on_stage, ringing, wrong_with
from app.testing.scenarios import case_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.flows.book import Flow
    from app.rehearsal.transcript import Step, Transcript
    from app.settings import Settings
    from app.testing.around import Around
    from app.testing.expecting import Missed
    from app.testing.running import Folder
    from app.testing.scenarios import Case


class Call:
    """A call that is over. What it asserts it asserts with the whole call in words."""

    def __init__(self, call: Transcript, there: Around) -> None:
        self.transcript = call
        self._there = there

    @property
    def flow(self) -> str:
        """The flow that answered."""
        return self.transcript.flow

    @property
    def nodes(self) -> list[str]:
        """The nodes that the call came to, in order."""
        return self.transcript.nodes

    @property
    def outcome(self) -> str:
        """How it ended: hung-up, caller-hung-up, ended."""
        return self.transcript.outcome

    @property
    def said(self) -> list[str]:
        """What was said, text by text."""
        return [step["text"] for step in self.steps("Say")]

    @property
    def dialled(self) -> list[list[str]]:
        """Whom each dial rang."""
        return [step["to"] for step in self.steps("Dial")]

    @property
    def messages(self) -> list[Step]:
        """The text messages: each with to, from and text."""
        return self.steps("sms")

    @property
    def notified(self) -> list[Step]:
        """The webhooks: each with url and payload."""
        return self.steps("notify")

    @property
    def recorded(self) -> list[str]:
        """The tags of what was recorded."""
        return [step.get("tag", "") for step in self.steps("Record")]

    def steps(self, verb: str = "") -> list[Step]:
        """What happened, in order; of one verb (``Say``, ``Dial``, ``sms``) or all."""
        return [step for step in self.transcript.steps if verb in ("", step["verb"])]

    def says(self, *texts: str) -> None:
        """Assert that these are said, in this order: each a text, or a part of one, or ``/a regular expression/``."""
        self.expects(*({"say": text} for text in texts))

    def never_says(self, text: str) -> None:
        """Assert that this is said nowhere in the call."""
        self.expects({"not": {"say": text}})

    def expects(self, *expected: dict[str, Any] | str) -> None:
        """Assert what ``expect`` of a scenario says, as ``{"dial": "sales"}, "voicemail"``. Raises ScenarioError."""
        report = Report("expects")
        wanted = expecting(_texts([*expected]), (), report, self._there, texts=self.outcome == "texted")
        if report.problems:
            raise ScenarioError(report.problems[0].message, report.problems[0].mend)
        missed = wanted.missed(self.transcript)
        if missed is not None:
            raise AssertionError(_missed(missed, self))

    def __str__(self) -> str:
        return "\n".join(lines(self.transcript))


def _missed(missed: Missed, call: Call) -> str:
    return f"expected {missed.expected}: {missed.why}\n{call}"


def _texts(value: Any) -> Any:  # noqa: ANN401 - plain data
    """Data as a flow file has it: every value is a text."""
    if isinstance(value, dict):
        return {str(key): _texts(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_texts(part) for part in value]
    return value if isinstance(value, str) else "" if value is None else str(value).lower()


class Calls:
    """The flows of a folder, to be rung as often as a test likes; they are loaded once."""

    def __init__(self, folder: str | Path = "", settings: Settings | None = None) -> None:
        """The folder of the settings where none is named. Raises FlowError where a flow is wrong."""
        self._settings = settings or load()
        options = Options(
            Signer([b"only rehearsed"]),
            self._settings.apology,
            self._settings.dialect,
            dial_regions=frozenset(self._settings.dial_regions) or None,
        )
        (self._folder,) = folders_of([Path(folder or self._settings.flows)], options)
        if self._folder.errors:
            raise FlowError(self._folder.errors)

    def ring(self, number: str, **said: Any) -> Call:  # noqa: ANN401 - as a scenario's keys
        """Ring a number. ``said`` are the keys of a scenario, ``from_`` for ``from``. Raises ScenarioError.

        A call that comes to an error, a loop or a fallback is an AssertionError.
        """
        flow = self._folder.loaded.book.answering(number if number.startswith("+") else f"+{number}")
        if flow is None:
            raise ScenarioError(f"no flow answers {number}", "callflows numbers lists those that are")
        there = around_of(flow)
        case = _case(flow, number, said, there)
        transcript = _now(self._folder, case, self._settings)
        call = Call(transcript, there)
        wrong = wrong_with(transcript, flow.name, case.supposed.breaks)
        if wrong:
            raise AssertionError(f"{wrong}\n{call}")
        return call


def _case(flow: Flow, number: str, said: dict[str, Any], there: Around) -> Case:
    given = {("from" if key == "from_" else key): value for key, value in said.items() if value is not None}
    report = Report(flow.file)
    lookups = given.pop("lookups", {})
    written = validate(Scenario, _texts({"name": "a call", "to": number, **given}), (), report)
    case = case_of(flow, written, (), report, there) if written is not None else None
    errors = [problem for problem in report.problems if problem.severity == "error"]
    if case is None or errors:
        raise ScenarioError(errors[0].message, errors[0].mend)
    case.lookups.update(lookups)
    return case


def _now(folder: Folder, case: Case, settings: Settings) -> Transcript:
    """The call, rung to its end, also where a loop runs already."""
    try:
        book = folder.book(case)
    except FlowError as error:
        raise ScenarioError(error.problems[0].message, error.problems[0].mend) from None

    async def ring() -> Transcript:
        async with on_stage(folder, settings, book) as network:
            return await ringing(case, folder).ring(network)

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(ring())
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, ring()).result()


@lru_cache(maxsize=8)
def _calls(folder: Path, _files: Sequence[tuple[str, int, int]]) -> Calls:
    return Calls(folder)


def rehearse(folder: str | Path, number: str, **said: Any) -> Call:  # noqa: ANN401 - as a scenario's keys
    """Ring a number of a folder's flows, as ``rehearse("callflows", "+12015550123", keys="1", callee="busy")``.

    The folder is loaded once as long as its files stay as they are. Raises as ``Calls`` does.
    """
    files = [(file, file.stat()) for file in flow_files(Path(folder))]
    return _calls(Path(folder), tuple((str(file), at.st_mtime_ns, at.st_size) for file, at in files)).ring(number, **said)
