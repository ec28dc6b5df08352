"""Spools journal entries to files while the database is gone or the server is busy, so that entries survive the process.

A file is a segment with one line of JSON per entry, or per batch of packed turns. All access is under a file lock, so that
several processes can share a folder: append entries, forget a number, write the oldest entries to the database.
"""

from __future__ import annotations

import base64
import contextlib
import itertools
import json
import os
import time
import zlib
from typing import IO, TYPE_CHECKING, Any, Final

from callflows.atomic_files import create_locked_file, wait_for_lock
from callflows.errors import JournalError
from callflows.journal.journal_rows import build_turn_entries
from callflows.journal.redacted_turns import unpack_turns
from callflows.log import get_logger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from callflows.journal.stored_rows import JournalEntry


_LOG: Final = get_logger("journal")
SPOOL_SEGMENT_BYTES: Final = 1_000_000
"""Size in bytes after which a new segment is begun."""
MAX_SPOOL_BYTES: Final = 256_000_000
"""Maximum size in bytes of all segments: 100,000 events, or several times as many turns. More is not taken."""
ENTRIES_PER_DRAIN: Final = 200
"""Number of entries after which a drain writes what it has read."""
_PACKED_TURNS: Final = "packed turns"
"""Stands in the place of the table in the line of a batch."""
LONG_LOCK_SECONDS: Final = 10.0
"""Time after which a locked segment is left to its holder, and the next ones are written."""
MAX_REWRITE_WAIT_SECONDS: Final = 60.0
"""Wait for a segment that another process writes to a slow database."""
_SEGMENT_NUMBERS: Final = itertools.count()
_WRITTEN_MARK: Final = b"#"
"""Replaces the first byte of a line if this line and all before it are written to the database."""


class Spool:
    """The segments of one folder."""

    def __init__(self, folder: Path, max_bytes: int = MAX_SPOOL_BYTES) -> None:
        self._folder = folder
        self._max_bytes = max_bytes
        # An appended entry raises the first number; a complete drain sets the second to the first at its beginning.
        self._append_number, self._drained_number = 1, 0
        # Segments that other processes have locked: since when, and whether that was logged.
        self._locked_since: dict[Path, tuple[float, bool]] = {}

    def append(self, entries: Sequence[JournalEntry], packed_turns: Sequence[bytes] = ()) -> None:
        """Append all entries and batches of turns, or nothing; they are on the disk on return.

        Raises OSError if the disk accepts no more data, and JournalError if the spool is full.
        """
        lines = b"".join([*map(_encode_entry, entries), *map(_encode_packed_turns, packed_turns)])
        size, newest = self._measure_segments()
        if size + len(lines) > self._max_bytes:
            raise JournalError(f"more than {self._max_bytes} bytes wait for the database")
        self._folder.mkdir(parents=True, exist_ok=True)
        with self._lock_newest_segment(newest) as segment:
            before = segment.seek(0, os.SEEK_END)
            try:
                segment.write(lines if _ends_with_line(segment) else b"\n" + lines)
                segment.flush()
                os.fsync(segment.fileno())
            except OSError:
                with contextlib.suppress(OSError):
                    segment.truncate(before)
                raise
        self._append_number += 1

    @contextlib.contextmanager
    def _lock_newest_segment(self, newest: Path | None) -> Iterator[IO[bytes]]:
        """Yield a locked segment to append to: the newest, or a new one if the newest is full, deleted or in use."""
        if newest is not None and _measure_file(newest) < SPOOL_SEGMENT_BYTES:
            # A segment that is written to a slow database is locked for long: nobody waits for it.
            with contextlib.suppress(FileNotFoundError, BlockingIOError), _open_locked(newest) as segment:
                if os.fstat(segment.fileno()).st_nlink:
                    yield segment
                    return
        path = self._folder / f"journal-{time.time_ns():020}-{os.getpid()}-{next(_SEGMENT_NUMBERS)}.spool"
        with os.fdopen(create_locked_file(path), "r+b") as segment:
            yield segment

    def list_segments(self) -> list[Path]:
        """Return the segment files, oldest first."""
        return sorted(self._folder.glob("journal-*.spool"))

    def _measure_segments(self) -> tuple[int, Path | None]:
        files = self.list_segments()
        size = 0
        for file in files:
            size += _measure_file(file)
        return size, files[-1] if files else None

    @property
    def size_bytes(self) -> int:
        return self._measure_segments()[0]

    @property
    def may_have_entries(self) -> bool:
        """False if a drain has written everything, and nothing was appended since; other processes are not seen."""
        return self._append_number != self._drained_number

    def look_for_entries(self) -> bool:
        """Return True if there are segments, those of other processes included; the next drain reads them."""
        has_segments = bool(self.list_segments())
        self._append_number += has_segments
        return has_segments

    def drain_oldest_entries(self, write_entries: Callable[[list[JournalEntry]], None]) -> bool:
        """Pass the oldest entries to ``write_entries``, then forget them. Return True if others remain.

        The entries stay if ``write_entries`` raises.
        """
        number = self._append_number
        files = self.list_segments()
        for file in files:
            try:
                with _open_locked(file) as segment:
                    self._locked_since.pop(file, None)
                    if self._drain_segment(segment, file, write_entries) or len(files) > 1:
                        return True
                    break
            except FileNotFoundError:  # another process has written it
                continue
            except BlockingIOError:
                # Another process writes it to the database: to write others meanwhile would only slow that down.
                if not self._is_locked_for_long(file):
                    return False
        if not any(file in self._locked_since for file in files):
            self._drained_number = number
        return False

    def _drain_segment(self, segment: IO[bytes], file: Path, write_entries: Callable[[list[JournalEntry]], None]) -> bool:
        """Pass the oldest entries of a locked segment; delete its file with the last ones. Return True if some remain."""
        if not os.fstat(segment.fileno()).st_nlink:
            return False  # another process deleted the file before the lock
        last = 0
        entries: list[JournalEntry] = []
        for start, line in _read_waiting_lines(segment):
            if len(entries) >= ENTRIES_PER_DRAIN:
                write_entries(entries)
                segment.seek(last)
                segment.write(_WRITTEN_MARK)
                return True
            entries += _decode_line(line)
            last = start
        if entries:
            write_entries(entries)
        file.unlink()
        return False

    def _is_locked_for_long(self, file: Path) -> bool:
        """Return True if every attempt to lock a segment failed for so long that its holder may have been stopped."""
        now = time.monotonic()
        if file not in self._locked_since:
            self._locked_since = {path: since for path, since in self._locked_since.items() if path.exists()}
        since, is_known = self._locked_since.get(file, (now, False))
        is_long = now - since >= LONG_LOCK_SECONDS
        self._locked_since[file] = since, is_long
        if is_long and not is_known:
            _LOG.warning(
                "another process has locked entries that wait for the database; they are written when it ends or goes on",
                file=str(file),
                seconds=LONG_LOCK_SECONDS,
            )
        return is_long

    def rewrite_entries(self, rewrite_entry: Callable[[JournalEntry], JournalEntry | None]) -> int:
        """Replace entries, or remove an entry if ``rewrite_entry`` returns None. Return the number of changed entries.

        Raises BlockingIOError if another process has locked a segment for ``MAX_REWRITE_WAIT_SECONDS``.
        """
        count = 0
        for path in self.list_segments():
            with contextlib.suppress(FileNotFoundError), _open_locked(path, MAX_REWRITE_WAIT_SECONDS) as segment:
                entries = [entry for _start, line in _read_waiting_lines(segment) for entry in _decode_line(line)]
                others = [rewrite_entry(entry) for entry in entries]
                hits = sum(old != new for old, new in zip(entries, others, strict=True))
                if hits or _find_waiting_start(segment):
                    segment.seek(0)
                    segment.truncate()
                    segment.write(b"".join(_encode_entry(entry) for entry in others if entry is not None))
                    segment.flush()
                    os.fsync(segment.fileno())
                count += hits
        return count


