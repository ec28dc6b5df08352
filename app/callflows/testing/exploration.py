"""Rings flows with random callers and checks the invariants of every call.

Hypothesis generates each caller as a scenario and shrinks a failing one, so the report is a short scenario.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from hypothesis import HealthCheck, Phase, Verbosity, given, seed
from hypothesis import settings as bounds
from hypothesis.errors import Flaky

from callflows.flows.source.positions import ProblemReport
from callflows.rehearsal.scenario_recorder import format_scenario
from callflows.rehearsal.transcript_text import format_transcript
from callflows.testing.flow_names import read_flow_names
from callflows.testing.invariants import CallInvariants
from callflows.testing.random_callers import build_caller_strategy, validate_scenario_data
from callflows.testing.scenario_reader import build_scenario_case, choose_flow_number
from callflows.testing.scenario_runner import build_case_rehearsal, serve_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from callflows.flows.flow import Flow
    from callflows.flows.loader.folder_loader import ProgressCallback
    from callflows.rehearsal.platform_network import PlatformNetwork
    from callflows.rehearsal.transcript import Transcript
    from callflows.settings import Settings
    from callflows.testing.invariants import InvariantViolation
    from callflows.testing.scenario_runner import ScenarioFolder


SHRINK_SECONDS: Final = 20.0
"""Seconds for making a failing scenario shorter."""


class ExplorationFault(NamedTuple):
    """A flow with a violated invariant: the description, and the shortest failing call as a scenario."""

    flow: str
    file: str
    wrong: str
    scenario: str
    transcript: list[str]


class ExplorationResult(NamedTuple):
    """The number of random callers of a flow and the fault found. Without a reachable number, there are no callers."""

    flow: str
    file: str
    caller_count: int
    fault: ExplorationFault | None = None


class RandomCallFailed(Exception):
    """A call violated an invariant."""


def explore_flows(
    folders: Iterable[ScenarioFolder],
    settings: Settings,
    *,
    examples: int,
    seconds: float,
    seed: int,
    on_progress: ProgressCallback | None = None,
) -> list[ExplorationResult]:
    """Ring every flow without errors with random callers, at most ``examples`` for each flow.

    ``seconds`` are for all flows, which share them equally. The same ``seed`` repeats a run.
    """
    right = [
        (folder, flow, _find_reachable_number(folder, flow))
        for folder in folders
        for flow in folder.tested_flows
        if not flow.problems
    ]
    todo = [(folder, flow, number) for folder, flow, number in right if number]
    explored = [ExplorationResult(flow.name, flow.file, 0) for _, flow, number in right if not number]
    for position, (folder, flow, number) in enumerate(todo):
        report_progress = on_progress and partial(_report_progress, on_progress, position * examples, len(todo) * examples)
        with asyncio.Runner() as runner:
            stage = serve_folder(folder, settings)
            network = runner.run(stage.__aenter__())
            try:
                exploring = _FlowExplorer(folder, flow, number, runner, network, report_progress)
                fault = exploring.find_fault(examples, seconds / len(todo), seed)
            finally:
                runner.run(stage.__aexit__(None, None, None))
        explored.append(ExplorationResult(flow.name, flow.file, exploring.caller_count, fault))
        if report_progress is not None:
            report_progress(examples)
    return explored


def _find_reachable_number(folder: ScenarioFolder, flow: Flow) -> str:
    """Return a number answered by the flow; empty if other flows answer all numbers tried, or if only an app answers."""
    if flow.needs.app:
        return ""
    tried = (choose_flow_number(flow), *(f"+120155501{place:02}" for place in range(100)))
    return next((number for number in tried if number and folder.loaded_flows.book.find_answering_flow(number) is flow), "")


def _report_progress(on_progress: ProgressCallback, before: int, total: int, done: int) -> None:
    on_progress(before + done, total)


class _FlowExplorer:
    """Explores one flow."""

    def __init__(
        self,
        folder: ScenarioFolder,
        flow: Flow,
        number: str,
        runner: asyncio.Runner,
        network: PlatformNetwork,
        on_caller: Callable[[int], None] | None,
    ) -> None:
        """``on_caller`` is called with the number of callers so far."""
        self._folder = folder
        self._number = number
        self._on_caller = on_caller
        self._attempt_count = 0
        self.caller_count = 0
        self._flow = flow
        self._runner = runner
        self._network = network
        self._flow_names = read_flow_names(flow)
        self._invariants = CallInvariants(flow, folder.options)
        # Sort key of the length, scenario data, violation and call.
        self._shortest_failure: tuple[tuple[int, ...], dict[str, Any], InvariantViolation, Transcript] | None = None

    def find_fault(self, examples: int, seconds: float, random_seed: int) -> ExplorationFault | None:
        """Ring until a limit is reached; return the shortest failing call."""
        end = time.monotonic() + seconds

        @seed(random_seed)
        @bounds(
            max_examples=examples,
            database=None,
            deadline=None,
            phases=(Phase.generate, Phase.shrink),
            suppress_health_check=[*HealthCheck],
            verbosity=Verbosity.quiet,
            report_multiple_bugs=False,
        )
        @given(build_caller_strategy(self._flow))
        def ring_random_caller(scenario_data: dict[str, Any]) -> None:
            self._attempt_count += 1
            if self._on_caller is not None:
                self._on_caller(min(self._attempt_count, examples))
            if time.monotonic() < (end if self._shortest_failure is None else end + SHRINK_SECONDS):
                self._ring_caller(scenario_data)

        with contextlib.suppress(RandomCallFailed, Flaky):
            ring_random_caller()
        return self._build_fault()

    def _ring_caller(self, scenario_data: dict[str, Any]) -> None:
        """Ring as one caller. Raises RandomCallFailed."""
        self.caller_count += 1
        call = self._rehearse_caller(scenario_data)
        harm = self._invariants.find_violation(call, answers_itself=bool(scenario_data.get("answers_itself")))
        if harm is not None:
            length = (len(scenario_data.get("keys", ())), len(scenario_data), len(call.steps), len(str(scenario_data)))
            if self._shortest_failure is None or length < self._shortest_failure[0]:
                self._shortest_failure = (length, scenario_data, harm, call)
            raise RandomCallFailed(harm.description)

    def _rehearse_caller(self, scenario_data: dict[str, Any]) -> Transcript:
        report = ProblemReport(self._flow.file)
        case = build_scenario_case(
            self._flow, validate_scenario_data({"to": self._number, **scenario_data}), (), report, self._flow_names
        )
        return self._runner.run(build_case_rehearsal(case, self._folder).run(self._network))

    def _build_fault(self) -> ExplorationFault | None:
        if self._shortest_failure is None:
            return None
        _, scenario, harm, call = self._shortest_failure
        shown: dict[str, Any] = {"name": harm.description.partition(":")[0]}
        shown |= {"to": self._number} if choose_flow_number(self._flow) != self._number else {}
        shown |= {key: value for key, value in scenario.items() if key != "name"}
        shown |= {"expect": [*harm.expect]} if harm.expect else {}
        return ExplorationFault(
            self._flow.name, self._flow.file, harm.description, format_scenario(shown), [*format_transcript(call)]
        )
