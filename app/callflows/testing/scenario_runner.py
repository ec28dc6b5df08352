"""Runs scenarios: loads each folder once, rehearses the calls concurrently, and compares them with their expectations."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from callflows.atomic_files import resolve_links
from callflows.errors import FlowFileError, Problem, sort_problems
from callflows.flows.entry_points import find_root_node
from callflows.flows.flow_book import FlowBook
from callflows.flows.flow_compilation import compile_flow
from callflows.flows.loader.folder_loader import (
    LoadedFlows,
    is_flow_file,
    list_flow_files,
    load_flow_files,
    load_folder_options,
)
from callflows.flows.suppositions import NO_SUPPOSITIONS
from callflows.rehearsal.platform_network import HttpNetwork
from callflows.rehearsal_engine import open_rehearsal_engine
from callflows.telephony.events import ANSWERED_BY_FLOW
from callflows.testing.scenario_reader import read_scenario_cases

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Sequence

    from callflows.flows.compiler.compiling_flow import CompilerOptions
    from callflows.flows.flow import Flow
    from callflows.flows.loader.folder_loader import ProgressCallback
    from callflows.flows.suppositions import Suppositions
    from callflows.rehearsal.platform_network import PlatformNetwork
    from callflows.rehearsal.rehearsed_call import Rehearsal
    from callflows.rehearsal.transcript import Transcript
    from callflows.settings import Settings
    from callflows.telephony.turn import Turn
    from callflows.testing.expectations import ExpectationMismatch
    from callflows.testing.scenario_reader import ScenarioCase


MAX_CONCURRENT_SCENARIOS: Final = 50
"""Concurrent rehearsals in one process."""


@dataclasses.dataclass(frozen=True, slots=True)
class ScenarioFolder:
    """A loaded folder. ``tested_flows`` are the flows to test; the others only keep their numbers."""

    loaded_flows: LoadedFlows
    options: CompilerOptions
    tested_flows: tuple[Flow, ...]
    cases: tuple[ScenarioCase, ...]
    problems: tuple[Problem, ...]
    """Problems of the tested files and their scenarios."""
    supposed_books: dict[tuple[str, Suppositions], FlowBook] = dataclasses.field(default_factory=dict, repr=False)
    """Books with changed flows by flow name and suppositions, built on first use."""

    @property
    def errors(self) -> list[Problem]:
        """Errors to fix before the scenarios can run."""
        return [problem for problem in self.problems if problem.severity == "error"]

    def book_for_case(self, case: ScenarioCase) -> FlowBook:
        """Return the flows with the suppositions of a scenario. Raises FlowFileError if they cannot be applied."""
        return self.suppose(case.flow, case.suppositions)

    def suppose(self, flow_name: str, suppositions: Suppositions) -> FlowBook:
        """Return the flows with suppositions about one of them. Raises FlowFileError if they cannot be applied."""
        if suppositions == NO_SUPPOSITIONS:
            return self.loaded_flows.book
        key = (flow_name, suppositions)
        if key not in self.supposed_books:
            flow = self._compile_supposed_flow(self.loaded_flows.book.flows[flow_name], suppositions)
            self.supposed_books[key] = self.loaded_flows.book.with_flows(
                {flow_name: make_nodes_fail(flow, suppositions.failing_nodes)}
            )
        return self.supposed_books[key]

    def _compile_supposed_flow(self, flow: Flow, suppositions: Suppositions) -> Flow:
        """Return a flow, compiled again unless only failing nodes are supposed."""
        if dataclasses.replace(suppositions, failing_nodes=()) == NO_SUPPOSITIONS:
            return flow
        options = dataclasses.replace(self.options, suppositions=suppositions)
        compiled = compile_flow(flow.name, flow.source, flow.file, options)
        if compiled.flow is None:
            raise FlowFileError([problem for problem in compiled.problems if problem.severity == "error"])
        return compiled.flow


@dataclasses.dataclass(frozen=True, slots=True)
class ScenarioResult:
    """The result of a scenario: passed if ``failure`` is empty and ``mismatch`` is None."""

    case: ScenarioCase
    transcript: Transcript
    failure: str
    mismatch: ExpectationMismatch | None
    remaining_acts: tuple[str, ...]
    """Scripted actions left when the call ended."""

    @property
    def has_passed(self) -> bool:
        return not self.failure and self.mismatch is None


def load_scenario_folders(
    paths: Iterable[Path],
    options: CompilerOptions,
    on_progress: ProgressCallback | None = None,
    draft: Path | None = None,
) -> list[ScenarioFolder]:
    """Load the folders of these files and folders. Other files of a folder are loaded, too, because they claim numbers.

    If ``draft`` is given, only the flow of this name is tested, with the text in ``options.drafts``.
    Overrides are not applied: today's closed office must not change a test. Raises OSError if a folder cannot be
    listed.
    """
    chosen: dict[Path, set[Path] | None] = {}
    strange = []
    for path in paths:
        if path.is_dir():
            chosen[path] = {resolve_links(path / draft.name)} if draft is not None else None
        elif not (os.path.lexists(path) and is_flow_file(path)):
            strange.append(_describe_wrong_path(path))
        elif (files := chosen.setdefault(path.parent, set())) is not None:
            files.add(resolve_links(path))
    folders = [_load_scenario_folder(folder, files, options, on_progress) for folder, files in chosen.items()]
    nothing = ScenarioFolder(LoadedFlows(FlowBook(), ()), options, (), (), tuple(strange))
    return [*folders, nothing] if strange else folders


def _load_scenario_folder(
    folder: Path, tested_files: set[Path] | None, options: CompilerOptions, on_progress: ProgressCallback | None
) -> ScenarioFolder:
    for_all, problems = load_folder_options(folder, dataclasses.replace(options, records_coverage=True))
    loaded = load_flow_files(sorted({*list_flow_files(folder), *options.drafts}), for_all, problems, on_progress)
    flows = tuple(
        flow
        for flow in loaded.book.flows.values()
        if tested_files is None or resolve_links(Path(flow.file)) in tested_files
    )
    folder_problems = [
        problem for problem in loaded.problems if tested_files is None or resolve_links(Path(problem.file)) in tested_files
    ]
    cases: list[ScenarioCase] = []
    for flow in flows:
        of_flow, wrong = read_scenario_cases(flow)
        folder_problems += wrong
        cases += of_flow if not flow.problems else []
    scenario_folder = ScenarioFolder(loaded, for_all, flows, (), ())
    possible = [case for case in cases if _is_possible_case(case, scenario_folder, folder_problems)]
    return dataclasses.replace(scenario_folder, cases=tuple(possible), problems=tuple(sort_problems(folder_problems)))


def _is_possible_case(case: ScenarioCase, folder: ScenarioFolder, problems: list[Problem]) -> bool:
    """Return True if a scenario's suppositions can be applied; report the reason if not."""
    try:
        folder.book_for_case(case)
    except FlowFileError as error:
        first = error.problems[0]
        message = f"the flow has an error under the suppositions of the scenario, in line {first.line}: {first.message}"
        problems.append(Problem(case.file, case.line, case.column, "error", "test-supposed", message, first.fix))
        return False
    return True


