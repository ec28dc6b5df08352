"""The dial step: rings people, hunt groups and computed targets."""

from __future__ import annotations

import abc
import dataclasses
import re
import unicodedata
from html import escape
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final, Literal, NamedTuple

import pydantic

from callflows.errors import VerbBuildError
from callflows.flows.compiler.fragments import ConditionalFragment, merge_adjacent_texts
from callflows.flows.country_code_check import suggest_country_code, suggest_home_number
from callflows.flows.coverage_points import DIAL_POINT, LAST_DIAL_POINT
from callflows.flows.decisions import MASKED_VALUE
from callflows.flows.entry_points import SilentEnd
from callflows.flows.source.flow_file import StepList
from callflows.flows.source.prompt_shape import Prompt, is_prompt_part
from callflows.flows.source.shape_validation import UNREADABLE_TEXT
from callflows.flows.source.source_values import (
    NodeName,
    NonEmptyTextList,
    RingingMs,
    RoundCount,
    SingleKey,
    schema_reference,
)
from callflows.flows.steps.attribute_values import note_undocumented_attribute
from callflows.flows.steps.choose_step import ChooseStep
from callflows.flows.steps.goto_step import GotoStep
from callflows.flows.steps.menu_step import MenuStep
from callflows.flows.steps.misplaced_words import warn_about_words_in_prompt
from callflows.flows.steps.question_step import describe_silent_node_fix
from callflows.flows.steps.step_base import FlowStep, mapping_of
from callflows.flows.steps.step_summary import StepWay, is_true_text, summarize_key, summarize_list, summarize_value
from callflows.flows.steps.voicemail_step import VoicemailStep
from callflows.language.plausible_durations import RINGING_DURATION
from callflows.language.value_kinds import NUMBER_KIND
from callflows.language.verbs import Dial, Error, Record, To
from callflows.telephony.phone_numbers import (
    is_emergency_number,
    is_impossible_number,
    lacks_country_code,
    mask_number,
    parse_e164,
)
from callflows.text import Suggestion, format_suggestion, suggest_list

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from callflows.flows.compiler.fragments import Fragment
    from callflows.flows.compiler.step_context import StepContext
    from callflows.flows.decisions import DecisionOrigin
    from callflows.flows.dial_policy.target_policy import DialPolicy
    from callflows.flows.expressions.jinja_compiler import CompiledText
    from callflows.flows.source.positions import SourcePath
    from callflows.language.plausible_durations import PlausibleDuration
    from callflows.telephony.turn import Turn


MAX_TARGETS_IN_TURN: Final = 24
"""Targets rung in turn in one document; the next document rings the others."""
_REMAINING_TARGETS: Final = ("to", f"after {MAX_TARGETS_IN_TURN}")
"""Path in a dial of the dial that rings the remaining targets."""
DIRECTORY_TARGET: Final = "directory"
"""Target that stands for the person of the file's directory whose extension the caller entered."""
_ONE_NAME: Final = re.compile(r"\{\{ *([A-Za-z_][A-Za-z0-9_]*) *\}\}")
_OWN_NUMBER: Final = re.compile(r"\{\{ *(?:number|call\.to) *\}\}")
_ONE_VARIABLE: Final = re.compile(r"\{\{ *variables\.([A-Za-z0-9_]+) *\}\}")
PLACEHOLDER_HOST: Final = ".invalid"
"""Host name reserved for placeholders of computed targets. No real host has this ending."""
_UNANSWERED_KEYS: Final = ("no_answer", "busy", "failed")
_NESTED_GROUP_FIX: Final = (
    "a group holds no groups: write its members, or name both in the dial, as dial: {to: [sales, support]}"
)
_TARGET_FIX: Final = "a number as +12015550188, or ann@acme.sip.opentact.org"


class LiteralTarget(NamedTuple):
    """A target written out by the author."""

    to: To


