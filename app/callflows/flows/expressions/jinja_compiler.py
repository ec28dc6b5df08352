"""Compiles conditions and texts in Jinja's language when a flow is loaded.

Unknown names and fields are refused at load. Frequent forms become plain functions (``expression_functions``); all other
forms are rendered by Jinja in a worker. Expressions cannot call functions: values are plain.
"""

from __future__ import annotations

import dataclasses
import re
from typing import TYPE_CHECKING, Any, Final, Literal

from jinja2 import TemplateSyntaxError, nodes
from jinja2.exceptions import TemplateError
from jinja2.parser import Parser

from callflows.errors import ExpressionError
from callflows.flows.expressions.condition_facts import ConditionFacts
from callflows.flows.expressions.condition_lint import hide_own_names, lint_condition, lint_text_conditions
from callflows.flows.expressions.empty_texts import is_value_filled, may_text_be_empty
from callflows.flows.expressions.expression_functions import build_text_function, build_value_function, has_natural_truth
from callflows.flows.expressions.expression_samples import sample_value
from callflows.flows.expressions.expression_scope import (
    CALL_SCOPE,
    FORBIDDEN_TEMPLATE_NODES,
    ScopeChecker,
    find_syntax_nodes,
    make_scope_reader,
)
from callflows.flows.expressions.jinja_rendering import (
    JinjaRenderJob,
    disarm_dot_segments,
    format_plain_text,
    format_url_value,
)
from callflows.flows.expressions.jinja_sandbox import LANGUAGE_KEY, get_parsing_environment
from callflows.flows.expressions.loop_lint import find_lost_values
from callflows.flows.expressions.plain_values import check_value_length, format_plain_value, is_true_value
from callflows.flows.expressions.syntax_mistakes import CLOSED_BRACES, QUOTED_TEXT, describe_syntax_error, suggest_syntax
from callflows.language.xml_writer import escape_attribute
from callflows.sandbox.deferred_jobs import get_job_result
from callflows.telephony.phone_numbers import restore_region_codes
from callflows.text import XML_FORBIDDEN_CHARACTERS, clean_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from callflows.flows.expressions.condition_values import ConditionProblem
    from callflows.flows.expressions.expression_scope import ExpressionScope
    from callflows.telephony.turn import Turn

    ValueFunction = Callable[[Turn], Any]
    RenderingKind = Literal["text", "url", "value"]


@dataclasses.dataclass(frozen=True, slots=True)
class CompiledCondition:
    """A compiled expression: ``evaluate(turn)`` returns the value; ``used_names`` are dotted, as ``now.hour``."""

    source: str
    evaluate: ValueFunction
    used_names: frozenset[str]
    problems: tuple[ConditionProblem, ...] = ()
    sample: object = None
    """The part of the value known before a call; None if no part is known."""


@dataclasses.dataclass(frozen=True, slots=True)
class CompiledText:
    """A compiled text: ``render(turn)`` returns the text escaped for a document.

    ``constant_text`` is the unescaped text if no part changes, else None. ``render_plain(turn)`` returns the unescaped
    text, for uses outside documents.
    """

    source: str
    constant_text: str | None
    render: Callable[[Turn], str]
    used_names: frozenset[str]
    render_plain: Callable[[Turn], str]
    problems: tuple[ConditionProblem, ...] = ()


