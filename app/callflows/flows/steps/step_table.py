"""The table of steps: the words of flows, and every verb of the language under its own name."""

from __future__ import annotations

import json
import re
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

from callflows.flows.source.flow_file import FlowFile
from callflows.flows.source.foreign_words import suggest_instead_of_step, suggest_own_word
from callflows.flows.source.misspelt_keys import correct_misspelt_keys, find_misspelt_word
from callflows.flows.source.platform_limits import find_platform_limit
from callflows.flows.source.yaml_source import UNREADABLE_VALUE
from callflows.flows.steps.choose_step import ChooseStep
from callflows.flows.steps.collect_step import CollectStep
from callflows.flows.steps.dial_step import DialStep
from callflows.flows.steps.goto_step import GotoStep
from callflows.flows.steps.lookup_step import LookupStep
from callflows.flows.steps.mail_step import MailStep
from callflows.flows.steps.menu_step import MenuStep
from callflows.flows.steps.notify_step import NotifyStep
from callflows.flows.steps.opt_out_step import OptOutStep
from callflows.flows.steps.set_step import SetStep
from callflows.flows.steps.sms_step import SmsStep
from callflows.flows.steps.step_base import FlowStep, compile_flow_step
from callflows.flows.steps.verb_steps import compile_verb_step
from callflows.flows.steps.voicemail_step import VoicemailStep
from callflows.language.verbs import DTMF, ELEMENT_CLASSES, Default, Dial, Error, Response, To
from callflows.text import Suggestion, format_suggestion

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from callflows.flows.compiler.step_context import StepContext
    from callflows.flows.source.positions import SourcePath


StepCompiler: TypeAlias = "Callable[[Any, SourcePath, StepContext], None]"


