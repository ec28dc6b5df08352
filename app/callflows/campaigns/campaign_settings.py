"""The settings of a campaign, and the plan that is shown before anybody is called."""

from __future__ import annotations

import collections
import dataclasses
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from callflows.campaigns.calling_hours import DEFAULT_CALLING_DAYS, DEFAULT_CALLING_HOURS, parse_calling_hours

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from callflows.campaigns.calling_hours import CallingHours
    from callflows.flows.flow import Flow
    from callflows.journal.campaign_store import CampaignNumber, StoredCampaign


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class CampaignSettings:
    """The sender of a campaign, its repetitions, pace and hours.

    ``sender`` is the number that they see, ``profile`` the id of an outbound voice profile. Each is called up to
    ``attempts`` times until somebody answers, ``retry_seconds`` apart. ``calls_per_minute`` and ``calls_at_once`` limit
    all calls together. ``zone`` is that of numbers whose time zone is unknown.
    """

    sender: str
    profile: str
    attempts: int = 1
    retry_seconds: float = 7200.0
    calls_per_minute: float = 10.0
    calls_at_once: int = 5
    hours: str = DEFAULT_CALLING_HOURS
    days: str = DEFAULT_CALLING_DAYS
    zone: str = ""

    def parse_hours(self) -> CallingHours:
        """Return the hours of calls. Raises CampaignError."""
        return parse_calling_hours(self.hours, self.days, self.zone)

    def to_data(self) -> dict[str, Any]:
        return dataclasses.asdict(self)


def read_campaign_settings(data: Mapping[str, Any]) -> CampaignSettings:
    """Return the settings from stored data."""
    return CampaignSettings(**data)


def describe_campaign_plan(
    campaign: StoredCampaign,
    flow: Flow,
    waiting: Sequence[CampaignNumber],
    opted_out: Collection[str],
    now: float,
) -> list[str]:
    """Return what a campaign will do, in lines for people. ``opted_out`` are the numbers that want no calls."""
    settings = read_campaign_settings(campaign.settings)
    hours = settings.parse_hours()
    called = [number for number in waiting if number.number not in opted_out]
    moments = collections.Counter(hours.find_next_moment(number.number, max(now, number.next)) for number in called)
    may_call = sum(count for moment, count in moments.items() if moment is not None)
    lines = [
        f"campaign {campaign.name}: call {may_call} number(s) from {settings.sender} with the flow {flow.name}",
        f"each until somebody answers, at most {settings.attempts} time(s), {settings.retry_seconds / 3600:g} h apart",
        f"at most {settings.calls_per_minute:g} call(s) a minute, {settings.calls_at_once} at once",
        f"from {settings.hours}, {settings.days}, by the clock of where each number is from",
    ]
    known = [moment for moment in moments if moment is not None]
    for moment in sorted(known)[:_MAX_SHOWN_MOMENTS]:
        when = "now" if moment <= now else f"from {datetime.fromtimestamp(moment, UTC):%a %Y-%m-%d %H:%M} UTC"
        lines.append(f"  {moments[moment]} may be called {when}")
    if len(known) > _MAX_SHOWN_MOMENTS:
        lines.append(f"  the others later, until {datetime.fromtimestamp(max(known), UTC):%a %Y-%m-%d %H:%M} UTC")
    if moments[None]:
        lines.append(f"  {moments[None]} have no known time zone and are not called: --zone gives them one")
    if len(waiting) > len(called):
        lines.append(f"  {len(waiting) - len(called)} have opted out and are not called")
    return [*lines, *_describe_columns(flow, waiting), "this costs money"]


_MAX_SHOWN_MOMENTS: Final = 5


def _describe_columns(flow: Flow, numbers: Sequence[CampaignNumber]) -> list[str]:
    columns = {name for number in numbers[:1] for name in number.values}
    if flow.file.endswith(".py"):
        return [f"the flow sees {', '.join(sorted(columns))}"] if columns else []
    received = {name.lower(): name for name in flow.received_names}
    lines = [f"texts see {', '.join(received[name] for name in sorted(columns & received.keys()))}"]
    if missing := sorted(received.keys() - columns):
        lines.append(f"the list has no column {', '.join(missing)}, which the flow receives: it is empty")
    if unused := sorted(columns - received.keys()):
        lines.append(
            f"the flow receives no {', '.join(unused)}: to use a column, write receives: [{unused[0]}] in its file"
        )
    return lines if columns & received.keys() else lines[1:]
