"""The voicemail step: takes a message."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final

import pydantic

from callflows.flows.source.prompt_shape import SinglePrompt, is_language_mapping
from callflows.flows.source.shape_validation import validate_shape
from callflows.flows.source.source_values import MessageMs, SingleKey, schema_reference
from callflows.flows.steps.mail_step import MailNotice, compile_mail_effect
from callflows.flows.steps.notify_step import WebhookNotice, compile_webhook
from callflows.flows.steps.step_base import SpokenStep, mapping_of
from callflows.flows.steps.step_summary import quote_text
from callflows.language.plausible_durations import MESSAGE_DURATION
from callflows.language.verbs import Pause, Play, Record, Tone
from callflows.telephony.call_record import BEEP_TAG, VOICEMAIL_TAG

if TYPE_CHECKING:
    from collections.abc import Mapping

    from callflows.flows.compiler.step_context import StepContext
    from callflows.flows.source.positions import SourcePath
    from callflows.language.plausible_durations import PlausibleDuration
    from callflows.telephony.turn import Turn


BEEP_TONE: Final = Tone(hz="1000", don=500, loop=1, leg="aleg", tag=BEEP_TAG)
BEEP_URL_PATH: Final = "/media/beep.wav"
"""Path of our own beep, for a dialect without a tone."""


class VoicemailStep(SpokenStep):
    """Take a message."""

    step_key: ClassVar[str] = "voicemail"
    caller_hears: ClassVar[str] = "The greeting, a tone, silence while the message is recorded, then `thanks`."
    check_rules: ClassVar[tuple[str, ...]] = (
        "empty-text",
        "text-may-be-empty",
        "step-as-text",
        "node-as-text",
        "ssml",
        "url-as-text",
        "spoken-language",
        "template",
        "duration-doubtful",
        "after-a-message",
        "sound-missing",
        "mail-address",
    )
    plain_key: ClassVar[str] = "greeting"
    is_plain_text: ClassVar[bool] = True
    plausible_durations: ClassVar[Mapping[str, PlausibleDuration]] = {"max": MESSAGE_DURATION}
    greeting: SinglePrompt = pydantic.Field(None, description="What is said or played before the tone.")
    max: MessageMs = pydantic.Field(120_000, description="The maximum length of a message.")
    stop: SingleKey = pydantic.Field("#", description="The key that ends the message.")
    transcribe: bool = pydantic.Field(default=False, description="Have the message transcribed.")
    thanks: SinglePrompt = pydantic.Field(None, description="What is said or played after the message.")
    notify: Annotated[Any, schema_reference("notice")] = pydantic.Field(
        None, description="A webhook that reports the message, with its recording, or a message to a chat."
    )
    mail: Annotated[Any, schema_reference("mail notice")] = pydantic.Field(
        None, description="A mail that reports the message, with its recording and transcript: an address, or keys of mail."
    )

    @classmethod
    def runs_on_arrival(cls, value: object) -> bool:
        """Return True with ``notify`` or ``mail``: both are sent only when the call arrives."""
        return isinstance(value, dict) and bool({"notify", "mail"} & value.keys())

    @classmethod
    def summarize(cls, value: Any, groups: Mapping[str, Any]) -> str:  # noqa: ANN401, ARG003 - as FlowStep has it
        keys = {} if is_language_mapping(value) else mapping_of(value)
        return f"voicemail {quote_text(keys.get('greeting', '' if keys else value))}".strip()

    def compile_step(self, context: StepContext, path: SourcePath) -> None:
        """Write the greeting, the beep, a recording that a key ends, and the thanks."""
        if self.notify is not None:
            here: SourcePath = (*path, "notify")
            if not isinstance(self.notify, dict):
                context.report.alias_position(here, (*here, "url"))
            section = self.notify if isinstance(self.notify, dict) else {"url": self.notify}
            notice: WebhookNotice | None = validate_shape(WebhookNotice, section, here, context.report)
            if notice is not None:
                compile_webhook(notice, context, here, kind="voicemail")
        if self.mail is not None:
            self._compile_mail(context, (*path, "mail"))
        if not (self.greeting or self.thanks):
            self.read_voice(context, path)  # no text is built that would report a faulty voice
        if self.greeting:
            context.document.write_verbs(self.build_prompt(context, path, "greeting", self.greeting), path=path)
        if context.flow.dialect == "reference":
            context.document.write_verbs(BEEP_TONE, path=path)
        elif context.is_static:
            message = "in the classic dialect the beep comes from this server"
            context.report.error(path, "fallback-not-static", message, "use record instead")
        else:
            context.document.dynamic_reasons.setdefault(path, "in the classic dialect the beep comes from this server")
            context.document.write_verbs(Play(context.document.add_url_placeholder(_beep_url), tag=BEEP_TAG), path=path)
        asr: dict[str, Any] = {"asr": True} if self.transcribe else {}
        context.document.write_verbs(
            Record(Pause(length=self.max, dtmf_stop=self.stop), tag=VOICEMAIL_TAG, **asr), path=path
        )
        if self.thanks:
            context.document.write_verbs(self.build_prompt(context, path, "thanks", self.thanks), path=path)

    def _compile_mail(self, context: StepContext, path: SourcePath) -> None:
        section = self.mail if isinstance(self.mail, dict) else {"to": self.mail}
        notice: MailNotice | None = validate_shape(MailNotice, section, path, context.report)
        if notice is not None:
            compile_mail_effect(notice, context, path, kind="voicemail")


def _beep_url(turn: Turn) -> str:
    return f"{turn.base_url}{BEEP_URL_PATH}"
