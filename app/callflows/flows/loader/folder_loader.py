"""A folder of flow files to a book. A broken file takes nothing with it but its own flow, and never in silence."""

from __future__ import annotations

import contextlib
import dataclasses
import gc
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias

from callflows.errors import LanguageError, Problem
from callflows.flows.compiler.flow_compiler import FlowCompilation, compile_flow
from callflows.flows.flow_book import FlowBook, find_claim_conflicts
from callflows.flows.hours.overrides import OVERRIDES_FILE_NAME, OverridableFlow, read_overrides
from callflows.flows.source.positions import ProblemReport
from callflows.flows.source.yaml_source import MAX_FLOW_FILE_BYTES, read_yaml
from callflows.language import Extensions
from callflows.language.verbs import ELEMENT_CLASSES

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

    from callflows.flows.compiler.flow_compiler import CompilerOptions
    from callflows.flows.flow import Flow
    from callflows.flows.hours.overrides import ActiveOverrides


ProgressCallback: TypeAlias = "Callable[[int, int], None]"
"""Told how many files are done, and of how many."""


EXTENSIONS_FILE: Final = "extensions.yaml"
"""Declares attributes that Opentact has and its documentation lost."""


_RESERVED_FILES: Final = frozenset({EXTENSIONS_FILE, OVERRIDES_FILE_NAME})


FLOW_SUFFIXES: Final = frozenset({".yaml", ".yml", ".py"})


_MANY_FLOW_FILES: Final = 100
"""Files beyond which memory grows more than is ever given back."""


_RELAXED_GC_THRESHOLD: Final = 1_000_000
"""Searches of what is young before one of all."""


@dataclasses.dataclass(frozen=True, slots=True)
class LoadedFlows:
    """What a folder gave: a book of its flows, and what is wrong. Broken ones keep their numbers and say their fallback."""

    book: FlowBook
    problems: tuple[Problem, ...]
    stale_flows: Mapping[str, tuple[Problem, ...]] = dataclasses.field(default_factory=dict)
    """Flows whose last good version goes on, and why: their file is broken, or claims another flow's number."""

    @property
    def has_errors(self) -> bool:
        """Whether there is an error."""
        return any(problem.severity == "error" for problem in self.problems)

    @property
    def broken_flows(self) -> list[str]:
        """Those of which only the fallback is live, and those of which nothing is: their files cannot be read at all."""
        known = [flow.name for flow in self.book.flows.values() if flow.problems]
        wrong = {Path(problem.file) for problem in self.problems if problem.severity == "error"}
        return known + sorted({file.stem for file in wrong if is_flow_file(file)} - self.book.flows.keys())

    @property
    def state_counts(self) -> dict[str, int]:
        """How many flows are ``live``, ``stale`` (an earlier version is live) and ``broken``."""
        live = sum(not flow.problems for flow in self.book.flows.values()) - len(self.stale_flows)
        return {"live": live, "stale": len(self.stale_flows), "broken": len(self.broken_flows)}


def load_flow_folder(folder: Path, options: CompilerOptions, on_progress: ProgressCallback | None = None) -> LoadedFlows:
    """All flow files of a folder; ``on_progress`` is told how many files of how many are done."""
    try:
        files = list_flow_files(folder)
    except OSError as error:
        return LoadedFlows(FlowBook(), (describe_missing_folder(folder, error),))
    for_all, problems = load_folder_options(folder, options)
    loaded = load_flow_files(files, for_all, problems, on_progress)
    return dataclasses.replace(
        loaded, problems=(*loaded.problems, *apply_override_file(folder, loaded.book, options.overrides))
    )


def load_folder_options(folder: Path, options: CompilerOptions) -> tuple[CompilerOptions, list[Problem]]:
    """Options with what the folder's own files say for all its flows, and what is wrong with those files."""
    extensions, problems = load_extensions(folder)
    return dataclasses.replace(options, extensions=extensions), problems


def apply_override_file(folder: Path, book: FlowBook, overrides: ActiveOverrides) -> list[Problem]:
    """Have the overrides that ``overrides.yaml`` says, from now on; gives what is wrong with it.

    A file that cannot be read changes nothing.
    """
    file = folder / OVERRIDES_FILE_NAME
    report = ProblemReport(str(file))
    try:
        text = read_bounded_file(file) if file.is_file() else b""
    except OSError as error:
        return [*reject_unreadable_file(file, error).problems]
    known = {flow.name: OverridableFlow(flow.zone, flow.hours_names) for flow in book.flows.values() if flow.hours_names}
    overrides.replace_overrides(read_overrides(text, report, known))
    return report.problems


