"""Renders XML templates for sample calls, so that ``check`` finds what is wrong only for certain values.

All templates of a folder are rendered in one process, which cannot hang the check.
"""

from __future__ import annotations

import json
import math
import pickle
import re
import resource
import signal
import subprocess
import sys
import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from callflows.errors import CallflowsError, DialectError, DocumentReadError, Problem
from callflows.flows.audible_verbs import CONDITIONAL_VERBS, breaks_silence, covers_every_call
from callflows.flows.compiler.fragments import DOCUMENT_EPILOGUE, DOCUMENT_PROLOGUE
from callflows.flows.compiler.silent_texts import EMPTY_SAY_PATTERN
from callflows.flows.compiler.xml_templates import TEMPLATE_URL_NAME
from callflows.flows.entry_points import START_NODE
from callflows.language import Callback, Gather, Hangup, Response, from_xml
from callflows.language.attribute_doubts import find_document_doubts
from callflows.language.element import walk_elements
from callflows.sandbox.deferred_jobs import NeedsResult
from callflows.sandbox.sandbox_child import limit_resources
from callflows.sandbox.sandbox_pool import make_sandbox_command, make_sandbox_environment
from callflows.telephony.turn import Turn

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from callflows.flows.flow import Flow
    from callflows.language import Extensions
    from callflows.sandbox.deferred_jobs import WorkerJob


class _SampleCall(NamedTuple):
    description: str
    fields: Mapping[str, str]
    timestamp: float


_KNOWN_CALLER: Final = {"from": "+12015550999", "name": "Ann & Bob <x>", "attestation": "A"}
_WEEKDAY_MORNING: Final = 1795446000.0
"""Monday, 23 November 2026, 10:00 in New York."""
_SUNDAY_NIGHT: Final = 1795932000.0
"""Sunday, 29 November 2026, 01:00 in New York."""
_SAMPLE_CALLS: Final = (
    _SampleCall("a caller with a name", _KNOWN_CALLER, _WEEKDAY_MORNING),
    _SampleCall("an anonymous caller", {"from": "anonymous"}, _WEEKDAY_MORNING),
    _SampleCall("a caller on Sunday night", _KNOWN_CALLER, _SUNDAY_NIGHT),
    _SampleCall("a caller who pressed 1", {**_KNOWN_CALLER, "dtmf": "1"}, _WEEKDAY_MORNING),
    _SampleCall("a caller who pressed 0*#", {**_KNOWN_CALLER, "dtmf": "0*#"}, _WEEKDAY_MORNING),
)
_RENDER_SECONDS: Final = 2
"""Time of the processor. A template that takes longer for one call is given up; a caller would hear the fallback."""
_GRACE_SECONDS: Final = 3
"""A template that is then still in one long calculation ends with its process."""
_TOO_SLOW_MESSAGE: Final = f"it takes more than {_RENDER_SECONDS} s"
_PROCESS_SECONDS: Final = 300.0
"""The time by the clock for all templates, on a machine that may be very busy."""
_MEMORY_BYTES: Final = 512_000_000
_TAG_NAME: Final = re.compile(r"<([A-Za-z]+)")
_SILENT_SAY: Final = re.compile(r"<Say\b[^<>]*>(?>\{\{[^{}]*\}\}|\{%[^{}]*%\}|[^\w<&{])*+</Say>", re.DOTALL)
"""A Say in a template whose text has no words of the author."""
_ENDING_VERBS: Final = (Hangup, Callback)
_SAMPLE_BASE_URL: Final = "https://calls.example.com"