class DialStep(FlowStep):
    """Ring people."""

    step_key: ClassVar[str] = "dial"
    caller_hears: ClassVar[str] = (
        "The ringing tone, then the person who answers. If nobody answers, the steps of `no_answer` (or `error`). "
        "After the conversation the call goes on at `answered`, or with the next step. "
        "If the caller hangs up first, the call is over. "
        "With `rounds` they are rung again, with `between` in between; a key of `leave` leads elsewhere then."
    )
    check_rules: ClassVar[tuple[str, ...]] = (
        "dial",
        "dial-target",
        "dial-then-goto",
        "dial-outcome",
        "no-way-out",
        "dial-own",
        "dial-doubtful",
        "dial-policy-closed",
        "unknown-node",
        "duration-doubtful",
        "undocumented",
        "step-as-text",
        "node-as-text",
        "platform-lacks",
    )
    plain_key: ClassVar[str] = "to"
    plausible_durations: ClassVar[Mapping[str, PlausibleDuration]] = {"timeout": RINGING_DURATION}
    instead: ClassVar[Mapping[str, Any]] = {"to": UNREADABLE_TEXT}
    verb: ClassVar[str] = "Dial"
    to: NonEmptyTextList = pydantic.Field(
        description="Whom to ring: numbers, SIP addresses, groups of this file; directory: the extension entered before."
    )
    ring: Literal["at-once", "in-turn"] | None = pydantic.Field(None, description="All at once, or one after the other.")
    timeout: RingingMs | None = pydantic.Field(None, description="How long to ring.")
    answered: NodeName = pydantic.Field("", description="The node to go on at after a conversation.")
    no_answer: NodeName = pydantic.Field("", description="The node to go on at if nobody answers.")
    busy: NodeName = pydantic.Field("", description="As no_answer: Opentact does not tell a document that a line is busy.")
    failed: NodeName = pydantic.Field("", description="As no_answer: Opentact does not tell a document that a call failed.")
    rounds: RoundCount = pydantic.Field(1, description="How often they are rung, one round after the other.")
    between: Annotated[Any, schema_reference("prompt")] = pydantic.Field(
        None, description="What the caller hears between two rounds: a prompt, as {play: music.mp3}."
    )
    leave: dict[SingleKey, NodeName] = pydantic.Field(
        {}, description="Keys with which the caller goes elsewhere between two rounds, as {1: message}."
    )
    record: bool = pydantic.Field(default=False, description="Record the conversation.")
    goes_on: bool = pydantic.Field(
        default=False, description="Say that the next step is meant after a conversation, too: no warning of it."
    )
    tag: str = pydantic.Field("", description="A name for the dial in Opentact's events.")
    meta: dict[str, str] = pydantic.Field({}, description="Variables that Opentact passes on to callback URLs.")
    error: StepList | None = pydantic.Field(None, description="The steps if nobody answers, instead of no_answer.")
    extra: dict[str, str] = pydantic.Field({}, exclude=True)

    @classmethod
    def summarize(cls, value: Any, groups: Mapping[str, Any]) -> str:  # noqa: ANN401 - as FlowStep has it
        """Describe the targets of a dial, in which order they ring, and for how long."""
        keys = mapping_of(value) or {"to": value}
        to = keys.get("to")
        targets = [summarize_value(target) for target in (to if isinstance(to, list) else [to])]
        whom = [
            f"{target} ({summarize_list(_members_of_group(groups[target]))})" if target in groups else target
            for target in targets
        ]
        sources = (keys, *(mapping_of(groups.get(target)) for target in targets))
        how = {key: next((source[key] for source in sources if key in source), "") for key in ("ring", "timeout")}
        ring = {"in-turn": "in turn", "at-once": "at once"}.get(summarize_value(how["ring"]), "")
        record = "recorded" if is_true_text(keys.get("record")) else ""
        rounds = f"{summarize_value(keys['rounds'])} rounds" if "rounds" in keys else ""
        return ", ".join(filter(None, [f"dial {', '.join(whom)}", ring, summarize_value(how["timeout"]), rounds, record]))

    @classmethod
    def list_ways(cls, value: Any) -> Iterable[StepWay]:  # noqa: ANN401 - as FlowStep has it
        keys = mapping_of(value)
        for key in ("answered", "no_answer", "busy", "failed"):
            if node := keys.get(key):
                yield StepWay(key.replace("_", " "), node)
        if error := keys.get("error"):
            yield StepWay("no answer", steps=error)
        if between := keys.get("between"):
            yield StepWay("between the rounds", steps=_list_between_steps(between))
        for key, node in mapping_of(keys.get("leave")).items():
            yield StepWay(summarize_key(key), node)

    def compile_step(self, context: StepContext, path: SourcePath) -> None:
        """Write the Dial. With ``in-turn``, the Error of each Dial contains the Dial of the next target."""
        groups = [context.flow.groups[name] for name in self.to if name in context.flow.groups]
        targets = [*self._iterate_targets(context, path)]
        ring = self.ring or next((group.ring for group in groups), "at-once")
        nobody = self._compile_no_answer(context, path)
        if not targets:
            self._check_between(context, path)
            return
        if (
            nobody is None
            and not self.goes_on
            and not self.answered
            and not context.is_static
            and context.next_step_key in (GotoStep.step_key, ChooseStep.step_key, self.step_key, VoicemailStep.step_key)
        ):
            message = (
                f"the {context.next_step_key} after this dial runs when a conversation is over, and when nobody answers"
            )
            fix = "name the node under no_answer if it is meant for that; goes_on: true says that both are meant"
            context.report.warning(path, "dial-then-goto", message, fix, key=True)
        is_group_faulty = any(context.report.has_error_at(("groups", name)) for name in self.to)
        timeout = self.timeout or next((group.timeout for group in groups if group.timeout is not None), None)
        if timeout is not None or self.timeout is not None:
            note_undocumented_attribute(Dial, "timeout", (*path, "timeout"), context)
        if self._has_further_rounds(context, path, len(targets) if ring == "in-turn" else 1):
            nobody = self._compile_further_rounds(context, path, timeout)
        elif ring == "in-turn" and len(targets) > MAX_TARGETS_IN_TURN and not context.is_static:
            nobody, targets = self._compile_remaining_targets(context, path, timeout), targets[:MAX_TARGETS_IN_TURN]
        rounds = [[target] for target in targets] if ring == "in-turn" else [targets]
        for target in targets:
            if isinstance(target, ComputedTarget):
                context.document.add_pure_action(target.decide_target)
        self._compile_round(context, path, rounds, nobody, timeout)
        if not is_group_faulty:
            self._note_silence(context, path, nobody)
        if self.answered:
            self._compile_answered(context, path, nobody)

    def _note_silence(self, context: StepContext, path: SourcePath, nobody: StepContext | None) -> None:
        """Note that a caller whom nobody answers must hear something after the dial, or has heard nothing yet."""
        if nobody is None and not self.answered and not context.is_static:
            fix = "name a node under no_answer, or steps under error; hangup as the next step says that it is meant"
            context.document.add_silent_end(_path_in_file(path), _describe_silent_end(path), fix)
        elif nobody is not None and not nobody.document.progress.ends:
            context.document.add_silences(nobody.document.progress.silences)

    def _compile_answered(self, context: StepContext, path: SourcePath, nobody: StepContext | None) -> None:
        """Go on at another node after a conversation. Report callers who get there without one."""
        if nobody is None or not nobody.document.progress.ends:
            message = "answered: callers whom nobody answers get there, too"
            fix = "name another node under no_answer, or end the steps under error with hangup"
            context.report.error((*path, "answered"), "dial", message, fix, key=True)
        context.document.write_coverage_comment("answered", (*path, "answered"))
        context.write_goto(self.answered, (*path, "answered"))

    def _compile_remaining_targets(self, context: StepContext, path: SourcePath, timeout: int | None) -> StepContext:
        """Compile the targets after the first MAX_TARGETS_IN_TURN into a separate document, because depth is limited."""
        everybody = [member for name in self.to for member in self._group_members(context, name)]
        step = self._write_step(timeout, to=everybody[MAX_TARGETS_IN_TURN:], ring="in-turn")
        return self._compile_in_own_node(context, path, [step], (*path, *_REMAINING_TARGETS), always_fetched=True)

    def _write_step(self, timeout: int | None, **changes: Any) -> dict[str, Any]:  # noqa: ANN401 - values of a file
        """Return this dial as a step of a file, with changes."""
        step: dict[str, Any] = {
            "to": self.to,
            "ring": self.ring or "",
            "no_answer": self._find_unanswered_node(),
            "answered": self.answered,
            "tag": self.tag,
            "timeout": f"{timeout}ms" if timeout is not None else "",
            "error": self.error if self.error is not None else "",
            "record": "true" if self.record else "",
            "meta": self.meta,
            **self.extra,
            **changes,
        }
        return {self.step_key: {key: value for key, value in step.items() if value != ""}}

    def _compile_in_own_node(
        self,
        context: StepContext,
        path: SourcePath,
        steps: Sequence[Any],
        steps_path: SourcePath,
        *,
        always_fetched: bool = False,
    ) -> StepContext:
        """Compile further steps for calls that nobody has answered, into a node of their own."""
        after = None if context.inside_branch else (context.node, context.step_index + 1)
        branch = context.make_empty_branch()
        branch.write_goto(context.add_branch_node(steps, steps_path, after, always_fetched=always_fetched), path)
        return branch

    def _has_further_rounds(self, context: StepContext, path: SourcePath, target_count: int) -> bool:
        """Return True if the targets are rung again. Reports keys that do not fit to the rounds."""
        report = context.report
        if self.rounds > 1 and context.is_static:
            report.error((*path, "rounds"), "fallback-not-static", "the fallback rings once", "take it out", key=True)
            return False
        if self.rounds > 1 and target_count > MAX_TARGETS_IN_TURN:
            message = f"rounds: in turn, at most {MAX_TARGETS_IN_TURN} people are rung again"
            report.error((*path, "rounds"), "dial", message, "ring fewer, or all at once", key=True)
            return False
        for key in ("between", "leave"):
            if self.rounds == 1 and getattr(self, key) and not report.has_error_at((*path, "rounds")):
                message = f"{key}: there is one round, and nothing between"
                report.error((*path, key), "dial", message, "say how many there are, as rounds: 5", key=True)
        if self.leave and not self.between:
            message = "leave: the caller does not hear of the keys"
            report.error((*path, "leave"), "dial", message, "name them in a text under between", key=True)
            return False
        return self.rounds > 1

    def _check_between(self, context: StepContext, path: SourcePath) -> None:
        """Check what callers hear between the rounds of a dial that rings nobody, because its targets are wrong."""
        if self._has_further_rounds(context, path, 1):
            self._compile_further_rounds(context, path, self.timeout)

    def _compile_further_rounds(self, context: StepContext, path: SourcePath, timeout: int | None) -> StepContext:
        """Compile what the caller hears after this round, and the next rounds, as steps of a node."""
        here: SourcePath = (*path, "rounds", self.rounds)
        between = [self.between] if is_prompt_part(self.between) else self.between
        more = {"rounds": str(self.rounds - 1), "between": between or "", "leave": self.leave or ""}
        again = self._write_step(timeout, **(more if self.rounds > 2 else {}))  # noqa: PLR2004 - this round, and the last
        steps: list[Any] = []
        if isinstance(between, str) and not self.leave:
            warn_about_words_in_prompt(context, "between", Prompt(between), (*path, "between"))
        if self.leave:
            steps.append({MenuStep.step_key: {"prompt": between, "keys": self.leave, "attempts": "1"}})
            context.report.alias_subtree((*path, "leave"), (*here, 0, MenuStep.step_key, "keys"))
            context.report.alias_subtree((*path, "between"), (*here, 0, MenuStep.step_key, "prompt"))
        elif between:
            steps += _list_between_steps(between)
            for index in range(len(steps)):
                context.report.alias_subtree((*path, "between"), (*here, index))
        context.report.alias_subtree(path, (*here, len(steps), self.step_key))
        return self._compile_in_own_node(context, path, [*steps, again], here)

    def _group_members(self, context: StepContext, name: str) -> list[str]:
        group = context.flow.groups.get(name)
        return [name] if group is None else group.to

    def _compile_round(
        self,
        context: StepContext,
        path: SourcePath,
        target_rounds: Sequence[Sequence[LiteralTarget | ComputedTarget]],
        no_answer_branch: StepContext | None,
        timeout: int | None,
    ) -> None:
        """Ring the targets of the first round. If no target answers, ring the next rounds."""
        missed = no_answer_branch
        if target_rounds[1:]:
            missed = context.make_empty_branch()
            self._compile_round(missed, path, target_rounds[1:], no_answer_branch, timeout)
        ringing = context.make_empty_branch(inside_branch=False)
        targets = [
            target.to
            if isinstance(target, LiteralTarget)
            else ringing.document.add_target_placeholder([target.make_fragment(context.flow.dialect)])
            for target in target_rounds[0]
        ]
        inside = (
            [Error(ringing.document.add_branch_placeholder(missed.document))]
            if missed is not None and missed.document.fragments
            else []
        )
        if self.record and context.flow.dialect == "reference":
            ringing.document.ensure_answered()
        ringing.document.write_coverage_comment(DIAL_POINT if target_rounds[1:] else LAST_DIAL_POINT, path)
        ringing.document.write_verbs(self._build_dial(ringing, targets, inside, path, timeout), path=path)
        computed = [target for target in target_rounds[0] if isinstance(target, ComputedTarget)]
        if len(computed) < len(target_rounds[0]):
            context.document.fragments += ringing.document.fragments
            context.document.merge_sequence_properties(ringing.document)
            return
        context.document.fragments.append(
            ConditionalFragment(
                _any_target_allowed(computed), merge_adjacent_texts(ringing.document.fragments), terminates=False
            )
        )
        is_answered = context.document.progress.answered
        context.document.merge_sequence_properties(ringing.document)
        # the line is answered for a recording only if a target is rung
        context.document.progress = dataclasses.replace(context.document.progress, answered=is_answered)
        # A collect takes only extensions that exist, and each number has a value: no caller could be made to be refused.
        is_listed = all(isinstance(target, ListedTarget) for target in computed)
        otherwise = merge_adjacent_texts(
            [
                *([] if is_listed else [context.document.make_coverage_comment("refused", path)]),
                *(missed.document.fragments if missed is not None else []),
            ]
        )
        if otherwise:
            context.document.fragments.append(
                ConditionalFragment(
                    _no_target_allowed(computed), otherwise, missed is not None and missed.document.progress.ends
                )
            )

    def _iterate_targets(self, context: StepContext, path: SourcePath) -> Iterator[LiteralTarget | ComputedTarget]:
        for index, target in enumerate(self.to):
            where: SourcePath = (*path, "to", index)
            if target == DIRECTORY_TARGET and context.flow.flow_file.directory:
                yield from self._read_directory(context, where)
                continue
            group = context.flow.groups.get(target)
            if group is None:
                yield from self._read_target(context, where, target)
                continue
            context.flow.used_groups.add(target)
            for place, member in enumerate(group.to):
                listed: SourcePath = ("groups", target, place)
                within = listed if listed in context.report.positions else ("groups", target, "to", place)
                yield from self._read_target(context, within, member)

    def _read_directory(self, context: StepContext, where: SourcePath) -> Iterator[ComputedTarget]:
        """Yield the target for the person whose extension the caller entered."""
        if context.is_static:
            message = "the fallback knows no extension"
            context.report.error(where, "fallback-not-static", message, "ring a number or an address")
            return
        context.flow.uses_directory = True
        context.flow.graph.record_used_names(context.node, ("digits",), where)
        people: dict[str, tuple[str, ...]] = {}
        for extension, entry in context.flow.directory.items():
            listed = [(("directory", extension, "to", index), target) for index, target in enumerate(entry.to)]
            alone: SourcePath = ("directory", extension)
            places = [(place if place in context.report.positions else alone, target) for place, target in listed]
            read = [dial_target for place, target in places for dial_target in self._read_target(context, place, target)]
            people[extension] = tuple(one.to.attributes["target"] for one in read if isinstance(one, LiteralTarget))
        origin = context.document.make_decision_origin(self.step_key, DIRECTORY_TARGET, ("digits",))
        yield DirectoryTarget(people, context.flow.dial_policy, origin)

    def _read_target(
        self, context: StepContext, where: SourcePath, target: str
    ) -> Iterator[LiteralTarget | ComputedTarget]:
        if target == UNREADABLE_TEXT:
            return
        if "{{" in target or "{%" in target:
            yield from self._read_computed_target(context, where, target)
            return
        if is_impossible_number(target):
            message = f"to: {target!r} is no number that exists in any country: it can never be rung"
            context.report.error(where, "dial-target", message, "write all of its digits, as +12015550188")
            return
        if NUMBER_KIND.accepts(target.strip()) and not parse_e164(target) and not is_emergency_number(target):
            message = f"to: {target!r} is no number that can be rung from everywhere"
            home = suggest_home_number(target, context.flow.flow_file.numbers)
            fix = f"{home or 'write it with its country code, as +12015550188'}; an extension of yours is fine"
            context.report.warning(where, "dial-target", message, fix)
        if target.strip().endswith(PLACEHOLDER_HOST):
            context.report.error(where, "dial-target", f"to: no host ends with {PLACEHOLDER_HOST}", _TARGET_FIX)
            return
        try:
            literal_target = LiteralTarget(To(_replace_international_prefix(target.strip())))
        except VerbBuildError as error:
            near = (
                suggest_list(target, lambda part: parse_e164(part) or "@" in part, lambda part: parse_e164(part) or part)
                or _suggest_number(target, context.flow.flow_file.numbers)
                or (_NESTED_GROUP_FIX if where[0] == "groups" and target in context.flow.groups else "")
                or format_suggestion(target.removeprefix("groups."), context.flow.groups)
                or _TARGET_FIX
            )
            may_be_group = target.isidentifier()
            report_error = context.report.unknown_name if may_be_group else context.report.error
            report_error(where, "dial-target", f"to: {_message_without_element(error)}", near)
            return
        context.flow.record_literal_target(target.strip(), where)
        yield literal_target

    def _read_computed_target(
        self, context: StepContext, where: SourcePath, target: str
    ) -> Iterator[LiteralTarget | ComputedTarget]:
        text = context.texts.compile_text(target, where)
        if _OWN_NUMBER.fullmatch(target.strip()):
            fix = "name the number of a person, or go on at a node: a call or text to it is paid for, and may go round"
            context.report.warning(where, "dial-own", f"to: {target} is the number that was called: this flow", fix)
        found = _ONE_VARIABLE.fullmatch(target.strip())
        values = context.flow.sections.find_constant_values(found[1]) if found and not context.is_static else {}
        if text is not None and values:
            # The author wrote these targets, in another place of the file.
            for place, value in values.items():
                yield from self._read_target(context, place, value)
            return
        listed = self._read_number_variable(context, target) if text is not None and not context.is_static else None
        if text is not None and listed is not None:
            yield NumberTarget(*listed, context.flow.dial_policy, self._make_target_origin(context, target, text))
            return
        if text is not None and text.constant_text is None:
            context.flow.record_computed_target(where)
            if one_name := _ONE_NAME.fullmatch(target.strip()):
                context.flow.targets_of_one_name[where] = one_name[1]
            yield ComputedTarget(
                text.render_plain, context.flow.dial_policy, self._make_target_origin(context, target, text)
            )

    def _make_target_origin(self, context: StepContext, target: str, text: CompiledText) -> DecisionOrigin:
        return context.document.make_decision_origin(self.step_key, target, text.used_names)

    def _read_number_variable(
        self, context: StepContext, target: str
    ) -> tuple[str, dict[str | tuple[str, ...], tuple[str, ...]]] | None:
        """Return the variable of a target that is one variable in braces, and the targets by the variable's value.

        Returns None for any other target, and for a variable that no number has.
        """
        found = _ONE_VARIABLE.fullmatch(target.strip())
        places = context.flow.sections.find_number_values(found[1]) if found else {}
        if found is None or not places:
            return None
        targets: dict[str | tuple[str, ...], tuple[str, ...]] = {}
        for place, value in places.items():
            several = [value] if isinstance(value, str) else value
            listed = [((*place, index), one) for index, one in enumerate(several)] if value is several else [(place, value)]
            dial_targets = [one for where, text in listed for one in self._read_target(context, where, str(text)) if text]
            key = value if isinstance(value, str) else tuple(value)
            targets[key] = tuple(one.to.attributes["target"] for one in dial_targets if isinstance(one, LiteralTarget))
        return found[1], targets

    def _compile_no_answer(self, context: StepContext, path: SourcePath) -> StepContext | None:
        """Compile the branch for a call without an answer."""
        self._check_outcomes(context, path)
        node = self._find_unanswered_node()
        if node and self.error is not None:
            context.report.error((*path, "error"), "dial", "no_answer and error mean the same: give one", key=True)
        if not node and self.error is None:
            return None
        if not node:
            fix = "say something under error, or after it; hangup as the last step says that it is meant"
            end = SilentEnd(_path_in_file(path), _describe_silent_end(path), fix)
            return context.compile_branch(self.error or [], (*path, "error"), silences={end})
        nobody = context.make_empty_branch()
        nobody.document.add_silent_end(_path_in_file(path), _describe_silent_end(path), describe_silent_node_fix(node))
        nobody.write_goto(node, (*path, next(key for key in _UNANSWERED_KEYS if getattr(self, key))))
        return nobody

    def _find_unanswered_node(self) -> str:
        """Return the node of every call without a conversation: Opentact does not tell a document why there was none."""
        return self.no_answer or self.busy or self.failed

    def _check_outcomes(self, context: StepContext, path: SourcePath) -> None:
        """Warn about ways that a document cannot tell apart."""
        node = self._find_unanswered_node()
        for key in _UNANSWERED_KEYS:
            other: str = getattr(self, key)
            if not other:
                continue
            exists = context.check_target_node(other, (*path, key))
            if exists and other != node:
                message = f"{key}: Opentact does not tell why nobody answered: all these callers go to {node!r}"
                fix = f"take {key} out, or let it lead to {node!r}, too"
                context.report.warning((*path, key), "dial-outcome", message, fix, key=True)
            elif exists and not self.no_answer:
                message = f"{key}: callers whom nobody answers for any other reason go there, too"
                context.report.warning((*path, key), "dial-outcome", message, "write no_answer, which says so", key=True)
                return

    def _build_dial(
        self, context: StepContext, targets: list[To], inside: list[Error], path: SourcePath, timeout: int | None
    ) -> Dial | Record:
        attributes: dict[str, Any] = {}
        if timeout is not None:
            attributes["timeout"] = timeout
        if self.extra:
            attributes["extra"] = self.extra
        if self.tag:
            attributes["tag"] = context.texts.compile_complete_text(self.tag, (*path, "tag"))
        if self.record and context.flow.dialect == "classic":
            attributes["record"] = "record-from-answer"
        dial = Dial(*targets, *inside, *context.texts.build_metas(self.meta, (*path, "meta")), **attributes)
        return Record(dial, tag="conversation") if self.record and context.flow.dialect == "reference" else dial


