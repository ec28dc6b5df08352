"""The step sms, which sends a text message."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import pydantic

from callflows.flows.compiler.fragments import ConditionalFragment
from callflows.flows.steps.step_base import WordStep, mapping_of
from callflows.flows.steps.step_effects import compile_effect
from callflows.flows.steps.step_summary import quote_text, summarize_value
from callflows.telephony.phone_numbers import parse_e164
from callflows.text import MAX_SMS_CHARACTERS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from callflows.flows.compiler.context import StepContext
    from callflows.flows.compiler.fragments import RenderFunction
    from callflows.flows.source.positions import SourcePath
    from callflows.telephony.turn import Turn


def truncate_sms_text(text: str) -> str:
    """Shorten a text to MAX_SMS_CHARACTERS."""
    return text if len(text) <= MAX_SMS_CHARACTERS else f"{text[: MAX_SMS_CHARACTERS - 1]}…"


def check_sms_length(text: str, context: StepContext, path: SourcePath, key: str) -> None:
    """Report an author's text that is empty or too long for a message."""
    if not text.strip():
        context.report.error(
            path, "message-text", f"{key}: the text is empty, and nothing would be sent", "write what is to be sent"
        )
    elif len(text) > MAX_SMS_CHARACTERS:
        said = f"{key}: the text has {len(text)} characters, and a message at most {MAX_SMS_CHARACTERS}"
        context.report.error(path, "message-text", said, "make it shorter")


class SmsStep(WordStep):
    """Send a text message, once the answer is on its way."""

    step_key: ClassVar[str] = "sms"
    is_possible_after_call: ClassVar[bool] = True
    caller_hears: ClassVar[str] = "Nothing; the text message is sent in the background."
    check_rules: ClassVar[tuple[str, ...]] = (
        "message-text",
        "text-may-be-empty",
        "number",
        "message-loop",
        "dial-policy-closed",
        "dial-doubtful",
    )
    instead: ClassVar[Mapping[str, Any]] = {"text": "?"}
    plain_key: ClassVar[str] = "text"
    text: str = pydantic.Field(min_length=1, description="The text of the message.")
    to: str = pydantic.Field("", description="The number to write to. The caller if it is missing.")
    from_: Annotated[str, pydantic.Field(alias="from")] = pydantic.Field(
        "", description="The number to send from. The number that was called if it is missing."
    )

    @classmethod
    def runs_on_arrival(cls, _value: object) -> bool:
        """Return True: the message is sent only when the call arrives."""
        return True

    @classmethod
    def summarize(cls, value: Any, groups: Mapping[str, Any]) -> str:  # noqa: ANN401, ARG003 - as WordStep has it
        keys = mapping_of(value)
        to = f" to {summarize_value(keys['to'])}" if "to" in keys else ""
        return f"text message{to} {quote_text(keys.get('text', value))}"

    def compile_step(self, context: StepContext, path: SourcePath) -> None:
        """Compile the message as an effect. A computed number must be allowed by the dial policy."""
        if context.is_static:
            context.report.error(path, "fallback-not-static", "the fallback cannot send a message", "take it out")
            return
        context.texts.check_not_cut((*path, "text"))
        text = context.texts.compile_text(self.text, (*path, "text"))
        if text is not None and text.constant_text is not None:
            check_sms_length(text.constant_text, context, (*path, "text"), "text")
        context.texts.check_computed_text(self.text, (*path, "text"), "no message is sent then")
        to, sender = self._compile_number(context, path, "to"), self._compile_number(context, path, "from_")
        if text is None:
            return
        policy = context.flow.dial_policy
        computed = "{{" in self.to or "{%" in self.to
        if computed:
            context.flow.record_computed_target((*path, "to"))
        elif parse_e164(self.to):
            context.flow.record_literal_target(self.to, (*path, "to"))

        def build_payload(turn: Turn) -> dict[str, Any]:
            number = to(turn) if to else turn.caller.number
            target = parse_e164(number)
            refused = (policy.find_refusal(number) if computed else "") if target else "there is no number to write to"
            message = truncate_sms_text(text.render_plain(turn))
            return {
                "to": target,
                "from": sender(turn) if sender else str(turn.number),
                "text": message,
                "": refused or ("" if message.strip() else "the text is empty"),
            }

        refused = compile_effect(context, path, "sms", build_payload, self.text)
        fails, sent = (
            (context.document.make_coverage_comment(what, path) for what in ("refused", "sent")) if computed else ("", "")
        )
        if fails:
            context.document.fragments.append(
                ConditionalFragment(refused, (fails,), terminates=False, else_fragments=(sent,))
            )

    def _compile_number(self, context: StepContext, path: SourcePath, key: str) -> RenderFunction | None:
        written = getattr(self, key)
        here = (*path, key.rstrip("_"))
        text = context.texts.compile_text(written, here) if written else None
        if text is not None and text.constant_text is not None and not parse_e164(text.constant_text):
            context.report.error(here, "number", f"{key.rstrip('_')}: {written!r} is not a number", "as +12015550123")
        return text.render_plain if text is not None else None
