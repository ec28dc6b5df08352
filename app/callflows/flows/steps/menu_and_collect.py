"""The steps menu and collect, which ask the caller for a key or for digits."""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final

import pydantic

from callflows.flows.compiler.fragments import ConditionalFragment, merge_adjacent_texts
from callflows.flows.decisions import MASKED_VALUE
from callflows.flows.entry_points import NodeEntry
from callflows.flows.source.shape_validation import UNREADABLE_TEXT
from callflows.flows.source.source_values import (
    AttemptCount,
    DurationMs,
    KeySequence,
    NodeName,
    NonEmptyTextList,
    SingleKey,
    TextList,
    schema_reference,
)
from callflows.flows.steps.digit_matching import DigitReader, can_begin_with_zero, parse_digit_pattern
from callflows.flows.steps.menu_prompt_check import check_menu_prompts
from callflows.flows.steps.step_base import SpokenStep, ValueName, pick_attempt_text
from callflows.language.verbs import DTMF, Default, Error, Gather, Say
from callflows.telephony.turn import Variables

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from callflows.flows.compiler.node_compiler import NodeCompiler
    from callflows.flows.source.positions import SourcePath
    from callflows.telephony.turn import Turn


MAX_INLINE_ATTEMPTS_BYTES: Final = 16_000
"""Maximum size of a menu's attempts in one document. Beyond this size the next attempt is fetched."""
MAX_INLINE_BRANCHES_BYTES: Final = 40_000
"""Maximum size of a menu's inline branches. Beyond this size the longest branches are fetched."""
MAX_COLLECTED_DIGITS: Final = 40


def _parse_digit_count(value: object) -> object:
    """Parse ``6`` or ``4-8`` to the least and the most digits. Raises ValueError otherwise."""
    found = re.fullmatch(r"([0-9]{1,3})(?: *- *([0-9]{1,3}))?", value.strip()) if isinstance(value, str) else None
    least, most = (int(found[1]), int(found[2] or found[1])) if found else (0, 0)
    if not 1 <= least <= most <= MAX_COLLECTED_DIGITS:
        raise ValueError(f"must be a number of digits as 6, or 4-8, at most {MAX_COLLECTED_DIGITS}, not {value!r}")
    return least, most


class QuestionStep(SpokenStep):
    """Common keys of the steps that ask the caller."""

    prompt: NonEmptyTextList = pydantic.Field(description="The question. A list has one text for each attempt.")
    no_input: TextList = pydantic.Field(
        [], description="The text if no key was pressed. A list has one text for each attempt."
    )
    no_match: TextList = pydantic.Field(
        [], description="The text if the input is not one of the choices. A list has one text for each attempt."
    )
    attempts: AttemptCount = pydantic.Field(3, description="How often the caller is asked.")
    otherwise: NodeName = pydantic.Field("", description="The node to go on at after the last attempt.")
    timeout: DurationMs | None = pydantic.Field(None, description="How long to wait for a key (classic dialect only).")

    def warn_about_timeout(self, compiler: NodeCompiler, path: SourcePath) -> None:
        """Warn about a timeout in a dialect without a time limit."""
        if self.timeout is not None and compiler.dialect == "reference":
            message = "timeout: the reference dialect has no time limit for input"
            compiler.warning((*path, "timeout"), "dialect", message, "it has none in this dialect: take it out")

    def warn_about_missing_exit(self, compiler: NodeCompiler, path: SourcePath) -> None:
        """Warn if a caller without input is hung up on without a word."""
        if not self.otherwise and not compiler.next_step_key:
            message = f"{path[-1]}: a caller who presses nothing is hung up on without a word"
            compiler.warning(
                path, "no-way-out", message, "name a node under otherwise, or say something after it", key=True
            )


