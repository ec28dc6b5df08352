"""Everything wrong with flow files and documents, in one pass."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from app.errors import DocumentError, Problem
from app.flows.loader import EXTENSIONS, FLOW_SUFFIXES, declared, flow_files, is_flow, load_files
from app.language import from_xml

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from app.flows.compiler import Options
    from app.language import Extensions


def check_paths(paths: Iterable[Path], options: Options, flows_folder: Path | None = None) -> list[Problem]:
    """What is wrong with files and with the folders' files, in order of place.

    Attributes are declared beside a file, or in ``flows_folder``.
    """
    problems: list[Problem] = []
    files: dict[Path, Path] = {}
    for path in paths:
        if not path.exists():
            problems.append(Problem(str(path), 1, 1, "error", "no-file", "there is no such file or folder"))
            continue
        for file in [*flow_files(path), *sorted(path.glob("*.xml"))] if path.is_dir() else [path]:
            files.setdefault(file.resolve(), file)
    neither = "neither a flow file (.yaml) nor a document (.xml)"
    strange = [file for file in files.values() if file.suffix not in (*FLOW_SUFFIXES, ".xml")]
    problems += [Problem(str(file), 1, 1, "error", "no-file", neither) for file in strange]
    folders = {file.parent for file in files.values()}
    found = {folder: declared(_declaring(folder, flows_folder)) for folder in folders}
    problems += dict.fromkeys(problem for _, wrong in found.values() for problem in wrong)
    extensions = {folder: there for folder, (there, _) in found.items()}
    problems += _flows([file for file in files.values() if is_flow(file)], options, extensions)
    for file in files.values():
        if file.suffix == ".xml":
            problems += check_document(file, extensions[file.parent])
    return sorted(problems, key=lambda problem: (problem.file, problem.line, problem.column))


def _declaring(folder: Path, flows_folder: Path | None) -> Path:
    """The folder whose ``extensions.yaml`` holds for a folder's files."""
    return folder if flows_folder is None or (folder / EXTENSIONS).is_file() else flows_folder


def _flows(files: list[Path], options: Options, extensions: dict[Path, Extensions]) -> Iterable[Problem]:
    for folder in dict.fromkeys(file.parent for file in files):
        inside = [file for file in files if file.parent == folder]
        yield from load_files(inside, dataclasses.replace(options, extensions=extensions[folder])).problems


def check_document(file: Path, extensions: Extensions) -> list[Problem]:
    """What is wrong with an XML document: the first thing, as it cannot be read beyond it."""
    try:
        from_xml(file.read_bytes(), extensions=extensions)
    except DocumentError as error:
        return [Problem(str(file), error.line, error.column, "error", "document", error.reason)]
    except OSError as error:
        return [Problem(str(file), 1, 1, "error", "unreadable", f"the file cannot be read: {error.strerror}")]
    return []
