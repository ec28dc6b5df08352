"""The event that webhooks, chat messages and mails tell of, and texts for the people who read it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from callflows.flows.entry_points import ENDED_NODE
from callflows.telephony.call_record import ENDED_VALUE

if TYPE_CHECKING:
    from collections.abc import Callable

    from callflows.flows.compiler.step_context import StepContext
    from callflows.flows.source.positions import SourcePath
    from callflows.telephony.turn import Turn


def make_event_builder(
    context: StepContext, kind: str, build_data: Callable[[Turn], Any]
) -> Callable[[Turn], dict[str, Any]]:
    """Return a function for the event of a step: its call, the author's data, and the end of a call that has ended."""
    flow, node = context.flow.name, context.node

    def build_event(turn: Turn) -> dict[str, Any]:
        call = {"id": turn.call.id, "from": turn.caller.number, "to": str(turn.number)}
        about = {"timestamp": str(turn.now), "flow": flow}
        if node == ENDED_NODE:
            end = turn.values[ENDED_VALUE]
            return {
                "type": ENDED_VALUE,
                **about,
                "node": end["node"],
                "call": call,
                "data": build_data(turn),
                ENDED_VALUE: end,
            }
        return {"type": kind, **about, "node": node, "call": call, "data": build_data(turn)}

    return build_event


def compile_notice_text(source: str, context: StepContext, path: SourcePath) -> Callable[[Turn], str]:
    """Compile an author's text for people to read. It renders an empty text if the author wrote none."""
    if not source:
        return lambda _turn: ""
    context.texts.check_not_cut(path)
    context.texts.check_escapes(source, path)
    text = context.texts.compile_text(source, path)
    return text.render_plain if text is not None else lambda _turn: ""
