"""Calls in pytest: ring a flow and assert the steps of the call."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from callflows.errors import FlowFileError, ScenarioError
from callflows.flows.compiler.compiling_flow import CompilerOptions
from callflows.flows.loader.folder_loader import list_flow_files
from callflows.flows.source.positions import ProblemReport
from callflows.flows.source.scenario_shape import Scenario
from callflows.flows.source.shape_validation import validate_shape
from callflows.flows.tickets import TicketSigner
from callflows.rehearsal.transcript_text import format_transcript
from callflows.settings import load_settings
from callflows.testing.expectations import parse_expectations
from callflows.testing.flow_names import read_flow_names
from callflows.testing.scenario_reader import build_scenario_case
from callflows.testing.scenario_runner import build_case_rehearsal, find_call_failure, load_scenario_folders, serve_folder

if TYPE_CHECKING:
    from collections.abc import Sequence

    from callflows.flows.flow import Flow
    from callflows.rehearsal.transcript import Transcript, TranscriptStep
    from callflows.settings import Settings
    from callflows.testing.expectations import ExpectationMismatch
    from callflows.testing.flow_names import FlowNames
    from callflows.testing.scenario_reader import ScenarioCase
    from callflows.testing.scenario_runner import ScenarioFolder


class RehearsedCall:
    """A finished call. A failed assertion shows the whole call."""

    def __init__(self, transcript: Transcript, flow_names: FlowNames) -> None:
        self.transcript = transcript
        self._flow_names = flow_names

    @property
    def flow(self) -> str:
        """The name of the flow that answered."""
        return self.transcript.flow

    @property
    def nodes(self) -> list[str]:
        """The nodes reached, in order."""
        return self.transcript.nodes

    @property
    def outcome(self) -> str:
        """The end of the call: hung-up, caller-hung-up, ended, or texted for text messages."""
        return self.transcript.outcome

    @property
    def spoken_texts(self) -> list[str]:
        """All spoken texts."""
        return [step["text"] for step in self.steps("Say")]

    @property
    def dial_targets(self) -> list[list[str]]:
        """The targets of each dial."""
        return [step["to"] for step in self.steps("Dial")]

    @property
    def sms_messages(self) -> list[TranscriptStep]:
        """The text messages, each with to, from and text."""
        return self.steps("sms")

    @property
    def webhooks(self) -> list[TranscriptStep]:
        """The webhooks, each with url and payload."""
        return self.steps("notify")

    @property
    def mails(self) -> list[TranscriptStep]:
        """The mails, each with to, subject and text."""
        return self.steps("mail")

    @property
    def recording_tags(self) -> list[str]:
        """The tags of the recordings."""
        return [step.get("tag", "") for step in self.steps("Record")]

    def steps(self, verb: str = "") -> list[TranscriptStep]:
        """Return the steps of one verb (``Say``, ``Dial``, ``sms``) in order, or all steps."""
        return [step for step in self.transcript.steps if verb in ("", step["verb"])]

    def says(self, *texts: str) -> None:
        """Assert that the call says these texts in this order: texts, parts of texts, or ``/regular expressions/``."""
        self.expects(*({"say": text} for text in texts))

    def never_says(self, text: str) -> None:
        """Assert that the call never says this text."""
        self.expects({"not": {"say": text}})

    def expects(self, *expected: dict[str, Any] | str) -> None:
        """Assert expectations of a scenario, such as ``{"dial": "sales"}, "voicemail"``. Raises ScenarioError."""
        report = ProblemReport("expects")
        expectations = parse_expectations(
            _convert_to_texts([*expected]), (), report, self._flow_names, texts=self.outcome == "texted"
        )
        if report.problems:
            raise ScenarioError(report.problems[0].message, report.problems[0].fix)
        missed = expectations.find_mismatch(self.transcript)
        if missed is not None:
            raise AssertionError(_format_mismatch(missed, self))

    def __str__(self) -> str:
        return "\n".join(format_transcript(self.transcript))


def _format_mismatch(mismatch: ExpectationMismatch, call: RehearsedCall) -> str:
    return f"expected {mismatch.expected_text}: {mismatch.reason}\n{call}"


def _convert_to_texts(value: Any) -> Any:  # noqa: ANN401 - plain data
    """Convert all values to text, as in the data of a flow file."""
    if isinstance(value, dict):
        return {str(key): _convert_to_texts(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_convert_to_texts(part) for part in value]
    return value if isinstance(value, str) else "" if value is None else str(value).lower()


class RehearsalPhone:
    """The flows of a folder, loaded once for any number of calls."""

    def __init__(self, folder: str | Path = "", settings: Settings | None = None) -> None:
        """Load the folder, or by default the folder of the settings. Raises FlowFileError if a flow has errors."""
        self._settings = settings or load_settings()
        options = CompilerOptions(
            TicketSigner([b"only rehearsed"]),
            self._settings.apology,
            self._settings.dialect,
            dial_regions=frozenset(self._settings.dial_regions) or None,
        )
        (self._scenario_folder,) = load_scenario_folders([Path(folder or self._settings.flows)], options)
        if self._scenario_folder.errors:
            raise FlowFileError(self._scenario_folder.errors)

    def ring(self, number: str, **scenario_keys: Any) -> RehearsedCall:  # noqa: ANN401 - as a scenario's keys
        """Ring a number. ``scenario_keys`` are the keys of a scenario, with ``from_`` for ``from``. Raises ScenarioError.

        Raises AssertionError if the call ends in an error, a loop or a fallback.
        """
        flow = self._scenario_folder.loaded_flows.book.find_answering_flow(
            number if number.startswith("+") else f"+{number}"
        )
        if flow is None:
            raise ScenarioError(f"no flow answers {number}", "callflows numbers lists the answered numbers")
        flow_names = read_flow_names(flow)
        case = _build_case(flow, number, scenario_keys, flow_names)
        transcript = _ring_case(self._scenario_folder, case, self._settings)
        call = RehearsedCall(transcript, flow_names)
        wrong = find_call_failure(transcript, flow.name, case.suppositions.failing_nodes)
        if wrong:
            raise AssertionError(f"{wrong}\n{call}")
        return call


def _build_case(flow: Flow, number: str, scenario_keys: dict[str, Any], flow_names: FlowNames) -> ScenarioCase:
    keys = {("from" if key == "from_" else key): value for key, value in scenario_keys.items() if value is not None}
    report = ProblemReport(flow.file)
    lookups = keys.pop("lookups", {})
    written = validate_shape(Scenario, _convert_to_texts({"name": "a call", "to": number, **keys}), (), report)
    case = build_scenario_case(flow, written, (), report, flow_names) if written is not None else None
    errors = [problem for problem in report.problems if problem.severity == "error"]
    if case is None or errors:
        raise ScenarioError(errors[0].message, errors[0].fix)
    case.lookups.update(lookups)
    return case


def _ring_case(folder: ScenarioFolder, case: ScenarioCase, settings: Settings) -> Transcript:
    """Rehearse the call, in a thread with its own event loop if the caller already runs in one."""
    try:
        book = folder.book_for_case(case)
    except FlowFileError as error:
        raise ScenarioError(error.problems[0].message, error.problems[0].fix) from None

    async def ring_in_loop() -> Transcript:
        async with serve_folder(folder, settings, book) as network:
            return await build_case_rehearsal(case, folder).run(network)

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(ring_in_loop())
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, ring_in_loop()).result()


@lru_cache(maxsize=8)
def _open_phone(folder: Path, _file_signatures: Sequence[tuple[str, int, int]]) -> RehearsalPhone:
    return RehearsalPhone(folder)


def rehearse(folder: str | Path, number: str, **scenario_keys: Any) -> RehearsedCall:  # noqa: ANN401 - as a scenario's keys
    """Ring a number of a folder's flows: ``rehearse("callflows", "+12015550123", keys="1", callee="busy")``.

    The folder is loaded again only if a file has changed. Raises the errors of ``RehearsalPhone``.
    """
    signatures = tuple(map(_read_file_signature, list_flow_files(Path(folder))))
    return _open_phone(Path(folder), signatures).ring(number, **scenario_keys)


def _read_file_signature(file: Path) -> tuple[str, int, int]:
    """Return the name, time and size of a file; zeros for a link that leads nowhere."""
    try:
        found = file.stat()
    except OSError:
        return str(file), 0, 0
    return str(file), found.st_mtime_ns, found.st_size