class MenuStep(QuestionStep):
    """Offer choices by key."""

    caller_hears: ClassVar[str] = (
        "The prompt. If no key is pressed, `no_input`; if the key is not in `keys`, `no_match`. "
        "Then the prompt again, up to `attempts` times. "
        "After the last attempt the call goes to `otherwise`, or on to the next step."
    )
    check_rules: ClassVar[tuple[str, ...]] = (
        "menu",
        "unknown-node",
        "no-way-out",
        "prompt-key",
        "key-lengths",
        "key-shadowed",
        "key-lost",
        "key-twice",
        "digits-empty",
    )
    instead: ClassVar[Mapping[str, Any]] = {"prompt": "?", "keys": {"1": UNREADABLE_TEXT}}
    keys: dict[KeySequence, NodeName] = pydantic.Field(
        description="The node for each key: 0-9, star, hash, or a sequence such as 42."
    )
    stop: SingleKey = pydantic.Field("", description="A key that ends the input.")

    def compile_step(self, compiler: NodeCompiler, path: SourcePath) -> None:
        """Write as many attempts as fit into the document, then ``otherwise`` or the following steps."""
        if compiler.is_static:
            compiler.error(
                path, "fallback-not-static", "the fallback cannot have a menu", "say what is to be said, and hang up"
            )
            return
        if not self._is_usable(compiler, path):
            return
        branches = self._compile_branches(compiler, path)
        size = sum(branch.size for branch in branches.values())
        attempt = max(compiler.attempt, 1) if not compiler.inside_branch else 1
        compiler.ensure_answered()
        while True:
            written = compiler.make_branch(inside_branch=False)
            self._compile_attempt(written, path, attempt, branches)
            compiler.insert_shared_fragments(written)
            attempt += 1
            if attempt > self.attempts:
                break
            if size * (self.attempts - attempt + 2) > MAX_INLINE_ATTEMPTS_BYTES and not compiler.inside_branch:
                compiler.write_fetch(compiler.node, NodeEntry(compiler.step_index, attempt, line_answered=True))
                compiler.continues_elsewhere = True
                return
        if self.otherwise:
            compiler.write_coverage_comment("otherwise", (*path, "otherwise"))
            compiler.write_goto(self.otherwise, (*path, "otherwise"))
        self.warn_about_missing_exit(compiler, path)

    def _is_usable(self, compiler: NodeCompiler, path: SourcePath) -> bool:
        """Return True if all target nodes exist and the menu has keys."""
        self._check_keys(compiler, path)
        self.warn_about_timeout(compiler, path)
        places = [(self._key_path(compiler, path, keys), node) for keys, node in self.keys.items()]
        compiler.flow_compiler.flow_graph.menu_targets.update(places)
        exist = [compiler.check_target_node(node, place) for place, node in places]
        if self.otherwise:
            exist.append(compiler.check_target_node(self.otherwise, (*path, "otherwise")))
        return all(exist) and bool(self.keys)

    def _check_keys(self, compiler: NodeCompiler, path: SourcePath) -> None:
        """Report keys that a caller cannot press or would have to guess."""
        if not self.keys:
            compiler.error((*path, "keys"), "menu", "keys: a menu needs at least one key")
            compiler.check_target_node(UNREADABLE_TEXT, path)
        for word, key in (("star", "*"), ("hash", "#")):
            if all((*path, "keys", name) in compiler.flow_compiler.report.key_positions for name in (word, key)):
                said = f"keys: {word} and {key} are one key"
                compiler.error((*path, "keys", word), "key-twice", said, "take one out", key=True)
        if self.stop and any(self.stop in keys for keys in self.keys):
            compiler.error(
                (*path, "stop"), "menu", f"stop: {self.stop} is one of the choices too", "use another key to stop"
            )
        for short, long in itertools.permutations(self.keys, 2):
            if long.startswith(short):
                message = f"keys: whoever presses {short} may have begun {long}, and is waited for"
                place = self._key_path(compiler, path, short)
                compiler.warning(place, "key-shadowed", message, "let no key begin another")
        if len({*map(len, self.keys)}) > 1 and not self.stop:
            self._warn_about_key_lengths(compiler, (*path, "keys"))
        if (
            {**compiler.flow_compiler.voice, **self.read_voice(compiler, path)}.get("lang", "en-US")
            .lower()
            .startswith("en")
        ):
            texts = {"prompt": self.prompt, "no_input": self.no_input, "no_match": self.no_match}
            stop = (self.stop or _pick_stop_key(self.keys)) if self._has_end_key(compiler) else ""
            check_menu_prompts(compiler, path, texts, self.keys, stop)

    def _has_end_key(self, compiler: NodeCompiler) -> bool:
        return bool(self.stop) or compiler.dialect == "classic" or len({*map(len, self.keys)}) > 1

    def _warn_about_key_lengths(self, compiler: NodeCompiler, path: SourcePath) -> None:
        """Warn about keys of different lengths. Another key must end a short key if the input has no stop key."""
        end = _pick_stop_key(self.keys)
        message = f"keys: some are longer than others; {end} ends a short one at once"
        fix = "say so in the prompt, or name a stop key"
        if end == "+":
            message = "keys: some are longer than others, and no key is left to end a short one"
            fix = "make them equally long, or leave star or hash free"
        compiler.warning(path, "key-lengths", message, fix)

    def _key_path(self, compiler: NodeCompiler, path: SourcePath, keys: str) -> SourcePath:
        """Return the path of a key in the file, in either spelling (``*`` or ``star``)."""
        written = (keys, {"*": "star", "#": "hash"}.get(keys, keys))
        return next(
            ((*path, "keys", name) for name in written if (*path, "keys", name) in compiler.flow_compiler.report.positions),
            path,
        )

    def _compile_branches(self, compiler: NodeCompiler, path: SourcePath) -> dict[str, NodeCompiler]:
        """Compile a branch for each key. If the branches together are too large, the longest are fetched."""
        branches = {}
        for keys, node in self.keys.items():
            branches[keys] = compiler.make_branch(line_answered=True)
            branches[keys].write_coverage_comment(f"key {keys}", self._key_path(compiler, path, keys))
            branches[keys].write_goto(node, self._key_path(compiler, path, keys))
        for keys in sorted(branches, key=lambda keys: -branches[keys].size):
            if sum(branch.size for branch in branches.values()) <= MAX_INLINE_BRANCHES_BYTES:
                break
            branches[keys] = compiler.make_branch(line_answered=True)
            branches[keys].write_coverage_comment(f"key {keys}", self._key_path(compiler, path, keys))
            branches[keys].write_fetch(self.keys[keys], NodeEntry(line_answered=True))
        return branches

    def _compile_attempt(
        self, compiler: NodeCompiler, path: SourcePath, attempt: int, branches: Mapping[str, NodeCompiler]
    ) -> None:
        def build_attempt_say(key: str, texts: list[str]) -> Say:
            return self.build_say(compiler, path, *pick_attempt_text(compiler, path, key, texts, attempt))

        prompt = build_attempt_say("prompt", self.prompt)
        inside: list[Any] = [DTMF(compiler.embed_branch(branch), value=keys) for keys, branch in branches.items()]
        if self.no_match:
            inside.append(
                Default(
                    *compiler.prepend_coverage_comment(
                        "no-match", (*path, "no_match"), build_attempt_say("no_match", self.no_match)
                    )
                )
            )
        if self.no_input:
            inside.append(
                Error(
                    *compiler.prepend_coverage_comment(
                        "no-input", (*path, "no_input"), build_attempt_say("no_input", self.no_input)
                    )
                )
            )
        given: dict[str, Any] = {"dtmf_length": max(map(len, branches))}
        uneven = len({*map(len, branches)}) > 1
        if self.stop or (uneven and _pick_stop_key(branches) != "+"):
            given["dtmf_stop"] = self.stop or _pick_stop_key(branches)
        if compiler.dialect == "classic":
            given |= {"attempts": 1, "dtmf_stop": self.stop or _pick_stop_key(branches)}
            given |= {"timeout": self.timeout} if self.timeout is not None else {}
            compiler.write_verbs(Gather(prompt, *inside, **given), path=path)
        else:
            compiler.write_verbs(prompt, Gather(*inside, **given), path=path)


