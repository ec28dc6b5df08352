"""Scenarios run: folders loaded once, calls rung side by side, and what became of each."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Final

from app.errors import FlowError, Problem
from app.flows.book import FlowBook
from app.flows.loader import Loaded, flow_files, for_all_flows, is_flow, load_files, read_flow
from app.flows.supposed import NOTHING, SupposedToBreak
from app.rehearsal.asking import Web
from app.server import rehearsing
from app.testing.scenarios import cases_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Sequence

    from app.flows.book import Flow
    from app.flows.compiler import Options
    from app.flows.loader import Progress
    from app.flows.supposed import Supposed
    from app.rehearsal.asking import Network
    from app.rehearsal.rehearsing import Rehearsal
    from app.rehearsal.transcript import Transcript
    from app.settings import Settings
    from app.testing.expecting import Missed
    from app.testing.scenarios import Case

AT_ONCE: Final = 50
"""Calls that are rehearsed side by side in one process."""


@dataclasses.dataclass(frozen=True, slots=True)
class Folder:
    """The flows of a folder, loaded to be tested; ``chosen`` are those that are."""

    loaded: Loaded
    options: Options
    chosen: tuple[Flow, ...]
    cases: tuple[Case, ...]
    problems: tuple[Problem, ...]
    """What is wrong with the chosen files, scenarios included."""
    books: dict[tuple[str, Supposed], FlowBook] = dataclasses.field(default_factory=dict, repr=False)
    """Its book where something is supposed of a flow, made when it is first asked for."""

    @property
    def errors(self) -> list[Problem]:
        """What must be mended before their tests say anything."""
        return [problem for problem in self.problems if problem.severity == "error"]

    def book(self, case: Case) -> FlowBook:
        """The flows, with what a scenario supposes of its own. Raises FlowError where that cannot be."""
        if case.supposed == NOTHING:
            return self.loaded.book
        key = (case.flow, case.supposed)
        if key not in self.books:
            self.books[key] = self.loaded.book.changed({case.flow: case.supposed.breaking(self._supposed(case))})
        return self.books[key]

    def _supposed(self, case: Case) -> Flow:
        """The flow of a scenario, compiled anew where it is to be another."""
        if dataclasses.replace(case.supposed, breaks=()) == NOTHING:
            return self.loaded.book.flows[case.flow]
        made = read_flow(Path(case.file), dataclasses.replace(self.options, supposed=case.supposed))
        if made.flow is None:
            raise FlowError([problem for problem in made.problems if problem.severity == "error"])
        return made.flow


@dataclasses.dataclass(frozen=True, slots=True)
class Ran:
    """A scenario that was run. It passed where ``wrong`` says nothing and nothing was ``missed``."""

    case: Case
    call: Transcript
    wrong: str
    missed: Missed | None
    left: tuple[str, ...]
    """What the caller was to do and did not get to do."""

    @property
    def passed(self) -> bool:
        """Whether the call was as expected."""
        return not self.wrong and self.missed is None


def folders_of(paths: Iterable[Path], options: Options, on_progress: Progress | None = None) -> list[Folder]:
    """Flow files, and folders of them, loaded folder by folder: other files there keep their numbers.

    Overrides are left out: tests do not change because somebody closed the office today. Raises OSError where a folder
    cannot be listed.
    """
    chosen: dict[Path, set[Path] | None] = {}
    strange = []
    for path in paths:
        if path.is_dir():
            chosen[path] = None
        elif not (path.is_file() and is_flow(path)):
            strange.append(_strange(path))
        elif (files := chosen.setdefault(path.parent, set())) is not None:
            files.add(path.resolve())
    folders = [_folder(folder, files, options, on_progress) for folder, files in chosen.items()]
    nothing = Folder(Loaded(FlowBook(), ()), options, (), (), tuple(strange))
    return [*folders, nothing] if strange else folders


def _folder(folder: Path, chosen: set[Path] | None, options: Options, on_progress: Progress | None) -> Folder:
    for_all, problems = for_all_flows(folder, dataclasses.replace(options, annotated=True))
    loaded = load_files(flow_files(folder), for_all, problems, on_progress)
    flows = tuple(flow for flow in loaded.book.flows.values() if chosen is None or Path(flow.file).resolve() in chosen)
    found = [problem for problem in loaded.problems if chosen is None or Path(problem.file).resolve() in chosen]
    cases: list[Case] = []
    for flow in flows:
        of_flow, wrong = cases_of(flow)
        found += wrong
        cases += of_flow if not flow.problems else []
    made = Folder(loaded, for_all, flows, (), ())
    possible = [case for case in cases if _possible(case, made, found)]
    return dataclasses.replace(made, cases=tuple(possible), problems=tuple(found))


def _possible(case: Case, folder: Folder, problems: list[Problem]) -> bool:
    """Whether the flow can be what a scenario supposes; why not is said."""
    try:
        folder.book(case)
    except FlowError as error:
        first = error.problems[0]
        said = f"the flow cannot be so, as line {first.line} says: {first.message}"
        problems.append(Problem(case.file, case.line, case.column, "error", "test-supposed", said, first.mend))
        return False
    return True


def _strange(path: Path) -> Problem:
    said = "there is no such file or folder" if not path.exists() else "it is no flow file (.yaml, .py)"
    return Problem(str(path), 1, 1, "error", "no-file", said)


@contextlib.asynccontextmanager
async def on_stage(folder: Folder, settings: Settings, book: FlowBook | None = None) -> AsyncIterator[Network]:
    """The folder's flows, to be rung; or those of another ``book`` of it."""
    async with rehearsing(settings, book or folder.loaded.book, folder.options.signer) as app, Web(app) as web:
        yield web


