"""Compiles every verb of the language as a step: attributes under their own names, and five keys for children.

The attributes of a verb come from the language's table and are not repeated here.
"""

from __future__ import annotations

import contextlib
import re
from functools import partial
from typing import TYPE_CHECKING, Any, Final, cast

from callflows.errors import VerbBuildError
from callflows.flows.audible_verbs import CONDITIONAL_VERBS
from callflows.flows.coverage_points import CONDITION_POINT
from callflows.flows.entry_points import SilentEnd
from callflows.flows.source.flow_file import FLOW_AND_NODE_NAME_PATTERN
from callflows.flows.source.foreign_words import is_word_for_condition, suggest_condition, suggest_own_word
from callflows.flows.source.misspelt_keys import correct_misspelt_keys
from callflows.flows.source.prompt_shape import PROMPT_STEPS, check_prompt, is_language_mapping
from callflows.flows.source.sound_library import is_sound_name, suggest_sound_key
from callflows.flows.source.source_values import parse_dtmf_keys
from callflows.flows.steps.attribute_values import note_undocumented_attribute, read_attribute_value
from callflows.flows.steps.language_choice import (
    follows_language,
    is_neutral_text,
    write_by_language,
    write_language_branches,
)
from callflows.flows.steps.misplaced_words import warn_about_words_in_say
from callflows.flows.steps.prompt_parts import PromptStyle, build_prompt_say
from callflows.flows.steps.sound_play import SOUND_KEYS, read_sound_keys
from callflows.flows.steps.step_summary import StepWay, quote_text, summarize_key, summarize_value
from callflows.language.attribute_doubts import (
    find_branch_doubts,
    find_element_doubts,
    find_language_doubts,
    find_sound_doubts,
)
from callflows.language.plausible_durations import PLAUSIBLE_ATTRIBUTE_DURATIONS
from callflows.language.value_kinds import DURATION_PATTERN, MILLISECONDS_KIND, SIP_KIND
from callflows.language.verbs import (
    DTMF,
    Call,
    Callback,
    Default,
    Error,
    Gather,
    Geo,
    Play,
    Record,
    Redirect,
    Say,
    Schedule,
    Tone,
)
from callflows.telephony.phone_numbers import parse_e164
from callflows.text import Suggestion, format_suggestion, split_error

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from collections.abc import Set as AbstractSet

    from callflows.flows.compiler.step_context import StepContext
    from callflows.flows.entry_points import Silence
    from callflows.flows.source.positions import SourcePath
    from callflows.language.element import Element


_GATHER_MESSAGE: Final = "{}: a caller who presses nothing, or another key, is hung up on without a word"
_GATHER_FIX: Final = (
    "write steps under error and under default, or say something after it; hangup after it says that it is meant"
)
_PLAIN_ATTRIBUTES: Final = {"Pause": "length", "Hold": "timeout", "Geo": "states", "Schedule": "dow"}
_EMPTY_SAY_FIX: Final = "write what is to be said, or take the step out"
CHILD_KEYS: Final = ("do", "dtmf", "default", "error", "meta")
"""Keys for the children of a verb."""
_ERROR_BRANCH_LABELS: Final[Mapping[type[Element], str]] = {Gather: "no-input", Callback: "fails"}
"""Coverage labels for the Error of verbs that a caller or another server can make fail."""


def compile_verb_step(cls: type[Element], value: Any, path: SourcePath, context: StepContext) -> None:  # noqa: ANN401
    if _compile_prompt_form(cls, value, path, context):
        return
    keys = value if isinstance(value, dict) else _expand_plain_value(cls, value, path, context)
    if keys is None or (cls is Say and _say_by_language(keys, path, context)):
        return
    attributes: dict[str, Any] = {}
    sound_keys: dict[str, Any] = {}
    inside = _read_keys(cls, keys, path, context, attributes, sound_keys)
    said_instead = read_sound_keys(sound_keys, keys, path, context, attributes) if cls is Play else []
    _check_verb(cls, keys, attributes, path, context)
    if said_instead is None:
        return
    inside += said_instead
    try:
        element = cast("Any", cls)(*inside, **{key: part for key, part in attributes.items() if part is not None})
    except VerbBuildError as error:
        # A key that is reported already may be the one that is missing.
        if not any(part is None for part in attributes.values()) and not context.report.has_error_at(path):
            is_empty_say = cls is Say and str(error).endswith("needs text")
            message, fix = ("the text is empty: nothing is said", _EMPTY_SAY_FIX) if is_empty_say else (str(error), "")
            context.report.error(path, "verb", message, fix)
        return
    if cls in (Call, Geo, Schedule):
        context.document.write_coverage_comment(CONDITION_POINT, path)
    context.document.write_verbs(element, path=path)
    if cls is Gather and not attributes.get("url"):
        _note_ways_without_branch(inside, path, context)


