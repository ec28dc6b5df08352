"""A folder of flow files to a book. A broken file takes nothing with it but its own flow, and never in silence."""

from __future__ import annotations

import contextlib
import dataclasses
import gc
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias

from app.errors import LanguageError, Problem
from app.flows.book import FlowBook, clashes
from app.flows.compiler import Compiled, compile_flow
from app.flows.hours.overrides import OVERRIDES, Known, read_overrides
from app.flows.places import Report
from app.flows.yaml_texts import MAX_BYTES, read_yaml
from app.language import Extensions
from app.language.verbs import ELEMENTS

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

    from app.flows.book import Flow
    from app.flows.compiler import Options
    from app.flows.hours.overrides import Overrides

Progress: TypeAlias = "Callable[[int, int], None]"
"""Told how many files are done, and of how many."""
EXTENSIONS: Final = "extensions.yaml"
"""Declares attributes that Opentact has and its documentation lost."""
_NOT_FLOWS: Final = frozenset({EXTENSIONS, OVERRIDES})
FLOW_SUFFIXES: Final = frozenset({".yaml", ".yml", ".py"})

_MANY: Final = 100
"""Files beyond which memory grows more than is ever given back."""
_NEVER: Final = 1_000_000
"""Searches of what is young before one of all."""


@dataclasses.dataclass(frozen=True, slots=True)
class Loaded:
    """What a folder gave: a book of its flows, and what is wrong. Broken ones keep their numbers and say their fallback."""

    book: FlowBook
    problems: tuple[Problem, ...]
    stale: Mapping[str, tuple[Problem, ...]] = dataclasses.field(default_factory=dict)
    """Flows whose last good version goes on, and why: their file is broken, or claims another flow's number."""

    @property
    def broken(self) -> bool:
        """Whether there is an error."""
        return any(problem.severity == "error" for problem in self.problems)

    @property
    def broken_flows(self) -> list[str]:
        """Those of which only the fallback is live, and those of which nothing is: their files cannot be read at all."""
        known = [flow.name for flow in self.book.flows.values() if flow.problems]
        wrong = {Path(problem.file) for problem in self.problems if problem.severity == "error"}
        return known + sorted({file.stem for file in wrong if is_flow(file)} - self.book.flows.keys())

    @property
    def states(self) -> dict[str, int]:
        """How many flows are ``live``, ``stale`` (an earlier version is live) and ``broken``."""
        live = sum(not flow.problems for flow in self.book.flows.values()) - len(self.stale)
        return {"live": live, "stale": len(self.stale), "broken": len(self.broken_flows)}


def load(folder: Path, options: Options, on_progress: Progress | None = None) -> Loaded:
    """All flow files of a folder; ``on_progress`` is told how many files of how many are done."""
    try:
        files = flow_files(folder)
    except OSError as error:
        return Loaded(FlowBook(), (no_folder(folder, error),))
    for_all, problems = for_all_flows(folder, options)
    loaded = load_files(files, for_all, problems, on_progress)
    return dataclasses.replace(loaded, problems=(*loaded.problems, *override(folder, loaded.book, options.overrides)))


def for_all_flows(folder: Path, options: Options) -> tuple[Options, list[Problem]]:
    """Options with what the folder's own files say for all its flows, and what is wrong with those files."""
    extensions, problems = declared(folder)
    return dataclasses.replace(options, extensions=extensions), problems


def override(folder: Path, book: FlowBook, overrides: Overrides) -> list[Problem]:
    """Have the overrides that ``overrides.yaml`` says, from now on; gives what is wrong with it.

    A file that cannot be read changes nothing.
    """
    file = folder / OVERRIDES
    report = Report(str(file))
    try:
        text = read_bounded(file) if file.is_file() else b""
    except OSError as error:
        return [*unreadable(file, error).problems]
    known = {flow.name: Known(flow.zone, flow.hours) for flow in book.flows.values() if flow.hours}
    overrides.change(read_overrides(text, report, known))
    return report.problems


def no_folder(folder: Path, error: OSError) -> Problem:
    """A folder of flows is not there, or cannot be listed."""
    missing = isinstance(error, FileNotFoundError | NotADirectoryError)
    said = "there is no such folder" if missing else f"the folder cannot be read: {error.strerror}"
    return Problem(str(folder), 1, 1, "error", "no-folder", said, "set CALLFLOWS_FLOWS or --flows")