def find_template_value_problems(
    flows: Iterable[Flow], extensions: Extensions, known_problems: Iterable[Problem] = ()
) -> list[Problem]:
    """Return the problems of the documents that templates give for sample calls, each with its place in the template.

    ``known_problems`` of the flow files and templates are not told again.
    """
    known = {(problem.file, problem.rule, problem.message.rpartition(": ")[2]) for problem in known_problems}
    pending = [
        (flow, sample, turn, job)
        for flow in flows
        if flow.template_file and not flow.problems
        for sample in _SAMPLE_CALLS
        for turn in [_make_turn(flow, sample)]
        for job in [_find_job(flow, turn)]
        if job is not None
    ]
    if not pending:
        return []
    results = _render_in_process([job for *_, job in pending])
    problems: dict[tuple[str, int, int, str], Problem] = {}
    for (flow, sample, turn, job), result in zip(pending, results, strict=False):
        for problem in _judge_result(flow, sample, turn, job, result, extensions):
            # The constant parts are judged when the template is read, also those that no sample call reaches.
            if (flow.template_file, problem.rule, problem.message.rpartition(": ")[2]) in known:
                continue
            problems.setdefault((problem.file, problem.line, problem.column, problem.rule), problem)
    return [*problems.values()]


def _make_turn(flow: Flow, sample: _SampleCall) -> Turn:
    number = next((claim.number for claim in flow.claims if claim.number.startswith("+") and "*" not in claim.number), "")
    fields = {"to": number or "+12015550123", **sample.fields}
    turn = Turn(fields, get_base_url=lambda: _SAMPLE_BASE_URL, clock=sample.timestamp)
    turn.zone, turn.resolve = flow.zone, flow.resolve
    return turn


def _find_job(flow: Flow, turn: Turn) -> WorkerJob | None:
    try:
        flow.answer(START_NODE, turn)
    except NeedsResult as needed:
        return needed.job  # type: ignore[return-value] # a template makes no lookups
    except Exception:  # noqa: BLE001 - the file has errors, which are reported elsewhere
        return None
    return None


def _judge_result(
    flow: Flow, sample: _SampleCall, turn: Turn, job: WorkerJob, result: Mapping[str, Any], extensions: Extensions
) -> Iterator[Problem]:
    file = flow.template_file
    source = Path(file).read_text(encoding="utf-8-sig", errors="replace")
    if "error" in result:
        place = _find_place(source, str(result.get("rendered", "")), result)
        message = f"for {sample.description} the template gives no document: {result['error']}"
        yield Problem(file, *place, "error", "template-values", message)
        return
    if EMPTY_SAY_PATTERN.search(result["result"]):
        silent = _SILENT_SAY.search(source)
        place = _find_offset_place(source, silent.start()) if silent else _find_tag(source, "Say")
        message = "the text may be empty: callers hear nothing where it has no value"
        fix = "write words beside it, or words for a missing value: {{ caller.name | default('you') }}"
        yield Problem(file, *place, "warning", "text-may-be-empty", message, fix)
    own_url = str(job.scope_values.get(TEMPLATE_URL_NAME) or "")  # type: ignore[attr-defined] # a TemplateRenderJob
    name, rest = _find_broken_own_url(result["result"], own_url, extensions) if own_url and result["result"] else ("", "")
    if name:
        what = f"{rest!r:.40} after" if rest else "what is done to"
        message = f"<{name}>: {what} {{{{ {TEMPLATE_URL_NAME} }}}} breaks the signed URL: its caller gets the fallback"
        fix = f'write url="{{{{ {TEMPLATE_URL_NAME} }}}}" alone; the template sees the keys as digits'
        yield Problem(file, *_find_tag(source, name), "error", "template-values", message, fix)
    turn.deferred_results.append(result["result"])
    turn.reset_progress()
    try:
        response = from_xml(flow.answer(START_NODE, turn), extensions=extensions)
    except CallflowsError as error:
        message = f"for {sample.description} the template gives no document: {error}"
        yield Problem(file, 1, 1, "error", "template-values", message)
        return
    if not result["result"] or _is_silent(response):
        message = f"{sample.description} hears nothing: the document neither says, plays nor rings anything"
        if any(isinstance(verb, CONDITIONAL_VERBS) for verb in response.children):
            message = "a caller for whom the condition does not hold hears nothing"
        fix = "say something; a Hangup or Reject says that it is meant"
        yield Problem(file, *_find_tag(source, "Response"), "warning", "says-nothing", message, fix)
    if "dtmf" not in sample.fields and _is_silent_loop(response, f"{_SAMPLE_BASE_URL}/call/{flow.name}/{START_NODE}?"):
        message = f"{sample.description} hears silence: the document asks for itself, again and again"
        fix = "say or ask something on the way round"
        place = _find_tag(source, Callback.spec.name if source.count(f"<{Callback.spec.name}") == 1 else "Response")
        yield Problem(file, *place, "error", "silent-loop", message, fix)
    elements = dict(walk_elements(response))
    for path, doubt in find_document_doubts(response):
        if doubt.severity == "warning":
            name, text = path.rpartition(".")[2].partition("[")[0], str(elements[path].attributes.get("text") or "")
            said = re.search(rf"<{name}\b[^<>]*>\s*{re.escape(text)}", source) if text else None
            place = _find_offset_place(source, said.start()) if said else _find_tag(source, name)
            yield Problem(file, *place, "warning", doubt.rule, f"{path}: {doubt.message}", doubt.fix)


