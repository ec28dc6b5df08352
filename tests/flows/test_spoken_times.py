"""The spoken forms of times and numbers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callflows.flows.hours.spoken_times import format_spoken_digits, format_spoken_moment
from each_case import each_case

NEW_YORK = ZoneInfo("America/New_York")
NOW = datetime(2026, 11, 23, 10, tzinfo=NEW_YORK)
"""A Monday."""


def said(when: str, lang: str, now: datetime = NOW) -> str:
    return format_spoken_moment(datetime.fromisoformat(when).replace(tzinfo=NEW_YORK), now, lang)


@each_case(
    ("when", "lang", "words"),
    [
        ("2026-11-23 14:00", "en-US", "today at 2 PM"),
        ("2026-11-24 09:00", "en-US", "tomorrow at 9 AM"),
        ("2026-11-22 09:00", "en-US", "yesterday at 9 AM"),
        ("2026-11-27 09:30", "en-US", "on Friday at 9:30 AM"),
        ("2026-11-29 09:05", "en-US", "on Sunday at 9:05 AM"),
        ("2026-11-30 09:00", "en-US", "on Monday, November 30 at 9 AM"),
        ("2026-12-28 09:00", "en-US", "on Monday, December 28 at 9 AM"),
        ("2026-11-20 09:00", "en-US", "on Friday, November 20 at 9 AM"),
        ("2027-01-04 09:00", "en-US", "on Monday, January 4 at 9 AM"),
        ("2027-07-05 09:00", "en-US", "on Monday, July 5, 2027, at 9 AM"),
        ("2026-11-23 12:00", "en-US", "today at noon"),
        ("2026-11-23 12:30", "en-US", "today at 12:30 PM"),
        ("2026-11-24 00:00", "en-US", "tomorrow at 12 AM"),
        ("2026-11-24 00:15", "en-US", "tomorrow at 12:15 AM"),
        ("2026-11-23 13:00", "en-US", "today at 1 PM"),
        ("2026-11-23 23:59", "en-US", "today at 11:59 PM"),
        ("2026-12-28 09:00", "en-GB", "on Monday 28 December at 9 AM"),
        ("2027-07-05 09:00", "en-GB", "on Monday 5 July 2027 at 9 AM"),
        ("2026-11-23 13:00", "es", "hoy a la 1 de la tarde"),
        ("2026-11-24 09:00", "es", "mañana a las 9 de la mañana"),
        ("2026-11-24 01:30", "es", "mañana a la 1 y 30 de la madrugada"),
        ("2026-11-23 21:15", "es", "hoy a las 9 y 15 de la noche"),
        ("2026-11-23 12:00", "es", "hoy a las 12 del mediodía"),
        ("2026-11-23 12:30", "es", "hoy a las 12 y 30 de la tarde"),
        ("2026-11-24 00:00", "es", "mañana a las 0 horas"),
        ("2026-11-25 09:00", "es", "el miércoles a las 9 de la mañana"),
        ("2026-12-28 09:00", "es", "el lunes 28 de diciembre a las 9 de la mañana"),
        ("2027-07-05 20:00", "es", "el lunes 5 de julio de 2027 a las 8 de la noche"),
        ("2026-11-23 14:00", "fr", "aujourd'hui à 14 heures"),
        ("2026-11-24 09:30", "fr", "demain à 9 heures 30"),
        ("2026-11-24 01:00", "fr", "demain à 1 heure"),
        ("2026-11-24 00:05", "fr", "demain à 0 heure 5"),
        ("2026-11-25 12:00", "fr", "mercredi à midi"),
        ("2026-12-28 09:00", "fr", "le lundi 28 décembre à 9 heures"),
        ("2027-01-01 09:00", "fr", "le vendredi 1er janvier à 9 heures"),
        ("2027-07-05 09:00", "fr", "le lundi 5 juillet 2027 à 9 heures"),
        ("2026-11-23 14:00", "de", "heute um 14 Uhr"),
        ("2026-11-24 09:30", "de", "morgen um 9 Uhr 30"),
        ("2026-11-24 01:00", "de", "morgen um 1 Uhr"),
        ("2026-11-25 00:00", "de", "am Mittwoch um 0 Uhr"),
        ("2026-12-28 09:00", "de", "am Montag, dem 28. Dezember, um 9 Uhr"),
        ("2027-07-05 09:00", "de", "am Montag, dem 5. Juli 2027, um 9 Uhr"),
    ],
)
def test_a_moment_is_said_as_a_person_says_it(when, lang, words):
    assert said(when, lang) == words


@pytest.mark.parametrize("lang", ["ES", "es-MX", "es_us", "Es-es"])
def test_a_language_is_known_by_its_first_part_in_any_case(lang):
    assert said("2026-11-24 09:00", lang).startswith("mañana")


@pytest.mark.parametrize("lang", ["", "ja-JP", "x", "english", "-"])
def test_a_language_that_is_not_known_is_english(lang):
    assert said("2026-11-24 09:00", lang) == "tomorrow at 9 AM"


def test_the_clock_is_that_of_the_moment_wherever_now_was_asked():
    late = datetime(2026, 11, 24, 4, 30, tzinfo=UTC)
    assert said("2026-11-24 09:00", "en", late) == "tomorrow at 9 AM"
    assert said("2026-11-24 09:00", "en", late + timedelta(hours=1)) == "today at 9 AM"


def test_no_moment_is_nothing():
    assert format_spoken_moment(None, NOW, "en") == ""


@given(
    st.datetimes(datetime(1970, 1, 2), datetime(2100, 1, 1), timezones=st.just(NEW_YORK)),  # noqa: DTZ001 - bounds
    st.sampled_from(["en-US", "en-GB", "es", "fr", "de"]),
)
def test_every_moment_is_one_line_of_words(moment, lang):
    words = format_spoken_moment(moment, NOW, lang)
    assert "  " not in words
    assert "{" not in words
    assert str(moment.minute) in words or not moment.minute


@each_case(
    ("text", "words"),
    [
        ("+12015550123", "2 0 1, 5 5 5, 0 1 2 3"),
        ("(201) 555-0123", "2 0 1, 5 5 5, 0 1 2 3"),
        ("+44 20 7946 0018", "4 4, 2 0, 7 9 4 6, 0 0 1 8"),
        ("12345678", "1 2 3, 4 5 6, 7 8"),
        ("7", "7"),
        ("ann", ""),
        ("", ""),
    ],
)
def test_a_number_is_said_digit_by_digit(text, words):
    assert format_spoken_digits(text) == words