def _describe_silent_end(path: SourcePath) -> str:
    return f"{path[-1]}: a caller whom nobody answers is hung up on without a word"


def _path_in_file(path: SourcePath) -> SourcePath:
    """Return the path of a dial as the author wrote it, also for the dial of its remaining targets."""
    end = len(path) - len(_REMAINING_TARGETS) - 2  # before the index and the key of the step
    return _path_in_file(path[:end]) if path[end:-2] == _REMAINING_TARGETS else path


def _replace_international_prefix(target: str) -> str:
    """Return a number that is written with 00 in E.164; other targets stay as they are written."""
    return parse_e164(target) if target.startswith("00") and parse_e164(target) else target


def _suggest_number(target: str, own_numbers: Sequence[str]) -> str:
    """Suggest the number that is meant by a number with punctuation; never the number of another country."""
    plain = unicodedata.normalize("NFKC", "".join(sign for sign in target if unicodedata.category(sign) != "Cf")).strip()
    if lacks_country_code(plain):
        return suggest_country_code(plain, own_numbers)
    named = _NAMED_ADDRESS.fullmatch(plain)
    if named:
        return Suggestion(named[1])
    extension = _EXTENSION.fullmatch(plain)
    if extension and parse_e164(extension[1]):
        return f"no extension can be dialled: {Suggestion(parse_e164(extension[1]))}"
    plain = _DOUBLE_PLUS.sub("+", plain)
    letters = _VANITY_NUMBER.fullmatch(plain)
    if letters:
        plain = "".join(str(_KEYS_OF_LETTERS[sign]) if sign in _KEYS_OF_LETTERS else sign for sign in plain.upper())
    number = parse_e164(plain)
    return Suggestion(number) if number else suggest_home_number(plain, own_numbers)


