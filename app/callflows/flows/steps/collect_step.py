"""The step collect, which takes digits."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import pydantic

from callflows.flows.compiler.fragments import ConditionalFragment, merge_adjacent_texts
from callflows.flows.decisions import MASKED_VALUE
from callflows.flows.entry_points import NodeEntry
from callflows.flows.expressions.value_names import ValueName
from callflows.flows.source.source_values import (
    TRUE_WORDS,
    SingleKey,
    schema_reference,
)
from callflows.flows.source.stored_values import StoredValue
from callflows.flows.steps.digit_matching import (
    MAX_COLLECTED_DIGITS,
    DigitReader,
    DigitRule,
    can_begin_with_zero,
    find_digit_lengths,
    parse_digit_pattern,
)
from callflows.flows.steps.menu_prompt_check import warn_about_stop_in_prompt
from callflows.flows.steps.question_step import QuestionStep, pick_attempt_prompt
from callflows.flows.steps.step_base import find_into_name, mapping_of
from callflows.flows.steps.step_summary import is_true_text, quote_text, summarize_value
from callflows.language.verbs import Error, Gather
from callflows.telephony.turn import Variables

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from callflows.flows.compiler.context import StepContext
    from callflows.flows.source.positions import SourcePath
    from callflows.telephony.turn import Turn


def _parse_digit_count(value: object) -> object:
    """Parse ``6`` or ``4-8`` to the least and the most digits. Raises ValueError otherwise."""
    found = re.fullmatch(r"([0-9]{1,3})(?: *- *([0-9]{1,3}))?", value.strip()) if isinstance(value, str) else None
    least, most = (int(found[1]), int(found[2] or found[1])) if found else (0, 0)
    if not 1 <= least <= most <= MAX_COLLECTED_DIGITS:
        raise ValueError(f"must be a number of digits as 6, or 4-8, at most {MAX_COLLECTED_DIGITS}, not {value!r}")
    return least, most


class CollectStep(QuestionStep):
    """Take digits, and go on with them."""

    step_key: ClassVar[str] = "collect"
    brings_digits: ClassVar[bool] = True
    caller_hears: ClassVar[str] = (
        "The prompt. If nothing is entered, `no_input`; if the digits are too few, too many or do not match, `no_match`. "
        "Then the prompt again, up to `attempts` times. "
        "After the last attempt the call goes to `otherwise`, or on to the next step."
    )
    check_rules: ClassVar[tuple[str, ...]] = (
        "no-way-out",
        "unknown-node",
        "leading-zeros",
        "digits-never-match",
        "stop-in-prompt",
        "ticket-too-big",
        "duration-doubtful",
        "text-cut",
        "text-may-be-empty",
        "sound-missing",
    )
    instead: ClassVar[Mapping[str, Any]] = {"into": "unread", "digits": "1", "prompt": "?"}
    resumes_call: ClassVar[bool] = True
    into: ValueName = pydantic.Field(description="The name of the value that holds the digits.")
    digits: Annotated[tuple[int, int], pydantic.BeforeValidator(_parse_digit_count), schema_reference("digits")] = (
        pydantic.Field(description="How many digits, for example 6 or 4-8.")
    )
    stop: SingleKey = pydantic.Field("#", description="The key that ends the input.")
    match: Annotated[str, pydantic.AfterValidator(parse_digit_pattern)] = pydantic.Field(
        "", description="A regular expression that all digits must match."
    )
    secret: bool = pydantic.Field(
        default=False, description="Encrypt the digits in URLs, and mask them wherever they are shown."
    )

    @classmethod
    def summarize(cls, value: Any, groups: Mapping[str, Any]) -> str:  # noqa: ANN401, ARG003 - as WordStep has it
        keys = mapping_of(value)
        secret = " (secret)" if is_true_text(keys.get("secret")) else ""
        name, digits = summarize_value(keys.get("into")), summarize_value(keys.get("digits"))
        return f"collect {name}{secret}: {digits} digits {quote_text(keys.get('prompt'))}"

    @classmethod
    def list_stored_values(cls, keys: Mapping[str, Any]) -> Iterable[StoredValue]:
        name = find_into_name(keys)
        is_secret = str(keys.get("secret", "")).lower() in TRUE_WORDS
        return [StoredValue(name, is_secret=is_secret, is_never_empty=True)] if name else []

    def compile_step(self, context: StepContext, path: SourcePath) -> None:
        """Write the attempts.

        Each attempt requests an entry with the pressed digits, and the entry first checks the digits.
        """
        if context.is_static:
            context.report.error(
                path, "fallback-not-static", "the fallback cannot ask for digits", "say what is to be said, and hang up"
            )
            return
        if self.otherwise and not context.check_target_node(self.otherwise, (*path, "otherwise")):
            return
        self._check_dialect(context, path)
        self._check_input(context, path)
        context.document.ensure_answered()
        if not context.has_digits:
            context.document.add_pure_action(self._clear_digits)
            self._compile_attempts(context, path, max(context.attempt, 1))
            context.continues_elsewhere = context.document.progress.ends
            return
        mark = context.document.make_decision_origin(self.step_key, self._describe_rule(), ())
        rule = DigitRule(self.into, *self.digits, self.stop, self.match, is_secret=self.secret)
        reading = DigitReader(rule, mark, classic=context.flow.dialect == "classic")
        for outcome, prompts in (("no-input", self.no_input), ("no-match", self.no_match)):
            wrong = context.make_branch(inside_branch=False)
            wrong.document.add_pure_action(self._clear_digits)
            key = outcome.replace("-", "_")
            if prompts or outcome == "no-match":
                wrong.document.write_coverage_comment(outcome, (*path, key))
            if prompts:
                prompt = self.build_prompt(wrong, path, key, pick_attempt_prompt(prompts, context.attempt))
                wrong.document.write_verbs(prompt, path=path)
            self._compile_attempts(wrong, path, context.attempt + 1)
            if not wrong.document.progress.ends:
                wrong.write_resume(context.step_index + 1)
            context.document.fragments.append(
                ConditionalFragment(
                    reading.make_outcome_condition(outcome), merge_adjacent_texts(wrong.document.fragments), terminates=True
                )
            )
            context.document.absorb_branch(wrong.document)
        context.document.write_coverage_comment("collected", path)
        context.record_stored_value(self.into, "0" * self.digits[1], (*path, "digits"), context.step_index + 1)
        context.document.add_action(reading.store_digits, path, f"digits are collected into {self.into!r}")

    def _clear_digits(self, turn: Turn) -> None:
        """Remove digits collected when the caller was asked before."""
        if self.into in turn.values or "digits" in turn.values:
            turn.values = Variables(
                {name: value for name, value in turn.values.items() if name not in (self.into, "digits")}
            )

    def _check_dialect(self, context: StepContext, path: SourcePath) -> None:
        """Warn about limits of the dialect."""
        self.warn_about_timeout(context, path)
        self.warn_about_cut_texts(context, path)
        if context.flow.dialect == "classic" and self.digits[1] > 1 and can_begin_with_zero(self.match, *self.digits):
            message = "digits: the classic dialect tells digits as a whole number, and zeros at their beginning are lost"
            if self.digits[0] == self.digits[1]:
                few = "12".zfill(self.digits[1])[-self.digits[1] :]
                message = f"{message}: whoever presses {int(few)} and {self.stop or 'waits'} has pressed {few}"
            fix = 'a pattern that no zero begins leaves no doubt, as match: "[1-9][0-9]*"'
            context.report.warning((*path, "digits"), "leading-zeros", message, fix)
        self.warn_about_missing_exit(context, path)

    def _check_input(self, context: StepContext, path: SourcePath) -> None:
        """Warn about a pattern that no digits of the length match, and about a prompt that asks for a needless key."""
        least, most = self.digits
        if self.match and not find_digit_lengths(self.match, most) & {*range(least, most + 1)}:
            message = f"match: no digits of this length match {self.match!r}: every caller's digits are refused"
            fix = f'make both fit together, as digits: {least} and match: "[0-9]{{{least}}}"'
            context.report.warning((*path, "match"), "digits-never-match", message, fix)
        if least == most:
            warn_about_stop_in_prompt(context, self.find_spoken_parts(path, "prompt"), most, self.stop)

    def _describe_rule(self) -> str:
        least, most = self.digits
        digits = f"{least} digits" if least == most else f"{least} to {most} digits"
        return f"{self.into}: {digits}{f' matching {MASKED_VALUE if self.secret else self.match}' if self.match else ''}"

    def _compile_attempts(self, context: StepContext, path: SourcePath, first: int) -> None:
        """Write the attempts from ``first`` on, then ``otherwise`` if given."""
        for attempt in range(first, self.attempts + 1):
            self._compile_attempt(context, path, attempt)
        if self.otherwise:
            context.document.write_coverage_comment("otherwise", (*path, "otherwise"))
            context.write_goto(self.otherwise, (*path, "otherwise"))

    def _compile_attempt(self, context: StepContext, path: SourcePath, attempt: int) -> None:
        prompt = self.build_prompt(context, path, "prompt", pick_attempt_prompt(self.prompt, attempt))
        url = context.add_document_url_placeholder(
            context.node, NodeEntry(context.step_index, attempt, line_answered=True, has_digits=True)
        )
        inside = []
        if self.no_input:
            said = self.build_prompt(context, path, "no_input", pick_attempt_prompt(self.no_input, attempt))
            inside.append(Error(*context.document.prepend_coverage_comment("no-input", (*path, "no_input"), said)))
        given: dict[str, Any] = {"dtmf_length": self.digits[1], "dtmf_stop": self.stop, "url": url}
        if context.flow.dialect == "classic":
            given |= {"attempts": 1, "method": "GET"} | ({"timeout": self.timeout} if self.timeout is not None else {})
            context.document.write_verbs(Gather(prompt, *inside, **given), path=path)
        else:
            context.document.write_verbs(prompt, Gather(*inside, **given), path=path)
