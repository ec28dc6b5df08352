"""Everything wrong with flow files and documents, in one pass."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from app.errors import DocumentError, Problem
from app.flows.loader import EXTENSIONS, declared, flow_files, load_files
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
    flows: list[Path] = []
    documents: list[Path] = []
    for path in dict.fromkeys(paths):
        found = [*flow_files(path), *sorted(path.glob("*.xml"))] if path.is_dir() else [path]
        flows += [file for file in found if file.suffix in (".yaml", ".yml")]
        documents += [file for file in found if file.suffix == ".xml"]
        if not path.exists():
            problems.append(Problem(str(path), 1, 1, "error", "no-file", "there is no such file or folder"))
        elif path.is_file() and path.suffix not in (".yaml", ".yml", ".xml"):
            problems.append(
                Problem(str(path), 1, 1, "error", "no-file", "neither a flow file (.yaml) nor a document (.xml)")
            )
    folders = {file.parent for file in [*flows, *documents]}
    extensions = {folder: declared(_declaring(folder, flows_folder)) for folder in folders}
    for _, wrong in extensions.values():
        problems += wrong
    problems += _flows(flows, options, {folder: found for folder, (found, _) in extensions.items()})
    problems += [problem for file in documents for problem in check_document(file, extensions[file.parent][0])]
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