_DOUBLE_PLUS: Final = re.compile(r"^\+[ +]*")
_NAMED_ADDRESS: Final = re.compile(r"[^<>]+<\s*(?:sips?:)?([^<>\s@]+@[^<>\s]++)\s*>")
_EXTENSION: Final = re.compile(r"([+0-9](?: *[0-9()./\-])++)\s*(?:,++|x|ext\.?|extension|#)\s*[0-9]{1,6}", re.IGNORECASE)
_VANITY_NUMBER: Final = re.compile(r"\+?1[ -]?\(?[2-9][0-9]{2}\)?[ -]?(?=[A-Za-z0-9-]*?[A-Za-z]{3})[A-Za-z0-9-]+")
_KEYS_OF_LETTERS: Final = {
    sign: key for key, signs in enumerate(["ABC", "DEF", "GHI", "JKL", "MNO", "PQRS", "TUV", "WXYZ"], 2) for sign in signs
}
"""The keys of a telephone by their letters, as in 1-800-FLOWERS."""


def check_hunt_group(name: str, context: StepContext) -> None:
    """Report problems in the targets of a hunt group."""
    used, dials = {*context.flow.used_groups}, {**context.flow.literal_targets}
    for _ in DialStep(to=[name])._iterate_targets(context, ()):  # noqa: SLF001 - the same module
        pass
    # a check is no use: undo the records of reading the targets
    context.flow.used_groups, context.flow.literal_targets = used, dials


