"""Template flows: an XML template, rendered in a worker process for each turn, then read and checked as a document."""

from __future__ import annotations

import contextlib
import dataclasses
import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from jinja2 import nodes

from callflows.atomic_files import open_plain_file
from callflows.errors import ExpressionError, Problem
from callflows.flows.compiler.answer_insertion import AnswerInserter
from callflows.flows.compiler.fragments import DOCUMENT_EPILOGUE, DOCUMENT_PROLOGUE
from callflows.flows.compiler.target_guard import (
    TargetGuard,
    find_targets_in_template,
    find_url_hosts,
    has_computed_targets,
)
from callflows.flows.compiler.template_check import find_template_errors
from callflows.flows.entry_points import START_NODE, NodeEntry, NumberClaim
from callflows.flows.expressions.expression_scope import make_scope_reader
from callflows.flows.expressions.jinja_rendering import disarm_dot_segments, format_plain_text, format_url_value
from callflows.flows.expressions.jinja_sandbox import LANGUAGE_KEY, make_jinja_environment
from callflows.language import Extensions, from_xml, to_xml
from callflows.language.attribute_doubts import find_attribute_doubts, find_element_doubts
from callflows.language.dialects import TAG_MEANINGS
from callflows.sandbox.deferred_jobs import get_job_result

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from jinja2 import Environment

    from callflows.flows.compiler.compiling_flow import CompilingFlow
    from callflows.flows.compiler.fragments import Fragment
    from callflows.flows.source.positions import ProblemReport
    from callflows.language import Dialect
    from callflows.language.attribute_doubts import AttributeDoubt
    from callflows.language.dialects import TagMeaning
    from callflows.telephony.turn import Turn


TEMPLATE_URL_NAME: Final = "here"
"""Name of the template's own signed URL, to which a Gather or a Callback may return."""
MAX_TEMPLATE_BYTES: Final = 1_000_000
"""A larger template is refused."""


@dataclasses.dataclass(frozen=True, slots=True)
class TemplateRenderJob:
    """Renders a template with the values in its scope."""

    source: str
    dialect: Dialect
    extensions: Extensions
    scope_values: Mapping[str, Any]

    def run(self) -> str:
        """Return the content of the Response.

        Raises any error of the template, and DocumentReadError for an invalid document.
        """
        read = from_xml(self.render_text().encode("utf-8", "replace"), extensions=self.extensions)
        written = to_xml(read, self.dialect, extensions=self.extensions).decode()
        return (
            disarm_document_urls(written.removeprefix(DOCUMENT_PROLOGUE).removesuffix(DOCUMENT_EPILOGUE))
            if written.endswith(DOCUMENT_EPILOGUE)
            else ""
        )

    def render_text(self) -> str:
        """Return the document as the template writes it. Raises any error of the template."""
        rendered: str = _load_template(self.source).render(self.scope_values)
        return rendered.strip()


def _read_template_file(file: Path, name: str) -> str:
    if ".." in name or name.startswith("/"):
        raise ValueError("it must stand beside its flow file")
    with open_plain_file(file) as opened:
        source = opened.read(MAX_TEMPLATE_BYTES + 1)
    if len(source) > MAX_TEMPLATE_BYTES:
        raise ValueError(f"it has more than {MAX_TEMPLATE_BYTES} bytes")
    return source.decode("utf-8-sig")


def _find_column(source: str, error: ExpressionError) -> int:
    """Return the column of the braces that an error is about; 1 if that is not sure."""
    line = source.replace("\r\n", "\n").replace("\r", "\n").split("\n")[error.line - 1 : error.line]
    braces = [*_TEMPLATE_BRACES.finditer(line[0])] if line else []
    words = re.findall(r"\w+", str(error))
    named = [found for found in braces if any(re.search(rf"\b{word}\b", found[0]) for word in words)]
    return (named if len(braces) > 1 else braces)[0].start() + 1 if len(named) == 1 or len(braces) == 1 else 1


_TEMPLATE_BRACES: Final = re.compile(r"\{[{%#].*?(?:[}%#]\}|$)")


def _report_doubts(source: str, file: Path, report: ProblemReport) -> None:
    """Report the doubts about the constant attributes of a template, as ``<Pause length="2"/>``, with their places."""
    told: set[str] = set()
    for tag in _OPENING_TAG.finditer(_MARKUP_COMMENT.sub(lambda comment: re.sub(r"[^\n]", " ", comment[0]), source)):
        meaning = TAG_MEANINGS.get(tag[1])
        for doubt in _find_tag_doubts(tag, meaning) if meaning is not None else ():
            message = f"<{tag[1]}>: {doubt.message}"
            if doubt.severity != "note" or message not in told:
                told.add(message)
                _report_in_template(source, file, tag.start(), doubt._replace(message=message), report)