def describe_missing_folder(folder: Path, error: OSError) -> Problem:
    """A folder of flows is not there, or cannot be listed."""
    missing = isinstance(error, FileNotFoundError | NotADirectoryError)
    said = "there is no such folder" if missing else f"the folder cannot be read: {error.strerror}"
    return Problem(str(folder), 1, 1, "error", "no-folder", said, "set CALLFLOWS_FLOWS or --flows")


def load_flow_files(
    files: Collection[Path],
    options: CompilerOptions,
    problems: Iterable[Problem] = (),
    on_progress: ProgressCallback | None = None,
) -> LoadedFlows:
    """These flow files; names and numbers that are given twice go to the first."""
    by_name: dict[str, list[FlowCompilation]] = {}
    with relax_garbage_collection(len(files)):
        for done, file in enumerate(files):
            by_name.setdefault(file.stem, []).append(compile_flow_file(file, options))
            if on_progress is not None:
                on_progress(done + 1, len(files))
    chosen = [choose_flow(compiled) for compiled in by_name.values()]
    flows = sorted((flow for flow, _ in chosen if flow is not None), key=lambda flow: bool(flow.problems))
    found = [*problems, *(problem for _, wrong in chosen for problem in wrong)]
    found += find_claim_conflicts(claim for flow in flows for claim in flow.claims)
    return LoadedFlows(FlowBook(flows), tuple(found))


@contextlib.contextmanager
def relax_garbage_collection(file_count: int) -> Iterator[None]:
    """While that many files are compiled: where they are many, what is old already is not searched for circles again.

    Flows stay; each search would walk through all that were made before. What is young is searched as ever. For one load at
    a time.
    """
    before = gc.get_threshold()
    if file_count > _MANY_FLOW_FILES:
        gc.set_threshold(before[0], before[1], _RELAXED_GC_THRESHOLD)
    try:
        yield
    finally:
        gc.set_threshold(*before)


def choose_flow(
    candidates: Iterable[FlowCompilation], current_flow: Flow | None = None
) -> tuple[Flow | None, list[Problem]]:
    """Which flow of files with one name serves, and what is wrong with them: the first that is right, if any.

    The file that serves already stays; where none is right any more, the version that was right last.
    """
    candidates = list(candidates)
    problems = [problem for one in candidates for problem in one.problems]
    right = [one.flow for one in candidates if one.flow is not None]
    if not right:
        good = current_flow if candidates and current_flow is not None and not current_flow.problems else None
        return good or next((one.broken_flow for one in candidates if one.broken_flow is not None), None), problems
    best = next((flow for flow in right if current_flow is not None and flow.file == current_flow.file), right[0])
    said = f"{best.file} is named so already"
    problems += [
        Problem(flow.file, 1, 1, "error", "name-twice", said, "rename one of the two") for flow in right if flow is not best
    ]
    return best, problems


def list_flow_files(folder: Path) -> list[Path]:
    """The flow files of a folder, in the order of their names. Raises OSError where it cannot be listed."""
    return sorted(file for file in folder.iterdir() if is_flow_file(file) and (file.is_file() or not file.exists()))


def is_flow_file(file: Path) -> bool:
    """Whether a file is a flow file by its name."""
    return file.suffix in FLOW_SUFFIXES and file.name not in _RESERVED_FILES and not file.name.startswith((".", "_"))


def compile_flow_file(file: Path, options: CompilerOptions) -> FlowCompilation:
    """A flow file, read and compiled; that it cannot be read is a problem like any other."""
    try:
        text = read_bounded_file(file)
    except OSError as error:
        return reject_unreadable_file(file, error)
    return compile_flow(file.stem, text, str(file), options)


def read_bounded_file(file: Path) -> bytes:
    """What stands in a file, or one byte more of it than a flow file may have. Raises OSError."""
    with file.open("rb") as opened:
        return opened.read(MAX_FLOW_FILE_BYTES + 1)


def reject_unreadable_file(file: Path, error: OSError) -> FlowCompilation:
    """A flow file that cannot be read."""
    wrong = Problem(str(file), 1, 1, "error", "unreadable", f"the file cannot be read: {error.strerror}")
    return FlowCompilation(None, None, (wrong,))


def load_extensions(folder: Path) -> tuple[Extensions, list[Problem]]:
    """The attributes that ``extensions.yaml`` declares, and what is wrong with it."""
    file = folder / EXTENSIONS_FILE
    report = ProblemReport(str(file))
    if not file.is_file():
        return Extensions(), []
    try:
        data = read_yaml(read_bounded_file(file), report)
    except OSError as error:
        return Extensions(), list(reject_unreadable_file(file, error).problems)
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
                Extensions.from_declarations({element: {attribute: kind}})
                made.setdefault(element, {})[attribute] = kind
            except LanguageError as error:
                report.error(
                    (element, attribute) if element in ELEMENT_CLASSES else (element,), "extension", str(error), key=True
                )
    return Extensions.from_declarations(made), report.problems
