"""Loads a folder of flow files into a flow book.

An error in a file affects only the file's own flow, and is always reported.
"""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import gc
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias

from callflows.atomic_files import open_plain_file
from callflows.errors import LanguageError, Problem
from callflows.flows.compiler.other_flows import FolderIndex
from callflows.flows.entry_points import FLOW_SUFFIXES
from callflows.flows.flow_book import FlowBook, find_claim_conflicts
from callflows.flows.flow_compilation import FlowCompilation, compile_flow
from callflows.flows.hours.overrides import OVERRIDES_FILE_NAME, OverridableFlow, read_overrides
from callflows.flows.source.positions import DATA_FILE_RULES, ProblemReport
from callflows.flows.source.yaml_source import MAX_FLOW_FILE_BYTES, read_yaml
from callflows.language import Extensions
from callflows.language.verbs import ELEMENT_CLASSES
from callflows.settings import OPERATION_FILE_NAME

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

    from callflows.flows.compiler.compiling_flow import CompilerOptions
    from callflows.flows.flow import Flow
    from callflows.flows.hours.overrides import HoursOverride


ProgressCallback: TypeAlias = "Callable[[int, int], None]"
"""Called with the number of finished files and the total."""
EXTENSIONS_FILE: Final = "extensions.yaml"
"""Declares attributes that Opentact has but its documentation omits."""
_RESERVED_FILES: Final = frozenset({EXTENSIONS_FILE, OPERATION_FILE_NAME, OVERRIDES_FILE_NAME})
_MISNAMED_FLOW_FILE: Final = re.compile(r"(.+?)(\.ya?ml|\.py)(?:\.txt|\.ya?ml)?", re.IGNORECASE)
_MANY_FLOW_FILES: Final = 100
"""More files than this create mostly permanent objects, so that full garbage collections free little."""
_RELAXED_GC_THRESHOLD: Final = 1_000_000
"""Collections of the middle generation before a full collection."""


@dataclasses.dataclass(frozen=True, slots=True)
class LoadedFlows:
    """The result of loading a folder: the book and all problems. A broken flow keeps its numbers and plays its fallback."""

    book: FlowBook
    problems: tuple[Problem, ...]
    stale_flows: Mapping[str, tuple[Problem, ...]] = dataclasses.field(default_factory=dict)
    """Flows with an earlier version live, and why: the file has errors, or claims a number of another flow."""

    @property
    def has_errors(self) -> bool:
        return any(problem.severity == "error" for problem in self.problems)

    @property
    def broken_flows(self) -> list[str]:
        """Names of flows with only their fallback live, then of files too broken for even a fallback."""
        known = [flow.name for flow in self.book.flows.values() if flow.problems]
        wrong = {Path(problem.file) for problem in self.problems if problem.severity == "error"}
        return known + sorted({file.stem for file in wrong if is_flow_file(file)} - self.book.flows.keys())

    @property
    def data_problems(self) -> list[Problem]:
        """Errors of data files beside flows: the flows go on with the data that can be read."""
        return [problem for problem in self.problems if problem.severity == "error" and problem.rule in DATA_FILE_RULES]

    @property
    def claim_conflicts(self) -> list[Problem]:
        """Numbers and names that several files claim: only the first file answers, also after a restart."""
        return [problem for problem in self.problems if problem.rule in ("number-claimed-twice", "name-twice")]

    @property
    def state_counts(self) -> dict[str, int]:
        """Number of flows that are ``live``, ``stale`` (an earlier version is live) and ``broken``."""
        live = sum(not flow.problems for flow in self.book.flows.values()) - len(self.stale_flows)
        return {"live": live, "stale": len(self.stale_flows), "broken": len(self.broken_flows)}


def load_flow_folder(folder: Path, options: CompilerOptions, on_progress: ProgressCallback | None = None) -> LoadedFlows:
    """Load all flow files of a folder, and apply the folder's overrides."""
    try:
        files = sorted({*list_flow_files(folder), *options.drafts})
    except OSError as error:
        return LoadedFlows(FlowBook(), (describe_missing_folder(folder, error),))
    for_all, problems = load_folder_options(folder, options)
    loaded = load_flow_files(files, for_all, problems, on_progress)
    return dataclasses.replace(loaded, problems=(*loaded.problems, *apply_override_files(folder, loaded.book, options)))