def _note_ways_without_branch(inside: list[Element], path: SourcePath, context: StepContext) -> None:
    """Note that a caller who presses nothing, or another key, goes on after the gather without a word."""
    if not all(any(isinstance(child, branch) for child in inside) for branch in (Default, Error)):
        context.document.add_silent_end(path, _GATHER_MESSAGE.format(path[-1]), _GATHER_FIX)


def _compile_prompt_form(cls: type[Element], value: Any, path: SourcePath, context: StepContext) -> bool:  # noqa: ANN401
    """Compile a say with a list of parts, or a say or play with a value for each language; else return False."""
    if cls is Say and isinstance(value, list):
        _compile_say_parts(value, path, context)
        return True
    if cls in (Say, Play) and is_language_mapping(value):
        write_by_language(context, value, path, partial(_compile_variant, cls))
        return True
    return False


def _read_keys(
    cls: type[Element],
    keys: Mapping[str, Any],
    path: SourcePath,
    context: StepContext,
    attributes: dict[str, Any],
    sound_keys: dict[str, Any],
) -> list[Element]:
    """Read the keys of a verb into its attributes, and into the keys of a sound; return its children."""
    inside: list[Element] = []
    if cls is Say:
        attributes.update(_find_say_voice(keys, context))
    for key, part in _correct_attribute_keys(cls, keys, path, context).items():
        if cls is Play and key in SOUND_KEYS:
            sound_keys[key] = part
        elif key in CHILD_KEYS:
            inside += _compile_children(cls, key, part, (*path, key), context)
        elif not (cls is Say and key == "lang" and isinstance(part, str) and part in context.flow.languages):
            context.texts.lang = _find_text_language(keys, context) if cls is Say else ""
            _read_attribute(cls, key, part, (*path, key), context, attributes)
            context.texts.lang = ""
    return inside


def _check_verb(
    cls: type[Element], keys: Mapping[str, Any], attributes: Mapping[str, Any], path: SourcePath, context: StepContext
) -> None:
    """Warn about doubtful texts, sounds and keys of a verb, and note what Opentact does not document."""
    for doubt in find_element_doubts(cls):
        context.report.note(path, doubt.rule, doubt.message)
    for name in attributes.keys() & keys.keys():
        note_undocumented_attribute(cls, name, (*path, name), context)
    if cls is Say:
        for doubt in find_language_doubts(attributes.get("lang")) if "lang" in keys else ():
            context.report.warning((*path, "lang"), doubt.rule, doubt.message, doubt.fix)
        context.texts.check_spoken_text(keys.get("text"), (*path, "text"))
        warn_about_words_in_say(context, keys.get("text"), (*path, "text"))
        context.flow.record_prompt(path, keys.get("text"), attributes.get("lang") or "")
    elif cls is Play:
        for doubt in find_sound_doubts(keys.get("url")):
            context.report.warning((*path, "url"), doubt.rule, doubt.message, doubt.fix)
    elif cls is Gather:
        _check_branch_keys(keys.get("dtmf"), attributes, (*path, "dtmf"), context)


def _compile_say_parts(parts: list[Any], path: SourcePath, context: StepContext) -> None:
    """Compile a say with a list: the parts of one prompt."""
    try:
        prompt = check_prompt(parts)
    except ValueError as error:
        message, fix = split_error(error)
        context.report.error(path, "value", f"say: {message}", fix)
        return
    style = PromptStyle(context.voice, context.language, {}, may_be_silent=False)
    context.document.write_verbs(build_prompt_say(context, prompt, path, style), path=path)


def _compile_variant(cls: type[Element], context: StepContext, value: Any, path: SourcePath) -> None:  # noqa: ANN401
    compile_verb_step(cls, value, path, context)


