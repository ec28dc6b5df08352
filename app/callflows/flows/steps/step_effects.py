"""Effects of steps: requests that are sent once, even if Opentact repeats its own request."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from callflows.telephony.phone_numbers import mask_number
from callflows.telephony.ports import Effect

if TYPE_CHECKING:
    from collections.abc import Callable

    from callflows.flows.compiler.step_context import StepContext
    from callflows.flows.source.positions import SourcePath
    from callflows.telephony.turn import Turn


REFUSAL_KEY: Final = ""
"""Key in a payload of the reason to refuse the effect; the key is not sent."""
DOUBT_KEY: Final = "doubt"
"""Key in a payload of what was changed, for the trail; the key is not sent."""
EFFECT_KEY_WINDOW_SECONDS: Final = 60
"""Calls without an ID from Opentact count as one call if the numbers are equal and the calls begin within these seconds.

The time is up to twice as long if the calls begin on both sides of a full minute.
"""


def call_keys_of_turn(turn: Turn) -> tuple[str, str]:
    """Return the key of a call, and the key for the minute before if Opentact gave no call ID."""
    known = turn.request_fields.get("call")
    if known:
        return known, ""
    numbers, minute = f"{turn.caller.number}>{turn.number}", int(turn.timestamp) // EFFECT_KEY_WINDOW_SECONDS
    return f"{numbers}@{minute}", f"{numbers}@{minute - 1}"


def compile_effect(
    context: StepContext,
    path: SourcePath,
    kind: Any,  # noqa: ANN401 - a kind of Effect
    build_payload: Callable[[Turn], dict[str, Any]],
    rule_text: str,
    *,
    key_suffix: str = "",
) -> Callable[[Turn], bool]:
    """Add an effect to the turn and an entry to the trail. Returns a condition that holds if the effect was refused.

    A text message is sent once for each call, step and target. A webhook is sent once for each URL by which a call comes
    here.
    """
    origin = context.document.make_decision_origin(kind, rule_text)
    context.flow.graph.record_used_names(context.node, ("call.id", "caller.number", "number"), path)
    flow, node, step = context.flow.name, context.node, context.step_index

    def cause_effect(turn: Turn) -> None:
        payload = build_payload(turn)
        refused, doubt = payload.pop(REFUSAL_KEY, ""), payload.pop(DOUBT_KEY, "")
        turn.step_results[cause_effect] = bool(refused)
        once = payload["to"] if kind == "sms" else turn.request_fields.get("ticket", "").rpartition(".")[2]
        if not refused:
            now, before = (
                f"{call}/{once}/{flow}/{node}/{step}{key_suffix}" if call else "" for call in call_keys_of_turn(turn)
            )
            turn.effects.append(Effect(kind, now, payload, before))
        detail = {"to": mask_number(payload["to"])} if kind == "sms" else {}
        detail |= {key: words for key, words in (("refused", refused), ("doubt", doubt)) if words}
        turn.trail.append((origin, "refused" if refused else "caused", turn.values, detail))

    context.document.add_action(cause_effect, path, f"{kind} is an effect")
    return lambda turn: turn.step_results[cause_effect]
