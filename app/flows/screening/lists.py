"""CSV files to caller lists, with the place of everything that is wrong in them.

Rows are ``number or prefix*, reason, until``. They come out of other programs: a header, a byte order mark, semicolons or
tabs, quotes and any line ends are fine; what could be misread is an error with its line and column.
"""

from __future__ import annotations

import csv
import itertools
import math
import re
import stat
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, BinaryIO, Final, Literal, NamedTuple, TypeAlias

from app.characters import clean
from app.errors import Problem
from app.flows.dialing.plans import digits_of, lacks_country
from app.flows.screening.callers import ANONYMOUS, CallerList, Row
from app.withheld import is_withheld

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Iterator

    from app.flows.places import Path, Report

Severity: TypeAlias = Literal["error", "warning"]
MAX_BYTES: Final = 200_000_000
"""A list longer than this is refused."""
MAX_ROWS: Final = 2_000_000
_MAX_LINE: Final = 8192
_MAX_REASON: Final = 200
_MAX_SAID: Final = 20  # of each kind, for one list
_RELATIVE: Final = "lists are named relative to the flow file"

_INVISIBLE: Final = " \t\xa0\u200b\u200e\u200f\u202a\u202c\u202d\u2060\ufeff'"
"""What spreadsheets and web pages leave around a number; the apostrophe is how a spreadsheet marks a text."""
_NANP: Final = re.compile(r"\+?(1[2-9][0-9]{9})")
_PREFIX: Final = re.compile(r"\+?([1-9][0-9 ().\-]{0,30})\*")
_ROUNDED: Final = re.compile(r"[0-9][.,]?[0-9]*[eE]\+?[0-9]+")
_AREA: Final = 3
_WORD: Final = re.compile(r"^[^0-9]*[a-z][^0-9]*$", re.IGNORECASE)
_DELIMITER: Final = re.compile(r'[ ]*(?:"[^"]*"|[^",;\t]*)[ ]*([,;\t])')
_UNTIL: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?:[T ]+[0-9]{2}:[0-9]{2}(?::[0-9]{2})?(?:Z|[+-][0-9]{2}:?[0-9]{2})?)?"
)
_FIRST, _FOREVER = 1980, 9000
"""Years between which a date is meant as one."""
_DATE: Final = len("2026-12-24")
_HEADINGS: Final = {
    "number": frozenset(
        {"number", "phone", "phone number", "phone_number", "caller", "telephone", "tel", "prefix", "e164"}
    ),
    "reason": frozenset({"reason", "note", "comment", "description"}),
    "until": frozenset({"until", "expires", "expiry", "valid until", "valid_until", "end"}),
}


class _Unreadable(Exception):  # a reason to stop, never seen outside
    def __init__(self, line: int, message: str, mend: str = "") -> None:
        super().__init__(message)
        self.line = line
        self.mend = mend


def read_list(name: str, file: pathlib.Path, report: Report, path: Path, now: datetime) -> CallerList:
    """The list ``name`` from a CSV file; what can be read of it. Never raises.

    What is wrong with the file as a whole is said at ``path`` of the flow file, what is wrong with a row at its own line
    and column. ``now`` (with its offset) tells which rows have expired.
    """
    reader = _Reader(name, str(file), report)
    try:
        with _opened(file) as lines:
            reader.read(lines)
    except FileNotFoundError:
        report.error(path, "list-missing", f"lists: {name}: there is no file {file}", _RELATIVE)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        report.error(path, "list-unreadable", f"lists: {name}: {file} cannot be read: {why}")
    except _Unreadable as error:
        report.problems.append(Problem(str(file), error.line, 1, "error", "list-unreadable", str(error), error.mend))
    else:
        reader.finish(path, now)
    return reader.made()


def _opened(file: pathlib.Path) -> BinaryIO:
    found = file.stat()
    if not stat.S_ISREG(found.st_mode):
        raise OSError(0, "it is no file")
    if found.st_size > MAX_BYTES:
        raise OSError(0, f"it has {found.st_size} bytes, more than {MAX_BYTES}")
    return file.open("rb")


