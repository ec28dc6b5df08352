"""From the text of a flow file to a checked Flow: reads the file, compiles the nodes, and checks the whole flow."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from callflows.errors import CallerListAwaitedError, CompileTimeExceededError
from callflows.flows.checks.flow_checks import check_flow, check_flow_graph
from callflows.flows.compiler.compiling_flow import CompilingFlow
from callflows.flows.compiler.flow_compiler import FlowCompiler
from callflows.flows.compiler.other_flows import FolderIndex, OtherFlows
from callflows.flows.compiler.python_flow_compiler import compile_python_flow
from callflows.flows.entry_points import hash_flow_version
from callflows.flows.source.compile_time_limit import COMPILE_SECONDS, COMPILE_TIME_LIMIT
from callflows.flows.source.flow_file import FLOW_AND_NODE_NAME_PATTERN, read_flow_file
from callflows.flows.source.included_files import end_last_line, split_stored_source
from callflows.flows.source.positions import UNREADABLE_DATA_RULES, ProblemReport
from callflows.flows.steps.stored_names import find_nodes_using_digits, find_stored_names, read_received_names
from callflows.text import limit_comparisons

if TYPE_CHECKING:
    from callflows.errors import Problem
    from callflows.flows.compiler.compiling_flow import CompilerOptions
    from callflows.flows.flow import Flow


class FlowCompilation(NamedTuple):
    """Result of compiling a flow file: a flow, or a broken flow with only the numbers and the fallback."""

    flow: Flow | None
    broken_flow: Flow | None
    problems: tuple[Problem, ...]
    dependencies: tuple[Path, ...] = ()
    """Other files that the flow was made of."""
    awaited_list: str = ""
    """File of a caller list that a thread still reads; then there is no flow yet, and it must be compiled again later."""
    has_transient_error: bool = False
    """True if the machine may be the cause of an error, as a busy one is: then the file is worth another try."""


_MAX_COMPARISONS: Final = 50_000
"""Comparisons of a file's words with known ones, for suggestions; more would take seconds."""


def compile_flow(name: str, text: bytes, file: str, options: CompilerOptions) -> FlowCompilation:
    """Compile a flow file. Never raises: an internal defect becomes a problem of this file and of no other."""
    report = ProblemReport(file)
    dependencies: set[Path] = set()
    try:
        try:
            COMPILE_TIME_LIMIT.start(COMPILE_SECONDS)
            with limit_comparisons(_MAX_COMPARISONS):
                flow = _compile_file(name, text, report, options, dependencies)
        finally:
            COMPILE_TIME_LIMIT.cancel()
    except CompileTimeExceededError:
        COMPILE_TIME_LIMIT.cancel()  # it may have come at the last moment, before the limit was cancelled
        flow = None
        message = f"the file was given up: reading it takes more than {COMPILE_SECONDS:g} s"
        report.error((), "too-slow", message, "make several flows of it, and take out what is repeated by aliases")
    except CallerListAwaitedError as error:
        return FlowCompilation(None, None, (), awaited_list=str(error))
    except Exception as error:  # noqa: BLE001 - other flows must not fall with this one
        flow = None
        report.error((), "defect", f"the file could not be compiled: {type(error).__name__}: {error}", "please report it")
    problems = tuple(report.problems)
    flow = dataclasses.replace(flow, source=text) if flow is not None else None
    if flow is not None and any(problem.rule in UNREADABLE_DATA_RULES for problem in problems):
        flow = dataclasses.replace(flow, misses_data=True)
    if flow is not None and report.notes:
        flow = dataclasses.replace(flow, notes=tuple(report.notes))
    if flow is None or not report.breaks_flow:
        return FlowCompilation(
            flow, None, problems, (*sorted(dependencies),), has_transient_error=report.has_transient_error
        )
    errors = tuple(problem for problem in problems if problem.severity == "error")
    return FlowCompilation(
        None,
        dataclasses.replace(flow, fragments_by_node={}, problems=errors, message_rules=None, ended_calls=None),
        problems,
        (*sorted(dependencies),),
    )


def _compile_file(
    name: str, text: bytes, report: ProblemReport, options: CompilerOptions, dependencies: set[Path]
) -> Flow | None:
    file = Path(report.file)
    if file.suffix == ".py":
        return compile_python_flow(name, text, file, report, options, dependencies)
    compiling_flow = read_flow(name, text, report, options, dependencies)
    return build_checked_flow(FlowCompiler(compiling_flow)) if compiling_flow is not None else None


def build_checked_flow(compiler: FlowCompiler) -> Flow:
    """Compile the nodes of a flow, then check the flow as a whole."""
    flow = compiler.build_flow()
    check_flow_graph(compiler.flow)
    check_flow(compiler.flow)
    return flow


def read_flow(
    name: str, text: bytes, report: ProblemReport, options: CompilerOptions, dependencies: set[Path] | None = None
) -> CompilingFlow | None:
    """Read a YAML flow file. Returns None, with errors in ``report``, if the file cannot be read."""
    if not FLOW_AND_NODE_NAME_PATTERN.fullmatch(name):
        report.error((), "file-name", f"{name!r} cannot be a flow's name", "use letters, digits, - and _")
    flow_file = read_flow_file(text, report)
    if flow_file is None:
        return None
    if dependencies is not None:
        dependencies.update(flow_file.included_files)
    made_for = (options.dialect, options.apology, options.extensions.kinds, options.standalone)
    # A stored source with its included files is the same version.
    own_text = end_last_line(split_stored_source(text)[0]) if flow_file.included_files else text
    version = hash_flow_version(own_text, made_for)
    for content in flow_file.included_files.values():
        version = hash_flow_version(version, end_last_line(content))
    stored = find_stored_names(flow_file.nodes, read_received_names(flow_file.receives, report))
    files = set() if dependencies is None else dependencies
    return CompilingFlow(
        name,
        version,
        flow_file,
        stored,
        report,
        options,
        files,
        OtherFlows(Path(report.file).parent, name, files, find_nodes_using_digits, options.folder_index or FolderIndex()),
        find_nodes_using_digits(flow_file.nodes) if b"digits" in text or flow_file.included_files else frozenset(),
    )
