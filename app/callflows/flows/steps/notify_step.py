"""The step notify, which sends a signed webhook."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import pydantic

from callflows.flows.entry_points import ENDED_NODE
from callflows.flows.steps.effect_data import compile_data, compile_url
from callflows.flows.steps.step_base import FlowStep, mapping_of
from callflows.flows.steps.step_effects import compile_effect
from callflows.flows.steps.step_summary import summarize_host
from callflows.language.value_kinds import URL_KIND
from callflows.telephony.call_record import ENDED_VALUE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from callflows.flows.compiler.context import StepContext
    from callflows.flows.source.positions import SourcePath
    from callflows.telephony.turn import Turn


class WebhookNotice(pydantic.BaseModel):
    """A webhook to be sent."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)
    instead: ClassVar[Mapping[str, Any]] = {"url": "https://unread.invalid/"}
    url: Annotated[str, URL_KIND] = pydantic.Field(description="The URL that the webhook is sent to.")
    payload: dict[str, Any] = pydantic.Field({}, description="Data of yours that is sent too.")


class NotifyStep(FlowStep):
    """Tell another server, once the answer is on its way."""

    step_key: ClassVar[str] = "notify"
    is_possible_after_call: ClassVar[bool] = True
    caller_hears: ClassVar[str] = "Nothing; the webhook is sent in the background."
    check_rules: ClassVar[tuple[str, ...]] = ("value", "template")
    instead: ClassVar[Mapping[str, Any]] = {"url": "https://unread.invalid/"}
    plain_key: ClassVar[str] = "url"
    url: Annotated[str, URL_KIND] = pydantic.Field(description="The URL that the webhook is sent to.")
    payload: dict[str, Any] = pydantic.Field({}, description="Data of yours that is sent too.")

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
    notice: WebhookNotice | NotifyStep, context: StepContext, path: SourcePath, *, kind: Literal["notify", "voicemail"]
) -> None:
    """Compile a webhook as an effect. The body contains the event and the author's payload."""
    if context.is_static:
        context.report.error(path, "fallback-not-static", "the fallback cannot tell anybody", "take it out")
        return
    url = compile_url(notice.url, context, (*path, "url"))
    data = compile_data(notice.payload, context, (*path, "payload"))
    if url is None:
        return
    flow, node = context.flow.name, context.node

    def build_payload(turn: Turn) -> dict[str, Any]:
        call = {"id": turn.call.id, "from": turn.caller.number, "to": str(turn.number)}
        about = {"timestamp": str(turn.now), "flow": flow}
        if node == ENDED_NODE:
            end = turn.values[ENDED_VALUE]
            body = {"type": ENDED_VALUE, **about, "node": end["node"], "call": call, "data": data(turn), ENDED_VALUE: end}
        else:
            body = {"type": kind, **about, "node": node, "call": call, "data": data(turn)}
        return {"url": url(turn), "body": body}

    compile_effect(context, path, kind, build_payload, notice.url.partition("?")[0])