def load_folder_options(folder: Path, options: CompilerOptions) -> tuple[CompilerOptions, list[Problem]]:
    """Return the options with the folder's extensions, the problems of ``extensions.yaml``, and the files passed over."""
    extensions, problems = load_extensions(folder)
    return dataclasses.replace(options, extensions=extensions), [*problems, *find_passed_over_files(folder)]


def list_override_files(folder: Path, options: CompilerOptions) -> list[Path]:
    """Return the files with the overrides of a folder: beside the flows, then in the data folder, which wins."""
    beside = folder / OVERRIDES_FILE_NAME
    apart = options.data_folder / OVERRIDES_FILE_NAME if options.data_folder is not None else beside
    # realpath, not resolve: a link that leads to itself is a file that cannot be read, no end of the command
    return [beside] if os.path.realpath(apart) == os.path.realpath(beside) else [beside, apart]


def read_override_file(
    file: Path, options: CompilerOptions, known: Mapping[str, OverridableFlow] | None
) -> tuple[list[HoursOverride], list[Problem]]:
    """Return the overrides of a file, and the problems of the file. Raises OSError.

    The data folder may serve other flows, too: names there are checked only if all flows are known.
    """
    text = read_bounded_file(file) if file.is_file() else b""
    if known is not None and file.parent == options.data_folder:
        named = {override.flow for override in read_overrides(text, ProblemReport(str(file)))}
        known = known if named <= known.keys() else None
    report = ProblemReport(str(file))
    return read_overrides(text, report, known), report.problems


def apply_override_files(folder: Path, book: FlowBook, options: CompilerOptions) -> list[Problem]:
    """Replace the active overrides by those of the files; return the problems of the files.

    If a file cannot be read, the overrides stay unchanged.
    """
    known = {flow.name: OverridableFlow(flow.zone, flow.hours_names) for flow in book.flows.values() if flow.hours_names}
    overrides: list[HoursOverride] = []
    problems: list[Problem] = []
    for file in list_override_files(folder, options):
        try:
            read, wrong = read_override_file(file, options, known)
        except OSError as error:
            return [*problems, *reject_unreadable_file(file, error).problems]
        overrides += read
        problems += wrong
    options.overrides.replace_overrides(overrides)
    return problems


def describe_missing_folder(folder: Path, error: OSError) -> Problem:
    """Return the problem for a folder that is missing or unreadable."""
    missing = isinstance(error, FileNotFoundError | NotADirectoryError)
    message = "there is no such folder" if missing else f"the folder cannot be read: {error.strerror}"
    return Problem(str(folder), 1, 1, "error", "no-folder", message, f"set CALLFLOWS_FLOWS or --flows; {BEGIN_FLOW_FIX}")


def load_flow_files(
    files: Collection[Path],
    options: CompilerOptions,
    problems: Iterable[Problem] = (),
    on_progress: ProgressCallback | None = None,
) -> LoadedFlows:
    """Load flow files into a book. A name or number claimed twice goes to the first flow."""
    by_name: dict[str, list[FlowCompilation]] = {}
    options = dataclasses.replace(options, folder_index=FolderIndex())
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
    """Make full garbage collections rare while many files are compiled. For one load at a time.

    Compiled flows stay in memory, and each full collection would walk through all of them again. Young objects are
    collected as usual.
    """
    before = gc.get_threshold()
    if file_count > _MANY_FLOW_FILES:
        gc.set_threshold(before[0], before[1], _RELAXED_GC_THRESHOLD)
    try:
        yield
    finally:
        gc.set_threshold(*before)


def choose_flow(
    candidates: Iterable[FlowCompilation], current_flow: Flow | None = None, preferred_file: str = ""
) -> tuple[Flow | None, list[Problem]]:
    """Choose between files with the same flow name: the live file, or the first without errors. Return all problems, too.

    ``preferred_file`` is the name of the file that was live before a restart. If no file is valid, or a data file cannot be
    read at all, the current version stays if it is valid; otherwise a broken flow with only its fallback is used, or the
    flow with the data that can be read.
    """
    candidates = list(candidates)
    problems = [problem for one in candidates for problem in one.problems]
    right = [one.flow for one in candidates if one.flow is not None]
    if not right:
        good = current_flow if candidates and current_flow is not None and not current_flow.problems else None
        return good or next((one.broken_flow for one in candidates if one.broken_flow is not None), None), problems
    has_data = current_flow is not None and not current_flow.problems and not current_flow.misses_data
    if has_data and all(flow.misses_data for flow in right):
        return current_flow, problems
    live_file = Path(current_flow.file).name if current_flow is not None else preferred_file
    best = next((flow for flow in right if Path(flow.file).name == live_file), right[0])
    message = f"{best.file} is named so already"
    problems += [
        Problem(flow.file, 1, 1, "error", "name-twice", message, "rename one of the two")
        for flow in right
        if flow is not best
    ]
    return best, problems


