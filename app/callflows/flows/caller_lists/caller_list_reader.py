"""Reads caller lists from CSV files and reports every problem with its position.

Rows are ``number or prefix*, reason, until``. Exports of other programs are accepted: a header, a byte order mark,
semicolons or tabs, quotes, any line ends. Ambiguous content is an error with line and column.
"""

from __future__ import annotations

import csv
import functools
import itertools
import math
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, BinaryIO, Final, Literal, NamedTuple, TypeAlias

from callflows.atomic_files import open_plain_file
from callflows.errors import Problem
from callflows.flows.caller_lists.caller_list import ANONYMOUS_LIST_ENTRY, CallerList, CallerListRow
from callflows.flows.country_code_check import suggest_written_number
from callflows.flows.dial_policy.numbering_plans import parse_e164_digits
from callflows.telephony.phone_numbers import is_anonymous, lacks_country_code
from callflows.text import clean_text

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Callable, Iterator

    from callflows.flows.source.positions import ProblemReport, SourcePath


ListProblemSeverity: TypeAlias = Literal["error", "warning"]
MAX_LIST_BYTES: Final = 200_000_000
"""Larger files are refused."""
MAX_LIST_ROWS: Final = 2_000_000
_MAX_LINE_BYTES: Final = 8192
_MAX_REASON_CHARACTERS: Final = 200
_MAX_PROBLEMS_PER_RULE: Final = 20  # per rule, for one list
_LIST_FILE_FIX: Final = "lists are named relative to the flow file"
INVISIBLE_LIST_CHARACTERS: Final = " \t\xa0\u200b\u200e\u200f\u202a\u202c\u202d\u2060\ufeff'"
"""Characters left around numbers by spreadsheets and web pages; an apostrophe marks text in a spreadsheet."""
_NANP_NUMBER: Final = re.compile(r"\+?(1[2-9][0-9]{9})")
_PLAIN_ROW_TEMPLATE: Final = rb"(?:\+?(1[2-9][0-9]{9})|\+([2-9][0-9]{6,14}))((?:%b[^\"\r\n]*)?)\r?\n?"
_NUMBER_PREFIX: Final = re.compile(r"\+?(?:00[ ().\-]*)?([1-9][0-9 ().\-]{0,30})\*")
_OTHER_SEPARATOR: Final = re.compile(r"(?:(?<!\s)\s++)?[|#]\s*|(?<!\s)[^\S\t]*+\t\s*")
_ROUNDED_NUMBER: Final = re.compile(r"[0-9][.,]?[0-9]*[eE]\+?[0-9]+")
_AREA_CODE_DIGITS: Final = 3
_ONLY_LETTERS: Final = re.compile(r"^[^0-9]*[a-z][^0-9]*$", re.IGNORECASE)
_MAX_KNOWN_ENDS: Final = 10_000
"""Ends of rows (reason and date) that are read once."""
_MAX_SHARED_ROWS: Final = 10_000
_DELIMITER: Final = re.compile(r'[ ]*+(?:"[^"]*+"[ ]*+|[^",;\t]*+)([,;\t])')
_EXPIRY: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?:[T ]+[0-9]{2}:[0-9]{2}(?::[0-9]{2})?(?:Z|[+-][0-9]{2}:?[0-9]{2})?)?"
)
_MIN_EXPIRY_YEAR, _NO_EXPIRY_YEAR = 1980, 9000
"""Years before the first are errors; years from the second on mean no expiry."""
_DATE_CHARACTERS: Final = len("2026-12-24")
_COLUMN_HEADINGS: Final = {
    "number": frozenset(
        {"number", "phone", "phone number", "phone_number", "caller", "telephone", "tel", "prefix", "e164"}
    ),
    "reason": frozenset({"reason", "note", "comment", "description"}),
    "until": frozenset({"until", "expires", "expiry", "valid until", "valid_until", "end"}),
}


class _UnreadableList(Exception):  # stops the reader; never leaves this module
    def __init__(self, line: int, message: str, fix: str = "") -> None:
        super().__init__(message)
        self.line = line
        self.fix = fix


