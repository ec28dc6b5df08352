"""Dates that people read."""

from __future__ import annotations

import re
from datetime import date, datetime
from pathlib import Path

import callflows
from callflows.text import format_date


def test_a_day_of_the_month_has_no_zero():
    assert format_date(date(2026, 11, 3), "%a {day} %b %Y") == "Tue 3 Nov 2026"
    assert format_date(datetime(2026, 12, 24, 9, 5), "%A {day} %B, %H:%M") == "Thursday 24 December, 09:05"  # noqa: DTZ001 - a wall clock


def test_no_date_is_written_by_a_directive_that_only_some_systems_know():
    folder = Path(callflows.__file__).parent
    files = [file for ending in ("py", "html", "j2") for file in folder.rglob(f"*.{ending}")]
    assert len(files) > 500
    directive = re.compile(r"(?<!\{)%[-#_^][a-zA-Z]\b")
    found = [f"{file}: {match[0]}" for file in files for match in directive.finditer(file.read_text(encoding="utf-8"))]
    assert found == [f"{folder / 'text.py'}: %-d"]  # a comment says why
