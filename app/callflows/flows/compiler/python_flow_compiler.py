"""Compiles a Python flow. The nodes run in a worker process when a call arrives."""

from __future__ import annotations

import contextlib
import re
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from callflows.flows.compiler.answer_insertion import AnswerInserter
from callflows.flows.compiler.fragments import DOCUMENT_EPILOGUE, DOCUMENT_PROLOGUE
from callflows.flows.compiler.program_check import find_program_problems
from callflows.flows.compiler.silent_texts import SilentTextRemover
from callflows.flows.compiler.target_guard import TargetGuard, find_texts_in_program
from callflows.flows.compiler.ticket_links import carry_all_fields
from callflows.flows.compiler.xml_templates import disarm_document_urls
from callflows.flows.coverage_points import NODE_ENTERED_POINT, CoveragePoint
from callflows.flows.entry_points import START_NODE, NodeEntry, hash_flow_version
from callflows.flows.flow import Flow, render_apology
from callflows.flows.flow_needs import FlowNeeds
from callflows.flows.python_flow import PythonNodeJob, describe_python_flow
from callflows.flows.source.flow_file import read_number_claims
from callflows.flows.source.positions import ProblemReport, SourcePosition
from callflows.flows.source.time_zones import find_timezone
from callflows.flows.tickets import make_ticket_state
from callflows.sandbox.deferred_jobs import get_job_result
from callflows.telephony.phone_numbers import parse_e164

if TYPE_CHECKING:
    from collections.abc import Mapping

    from callflows.flows.compiler.compiling_flow import CompilerOptions
    from callflows.language import Dialect
    from callflows.telephony.turn import Turn


_URL_TOKEN: Final = re.compile("ticket-[0-9a-f]{32}")
_UNANSWERED_MARK: Final = "unanswered-"
"""Stands before the token of a URL that a call requests while its line is not answered."""
_MARKED_URL_TOKEN: Final = re.compile(f"(?:{_UNANSWERED_MARK})?{_URL_TOKEN.pattern}")


def compile_python_flow(
    name: str, text: bytes, file: Path, report: ProblemReport, options: CompilerOptions, dependencies: set[Path]
) -> Flow | None:
    """Compile a Python file to a Flow. Reports an error and returns None for an invalid file.

    The modules beside the file that it imports are added to ``dependencies``.
    """
    from callflows.flows.dial_policy.target_policy import read_dial_policy  # noqa: PLC0415 - heavy

    try:
        source = text.decode("utf-8-sig")
    except UnicodeDecodeError:
        report.error((), "python", "the file is not UTF-8", "save it as UTF-8")
        return None
    description = describe_python_flow(file, source, options.extensions)
    modules = [file.parent / Path(module).relative_to(file.parent.absolute()) for module in description.get("modules", ())]
    dependencies.update(modules)
    if "error" in description:
        report.positions[()] = SourcePosition(description["line"], 1)
        report.has_transient_error = description.get("is_transient") is True
        report.error((), "python", description["error"], _suggest_program_fix(description["error"]))
        return None
    if description["name"] != name:
        report.error((), "python", f"the flow is named {description['name']!r}, and its file {name!r}", "name both alike")
    if START_NODE not in description["nodes"]:
        report.error((), "no-start", f"no node is named {START_NODE!r}", "every flow begins at start")
    for problem in find_program_problems(source, str(file), description["nodes"]):
        if problem.severity != "note":
            report.problems.append(problem)
        elif all(problem.message != note.message for note in report.notes):
            report.notes.append(problem)
    version = hash_flow_version(text, (options.dialect, options.extensions.kinds), *map(_read_module, modules))
    dialect: Dialect = options.suppositions.dialect or description["dialect"] or options.dialect
    numbers = tuple(read_number_claims([*description["numbers"]], report))
    policy_report = ProblemReport(str(file))
    policy = read_dial_policy(
        description["dial_policy"], (), policy_report, [claim.number for claim in numbers], options.dial_regions
    )
    for problem in policy_report.problems:
        (report.error if problem.severity == "error" else report.warning)(
            (), problem.rule, f"dial_policy: {problem.message}", problem.fix
        )
    claimed = {claim.number for claim in numbers}  # written out to be answered, not to be dialed
    literal_texts = {text: line for text, line in find_texts_in_program(source).items() if parse_e164(text) not in claimed}
    guard = TargetGuard(policy, literal_texts, None, dialect, options.extensions)
    answers = AnswerInserter(dialect, options.extensions)
    program = _PythonFlowRunner(name, str(file), source, version, description["timezone"], dialect, options, guard, answers)
    own_content = _unwrap_content(description["fallback"])
    own_fallback = own_content and _wrap_content(answers.answer_in_content(own_content))
    fallback = own_fallback.encode() or render_apology(options.apology, dialect)
    return Flow(
        name=name,
        file=str(file),
        version=version,
        dialect=dialect,
        zone=find_timezone(description["timezone"], (), report),
        claims=numbers,
        fragments_by_node={
            node: {
                NodeEntry(line_answered=answered): (partial(program.render_document, node, line_answered=answered),)
                for answered in (False, True)
            }
            for node in description["nodes"]
        },
        fallback=fallback,
        silent_text_remover=SilentTextRemover(_unwrap_content(fallback.decode())),
        needs=FlowNeeds(worker=True),
        coverage_points=tuple(
            CoveragePoint(node, line, 1, NODE_ENTERED_POINT) for node, line in description["nodes"].items()
        ),
    )


