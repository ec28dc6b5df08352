"""Time zones of flow files: reading, and the zone of a place for names that are no zone or have no summer time."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import lru_cache
from importlib import resources
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from callflows.flows.source.positions import ProblemReport
from callflows.text import find_nearest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from callflows.flows.source.positions import SourcePath


def find_timezone(name: str, path: SourcePath, report: ProblemReport) -> ZoneInfo | None:
    """Return a time zone, or None for an empty name. Reports unknown names, and zones that follow no summer time."""
    try:
        zone = ZoneInfo(name) if name else None
    except (ZoneInfoNotFoundError, ValueError, OSError):
        report.error(
            path, "timezone", f"timezone: there is no zone {name!r}", _suggest_timezone(name) or "as America/New_York"
        )
        return None
    _warn_about_fixed_zone(name, path, report)
    return zone


def _warn_about_fixed_zone(name: str, path: SourcePath, report: ProblemReport) -> None:
    """Warn about a zone that is an offset or an abbreviation: people mean the clock of a place."""
    offset = _POSIX_ZONE.fullmatch(name)
    if offset is not None and offset[2].strip("0"):
        sign, hours = ("-" if offset[1] == "+" else "+"), int(offset[2])
        message = f"timezone: {name} is UTC{sign}{hours}: its sign is turned round, and it has no summer time"
        places = [
            f"{zone} for UTC{zone_sign}{hours}"
            for zone_sign, zone in ((sign, _find_city_zone(sign, hours)), (offset[1], _find_city_zone(offset[1], hours)))
            if zone
        ]
        report.warning(
            path, "timezone-fixed", message, f"name the zone of a city: {' or '.join(places) or 'as America/New_York'}"
        )
    elif name in _FIXED_ZONES:
        city, why = _FIXED_ZONES[name]
        report.warning(path, "timezone-fixed", f"timezone: {name} {why}", city)


def _find_city_zone(sign: str, hours: int) -> str:
    return _ZONES_BY_OFFSET.get(int(f"{sign}{hours}") * 60, "")


_NO_SUMMER_TIME: Final = "has no summer time: the hours would be wrong by an hour for half of the year"
_NO_PLACE: Final = "is no place: its summer time depends on the data of the machine"
_FIXED_ZONES: Final[Mapping[str, tuple[str, str]]] = {
    "EST": ("name the zone of a city: America/New_York; America/Panama is the same without summer time", _NO_SUMMER_TIME),
    "MST": ("name the zone of a city: America/Denver; America/Phoenix has no summer time", _NO_SUMMER_TIME),
    "GMT": ("name the zone of a city: Europe/London; UTC says that no summer time is meant", _NO_SUMMER_TIME),
    "Etc/GMT": ("name the zone of a city: Europe/London; UTC says that no summer time is meant", _NO_SUMMER_TIME),
    "CET": ("name the zone of a city: Europe/Berlin, Europe/Paris, Europe/Madrid", _NO_PLACE),
    "MET": ("name the zone of a city: Europe/Berlin, Europe/Paris, Europe/Madrid", _NO_PLACE),
    "EET": ("name the zone of a city: Europe/Athens, Europe/Helsinki", _NO_PLACE),
    "WET": ("name the zone of a city: Europe/Lisbon", _NO_PLACE),
    "localtime": ("name the zone of a city: as America/New_York", "is the clock of this machine, and callers have another"),
    "Factory": ("name the zone of a city: as America/New_York", "is no place"),
}
"""Zones that have no summer time, or no place, with the fix."""
_POSIX_ZONE: Final = re.compile(r"(?:Etc/)?GMT([+-])([0-9]{1,2})")
_UTC_OFFSET: Final = re.compile(r"(?:(?:utc|gmt|z)\s*)?([+-])\s*([0-9]{1,2})(?::?([0-9]{2}))?")
_ZONES_BY_OFFSET: Final[Mapping[int, str]] = {
        -600: "Pacific/Honolulu", -540: "America/Anchorage", -480: "America/Los_Angeles", -420: "America/Denver",
        -360: "America/Chicago", -300: "America/New_York", -240: "America/Halifax", -210: "America/St_Johns",
        -180: "America/Sao_Paulo", 0: "Europe/London", 60: "Europe/Berlin", 120: "Europe/Athens", 180: "Asia/Riyadh",
        240: "Asia/Dubai", 300: "Asia/Karachi", 330: "Asia/Kolkata", 420: "Asia/Bangkok", 480: "Asia/Singapore",
        540: "Asia/Tokyo", 570: "Australia/Adelaide", 600: "Australia/Sydney", 720: "Pacific/Auckland",
}  # fmt: skip
"""The zone of a large city for a standard offset from UTC in minutes."""
_EASTERN, _CENTRAL, _MOUNTAIN, _PACIFIC = "America/New_York", "America/Chicago", "America/Denver", "America/Los_Angeles"
_ZONES_OF_PLACES: Final[Mapping[str, str]] = {
    **dict.fromkeys(
        (
            "et", "est", "edt", "eastern", "easterntime", "easternstandardtime", "newyorkcity", "nyc", "boston",
            "philadelphia",
            "washington", "washingtondc", "miami", "atlanta", "charlotte", "pittsburgh", "cleveland", "orlando", "tampa",
            "baltimore", "newark", "newjersey", "connecticut", "delaware", "florida", "georgia", "maine", "maryland",
            "massachusetts", "newhampshire", "northcarolina", "ohio", "pennsylvania", "rhodeisland", "southcarolina",
            "vermont", "virginia", "westvirginia",
        ),
        _EASTERN,
    ),
    **dict.fromkeys(
        (
            "ct", "cst", "cdt", "central", "centraltime", "centralstandardtime", "dallas", "houston", "austin",
            "sanantonio",
            "fortworth", "minneapolis", "milwaukee", "neworleans", "nashville", "memphis", "stlouis", "saintlouis",
            "kansascity", "omaha", "oklahomacity", "texas", "illinois", "wisconsin", "minnesota", "iowa", "missouri",
            "arkansas", "louisiana", "mississippi", "alabama", "oklahoma", "kansas", "nebraska", "tennessee",
        ),
        _CENTRAL,
    ),
    **dict.fromkeys(
        (
            "mt", "mdt", "mountain", "mountaintime", "mountainstandardtime", "saltlakecity", "albuquerque",
            "coloradosprings",
            "colorado", "utah", "wyoming", "montana", "newmexico",
        ),
        _MOUNTAIN,
    ),
    **dict.fromkeys(
        (
            "pt", "pst", "pdt", "pacific", "pacifictime", "pacificstandardtime", "sanfrancisco", "sandiego", "sanjose",
            "sacramento", "oakland", "seattle", "portland", "lasvegas", "california", "oregon", "nevada",
            "washingtonstate",
        ),
        _PACIFIC,
    ),
    **dict.fromkeys(("arizona", "tucson"), "America/Phoenix"),
    **dict.fromkeys(("alaska", "akst", "akdt"), "America/Anchorage"),
    **dict.fromkeys(("hawaii", "hawaiianstandardtime"), "Pacific/Honolulu"),
    **dict.fromkeys(("ast", "adt", "novascotia"), "America/Halifax"),
    **dict.fromkeys(("ottawa", "quebec", "ontario"), "America/Toronto"),
    **dict.fromkeys(("calgary", "alberta"), "America/Edmonton"),
    "britishcolumbia": "America/Vancouver",
    **dict.fromkeys(
        ("bst", "uk", "gb", "england", "britain", "unitedkingdom", "manchester", "birmingham", "edinburgh", "glasgow",
            "gmtstandardtime"),
        "Europe/London",
    ),
    **dict.fromkeys(("ireland", "cork"), "Europe/Dublin"),
    **dict.fromkeys(
        (
            "cest", "mez", "mesz", "germany", "deutschland", "munich", "muenchen", "hamburg", "frankfurt", "cologne",
            "koeln", "stuttgart", "dusseldorf", "leipzig", "weuropestandardtime",
        ),
        "Europe/Berlin",
    ),
    **dict.fromkeys(("france", "lyon", "marseille", "romancestandardtime"), "Europe/Paris"),
    **dict.fromkeys(("spain", "barcelona", "sevilla", "valencia"), "Europe/Madrid"),
    **dict.fromkeys(("italy", "milan", "milano", "naples", "turin"), "Europe/Rome"),
    **dict.fromkeys(("switzerland", "geneva", "basel", "bern"), "Europe/Zurich"),
    **dict.fromkeys(("netherlands", "rotterdam", "thehague"), "Europe/Amsterdam"),
    **dict.fromkeys(("austria", "salzburg", "graz"), "Europe/Vienna"),
    "eest": "Europe/Athens",
    **dict.fromkeys(("msk", "russia", "saintpetersburg"), "Europe/Moscow"),
    **dict.fromkeys(
        ("ist", "india", "mumbai", "bombay", "madras", "delhi", "newdelhi", "bangalore", "bengaluru", "chennai"),
        "Asia/Kolkata",
    ),
    **dict.fromkeys(("jst", "osaka"), "Asia/Tokyo"),
    **dict.fromkeys(("china", "beijing", "peking", "shenzhen", "guangzhou"), "Asia/Shanghai"),
    "sgt": "Asia/Singapore",
    **dict.fromkeys(("aest", "aedt", "canberra"), "Australia/Sydney"),
    **dict.fromkeys(("nzst", "nzdt", "wellington", "newzealand"), "Pacific/Auckland"),
    **dict.fromkeys(("brazil", "rio", "riodejaneiro", "brasilia"), "America/Sao_Paulo"),
    "mexico": "America/Mexico_City",
    "indiana": "America/Indiana/Indianapolis",
    "kentucky": "America/Kentucky/Louisville",
    "argentina": "America/Argentina/Buenos_Aires",
    "northdakota": "America/Chicago",
    **dict.fromkeys(("z", "zulu"), "UTC"),
}  # fmt: skip
"""Zones of states, large cities, abbreviations and Windows names that the zone database does not have."""


def _suggest_timezone(name: str) -> str:
    """Suggest the zone of an offset, of a place, or with the most similar city in the same region."""
    offset = _UTC_OFFSET.fullmatch(name.strip().lower())
    if offset is not None:
        minutes = (int(offset[2]) * 60 + int(offset[3] or 0)) * (-1 if offset[1] == "-" else 1)
        zone = _ZONES_BY_OFFSET.get(minutes, "")
        return f"an offset has no summer time: name the zone of a city{f', as {zone}' if zone else ''}"
    name = _PARENTHESES.sub("", name)
    if _fold(name) in ("usa", "us", "america", "unitedstates"):
        return f"its states have several zones: {_EASTERN}, {_CENTRAL}, {_MOUNTAIN}, {_PACIFIC}"
    region, _, city = name.strip().rpartition("/")
    zones = sorted(
        available_timezones(), key=lambda zone: (_fold(zone.rpartition("/")[0]) != _fold(region), "/" not in zone, zone)
    )
    cities: dict[str, str] = {}
    for zone in zones:
        if zone not in _FIXED_ZONES and not zone.startswith(("Etc/", "GMT")):
            cities.setdefault(_fold(zone.rpartition("/")[2]), zone)
    found = _ZONES_OF_PLACES.get(_fold(city)) or cities.get(_fold(city))
    if not found:
        # a city of another region that sounds alike is another place: Jersey is not New Jersey
        regions = {_fold(zone.partition("/")[0]) for zone in zones if "/" in zone}
        near_region = find_nearest(_fold(region), regions, 0.7) if region else ""
        nearby = {
            spelled: zone
            for spelled, zone in {**_ZONES_OF_PLACES, **cities}.items()
            if not near_region or _fold(zone.partition("/")[0]) == near_region
        }
        found = nearby.get(find_nearest(_fold(city), nearby, 0.82 if region else 0.85), "")
    return f"did you mean {found!r}?" if found else ""


_PARENTHESES: Final = re.compile(r"\([^()]*\)")


def _fold(text: str) -> str:
    return re.sub(r"[^a-z0-9/+]", "", text.lower())


def find_zone_country(zone_name: str) -> str:
    """Return the two-letter code of the country of a zone, as US for America/New_York; "" if unknown."""
    prefix = zone_name.partition("/")[0]
    return _read_zone_countries().get(zone_name) or _COUNTRIES_OF_OLD_ZONES.get(prefix, "")


_COUNTRIES_OF_OLD_ZONES: Final = {"US": "US", "Canada": "CA", "Australia": "AU", "Brazil": "BR", "Mexico": "MX"}
"""Beginnings of old names of zones, which the table of countries does not have."""


@lru_cache(maxsize=1)
def _read_zone_countries() -> Mapping[str, str]:
    """Read the table of the zone database: a country, coordinates and a zone in each line."""
    try:
        table = resources.files("tzdata").joinpath("zoneinfo/zone.tab").read_text(encoding="utf-8")
    except (OSError, ModuleNotFoundError):
        return {}
    rows = [line.split("\t") for line in table.splitlines() if line and not line.startswith("#")]
    return {row[2]: row[0] for row in rows}


def convert_to_local_time(moment: str, zone_name: str) -> tuple[datetime, str]:
    """Return a moment of the log on the clock of a zone, and the zone's name: UTC if the zone is unknown."""
    zone = find_timezone(zone_name, (), ProblemReport(""))
    try:
        return datetime.fromisoformat(moment).astimezone(zone or UTC), zone_name if zone is not None else "UTC"
    except OverflowError:
        return datetime.fromisoformat(moment), "UTC"


def format_local_time(moment: str, zone_name: str, pattern: str) -> str:
    """Return a moment of the log as the wall clock of a zone, with the zone's name; empty if there is no moment."""
    if not moment:
        return ""
    local, name = convert_to_local_time(moment, zone_name)
    text = local.strftime(pattern)
    return f"{text[:-3] if '%f' in pattern else text} {name}"  # milliseconds
