"""Opening hours a second time, so simply that they are plainly right: every minute is asked what the wall clock shows.

Nothing here knows the code of the product. ``python tests/oracles/hours_oracle.py`` compares the two for every minute of
two years, in five zones, for several schedules, and ends with 1 where they differ.
"""

from __future__ import annotations

import dataclasses
import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import holidays

ONE_MINUTE = timedelta(minutes=1)
ONE_DAY = timedelta(days=1)
WEEKDAY_NAMES = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
ZONE_NAMES = ("America/New_York", "Europe/Berlin", "Asia/Kolkata", "Australia/Lord_Howe", "America/St_Johns")
FIRST_MOMENT = datetime(2026, 1, 1, tzinfo=UTC)
LAST_MOMENT = datetime(2028, 1, 1, tzinfo=UTC)

Windows = list[tuple[str, str]]
"""As [("09:00", "12:30"), ("22:00", "02:00")]."""


@dataclasses.dataclass
class HoursSchedule:
    """Hours in the plainest form; ``exceptions`` are (open, from, until), of which the last that holds wins."""

    week: dict[str, Windows]
    closed_dates: set[date] = dataclasses.field(default_factory=set)
    dated_windows: dict[date, Windows] = dataclasses.field(default_factory=dict)
    places: tuple[str, ...] = ()
    exceptions: list[tuple[bool, datetime | None, datetime]] = dataclasses.field(default_factory=list)

    def find_windows(self, day: date) -> Windows:
        """Those that begin on a day."""
        if day in self.dated_windows:
            return self.dated_windows[day]
        if day in self.closed_dates or any(self.is_holiday(day, place) for place in self.places):
            return []
        return self.week.get(WEEKDAY_NAMES[day.weekday()], [])

    def is_holiday(self, day: date, place: str) -> bool:
        country, _, part = place.partition("-")
        return day in holidays.country_holidays(country, subdiv=part or None, years=day.year)

    def find_open_wall_times(self, first: date, last: date) -> set[datetime]:
        """All that a wall clock shows from the first day to the last while it is open by the calendar."""
        open_times = set()
        day = first - ONE_DAY
        while day <= last:
            for begins, ends in self.find_windows(day):
                clock = datetime.fromisoformat(f"{day} {begins}")
                while True:
                    open_times.add(clock)
                    clock += ONE_MINUTE
                    if f"{clock:%H:%M}" == ends or (ends == "24:00" and f"{clock:%H:%M}" == "00:00"):
                        break
            day += ONE_DAY
        return open_times

    def to_flow_file(self) -> dict[str, object]:
        """As an author has it in a flow file, read."""

        def format_windows(windows: Windows) -> str:
            return ", ".join(f"{begins}-{ends}" for begins, ends in windows) or "closed"

        given: dict[str, object] = {day: format_windows(windows) for day, windows in self.week.items()}
        if self.closed_dates:
            given["closed"] = [day.isoformat() for day in sorted(self.closed_dates)]
        if self.dated_windows:
            given["open"] = {day.isoformat(): format_windows(windows) for day, windows in self.dated_windows.items()}
        if self.places:
            given["holidays"] = ", ".join(self.places)
        return given


class HoursOracle:
    """A schedule in a zone, minute by minute of a stretch of UTC."""

    def __init__(self, schedule: HoursSchedule, zone: ZoneInfo, first: datetime, last: datetime) -> None:
        self.first = first
        shown = schedule.find_open_wall_times((first - 2 * ONE_DAY).date(), (last + 2 * ONE_DAY).date())
        self.is_open: list[bool] = []
        moment = first
        while moment < last:
            is_open = moment.astimezone(zone).replace(tzinfo=None, fold=0) in shown
            for state, begins, until in schedule.exceptions:
                if (begins is None or moment >= begins) and moment < until:
                    is_open = state
            self.is_open.append(is_open)
            moment += ONE_MINUTE
        self.edges = [i for i in range(1, len(self.is_open)) if self.is_open[i] != self.is_open[i - 1]]
        """The minutes at which it opens or closes."""

    def moment_at(self, index: int) -> datetime:
        """The moment of a minute."""
        return self.first + index * ONE_MINUTE

    def find_next_edges(self, index: int) -> tuple[datetime | None, datetime | None]:
        """The next opening and the next closing after a minute, as far as the stretch goes."""
        later = [edge for edge in self.edges if edge > index][:2]
        opening = next((self.moment_at(edge) for edge in later if self.is_open[edge]), None)
        closing = next((self.moment_at(edge) for edge in later if not self.is_open[edge]), None)
        return opening, closing


