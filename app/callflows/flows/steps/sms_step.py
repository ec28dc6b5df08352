"""The step sms, which sends a text message."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import pydantic

from callflows.flows.compiler.fragments import ConditionalFragment
from callflows.flows.country_code_check import suggest_written_number
from callflows.flows.source.prompt_shape import CALL_LANGUAGE, TextByLanguage, is_language_mapping
from callflows.flows.steps.language_choice import find_known_variants, is_neutral_text
from callflows.flows.steps.step_base import FlowStep, mapping_of
from callflows.flows.steps.step_effects import DOUBT_KEY, REFUSAL_KEY, compile_effect
from callflows.flows.steps.step_summary import quote_text, summarize_value
from callflows.telephony.phone_numbers import parse_e164
from callflows.text import MAX_SMS_CHARACTERS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from callflows.flows.compiler.fragments import RenderFunction
    from callflows.flows.compiler.step_context import StepContext
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
        message = f"{key}: the text has {len(text)} characters, and a message at most {MAX_SMS_CHARACTERS}"
        context.report.error(path, "message-text", message, "make it shorter")


def _choose_text(texts: Mapping[str, RenderFunction], default: RenderFunction) -> RenderFunction:
    return lambda turn: texts.get(str(turn.values[CALL_LANGUAGE]), default)(turn)


def is_own_number(number: str, turn: Turn) -> bool:
    """Return True if a flow of this server answers a number in E.164."""
    return number == turn.number or turn.owns_number(number)


def _make_sender_finder(sender: RenderFunction | None, *, is_computed: bool) -> Callable[[Turn], tuple[str, str]]:
    """Return a function for the number that a text comes from, and for a doubt about it.

    A computed number must be one of ours, or the value of a variable, which the author wrote: whoever chooses a sender
    writes in somebody's name. Instead of any other number the called number is the sender.
    """

    def find_sender(turn: Turn) -> tuple[str, str]:
        called = str(turn.number)
        written = sender(turn) if sender else called
        if not is_computed:
            return written, ""
        number = parse_e164(written)
        if number and (is_own_number(number, turn) or number in map(parse_e164, _list_texts(turn.variables))):
            return number, ""
        return called, "the computed sender is no number of ours: the number called is the sender"

    return find_sender


def _list_texts(variables: Mapping[str, Any]) -> Iterator[str]:
    for value in variables.values():
        yield from (str(part) for part in (value if isinstance(value, list) else [value]))


class SmsStep(FlowStep):
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
    is_plain_text: ClassVar[bool] = True
    text: TextByLanguage = pydantic.Field(description="The text of the message, or one for each language.")
    to: str = pydantic.Field("", description="The number to write to. The caller if it is missing.")
    from_: Annotated[str, pydantic.Field(alias="from")] = pydantic.Field(
        "",
        description="The number to send from. The number that was called if it is missing. "
        "A computed one must be a number of these flows or the value of a variable; else the number that was called sends.",
    )

    @classmethod
    def runs_on_arrival(cls, _value: object) -> bool:
        """Return True: the message is sent only when the call arrives."""
        return True

    @classmethod
    def summarize(cls, value: Any, groups: Mapping[str, Any]) -> str:  # noqa: ANN401, ARG003 - as FlowStep has it
        keys = {} if is_language_mapping(value) else mapping_of(value)
        to = f" to {summarize_value(keys['to'])}" if "to" in keys else ""
        return f"text message{to} {quote_text(keys.get('text', value))}"

    def compile_step(self, context: StepContext, path: SourcePath) -> None:
        """Compile the message as an effect. A computed number must be allowed by the dial policy."""
        if context.is_static:
            context.report.error(path, "fallback-not-static", "the fallback cannot send a message", "take it out")
            return
        render_text = self._compile_texts(context, (*path, "text"))
        to, sender = self._compile_number(context, path, "to"), self._compile_number(context, path, "from_")
        if render_text is None:
            return
        policy = context.flow.dial_policy
        computed = "{{" in self.to or "{%" in self.to
        find_sender = _make_sender_finder(sender, is_computed="{{" in self.from_ or "{%" in self.from_)
        if computed:
            context.flow.record_computed_target((*path, "to"))
        elif parse_e164(self.to):
            context.flow.record_literal_target(self.to, (*path, "to"))

        def build_payload(turn: Turn) -> dict[str, Any]:
            number = to(turn) if to else turn.caller.number
            target = parse_e164(number)
            # What is judged is the number that is written to, not the text that it was read from.
            judge = policy.find_refusal if computed else (lambda _target: "") if to else policy.find_caller_refusal
            refused = judge(target) if target else "there is no number to write to"
            message = truncate_sms_text(render_text(turn))
            from_number, doubt = find_sender(turn)
            return {
                "to": target,
                "from": from_number,
                "text": message,
                REFUSAL_KEY: refused or ("" if message.strip() else "the text is empty"),
                DOUBT_KEY: doubt,
            }

        refused = compile_effect(context, path, "sms", build_payload, str(next(iter(self._texts.values()))))
        fails, sent = (
            (context.document.make_coverage_comment(what, path) for what in ("refused", "sent")) if computed else ("", "")
        )
        if fails:
            context.document.fragments.append(
                ConditionalFragment(refused, (fails,), terminates=False, else_fragments=(sent,))
            )

    @property
    def _texts(self) -> Mapping[str, str]:
        """The texts by language; a text without a language stands under an empty name."""
        return self.text if isinstance(self.text, dict) else {"": self.text}

    def _compile_texts(self, context: StepContext, path: SourcePath) -> RenderFunction | None:
        """Compile the text of each language, and return a function for the text in the language of the call."""
        texts = self._texts
        if isinstance(self.text, dict) and context.node.endswith(":"):
            message = "text: the language of a call that has ended is not known any more"
            context.report.error(path, "unknown-language", message, "write one text, perhaps with both languages in it")
            return None
        if isinstance(self.text, dict):
            texts = {name: texts[name] for name in find_known_variants(context, texts, path)}
        elif len(context.flow.languages) > 1 and is_neutral_text(self.text):
            texts = {name: str(self.text) for name in context.flow.languages}
        elif len(context.flow.languages) > 1:
            context.flow.record_untranslated_text(path, context.node, context.step_index)
        text_renderers: dict[str, RenderFunction] = {}
        for name, source in texts.items():
            here: SourcePath = (*path, name) if isinstance(self.text, dict) else path
            context.texts.check_not_cut(here)
            context.texts.lang = context.flow.languages[name]["lang"] if name else ""
            text = context.texts.compile_text(source, here)
            context.texts.lang = ""
            if text is None:
                return None
            if text.constant_text is not None:
                check_sms_length(text.constant_text, context, here, "text")
            context.texts.check_computed_text(source, here, "no message is sent then")
            text_renderers[name] = text.render_plain
        if len(text_renderers) > 1:
            context.flow.graph.record_used_names(context.node, (CALL_LANGUAGE,), path)
        default = next(iter(text_renderers.values()), None)
        return default if len(text_renderers) < 2 or default is None else _choose_text(text_renderers, default)  # noqa: PLR2004 - one or several

    def _compile_number(self, context: StepContext, path: SourcePath, key: str) -> RenderFunction | None:
        written = getattr(self, key)
        here = (*path, key.rstrip("_"))
        text = context.texts.compile_text(written, here) if written else None
        if text is not None and text.constant_text is not None and not parse_e164(text.constant_text):
            fix = suggest_written_number(written, "as +12015550123", context.flow.flow_file.numbers)
            context.report.error(here, "number", f"{key.rstrip('_')}: {written!r} is not a number", fix)
        return text.render_plain if text is not None else None