def _read_module(file: Path) -> bytes:
    with contextlib.suppress(OSError):  # deleted in this moment: the watcher compiles the flow again
        return file.read_bytes()
    return b""


def _suggest_program_fix(error: str) -> str:
    if "makes 0 flows" in error:
        return "begin the file's name with _ if other programs import it"
    if error.startswith("ModuleNotFoundError"):
        return "install it for this Python, or put its file beside this one: _texts.py for import _texts"
    return "run it with python to see more"


class _PythonFlowRunner(NamedTuple):
    """Runs the nodes of a Python flow for a turn."""

    name: str
    file: str
    source: str
    version: str
    zone: str
    dialect: Dialect
    options: CompilerOptions
    guard: TargetGuard
    answers: AnswerInserter

    def render_document(self, node: str, turn: Turn, *, line_answered: bool) -> str:
        """Return the content of a node's Response. Raises NeedsResult if the node has not run yet."""
        step = PythonNodeJob(
            file=self.file,
            source=self.source,
            version=self.version,
            node=node,
            dialect=self.dialect,
            extensions=self.options.extensions,
            request_fields=dict(turn.request_fields),
            values=dict(turn.values),
            base_url=turn.base_url,
            auto_answer=turn.auto_answer,
            timestamp=turn.timestamp,
            zone=self.zone,
        )
        result = get_job_result(turn, step)
        content = _unwrap_content(result["document"])
        if not line_answered and self.answers.is_needed(turn):
            content = self.answers.answer_in_content(content, partial(_URL_TOKEN.sub, _mark_as_unanswered))
        content = _sign_urls(self.name, content, result["links"], self.version, turn, self.options)
        return self.guard.guard_document(content, turn, node)


def _mark_as_unanswered(token: re.Match[str]) -> str:
    return f"{_UNANSWERED_MARK}{token[0]}"


def _unwrap_content(document: str) -> str:
    """Return the content of the Response of a document."""
    if not document.endswith(DOCUMENT_EPILOGUE):
        return ""
    return document.removeprefix(DOCUMENT_PROLOGUE).removesuffix(DOCUMENT_EPILOGUE)


def _wrap_content(content: str) -> str:
    return f"{DOCUMENT_PROLOGUE}{content}{DOCUMENT_EPILOGUE}"


def _sign_urls(
    flow_name: str,
    content: str,
    links: Mapping[str, tuple[str, dict[str, Any]]],
    version: str,
    turn: Turn,
    options: CompilerOptions,
) -> str:
    """Return the content of a Python flow's document with signed URLs."""
    carried = carry_all_fields(turn)

    def make_ticket(token: re.Match[str]) -> str:
        name = token[0].removeprefix(_UNANSWERED_MARK)
        if name not in links:
            return token[0]
        node, values = links[name]
        state = make_ticket_state(version, NodeEntry(line_answered=name == token[0]))
        return options.signer.make_ticket_factory(f"{flow_name}/{node}", state)(carried, values)

    return disarm_document_urls(_MARKED_URL_TOKEN.sub(make_ticket, content))