def list_flow_files(folder: Path) -> list[Path]:
    """Return the flow files of a folder, sorted by name. Raises OSError if the folder cannot be listed."""
    # What cannot be read counts as a file, so that it is reported: a broken symbolic link, a pipe.
    return sorted(file for file in folder.iterdir() if is_flow_file(file) and not os.path.isdir(file))  # noqa: PTH112 - Path.is_dir may raise


BEGIN_FLOW_FIX: Final = "begin a flow with callflows new NAME --template front-desk"


def find_passed_over_files(folder: Path) -> list[Problem]:
    """Return a warning for each file that looks like a flow file and is not loaded: by its name, or in a folder below."""
    problems: list[Problem] = []
    for entry in _list_entries(folder):
        if entry.name.startswith((".", "_")):
            right_name = _find_name_without_dot(entry)
            if right_name:
                message = "the file is passed over, because its name begins with a dot"
                problems.append(_make_passed_over_problem(entry, message, f"rename it to {right_name}"))
        elif os.path.isdir(entry):  # noqa: PTH112 - Path.is_dir may raise
            if entry.suffix in FLOW_SUFFIXES:
                message = "it is a folder, and no flow is read from it"
                problems.append(_make_passed_over_problem(entry, message, "rename the folder, or put a file in its place"))
            problems += [
                _make_passed_over_problem(file, "no flow is read from a folder below", "move it to the folder above")
                for file in _list_entries(entry)
                if is_flow_file(file)
                and file.suffix != ".py"
                and _claims_numbers(file)
                and not _is_included(file, _list_entries(folder))
            ]
        elif not is_flow_file(entry) and entry.name not in _RESERVED_FILES and os.path.isfile(entry):  # noqa: PTH113 - as above
            match = _MISNAMED_FLOW_FILE.fullmatch(entry.name)
            by_content = f"{entry.stem}.yaml" if not match and _is_flow_by_content(entry) else ""
            right_name = f"{match[1]}{match[2].lower()}" if match else by_content
            if right_name:
                message = "the file is passed over, because its name does not end with .yaml, .yml or .py"
                problems.append(_make_passed_over_problem(entry, message, f"rename it to {right_name}"))
    return problems


def find_flow_folder_below(folder: Path) -> Path | None:
    """Return the nearest folder below that has a flow file with numbers, or None. Looks at a bounded number of folders."""
    level = [folder]
    for _ in range(_MAX_SEARCHED_LEVELS):
        entries = [entry for above in level for entry in _list_entries(above)]
        level = [
            entry
            for entry in entries
            if not entry.name.startswith((".", "_")) and os.path.isdir(entry)  # noqa: PTH112 - Path.is_dir may raise
        ][:_MAX_SEARCHED_FOLDERS]
        for below in level:
            if any(is_flow_file(file) and file.suffix != ".py" and _claims_numbers(file) for file in _list_entries(below)):
                return below
    return None


_MAX_SEARCHED_LEVELS: Final = 3
_MAX_SEARCHED_FOLDERS: Final = 200


def _list_entries(folder: Path) -> list[Path]:
    """Return the files and folders of a folder, sorted; nothing if it cannot be listed."""
    try:
        return sorted(folder.iterdir())
    except OSError:
        return []


def _make_passed_over_problem(file: Path, message: str, fix: str) -> Problem:
    return Problem(str(file), 1, 1, "warning", "passed-over", message, fix)


def _find_name_without_dot(file: Path) -> str:
    """Return the name of a hidden flow file without its dot; "" for any other file, such as an editor's temporary file."""
    is_named_like_flow = _HIDDEN_FLOW_FILE.fullmatch(file.name) is not None
    return file.name.removeprefix(".") if is_named_like_flow and _is_flow_by_content(file) else ""


