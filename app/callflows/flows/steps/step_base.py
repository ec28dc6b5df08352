"""Base classes of the flow steps."""

from __future__ import annotations

import abc
import contextlib
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final

import pydantic

from callflows.errors import VerbBuildError
from callflows.flows.source.foreign_words import suggest_instead_of_key
from callflows.flows.source.misspelt_keys import find_misspelt_word
from callflows.flows.source.prompt_shape import is_language_mapping
from callflows.flows.source.shape_validation import validate_shape
from callflows.flows.source.source_values import schema_reference
from callflows.flows.source.voice_attributes import read_voice_attributes
from callflows.flows.steps.attribute_values import read_attribute_value
from callflows.flows.steps.language_choice import FIXED_LANGUAGE, resolve_voice
from callflows.flows.steps.misplaced_words import warn_about_words_in_prompt
from callflows.flows.steps.prompt_parts import PromptStyle, build_prompt_say

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from callflows.flows.compiler.step_context import StepContext
    from callflows.flows.source.positions import SourcePath
    from callflows.flows.source.prompt_shape import Prompt
    from callflows.flows.source.stored_values import StoredValue
    from callflows.flows.steps.step_summary import StepWay
    from callflows.language import Say


def find_into_name(keys: Mapping[str, Any]) -> str:
    """Return the name under ``into``, also if that key is misspelt; an empty text if there is none."""
    name = keys.get("into" if "into" in keys else find_misspelt_word("into", keys))
    return name if isinstance(name, str) else ""


def mapping_of(value: object) -> Mapping[str, Any]:
    """Return a mapping of a file; an empty one for any other value."""
    return value if isinstance(value, dict) else {}


class FlowStep(pydantic.BaseModel, abc.ABC):
    """A step of flow files that is no verb of Opentact. ``plain_key`` is the key for a value without keys."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)
    step_key: ClassVar[str]
    """The key that names the step in a flow file, as menu. The key is written nowhere else."""
    plain_key: ClassVar[str] = ""
    is_plain_text: ClassVar[bool] = False
    """True if the plain value is a text, which may be a mapping by language."""
    instead: ClassVar[Mapping[str, Any]] = {}
    """Replacements for required keys that could not be read."""
    verb: ClassVar[str] = ""
    """Verb whose declared attributes the step takes too."""
    takes_raw_value: ClassVar[bool] = False
    """True if the value is taken unchanged, under ``plain_key``."""
    alternatives: ClassVar[tuple[str, ...]] = ()
    """Keys of which at least one is required."""
    resumes_call: ClassVar[bool] = False
    """True if a request returns to the step."""
    brings_digits: ClassVar[bool] = False
    """True if the step sets ``digits``."""
    is_possible_after_call: ClassVar[bool] = False
    """True if the step may stand under ``ended``, when the call is over."""
    caller_hears: ClassVar[str] = ""
    """Text for the reference of flow files: the caller's experience during the step."""
    check_rules: ClassVar[tuple[str, ...]] = ()
    """Rules of ``callflows check`` about this step, for the reference of flow files."""

    @classmethod
    def runs_on_arrival(cls, _value: object) -> bool:
        """Return True if the step must run when the call arrives, not before."""
        return False

    @classmethod
    def list_stored_values(cls, _keys: Mapping[str, Any]) -> Iterable[StoredValue]:
        """Return the values that the step stores. ``keys`` are the step's keys in the file, perhaps with mistakes."""
        return ()

    @classmethod
    @abc.abstractmethod
    def summarize(cls, value: Any, groups: Mapping[str, Any]) -> str:  # noqa: ANN401 - any YAML value
        """Describe the step in a few words, for pictures. An empty text: the step is no more than its ways.

        ``groups`` are the hunt groups of the file.
        """

    @classmethod
    def list_ways(cls, _value: Any) -> Iterable[StepWay]:  # noqa: ANN401 - any YAML value
        """Return the ways that lead on from the step, for pictures."""
        return ()

    def compile_step(self, context: StepContext, path: SourcePath) -> None:
        """Compile the step: write verbs and fragments to ``context``."""


class SpokenStep(FlowStep):
    """A step with spoken text."""

    voice: Annotated[dict[str, str], schema_reference("voice")] = pydantic.Field(
        {}, description="The voice of this step's texts, if it differs from the file's, for example {lang: es-US}."
    )

    def build_prompt(self, context: StepContext, path: SourcePath, key: str, prompt: Prompt) -> Say:
        """Build the Say of a prompt under ``key``, in the step's voice; a placeholder for a prompt of several parts."""
        warn_about_words_in_prompt(context, key, prompt, (*path, key))
        own_voice = resolve_voice(context, self.read_voice(context, path))
        voice = {**context.voice, **own_voice} if own_voice else context.voice
        language = FIXED_LANGUAGE if "lang" in own_voice or "code" in own_voice else context.language
        style = PromptStyle(voice, language, own_voice, may_be_silent=key != "prompt")
        return build_prompt_say(context, prompt, (*path, key), style)

    def read_voice(self, context: StepContext, path: SourcePath) -> dict[str, str]:
        return read_voice_attributes(self.voice, (*path, "voice"), context.report)


_STEP_EXAMPLES: Final = {
    "menu": "prompt: For sales press 1., keys: {1: sales}",
    "collect": "into: account, digits: 6, prompt: Enter your account number.",
    "lookup": "url: https://crm.example.com/customers, into: customer",
    "mail": "to: desk@example.com, subject: A call, text: Somebody called.",
    "opt_out": "",
}


def _is_plain_value_by_language(cls: type[FlowStep], value: object, context: StepContext) -> bool:
    """Return True for the plain value in several languages; ``to`` is a language, and more often a key of other systems."""
    if not cls.is_plain_text or not is_language_mapping(value):
        return False
    return any(name in context.flow.languages or not suggest_instead_of_key(cls.step_key, name) for name in value)


def compile_flow_step(cls: type[FlowStep], value: Any, path: SourcePath, context: StepContext) -> None:  # noqa: ANN401
    """Parse the value with the step's class, then compile the step."""
    if cls.takes_raw_value or not isinstance(value, dict) or _is_plain_value_by_language(cls, value, context):
        if not cls.plain_key:
            fix = f"write its keys, as {cls.step_key}: {{{_STEP_EXAMPLES.get(cls.step_key, 'KEY: VALUE')}}}"
            context.report.error(path, "shape", f"{path[-1]}: must be a mapping of keys and values", fix)
            return
        key = (cls.plain_key,)
        context.report.alias_position(path, (*path, *key), len(value) if isinstance(value, list) else 0)
        for part in range(len(value)) if isinstance(value, list) else value if is_language_mapping(value) else ():
            context.report.alias_subtree((*path, part), (*path, *key, part))
        value = {cls.plain_key: value}
    declared = context.flow.options.extensions.kinds.get(cls.verb, {})
    if declared.keys() & value.keys():
        declared_values = {
            key: read_attribute_value(declared[key], key, part, (*path, key), context)
            for key, part in value.items()
            if key in declared
        }
        extra = {key: declared[key].format_value(part) for key, part in declared_values.items() if part is not None}
        value = {**{key: part for key, part in value.items() if key not in declared}, "extra": extra}
    report = context.report
    step = validate_shape(cls, value, path, report)
    if step is None:
        return
    with report.suppress_warnings() if report.has_error_at(path) else contextlib.nullcontext():
        try:
            step.compile_step(context, path)
        except VerbBuildError as error:
            context.report.error(path, "verb", str(error))
