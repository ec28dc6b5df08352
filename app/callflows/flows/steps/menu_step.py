"""The step menu, which offers choices by key."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any, ClassVar, Final

import pydantic

from callflows.flows.entry_points import NodeEntry
from callflows.flows.source.prompt_shape import iterate_spoken_parts
from callflows.flows.source.shape_validation import UNREADABLE_TEXT
from callflows.flows.source.source_values import (
    KeySequence,
    NodeName,
    SingleKey,
)
from callflows.flows.steps.digit_matching import PHONE_KEYS, make_digit_setter
from callflows.flows.steps.menu_prompt_check import check_menu_prompts, warn_about_divided_choices
from callflows.flows.steps.question_step import (
    QuestionStep,
    check_key_spelling,
    describe_silent_node_fix,
    describe_silent_way,
    find_key_path,
    pick_attempt_prompt,
)
from callflows.flows.steps.step_base import mapping_of
from callflows.flows.steps.step_summary import StepWay, quote_text, summarize_key
from callflows.language.verbs import DTMF, Default, Error, Gather, Say

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from callflows.flows.compiler.step_context import StepContext
    from callflows.flows.source.positions import SourcePath
    from callflows.flows.source.prompt_shape import Prompt


MAX_INLINE_ATTEMPTS_BYTES: Final = 16_000
"""Maximum size of a menu's attempts in one document. Beyond this size the next attempt is fetched."""
MAX_INLINE_BRANCHES_BYTES: Final = 40_000
"""Maximum size of a menu's inline branches. Beyond this size the longest branches are fetched."""


