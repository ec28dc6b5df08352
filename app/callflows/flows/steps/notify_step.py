"""The step notify, which sends a signed webhook, or a message to a chat."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import pydantic

from callflows.flows.steps.effect_data import compile_data, compile_url
from callflows.flows.steps.event_notice import compile_notice_text, make_event_builder
from callflows.flows.steps.step_base import FlowStep, mapping_of
from callflows.flows.steps.step_effects import compile_effect
from callflows.flows.steps.step_summary import summarize_host
from callflows.language.value_kinds import URL_KIND
from callflows.telephony.notices import ChatName, compose_notice

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from callflows.flows.compiler.step_context import StepContext
    from callflows.flows.source.positions import SourcePath
    from callflows.telephony.turn import Turn

    BuildNotice = Callable[[Turn, dict[str, Any]], dict[str, Any]]
    """Returns the payload of an effect for a turn and an event."""


class WebhookNotice(pydantic.BaseModel):
    """A webhook to be sent, or a message to a chat."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)
    instead: ClassVar[Mapping[str, Any]] = {"url": "https://unread.invalid/", "as": "slack"}
    url: Annotated[str, URL_KIND] = pydantic.Field(description="The URL that the webhook is sent to.")
    payload: dict[str, Any] = pydantic.Field({}, description="Data of yours that is sent too.")
    as_: Annotated[ChatName | None, pydantic.Field(alias="as")] = pydantic.Field(
        None,
        description="The chat that gets a text: slack (Mattermost, Rocket.Chat, Google Chat, too), teams, discord, "
        "matrix, ntfy.",
    )
    text: str = pydantic.Field(
        "",
        description="The text for a chat. If it is missing: who called, when, the payload, and recordings with transcript.",
    )


class NotifyStep(WebhookNotice, FlowStep):
    """Tell another server or a chat, once the answer is on its way."""

    step_key: ClassVar[str] = "notify"
    is_possible_after_call: ClassVar[bool] = True
    caller_hears: ClassVar[str] = "Nothing; the webhook is sent in the background."
    check_rules: ClassVar[tuple[str, ...]] = ("value", "template")
    plain_key: ClassVar[str] = "url"

    @classmethod
    def runs_on_arrival(cls, _value: object) -> bool:
        """Return True: the webhook is sent only when the call arrives."""
        return True

    @classmethod
    def summarize(cls, value: Any, groups: Mapping[str, Any]) -> str:  # noqa: ANN401, ARG003 - as FlowStep has it
        return f"notify {summarize_host(mapping_of(value).get('url', value))}"

    def compile_step(self, context: StepContext, path: SourcePath) -> None:
        compile_webhook(self, context, path, kind="notify")


def compile_webhook(
    notice: WebhookNotice, context: StepContext, path: SourcePath, *, kind: Literal["notify", "voicemail"]
) -> None:
    """Compile a webhook as an effect. The body contains the event and the author's payload."""
    if context.is_static:
        context.report.error(path, "fallback-not-static", "the fallback cannot tell anybody", "take it out")
        return
    build_notice = compile_notice(notice, context, path, (*path, "url"))
    build_event = make_event_builder(context, kind, compile_data(notice.payload, context, (*path, "payload")))
    if build_notice is not None:
        rule_text = notice.url.partition("?")[0]
        compile_effect(context, path, kind, lambda turn: build_notice(turn, build_event(turn)), rule_text)


def compile_notice(
    notice: WebhookNotice, context: StepContext, path: SourcePath, url_path: SourcePath
) -> BuildNotice | None:
    """Compile the URL and the text of a notice. Returns a function for the payload, or None if the URL is wrong."""
    url = compile_url(notice.url, context, url_path)
    render_text = compile_notice_text(notice.text, context, (*path, "text"))
    chat = notice.as_
    if notice.text and chat is None:
        message = "text: a webhook has no text, only a chat has"
        context.report.error(
            (*path, "text"), "shape", message, "name the chat, as: slack; or put it into payload", key=True
        )
    if url is None:
        return None
    if chat is None:
        return lambda turn, event: {"url": url(turn), "body": event}

    def build_chat_notice(turn: Turn, event: dict[str, Any]) -> dict[str, Any]:
        intro = render_text(turn)
        return {"url": url(turn), "body": event, "as": chat, "intro": intro, "text": compose_notice(intro, event).text}

    return build_chat_notice
