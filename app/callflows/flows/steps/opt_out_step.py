"""The step opt_out, which stores that a person wants no calls and texts from a number of ours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import pydantic

from callflows.flows.steps.step_base import FlowStep, mapping_of
from callflows.flows.steps.step_effects import REFUSAL_KEY, compile_effect
from callflows.flows.steps.step_summary import summarize_value
from callflows.telephony.phone_numbers import parse_e164

if TYPE_CHECKING:
    from collections.abc import Mapping

    from callflows.flows.compiler.step_context import StepContext
    from callflows.flows.source.positions import SourcePath
    from callflows.telephony.turn import Turn


class OptOutStep(FlowStep):
    """Store that a person wants no more calls and texts, as STOP does in a text message."""

    step_key: ClassVar[str] = "opt_out"
    caller_hears: ClassVar[str] = (
        "Nothing. No campaign calls the person from the number of this call any more, and no automatic text is sent, "
        "until the person writes START."
    )
    check_rules: ClassVar[tuple[str, ...]] = ("number",)
    plain_key: ClassVar[str] = "number"
    number: str = pydantic.Field("", description="The person. The caller if it is missing.")

    @classmethod
    def runs_on_arrival(cls, _value: object) -> bool:
        """Return True: the wish is stored only when the call arrives."""
        return True

    @classmethod
    def summarize(cls, value: Any, groups: Mapping[str, Any]) -> str:  # noqa: ANN401, ARG003 - as FlowStep has it
        number = mapping_of(value).get("number", "" if isinstance(value, dict) else value)
        return f"opt out {summarize_value(number)}".strip()

    def compile_step(self, context: StepContext, path: SourcePath) -> None:
        """Compile the wish as an effect."""
        if context.is_static:
            context.report.error(path, "fallback-not-static", "the fallback cannot store a wish", "take it out")
            return
        text = context.texts.compile_text(self.number, (*path, "number")) if self.number else None
        if text is not None and text.constant_text is not None and not parse_e164(text.constant_text):
            message = f"number: {self.number!r} is not a number"
            context.report.error((*path, "number"), "number", message, "as +12015550123")

        def build_payload(turn: Turn) -> dict[str, Any]:
            number = parse_e164(text.render_plain(turn) if text is not None else turn.caller.number)
            refused = "" if number else "there is no number"
            return {"number": number, "from": str(turn.number), "at": turn.timestamp, REFUSAL_KEY: refused}

        compile_effect(context, path, "opt-out", build_payload, self.number or "the caller")
