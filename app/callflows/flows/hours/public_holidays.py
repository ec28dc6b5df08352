"""Public holidays of a country or subdivision.

The package ``holidays`` is imported only by the first flow that names holidays.
"""

from __future__ import annotations

import re
import threading
import warnings
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from callflows.text import find_nearest, format_suggestion

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from datetime import date
    from types import ModuleType


_HOLIDAY_PLACE: Final = re.compile(r"([A-Za-z]{2,3})(?:-(.{1,40}))?")
_WARNINGS_LOCK: Final = threading.Lock()


def parse_holiday_place(text: str, find_countries: Callable[[], Collection[str]] = tuple) -> str:
    """Normalize a place such as ``US`` or ``US-NJ``, in any letter case. Raises ValueError(message, fix).

    ``find_countries`` returns the countries whose parts the fix looks at first.
    """
    if text == "no":
        raise ValueError("no is Norway here", "leave holidays out, or write NO for Norway")
    found = _HOLIDAY_PLACE.fullmatch(text)
    country = _find_country_code(found[1].upper()) if found else ""
    if not found or not country:
        raise ValueError(f"there is no country {text!r}", _suggest_country(text, find_countries()) or "as US, US-NJ, DE-BY")
    if not found[2]:
        return country
    parts = _find_subdivisions(country)
    part = parts.get(found[2].casefold())
    if part is None:
        codes = [*dict.fromkeys(parts.values())]
        near = format_suggestion(found[2].casefold(), [*parts]).word
        there = f"there are {', '.join(codes)}" if codes else f"write {country} alone"
        raise ValueError(f"{country} has no part {found[2]!r}", f"did you mean {country}-{parts[near]}?" if near else there)
    return f"{country}-{part}"


def explain_mistaken_country(text: str, find_countries: Callable[[], Collection[str]]) -> tuple[str, str]:
    """Return the doubt about a country whose code is also that of a part of the flow's countries, and the fix.

    Both are empty if there is no doubt. A code of three letters is beyond doubt.
    """
    from holidays.registry import COUNTRIES  # noqa: PLC0415 - see the module docstring

    code = text.upper()
    name, row = next(((name, row) for name, row in COUNTRIES.items() if row[1] == code), ("", ()))
    homes = find_countries() if name else ()
    if code in homes:
        return "", ""
    for home in sorted(homes):
        parts = _find_subdivisions(home) if _has_holidays(home) else {}
        if parts.get(code.casefold()) == code and code not in _TERRITORIES.get(home, ()):
            country, part = name.replace("_", " ").title(), _find_part_name(home, code)
            doubt = f"{code} is the country {country}, and in {home}, where this flow is, it is {part}"
            return doubt, f"did you mean {home}-{code}? {row[2]} says that {country} is meant"
    return "", ""


_TERRITORIES: Final = {
    "US": ("AS", "GU", "MP", "PR", "UM", "VI"),
    "FR": ("BL", "GF", "GP", "MF", "MQ", "NC", "PF", "PM", "RE", "TF", "WF", "YT"),
    "CN": ("HK", "MO", "TW"),
    "NL": ("AW", "BQ", "CW", "SX"),
    "FI": ("AX",),
    "NO": ("SJ",),
}
"""Parts of countries that are listed as countries, too, with the same code."""


def find_public_holidays(place: str, year: int) -> Mapping[date, str]:
    """Return the holidays of a place in a year, with English names if available.

    ``place`` must be a result of ``parse_holiday_place``.
    """
    return _load_public_holidays(place, year)


def find_country_code(text: str) -> str:
    """Return the two-letter code of a country by a code or its English name, in any letter case; "" if unknown."""
    from holidays.registry import COUNTRIES  # noqa: PLC0415 - see the module docstring

    word = text.strip().casefold()
    names = {name.replace("_", " "): row[1] for name, row in COUNTRIES.items()}
    return names.get(word, "") or _find_country_code(word.upper())


def find_last_holiday_year(place: str) -> int:
    """Return the last year with known holidays."""
    return int(getattr(_import_holidays(), place.partition("-")[0]).end_year)


@lru_cache(maxsize=4096)
def _load_public_holidays(place: str, year: int) -> Mapping[date, str]:
    country, _, part = place.partition("-")
    with _WARNINGS_LOCK, warnings.catch_warnings():
        # The package warns about years with estimated dates, and about renamed subdivisions.
        warnings.simplefilter("ignore")
        holidays = _import_holidays().country_holidays(
            country, subdiv=part or None, years=year, expand=False, language="en_US"
        )
    return {day: name for day, name in holidays.items() if day.year == year}


def _find_country_code(code: str) -> str:
    """Return the two-letter code of a country, also for a three-letter code; "" if unknown."""
    from holidays.registry import COUNTRIES  # noqa: PLC0415 - see the module docstring

    code = {"UK": "GB"}.get(code, code)
    return next((row[1] for row in COUNTRIES.values() if code in row[1:3]), "")


def _suggest_country(text: str, home_countries: Collection[str]) -> str:
    from holidays.registry import COUNTRIES  # noqa: PLC0415 - see the module docstring

    spaced = re.fullmatch(r"([A-Za-z]{2,3})[ _/.]+(.{1,40})", text.strip())
    if spaced:
        try:
            return f"did you mean {parse_holiday_place(f'{spaced[1]}-{spaced[2]}')}?"
        except ValueError:
            pass
    name = text.strip().casefold()
    homes = [home for home in sorted(home_countries) if _has_holidays(home)]
    for country in (*homes, *_COUNTRIES_WITH_KNOWN_PARTS):
        part = _find_subdivisions(country).get(name)
        # A code alone is clear in few countries: EN is not Enna in Italy.
        if part and (name != part.casefold() or country in (*homes, *_COUNTRIES_WITH_KNOWN_CODES)):
            return f"did you mean {country}-{part}?"
    # A name that only sounds alike is another country: Jersey is not New Jersey, and Greenland not England.
    names = {name.replace("_", " "): row[1] for name, row in COUNTRIES.items()}
    near = names.get(find_nearest(name, names, 0.82), "")
    return f"did you mean {near}?" if near else ""


_COUNTRIES_WITH_KNOWN_PARTS: Final = ("US", "GB", "CA", "AU", "DE", "CH", "AT", "ES", "IT")
"""Countries whose parts people name without the country."""
_COUNTRIES_WITH_KNOWN_CODES: Final = ("US", "GB", "CA", "AU", "DE")


def _has_holidays(country: str) -> bool:
    return hasattr(_import_holidays(), country)


def _find_part_name(country: str, code: str) -> str:
    """Return the name of a subdivision, or its code with the country's if it has no name."""
    aliases: Mapping[str, list[str]] = getattr(_import_holidays(), country).get_subdivision_aliases()
    return next(iter(aliases.get(code, ())), f"{country}-{code}")


def _find_subdivisions(country: str) -> dict[str, str]:
    """Return the subdivision codes of a country, by all lower-case names and codes."""
    entity = getattr(_import_holidays(), country)
    aliases: Mapping[str, list[str]] = entity.get_subdivision_aliases()
    return {name.casefold(): code for code, names in aliases.items() for name in (code, *names)}


def _import_holidays() -> ModuleType:
    import holidays  # noqa: PLC0415 - see the module docstring

    return holidays