class MenuStep(QuestionStep):
    """Offer choices by key."""

    step_key: ClassVar[str] = "menu"
    caller_hears: ClassVar[str] = (
        "The prompt. If no key is pressed, `no_input`; if the key is not in `keys`, `no_match`. "
        "Then the prompt again, up to `attempts` times. "
        "After the last attempt the call goes to `otherwise`, or on to the next step. "
        "If `no_input` or `no_match` is the name of a node, the call goes there instead; so it does with `any`, for every "
        "other key. The node sees the key as `digits`, so that one node can serve several keys."
    )
    check_rules: ClassVar[tuple[str, ...]] = (
        "menu",
        "duration-doubtful",
        "text-cut",
        "text-may-be-empty",
        "unknown-node",
        "no-way-out",
        "says-nothing",
        "prompt-key",
        "key-lengths",
        "key-shadowed",
        "key-lost",
        "key-twice",
        "digits-empty",
        "sound-missing",
        "node-as-text",
        "step-as-text",
        "way-not-taken",
    )
    instead: ClassVar[Mapping[str, Any]] = {"prompt": "?", "keys": {"1": UNREADABLE_TEXT}}
    keys: dict[KeySequence, NodeName] = pydantic.Field(
        description="The node for each key: 0-9, star, hash, or a sequence such as 42."
    )
    stop: SingleKey = pydantic.Field("", description="A key that ends the input.")

    @classmethod
    def summarize(cls, value: Any, groups: Mapping[str, Any]) -> str:  # noqa: ANN401, ARG003 - as FlowStep has it
        return f"menu {quote_text(mapping_of(value).get('prompt'))}"

    @classmethod
    def list_ways(cls, value: Any) -> Iterable[StepWay]:  # noqa: ANN401 - as FlowStep has it
        for key, node in mapping_of(mapping_of(value).get("keys")).items():
            yield StepWay(summarize_key(key), node)
        yield from super().list_ways(value)

    def compile_step(self, context: StepContext, path: SourcePath) -> None:
        """Write as many attempts as fit into the document, then ``otherwise`` or the following steps."""
        if context.is_static:
            context.report.error(
                path, "fallback-not-static", "the fallback cannot have a menu", "say what is to be said, and hang up"
            )
            return
        if not self._is_usable(context, path):
            return
        branches = self._compile_branches(context, path)
        size = sum(branch.document.size for branch in branches.values())
        attempt = max(context.attempt, 1) if not context.inside_branch else 1
        context.document.ensure_answered()
        while True:
            written = context.make_empty_branch(inside_branch=False)
            self._compile_attempt(written, path, attempt, branches)
            context.document.insert_shared_fragments(written.document)
            if self.leads_away(context, attempt):
                context.document.end()
                return
            attempt += 1
            if attempt > self.attempts:
                break
            if size * (self.attempts - attempt + 2) > MAX_INLINE_ATTEMPTS_BYTES and not context.inside_branch:
                context.write_fetch(context.node, NodeEntry(context.step_index, attempt, line_answered=True))
                context.continues_elsewhere = True
                return
        self.write_last_way(context, path)

    def _is_usable(self, context: StepContext, path: SourcePath) -> bool:
        """Return True if all target nodes exist and the menu has keys."""
        self._check_keys(context, path)
        self.warn_about_timeout(context, path)
        self.warn_about_cut_texts(context, path)
        self._warn_about_divided_choices(context, (*path, "prompt"))
        places = [(find_key_path(context, path, keys), node) for keys, node in self.keys.items()]
        exist = [context.check_target_node(node, place) for place, node in places]
        if self.otherwise:
            exist.append(context.check_target_node(self.otherwise, (*path, "otherwise")))
        exist.append(self.check_ways(context, path))
        if context.flow.needs_digits(self.any) and not self._names_every_key():
            message = f"any: the node {self.any!r} asks for digits, and does not get them beside keys such as 42"
            fix = "make each key one digit, or take the digits with collect, which has keys, too"
            context.report.warning((*path, "any"), "digits-empty", message, fix)
        return all(exist) and bool(self.keys)

    def _check_keys(self, context: StepContext, path: SourcePath) -> None:
        """Report keys that a caller cannot press or would have to guess."""
        if not self.keys:
            context.report.error((*path, "keys"), "menu", "keys: a menu needs at least one key")
            context.check_target_node(UNREADABLE_TEXT, path)
        check_key_spelling(context, path)
        if self.stop and any(self.stop in keys for keys in self.keys):
            context.report.error(
                (*path, "stop"), "menu", f"stop: {self.stop} is one of the choices too", "use another key to stop"
            )
        for short, long in itertools.permutations(self.keys, 2):
            if long.startswith(short):
                message = f"keys: whoever presses {short} may have begun {long}, and is waited for"
                place = find_key_path(context, path, short)
                context.report.warning(place, "key-shadowed", message, "let no key begin another", key=True)
        if len({*map(len, self.keys)}) > 1 and not self.stop:
            self._warn_about_key_lengths(context, (*path, "keys"))
        lang = self._find_prompt_language(context, path)
        parts = {key: [*self.find_spoken_parts(path, key)] for key in self.prompts_by_key()}
        stop = (self.stop or _pick_stop_key(self.keys)) if self._has_end_key(context) else ""
        takes_any_key = bool(self.any) and self._names_every_key()
        check_menu_prompts(context, parts, lang, self.keys, stop, takes_any_key=takes_any_key)

    def _find_prompt_language(self, context: StepContext, path: SourcePath) -> str:
        return {**context.flow.voice, **self.read_voice(context, path)}.get("lang", "en-US")

    def _warn_about_divided_choices(self, context: StepContext, path: SourcePath) -> None:
        """Warn about choices that no prompt names together, if the prompt is not a sentence that is cut."""
        if not context.report.is_reported(path, "text-cut") and not any(prompt.variants for prompt in self.prompt):
            parts_by_attempt = [[*iterate_spoken_parts(prompt, path)] for prompt in self.prompt]
            warn_about_divided_choices(context, parts_by_attempt, self._find_prompt_language(context, path[:-1]), path)

    def _has_end_key(self, context: StepContext) -> bool:
        return bool(self.stop) or context.flow.dialect == "classic" or len({*map(len, self.keys)}) > 1

    def _warn_about_key_lengths(self, context: StepContext, path: SourcePath) -> None:
        """Warn about keys of different lengths. Another key must end a short key if the input has no stop key."""
        end = _pick_stop_key(self.keys)
        message = f"keys: some are longer than others; {end} ends a short one at once"
        fix = "say so in the prompt, or name a stop key"
        if end == "+":
            message = "keys: some are longer than others, and no key is left to end a short one"
            fix = "make them equally long, or leave star or hash free"
        context.report.warning(path, "key-lengths", message, fix)

    def _compile_branches(self, context: StepContext, path: SourcePath) -> dict[str, StepContext]:
        """Compile a branch for each key. If the branches together are too large, the longest are fetched."""
        branches = {}
        targets = self._find_key_targets(context)
        for keys, node in targets.items():
            branches[keys] = self._begin_branch(context, path, keys, node)
            branches[keys].write_goto(node, self._way_path(context, path, keys))
        for keys in sorted(branches, key=lambda keys: -branches[keys].document.size):
            if sum(branch.document.size for branch in branches.values()) <= MAX_INLINE_BRANCHES_BYTES:
                break
            branches[keys] = self._begin_branch(context, path, keys, targets[keys])
            branches[keys].write_fetch(targets[keys], NodeEntry(line_answered=True))
        return branches

    def _begin_branch(self, context: StepContext, path: SourcePath, keys: str, node: str) -> StepContext:
        """Return the beginning of a key's branch. The key becomes the digits if the node asks for them."""
        branch = context.make_empty_branch(line_answered=True)
        label = f"key {keys}" if keys in self.keys else "any other key"
        place = self._way_path(context, path, keys)
        message = describe_silent_way(keys if keys in self.keys else "any")
        branch.document.add_silent_end(place, message, describe_silent_node_fix(node))
        branch.document.write_coverage_comment(label, place)
        if context.flow.needs_digits(node):
            branch.document.add_pure_action(make_digit_setter(keys))
        return branch

    def _find_key_targets(self, context: StepContext) -> dict[str, str]:
        """Return the node of each key. The keys of ``any`` are written out if its node asks which of them it was."""
        if not context.flow.needs_digits(self.any) or not self._names_every_key():
            return self.keys
        others = [key for key in PHONE_KEYS if key not in self.keys and key != self.stop]
        return {**self.keys, **dict.fromkeys(others, self.any)}

    def _names_every_key(self) -> bool:
        """Return True if the input is a single key, so that all others can be written out."""
        return all(len(keys) == 1 for keys in self.keys)

    def _way_path(self, context: StepContext, path: SourcePath, keys: str) -> SourcePath:
        return find_key_path(context, path, keys) if keys in self.keys else (*path, "any")

    def _compile_attempt(
        self, context: StepContext, path: SourcePath, attempt: int, branches: Mapping[str, StepContext]
    ) -> None:
        def build_attempt_say(key: str, prompts: Sequence[Prompt]) -> Say:
            return self.build_prompt(context, path, key, pick_attempt_prompt(prompts, attempt))

        self.note_silent_prompt(context, path, attempt)
        prompt = build_attempt_say("prompt", self.prompt)
        inside: list[Any] = [
            DTMF(context.document.add_branch_placeholder(branch.document), value=keys) for keys, branch in branches.items()
        ]
        for key, verb in (("no_match", Default), ("no_input", Error)):
            way = self.compile_way(context, path, key, attempt)
            if way is not None and not (key == "no_match" and len(branches) > len(self.keys)):
                inside.append(verb(context.document.add_branch_placeholder(way.document)))
        if self.no_match and not self.find_way(context, "no_match", attempt):
            inside.append(
                Default(
                    *context.document.prepend_coverage_comment(
                        "no-match", (*path, "no_match"), build_attempt_say("no_match", self.no_match)
                    )
                )
            )
        if self.no_input and not self.find_way(context, "no_input", attempt):
            inside.append(
                Error(
                    *context.document.prepend_coverage_comment(
                        "no-input", (*path, "no_input"), build_attempt_say("no_input", self.no_input)
                    )
                )
            )
        attributes: dict[str, Any] = {"dtmf_length": max(map(len, branches))}
        uneven = len({*map(len, branches)}) > 1
        if self.stop or (uneven and _pick_stop_key(branches) != "+"):
            attributes["dtmf_stop"] = self.stop or _pick_stop_key(branches)
        if context.flow.dialect == "classic":
            attributes |= {"attempts": 1, "dtmf_stop": self.stop or _pick_stop_key(branches)}
            attributes |= {"timeout": self.timeout} if self.timeout is not None else {}
            context.document.write_verbs(Gather(prompt, *inside, **attributes), path=path)
        else:
            context.document.write_verbs(prompt, Gather(*inside, **attributes), path=path)


def _pick_stop_key(choices: Iterable[str]) -> str:
    """Return a stop key that is not a choice. Classic's own default, ``*``, might be a choice."""
    taken = "".join(choices)
    return next(key for key in "#*+" if key not in taken)