def read_caller_list(name: str, file: pathlib.Path, report: ProblemReport, path: SourcePath, now: datetime) -> CallerList:
    """Read the list ``name`` from a CSV file, with all readable rows. Never raises.

    Problems of the whole file are reported at ``path`` of the flow file, problems of a row at line and column of the list.
    ``now`` (with offset) is used to report lists whose rows have all expired.
    """
    reader = _CallerListReader(name, str(file), report)
    try:
        with _open_list_file(file) as lines:
            reader.read_rows(lines)
    except FileNotFoundError:
        report.error(path, "list-missing", f"lists: {name}: there is no file {file}", _LIST_FILE_FIX)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        report.error(path, "list-unreadable", f"lists: {name}: {file} cannot be read: {why}")
    except _UnreadableList as error:
        report.problems.append(Problem(str(file), error.line, 1, "error", "list-unreadable", str(error), error.fix))
    else:
        reader.report_list_problems(path, now)
    return reader.build_list()


def _open_list_file(file: pathlib.Path) -> BinaryIO:
    size = file.stat().st_size
    if size > MAX_LIST_BYTES:
        raise OSError(0, f"it has {size} bytes, more than {MAX_LIST_BYTES}")
    return open_plain_file(file)


class _CsvLines:
    """The lines of a file for the csv module, without blank lines and comments.

    ``line_number`` is the latest line; ``row_line`` and ``row_text`` are the first line of the current row.
    """

    def __init__(self, file: BinaryIO, take_plain_row: Callable[[bytes], bool]) -> None:
        """``take_plain_row`` gets each line where a row begins; the csv module does not see the lines that it takes."""
        self._file = file
        self._take_plain_row = take_plain_row
        self.line_number = 0
        self.row_line = 0
        self.row_text = ""

    def __iter__(self) -> Iterator[str]:
        while raw := self._file.readline(_MAX_LINE_BYTES):
            if not self.row_line and self._take_plain_row(raw):
                self.line_number += 1
                continue
            for part in raw.removesuffix(b"\n").removesuffix(b"\r").split(b"\r"):
                self.line_number += 1
                text = self._decode_line(part)
                if text and not text.isspace() and not text.lstrip().startswith("#"):
                    if not self.row_line:
                        self.row_line, self.row_text = self.line_number, text
                    yield text + "\n"
            if len(raw) == _MAX_LINE_BYTES:
                raise _UnreadableList(
                    self.line_number, f"the line has over {_MAX_LINE_BYTES} bytes", "a row is a number, a reason and a date"
                )

    def _decode_line(self, part: bytes) -> str:
        try:
            text = part.decode("utf-8-sig" if self.line_number == 1 else "utf-8")
        except UnicodeDecodeError:
            raise _UnreadableList(self.line_number, "the file is not UTF-8", "save it as UTF-8") from None
        if "\0" in text:
            raise _UnreadableList(self.line_number, "the file is no text: it holds zero bytes", "save it as CSV in UTF-8")
        return text


class ListColumns(NamedTuple):
    """The place of each column in the rows of a list; -1 for a column that the header does not have."""

    number: int = 0
    reason: int = 1
    until: int = 2
    has_header: bool = False


def find_list_columns(first_row: list[str]) -> ListColumns:
    """Return the columns that the first row names if it is a header; otherwise number, reason, until."""
    cells = [cell.strip().casefold() for cell in first_row]
    found = {kind: at for kind, names in _COLUMN_HEADINGS.items() for at, cell in enumerate(cells) if cell in names}
    if "number" not in found:
        return ListColumns()
    return ListColumns(found["number"], found.get("reason", -1), found.get("until", -1), has_header=True)