_HIDDEN_FLOW_FILE: Final = re.compile(r"\.[^\W_].*\.ya?ml")
"""Editors and systems write ``.#acme.yaml``, ``.~acme.yaml`` and ``._acme.yaml``."""
_OTHER_ENDINGS: Final = (
    ".csv",
    ".md",
    ".xml",
    ".j2",
    ".wav",
    ".mp3",
    ".bak",
    ".orig",
    ".old",
    ".rej",
    ".swp",
    ".tmp",
    "~",
    "#",
)
"""Endings of lists, sounds and the like, and of copies that editors keep: no flow is expected there."""
_MAX_SNIFFED_BYTES: Final = 4096


def _is_flow_by_content(file: Path) -> bool:
    """Return True if a file begins as a flow file: with the keys numbers and nodes, in YAML or JSON."""
    if file.name.endswith(_OTHER_ENDINGS):
        return False
    try:
        with open_plain_file(file) as opened:
            beginning = opened.read(_MAX_SNIFFED_BYTES)
    except OSError:
        return False
    return all(re.search(rb"^[ \t{]*\"?%b\"?[ \t]*:" % key, beginning, re.MULTILINE) for key in (b"numbers", b"nodes"))


def _is_included(file: Path, entries: Iterable[Path]) -> bool:
    """Return True if a flow file names the file, so that its mistake is told where it is included."""
    name = f"{file.parent.name}/{file.name}".encode()
    try:
        return any(name in read_bounded_file(entry) for entry in entries if is_flow_file(entry) and entry.is_file())
    except OSError:
        return False


def _claims_numbers(file: Path) -> bool:
    """Return True if a file has numbers, and so is no file that others include; also if it cannot be read."""
    if os.path.isdir(file):  # noqa: PTH112 - Path.is_dir may raise
        return False
    try:
        return re.search(rb"^numbers\b", read_bounded_file(file), re.MULTILINE) is not None
    except OSError:
        return True


def is_flow_file(file: Path) -> bool:
    """Return True if the name is the name of a flow file; the file itself is not read."""
    return file.suffix in FLOW_SUFFIXES and file.name not in _RESERVED_FILES and not file.name.startswith((".", "_"))


def compile_flow_file(file: Path, options: CompilerOptions) -> FlowCompilation:
    """Read and compile a flow file, or the draft of it. An unreadable file is reported as a problem."""
    try:
        text = options.drafts[file] if file in options.drafts else read_bounded_file(file)
    except OSError as error:
        return reject_unreadable_file(file, error)
    return compile_flow(file.stem, text, str(file), options)


def read_bounded_file(file: Path) -> bytes:
    """Return the content, cut one byte above the limit of a flow file so that the limit check fails. Raises OSError."""
    with open_plain_file(file) as opened:
        return opened.read(MAX_FLOW_FILE_BYTES + 1)


def reject_unreadable_file(file: Path, error: OSError) -> FlowCompilation:
    fix = _LINK_FIXES.get(error.errno or 0, "") if file.is_symlink() else ""
    wrong = Problem(str(file), 1, 1, "error", "unreadable", f"the file cannot be read: {error.strerror}", fix)
    return FlowCompilation(None, None, (wrong,))


_LINK_FIXES: Final = {
    errno.ELOOP: "the link leads to itself: put the file in its place",
    errno.ENOENT: "the link leads to a file that is not there: put the file in its place",
}


def load_extensions(folder: Path) -> tuple[Extensions, list[Problem]]:
    """Return the attributes declared in ``extensions.yaml``, and the problems of the file."""
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
    fix = "as Dial: {callerId: text}"
    if not isinstance(data, dict):
        report.error((), "shape", "extensions.yaml is a mapping of elements to attributes and kinds", fix)
        return Extensions(), report.problems
    declarations: dict[str, dict[str, str]] = {}
    for element, kinds in data.items():
        if not isinstance(kinds, dict) or not all(isinstance(kind, str) for kind in kinds.values()):
            report.error((element,), "shape", f"{element}: must be a mapping of attributes and kinds", fix)
            continue
        for attribute, kind in kinds.items():
            try:
                Extensions.from_declarations({element: {attribute: kind}})
                declarations.setdefault(element, {})[attribute] = kind
            except LanguageError as error:
                report.error(
                    (element, attribute) if element in ELEMENT_CLASSES else (element,), "extension", str(error), key=True
                )
    return Extensions.from_declarations(declarations), report.problems
