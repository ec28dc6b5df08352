"""Exports a flow as one static document that Opentact can store, or reports the exact reasons against the export."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from callflows.atomic_files import open_plain_file
from callflows.errors import FlowFileError, Problem
from callflows.flows.compiler.flow_compiler import FlowCompiler
from callflows.flows.compiler.fragments import (
    DOCUMENT_EPILOGUE,
    DOCUMENT_PROLOGUE,
    all_fragments_constant,
    join_constant_fragments,
    merge_adjacent_texts,
)
from callflows.flows.entry_points import START_NODE, NodeEntry
from callflows.flows.flow_compilation import build_checked_flow, read_flow
from callflows.flows.source.positions import ProblemReport
from callflows.flows.source.yaml_source import MAX_FLOW_FILE_BYTES

if TYPE_CHECKING:
    from pathlib import Path

    from callflows.flows.compiler.compiling_flow import CompilerOptions


def compile_static_document(file: Path, options: CompilerOptions) -> bytes:
    """Return the document of a file's start node.

    Raises FlowFileError with the reasons if the document depends on a call.
    """
    report = ProblemReport(str(file))
    if file.suffix == ".py":
        raise FlowFileError([_make_not_static_problem(report, (), "the flow is a program, which is run for each call")])
    try:
        with open_plain_file(file) as opened:
            text = opened.read(MAX_FLOW_FILE_BYTES + 1)
    except OSError as error:
        message = f"the file cannot be read: {error.strerror}"
        raise FlowFileError([Problem(str(file), 1, 1, "error", "unreadable", message)]) from None
    flow = read_flow(file.stem, text, report, dataclasses.replace(options, standalone=True))
    if flow is None:
        raise FlowFileError(report.problems)
    compiler = FlowCompiler(flow)
    build_checked_flow(compiler)
    if flow.flow_file.template:
        reason = _make_not_static_problem(report, ("template",), "the flow is a template, which is rendered for each call")
        raise FlowFileError([*_select_errors(report), reason])
    if flow.flow_file.document_origin:
        reason = _make_not_static_problem(report, ("twiml",), "another server answers each turn of a call")
        raise FlowFileError([*_select_errors(report), reason])
    return _render_static_document(compiler, report)


def _render_static_document(compiler: FlowCompiler, report: ProblemReport) -> bytes:
    document = compiler.compile_node(START_NODE, NodeEntry())
    pieces = merge_adjacent_texts(document.fragments)
    if not report.breaks_flow and all_fragments_constant(pieces):
        return f"{DOCUMENT_PROLOGUE}{join_constant_fragments(pieces)}{DOCUMENT_EPILOGUE}".encode()
    # With those of the documents to which a call goes on, and with the errors: one run names all that stands in the way.
    found = {**document.dynamic_reasons}
    for other in compiler.list_documents():
        found = {**other.dynamic_reasons, **found}
    reasons: dict[tuple[str, int, str], Problem] = {}  # a step that is compiled into several documents has one reason
    for path, why in found.items():
        problem = _make_not_static_problem(report, path, why)
        reasons.setdefault((problem.file, problem.line, why), problem)
    problems = [*_select_errors(report), *reasons.values()]
    raise FlowFileError(sorted(problems, key=lambda problem: (problem.line, problem.column)))


def _select_errors(report: ProblemReport) -> list[Problem]:
    return [problem for problem in report.problems if problem.severity == "error"]


def _make_not_static_problem(report: ProblemReport, path: tuple[str | int, ...], reason: str) -> Problem:
    place = report.get_position(path)
    fix = "a static document has nothing but what is the same for every call"
    return Problem(report.file, place.line, place.column, "error", "not-static", reason, fix)