def _report_in_template(source: str, file: Path, offset: int, doubt: AttributeDoubt, report: ProblemReport) -> None:
    place = (source.count("\n", 0, offset) + 1, offset - source.rfind("\n", 0, offset))
    problem = Problem(str(file), *place, doubt.severity, doubt.rule, doubt.message, doubt.fix)
    report.add_problem_of_other_file(problem, ("template",))


def _find_tag_doubts(tag: re.Match[str], meaning: TagMeaning) -> Iterator[AttributeDoubt]:
    yield from find_element_doubts(meaning.element_class)
    values = {found[1]: found[3] for found in _ATTRIBUTE.finditer(tag[2])}
    for name, text in values.items():
        if name not in meaning.attributes:
            continue
        attribute, parse_text = meaning.attributes[name]
        value = None
        with contextlib.suppress(ValueError):  # computed, or an error that is reported elsewhere
            value = parse_text(text)
        yield from find_attribute_doubts(meaning.element_class, attribute.name, value)
    if meaning.text is not None and tag[3]:
        yield from find_attribute_doubts(meaning.element_class, meaning.text.name, tag[3].strip())


def _report_computed_hosts(source: str, file: Path, report: ProblemReport) -> None:
    """Report the URLs of documents whose host the caller would choose."""
    for found in _COMPUTED_HOST.finditer(source):
        offset = found.end()
        place = (source.count("\n", 0, offset) + 1, offset - source.rfind("\n", 0, offset) - len("{{"))
        message = f"<{found[1]}>: the host of a server that is asked is written out"
        problem = Problem(str(file), *place, "error", "value", message, "what changes stands after the host")
        report.add_problem_of_other_file(problem, ("template",))


_COMPUTED_HOST: Final = re.compile(
    r"<(Callback|Gather)\b(?:[^<>]*?\surl\s*=\s*[\"']|[^<>{}]*>)\s*(?:https?://[^\s/?#\"'<>{}]*)?"
    r"\{\{-?\s*(?:caller|call|digits|number)\b"
)
_OPENING_TAG: Final = re.compile(r"<([A-Za-z]+)\b((?:[^<>\"']|\"[^\"]*\"|'[^']*')*)>([^<>]*)")
_ATTRIBUTE: Final = re.compile(r"""\s([A-Za-z_]+)\s*=\s*(["'])(.*?)\2""", re.DOTALL)
_MARKUP_COMMENT: Final = re.compile(r"<!--.*?(?:-->|\Z)|\{#.*?(?:#\}|\Z)", re.DOTALL)


def _read_source(file: Path, name: str, report: ProblemReport) -> str | None:
    """Return the text of a template. Reports an error and returns None if it cannot be read."""
    try:
        return _read_template_file(file, name)
    except UnicodeDecodeError as error:
        place = (error.object.count(b"\n", 0, error.start) + 1, error.start - error.object.rfind(b"\n", 0, error.start))
        message, fix = "the file is not UTF-8", "save it as UTF-8"
        problem = Problem(str(file), *place, "error", "template-file", message, fix)
        report.add_problem_of_other_file(problem, ("template",))
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        report.error(("template",), "template-file", f"template: {name!r} cannot be read: {reason}", "as acme.xml.j2")
    return None