def ringing(case: Case, folder: Folder) -> Rehearsal:
    """A scenario's call, put together."""
    rehearsal = case.rehearsal()
    rehearsal.extensions = folder.options.extensions
    return rehearsal


async def run(folder: Folder, cases: Iterable[Case], settings: Settings, on_progress: Progress | None = None) -> list[Ran]:
    """Run scenarios; the results are in their order."""
    cases = [*cases]
    gate = asyncio.Semaphore(AT_ONCE)
    done = 0

    async def one(case: Case, network: Network) -> Ran:
        nonlocal done
        async with gate:
            ran = await _ran(case, folder, network)
        done += 1
        if on_progress is not None:
            on_progress(done, len(cases))
        return ran

    books: dict[int, tuple[FlowBook, list[Case]]] = {}
    for case in cases:
        book = folder.book(case)
        books.setdefault(id(book), (book, []))[1].append(case)
    results: dict[int, Ran] = {}
    for book, of_book in books.values():
        async with on_stage(folder, settings, book) as network:
            for ran in await asyncio.gather(*(one(case, network) for case in of_book)):
                results[id(ran.case)] = ran
    return [results[id(case)] for case in cases]


async def _ran(case: Case, folder: Folder, network: Network) -> Ran:
    rehearsal = ringing(case, folder)
    call = await rehearsal.ring(network)
    left = tuple(str(act) for act in getattr(rehearsal.caller, "left", ())) if not case.texts else ()
    return Ran(case, call, wrong_with(call, case.flow, case.supposed.breaks), case.expected.missed(call), left)


_BROKE: Final = f"fallback: {SupposedToBreak.__name__}:"


def wrong_with(call: Transcript, flow: str, breaks: Sequence[str] = ()) -> str:
    """What no call may come to, whatever is expected; nothing where it did not. ``breaks``: it is to come to a fallback."""
    if call.outcome == "texted" and not call.flow:
        return f"no flow took the text: {call.requests[-1].error}"
    if call.flow != flow:
        return f"the call was answered by {call.flow!r}" if call.flow else "no flow answered the call"
    fallen = [asked for asked in call.requests if asked.outcome not in ("", "answered")]
    fell = next((asked for asked in fallen if not (breaks and asked.error.startswith(_BROKE))), None)
    if breaks and not fallen:
        return f"nothing broke: no document of {' or '.join(breaks)} was asked for (inside another none breaks)"
    if fell is not None:
        what = "the text could not be taken:" if call.outcome == "texted" else "the caller got the"
        return f"{what} {fell.error}"
    if call.outcome in ("error", "loop"):
        return f"{'it went wrong' if call.outcome == 'error' else 'it never ends'}: {call.error}"
    return ""