class ExpressionCompiler:
    """Compiles the conditions and texts of flows for one ``scope``."""

    def __init__(
        self,
        scope: ExpressionScope = CALL_SCOPE,
        lang: str = "en-US",
        facts: ConditionFacts | None = None,
    ) -> None:
        """``facts`` are what the file says about the names of ``scope``, for the checks of conditions."""
        self._scope = scope
        self._facts = facts or ConditionFacts(scope)
        self._lang = lang
        self._environment = get_parsing_environment()
        self._scope_checker = ScopeChecker(scope, self._environment)
        self.needs_worker = False
        """True once any compiled expression must run in a worker."""
        # A step stands in the document of its node and in that of each step before it at which a call may go on.
        self._parsed_texts: dict[str, nodes.Template] = {}
        self._compiled_texts: dict[tuple[str, bool, str], CompiledText] = {}
        self._compiled_conditions: dict[tuple[str, bool], CompiledCondition] = {}

    def compile_condition(self, source: str, *, is_value: bool = False) -> CompiledCondition:
        """Compile a bare expression; ``is_value``: its value is used, not only its truth. Raises ExpressionError."""
        known = self._compiled_conditions.get((source, is_value))
        if known is None:
            try:
                known = self._compile_condition(source, is_value=is_value)
            except RecursionError:
                raise ExpressionError("the expression is too long", "ask in several steps") from None
            except ExpressionError as error:
                error.fix = self.adapt_fix(error.fix)
                raise
            self._compiled_conditions[source, is_value] = known
        return known

    def _compile_condition(self, source: str, *, is_value: bool) -> CompiledCondition:
        if not source.strip():
            example = next((example for root, example in _EXAMPLES.items() if root in self._scope), "caller.anonymous")
            raise ExpressionError("there is no expression", f"as {example}")
        if "{{" in source or "{%" in source:
            message = (
                "a value is an expression, without braces" if is_value else "when takes a bare expression, without braces"
            )
            raise ExpressionError(message, _suggest_without_braces(source, is_value=is_value))
        try:
            parser = Parser(self._environment, source, state="variable")
            tree = parser.parse_expression()
            if not parser.stream.eos:
                quotes = _suggest_quotes(source) if is_value else ""
                fix = (quotes if _NO_EXPRESSION.match(source) else "") or suggest_syntax(source) or quotes
                fix = fix or "did you forget and, or, ==?"
                raise ExpressionError(f"the expression ends before {parser.stream.current.value!r}", fix)
            tree.set_environment(self._environment)
        except TemplateSyntaxError as error:
            fix = suggest_syntax(source) or (_suggest_quotes(source) if is_value else "")
            raise ExpressionError(error.message or "not an expression", fix) from None
        uses = self._scope_checker.check_names(tree, is_condition=not is_value)
        holds = build_value_function(tree, self._lang) or self._compile_worker_value(
            tree, "value", source, uses, self._lang
        )
        if not is_value and not has_natural_truth(tree):
            holds = _take_truth(holds)
        return CompiledCondition(
            source,
            holds,
            uses,
            lint_condition(tree, self._facts),
            sample_value(tree),
        )

    def _compile_worker_value(
        self, tree: nodes.Node, kind: Literal["text", "url", "value"], source: str, used_names: Iterable[str], lang: str
    ) -> ValueFunction:
        """Compile a rare form for evaluation in a worker, because its running time may be unbounded."""
        self.needs_worker = True
        try:
            if kind == "value":
                self._environment.compile_expression(source)
        except TemplateError as error:
            raise ExpressionError(error.message or "not an expression") from None
        roots = {name.partition(".")[0] for name in used_names}
        if "lists" in roots:
            raise ExpressionError(
                "lists are asked in plain conditions only", "as caller in lists.spam, in a when of its own"
            )
        spoken = any(word.name == "spoken" for word in find_syntax_nodes(tree, (nodes.Filter,)))
        sights = tuple(make_scope_reader(name) for name in sorted({*used_names, *(["now"] if spoken else [])}))

        def evaluate_in_worker(turn: Turn) -> Any:  # noqa: ANN401 - a text, or plain data
            seen: dict[str, Any] = {LANGUAGE_KEY: lang}
            for sight in sights:
                sight(turn, seen)
            result = get_job_result(turn, JinjaRenderJob(kind, source, seen))
            return restore_region_codes(result) if kind == "value" else result

        return evaluate_in_worker

    def compile_text(self, source: str, *, url: bool = False, lang: str = "") -> CompiledText:
        """Compile a text with ``{{ }}`` and ``{% %}``. Raises ExpressionError.

        If ``url`` is set, each value is percent-encoded and stays within its segment of the path. ``lang`` overrides the
        language of the flow.
        """
        lang = lang or self._lang
        known = self._compiled_texts.get((source, url, lang))
        if known is None:
            try:
                known = self._compiled_texts[source, url, lang] = self._compile_text(source, url=url, lang=lang)
            except ExpressionError as error:
                error.fix = self.adapt_fix(error.fix)
                raise
        return known

    def adapt_fix(self, fix: str) -> str:
        """Return a fix with examples that the scope has: who sends a text has a number, and no name."""
        has_name = "name" in (self._scope.get("caller") or {"name"})
        return fix if has_name or "caller.name" not in fix else fix.replace("caller.name", "caller.national")

    def _compile_text(self, source: str, *, url: bool, lang: str) -> CompiledText:
        found = XML_FORBIDDEN_CHARACTERS.search(source)
        if found:
            raise ExpressionError(f"the text holds U+{ord(found[0]):04X}, which XML forbids", "take it out")
        if "{" not in source:
            return CompiledText(source, source, lambda _turn: escape_attribute(source), frozenset(), lambda _turn: source)
        try:
            tree = self._parse_text(source)
            uses = self._scope_checker.check_names(tree)
            unescaped = build_text_function(tree.body, str, format_url_value if url else format_plain_text, lang)
            if unescaped is not None and len([*_iterate_output_nodes(tree)]) > 1:
                unescaped = _bound_result(unescaped)
            if url and unescaped is not None:
                unescaped = _disarm_result(unescaped)
                render: Callable[[Turn], str] | None = _escape_result(unescaped)
            else:
                render = build_text_function(tree.body, escape_attribute, _format_escaped, lang)
            if unescaped is None or render is None:
                unescaped = self._compile_worker_value(tree, "url" if url else "text", source, uses, lang)
                render = _escape_result(unescaped)
        except TemplateSyntaxError as error:
            raise describe_syntax_error(error, source) from None
        except RecursionError:
            raise ExpressionError("the text is too long a template", "say it in several steps") from None
        data = [node.data for node in _iterate_output_nodes(tree) if isinstance(node, nodes.TemplateData)]
        constant = "".join(data) if len(data) == len([*_iterate_output_nodes(tree)]) else None
        return CompiledText(
            source,
            constant,
            render,
            uses,
            unescaped,
            lint_text_conditions(tree, self._facts),
        )

    def _parse_text(self, source: str) -> nodes.Template:
        """Return the tree of a text. Raises TemplateSyntaxError and RecursionError."""
        tree = self._parsed_texts.get(source)
        if tree is None:
            tree = self._parsed_texts[source] = self._environment.parse(source)
        return tree

    def may_text_be_empty(self, source: str, is_filled: Callable[[str], bool]) -> bool:
        """Return True if a text may be empty in a call; False for a text that cannot be read.

        ``is_filled`` returns whether a dotted name, as ``variables.greeting``, always has a value.
        """
        if "{" not in source:
            return False  # an empty constant has its own warning
        try:
            return may_text_be_empty(self._parse_text(source).body, is_filled)
        except (TemplateError, RecursionError):
            return False

    def reads_true_or_false(self, source: str) -> bool:
        """Return True if a text has a value that is true or false, as a comparison has; False for an unreadable text."""
        if "{" not in source:
            return False
        try:
            outputs = self._parse_text(source).find_all(nodes.Output)
        except (TemplateError, RecursionError):
            return False
        return any(_is_truth(part) for output in outputs for part in output.nodes)

    def is_condition_filled(self, source: str, is_filled: Callable[[str], bool]) -> bool:
        """Return True if the value of a bare expression is never empty; True for one that cannot be read."""
        try:
            return is_value_filled(Parser(self._environment, source, state="variable").parse_expression(), is_filled)
        except (TemplateError, RecursionError):
            return True

    def lint_template(self, tree: nodes.Template) -> Iterator[tuple[int, ConditionProblem]]:
        """Yield the doubtful conditions of a template, and values that loops forget, with their lines."""
        yield from find_lost_values(tree)
        with hide_own_names(tree, self._facts):
            for choice in find_syntax_nodes(tree, (nodes.If, nodes.CondExpr)):
                yield from ((choice.lineno, problem) for problem in lint_condition(choice.test, self._facts))

    def read_template(self, source: str, extra_scope: ExpressionScope) -> tuple[nodes.Template, frozenset[str]]:
        """Return an XML template's tree and the names that it uses. Raises ExpressionError.

        ``extra_scope`` extends the scope.

        A template may define and call its own macros, but cannot include other templates.
        """
        try:
            tree = self._environment.parse(source)
            scope = {**self._scope, **extra_scope}
            return tree, ScopeChecker(scope, self._environment).check_names(tree, FORBIDDEN_TEMPLATE_NODES)
        except TemplateSyntaxError as error:
            raise describe_syntax_error(error, source) from None
        except RecursionError:
            raise ExpressionError("the template is nested too deeply", "write it flatter") from None