def compile_template_documents(flow: CompilingFlow, folder: Path) -> dict[str, Mapping[NodeEntry, tuple[Fragment, ...]]]:
    """Compile the only node of a template. Reports an error and returns an empty mapping for an invalid template."""
    report, name = flow.report, flow.flow_file.template
    file = folder / name
    flow.dependencies.add(file)
    source = _read_source(file, name, report)
    if source is None:
        return {}
    try:
        tree, uses = flow.expression_compiler.read_template(source, {TEMPLATE_URL_NAME: {}})
    except ExpressionError as error:
        place = (error.line, error.column or _find_column(source, error))
        problem = Problem(str(file), *place, "error", "template", str(error), error.fix)
        report.add_problem_of_other_file(problem, ("template",))
        return {}
    report.problems += find_template_errors(source, tree, file, flow.options.extensions)
    report.problems += [
        Problem(str(file), line, 1, problem.severity, problem.rule, problem.message, problem.fix)
        for line, problem in flow.expression_compiler.lint_template(tree)
    ]
    flow.graph.record_used_names(START_NODE, uses - {TEMPLATE_URL_NAME}, ("template",))
    flow.extend_version(source)
    _report_doubts(source, file, report)
    _report_computed_hosts(source, file, report)
    sights = tuple(make_scope_reader(use) for use in sorted({*uses, "now"} - {TEMPLATE_URL_NAME}))
    entries = (NodeEntry(), NodeEntry(line_answered=True))
    links = [flow.make_url_hole(START_NODE, entry) for entry in entries] if TEMPLATE_URL_NAME in uses else []
    dialect, extensions, lang = flow.dialect, flow.options.extensions, flow.voice.get("lang", "en-US")
    if has_computed_targets(tree):
        flow.record_computed_target(("template",))
    literal_targets = find_targets_in_template(tree)
    flow.template_targets = tuple(NumberClaim(number, str(file), line, 1) for number, line in literal_targets.items())
    hosts = find_url_hosts(source)
    guard = TargetGuard(flow.dial_policy, literal_targets, hosts, dialect, extensions)

    own_ticket = re.compile(rf"(?<={re.escape(f'/call/{flow.name}/{START_NODE}{_TICKET_PARAMETER}')})[\w.-]+")
    answers = AnswerInserter(dialect, extensions, flow.flow_file.auto_answer)

    def render_template(turn: Turn) -> str:
        seen: dict[str, Any] = {LANGUAGE_KEY: lang}
        for sight in sights:
            sight(turn, seen)
        seen["digits"] = turn.entered_digits
        if links:
            seen[TEMPLATE_URL_NAME] = links[1](turn)
        content: str = get_job_result(turn, TemplateRenderJob(source, dialect, extensions, seen))
        return guard.guard_document(content, turn)

    def render_unanswered(turn: Turn) -> str:
        content = render_template(turn)
        if not answers.is_needed(turn):
            return content
        if not links:
            return answers.answer_in_content(content)
        # The ticket in the content may be of an earlier second, when the template was given to its process.
        base_url, ticket = f"{turn.base_url}/", links[0](turn).partition(_TICKET_PARAMETER)[2]
        return answers.answer_in_content(
            content, lambda url: own_ticket.sub(ticket, url) if url.startswith(base_url) else url
        )

    return {START_NODE: dict(zip(entries, ((render_unanswered,), (render_template,)), strict=True))}


@lru_cache(maxsize=1)
def _make_template_environment() -> Environment:
    environment = make_jinja_environment()
    environment.autoescape = True
    environment.finalize = _format_template_output
    environment.filters[_URL_VALUE_FILTER] = format_url_value
    return environment


def _format_template_output(value: object) -> Any:  # noqa: ANN401 - what a macro wrote stays markup
    return value if hasattr(value, "__html__") else format_plain_text(value)


@lru_cache(maxsize=256)
def _load_template(source: str) -> Any:  # noqa: ANN401 - Jinja's
    environment = _make_template_environment()
    tree = environment.parse(source)
    _encode_values_in_urls(tree, "")
    return environment.from_string(tree)


_TICKET_PARAMETER: Final = "?ticket="
_URL_VALUE_FILTER: Final = "a value within a URL"
"""The name is no identifier, so authors cannot use the filter."""
_VALUE_MARK: Final = "\ufdd0"
_URL_BEFORE_VALUE: Final = re.compile(
    rf"(?:[\s\"'<>]|^)https?://[^\s\"'<>]*\Z|\b(?:url|callback|action)\s*=\s*[\"']{_VALUE_MARK}[^\s\"'<>]*\Z", re.IGNORECASE
)
_MAX_URL_BEFORE_VALUE: Final = 2000


def _encode_values_in_urls(node: nodes.Node, text_before: str) -> str:
    """Percent-encode the values that stand within the URLs of a template; return the text up to the end of the node."""
    for child in node.iter_child_nodes():
        if not isinstance(child, nodes.Output):
            text_before = _encode_values_in_urls(child, text_before)
            continue
        for index, part in enumerate(child.nodes):
            if isinstance(part, nodes.TemplateData):
                text_before = (text_before + part.data)[-_MAX_URL_BEFORE_VALUE:]
                continue
            if _URL_BEFORE_VALUE.search(text_before) and not isinstance(part, nodes.Call):  # a macro writes markup
                already = isinstance(part, nodes.Filter) and part.name == "urlencode" and part.node is not None
                value = part.node if already else part  # type: ignore[attr-defined] # only of a filter
                child.nodes[index] = nodes.Filter(value, _URL_VALUE_FILTER, [], [], None, None, lineno=part.lineno)
            text_before += _VALUE_MARK
    return text_before


_DOCUMENT_URL: Final = re.compile(r"(?<=[\">])https?://[^\"<>\s]*", re.IGNORECASE)


def disarm_document_urls(content: str) -> str:
    """Return the content of a document without ``.`` and ``..`` in the paths of its URLs."""
    return _DOCUMENT_URL.sub(lambda url: disarm_dot_segments(url[0]), content)