def _is_silent(response: Response) -> bool:
    """Return True if callers hear nothing of a document, or hear something only if a condition on the call holds."""
    commands = [*response.children]
    speaking = [
        verb
        for verb in commands
        if isinstance(verb, CONDITIONAL_VERBS)
        and any(breaks_silence(part) or isinstance(part, _ENDING_VERBS) for _, part in walk_elements(verb))
    ]
    return not (
        any(breaks_silence(verb) or isinstance(verb, _ENDING_VERBS) for verb in commands) or covers_every_call(speaking)
    )


def _find_broken_own_url(content: str, own_url: str, extensions: Extensions) -> tuple[str, str]:
    """Return the element with a URL that begins as the template's own and is another, and what is behind the own URL."""
    begin = own_url.partition("?")[0]
    document = from_xml(f"{DOCUMENT_PROLOGUE}{content}{DOCUMENT_EPILOGUE}".encode(), extensions=extensions)
    for _, element in walk_elements(document):
        url = str(element.attributes.get("url", ""))
        rest = url.removeprefix(own_url)
        if isinstance(element, Callback | Gather) and url.startswith(begin) and rest and not rest.startswith(("&", "#")):
            return element.spec.name, "" if rest == url else rest
    return "", ""


def _is_silent_loop(response: Response, own_url: str) -> bool:
    """Return True if callers hear nothing before a document asks for itself, which gives the same document again."""
    for verb in response.children:
        if isinstance(verb, Callback):
            return str(verb.attributes.get("url", "")).startswith(own_url)
        if breaks_silence(verb) or isinstance(verb, (Hangup, *CONDITIONAL_VERBS)):
            return False
    return False


def _find_place(source: str, rendered: str, result: Mapping[str, Any]) -> tuple[int, int]:
    """Return the place in the template of an error: a line of the template itself, or a place in the rendered document."""
    if result.get("template_line"):
        return int(result["template_line"]), 1
    lines = rendered.split("\n")
    line, column = int(result.get("line", 0)), int(result.get("column", 0))
    if not 0 < line <= len(lines):
        named = _TAG_NAME.search(str(result["error"]))
        return _find_tag(source, named[1]) if named else (1, 1)
    offset = sum(len(before) + 1 for before in lines[: line - 1]) + column
    tags = [tag for tag in _TAG_NAME.finditer(rendered) if tag.start() <= offset]
    named = _TAG_NAME.match(str(result["error"]))
    if not tags or (named and named[1] != tags[-1][1]):
        return _find_tag(source, named[1] if named else "Response")
    name = tags[-1][1]
    count = sum(tag[1] == name for tag in tags)
    total = sum(tag[1] == name for tag in _TAG_NAME.finditer(rendered))
    own = [tag for tag in _TAG_NAME.finditer(source) if tag[1] == name]
    return _find_tag(source, name, count - 1 if total == len(own) else 0)


def _find_tag(source: str, name: str, index: int = 0) -> tuple[int, int]:
    """Return line and column of an element in a template."""
    offsets = [tag.start() for tag in _TAG_NAME.finditer(source) if tag[1] == name]
    offset = offsets[index] if index < len(offsets) else 0
    return _find_offset_place(source, offset)


