"""The step mail, which sends an e-mail."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal

import pydantic

from callflows.flows.entry_points import ENDED_NODE
from callflows.flows.source.source_values import NonEmptyTextList
from callflows.flows.steps.event_notice import compile_notice_text, make_event_builder
from callflows.flows.steps.step_base import FlowStep, mapping_of
from callflows.flows.steps.step_effects import REFUSAL_KEY, compile_effect
from callflows.flows.steps.step_summary import quote_text, summarize_list
from callflows.telephony.notices import compose_notice, list_recording_urls
from callflows.text import MAIL_ADDRESS_PATTERN

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from callflows.flows.compiler.fragments import RenderFunction
    from callflows.flows.compiler.step_context import StepContext
    from callflows.flows.source.positions import SourcePath
    from callflows.flows.steps.notify_step import BuildNotice
    from callflows.telephony.turn import Turn


class MailNotice(pydantic.BaseModel):
    """An e-mail to be sent."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)
    instead: ClassVar[Mapping[str, Any]] = {"to": "nobody@unread.invalid"}
    to: NonEmptyTextList = pydantic.Field(description="The address, or a list of addresses.")
    subject: str = pydantic.Field("", description="The subject. If it is missing: what happened, and who called.")
    text: str = pydantic.Field(
        "", description="The text. If it is missing: who called, when, and recordings with transcript and link."
    )
    attach: bool = pydantic.Field(default=False, description="Attach the recordings; the text has their links anyway.")


class MailStep(MailNotice, FlowStep):
    """Send an e-mail, once the answer is on its way."""

    step_key: ClassVar[str] = "mail"
    is_possible_after_call: ClassVar[bool] = True
    caller_hears: ClassVar[str] = "Nothing; the mail is sent in the background."
    check_rules: ClassVar[tuple[str, ...]] = ("mail-address", "mail-attach", "template")
    plain_key: ClassVar[str] = "to"

    @classmethod
    def runs_on_arrival(cls, _value: object) -> bool:
        """Return True: the mail is sent only when the call arrives."""
        return True

    @classmethod
    def summarize(cls, value: Any, groups: Mapping[str, Any]) -> str:  # noqa: ANN401, ARG003 - as FlowStep has it
        keys = mapping_of(value)
        to = summarize_list(keys.get("to", "" if keys else value))
        return f"mail to {to} {quote_text(keys.get('subject'))}".rstrip()

    def compile_step(self, context: StepContext, path: SourcePath) -> None:
        compile_mail_effect(self, context, path, kind="mail")


def compile_mail_effect(
    notice: MailNotice, context: StepContext, path: SourcePath, *, kind: Literal["mail", "voicemail"]
) -> None:
    """Compile a mail as an effect."""
    if context.is_static:
        context.report.error(path, "fallback-not-static", "the fallback cannot send a mail", "take it out")
        return
    has_recordings = kind == "voicemail" or context.node == ENDED_NODE
    build_notice = compile_mail(notice, context, path, has_recordings=has_recordings)
    build_event = make_event_builder(context, kind, lambda _turn: {})
    if build_notice is not None:
        rule_text = ", ".join(notice.to)
        compile_effect(
            context, path, kind, lambda turn: build_notice(turn, build_event(turn)), rule_text, key_suffix="/mail"
        )


def compile_mail(notice: MailNotice, context: StepContext, path: SourcePath, *, has_recordings: bool) -> BuildNotice | None:
    """Compile addresses and texts of a mail. Returns a function for the payload, or None if an address is wrong."""
    context.flow.needs.mail = True
    addresses = [
        _compile_address(source, context, _find_address_path(context, path, i)) for i, source in enumerate(notice.to)
    ]
    render_subject = compile_notice_text(notice.subject, context, (*path, "subject"))
    render_text = compile_notice_text(notice.text, context, (*path, "text"))
    if notice.attach and not has_recordings:
        message = "attach: there is no recording yet that could be attached"
        fix = "put the mail under mail: of the voicemail, or under ended: beside nodes"
        context.report.error((*path, "attach"), "mail-attach", message, fix, key=True)
    known = [address for address in addresses if address is not None]
    return _make_mail_builder(known, render_subject, render_text, attaches=notice.attach) if known else None


def _make_mail_builder(
    addresses: Sequence[RenderFunction],
    render_subject: Callable[[Turn], str],
    render_text: Callable[[Turn], str],
    *,
    attaches: bool,
) -> BuildNotice:
    def build_mail(turn: Turn, event: dict[str, Any]) -> dict[str, Any]:
        written = [part.strip() for render in addresses for part in render(turn).split(",")]
        to = [address for address in dict.fromkeys(written) if MAIL_ADDRESS_PATTERN.fullmatch(address)]
        intro = render_text(turn)
        composed = compose_notice(intro, event)
        return {
            "to": to,
            "subject": " ".join(render_subject(turn).split()) or composed.subject,
            "text": composed.text,
            "attach": list_recording_urls(event) if attaches else [],
            REFUSAL_KEY: "" if to else "there is no address to write to",
            **({"body": event, "intro": intro, "attaches": attaches} if event["type"] == "voicemail" else {}),
        }

    return build_mail


def _find_address_path(context: StepContext, path: SourcePath, index: int) -> SourcePath:
    """Return the path of an address: in a list, under to, or the mail itself."""
    return next((one for one in ((*path, "to", index), (*path, "to")) if one in context.report.positions), path)


def _compile_address(source: str, context: StepContext, path: SourcePath) -> RenderFunction | None:
    text = context.texts.compile_text(source, path)
    if text is None:
        return None
    parts = text.constant_text.split(",") if text.constant_text is not None else []
    for part in parts:
        if not MAIL_ADDRESS_PATTERN.fullmatch(part.strip()):
            message = f"to: {part.strip()!r} is not the address of a mail"
            context.report.error(path, "mail-address", message, "as office@example.com")
            return None
    return text.render_plain
