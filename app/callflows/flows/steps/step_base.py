"""Base classes of the word steps, and the names of values."""

from __future__ import annotations

import contextlib
import re
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final

import pydantic

from callflows.errors import VerbBuildError
from callflows.flows.expressions.expression_functions import NAMED_SCOPE_ROOTS
from callflows.flows.expressions.expression_scope import CALL_SCOPE
from callflows.flows.source.shape_validation import validate_shape
from callflows.flows.source.source_values import schema_reference
from callflows.flows.steps.attribute_values import read_attribute_value, read_voice_attributes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from callflows.flows.compiler.node_compiler import NodeCompiler
    from callflows.flows.source.positions import SourcePath
    from callflows.language import Say


VALUE_NAME_PATTERN: Final = re.compile("[A-Za-z][A-Za-z0-9_]{0,63}")
RESERVED_VALUE_NAMES: Final = frozenset(
    {*CALL_SCOPE, *NAMED_SCOPE_ROOTS, "true", "false", "none", "and", "or", "not", "in", "is", "if", "else"}
)
"""Names with a meaning of their own in flows."""


def check_value_name(value: object) -> object:
    """Return a valid name for a value. Raises ValueError otherwise."""
    if not isinstance(value, str) or not VALUE_NAME_PATTERN.fullmatch(value):
        raise ValueError(f"must be a name of letters, digits and _, not {value!r}")
    if value in RESERVED_VALUE_NAMES:
        raise ValueError(f"{value!r} is a name that flows have already")
    return value


ValueName = Annotated[str, pydantic.BeforeValidator(check_value_name), schema_reference("name")]


class WordStep(pydantic.BaseModel):
    """A step with a word of flows. ``plain_key`` is the key for a value without keys."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)
    plain_key: ClassVar[str] = ""
    instead: ClassVar[Mapping[str, Any]] = {}
    """Replacements for required keys that could not be read."""
    verb: ClassVar[str] = ""
    """Verb whose declared attributes the step takes too."""
    takes_raw_value: ClassVar[bool] = False
    """True if the value is taken unchanged, under ``plain_key``."""
    resumes_call: ClassVar[bool] = False
    """True if a request returns to the step."""
    caller_hears: ClassVar[str] = ""
    """Text for the reference of flow files: the caller's experience during the step."""
    check_rules: ClassVar[tuple[str, ...]] = ()
    """Rules of ``callflows check`` about this step, for the reference of flow files."""

    @classmethod
    def runs_on_arrival(cls, _value: object) -> bool:
        """Return True if the step must run when the call arrives, not before."""
        return False

    def compile_step(self, compiler: NodeCompiler, path: SourcePath) -> None:
        """Compile the step: write verbs and fragments to ``compiler``."""


class SpokenStep(WordStep):
    """A step with spoken text."""

    voice: Annotated[dict[str, str], schema_reference("voice")] = pydantic.Field(
        {}, description="The voice of this step's texts, if it differs from the file's, for example {lang: es-US}."
    )

    def build_say(self, compiler: NodeCompiler, path: SourcePath, text: str, text_path: SourcePath) -> Say:
        """Build a Say in the step's voice. ``text_path`` is the path of the text."""
        return compiler.build_say(text, text_path, self.read_voice(compiler, path))

    def read_voice(self, compiler: NodeCompiler, path: SourcePath) -> dict[str, str]:
        return read_voice_attributes(self.voice, (*path, "voice"), compiler.flow_compiler.report)


def compile_word_step(cls: type[WordStep], value: Any, path: SourcePath, compiler: NodeCompiler) -> None:  # noqa: ANN401
    """Parse the value with the word's class, then compile the step."""
    if cls.takes_raw_value or not isinstance(value, dict):
        if not cls.plain_key:
            compiler.error(path, "shape", f"{path[-1]}: must be a mapping of keys and values")
            return
        key = (cls.plain_key,)
        compiler.flow_compiler.report.alias_position(path, (*path, *key), len(value) if isinstance(value, list) else 0)
        value = {cls.plain_key: value}
    declared = compiler.flow_compiler.options.extensions.kinds.get(cls.verb, {})
    if declared.keys() & value.keys():
        given = {
            key: read_attribute_value(declared[key], key, part, (*path, key), compiler)
            for key, part in value.items()
            if key in declared
        }
        extra = {key: declared[key].format_value(part) for key, part in given.items() if part is not None}
        value = {**{key: part for key, part in value.items() if key not in declared}, "extra": extra}
    report = compiler.flow_compiler.report
    made = validate_shape(cls, value, path, report)
    if made is None:
        return
    with report.suppress_warnings() if report.has_error_at(path) else contextlib.nullcontext():
        try:
            made.compile_step(compiler, path)
        except VerbBuildError as error:
            compiler.error(path, "verb", str(error))


def pick_attempt_text(
    compiler: NodeCompiler, path: SourcePath, key: str, texts: list[str], attempt: int
) -> tuple[str, SourcePath]:
    """Return the text for an attempt, and the text's path. The last text serves all further attempts."""
    index = min(attempt, len(texts)) - 1
    listed: SourcePath = (*path, key, index)
    return texts[index], listed if listed in compiler.flow_compiler.report.positions else (*path, key)
