"""Reads a list of people to call: a CSV file with a column of numbers, and columns that texts of the flow see."""

from __future__ import annotations

import csv
import io
import re
from typing import TYPE_CHECKING, Final, NamedTuple

from callflows.errors import CampaignError
from callflows.flows.country_code_check import suggest_country_code
from callflows.flows.expressions.value_names import VALUE_NAME_PATTERN
from callflows.telephony.phone_numbers import is_impossible_number, lacks_country_code, parse_e164
from callflows.text import clean_field

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path


MAX_CONTACT_LIST_BYTES: Final = 50_000_000
MAX_CONTACTS: Final = 200_000
_MAX_SHOWN_PROBLEMS: Final = 20
_NUMBER_HEADINGS: Final = ("number", "phone", "phone_number", "telephone", "tel", "mobile", "cell", "e164")
"""Names of the column with the numbers, the likeliest first."""


class Contact(NamedTuple):
    """A person to call; ``values`` are the other columns of the row."""

    number: str
    values: Mapping[str, str]
    line: int


class ContactList(NamedTuple):
    """The people of a file. ``problems`` name the rows that are left out, with their lines."""

    contacts: tuple[Contact, ...]
    columns: tuple[str, ...]
    problems: tuple[str, ...]


def read_contact_list(file: Path, number_column: str = "") -> ContactList:
    """Read a CSV file in UTF-8, with commas, semicolons or tabs. A file with one column needs no headings.

    Raises CampaignError if the file cannot be read, or has no column of numbers.
    """
    try:
        with file.open("rb") as opened:
            data = opened.read(MAX_CONTACT_LIST_BYTES + 1)
    except OSError as error:
        raise CampaignError(f"{file}: {error.strerror}") from None
    if len(data) > MAX_CONTACT_LIST_BYTES:
        raise CampaignError(f"{file}: it has more than {MAX_CONTACT_LIST_BYTES} bytes")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise CampaignError(f"{file}:{line}: it is not UTF-8: save it as CSV UTF-8") from None
    delimiter = max(",;\t", key=text.partition("\n")[0].count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        rows = [(reader.line_num, row) for row in reader if any(cell.strip() for cell in row)]
    except csv.Error as error:
        raise CampaignError(f"{file}:{reader.line_num}: {error}") from None
    if not rows:
        raise CampaignError(f"{file}: it has no rows")
    if len(rows) > MAX_CONTACTS + 1:
        raise CampaignError(f"{file}: it has more than {MAX_CONTACTS} rows: make several campaigns of it")
    headings = _read_headings(file, rows[0][1])
    if headings is None:
        headings, rows = ["number"], [(0, []), *rows]
    return _read_contacts(file, headings, _find_number_column(file, headings, number_column), rows[1:])


def _read_headings(file: Path, cells: Sequence[str]) -> list[str] | None:
    """Return the names of the columns; None for a list of numbers without headings."""
    if len(cells) == 1 and parse_e164(cells[0]):
        return None
    if any(parse_e164(cell) for cell in cells):
        raise CampaignError(f"{file}:1: the first row has a number: write headings above it, as number, first_name")
    names = [re.sub("[^a-z0-9]+", "_", cell.strip().lower()).strip("_") for cell in cells]
    for cell, name in zip(cells, names, strict=True):
        if name and names.count(name) > 1:
            raise CampaignError(f"{file}:1: two columns are named {cell.strip()!r}")
        if name and not VALUE_NAME_PATTERN.fullmatch(name):
            raise CampaignError(f"{file}:1: {cell.strip()!r} cannot be the name of a value: begin it with a letter")
    return names


def _find_number_column(file: Path, headings: Sequence[str], name: str) -> int:
    candidates = [name.strip().lower().replace(" ", "_")] if name else _NUMBER_HEADINGS
    number_heading = next((heading for heading in candidates if heading in headings), "")
    if not number_heading:
        raise CampaignError(
            f"{file}:1: no column is named {' or '.join(candidates[:3])}: name the column of the numbers with --column"
        )
    return headings.index(number_heading)


def _read_contacts(
    file: Path, headings: Sequence[str], number_index: int, rows: Iterable[tuple[int, list[str]]]
) -> ContactList:
    contacts: dict[str, Contact] = {}
    problems: list[str] = []
    for line, cells in rows:
        written = cells[number_index].strip() if number_index < len(cells) else ""
        number = "" if lacks_country_code(written) or is_impossible_number(written) else parse_e164(written)
        if not number:
            fix = suggest_country_code(written) if lacks_country_code(written) else "write it as +12015550123"
            problems.append(f"{file}:{line}: {clean_field(written)!r} is not a number ({fix})")
        elif number in contacts:
            problems.append(f"{file}:{line}: {number} stands in line {contacts[number].line} already, and is called once")
        else:
            values = {
                name: clean_field(cell) for index, (name, cell) in enumerate(zip(headings, cells, strict=False))
                if name and index != number_index
            }  # fmt: skip
            contacts[number] = Contact(number, values, line)
    more = len(problems) - _MAX_SHOWN_PROBLEMS
    shown = problems if more <= 0 else [*problems[:_MAX_SHOWN_PROBLEMS], f"{file}: {more} more row(s) are left out"]
    columns = tuple(name for index, name in enumerate(headings) if name and index != number_index)
    return ContactList(tuple(contacts.values()), columns, tuple(shown))