_EXAMPLES: Final = {"message": 'message.keyword == "hours"', "ended": "ended.missed"}
"""A condition on each object that only message rules, or only steps after calls, know."""


def _is_truth(node: nodes.Node) -> bool:
    if isinstance(node, (nodes.And, nodes.Or)):
        return _is_truth(node.left) and _is_truth(node.right)
    is_constant = isinstance(node, nodes.Const) and isinstance(node.value, bool)
    return is_constant or isinstance(node, (nodes.Compare, nodes.Not, nodes.Test))


def _suggest_without_braces(source: str, *, is_value: bool) -> str:
    """Return the fix for an expression with braces: the expression itself, or a text that is joined of parts."""
    words = CLOSED_BRACES.split(source.strip())
    if "{%" in source or len(words) == 1:
        return "leave the braces out"
    if not is_value or _OPERATOR.search(QUOTED_TEXT.sub("", CLOSED_BRACES.sub("", source))):
        plain = QUOTED_TEXT.sub(lambda found: _join_parts(found[0]) if "{{" in found[0] else found[0], source)
        plain = CLOSED_BRACES.sub(lambda found: found[1].strip(), plain).strip()
        return f"write {plain}" if _is_expression(plain) else "leave the braces out"
    parts = [part.strip() if at % 2 else f'"{part}"' for at, part in enumerate(words) if part]
    return "leave the braces out" if len(parts) == 1 else f"write texts in quotes, and ~ between: {' ~ '.join(parts)}"