def _describe_wrong_path(path: Path) -> Problem:
    description = "there is no such file or folder" if not os.path.lexists(path) else "it is not a flow file (.yaml, .py)"
    return Problem(str(path), 1, 1, "error", "no-file", description)


@contextlib.asynccontextmanager
async def serve_folder(
    folder: ScenarioFolder, settings: Settings, book: FlowBook | None = None
) -> AsyncIterator[PlatformNetwork]:
    """Serve the folder's flows, or another ``book``, for rehearsals."""
    async with (
        open_rehearsal_engine(settings, book or folder.loaded_flows.book, folder.options.signer) as app,
        HttpNetwork(app) as web,
    ):
        yield web


def build_case_rehearsal(case: ScenarioCase, folder: ScenarioFolder) -> Rehearsal:
    rehearsal = case.build_rehearsal()
    rehearsal.extensions = folder.options.extensions
    return rehearsal


async def run_scenarios(
    folder: ScenarioFolder, cases: Iterable[ScenarioCase], settings: Settings, on_progress: ProgressCallback | None = None
) -> list[ScenarioResult]:
    """Run scenarios and return the results in the same order."""
    cases = [*cases]
    gate = asyncio.Semaphore(MAX_CONCURRENT_SCENARIOS)
    finished_count = 0

    async def run_when_free(case: ScenarioCase, network: PlatformNetwork) -> ScenarioResult:
        nonlocal finished_count
        async with gate:
            ran = await _run_case(case, folder, network)
        finished_count += 1
        if on_progress is not None:
            on_progress(finished_count, len(cases))
        return ran

    books: dict[int, tuple[FlowBook, list[ScenarioCase]]] = {}
    for case in cases:
        book = folder.book_for_case(case)
        books.setdefault(id(book), (book, []))[1].append(case)
    results: dict[int, ScenarioResult] = {}
    for book, of_book in books.values():
        async with serve_folder(folder, settings, book) as network:
            for ran in await asyncio.gather(*(run_when_free(case, network) for case in of_book)):
                results[id(ran.case)] = ran
    return [results[id(case)] for case in cases]


