"""Fixes for a range, as ``mon-fri``, or a word for several days, where a condition needs single values."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from callflows.flows.hours.hours_reader import DAY_GROUPS, DAY_NUMBERS
from callflows.telephony.calls import WEEKDAY_NAMES

if TYPE_CHECKING:
    from collections.abc import Sequence


_DAY_WORDS: Final = {
    **DAY_GROUPS,
    **dict.fromkeys(("weekday", "workday", "workdays", "working days", "business days"), DAY_GROUPS["weekdays"]),
}
_DASH: Final = r"\s*(?:[-\u2013\u2014]|\.\.\.?|\bto\b|\buntil\b|\btill?\b)\s*"
_DAY_DASH: Final = re.compile(rf"(?<!\s){_DASH}")
_DAY_SEPARATOR: Final = re.compile(r"(?<!\s)\s*+(?:[,;/&|+]|\band\b)\s*+")
_NUMBER_RANGE: Final = re.compile(rf"\s*([0-9]{{1,4}}){_DASH}([0-9]{{1,4}})\s*")
_TIME_RANGE: Final = re.compile(rf"\s*([0-9]{{1,2}})(?::([0-9]{{2}}))?{_DASH}([0-9]{{1,2}})(?::([0-9]{{2}}))?\s*")
_DATE_RANGE: Final = re.compile(rf"\s*([0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}){_DASH}([0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}})\s*")
_INCLUSIVE_NAMES: Final = frozenset({"now.year", "now.month", "now.day", "caller.calls_today"})
_LAST_HOUR: Final = 24


def list_named_days(text: str) -> tuple[str, ...]:
    """Return the days that a text names: ``mon-fri``, ``weekend``, ``Saturday, Sunday``; empty if a word is no day."""
    days: list[int] = []
    for part in _DAY_SEPARATOR.split(text.strip().lower()):
        if part in _DAY_WORDS:
            days += _DAY_WORDS[part]
            continue
        ends = [_find_day(word) for word in _DAY_DASH.split(part)]
        if len(ends) > 2 or None in ends:  # noqa: PLR2004 - a range has two
            return ()
        first, last = ends[0] or 0, ends[-1] or 0
        days += [day % 7 for day in range(first, (last if last >= first else last + 7) + 1)]
    return tuple(WEEKDAY_NAMES[day] for day in dict.fromkeys(days))


def _find_day(word: str) -> int | None:
    plain = word.strip(" .")
    return DAY_NUMBERS.get(plain, DAY_NUMBERS.get(plain.removesuffix("s")))


def quote_texts(texts: Sequence[str]) -> str:
    """Return texts in quotes with commas between, as they stand in a list of an expression."""
    return ", ".join(f'"{text}"' for text in texts)


def suggest_range(name: str, kind: str, op: str, text: str, *, is_item: bool = False) -> str:
    """Return the fix for a range of values in a text; "" for any other text.

    ``kind`` is the name whose values ``name`` has, as ``now.hour`` for ``hours.office.next_opening.hour``. ``is_item``: the
    text is an item of a list.
    """
    if kind == "now.weekday":
        days = list_named_days(text)
        if len(days) < 2:  # noqa: PLR2004 - one day is no range
            return ""
        if is_item:
            return f"name each day: {quote_texts(days)}"
        return f"name the days: {name} {'not in' if op in ('ne', 'notin') else 'in'} [{quote_texts(days)}]"
    if kind == "digits":
        found = _NUMBER_RANGE.fullmatch(text)
        return suggest_digit_range(name, op, int(found[1]), int(found[2])) if found else ""
    if kind == "now.date":
        found = _DATE_RANGE.fullmatch(text)
        return _write_between(name, op, f'"{found[1]}"', f'"{found[2]}"', is_inclusive=True) if found else ""
    if kind == "now.time":
        found = _TIME_RANGE.fullmatch(text)
        return _suggest_times(name, op, found) if found else ""
    return _suggest_numbers(name, kind, op, text)


def _suggest_numbers(name: str, kind: str, op: str, text: str) -> str:
    found = _NUMBER_RANGE.fullmatch(text)
    if found and (kind == "now.hour" or kind in _INCLUSIVE_NAMES):
        return suggest_number_range(name, kind, op, int(found[1]), int(found[2]))
    found = _TIME_RANGE.fullmatch(text)
    return _suggest_times(name.replace(".hour", ".time"), op, found) if found and kind == "now.hour" else ""


def suggest_number_range(name: str, kind: str, op: str, first: int, last: int) -> str:
    """Return the fix for a range of numbers. The last hour of a day's range does not belong to it: 9-17 ends at 17:00."""
    return _write_between(name, op, str(first), str(last), is_inclusive=kind != "now.hour", wraps=first > last)


def suggest_digit_range(name: str, op: str, first: int, last: int) -> str:
    """Return the fix for a range of keys, as 1-5; "" if the numbers are no keys."""
    if not 0 <= first < last <= 9:  # noqa: PLR2004 - the greatest digit
        return ""
    digits = quote_texts([str(digit) for digit in range(first, last + 1)])
    return f"name each of them: {name} {'not in' if op in ('ne', 'notin') else 'in'} [{digits}]"


def _suggest_times(name: str, op: str, found: re.Match[str]) -> str:
    ends = [(int(found[hour]), found[hour + 1] or "00") for hour in (1, 3)]
    if any(hour > _LAST_HOUR for hour, _ in ends):
        return ""
    first, last = (f'"{hour:02}:{minute}"' for hour, minute in ends)
    return _write_between(name, op, first, last, is_inclusive=False, wraps=ends[0] > ends[1])


def _write_between(name: str, op: str, first: str, last: str, *, is_inclusive: bool, wraps: bool = False) -> str:
    less = "<=" if is_inclusive else "<"
    whole = f"{name} >= {first} or {name} {less} {last}" if wraps else f"{first} <= {name} {less} {last}"
    return f"write not ({whole})" if op in ("ne", "notin") else f"write {whole}"
