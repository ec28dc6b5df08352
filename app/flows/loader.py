"""A folder of flow files to a book. A broken file takes nothing with it but its own flow, and never in silence."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Final

from app.errors import LanguageError, Problem
from app.flows.book import FlowBook, clashes
from app.flows.compiler import Compiled, compile_flow
from app.flows.files import Report, read_yaml
from app.language import Extensions

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from app.flows.book import Flow
    from app.flows.compiler import Options

EXTENSIONS: Final = "extensions.yaml"
"""Declares attributes that Opentact has and its documentation lost."""
_NOT_FLOWS: Final = frozenset({EXTENSIONS, "overrides.yaml"})
FLOW_SUFFIXES: Final = frozenset({".yaml", ".yml"})


@dataclasses.dataclass(frozen=True, slots=True)
class Loaded:
    """What a folder gave: a book of its flows, and what is wrong. Broken ones keep their numbers and say their fallback."""

    book: FlowBook
    problems: tuple[Problem, ...]

    @property
    def broken(self) -> bool:
        """Whether there is an error."""
        return any(problem.severity == "error" for problem in self.problems)


def load(folder: Path, options: Options) -> Loaded:
    """All flow files of a folder."""
    if not folder.is_dir():
        missing = Problem(
            str(folder), 1, 1, "error", "no-folder", "there is no such folder", "set CALLFLOWS_FLOWS or --flows"
        )
        return Loaded(FlowBook(), (missing,))
    extensions, problems = declared(folder)
    return load_files(flow_files(folder), dataclasses.replace(options, extensions=extensions), problems)


def load_files(files: Iterable[Path], options: Options, problems: Iterable[Problem] = ()) -> Loaded:
    """These flow files; names and numbers that are given twice go to the first."""
    found = list(problems)
    right: dict[str, Flow] = {}
    broken: dict[str, Flow] = {}
    for file in files:
        flow, half, problems_of, _ = _read(file, options)
        found += problems_of
        if half is not None:
            broken.setdefault(half.name, half)
        elif flow is not None and flow.name in right:
            said = f"{right[flow.name].file} is named so already"
            found.append(Problem(str(file), 1, 1, "error", "name-twice", said, "rename one of the two"))
        elif flow is not None:
            right[flow.name] = flow
    flows = [*right.values(), *(flow for name, flow in broken.items() if name not in right)]
    found += clashes(claim for flow in flows for claim in flow.claims)
    return Loaded(FlowBook(flows), tuple(found))


def flow_files(folder: Path) -> list[Path]:
    """The flow files of a folder, in the order of their names."""
    return sorted(file for file in folder.iterdir() if is_flow(file) and file.is_file())


def is_flow(file: Path) -> bool:
    """Whether a file is a flow file by its name."""
    return file.suffix in FLOW_SUFFIXES and file.name not in _NOT_FLOWS and not file.name.startswith(".")


def _read(file: Path, options: Options) -> Compiled:
    try:
        text = file.read_bytes()
    except OSError as error:
        wrong = Problem(str(file), 1, 1, "error", "unreadable", f"the file cannot be read: {error.strerror}")
        return Compiled(None, None, (wrong,))
    return compile_flow(file.stem, text, str(file), options)


def declared(folder: Path) -> tuple[Extensions, list[Problem]]:
    """The attributes that ``extensions.yaml`` declares, and what is wrong with it."""
    file = folder / EXTENSIONS
    report = Report(str(file))
    if not file.is_file():
        return Extensions(), []
    data = read_yaml(file.read_bytes(), report)
    if data is not None and not (
        isinstance(data, dict)
        and all(
            isinstance(kinds, dict) and all(isinstance(kind, str) for kind in kinds.values()) for kinds in data.values()
        )
    ):
        report.error(
            (), "shape", "extensions.yaml is a mapping of elements to attributes and kinds", "as Dial: {callerId: text}"
        )
    if data is None or report.broken:
        return Extensions(), report.problems
    extensions = Extensions()
    for element, kinds in data.items():
        try:
            extensions = Extensions({**extensions.kinds, **Extensions.declare({element: kinds}).kinds})
        except LanguageError as error:
            report.error((element,), "extension", str(error), key=True)
    return extensions, report.problems
