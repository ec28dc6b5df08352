"""Compiles the texts, URLs and conditions of authors."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, cast

from callflows.errors import ExpressionError, UnknownNameError, VerbBuildError
from callflows.flows.expressions.empty_texts import is_spoken_text
from callflows.flows.expressions.jinja_rendering import disarm_dot_segments
from callflows.flows.hours.spoken_times import has_spoken_words
from callflows.flows.source.prompt_shape import CALL_LANGUAGE
from callflows.language import Meta, Say
from callflows.language.attribute_doubts import (
    find_escape_doubts,
    find_placeholder_doubts,
    find_text_doubts,
    suggest_value_name,
)
from callflows.language.value_kinds import URL_KIND
from callflows.text import Suggestion

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from callflows.flows.compiler.compiling_flow import CompilingFlow
    from callflows.flows.compiler.document_writer import DocumentWriter
    from callflows.flows.expressions.condition_values import ConditionProblem
    from callflows.flows.expressions.jinja_compiler import CompiledCondition, CompiledText, ExpressionCompiler
    from callflows.flows.source.positions import SourcePath


_JINJA_EXPRESSION: Final = re.compile(r"\{\{.*?(?:\}\}|\Z)|\{%.*?(?:%\}|\Z)|\{#.*?(?:#\}|\Z)", re.DOTALL)
_HOLE_MARK: Final = "\ufdd0"


_TRUTH_AS_TEXT: Final = re.compile(
    r"\{\{-?\s*(caller\.anonymous|hours\.[A-Za-z0-9_]+\.open|ended\.(?:answered|message|missed|rang))\s*-?\}\}"
)
"""A value in a text that is true or false."""
_TIME_AS_TEXT: Final = re.compile(r"\{\{-?\s*(hours\.[A-Za-z0-9_]+\.next_(?:opening|closing)|call\.started|now)\s*-?\}\}")
"""A value in a text that is a time."""
_OBJECT_NAMES: Final = frozenset({"call", "caller", "now"})
"""Values with fields, which are no texts themselves."""
_SPOKEN_FILTER: Final = re.compile(r"\|\s*spoken\b")


class TextCompiler:
    """Compiles texts and conditions for a document. A text that changes from call to call becomes a placeholder."""

    def __init__(self, flow: CompilingFlow, document: DocumentWriter, expression_compiler: ExpressionCompiler) -> None:
        self._flow = flow
        self._document = document
        self.expression_compiler = expression_compiler
        self.lang = ""
        """Language of the current text, if it differs from the file's language."""
        self.assumed_names: frozenset[str] = frozenset()
        """Names in the conditions around the current step."""

    def build_say(self, text: str, path: SourcePath, voice: Mapping[str, str] | None = None) -> Say:
        """Build a Say in the file's voice. Attributes in ``voice`` override the file's voice."""
        spoken = {**self._flow.voice, **(voice or {})}
        self.lang = spoken.get("lang", "")
        written = self.compile_complete_text(text, path)
        self.lang = ""
        self.check_spoken_text(text, path)
        return Say(written, **cast("Any", spoken))

    def check_spoken_text(self, text: object, path: SourcePath) -> None:
        """Warn about a text that is empty, or that is no text to be spoken: SSML, a URL."""
        for doubt in find_text_doubts(text) if isinstance(text, str) else ():
            self._flow.report.warning(path, doubt.rule, doubt.message, doubt.fix)
        if isinstance(text, str) and not text.strip() and not self._flow.report.get_position(path).cutting_comment:
            self._flow.report.warning(
                path, "empty-text", "the text is empty: callers hear nothing", "write what is to be said, or take it out"
            )

        self.check_computed_text(text, path, "callers hear nothing where it has no value")
        if isinstance(text, str) and (
            not ("{" in text or is_spoken_text(text))
            or self.expression_compiler.may_text_be_empty(text, self._flow.is_name_filled)
        ):
            self._flow.may_leave_texts_empty = True

    def check_computed_text(self, text: object, path: SourcePath, effect: str) -> None:
        """Warn about a text that is made of values only, which may all be empty."""
        if not isinstance(text, str) or self._flow.report.has_error_at(path):
            return
        self.check_truth_in_text(text, path)
        if not self.expression_compiler.may_text_be_empty(text, self._is_filled_here):
            return
        fix = "write words beside it, or what is said instead: {{ customer.greeting | default('Welcome.') }}"
        self._flow.report.warning(path, "text-may-be-empty", f"the text may be empty: {effect}", fix)

    def check_truth_in_text(self, text: str, path: SourcePath) -> None:
        """Warn about what people cannot read in a text: true or false, a time as machines write it, a backslash."""
        self.check_escapes(text, path)
        time = _TIME_AS_TEXT.search(text)
        if time is not None:
            message = f"{time[0]} reads as machines write a time: 2026-11-24T09:00:00-05:00"
            self._flow.report.warning(path, "time-as-text", message, f"put it into words: {{{{ {time[1]} | spoken }}}}")
        truth = _TRUTH_AS_TEXT.search(text)
        if truth is None:
            if self.expression_compiler.reads_true_or_false(text):
                fix = "choose words: {% if now.hour < 12 %}yes{% else %}no{% endif %}"
                self._flow.report.warning(path, "truth-as-text", "a comparison in the text reads True or False", fix)
            return
        fix = f"choose words: {{% if {truth[1]} %}}yes{{% else %}}no{{% endif %}}"
        if truth[1].startswith("hours."):
            fix = f"write the status: {{{{ {truth[1].removesuffix('.open')}.status | spoken }}}}"
        self._flow.report.warning(path, "truth-as-text", f"{truth[0]} reads True or False", fix)

    def check_escapes(self, text: str, path: SourcePath) -> None:
        """Warn about a backslash in a text for people, as in a text of programs."""
        for doubt in find_escape_doubts(_JINJA_EXPRESSION.sub(" ", text)):
            self._flow.report.warning(path, doubt.rule, doubt.message, doubt.fix)

    def _is_filled_here(self, name: str) -> bool:
        if name in self.assumed_names or self._flow.report.has_error_of_value("set", name):
            return True  # a value with an error is reported itself
        return self._flow.is_name_filled(name)

    def build_metas(self, values: Mapping[str, object], path: SourcePath) -> list[Meta]:
        """Build Metas from ``{name: value}``."""
        metas = []
        for name, value in values.items():
            if not isinstance(value, str):
                self._flow.report.error((*path, name), "value", f"meta: {name}: must be a text")
                continue
            try:
                metas.append(Meta(self.compile_complete_text(value, (*path, name)), name=name))
            except VerbBuildError as error:
                self._flow.report.error((*path, name), "value", f"meta: {error}")
        return metas

    def compile_complete_text(self, text: str, path: SourcePath, *, url: bool = False) -> str:
        """Compile a text for callers, or a URL. Reports a text that a YAML comment cut short."""
        if not url:  # nobody means a blank and a hash within a URL
            self.check_not_cut(path)
        return self.compile_verb_text(text, path, url=url)

    def check_not_cut(self, path: SourcePath) -> None:
        """Report a text that a YAML comment cut short."""
        cut = self._flow.report.get_position(path).cutting_comment
        if cut:
            message = f"YAML takes {cut!r} for a comment and the text ends before it"
            self._flow.report.error(path, "comment-in-text", message, "quote the text")

    def compile_verb_text(self, source: str, path: SourcePath, *, url: bool = False) -> str:
        """Return a constant text, or a placeholder for a text that changes from call to call."""
        text = self.compile_text(source, path, url=url)
        if text is None:
            return source if url else ""
        if text.constant_text is not None:
            return text.constant_text
        hole = self._flow.share_hole(text, url=url, lang=self.lang)
        if not url:
            return self._document.add_placeholder(hole)
        self.check_computed_url(source, path)
        return self._document.add_url_placeholder(hole)

    def check_computed_url(self, source: str, path: SourcePath) -> bool:
        """Return True if values can be put into a URL; report a problem if not."""
        sample = _JINJA_EXPRESSION.sub("x", source)
        server = re.split(r"[/?#\\]", _JINJA_EXPRESSION.sub(_HOLE_MARK, source).partition("://")[2])[0]
        try:
            URL_KIND.parse_text(sample)
        except ValueError as error:
            problem, fix = str(error), "write its scheme and host; what is in braces is percent-encoded"
        else:
            if _HOLE_MARK in server:
                problem, fix = "the host of a server that is asked is written out", "what changes stands after the host"
            elif sample != source and disarm_dot_segments(sample) != sample:
                problem, fix = "its path has . or .. in it", "write the path as the server has it"
            else:
                return True
        self._flow.report.error(path, "value", f"url: {problem}", fix)
        return False

    def compile_text(self, source: str, path: SourcePath, *, url: bool = False) -> CompiledText | None:
        """Compile an author's text. Reports an error and returns None for an invalid text."""
        try:
            text = self.expression_compiler.compile_text(source, url=url, lang=self.lang)
        except ExpressionError as error:
            self._report_expression_error(error, path, "template", str(error), line=error.line)
            return None
        if text.constant_text is None:
            if self._document.is_static:
                message = "the fallback needs nothing but itself, and this text needs the call"
                self._flow.report.error(path, "fallback-not-static", message)
            self.record_used_names(text, path, f"the text {_describe_names(text.used_names)}")
        self._report_condition_problems(text.problems, path)
        self._warn_about_placeholders(source, path, url=url)
        self._check_spoken_language(source, path)
        return text

    def _warn_about_placeholders(self, source: str, path: SourcePath, *, url: bool) -> None:
        """Warn about a value that is heard as written, because it has not two braces: ``{caller.name}``."""
        plain = _JINJA_EXPRESSION.sub(" ", source)
        for doubt in find_placeholder_doubts(plain, self._correct_value_name, url=url):
            self._flow.report.warning(path, doubt.rule, doubt.message, self.expression_compiler.adapt_fix(doubt.fix))

    def _correct_value_name(self, name: str) -> str:
        """Return the name of a value that a placeholder means; an empty text if the flow has no such value."""
        meant = suggest_value_name(name)
        if meant != name and meant:
            try:
                self.expression_compiler.compile_text(f"{{{{ {meant} }}}}")
            except ExpressionError:
                meant = ""  # only calls have the value: a text message has no caller.name
        try:
            self.expression_compiler.compile_text(f"{{{{ {name} }}}}")
        except UnknownNameError as error:
            near = error.fix.word if isinstance(error.fix, Suggestion) else ""
            root, dot, field = name.partition(".")
            return f"{near}.{field}" if root and dot and near and "." not in near else near if meant == name else meant
        except ExpressionError as error:
            near = error.fix.word if isinstance(error.fix, Suggestion) else ""
            owner = name.rpartition(".")[0]
            return f"{owner}.{near}" if owner and near and "." not in near else near or meant
        return meant if name in _OBJECT_NAMES else name

    def _check_spoken_language(self, source: str, path: SourcePath) -> None:
        """Warn if the filter spoken has no words in the language of a text."""
        lang = self.lang or self._flow.voice.get("lang", "")
        if not lang or has_spoken_words(lang) or not _SPOKEN_FILTER.search(source):
            return
        message = f"spoken has no words in {lang}: the time is spoken in English"
        self._flow.report.warning(path, "spoken-language", message, "write it in figures: {{ … .next_opening.time }}")

    def compile_condition(self, source: str, path: SourcePath, key: str) -> CompiledCondition | None:
        """Compile an author's expression. Reports an error and returns None for an invalid expression."""
        if self._document.is_static:
            message = "the fallback needs nothing but itself, and this condition needs the call"
            self._flow.report.error(path, "fallback-not-static", message)
        try:
            condition = self.expression_compiler.compile_condition(source, is_value=key != "when")
        except ExpressionError as error:
            self._report_expression_error(error, path, "expression", f"{key}: {error}")
            return None
        reason = f"the condition {_describe_names(condition.used_names)}"
        if key != "when":
            reason = f"the value {_describe_names(condition.used_names)}" if condition.used_names else f"{key!r} is set"
        self.record_used_names(condition, path, reason)
        self._report_condition_problems(
            [doubt for doubt in condition.problems if key == "when" or doubt.rule != "constant-condition"], path, f"{key}: "
        )
        return condition

    def _report_expression_error(
        self, error: ExpressionError, path: SourcePath, rule: str, message: str, *, line: int = 0
    ) -> None:
        report = self._flow.report
        if not isinstance(error, UnknownNameError):
            report.error(path, rule, message, error.fix, line=line)
            return
        fix = error.fix
        if error.missing_name and not self._flow.flow_file.numbers:
            # Calls come to such a flow from other flows, whose values must be named.
            fix = f"if another flow brings it, write receives: [{error.missing_name}]; else {fix}"
        report.unknown_name(path, rule, message, fix, line=line)

    def _report_condition_problems(self, problems: Iterable[ConditionProblem], path: SourcePath, key: str = "") -> None:
        for severity, rule, message, fix in problems:
            (self._flow.report.error if severity == "error" else self._flow.report.warning)(
                path, rule, f"{key}{message}", fix
            )

    def record_used_names(self, compiled: CompiledCondition | CompiledText, path: SourcePath, reason: str) -> None:
        """Record the names used by this node."""
        if self._flow.languages and CALL_LANGUAGE in compiled.used_names:
            self._document.add_pure_action(self._flow.set_default_language)
        self._document.dynamic_reasons.setdefault(path, reason)
        self._flow.graph.record_used_names(self._document.node, compiled.used_names, path)


def _describe_names(names: Iterable[str]) -> str:
    known = ", ".join(sorted(names))
    return f"asks for {known}" if known else "is computed in each call"
