"""The step set."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from callflows.flows.decisions import MASKED_VALUE
from callflows.flows.expressions.plain_values import to_plain_data
from callflows.flows.expressions.value_names import check_value_name
from callflows.flows.source.source_values import (
    schema_reference,
)
from callflows.flows.source.stored_values import StoredValue
from callflows.flows.steps.step_base import WordStep, mapping_of
from callflows.flows.steps.step_summary import summarize_value
from callflows.telephony.turn import Variables

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from callflows.flows.compiler.context import StepContext
    from callflows.flows.source.positions import SourcePath
    from callflows.telephony.turn import Turn


class SetStep(WordStep):
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
    def summarize(cls, value: Any, groups: Mapping[str, Any]) -> str:  # noqa: ANN401, ARG003 - as WordStep has it
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
            made = context.texts.compile_condition(source, here, name)
            if made is not None:
                mark = context.document.make_decision_origin(self.step_key, f"{name} = {source}", made.used_names)
                context.record_stored_value(name, made.sample, here, context.step_index + 1)
                context.document.add_action(
                    _make_setter(name, made.evaluate, mark, context.flow.secret_names), here, f"{name!r} is set"
                )


def _make_setter(
    name: str,
    evaluate: Callable[[Turn], Any],
    mark: Any,  # noqa: ANN401
    secrets: Any,  # noqa: ANN401
) -> Callable[[Turn], None]:
    def set_value(turn: Turn) -> None:
        made = to_plain_data(evaluate(turn))
        turn.trail.append((mark, MASKED_VALUE if name in secrets else made, turn.values, None))
        turn.values = Variables({**turn.values, name: made})

    return set_value