def _list_between_steps(between: Any) -> list[Any]:  # noqa: ANN401 - a prompt of a file
    """Return the parts of a prompt as steps."""
    return [
        part if is_prompt_part(part) else {"say": part} for part in (between if isinstance(between, list) else [between])
    ]


def _members_of_group(group: object) -> object:
    return group.get("to") if isinstance(group, dict) else group


class ComputedTarget:
    """A target computed during a call, and rung only if the file's dial policy allows the target."""

    def __init__(self, text: Callable[[Turn], str], policy: DialPolicy, origin: DecisionOrigin) -> None:
        self._text = text
        self._policy = policy
        self._origin = origin

    def decide_target(self, turn: Turn) -> None:
        """Compute the target and check the policy. A refused target is an empty text, and the trail contains the reason."""
        written = self._text(turn)
        refusal = self._policy.find_call_refusal(written, turn)
        turn.step_results[self] = "" if refusal else self._policy.normalize_dial_target(written)
        secret = any(name.partition(".")[0] in self._origin.secret_names for name in self._origin.used_names)
        detail = {"target": MASKED_VALUE if secret else mask_number(written)}
        detail |= {"refused": MASKED_VALUE if secret else refusal} if refusal else {}
        turn.trail.append((self._origin, "refused" if refusal else "allowed", turn.values, detail))

    def get_allowed_target(self, turn: Turn) -> str:
        """Return the target. A refused target is an empty text."""
        target: str = turn.step_results[self]
        return target

    def make_fragment(self, dialect: str) -> Fragment:
        """Return a fragment for the element of the target."""

        def render_target(turn: Turn) -> str:
            target = self.get_allowed_target(turn)
            return _render_target(target, dialect) if target else ""

        return render_target