def step_key_of_element(name: str) -> str:
    """Convert an element's name to a step key: ``RecordStart`` becomes ``record_start``."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()


_EMPTY_STEP_KEYS: Final = ("", "~", "null")
_ELEMENTS_WITHOUT_STEP: Final = (Response, To, DTMF, Default, Error, Dial)
FLOW_STEPS: Final[Mapping[str, type[FlowStep]]] = {
    cls.step_key: cls
    for cls in (
        GotoStep,
        ChooseStep,
        SetStep,
        MenuStep,
        CollectStep,
        DialStep,
        VoicemailStep,
        LookupStep,
        SmsStep,
        MailStep,
        NotifyStep,
        OptOutStep,
    )
}
"""The words of flows, in the order of the reference."""
STEP_COMPILERS: Final[Mapping[str, StepCompiler]] = {
    **{
        step_key_of_element(name): partial(compile_verb_step, cls)
        for name, cls in ELEMENT_CLASSES.items()
        if cls not in _ELEMENTS_WITHOUT_STEP
    },
    **{name: partial(compile_flow_step, cls) for name, cls in FLOW_STEPS.items()},
}
"""All steps by key. A flow step wins over a verb of the same name."""


class ParsedStep(NamedTuple):
    """The parts of a step of a file. The key is empty if the step has no clear key; the problem is reported then."""

    step_key: str
    value: Any
    when: str | None


def parse_step(step: object, path: SourcePath, context: StepContext) -> ParsedStep:
    """Return the parts of a step. For a misspelt key the right key is returned, so that the value is checked too."""
    if isinstance(step, str):
        step = {step: ""}
        context.report.key_positions[*path, *step] = context.report.get_position(path)
    if not isinstance(step, dict):
        context.report.error(path, "shape", "a step is one key, as say: Hello", "write - say: Hello")
        return ParsedStep("", None, None)
    if len(step) > 1:
        step = correct_misspelt_keys(step, ("when",), path, context.report, other_words=_WORDS_FOR_WHEN)
    when = _read_when(step, path, context)
    keys = [key for key in step if key != "when"]
    if len(keys) != 1:
        _report_key_count(step, keys, path, context)
        return ParsedStep("", None, when)
    (written,) = keys
    step_key = written if written in STEP_COMPILERS else _correct_step_key(written, step[written], path, context)
    is_readable = step[written] is not UNREADABLE_VALUE
    return ParsedStep(step_key if is_readable else "", step[written] if is_readable else None, when)


def _read_when(step: Mapping[str, Any], path: SourcePath, context: StepContext) -> str | None:
    when = step.get("when")
    if when is None or isinstance(when, str):
        return when
    context.report.error((*path, "when"), "shape", "when: must be an expression")
    return None


def _report_key_count(step: Mapping[str, Any], keys: Sequence[str], path: SourcePath, context: StepContext) -> None:
    """Report a step without a key, or with several."""
    if keys:
        message = f"a step has one key, and this has {len(keys)}: {', '.join(keys)}"
        fix = _suggest_one_step(step, keys) or "write each as a step of its own, or indent what belongs to the first"
    else:
        message, fix = "a step with when needs something to do", "as goto: closed below it, without a - of its own"
    if {"then", "else"} & step.keys():
        fix = "two ways are a choose: [{when: caller.anonymous, goto: closed}, {goto: menu}]"
    context.report.error(path, "shape", message, fix)


def _suggest_one_step(step: Mapping[str, Any], keys: Sequence[str]) -> str:
    """Return the first step with the other keys within it, if they are keys of that step."""
    first, *others = keys
    plain_key, known = _list_step_keys(first)
    value = step[first]
    is_empty = value == ""
    if not isinstance(value, str) or any(key not in known or key in STEP_COMPILERS for key in others):
        return ""
    if not plain_key and not is_empty:
        return ""
    parts = [*([] if is_empty else [(plain_key, value)]), *((key, step[key]) for key in others)]
    if any(not isinstance(part, str) or len(part) > _MAX_SHOWN_CHARACTERS for _, part in parts):
        below = f"{first}:" if is_empty else f"{first}: {{{plain_key}: …}}"
        return f"indent {', '.join(others)} {'further than' if is_empty else 'below'} {below}"
    written = ", ".join(f"{key}: {_quote_in_braces(part)}" for key, part in parts)
    return f"write {first}: {{{written}}}"


def _list_step_keys(step_key: str) -> tuple[str, Collection[str]]:
    """Return the key of a step's plain value, and all keys of the step."""
    cls = FLOW_STEPS.get(step_key)
    if cls is not None:
        return cls.plain_key, {field.alias or key for key, field in cls.model_fields.items()}
    specs = (element.spec for name, element in ELEMENT_CLASSES.items() if step_key_of_element(name) == step_key)
    return next(((spec.positional_name or "", {*spec.value_checks}) for spec in specs), ("", ()))


def _quote_in_braces(text: str) -> str:
    """Return a text as it is written within braces."""
    return text if _PLAIN_IN_BRACES.fullmatch(text) else json.dumps(text, ensure_ascii=False)


_MAX_SHOWN_CHARACTERS: Final = 60
_PLAIN_IN_BRACES: Final = re.compile(r"[\w+.][\w+. /-]*(?:://[\w./-]+)?")


def _correct_step_key(written: str, value: object, path: SourcePath, context: StepContext) -> str:
    """Report a key that is no step, and return the step that is surely meant; an empty text if none is."""
    if value is UNREADABLE_VALUE:
        return ""
    limit = find_platform_limit(written)
    if written in _EMPTY_STEP_KEYS:
        context.report.error(path, "shape", "the step is empty", "write a step, as - say: Hello, or take the - out")
    elif limit is not None:
        context.report.error((*path, written), "platform-lacks", limit.message, limit.fix, key=True)
    else:
        first = re.split(r"[:\uff1a\s=]", written, maxsplit=1)[0]
        text = written[len(first) + 1 :].lstrip("=> ").strip() or (value if isinstance(value, str) else "")
        meant = f"write {first}: {text}".rstrip() if first in STEP_COMPILERS else ""
        dialect = context.flow.dialect
        fix = suggest_field_step(written, dialect) or meant or suggest_step(written, dialect)
        fix = fix or f"there are {', '.join(_list_steps(dialect))}"
        context.report.error((*path, written), "unknown-step", f"there is no step {written!r}", fix, key=True)
        is_other = written in FlowFile.model_fields or suggest_instead_of_step(written) or suggest_field_step(written)
        right = "" if is_other else find_misspelt_word(written, STEP_COMPILERS)
        context.report.alias_subtree((*path, written), (*path, right))
        return right if value else ""
    return ""


