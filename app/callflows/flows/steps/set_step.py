"""The step set."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from callflows.flows.decisions import MASKED_VALUE
from callflows.flows.expressions.plain_values import to_plain_data
from callflows.flows.expressions.value_names import check_value_name
from callflows.flows.source.prompt_shape import CALL_LANGUAGE, LANGUAGE_NAME_PATTERN
from callflows.flows.source.source_values import (
    schema_reference,
)
from callflows.flows.source.stored_values import StoredValue
from callflows.flows.steps.step_base import FlowStep, mapping_of
from callflows.flows.steps.step_summary import summarize_value
from callflows.telephony.turn import Variables
from callflows.text import format_suggestion

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from callflows.flows.compiler.step_context import StepContext
    from callflows.flows.source.positions import SourcePath
    from callflows.telephony.turn import Turn


class SetStep(FlowStep):
    """Remember values under names."""

    step_key: ClassVar[str] = "set"
    caller_hears: ClassVar[str] = "Nothing."
    check_rules: ClassVar[tuple[str, ...]] = ("expression", "ticket-too-big")
    plain_key: ClassVar[str] = "values"
    takes_raw_value: ClassVar[bool] = True
    values: dict[Annotated[str, schema_reference("name")], Annotated[Any, schema_reference("expression")]]

    @classmethod
    def runs_on_arrival(cls, _value: object) -> bool:
        """Return True: a value is set only when the call arrives."""
        return True

    @classmethod
    def summarize(cls, value: Any, groups: Mapping[str, Any]) -> str:  # noqa: ANN401, ARG003 - as FlowStep has it
        return f"set {', '.join(f'{name} = {summarize_value(source)}' for name, source in mapping_of(value).items())}"

    @classmethod
    def list_stored_values(cls, keys: Mapping[str, Any]) -> Iterable[StoredValue]:
        return [StoredValue(name, source) for name, source in keys.items() if isinstance(source, str)]

    def compile_step(self, context: StepContext, path: SourcePath) -> None:
        """Set the values in order, so that each expression can use the values before."""
        if context.is_static:
            context.report.error(path, "fallback-not-static", "the fallback has nothing to remember", "take it out")
            return
        for name, source in self.values.items():
            here = (*path, name)
            try:
                check_value_name(name)
            except ValueError as error:
                context.report.error(here, "value", f"set: {error}", key=True)
                continue
            if not isinstance(source, str):
                context.report.error(here, "shape", f"{name}: must be an expression", 'as "account", 3 or caller.name')
                continue
            context.texts.check_not_cut(here)
            if name == CALL_LANGUAGE and context.flow.languages:
                context.flow.language_changes.add((context.node, context.step_index))
                source = _quote_language(source, context, here)  # noqa: PLW2901 - a name stands for itself
            if name == CALL_LANGUAGE and self._names_no_language(source, context, here):
                continue
            expression = context.texts.compile_condition(source, here, name)
            if expression is not None:
                origin = context.document.make_decision_origin(self.step_key, f"{name} = {source}", expression.used_names)
                context.record_stored_value(name, expression.sample, here, context.step_index + 1)
                evaluate = expression.evaluate
                if name == CALL_LANGUAGE and context.flow.languages:
                    evaluate = _make_language_reader(expression.evaluate, tuple(context.flow.languages))
                context.document.add_action(
                    _make_setter(name, evaluate, origin, context.flow.secret_names), here, f"{name!r} is set"
                )

    def _names_no_language(self, source: str, context: StepContext, path: SourcePath) -> bool:
        """Report a language that is set in a file without languages."""
        is_name = LANGUAGE_NAME_PATTERN.fullmatch(source.strip()) and not context.flow.has_stored_name(source.strip())
        if not is_name or context.flow.languages:
            return False
        message = f"the flow has no language {source.strip()!r}"
        context.report.error(path, "unknown-language", message, "name them: languages: {en: en-US, es: es-US}")
        return True


def _quote_language(source: str, context: StepContext, path: SourcePath) -> str:
    """Return the name of a language as an expression; any other expression stays. Reports an unknown language."""
    name = source.strip().strip("\"'")
    if name in context.flow.languages:
        return f'"{name}"'
    if LANGUAGE_NAME_PATTERN.fullmatch(name):
        fix = format_suggestion(name, context.flow.languages) or f"there are {', '.join(context.flow.languages)}"
        context.report.error(path, "unknown-language", f"the flow has no language {name!r}", fix)
        return f'"{name}"'
    return source


def _make_language_reader(evaluate: Callable[[Turn], Any], languages: tuple[str, ...]) -> Callable[[Turn], Any]:
    """Return a function for a computed language: one of the flow's, es also for es-MX; another one changes nothing."""
    by_tag = {name.lower(): name for name in reversed(languages)}

    def read_language(turn: Turn) -> object:
        tag = str(evaluate(turn)).strip().lower().replace("_", "-")
        return by_tag.get(tag) or by_tag.get(tag.partition("-")[0]) or turn.values[CALL_LANGUAGE] or languages[0]

    return read_language


def _make_setter(
    name: str,
    evaluate: Callable[[Turn], Any],
    origin: Any,  # noqa: ANN401
    secrets: Any,  # noqa: ANN401
) -> Callable[[Turn], None]:
    def set_value(turn: Turn) -> None:
        value = to_plain_data(evaluate(turn))
        turn.trail.append((origin, MASKED_VALUE if name in secrets else value, turn.values, None))
        turn.values = Variables({**turn.values, name: value})

    return set_value