def _measure_file(path: Path) -> int:
    """Return the size of a file; 0 if another thread or process deleted it."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


@contextlib.contextmanager
def _open_locked(path: Path, wait_seconds: float = 0.0) -> Iterator[IO[bytes]]:
    """Yield an open file with a lock. Raises BlockingIOError if another has the lock for so long."""
    with path.open("r+b") as file:
        wait_for_lock(file, path, wait_seconds)
        yield file


def _encode_entry(entry: JournalEntry) -> bytes:
    table, row = entry
    plain = {name: base64.b64encode(value).decode() if isinstance(value, bytes) else value for name, value in row.items()}
    return json.dumps([table, plain], separators=(",", ":")).encode() + b"\n"


def _encode_packed_turns(packed: bytes) -> bytes:
    return json.dumps([_PACKED_TURNS, base64.b64encode(packed).decode()]).encode() + b"\n"


def _ends_with_line(segment: IO[bytes]) -> bool:
    """Return True if a segment is empty or ends with a whole line; a killed process may have left a part of one."""
    end = segment.seek(0, os.SEEK_END)
    if not end:
        return True
    segment.seek(end - 1)
    return segment.read(1) == b"\n"


def _find_waiting_start(segment: IO[bytes]) -> int:
    """Return the position of the first line that is not written to the database yet."""
    segment.seek(0)
    content = segment.read()
    last_written = 0 if content.startswith(_WRITTEN_MARK) else -1
    last_written = max(last_written, content.rfind(b"\n" + _WRITTEN_MARK) + 1 or -1)
    return content.find(b"\n", last_written) + 1 if last_written >= 0 else 0


def _read_waiting_lines(segment: IO[bytes]) -> Iterator[tuple[int, bytes]]:
    """Yield the lines that are not written to the database yet, each with its position."""
    start = _find_waiting_start(segment)
    segment.seek(start)
    for line in segment.readlines():
        yield start, line
        start += len(line)


def _decode_line(line: bytes) -> list[JournalEntry]:
    """Return the entries of a line; none for a line that a killed process left incomplete."""
    try:
        table, row = json.loads(line)
        if table == _PACKED_TURNS:
            turns, texts = unpack_turns(base64.b64decode(row))
            return [entry for turn in turns for entry in build_turn_entries(turn, texts)]
        return [(table, _decode_document(row))]
    except (ValueError, TypeError, LookupError, zlib.error):
        return []


def _decode_document(row: dict[str, Any]) -> dict[str, Any]:
    return {**row, "document": base64.b64decode(row["document"])} if "document" in row else row