def _say_by_language(keys: dict[str, Any], path: SourcePath, context: StepContext) -> bool:
    """Write a say whose language the call decides; return False if the step itself decides."""
    text = keys.get("text")
    if is_language_mapping(text):
        variants = {name: {**keys, "text": part} for name, part in text.items()}
        write_by_language(context, variants, (*path, "text"), partial(_compile_variant, Say))
        return True
    if not follows_language(context, keys):
        return False
    if is_neutral_text(text):
        names = [*context.flow.languages]
        write_language_branches(context, names, path, lambda branch, _name: compile_verb_step(Say, keys, path, branch))
        return True
    context.flow.record_untranslated_text(path, context.node, context.step_index)
    return False


def _find_say_voice(keys: Mapping[str, Any], context: StepContext) -> dict[str, Any]:
    """Return the voice of a say that the step's own attributes change. ``lang`` may name a language of the flow."""
    return {**context.voice, **context.flow.languages.get(str(keys.get("lang", "")), {})}


def _find_text_language(keys: Mapping[str, Any], context: StepContext) -> str:
    """Return the language of a say, if it may differ from the language of the file."""
    if "lang" in keys:
        return str(context.flow.languages.get(str(keys["lang"]), keys)["lang"])
    return "" if context.voice is context.flow.voice else context.voice.get("lang", "")


def _list_attribute_keys(cls: type[Element]) -> list[str]:
    """Return the keys that a verb's step may have."""
    inside = cls.spec.allowed_children
    has_children = {"do": Say in inside, "dtmf": DTMF in inside, "default": Default in inside, "error": Error in inside}
    children = (key for key in CHILD_KEYS if has_children.get(key, True))
    return [*cls.spec.attributes, *(SOUND_KEYS if cls is Play else ()), *children]


def _correct_attribute_keys(
    cls: type[Element], keys: Mapping[str, Any], path: SourcePath, context: StepContext
) -> dict[str, Any]:
    """Correct the misspelt keys of a verb, and report them."""
    declared = (key for key in keys if context.flow.options.extensions.find_kind(cls.spec.name, key) is not None)

    def report_key(key: str, right: str) -> None:
        message = f"{path[-1]}: there is no {key!r}"
        context.report.error((*path, key), "unknown-key", message, Suggestion(right), key=True)

    known = [*cls.spec.attributes, *(SOUND_KEYS if cls is Play else ()), *CHILD_KEYS, *declared]
    return correct_misspelt_keys(keys, known, path, context.report, report_key=report_key)


def _check_branch_keys(branches: object, attributes: Mapping[str, Any], path: SourcePath, context: StepContext) -> None:
    """Warn about a branch of a gather that no caller reaches."""
    written_keys: dict[str, str] = {}
    for written in branches if isinstance(branches, dict) else ():
        with contextlib.suppress(ValueError):
            written_keys[str(parse_dtmf_keys(written))] = written
    for keys, doubt in find_branch_doubts(written_keys, attributes.get("dtmf_length"), attributes.get("dtmf_stop")):
        context.report.warning((*path, written_keys[keys]), doubt.rule, doubt.message, doubt.fix, key=True)


def find_plain_attribute(cls: type[Element]) -> str:
    """Return the attribute for a plain value; an empty text if the verb takes no plain value."""
    return cls.spec.positional_attribute.name if cls.spec.positional_attribute else _PLAIN_ATTRIBUTES.get(cls.__name__, "")


def _expand_plain_value(
    cls: type[Element],
    value: Any,  # noqa: ANN401
    path: SourcePath,
    context: StepContext,
) -> dict[str, Any] | None:
    """Convert a plain value to a verb's keys. Reports an error and returns None if the verb takes no plain value."""
    report = context.report
    name = find_plain_attribute(cls)
    if not value and (report.get_position(path).cutting_comment or report.has_error_at(path)):
        context.texts.compile_complete_text("", path)
        return None
    if value and not name:
        context.report.error(path, "shape", f"{path[-1]}: takes no plain value", _suggest_for_plain_value(cls, value, path))
        return None
    if cls is Play and is_sound_name(value):
        name = "sound"
    report.positions[*path, name] = report.get_position(path)
    return {name: value} if value else {}


def _suggest_for_plain_value(cls: type[Element], value: object, path: SourcePath) -> str:
    """Return the fix for a value of a verb that takes none: the step alone, or a dial for somebody to ring."""
    if cls in (Call, Redirect) and isinstance(value, str) and (parse_e164(value) or SIP_KIND.accepts(value)):
        return f"somebody is rung by a dial: dial: {value}"
    if cls is Redirect and isinstance(value, str) and FLOW_AND_NODE_NAME_PATTERN.fullmatch(value):
        return f"the way to a node is goto: {value}"
    keys = f"it has {', '.join(_list_attribute_keys(cls))}"
    if isinstance(value, str) and not (cls.spec.required_attributes or cls.spec.required_children):
        return f"write it alone, as - {path[-1]}; {keys}"
    return keys


