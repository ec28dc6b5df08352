"""Spoken form of moments and phone numbers. Moments are spoken in English, Spanish, French and German."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime


_YEAR_SPOKEN_FROM_DAYS: Final = 180
"""A different year is spoken only from this distance in days."""
_NOON: Final = 12
_DIGIT_RUN: Final = re.compile("[0-9]+")
_NANP_NUMBER: Final = re.compile("1?([2-9][0-9]{2})([2-9][0-9]{2})([0-9]{4})")


class _SpokenLanguage(NamedTuple):
    """Words and patterns of a language.

    ``near_days`` are names of days by distance from today. ``weekday`` is the pattern for the coming six days, ``date`` for
    other dates.
    """

    weekdays: list[str]
    months: list[str]
    near_days: dict[int, str]
    weekday: str
    date: str
    year: str
    format_time: Callable[[int, int], str]
    first_of_month: str = "1"


def format_spoken_moment(moment: datetime | None, now: datetime, lang: str) -> str:
    """Format a moment relative to now: "tomorrow at 9 AM", "on Monday, December 28 at 9 AM"; "" for None.

    Both moments have an offset; the zone of ``moment`` applies. ``lang`` is a code such as ``en-US`` or ``es``. Unknown
    languages are spoken as English.
    """
    if moment is None:
        return ""
    language = _find_spoken_language(lang) or _SPOKEN_LANGUAGES["en"]
    return f"{_format_spoken_day(moment, now, language)} {language.format_time(moment.hour, moment.minute)}"


class HoursStatus(str):
    """The text ``open`` or ``closed`` with the moment of the next change; ``spoken`` tells both."""

    __slots__ = ("next_change",)
    next_change: datetime | None

    @classmethod
    def make(cls, *, is_open: bool, next_change: datetime | None) -> HoursStatus:
        status = cls("open" if is_open else "closed")
        status.next_change = next_change
        return status


def format_spoken_status(status: HoursStatus, now: datetime, lang: str) -> str:
    """Format opening hours: "open, and we close today at 5 PM", "closed, and we open tomorrow at 9 AM"."""
    name = lang.lower().partition("-")[0].partition("_")[0]
    words = _STATUS_WORDS.get(name, _STATUS_WORDS["en"])[status == "open"]
    if status.next_change is None:
        return words[0]
    return f"{words[0]}, {words[1]} {format_spoken_moment(status.next_change, now, lang)}"


_STATUS_WORDS: Final = {
    "en": (("closed", "and we open"), ("open", "and we close")),
    "es": (("cerrados", "y abrimos"), ("abiertos", "y cerramos")),
    "fr": (("fermés", "et nous ouvrons"), ("ouverts", "et nous fermons")),
    "de": (("geschlossen", "und wir öffnen"), ("geöffnet", "und wir schließen")),
}
"""Words for closed and open, and for the next change, by language."""


def has_spoken_words(lang: str) -> bool:
    return _find_spoken_language(lang) is not None


def _find_spoken_language(lang: str) -> _SpokenLanguage | None:
    name = lang.lower().replace("_", "-")
    return _SPOKEN_LANGUAGES.get(name) or _SPOKEN_LANGUAGES.get(name.partition("-")[0])


def _format_spoken_day(moment: datetime, now: datetime, language: _SpokenLanguage) -> str:
    day, today = moment.date(), now.astimezone(moment.tzinfo).date()
    ahead = (day - today).days
    if ahead in language.near_days:
        return language.near_days[ahead]
    weekday = language.weekdays[day.weekday()]
    if 0 < ahead < len(language.weekdays):
        return language.weekday.format(weekday=weekday)
    number = language.first_of_month if day.day == 1 else str(day.day)
    far = day.year != today.year and abs(ahead) >= _YEAR_SPOKEN_FROM_DAYS
    year = language.year.format(year=day.year) if far else ""
    return language.date.format(weekday=weekday, day=number, month=language.months[day.month - 1], year=year)


def format_spoken_digits(text: str) -> str:
    """Format a number digit by digit: ``+12015550123`` as "2 0 1, 5 5 5, 0 1 2 3".

    A North American number has the usual groups, without country code. Other numbers keep their written groups; digits
    without groups are split into threes.
    """
    runs: list[str] = _DIGIT_RUN.findall(text)
    found = _NANP_NUMBER.fullmatch("".join(runs))
    groups = found.groups() if found else [run[at : at + 3] for run in runs for at in range(0, len(run), 3)]
    if not found and len(runs) > 1:
        groups = runs
    return ", ".join(" ".join(group) for group in groups)


def _format_english_time(hour: int, minute: int) -> str:
    return f"at {format_english_clock_time(hour * 60 + minute)}"


def format_english_clock_time(minute_of_day: int) -> str:
    """Format a time of the day on a clock of 12 hours: 9 AM, noon, 5:30 PM."""
    hour, minute = divmod(minute_of_day, 60)
    if (hour, minute) == (_NOON, 0):
        return "noon"
    past = f":{minute:02}" if minute else ""
    return f"{hour % _NOON or _NOON}{past} {'AM' if hour < _NOON else 'PM'}"


def _format_spanish_time(hour: int, minute: int) -> str:
    if (hour, minute) == (0, 0):
        return "a las 0 horas"
    spoken_hour = hour % _NOON or _NOON
    past = f" y {minute}" if minute else ""
    return f"a {'la' if spoken_hour == 1 else 'las'} {spoken_hour}{past} {_spanish_part_of_day(hour, minute)}"


def _spanish_part_of_day(hour: int, minute: int) -> str:
    if (hour, minute) == (_NOON, 0):
        return "del mediodía"
    parts = {6: "de la madrugada", 12: "de la mañana", 20: "de la tarde", 24: "de la noche"}
    return next(part for end, part in parts.items() if hour < end)


def _format_french_time(hour: int, minute: int) -> str:
    if (hour, minute) == (_NOON, 0):
        return "à midi"
    past = f" {minute}" if minute else ""
    return f"à {hour} heure{'s' if hour > 1 else ''}{past}"


def _format_german_time(hour: int, minute: int) -> str:
    past = f" {minute}" if minute else ""
    return f"um {hour} Uhr{past}"


ENGLISH_WEEKDAYS: Final = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
_ENGLISH: Final = _SpokenLanguage(
    ENGLISH_WEEKDAYS,
    [
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ],
    {-1: "yesterday", 0: "today", 1: "tomorrow"},
    "on {weekday}",
    "on {weekday}, {month} {day}{year}",
    ", {year},",
    _format_english_time,
)
_SPOKEN_LANGUAGES: Final = {
    "en": _ENGLISH,
    **dict.fromkeys(
        ("en-gb", "en-ie", "en-au", "en-nz", "en-in", "en-za"),
        _ENGLISH._replace(date="on {weekday} {day} {month}{year}", year=" {year}"),
    ),
    "es": _SpokenLanguage(
        ["lunes", "martes", "miércoles", "jueves", "viernes", "sábado", "domingo"],
        [
            "enero",
            "febrero",
            "marzo",
            "abril",
            "mayo",
            "junio",
            "julio",
            "agosto",
            "septiembre",
            "octubre",
            "noviembre",
            "diciembre",
        ],
        {-1: "ayer", 0: "hoy", 1: "mañana"},
        "el {weekday}",
        "el {weekday} {day} de {month}{year}",
        " de {year}",
        _format_spanish_time,
    ),
    "fr": _SpokenLanguage(
        ["lundi", "mardi", "mercredi", "jeudi", "vendredi", "samedi", "dimanche"],
        [
            "janvier",
            "février",
            "mars",
            "avril",
            "mai",
            "juin",
            "juillet",
            "août",
            "septembre",
            "octobre",
            "novembre",
            "décembre",
        ],
        {-1: "hier", 0: "aujourd'hui", 1: "demain"},
        "{weekday}",
        "le {weekday} {day} {month}{year}",
        " {year}",
        _format_french_time,
        "1er",
    ),
    "de": _SpokenLanguage(
        ["Montag", "Dienstag", "Mittwoch", "Donnerstag", "Freitag", "Samstag", "Sonntag"],
        [
            "Januar",
            "Februar",
            "März",
            "April",
            "Mai",
            "Juni",
            "Juli",
            "August",
            "September",
            "Oktober",
            "November",
            "Dezember",
        ],
        {-1: "gestern", 0: "heute", 1: "morgen"},
        "am {weekday}",
        "am {weekday}, dem {day}. {month}{year},",
        " {year}",
        _format_german_time,
    ),
}