class ListedTarget(ComputedTarget, abc.ABC):
    """One of several lists of targets that the author wrote out, chosen during a call."""

    @abc.abstractmethod
    def _find_listed_targets(self, turn: Turn) -> tuple[tuple[str, ...], str]:
        """Return the targets, and the reason if there are none."""

    def decide_target(self, turn: Turn) -> None:
        """Look the targets up. If there are none, nobody is rung."""
        found, reason = self._find_listed_targets(turn)
        turn.step_results[self] = found
        detail = {"target": ", ".join(map(mask_number, found))} if found else {"refused": reason}
        turn.trail.append((self._origin, "allowed" if found else "refused", turn.values, detail))

    def make_fragment(self, dialect: str) -> Fragment:
        """Return a fragment for the elements of the targets."""

        def render_targets(turn: Turn) -> str:
            return "".join(_render_target(target, dialect) for target in turn.step_results[self])

        return render_targets


class DirectoryTarget(ListedTarget):
    """The person of the file's directory whose extension the caller entered."""

    def __init__(self, people: Mapping[str, tuple[str, ...]], policy: DialPolicy, origin: DecisionOrigin) -> None:
        super().__init__(lambda turn: str(turn.values["digits"]), policy, origin)
        self._people = people

    def _find_listed_targets(self, turn: Turn) -> tuple[tuple[str, ...], str]:
        return self._people.get(self._text(turn), ()), "no such extension"