class _CallerListReader:
    def __init__(self, name: str, file: str, report: ProblemReport) -> None:
        self._name = name
        self._file = file
        self._report = report
        self._numbers: dict[int, CallerListRow] = {}
        self._prefixes: dict[str, CallerListRow] = {}
        self._anonymous: CallerListRow | None = None
        self._shared_rows: dict[tuple[str, str], CallerListRow] = {}
        self._last_expiry = -math.inf
        self._columns = ListColumns()
        self._lines: _CsvLines
        self._plain_row: re.Pattern[bytes] | None = None
        """Matches a whole row of a number in E.164 and an end without quotes; None before the first row is read."""
        self._delimiter = ""
        self._known_ends: dict[bytes, CallerListRow] = {}
        self._problem_counts: dict[str, int] = {}
        self._row_count = 0

    def build_list(self) -> CallerList:
        """Return the list of all readable rows."""
        return CallerList(self._name, self._numbers, self._prefixes, self._anonymous)

    def read_rows(self, file: BinaryIO) -> None:
        """Read every row. Raises _UnreadableList if the rest of the file cannot be read."""
        self._lines = lines = _CsvLines(file, self._take_plain_row)
        source = iter(lines)
        first = next(source, None)
        if first is None:
            return
        delimiter = detect_list_delimiter(first)
        rows = csv.reader(itertools.chain([first], source), delimiter=delimiter, skipinitialspace=True, strict=True)
        try:
            for index, row in enumerate(rows):
                if not index:
                    self._columns = find_list_columns(row)
                if index or not self._columns.has_header:
                    self._read_row(row)
                if not index and self._columns.number == 0:
                    self._delimiter = delimiter
                    self._plain_row = re.compile(_PLAIN_ROW_TEMPLATE % re.escape(delimiter.encode()))
                lines.row_line = 0
        except csv.Error as error:
            raise _UnreadableList(
                lines.row_line or lines.line_number,
                f"this is not CSV: {error}",
                "a quote is not closed, or stands within a text",
            ) from None

    def _take_plain_row(self, line: bytes) -> bool:
        """Take a row of a number in E.164, without quotes, and without the csv module: this makes big lists quick.

        Returns False for every other row and every mistake. Such a row is then read with all checks.
        """
        plain = self._plain_row and self._plain_row.fullmatch(line)
        if not plain or self._row_count >= MAX_LIST_ROWS:
            return False
        entry = self._known_ends.get(plain[3]) or self._read_plain_end(plain[3])
        number = int(plain[1] or parse_e164_digits(plain[2].decode()) or 0)
        if entry is None or not number or number in self._numbers:
            return False
        self._numbers[number] = entry
        self._row_count += 1
        return True

    def _read_plain_end(self, end: bytes) -> CallerListRow | None:
        """Read what follows the number of a row without quotes; None if it is not quite right."""
        columns = self._columns
        try:
            row = end.decode().split(self._delimiter)
            written, until = (row[at].strip() if 0 <= at < len(row) else "" for at in columns[1:3])
            entry = self._share_row(written, until)
        except ValueError:  # not UTF-8, or no date
            return None
        if b"\0" in end or (not columns.has_header and any(cell.strip() for cell in row[3:])):
            return None
        if len(self._known_ends) < _MAX_KNOWN_ENDS:
            self._known_ends[end] = entry
        return entry

    def _read_row(self, row: list[str]) -> None:
        if not any(cell.strip() for cell in row):
            return
        self._row_count += 1
        if self._row_count > MAX_LIST_ROWS:
            raise _UnreadableList(
                self._lines.row_line, f"the list has over {MAX_LIST_ROWS} rows", "a prefix* stands for many numbers"
            )
        columns = self._columns
        written, reason, until = (row[at].strip() if 0 <= at < len(row) else "" for at in columns[:3])
        if not columns.has_header and any(cell.strip() for cell in row[3:]):
            message = f"the row has {len(row)} cells, and not a number, a reason and a date"
            self._report_problem("error", "list-row", row[3], message, "put a reason with commas in it in quotes")
            return
        entry = self._make_row(reason, until)
        if entry is not None:
            self._add_row(written.strip(INVISIBLE_LIST_CHARACTERS), entry)

    def _make_row(self, reason: str, until: str) -> CallerListRow | None:
        """Return a row, or None with an error for an invalid date."""
        try:
            return self._share_row(reason, until)
        except ValueError:
            fix = "write it as 2026-12-24, which holds to the end of that day, or 2026-12-24 18:00"
            self._report_problem("error", "list-row", until, f"until: {until!r:.60} is no date", fix)
            return None

    def _share_row(self, reason: str, until: str) -> CallerListRow:
        """Return a row. Rows with equal content share one object, up to a limit. Raises ValueError for an invalid date."""
        known = self._shared_rows.get((reason, until))
        if known is None:
            known = CallerListRow(clean_text(reason[:_MAX_REASON_CHARACTERS]), parse_list_expiry(until))
            self._last_expiry = max(self._last_expiry, known.end_timestamp)
            if len(self._shared_rows) < _MAX_SHARED_ROWS:
                self._shared_rows[reason, until] = known
        return known

    def _add_row(self, cell: str, row: CallerListRow) -> None:
        nanp = _NANP_NUMBER.fullmatch(cell)
        digits = nanp[1] if nanp else parse_e164_digits(cell)
        if digits:
            self._add_number(int(digits), cell, row)
        elif prefix := _NUMBER_PREFIX.fullmatch(cell):
            self._add_prefix(re.sub("[^0-9]", "", prefix[1]), cell, row)
        elif cell and is_anonymous(cell) and _ONLY_LETTERS.search(cell):
            self._anonymous = self._keep_longer_row(self._anonymous, row, cell)
        else:
            fix = (
                "write it with its country code, as +12015550123; a prefix as +1201*; "
                f"{ANONYMOUS_LIST_ENTRY} for withheld numbers"
            )
            fix = suggest_written_number(cell, fix)
            parts = _OTHER_SEPARATOR.split(cell, maxsplit=1)
            if len(parts) > 1 and parse_e164_digits(parts[0]):
                fix = f"a comma stands between the number and the reason: {parts[0]},{parts[1]:.30}"
            if _ROUNDED_NUMBER.fullmatch(cell):
                fix = "a spreadsheet has rounded it: make the column text there"
            self._report_problem("error", "list-row", cell, f"{cell!r:.60} is not a number", fix)

    def _add_number(self, number: int, cell: str, row: CallerListRow) -> None:
        if number in self._numbers:
            self._numbers[number] = self._keep_longer_row(self._numbers[number], row, cell)
            return
        self._numbers[number] = row
        if (
            not cell.startswith(("+", "1", "00"))
            and self._problem_counts.get("list-row-country", 0) <= _MAX_PROBLEMS_PER_RULE
            and lacks_country_code(cell)
        ):
            self._warn_missing_country_code(cell, f"+1{re.sub('[^0-9]', '', cell)}")

    def _add_prefix(self, digits: str, cell: str, row: CallerListRow) -> None:
        if digits not in self._prefixes and not cell.startswith(("+", "1", "00")) and len(digits) >= _AREA_CODE_DIGITS:
            self._warn_missing_country_code(cell, f"+1{digits}*")
        self._prefixes[digits] = self._keep_longer_row(self._prefixes.get(digits), row, cell)

    def _warn_missing_country_code(self, cell: str, suggestion: str) -> None:
        message = f"{cell} has no plus, and its first digits are taken for a country's code"
        fix = f"write {suggestion} if it is North American, else put its own country code with a plus before it"
        self._report_problem("warning", "list-row-country", cell, message, fix)

    def _keep_longer_row(self, earlier_row: CallerListRow | None, row: CallerListRow, cell: str) -> CallerListRow:
        """Return the row with the later expiry; warn if the number is duplicated."""
        if earlier_row is None:
            return row
        message = f"{cell} is in the list already"
        self._report_problem(
            "warning", "list-row-twice", cell, message, "take one out; until then the one that holds longer counts"
        )
        return earlier_row if earlier_row.end_timestamp >= row.end_timestamp else row

    def _report_problem(self, severity: ListProblemSeverity, rule: str, cell: str, message: str, fix: str) -> None:
        count = self._problem_counts[rule] = self._problem_counts.get(rule, 0) + 1
        if count == _MAX_PROBLEMS_PER_RULE + 1:
            message, fix = "there are more rows like those above", ""
        if count <= _MAX_PROBLEMS_PER_RULE + 1:
            column = self._lines.row_text.rfind(cell) + 1 if cell else 0
            self._report.problems.append(
                Problem(self._file, self._lines.row_line, max(column, 1), severity, rule, message, fix)
            )

    def report_list_problems(self, path: SourcePath, now: datetime) -> None:
        """Report problems of the whole list, after all rows are read."""
        if not self._row_count:
            self._report.warning(path, "list-empty", f"lists: {self._name}: {self._file} has no rows", "nobody is in it")
            return
        if -math.inf < self._last_expiry <= now.timestamp():
            day = datetime.fromtimestamp(self._last_expiry, UTC).date()
            message = f"lists: {self._name}: all rows of {self._file} have expired, the last by {day}"
            self._report.warning(path, "list-stale", message, "nobody is in it any more: renew it, or take it out")


def detect_list_delimiter(line: str) -> str:
    """Return the delimiter after the first cell; numbers contain no delimiter."""
    found = _DELIMITER.match(line)
    return found[1] if found else ","


@functools.lru_cache(maxsize=4096)
def parse_list_expiry(text: str) -> datetime | None:
    """Parse the expiry of a row; None means never. Raises ValueError."""
    if not text or text.casefold() == "never":
        return None
    if not _EXPIRY.fullmatch(text):
        raise ValueError(text)
    until = datetime.fromisoformat(re.sub("[T ]+", "T", text))
    if until.year >= _NO_EXPIRY_YEAR:
        return None
    if until.year < _MIN_EXPIRY_YEAR:
        raise ValueError(text)
    return until + timedelta(days=1) if len(text) == _DATE_CHARACTERS else until