class _Lines:
    """A file's lines as csv takes them, without blanks and comments. ``number`` is the last one's, ``first`` the row's."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.number = 0
        self.first = 0
        self.text = ""

    def __iter__(self) -> Iterator[str]:
        while raw := self._file.readline(_MAX_LINE):
            for part in raw.removesuffix(b"\n").removesuffix(b"\r").split(b"\r"):
                self.number += 1
                text = self._decoded(part)
                if text and not text.isspace() and not text.lstrip().startswith("#"):
                    if not self.first:
                        self.first, self.text = self.number, text
                    yield text + "\n"
            if len(raw) == _MAX_LINE:
                raise _Unreadable(
                    self.number, f"the line has over {_MAX_LINE} bytes", "a row is a number, a reason and a date"
                )

    def _decoded(self, part: bytes) -> str:
        try:
            text = part.decode("utf-8-sig" if self.number == 1 else "utf-8")
        except UnicodeDecodeError:
            raise _Unreadable(self.number, "the file is not UTF-8", "save it as UTF-8") from None
        if "\0" in text:
            raise _Unreadable(self.number, "the file is no text: it holds zero bytes", "save it as CSV in UTF-8")
        return text


class _Columns(NamedTuple):
    number: int = 0
    reason: int = 1
    until: int = 2
    more: bool = False


class _Reader:
    """Reads one list."""

    def __init__(self, name: str, file: str, report: Report) -> None:
        self._name = name
        self._file = file
        self._report = report
        self._numbers: dict[int, Row] = {}
        self._prefixes: dict[str, Row] = {}
        self._anonymous: Row | None = None
        self._interned: dict[tuple[str, str], Row] = {}
        self._columns = _Columns()
        self._lines: _Lines
        self._said: dict[str, int] = {}
        self._rows = 0

    def made(self) -> CallerList:
        """The list of all rows that could be read."""
        return CallerList(self._name, self._numbers, self._prefixes, self._anonymous)

    def read(self, file: BinaryIO) -> None:
        """Every row. Raises _Unreadable where the rest cannot be read."""
        self._lines = lines = _Lines(file)
        source = iter(lines)
        first = next(source, None)
        if first is None:
            return
        delimiter = _delimiter(first)
        rows = csv.reader(itertools.chain([first], source), delimiter=delimiter, skipinitialspace=True, strict=True)
        try:
            for index, row in enumerate(rows):
                if index or not self._header(row):
                    self._row(row)
                lines.first = 0
        except csv.Error as error:
            raise _Unreadable(
                lines.first or lines.number, f"this is not CSV: {error}", "a quote is not closed, or stands within a text"
            ) from None

    def _header(self, row: list[str]) -> bool:
        """Whether the first row names the columns; it may give them another order."""
        cells = [cell.strip().casefold() for cell in row]
        found = {kind: at for kind, names in _HEADINGS.items() for at, cell in enumerate(cells) if cell in names}
        if "number" not in found:
            return False
        self._columns = _Columns(found["number"], found.get("reason", -1), found.get("until", -1), more=True)
        return True

    def _row(self, row: list[str]) -> None:
        if not any(cell.strip() for cell in row):
            return
        self._rows += 1
        if self._rows > MAX_ROWS:
            raise _Unreadable(self._lines.first, f"the list has over {MAX_ROWS} rows", "a prefix* stands for many numbers")
        columns = self._columns
        written, reason, until = (row[at].strip() if 0 <= at < len(row) else "" for at in columns[:3])
        if not columns.more and any(cell.strip() for cell in row[3:]):
            said = f"the row has {len(row)} cells, and not a number, a reason and a date"
            self._say("error", "list-row", row[3], said, "put a reason with commas in it in quotes")
            return
        entry = self._entry(reason, until)
        if entry is not None:
            self._add(written.strip(_INVISIBLE), entry)

    def _entry(self, reason: str, until: str) -> Row | None:
        """Reason and expiry, one object for the rows that share them; None, with an error said, where it is no date."""
        known = self._interned.get((reason, until))
        if known is None:
            try:
                known = Row(clean(reason[:_MAX_REASON]), _until(until))
            except ValueError:
                mend = "write it as 2026-12-24, which holds to the end of that day, or 2026-12-24 18:00"
                self._say("error", "list-row", until, f"until: {until!r:.60} is no date", mend)
                return None
            self._interned[reason, until] = known
        return known

    def _add(self, written: str, entry: Row) -> None:
        nanp = _NANP.fullmatch(written)
        digits = nanp[1] if nanp else digits_of(written)
        if digits:
            self._add_number(int(digits), written, entry)
        elif prefix := _PREFIX.fullmatch(written):
            self._add_prefix(re.sub("[^0-9]", "", prefix[1]), written, entry)
        elif written and is_withheld(written) and _WORD.search(written):
            self._anonymous = self._longer(self._anonymous, entry, written)
        else:
            mend = f"write it with its country code, as +12015550123; a prefix as +1201*; {ANONYMOUS} for withheld numbers"
            if _ROUNDED.fullmatch(written):
                mend = "a spreadsheet has rounded it: make the column text there"
            self._say("error", "list-row", written, f"{written!r:.60} is not a number", mend)

    def _add_number(self, number: int, written: str, entry: Row) -> None:
        if number in self._numbers:
            self._numbers[number] = self._longer(self._numbers[number], entry, written)
            return
        self._numbers[number] = entry
        if (
            not written.startswith(("+", "1"))
            and self._said.get("list-row-country", 0) <= _MAX_SAID
            and lacks_country(written)
        ):
            self._misread(written, f"+1{re.sub('[^0-9]', '', written)}")

    def _add_prefix(self, digits: str, written: str, entry: Row) -> None:
        if digits not in self._prefixes and not written.startswith(("+", "1")) and len(digits) >= _AREA:
            self._misread(written, f"+1{digits}*")
        self._prefixes[digits] = self._longer(self._prefixes.get(digits), entry, written)

    def _misread(self, written: str, meant: str) -> None:
        said = f"{written} has no plus, and its first digits are taken for a country's code"
        mend = f"write {meant} if it is North American, else put a plus before it"
        self._say("warning", "list-row-country", written, said, mend)

    def _longer(self, known: Row | None, entry: Row, written: str) -> Row:
        """Of two rows for one number the one that holds longer, and a warning."""
        if known is None:
            return entry
        said = f"{written} is in the list already"
        self._say("warning", "list-row-twice", written, said, "take one out; until then the one that holds longer counts")
        return known if known.end >= entry.end else entry

    def _say(self, severity: Severity, rule: str, cell: str, message: str, mend: str) -> None:
        said = self._said[rule] = self._said.get(rule, 0) + 1
        if said == _MAX_SAID + 1:
            message, mend = "there are more rows like those above", ""
        if said <= _MAX_SAID + 1:
            column = self._lines.text.rfind(cell) + 1 if cell else 0
            self._report.problems.append(
                Problem(self._file, self._lines.first, max(column, 1), severity, rule, message, mend)
            )

    def finish(self, path: Path, now: datetime) -> None:
        """What is to be said when all rows are read."""
        if not self._rows:
            self._report.warning(path, "list-empty", f"lists: {self._name}: {self._file} has no rows", "nobody is in it")
            return
        last = max((row.end for row in self._interned.values()), default=math.inf)
        if last <= now.timestamp():
            day = datetime.fromtimestamp(last, UTC).date()
            said = f"lists: {self._name}: all rows of {self._file} have expired, the last by {day}"
            self._report.warning(path, "list-stale", said, "nobody is in it any more: renew it, or take it out")


def _delimiter(line: str) -> str:
    """What stands after the first cell; no number holds one."""
    found = _DELIMITER.match(line)
    return found[1] if found else ","


def _until(written: str) -> datetime | None:
    """When a row expires; None where it never does. Raises ValueError."""
    if not written or written.casefold() == "never":
        return None
    if not _UNTIL.fullmatch(written):
        raise ValueError(written)
    until = datetime.fromisoformat(re.sub("[T ]+", "T", written))
    if until.year >= _FOREVER:
        return None
    if until.year < _FIRST:
        raise ValueError(written)
    return until + timedelta(days=1) if len(written) == _DATE else until