def _suggest_quotes(source: str) -> str:
    """Return the fix for a text that stands where an expression is read; an empty text if it looks like an expression."""
    if _CALL_FIELD.search(source) or '"' in source:
        return ""
    escaped = source.strip().replace("'", "''")
    return f"a text stands in quotes of its own: '\"{escaped}\"'"


def _is_expression(source: str) -> bool:
    """Return True if a text can be read as an expression, whatever its names are."""
    try:
        parser = Parser(get_parsing_environment(), source, state="variable")
        parser.parse_expression()
    except (TemplateSyntaxError, RecursionError):
        return False
    return bool(parser.stream.eos)


def _join_parts(quoted: str) -> str:
    """Return a quoted text with braces as an expression: the value, or texts and values joined."""
    words = CLOSED_BRACES.split(quoted[1:-1])
    parts = [part.strip() if at % 2 else f"{quoted[0]}{part}{quoted[0]}" for at, part in enumerate(words) if part]
    return parts[0] if len(parts) == 1 else f"({' ~ '.join(parts)})"


_OPERATOR: Final = re.compile(r"[=!<>]=|[<>]|\b(?:and|or|not|in|is)\b")
_CALL_FIELD: Final = re.compile(r"\b(?:caller|call|now|hours|variables|lists|digits|number)\b")
_NO_EXPRESSION: Final = re.compile(r"[a-z]+:\S|\S+@\S|\d{1,2}:\d\d$", re.IGNORECASE)
"""A URL, a telephone number with its scheme, an address or a time."""


def _take_truth(evaluate: ValueFunction) -> ValueFunction:
    return lambda turn: is_true_value(evaluate(turn))


_find_special_character: Final = re.compile("[^ !#-%'-;=?-~\xa0-\ud7ff]").search
"""Finds a character that needs escaping or cleaning in a document."""


def _format_escaped(value: object) -> str:
    """Format and escape a value for a document."""
    text = format_plain_value(value)
    return escape_attribute(clean_text(text)) if _find_special_character(text) else text


def _escape_result(render: Callable[[Turn], str]) -> Callable[[Turn], str]:
    return lambda turn: _format_escaped(render(turn))


def _bound_result(render: Callable[[Turn], str]) -> Callable[[Turn], str]:
    """Bound a text of several parts: effects keep it until they are sent."""

    def render_bounded(turn: Turn) -> str:
        text = render(turn)
        check_value_length(len(text))
        return text

    return render_bounded


def _disarm_result(render: Callable[[Turn], str]) -> Callable[[Turn], str]:
    return lambda turn: disarm_dot_segments(render(turn))


def _iterate_output_nodes(tree: nodes.Template) -> Iterable[nodes.Node]:
    for node in tree.body:
        yield from node.nodes if isinstance(node, nodes.Output) else [node]
