"""The step collect, which takes digits."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final

import pydantic

from callflows.flows.compiler.fragments import ConditionalFragment, merge_adjacent_texts
from callflows.flows.decisions import MASKED_VALUE
from callflows.flows.entry_points import NodeEntry
from callflows.flows.expressions.value_names import ValueName
from callflows.flows.source.source_values import (
    KeySequence,
    NodeName,
    SingleKey,
    schema_reference,
)
from callflows.flows.source.stored_values import StoredValue
from callflows.flows.steps.digit_matching import (
    MAX_COLLECTED_DIGITS,
    DigitReader,
    DigitRule,
    can_begin_with,
    can_begin_with_zero,
    can_hold_digit,
    find_digit_lengths,
    has_literal_digits,
    make_digit_setter,
    make_person_name,
    parse_digit_pattern,
    suggest_digit_pattern,
)
from callflows.flows.steps.menu_prompt_check import warn_about_stop_in_prompt
from callflows.flows.steps.question_step import (
    QuestionStep,
    check_key_spelling,
    describe_silent_node_fix,
    describe_silent_way,
    find_key_path,
    pick_attempt_prompt,
)
from callflows.flows.steps.step_base import find_into_name, mapping_of
from callflows.flows.steps.step_summary import StepWay, is_true_text, quote_text, summarize_key, summarize_value
from callflows.language.verbs import Error, Gather
from callflows.telephony.truth_words import TRUE_WORDS
from callflows.telephony.turn import Variables

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from callflows.flows.compiler.step_context import StepContext
    from callflows.flows.source.positions import SourcePath
    from callflows.telephony.turn import Turn


def _parse_digit_count(value: object) -> tuple[int, int]:
    """Parse ``6`` or ``4-8`` to the least and the most digits. Raises ValueError otherwise."""
    found = re.fullmatch(r"([0-9]{1,3})(?: *- *([0-9]{1,3}))?", value.strip()) if isinstance(value, str) else None
    least, most = (int(found[1]), int(found[2] or found[1])) if found else (0, 0)
    if not 1 <= least <= most <= MAX_COLLECTED_DIGITS:
        message = f"must be a number of digits as 6, or 4-8, at most {MAX_COLLECTED_DIGITS}, not {value!r}"
        raise ValueError(message, _suggest_digit_count(str(value)))
    return least, most


def _suggest_digit_count(text: str) -> str:
    """Suggest the digits that are meant by ``4 to 6``, ``4,6``, ``four`` and ``4 digits``."""
    words = {word: str(number) for number, word in enumerate(_NUMBER_WORDS, 1)}
    numbers = [words.get(part.lower(), part) for part in re.findall(r"[0-9]+|[A-Za-z]+", text)]
    counts = sorted({int(part) for part in numbers if part.isdecimal()})
    is_range = len(counts) <= 2 or counts[-1] - counts[0] == len(counts) - 1  # noqa: PLR2004 - from and to
    if counts and counts[0] >= 1 and counts[-1] <= MAX_COLLECTED_DIGITS and is_range:
        return f"did you mean {'-'.join(map(str, dict.fromkeys((counts[0], counts[-1]))))}?"
    if re.fullmatch("[0-9]{3,}", text.strip()):
        return (
            f'write how many there are, as digits: {len(text.strip())}; only this one is taken by match: "{text.strip()}"'
        )
    return ""


_NUMBER_WORDS: Final = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")


class CollectStep(QuestionStep):
    """Take digits, and go on with them."""

    step_key: ClassVar[str] = "collect"
    brings_digits: ClassVar[bool] = True
    caller_hears: ClassVar[str] = (
        "The prompt. If nothing is entered, `no_input`; if the digits are too few, too many or do not match, `no_match`. "
        "Then the prompt again, up to `attempts` times. "
        "After the last attempt the call goes to `otherwise`, or on to the next step. "
        "A key of `keys` leads to its node instead, and `any` takes every other input; the node sees it as `digits`. "
        "After such a key the input waits for more digits, for some seconds or until `stop`: say so in the prompt."
    )
    check_rules: ClassVar[tuple[str, ...]] = (
        "no-way-out",
        "says-nothing",
        "unknown-node",
        "leading-zeros",
        "digits-never-match",
        "stop-in-prompt",
        "ticket-too-big",
        "duration-doubtful",
        "text-cut",
        "text-may-be-empty",
        "sound-missing",
        "menu",
        "key-shadowed",
        "key-twice",
        "node-as-text",
        "step-as-text",
        "way-not-taken",
        "directory",
    )
    instead: ClassVar[Mapping[str, Any]] = {"into": "unread", "digits": "1", "prompt": "?", "directory": True}
    alternatives: ClassVar[tuple[str, ...]] = ("digits", "directory")
    resumes_call: ClassVar[bool] = True
    into: ValueName = pydantic.Field(description="The name of the value that holds the digits.")
    digits: Annotated[tuple[int, int], pydantic.BeforeValidator(_parse_digit_count), schema_reference("digits")] = (
        pydantic.Field((0, 0), description="How many digits, for example 6 or 4-8. Required, unless directory is true.")
    )
    directory: bool = pydantic.Field(
        default=False,
        description="Take an extension of the file's directory, and keep the person's name as the name of into and _name.",
    )
    keys: dict[KeySequence, NodeName] = pydantic.Field(
        {},
        description="The node for a key pressed instead of digits, as 0 for the operator; star and hash also after digits.",
    )
    stop: SingleKey = pydantic.Field("#", description="The key that ends the input; another one if keys has it.")
    match: Annotated[str, pydantic.AfterValidator(parse_digit_pattern)] = pydantic.Field(
        "", description="A regular expression that all digits must match."
    )
    secret: bool = pydantic.Field(
        default=False, description="Encrypt the digits in URLs, and mask them wherever they are shown."
    )

    @classmethod
    def summarize(cls, value: Any, groups: Mapping[str, Any]) -> str:  # noqa: ANN401, ARG003 - as FlowStep has it
        keys = mapping_of(value)
        secret = " (secret)" if is_true_text(keys.get("secret")) else ""
        name, digits = summarize_value(keys.get("into")), summarize_value(keys.get("digits"))
        digits = "an extension" if is_true_text(keys.get("directory")) else f"{digits} digits"
        return f"collect {name}{secret}: {digits} {quote_text(keys.get('prompt'))}"

    @classmethod
    def list_ways(cls, value: Any) -> Iterable[StepWay]:  # noqa: ANN401 - as FlowStep has it
        for key, node in mapping_of(mapping_of(value).get("keys")).items():
            yield StepWay(summarize_key(key), node)
        yield from super().list_ways(value)

    @classmethod
    def list_stored_values(cls, keys: Mapping[str, Any]) -> Iterable[StoredValue]:
        name = find_into_name(keys)
        is_secret = str(keys.get("secret", "")).lower() in TRUE_WORDS
        takes_extension = is_true_text(keys.get("directory"))
        try:
            count = None if takes_extension else _parse_digit_count(keys.get("digits"))
        except ValueError:
            count = None  # reported when the step is read
        stored = [StoredValue(name, is_secret=is_secret, is_never_empty=True, digit_count=count)] if name else []
        if name and takes_extension:
            stored.append(StoredValue(make_person_name(name), is_secret=is_secret, is_never_empty=True))
        return stored

    def compile_step(self, context: StepContext, path: SourcePath) -> None:
        """Write the attempts.

        Each attempt requests an entry with the pressed digits, and the entry first checks the digits.
        """
        if context.is_static:
            context.report.error(
                path, "fallback-not-static", "the fallback cannot ask for digits", "say what is to be said, and hang up"
            )
            return
        places = [(find_key_path(context, path, keys), node) for keys, node in self.keys.items()]
        exist = [context.check_target_node(node, place) for place, node in places]
        exist += [context.check_target_node(self.otherwise, (*path, "otherwise"))] if self.otherwise else []
        if not all([*exist, self.check_ways(context, path), self._check_length(context, path)]):
            return
        least, most = self._find_length(context)
        self._check_dialect(context, path)
        self._check_keys(context, path)
        self._check_input(context, path)
        context.document.ensure_answered()
        if not context.has_digits:
            context.document.add_pure_action(self._clear_digits)
            self._compile_attempts(context, path, max(context.attempt, 1))
            context.continues_elsewhere = context.document.progress.ends
            return
        origin = context.document.make_decision_origin(self.step_key, self._describe_rule(least, most), ())
        rule = DigitRule(
            self.into,
            least,
            most,
            self._choose_stop(),
            self.match,
            is_secret=self.secret,
            keys=tuple(self.keys),
            names=self._read_names(context),
        )
        reading = DigitReader(rule, origin, classic=context.flow.dialect == "classic")
        for keys, node in self.keys.items():
            place = find_key_path(context, path, keys)
            pressed = context.make_empty_branch(inside_branch=False)
            pressed.document.add_silent_end(place, describe_silent_way(keys), describe_silent_node_fix(node))
            pressed.document.write_coverage_comment(f"key {keys}", place)
            pressed.document.add_pure_action(self._clear_digits)
            pressed.document.add_pure_action(make_digit_setter(keys))
            pressed.write_goto(node, place)
            self._add_outcome(context, reading, f"key {keys}", pressed)
        for outcome, prompts in (("no-input", self.no_input), ("no-match", self.no_match)):
            way = self._compile_outcome_way(context, path, outcome.replace("-", "_"), reading)
            if way is not None:
                self._add_outcome(context, reading, outcome, way)
                continue
            wrong = context.make_empty_branch(inside_branch=False)
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
            self._add_outcome(context, reading, outcome, wrong)
        context.document.write_coverage_comment("collected", path)
        context.record_stored_value(self.into, "0" * most, (*path, "digits"), context.step_index + 1)
        context.document.add_action(reading.store_digits, path, f"digits are collected into {self.into!r}")
        message = f"{path[-1]}: a caller who enters the digits is hung up on without a word"
        fix = "say something after it; hangup as the next step says that it is meant"
        context.document.add_silent_end(path, message, fix)

    def _compile_outcome_way(
        self, context: StepContext, path: SourcePath, key: str, reading: DigitReader
    ) -> StepContext | None:
        """Compile the way to a node under ``no_input``, ``no_match`` or ``any``; None if the caller is asked again."""
        node = self.find_way(context, key, context.attempt)
        if not node:
            return None
        is_any = key == "no_match" and bool(self.any)
        place = (*path, "any") if is_any else self.find_item_path(path, key, context.attempt)
        way = context.make_empty_branch(inside_branch=False)
        way.document.add_silent_end(place, describe_silent_way(key), describe_silent_node_fix(node))
        way.document.write_coverage_comment("any other key" if is_any else key.replace("_", "-"), place)
        way.document.add_pure_action(self._clear_digits)
        if is_any:
            way.document.add_pure_action(reading.keep_input)
        way.write_goto(node, place)
        return way

    def _add_outcome(self, context: StepContext, reading: DigitReader, outcome: str, branch: StepContext) -> None:
        """Add what happens at an outcome; nothing of the rest of the document follows."""
        context.document.fragments.append(
            ConditionalFragment(
                reading.make_outcome_condition(outcome), merge_adjacent_texts(branch.document.fragments), terminates=True
            )
        )
        context.document.merge_branch_properties(branch.document)

    def _choose_stop(self) -> str:
        """Return the key that ends the input: the author's, or one that is none of ``keys``; empty if none is left."""
        taken = "".join(self.keys)
        if "stop" in self.model_fields_set or not taken:
            return self.stop
        return next((key for key in "#*" if key not in taken), "")

    def _check_keys(self, context: StepContext, path: SourcePath) -> None:
        """Report keys that end the input, and keys with which the digits may begin."""
        check_key_spelling(context, path)
        stop = self._choose_stop()
        if stop.isdecimal() and not any(stop in keys for keys in self.keys) and self._may_hold_digit(context, stop):
            message = f"stop: {stop} ends the input: a number with a {stop} in it is cut there"
            fix = "end numbers with hash or star, or leave stop out"
            context.report.warning((*path, "stop"), "key-shadowed", message, fix)
        for keys in self.keys:
            place = find_key_path(context, path, keys)
            if stop and stop in keys:
                message = f"stop: {stop} is one of the keys, too"
                context.report.error((*path, "stop"), "menu", message, "use another key to stop, or leave it out")
            elif keys.isdecimal() and self._may_begin_number(context, keys):
                message = f"keys: whoever presses {keys} may have begun a number, and is waited for"
                fix = "use a key with which no extension begins"
                fix = fix if self.directory else 'leave out the numbers that begin so, as match: "[1-9][0-9]*"'
                context.report.warning(place, "key-shadowed", message, fix, key=True)

    def _may_begin_number(self, context: StepContext, keys: str) -> bool:
        """Return True if longer digits that are taken begin with these keys."""
        if self.directory:
            return any(extension.startswith(keys) and extension != keys for extension in context.flow.directory)
        return can_begin_with(keys, self.match, *self.digits)

    def _may_hold_digit(self, context: StepContext, digit: str) -> bool:
        """Return True if numbers that are taken have this digit."""
        if self.directory:
            return any(digit in extension for extension in context.flow.directory)
        return can_hold_digit(digit, self.match, *self.digits)

    def _clear_digits(self, turn: Turn) -> None:
        """Remove digits collected when the caller was asked before."""
        if self.into in turn.values or "digits" in turn.values:
            cleared = (self.into, "digits", *([make_person_name(self.into)] if self.directory else []))
            turn.values = Variables({name: value for name, value in turn.values.items() if name not in cleared})

    def _find_length(self, context: StepContext) -> tuple[int, int]:
        """Return the least and the most digits, of the extensions if the step says nothing."""
        lengths = [len(extension) for extension in context.flow.directory] if self.directory else []
        return self.digits if self.digits[1] or not lengths else (min(lengths), max(lengths))

    def _read_names(self, context: StepContext) -> dict[str, str] | None:
        """Return the spoken names by extension; None if any digits are taken."""
        if not self.directory:
            return None
        return {key: entry.name or " ".join(key) for key, entry in context.flow.directory.items()}

    def _check_length(self, context: StepContext, path: SourcePath) -> bool:
        """Report a question that says neither how many digits nor whose. Return True if the digits are known."""
        if self.directory:
            context.flow.uses_directory = True
            context.flow.extension_names.add(self.into)
            if not context.flow.flow_file.directory:
                message = "directory: the file has no directory"
                fix = "name people under directory: as 401: ann@acme.sip.opentact.org"
                context.report.unknown_name((*path, "directory"), "directory", message, fix, key=True)
            return bool(context.flow.directory)
        if not self.digits[1]:
            context.report.error(path, "missing-key", "digits is missing")
        return bool(self.digits[1])

    def _check_dialect(self, context: StepContext, path: SourcePath) -> None:
        """Warn about limits of the dialect."""
        self.warn_about_timeout(context, path)
        self.warn_about_cut_texts(context, path)
        length = self._find_length(context)
        is_open = not self.directory and can_begin_with_zero(self.match, *length)
        if context.flow.dialect == "classic" and length[1] > 1 and is_open:
            message = "digits: the classic dialect tells digits as a whole number, and zeros at their beginning are lost"
            if self.digits[0] == self.digits[1]:
                few = "12".zfill(self.digits[1])[-self.digits[1] :]
                message = f"{message}: whoever presses {int(few)} and {self.stop or 'waits'} has pressed {few}"
            fix = 'a pattern that no zero begins leaves no doubt, as match: "[1-9][0-9]*"'
            context.report.warning((*path, "digits"), "leading-zeros", message, fix)

    def _check_input(self, context: StepContext, path: SourcePath) -> None:
        """Warn about a pattern that no digits of the length match, and about a prompt that asks for a needless key."""
        least, most = self._find_length(context)
        if self.match and not find_digit_lengths(self.match, most) & {*range(least, most + 1)}:
            message = f"match: no digits of this length match {self.match!r}: every caller's digits are refused"
            fix = self._suggest_fitting_digits(least, most)
            context.report.warning((*path, "match"), "digits-never-match", message, fix)
        if least == most and not self.keys:  # the key ends the wait after one of keys
            warn_about_stop_in_prompt(context, self.find_spoken_parts(path, "prompt"), most, self.stop)

    def _suggest_fitting_digits(self, least: int, most: int) -> str:
        """Return the fix for a pattern that fits no digits of the length, without taking all digits instead."""
        pattern = suggest_digit_pattern(self.match, least, most)
        if pattern:
            return f'did you mean match: "{pattern}"?'
        if not has_literal_digits(self.match):
            return f'make both fit together, as digits: {least} and match: "[0-9]{{{least}}}"'
        lengths = find_digit_lengths(self.match, MAX_COLLECTED_DIGITS)
        if lengths:
            count = "-".join(map(str, dict.fromkeys((min(lengths), max(lengths)))))
            return f"make both fit together: the pattern is for digits: {count}"
        return "write the numbers with | between, as 12|34, and [0-9] for any digit"

    def _describe_rule(self, least: int, most: int) -> str:
        digits = f"{least} digits" if least == most else f"{least} to {most} digits"
        return f"{self.into}: {digits}{f' matching {MASKED_VALUE if self.secret else self.match}' if self.match else ''}"

    def _compile_attempts(self, context: StepContext, path: SourcePath, first: int) -> None:
        """Write the attempts from ``first`` on, then ``otherwise`` if given."""
        for attempt in range(first, self.attempts + 1):
            self._compile_attempt(context, path, attempt)
            if self.find_way(context, "no_input", attempt):
                context.document.end()
                return
        self.write_last_way(context, path)

    def _compile_attempt(self, context: StepContext, path: SourcePath, attempt: int) -> None:
        self.note_silent_prompt(context, path, attempt)
        prompt = self.build_prompt(context, path, "prompt", pick_attempt_prompt(self.prompt, attempt))
        url = context.add_document_url_placeholder(
            context.node, NodeEntry(context.step_index, attempt, line_answered=True, has_digits=True)
        )
        inside = []
        way = self.compile_way(context, path, "no_input", attempt)
        if way is not None:
            inside.append(Error(context.document.add_branch_placeholder(way.document)))
        elif self.no_input:
            no_input_say = self.build_prompt(context, path, "no_input", pick_attempt_prompt(self.no_input, attempt))
            inside.append(Error(*context.document.prepend_coverage_comment("no-input", (*path, "no_input"), no_input_say)))
        length, stop = max(self._find_length(context)[1], *map(len, self.keys), 0), self._choose_stop()
        attributes: dict[str, Any] = {"dtmf_length": length, **({"dtmf_stop": stop} if stop else {}), "url": url}
        if context.flow.dialect == "classic":
            attributes |= {"attempts": 1, "method": "GET", "dtmf_stop": stop or "+"} | (
                {"timeout": self.timeout} if self.timeout is not None else {}
            )
            context.document.write_verbs(Gather(prompt, *inside, **attributes), path=path)
        else:
            context.document.write_verbs(prompt, Gather(*inside, **attributes), path=path)
