"""Opening hours at a moment, and the sentence that callers hear then: now, or if somebody opens or closes the line."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, NamedTuple

from callflows.errors import CallflowsError
from callflows.flows.entry_points import START_NODE
from callflows.journal.heard_words import tell_beginning_of_document
from callflows.sandbox.deferred_jobs import NeedsResult
from callflows.telephony.turn import Turn

if TYPE_CHECKING:
    from datetime import datetime

    from callflows.flows.flow import Flow
    from callflows.flows.hours.overrides import HoursOverride


_EXAMPLE_CALLER = "+12025550143"


class HoursPreview(NamedTuple):
    """Hours of a flow at a moment. ``override`` decides then, if there is one; ``changes_at`` is the next change.

    ``first_words`` is what callers hear, up to the point at which a caller decides; empty if that depends on a lookup.
    """

    flow: str
    hours: str
    is_open: bool
    reason: str
    changes_at: datetime | None
    override: HoursOverride | None
    first_words: tuple[str, ...]


def preview_hours(flow: Flow, name: str, moment: datetime, supposed: HoursOverride | None = None) -> HoursPreview:
    """Return hours at a moment, with one more override if ``supposed`` is given."""
    turn = build_preview_turn(flow, moment)
    view = turn.hours[name]
    opening = view.opening
    if supposed is not None:
        opening = opening.suppose_override(supposed)
        turn.hours[name] = type(view)(opening)  # type: ignore[index]  # a LazyMapping, which keeps what is set
    words: tuple[str, ...] = ()
    # A preview must not fail because a flow would: then callers hear the fallback, which the list of flows says.
    with contextlib.suppress(NeedsResult, CallflowsError, ArithmeticError, LookupError, TypeError, ValueError):
        words = (*tell_beginning_of_document(flow.answer(START_NODE, turn)),)
    changes_at = opening.next_closing if opening.open else opening.next_opening
    return HoursPreview(flow.name, name, opening.open, opening.reason, changes_at, opening.active_override, words)


def build_preview_turn(flow: Flow, moment: datetime) -> Turn:
    """Return the first request of a call that comes at a moment."""
    number = next((claim.number for claim in flow.claims if claim.number[-1].isdigit()), "+12015550123")
    fields = {"from": _EXAMPLE_CALLER, "to": number}
    turn = Turn(fields, get_base_url=lambda: "https://preview.invalid", clock=moment.timestamp())
    turn.zone, turn.resolve = flow.zone, flow.resolve
    return turn
