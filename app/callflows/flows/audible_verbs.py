"""Which verbs a caller hears, and which run for some calls only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from callflows.language import Call, Dial, Gather, Geo, Hold, Play, Record, Redirect, Reject, Say, Schedule, Tone

if TYPE_CHECKING:
    from collections.abc import Sequence

    from callflows.language.element import Element


CONDITIONAL_VERBS: Final = (Call, Geo, Schedule)
"""Verbs whose commands run only if the call fulfils a condition."""
_VERBS_BREAKING_SILENCE: Final = (Say, Play, Tone, Gather, Record, Hold, Dial, Reject, Redirect)
"""Verbs at which the caller hears something, or by which the author ends the call."""
_DAYS_OF_WEEK: Final = 7


def breaks_silence(element: Element) -> bool:
    """Return True if a caller hears more than silence at a verb, whatever is inside it."""
    return isinstance(element, _VERBS_BREAKING_SILENCE)


def covers_every_call(conditions: Sequence[Element]) -> bool:
    """Return True if one of these conditions may well hold for any call, as those of ``mon,tue`` and of the other days."""
    if any(isinstance(verb, Geo) and not verb.attributes for verb in conditions):
        return True
    schedules = [verb for verb in conditions if isinstance(verb, Schedule)]
    days = {day for verb in schedules for day in str(verb.attributes.get("dow") or "").split(",")}
    has_all_days = len(days - {""}) == _DAYS_OF_WEEK or any(not verb.attributes.get("dow") for verb in schedules)
    has_times = all(verb.attributes.get("time") for verb in schedules)
    calls = [verb for verb in conditions if isinstance(verb, Call)]
    # Two windows of time, and two numbers that were called, may be all that there are.
    return (has_all_days and (len(schedules) > 1 or not has_times)) or len(calls) > 1