def load_files(
    files: Collection[Path], options: Options, problems: Iterable[Problem] = (), on_progress: Progress | None = None
) -> Loaded:
    """These flow files; names and numbers that are given twice go to the first."""
    by_name: dict[str, list[Compiled]] = {}
    with growing(len(files)):
        for done, file in enumerate(files):
            by_name.setdefault(file.stem, []).append(read_flow(file, options))
            if on_progress is not None:
                on_progress(done + 1, len(files))
    chosen = [choose(compiled) for compiled in by_name.values()]
    flows = sorted((flow for flow, _ in chosen if flow is not None), key=lambda flow: bool(flow.problems))
    found = [*problems, *(problem for _, wrong in chosen for problem in wrong)]
    found += clashes(claim for flow in flows for claim in flow.claims)
    return Loaded(FlowBook(flows), tuple(found))


@contextlib.contextmanager
def growing(files: int) -> Iterator[None]:
    """While that many files are compiled: where they are many, what is old already is not searched for circles again.

    Flows stay; each search would walk through all that were made before. What is young is searched as ever. For one load at
    a time.
    """
    before = gc.get_threshold()
    if files > _MANY:
        gc.set_threshold(before[0], before[1], _NEVER)
    try:
        yield
    finally:
        gc.set_threshold(*before)


def choose(compiled: Iterable[Compiled], served: Flow | None = None) -> tuple[Flow | None, list[Problem]]:
    """Which flow of files with one name serves, and what is wrong with them: the first that is right, if any.

    The file that serves already stays; where none is right any more, the version that was right last.
    """
    compiled = list(compiled)
    problems = [problem for one in compiled for problem in one.problems]
    right = [one.flow for one in compiled if one.flow is not None]
    if not right:
        good = served if compiled and served is not None and not served.problems else None
        return good or next((one.broken for one in compiled if one.broken is not None), None), problems
    best = next((flow for flow in right if served is not None and flow.file == served.file), right[0])
    said = f"{best.file} is named so already"
    problems += [
        Problem(flow.file, 1, 1, "error", "name-twice", said, "rename one of the two") for flow in right if flow is not best
    ]
    return best, problems


def flow_files(folder: Path) -> list[Path]:
    """The flow files of a folder, in the order of their names. Raises OSError where it cannot be listed."""
    return sorted(file for file in folder.iterdir() if is_flow(file) and (file.is_file() or not file.exists()))


def is_flow(file: Path) -> bool:
    """Whether a file is a flow file by its name."""
    return file.suffix in FLOW_SUFFIXES and file.name not in _NOT_FLOWS and not file.name.startswith((".", "_"))


def read_flow(file: Path, options: Options) -> Compiled:
    """A flow file, read and compiled; that it cannot be read is a problem like any other."""
    try:
        text = read_bounded(file)
    except OSError as error:
        return unreadable(file, error)
    return compile_flow(file.stem, text, str(file), options)


def read_bounded(file: Path) -> bytes:
    """What stands in a file, or one byte more of it than a flow file may have. Raises OSError."""
    with file.open("rb") as opened:
        return opened.read(MAX_BYTES + 1)


def unreadable(file: Path, error: OSError) -> Compiled:
    """A flow file that cannot be read."""
    wrong = Problem(str(file), 1, 1, "error", "unreadable", f"the file cannot be read: {error.strerror}")
    return Compiled(None, None, (wrong,))


def declared(folder: Path) -> tuple[Extensions, list[Problem]]:
    """The attributes that ``extensions.yaml`` declares, and what is wrong with it."""
    file = folder / EXTENSIONS
    report = Report(str(file))
    if not file.is_file():
        return Extensions(), []
    try:
        data = read_yaml(read_bounded(file), report)
    except OSError as error:
        return Extensions(), list(unreadable(file, error).problems)
    if data is None:
        return Extensions(), report.problems
    mend = "as Dial: {callerId: text}"
    if not isinstance(data, dict):
        report.error((), "shape", "extensions.yaml is a mapping of elements to attributes and kinds", mend)
        return Extensions(), report.problems
    made: dict[str, dict[str, str]] = {}
    for element, kinds in data.items():
        if not isinstance(kinds, dict) or not all(isinstance(kind, str) for kind in kinds.values()):
            report.error((element,), "shape", f"{element}: must be a mapping of attributes and kinds", mend)
            continue
        for attribute, kind in kinds.items():
            try:
                Extensions.declare({element: {attribute: kind}})
                made.setdefault(element, {})[attribute] = kind
            except LanguageError as error:
                report.error((element, attribute) if element in ELEMENTS else (element,), "extension", str(error), key=True)
    return Extensions.declare(made), report.problems