def _list_steps(dialect: str = "") -> list[str]:
    """Return the steps of a dialect; of both dialects if it is empty."""
    others = {
        step_key_of_element(name)
        for name, cls in ELEMENT_CLASSES.items()
        if dialect and dialect not in cls.spec.dialects and step_key_of_element(name) not in FLOW_STEPS
    }
    return [key for key in STEP_COMPILERS if key not in others]


def suggest_field_step(word: str, dialect: str = "") -> str:
    """Return ``did you mean 'dial'?`` for a word that other phone systems use for a step, else an empty text."""
    return suggest_own_word(word, ("when", *_list_steps(dialect)))


def suggest_file_key(word: str) -> str:
    """Return ``did you mean the key 'hours' of the file?`` for a word that means a key of the file, else an empty text."""
    file_keys = FlowFile.model_fields
    key = Suggestion(word) if word in file_keys else suggest_own_word(word, file_keys)
    return key and f"{key.removesuffix('?').replace('mean', 'mean the key', 1)} of the file?"


def suggest_step(word: str, dialect: str = "") -> str:
    """Return a suggestion for a word that is no step: the step or key of the same meaning, or of a similar spelling."""
    steps = _list_steps(dialect)
    return (
        suggest_instead_of_step(word)
        or suggest_field_step(word, dialect)
        or (suggest_file_key(word) if word in FlowFile.model_fields else "")
        or Suggestion(find_misspelt_word(word, steps))
        or suggest_file_key(word)
        # The verb call, a condition, is a part of many words that mean something else.
        or format_suggestion(word, [step for step in steps if step != "call"], _MIN_STEP_SIMILARITY)
    )


_MIN_STEP_SIMILARITY: Final = 0.7
"""Short words of other systems are somewhat similar to a step that they do not mean: user to pause, action to tone."""


_WORDS_FOR_WHEN: Final = dict.fromkeys(("if", "condition", "cond"), "when")


def find_step_key(step: object) -> str:
    """Return the step's key; ``?`` for a step without a key."""
    return next((step_key for step_key, _ in _step_items(step)), "?")


def step_runs_on_arrival(step: object) -> bool:
    """Return True if a step must run when the call arrives, not before."""
    return any(
        step_key in FLOW_STEPS and FLOW_STEPS[step_key].runs_on_arrival(value) for step_key, value in _step_items(step)
    )


def step_brings_digits(step: object) -> bool:
    """Return True if a step sets ``digits``."""
    return any(step_key in FLOW_STEPS and FLOW_STEPS[step_key].brings_digits for step_key, _ in _step_items(step))


def steps_need_own_node(steps: object) -> bool:
    """Return True if any of the steps requires a node of its own, to which a call can return."""
    if isinstance(steps, list):
        return any(steps_need_own_node(step) for step in steps)
    return any(
        (step_key in FLOW_STEPS and (FLOW_STEPS[step_key].resumes_call or FLOW_STEPS[step_key].runs_on_arrival(value)))
        or any(steps_need_own_node(part) for part in _nested_values(value))
        for step_key, value in _step_items(steps)
    )


def _nested_values(value: object) -> Iterable[Any]:
    """Return the lists and mappings in a step's value, which may contain steps."""
    parts = value if isinstance(value, list) else value.values() if isinstance(value, dict) else ()
    return [part for part in parts if isinstance(part, (list, dict))]


def _step_items(step: object) -> Iterable[tuple[str, Any]]:
    """Return the keys and values of a step, except ``when``."""
    if isinstance(step, str):
        return [(step, "")]
    return [(step_key, value) for step_key, value in step.items() if step_key != "when"] if isinstance(step, dict) else []