OFFICE_WINDOWS = [("09:00", "12:30"), ("13:30", "18:00")]
SCHEDULES = {
    "an office": HoursSchedule(
        {**dict.fromkeys(WEEKDAY_NAMES[:5], OFFICE_WINDOWS), "sat": [("10:00", "14:00")]},
        closed_dates={date(2026, 12, 24), date(2027, 8, 2), date(2027, 8, 3)},
        dated_windows={date(2026, 12, 19): [("10:00", "16:00")], date(2026, 12, 25): [("08:00", "10:00")]},
        places=("US-NJ", "DE-BY"),
    ),
    "a bar": HoursSchedule(
        {**{key: [("20:00", "01:30")] for key in WEEKDAY_NAMES[3:6]}, "sun": [("22:00", "02:15")]}, places=("GB-SCT",)
    ),
    "a night watch": HoursSchedule(
        {**{key: [("00:30", "02:10"), ("02:10", "02:40"), ("23:00", "24:00")] for key in WEEKDAY_NAMES}},
        closed_dates={date(2026, 3, 8), date(2027, 10, 31)},
        dated_windows={date(2027, 4, 4): [("01:45", "01:59")], date(2026, 11, 1): [("01:15", "01:45"), ("23:30", "00:15")]},
    ),
    "always, but for exceptions": HoursSchedule(
        {key: [("00:00", "24:00")] for key in WEEKDAY_NAMES},
        exceptions=[
            (False, None, datetime(2026, 1, 3, 4, 5, tzinfo=UTC)),
            (False, datetime(2026, 3, 7, tzinfo=UTC), datetime(2026, 3, 9, tzinfo=UTC)),
            (True, datetime(2026, 3, 8, 6, 30, tzinfo=UTC), datetime(2026, 3, 8, 7, 1, tzinfo=UTC)),
        ],
    ),
}


def main() -> int:
    """Compare, and say how many minutes were compared and how many differ."""
    sys.path[:0] = [str(Path(__file__).parents[2])]
    from rich.progress import Progress  # noqa: PLC0415 - the tests import this file and need none

    compared = different = 0
    with Progress() as progress:
        task = progress.add_task("comparing", total=len(ZONE_NAMES) * len(SCHEDULES))
        for zone in map(ZoneInfo, ZONE_NAMES):
            for name, schedule in SCHEDULES.items():
                progress.update(task, description=f"{zone.key}: {name}")
                minutes, wrong = _compare_schedule(schedule, zone)
                compared, different = compared + minutes, different + wrong
                progress.advance(task)
    sys.stdout.write(f"{compared} minutes compared, {different} differences\n")
    return 1 if different else 0


def _compare_schedule(schedule: HoursSchedule, zone: ZoneInfo) -> tuple[int, int]:
    """Every minute whether it is open, and what is next at a third of them: those around edges, and every third."""
    from callflows.flows.hours.hours_reader import read_opening_hours  # noqa: PLC0415
    from callflows.flows.hours.overrides import HoursOverride  # noqa: PLC0415
    from callflows.flows.source.positions import ProblemReport  # noqa: PLC0415 - the path is made in main

    report = ProblemReport("oracle.yaml")
    hours = read_opening_hours("it", schedule.to_flow_file(), ("hours", "it"), report)
    overrides = tuple(HoursOverride("acme", "it", *exception) for exception in schedule.exceptions)
    if hours is None or report.problems:
        raise SystemExit("\n".join(map(str, report.problems)))
    oracle = HoursOracle(schedule, zone, FIRST_MOMENT, LAST_MOMENT)
    around = {edge + by for edge in oracle.edges for by in (-1, 0, 1)}
    later = iter(oracle.edges)
    ahead = [next(later, None), next(later, None)]
    wrong = 0
    for index, is_open in enumerate(oracle.is_open):
        while ahead[0] is not None and ahead[0] <= index:
            ahead = [ahead[1], next(later, None)]
        state = hours.at_moment(oracle.moment_at(index), zone, overrides)
        right = state.open is is_open
        if ahead[1] is not None and (index % 3 == 0 or index in around):
            first, second = oracle.moment_at(ahead[0] or 0), oracle.moment_at(ahead[1])
            opening, closing = (second, first) if is_open else (first, second)
            right = right and (_to_utc(state.next_opening), _to_utc(state.next_closing)) == (opening, closing)
        wrong += not right
    return len(oracle.is_open), wrong


def _to_utc(moment: datetime | None) -> datetime | None:
    """In UTC: Python calls moments of two zones unequal where the clock of one shows a time twice."""
    return None if moment is None else moment.astimezone(UTC)


if __name__ == "__main__":
    sys.exit(main())
