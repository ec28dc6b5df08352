"""Checks flow files, override files and XML documents in one pass."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias

from callflows.atomic_files import open_plain_file, resolve_links
from callflows.errors import Problem, sort_problems
from callflows.flows.checks.cross_flow_checks import check_across_flows
from callflows.flows.compiler.unreached_elements import find_unreached_elements
from callflows.flows.entry_points import FLOW_SUFFIXES
from callflows.flows.hours.overrides import OVERRIDES_FILE_NAME, OverridableFlow
from callflows.flows.loader.folder_loader import (
    BEGIN_FLOW_FIX,
    EXTENSIONS_FILE,
    find_flow_folder_below,
    find_passed_over_files,
    is_flow_file,
    list_flow_files,
    list_override_files,
    load_extensions,
    load_flow_files,
    load_flow_folder,
    read_bounded_file,
    read_override_file,
    reject_unreadable_file,
)
from callflows.flows.loader.related_flow_files import find_related_files
from callflows.flows.loader.template_samples import find_template_value_problems
from callflows.flows.twiml.twiml_recognition import TWIML_MESSAGE, is_twiml
from callflows.language import find_document_errors, find_element_positions, from_xml
from callflows.language.attribute_doubts import find_document_doubts
from callflows.settings import OPERATION_FILE_NAME

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from callflows.flows.compiler.compiling_flow import CompilerOptions
    from callflows.flows.flow import Flow
    from callflows.flows.flow_book import FlowBook
    from callflows.flows.loader.folder_loader import ProgressCallback
    from callflows.language import Extensions

    ExtraFlowCheck: TypeAlias = Callable[[Flow], Iterable[Problem]]


def check_paths(
    paths: Iterable[Path],
    options: CompilerOptions,
    flows_folder: Path | None = None,
    on_progress: ProgressCallback | None = None,
    extra_check: ExtraFlowCheck | None = None,
) -> list[Problem]:
    """Return the problems of files and of all files in folders, ordered by position.

    A file in a flows folder is checked together with its siblings, whose own problems are not returned. Custom
    attributes are declared beside a file, or in ``flows_folder``. ``on_progress`` is called with the number of
    finished flow files and the total. A folder's overrides are checked with all flows of the folder. ``extra_check``
    returns further problems of a flow.
    """
    problems: list[Problem] = []
    listed_paths = [*paths]
    files: dict[Path, Path] = {}
    for path in listed_paths:
        if not os.path.lexists(path):
            fix = f"see --flows; {BEGIN_FLOW_FIX}" if path == flows_folder else ""
            problems.append(Problem(str(path), 1, 1, "error", "no-file", "there is no such file or folder", fix))
            continue
        if path.name == OPERATION_FILE_NAME:  # checked by the command: it belongs to the client
            continue
        inside = [*list_flow_files(path), *sorted(path.glob("*.xml"))] if _is_folder(path) else [path]
        for file in inside:
            files.setdefault(resolve_links(file), file)
    if not files and not problems and not all(path.name == OPERATION_FILE_NAME for path in listed_paths):
        problems += [_describe_empty_folder(path, flows_folder) for path in listed_paths if _is_folder(path)]
    problems += _list_passed_over_files(listed_paths, flows_folder)
    problems += [_reject_other_file(file) for file in files.values() if file.suffix not in (*FLOW_SUFFIXES, ".xml")]
    problems += _list_misnamed_files(listed_paths)
    folders = {file.parent for file in files.values()}
    found = {folder: load_extensions(_find_extensions_folder(folder, flows_folder)) for folder in folders}
    problems += dict.fromkeys(problem for _, wrong in found.values() for problem in wrong)
    extensions = {folder: there for folder, (there, _) in found.items()}
    flows = [file for file in files.values() if is_flow_file(file)]
    books: dict[Path, FlowBook] = {}
    problems += _check_flow_files(flows, options, extensions, on_progress, books, flows_folder)
    problems += _run_extra_check(books.values(), flows, extra_check) if extra_check is not None else ()
    for folder in dict.fromkeys(path if _is_folder(path) else path.parent for path in listed_paths if _has_overrides(path)):
        problems += check_override_files(folder, options, books.get(folder) if folder in listed_paths else None)
    for file in files.values():
        if file.suffix == ".xml":
            problems += check_document_file(file, extensions[file.parent])
    return sort_problems(problems)


def _is_folder(path: Path) -> bool:
    return os.path.isdir(path)  # noqa: PTH112 - Path.is_dir may raise


def _describe_empty_folder(folder: Path, flows_folder: Path | None) -> Problem:
    below = find_flow_folder_below(folder) if folder != flows_folder else None
    command = f"callflows check {shlex.quote(str(below))}"
    fix = f"the flow files are in a folder below: {command}" if below is not None else BEGIN_FLOW_FIX
    return Problem(str(folder), 1, 1, "warning", "no-file", "there is no flow file to check", fix)


def _has_overrides(path: Path) -> bool:
    return path.name == OVERRIDES_FILE_NAME or _is_folder(path)


def _list_passed_over_files(paths: Iterable[Path], flows_folder: Path | None) -> Iterable[Problem]:
    """Return the problems of files that no command reads; those in the flows folder once, with that folder.

    Files below a folder without flow files are not in the wrong place: another folder is that of the flows.
    """
    own_folder = resolve_links(flows_folder) if flows_folder is not None else None
    problems: list[Problem] = []
    for folder in filter(_is_folder, paths):
        found = find_passed_over_files(folder)
        if resolve_links(folder) != own_folder:
            has_flows = bool(list_flow_files(folder))
            found = [
                one for one in found if Path(one.file).parent == folder or (has_flows and not _is_below(one, own_folder))
            ]
        problems += found
    return problems


def _list_misnamed_files(paths: Iterable[Path]) -> list[Problem]:
    """Return a warning for each named flow file that no command would read with its folder."""
    message = "the file is passed over, because its name begins with {}"
    return [
        Problem(str(path), 1, 1, "warning", "passed-over", message.format(word), f"rename it to {path.name.lstrip('._')}")
        for path in dict.fromkeys(paths)
        for word in [{".": "a dot", "_": "an underscore"}.get(path.name[:1])]
        if word and path.suffix in FLOW_SUFFIXES and os.path.lexists(path) and not _is_folder(path)
    ]


def _is_below(problem: Problem, folder: Path | None) -> bool:
    inside = resolve_links(Path(problem.file).parent)  # of the folder, not of the file: that may be a link elsewhere
    return folder in (inside, *inside.parents)


def _run_extra_check(books: Iterable[FlowBook], files: Iterable[Path], extra_check: ExtraFlowCheck) -> Iterable[Problem]:
    named = {*map(str, files)}
    flows = [flow for book in books for flow in book.flows.values() if flow.file in named]
    return [problem for flow in flows for problem in extra_check(flow)]


def _find_extensions_folder(folder: Path, flows_folder: Path | None) -> Path:
    """Return the folder of the ``extensions.yaml`` valid for the files of a folder."""
    return folder if flows_folder is None or (folder / EXTENSIONS_FILE).is_file() else flows_folder


def _check_flow_files(
    files: list[Path],
    options: CompilerOptions,
    extensions: dict[Path, Extensions],
    on_progress: ProgressCallback | None,
    books: dict[Path, FlowBook],
    flows_folder: Path | None,
) -> Iterable[Problem]:
    """Return the problems of flow files, folder by folder; stores the flow book of each folder in ``books``.

    The other files of a flows folder are read as far as they are related, and only their problems with the files are
    returned.
    """
    by_folder: dict[Path, list[Path]] = {}
    for file in files:
        by_folder.setdefault(file.parent, []).append(file)
    siblings = {
        folder: find_related_files(inside, folder) if _is_flows_folder(folder, flows_folder) else []
        for folder, inside in by_folder.items()
    }
    before, total = 0, len(files) + sum(map(len, siblings.values()))
    for folder, inside in by_folder.items():
        report_file = on_progress and functools.partial(_report_progress, on_progress, before, total)
        of_folder = dataclasses.replace(options, extensions=extensions[folder])
        related = siblings[folder]
        loaded = load_flow_files(sorted([*inside, *related]) if related else inside, of_folder, on_progress=report_file)
        books[folder] = loaded.book
        found = [*loaded.problems, *check_across_flows(loaded.book)]
        if related:
            alone, apart = ({*_load_problems(part, of_folder)} for part in (inside, related))
            found = [problem for problem in found if problem in alone or problem not in apart]
        named = {*map(str, inside)}
        flows = [flow for flow in loaded.book.flows.values() if flow.file in named]
        yield from found
        yield from find_template_value_problems(flows, of_folder.extensions, loaded.problems)
        yield from (note for flow in flows for note in flow.notes)
        before += len(inside) + len(related)


def _load_problems(files: list[Path], options: CompilerOptions) -> list[Problem]:
    loaded = load_flow_files(files, options)
    return [*loaded.problems, *check_across_flows(loaded.book)]


def _is_flows_folder(folder: Path, flows_folder: Path | None) -> bool:
    """Return True for the folder of the settings, and for a folder of its name elsewhere.

    Any other folder may have flows that are not served together.
    """
    if flows_folder is None:
        return False
    place, own_place = resolve_links(folder), resolve_links(flows_folder)
    return place == own_place or place.name == own_place.name


def _report_progress(on_progress: ProgressCallback, earlier_files: int, total: int, done: int, _of: int) -> None:
    on_progress(earlier_files + done, total)


def check_override_files(folder: Path, options: CompilerOptions, book: FlowBook | None = None) -> list[Problem]:
    """Return the problems of a folder's overrides.

    Names of flows and hours are checked only if every flow of the folder can be read. ``book`` is the flow book of the
    folder, if already loaded.
    """
    files = [file for file in list_override_files(folder, options) if file.is_file()]
    if not files:
        return []
    names = {flow.stem for flow in list_flow_files(folder)}
    flows = (load_flow_folder(folder, options).book if book is None else book).flows
    known = {name: OverridableFlow(flow.zone, flow.hours_names) for name, flow in flows.items()}
    problems: list[Problem] = []
    for file in files:
        try:
            problems += read_override_file(file, options, known if names == known.keys() else None)[1]
        except OSError as error:
            problems += reject_unreadable_file(file, error).problems
    return problems


def check_document_file(file: Path, extensions: Extensions) -> list[Problem]:
    """Return the errors of an XML document, or the doubts about a correct one."""
    try:
        document = read_bounded_file(file)
    except OSError as error:
        return [Problem(str(file), 1, 1, "error", "unreadable", f"the file cannot be read: {error.strerror}")]
    errors = find_document_errors(document, extensions=extensions)
    if errors and is_twiml(document):
        return [
            Problem(str(file), 1, 1, "error", "document", TWIML_MESSAGE, _suggest_import(file)),
            *(Problem(str(file), error.line, error.column, "error", "document", error.reason) for error in errors),
        ]
    if errors:
        return [Problem(str(file), error.line, error.column, "error", "document", error.reason) for error in errors]
    places = find_element_positions(document)
    doubts = [
        Problem(str(file), *places.get(path, (1, 1)), doubt.severity, doubt.rule, f"{path}: {doubt.message}", doubt.fix)
        for path, doubt in find_document_doubts(from_xml(document, extensions=extensions))
    ]
    doubts += find_unreached_elements(document.decode("utf-8", "replace"), str(file), (1, 1))
    if any(problem.message.endswith("very short") for problem in doubts):
        message = "its times look like seconds: this may be TwiML, the XML of Twilio"
        doubts.insert(0, Problem(str(file), 1, 1, "warning", "document", message, _suggest_import(file)))
    return doubts


def _reject_other_file(file: Path) -> Problem:
    """Return the problem of a file whose name is neither of a flow file nor of a document."""
    with contextlib.suppress(OSError), open_plain_file(file) as opened:
        document = opened.read(_MAX_SNIFFED_BYTES)
        if file.suffix != _TEMPLATE_SUFFIX and b"<Response" in document and is_twiml(document):
            return Problem(str(file), 1, 1, "error", "document", TWIML_MESSAGE, _suggest_import(file))
    neither = "neither a flow file (.yaml, .py) nor a document (.xml)"
    fixes = {
        _TEMPLATE_SUFFIX: "a template is checked with the flow file that names it",
        ".json": f"callflows import {file} makes a flow file of another platform's flow",
    }
    fix = fixes.get(file.suffix, "")
    return Problem(str(file), 1, 1, "error", "no-file", neither, fix)


_MAX_SNIFFED_BYTES: Final = 65536
_TEMPLATE_SUFFIX: Final = ".j2"


def _suggest_import(file: Path) -> str:
    return f"callflows import {file} makes a flow file of it; callflows new begins one by hand"