class NumberTarget(ListedTarget):
    """The targets that a variable of the called number has as its value."""

    def __init__(
        self,
        variable: str,
        targets: Mapping[str | tuple[str, ...], tuple[str, ...]],
        policy: DialPolicy,
        origin: DecisionOrigin,
    ) -> None:
        super().__init__(lambda turn: str(turn.variables[variable]), policy, origin)
        self._variable = variable
        self._targets = targets

    def _find_listed_targets(self, turn: Turn) -> tuple[tuple[str, ...], str]:
        value = turn.variables[self._variable]
        return self._targets.get(tuple(value) if isinstance(value, list) else value, ()), "the number has no such value"


def _render_target(target: str, dialect: str) -> str:
    tag = "To" if dialect == "reference" else "Sip" if "@" in target else "Number"
    return f"<{tag}>{escape(target)}</{tag}>"


def _any_target_allowed(computed: Sequence[ComputedTarget]) -> Callable[[Turn], bool]:
    return lambda turn: any(target.get_allowed_target(turn) for target in computed)


def _no_target_allowed(computed: Sequence[ComputedTarget]) -> Callable[[Turn], bool]:
    return lambda turn: not any(target.get_allowed_target(turn) for target in computed)


def _message_without_element(error: VerbBuildError) -> str:
    return str(error).partition(": ")[2] or str(error)