def _suggest_duration_key(cls: type[Element], key: str, value: object) -> str:
    """Return the fix for a duration under the name of its unit, as ``seconds: 2``; an empty text for any other key."""
    own = find_plain_attribute(cls)
    unit = _UNITS_BY_KEY.get(key.casefold(), "")
    if not unit or own not in cls.spec.attributes or cls.spec.attributes[own].kind is not MILLISECONDS_KIND:
        return ""
    number = str(value).strip()
    length = f"{number}{unit}" if re.fullmatch(r"[0-9]+(?:\.[0-9]+)?", number) else number
    return f"did you mean {own}: {length}?" if DURATION_PATTERN.fullmatch(length) else Suggestion(own)


_UNITS_BY_KEY: Final = {
    **dict.fromkeys(("seconds", "second", "secs", "sec", "s", "time", "duration", "for", "wait", "delay"), "s"),
    **dict.fromkeys(("milliseconds", "millis", "ms"), "ms"),
    **dict.fromkeys(("minutes", "minute", "mins", "min", "m"), "m"),
}
"""Keys that people write for a duration, with the unit of a plain number under them."""


def _read_attribute(
    cls: type[Element],
    key: str,
    part: Any,  # noqa: ANN401 - YAML data
    path: SourcePath,
    context: StepContext,
    attributes: dict[str, Any],
) -> None:
    """Read one of the verb's own attributes, or an attribute declared by the author."""
    row = cls.spec
    declared = context.flow.options.extensions.find_kind(row.name, key)
    sound_fix = suggest_sound_key(part) if cls is Play and key == "url" else ""
    if sound_fix:
        context.report.error(path, "value", f"url: must be an http or https URL, not {part!r}", sound_fix)
        attributes[key] = None
    elif key in row.attributes:
        attributes[key] = read_attribute_value(
            row.attributes[key].kind, key, part, path, context, PLAUSIBLE_ATTRIBUTE_DURATIONS.get((row.name, key))
        )
    elif declared is not None:
        taken = read_attribute_value(declared, key, part, path, context)
        attributes["extra"] = {**attributes.get("extra", {}), key: "" if taken is None else declared.format_value(taken)}
    else:
        known = _list_attribute_keys(cls)
        near = _suggest_duration_key(cls, key, part) or suggest_own_word(key, known) or format_suggestion(key, known)
        near = near or f"it has {', '.join(known)}"
        if is_word_for_condition(key):
            near = suggest_condition(str(path[-2]))
        context.report.error(path, "unknown-key", f"{path[-2]}: there is no {key!r}", near, key=True)


def _compile_children(
    cls: type[Element],
    key: str,
    value: Any,  # noqa: ANN401
    path: SourcePath,
    context: StepContext,
) -> list[Element]:
    """Compile the children of a verb under one of CHILD_KEYS."""
    if key == "meta":
        if isinstance(value, dict):
            return [*context.texts.build_metas(value, path)]
        context.report.error(path, "shape", "meta: must be a mapping of names and values")
        return []
    if key in ("dtmf", "default") and cls is not Gather:
        context.report.error(path, "shape", f"{key}: stands in a gather only", key=True)
        return []
    if key == "dtmf":
        return _compile_dtmf_branches(value, path, context)
    if not isinstance(value, list):
        context.report.error(path, "shape", f"{key}: must be a list of steps", "begin each line with -")
        return []
    if key == "do":
        return _compile_commands(cls, value, path, context)
    silences: AbstractSet[Silence] = context.document.progress.silences if cls is Callback else frozenset()
    if cls is Gather:
        silences = {SilentEnd(path[:-1], _GATHER_MESSAGE.format(path[-2]), _GATHER_FIX)}
    branch = context.compile_branch(
        value,
        path,
        line_answered=context.document.progress.answered or cls in (Gather, Record, Say, Play, Tone),
        silences=silences,
    )
    if not branch.document.fragments:
        return []
    what = "no-match" if key == "default" else _ERROR_BRANCH_LABELS.get(cls, "")
    inside = (
        context.document.prepend_coverage_comment(what, path, context.document.add_branch_placeholder(branch.document))
        if what
        else [context.document.add_branch_placeholder(branch.document)]
    )
    return [(Default if key == "default" else Error)(*inside)]