def _find_offset_place(source: str, offset: int) -> tuple[int, int]:
    return source.count("\n", 0, offset) + 1, offset - source.rfind("\n", 0, offset)


# The process that renders


def _render_in_process(jobs: Sequence[WorkerJob]) -> list[dict[str, Any]]:
    """Return the results of jobs, in order. A process that a template keeps busy is replaced by another."""
    results: list[dict[str, Any]] = []
    while len(results) < len(jobs):
        new, is_endless = _run_process(jobs[len(results) :])
        results += new
        if not is_endless:
            break
        results.append({"error": _TOO_SLOW_MESSAGE})
    return results


def _run_process(jobs: Sequence[WorkerJob]) -> tuple[list[dict[str, Any]], bool]:
    """Return the results of jobs, and whether the process was ended during the job after the last result."""
    command = make_sandbox_command("from callflows.flows.loader.template_samples import render_main; render_main()")
    try:
        done = subprocess.run(  # noqa: S603 - runs this Python and our own module
            command,
            env=make_sandbox_environment(),
            input=pickle.dumps([*jobs]),
            capture_output=True,
            timeout=_PROCESS_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return [], False
    lines = done.stdout.splitlines(keepends=True)
    return [json.loads(line) for line in lines if line.endswith(b"\n")], done.returncode == -signal.SIGXCPU


def render_main() -> None:
    """Read jobs from stdin, and write a line with each result to stdout, in the separate process."""
    limit_resources(_MEMORY_BYTES)
    signal.signal(signal.SIGPROF, _stop_rendering)
    jobs = pickle.load(sys.stdin.buffer)  # noqa: S301 - our own check pickled it
    slow_sources: set[str] = set()
    for job in jobs:
        result: dict[str, Any] = {"error": _TOO_SLOW_MESSAGE}
        if job.source not in slow_sources:
            # The processor's time, not the clock's: on a busy machine a template is not to blame for its wait.
            _limit_next_seconds(_RENDER_SECONDS + _GRACE_SECONDS)
            signal.setitimer(signal.ITIMER_PROF, _RENDER_SECONDS)
            try:
                result = {"result": job.run()}
            except Exception as error:  # noqa: BLE001 - an author's template may raise anything
                result = _describe_error(error, job)
            signal.setitimer(signal.ITIMER_PROF, 0)
        if result.get("error") == _TOO_SLOW_MESSAGE:
            slow_sources.add(job.source)
        sys.stdout.write(f"{json.dumps(result)}\n")
        sys.stdout.flush()


def _limit_next_seconds(seconds: int) -> None:
    """End the process if it needs so much of the processor's time from now on: no signal interrupts a long calculation."""
    used = math.ceil(time.process_time())
    most = resource.getrlimit(resource.RLIMIT_CPU)[1]
    resource.setrlimit(resource.RLIMIT_CPU, (used + seconds, most))


def _stop_rendering(_signal: int, _frame: object) -> None:
    raise TimeoutError(_TOO_SLOW_MESSAGE)


def _describe_error(error: Exception, job: Any) -> dict[str, Any]:  # noqa: ANN401 - a TemplateRenderJob
    if isinstance(error, DocumentReadError):
        described = {"error": error.reason, "line": error.line, "column": error.column}
        return {**described, "rendered": job.render_text()}
    if isinstance(error, DialectError | TimeoutError):
        return {"error": str(error)}
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == "<template>"]
    words = next((words for kind, words in _ERROR_WORDS.items() if isinstance(error, kind)), "")
    return {"error": words or str(error) or type(error).__name__, "template_line": lines[-1] if lines else 1}


_ERROR_WORDS: Final = {
    ZeroDivisionError: "it divides by zero",
    OverflowError: "a number is too large",
    MemoryError: f"it needs more than {_MEMORY_BYTES // 1_000_000} MB of memory",
    RecursionError: "a macro calls itself without end",
}
"""Errors of Python in words for people; the others are from our own functions, or begin with a word of Jinja."""