async def _run_case(case: ScenarioCase, folder: ScenarioFolder, network: PlatformNetwork) -> ScenarioResult:
    rehearsal = build_case_rehearsal(case, folder)
    call = await rehearsal.run(network)
    left = tuple(str(act) for act in getattr(rehearsal.caller, "remaining_actions", ())) if not case.texts else ()
    return ScenarioResult(
        case,
        call,
        find_call_failure(call, case.flow, case.suppositions.failing_nodes),
        case.expectations.find_mismatch(call),
        left,
    )


class SimulatedNodeFailure(Exception):
    """A node fails because the scenario says so."""


def make_nodes_fail(flow: Flow, failing_nodes: Sequence[str]) -> Flow:
    """Return a flow with failing nodes. A call that requests such a node gets the engine's answer to a failure."""
    if not failing_nodes:
        return flow
    fragments_by_node = {
        node: dict.fromkeys(entries, (_fail_node,)) if find_root_node(node) in failing_nodes else entries
        for node, entries in flow.fragments_by_node.items()
    }
    return dataclasses.replace(flow, fragments_by_node=fragments_by_node, _prepared_fragments={})


def _fail_node(_turn: Turn) -> str:
    raise SimulatedNodeFailure("the scenario says that it breaks")


_SUPPOSED_FAILURE_PREFIX: Final = f"fallback: {SimulatedNodeFailure.__name__}:"


def find_call_failure(transcript: Transcript, flow: str, breaking_nodes: Sequence[str] = ()) -> str:
    """Return why a call fails regardless of its expectations; empty if it does not.

    With ``breaking_nodes``, the simulated failure of a node must happen, and its fallback is no failure of the call.
    """
    if transcript.outcome == "texted" and not transcript.flow:
        return f"no flow handled the text message: {transcript.requests[-1].error}"
    if transcript.flow != flow:
        return f"the call was answered by {transcript.flow!r}" if transcript.flow else "no flow answered the call"
    fallen = [asked for asked in transcript.requests if asked.outcome not in ("", ANSWERED_BY_FLOW)]
    fell = next(
        (asked for asked in fallen if not (breaking_nodes and asked.error.startswith(_SUPPOSED_FAILURE_PREFIX))), None
    )
    if breaking_nodes and not fallen:
        nodes = " or ".join(breaking_nodes)
        return f"breaks: the call never requested a document of {nodes} (a node inside another document cannot break)"
    if fell is not None:
        what = "the text message was not handled:" if transcript.outcome == "texted" else "the caller got the"
        return f"{what} {fell.error}"
    if transcript.outcome in ("error", "loop"):
        return f"{'the call failed' if transcript.outcome == 'error' else 'the call never ends'}: {transcript.error}"
    return ""