def _compile_dtmf_branches(value: Any, path: SourcePath, context: StepContext) -> list[Element]:  # noqa: ANN401
    """Compile ``dtmf: {1: [steps], hash: [steps]}``."""
    if not isinstance(value, dict):
        context.report.error(path, "shape", "dtmf: must be a mapping of keys and steps", "as 1: [- say: One]")
        return []
    branch_elements: list[Element] = []
    for written, steps in value.items():
        here = (*path, written)
        try:
            keys = str(parse_dtmf_keys(written))
        except ValueError as error:
            message, fix = split_error(error)
            context.report.error(here, "value", f"dtmf: {message}", fix, key=True)
            continue
        if not isinstance(steps, list):
            context.report.error(here, "shape", f"{written}: must be a list of steps", "begin each line with -")
            continue
        message = f"a caller who presses {keys} is hung up on without a word"
        fix = "say something there, or after it; hangup as the last step says that it is meant"
        branch = context.compile_branch(steps, here, line_answered=True, silences={SilentEnd(here, message, fix)})
        if not branch.document.fragments:
            context.document.note_branch(branch.document)
        inside = [context.document.add_branch_placeholder(branch.document)] if branch.document.fragments else []
        branch_elements.append(DTMF(*context.document.prepend_coverage_comment(f"key {keys}", here, *inside), value=keys))
    return branch_elements


def _compile_commands(cls: type[Element], value: list[Any], path: SourcePath, context: StepContext) -> list[Element]:
    """Compile ``do: [steps]``, the commands in a verb."""
    if Say not in cls.spec.allowed_children:
        context.report.error(
            path, "shape", f"do: <{cls.spec.name}> holds no commands", "write them as steps of their own", key=True
        )
        return []
    if cls is Gather:
        return _compile_prompts(value, path, context)
    progress = context.document.progress
    branch = context.compile_branch(
        value,
        path,
        line_answered=progress.answered or cls is Record,
        silences=progress.silences if cls in CONDITIONAL_VERBS else frozenset(),
    )
    return [context.document.add_branch_placeholder(branch.document)] if branch.document.fragments else []


def _compile_prompts(value: list[Any], path: SourcePath, context: StepContext) -> list[Element]:
    """Compile a gather's ``do``: prompts before the Gather, or in the classic dialect inside the Gather."""
    for index, step in enumerate(value):
        wrong = [key for key in (step if isinstance(step, dict) else {step: ""}) if key not in PROMPT_STEPS]
        if wrong:
            message = f"do: {wrong[0]!r} is no prompt, and nothing else may stand in a gather"
            context.report.error((*path, index), "shape", message, f"there are {', '.join(PROMPT_STEPS)}")
    context.document.ensure_answered()
    branch = context.make_empty_branch()
    branch.compile_steps(value, path)
    if context.flow.dialect == "classic":
        return [context.document.add_branch_placeholder(branch.document)] if branch.document.fragments else []
    context.document.insert_shared_fragments(branch.document)
    return []


# Pictures


def summarize_verb(step_key: str, value: Any, keys: Mapping[str, Any]) -> str:  # noqa: ANN401 - any YAML value
    """Describe a verb's step in a few words. ``keys`` are the keys of the value, if it has keys."""
    if step_key == "say":
        return f"say {quote_text(keys.get('text', value))}"
    if step_key == "hangup":
        tag = summarize_value(keys.get("tag"))
        return f"hang up ({tag})" if tag else "hang up"
    own = [f"{key} {summarize_value(part)}" for key, part in keys.items() if isinstance(part, str)]
    return " ".join(filter(None, [step_key.replace("_", " "), summarize_value(value) or ", ".join(own)]))


def list_verb_ways(step_key: str, keys: Mapping[str, Any]) -> Iterator[StepWay]:
    """Return the ways that lead on from a verb's step, in the order of CHILD_KEYS."""
    if isinstance(keys.get("do"), list):
        yield StepWay("", steps=keys["do"])
    branches = keys.get("dtmf")
    for key, steps in branches.items() if isinstance(branches, dict) else ():
        yield StepWay(summarize_key(key), steps=steps)
    is_gather = step_key == "gather"
    if is_gather:
        yield StepWay("another key", steps=keys.get("default"))
    yield StepWay("no key" if is_gather else "error", steps=keys.get("error"))