class CollectStep(QuestionStep):
    """Take digits, and go on with them."""

    caller_hears: ClassVar[str] = (
        "The prompt. If nothing is entered, `no_input`; if the digits are too few, too many or do not match, `no_match`. "
        "Then the prompt again, up to `attempts` times. "
        "After the last attempt the call goes to `otherwise`, or on to the next step."
    )
    check_rules: ClassVar[tuple[str, ...]] = ("no-way-out", "unknown-node", "leading-zeros", "ticket-too-big")
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

    def compile_step(self, compiler: NodeCompiler, path: SourcePath) -> None:
        """Write the attempts.

        Each attempt requests an entry with the pressed digits, and the entry first checks the digits.
        """
        if compiler.is_static:
            compiler.error(
                path, "fallback-not-static", "the fallback cannot ask for digits", "say what is to be said, and hang up"
            )
            return
        if self.otherwise and not compiler.check_target_node(self.otherwise, (*path, "otherwise")):
            return
        self._check_dialect(compiler, path)
        compiler.ensure_answered()
        if not compiler.has_digits:
            compiler.add_pure_action(self._clear_digits)
            self._compile_attempts(compiler, path, max(compiler.attempt, 1))
            compiler.continues_elsewhere = compiler.terminates
            return
        mark = compiler.make_decision_origin("collect", self._describe_rule(), ())
        reading = DigitReader(self, mark, classic=compiler.dialect == "classic")
        for outcome, texts in (("no-input", self.no_input), ("no-match", self.no_match)):
            wrong = compiler.make_branch(inside_branch=False)
            wrong.add_pure_action(self._clear_digits)
            key = outcome.replace("-", "_")
            if texts or outcome == "no-match":
                wrong.write_coverage_comment(outcome, (*path, key))
            if texts:
                wrong.write_verbs(
                    self.build_say(wrong, path, *pick_attempt_text(compiler, path, key, texts, compiler.attempt)), path=path
                )
            self._compile_attempts(wrong, path, compiler.attempt + 1)
            if not wrong.terminates:
                wrong.write_resume(compiler.step_index + 1)
            compiler.fragments.append(
                ConditionalFragment(
                    reading.make_outcome_condition(outcome), merge_adjacent_texts(wrong.fragments), terminates=True
                )
            )
            compiler.absorb_branch(wrong)
        compiler.write_coverage_comment("collected", path)
        compiler.record_stored_value(self.into, "0" * self.digits[1], (*path, "digits"), compiler.step_index + 1)
        compiler.add_action(reading.store_digits, path, f"digits are collected into {self.into!r}")

    def _clear_digits(self, turn: Turn) -> None:
        """Remove digits collected when the caller was asked before."""
        if self.into in turn.values or "digits" in turn.values:
            turn.values = Variables(
                {name: value for name, value in turn.values.items() if name not in (self.into, "digits")}
            )

    def _check_dialect(self, compiler: NodeCompiler, path: SourcePath) -> None:
        """Warn about limits of the dialect."""
        self.warn_about_timeout(compiler, path)
        if compiler.dialect == "classic" and self.digits[1] > 1 and can_begin_with_zero(self.match, *self.digits):
            message = "digits: the classic dialect tells digits as a whole number, and zeros at their beginning are lost"
            if self.digits[0] == self.digits[1]:
                few = "12".zfill(self.digits[1])[-self.digits[1] :]
                message = f"{message}: whoever presses {int(few)} and {self.stop or 'waits'} has pressed {few}"
            fix = 'a pattern that no zero begins leaves no doubt, as match: "[1-9][0-9]*"'
            compiler.warning((*path, "digits"), "leading-zeros", message, fix)
        self.warn_about_missing_exit(compiler, path)

    def _describe_rule(self) -> str:
        least, most = self.digits
        digits = f"{least} digits" if least == most else f"{least} to {most} digits"
        return f"{self.into}: {digits}{f' matching {MASKED_VALUE if self.secret else self.match}' if self.match else ''}"

    def _compile_attempts(self, compiler: NodeCompiler, path: SourcePath, first: int) -> None:
        """Write the attempts from ``first`` on, then ``otherwise`` if given."""
        for attempt in range(first, self.attempts + 1):
            self._compile_attempt(compiler, path, attempt)
        if self.otherwise:
            compiler.write_coverage_comment("otherwise", (*path, "otherwise"))
            compiler.write_goto(self.otherwise, (*path, "otherwise"))

    def _compile_attempt(self, compiler: NodeCompiler, path: SourcePath, attempt: int) -> None:
        prompt = self.build_say(compiler, path, *pick_attempt_text(compiler, path, "prompt", self.prompt, attempt))
        url = compiler.add_document_url_placeholder(
            compiler.node, NodeEntry(compiler.step_index, attempt, line_answered=True, has_digits=True)
        )
        inside = []
        if self.no_input:
            said = self.build_say(compiler, path, *pick_attempt_text(compiler, path, "no_input", self.no_input, attempt))
            inside.append(Error(*compiler.prepend_coverage_comment("no-input", (*path, "no_input"), said)))
        given: dict[str, Any] = {"dtmf_length": self.digits[1], "dtmf_stop": self.stop, "url": url}
        if compiler.dialect == "classic":
            given |= {"attempts": 1, "method": "GET"} | ({"timeout": self.timeout} if self.timeout is not None else {})
            compiler.write_verbs(Gather(prompt, *inside, **given), path=path)
        else:
            compiler.write_verbs(prompt, Gather(*inside, **given), path=path)


def _pick_stop_key(choices: Iterable[str]) -> str:
    """Return a stop key that is not a choice. Classic's own default, ``*``, might be a choice."""
    taken = "".join(choices)
    return next(key for key in "#*+" if key not in taken)
