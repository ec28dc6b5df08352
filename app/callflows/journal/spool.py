"""Spools journal entries to files while the database is unavailable, so that entries survive the process.

A file is a segment with one line of JSON per entry. All access is under a file lock, so that several processes can share a
folder: append entries, forget a number, write the oldest segment to the database.
"""

from __future__ import annotations

import base64
import contextlib
import fcntl
import json
import os
import time
from typing import IO, TYPE_CHECKING, Any, Final

from callflows.errors import JournalError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from callflows.journal.stored_rows import JournalEntry


SPOOL_SEGMENT_BYTES: Final = 1_000_000
"""Size in bytes after which a new segment is begun."""
MAX_SPOOL_BYTES: Final = 256_000_000
"""Maximum size in bytes of all segments, about 100,000 turns or events. Further entries are dropped, counted and logged."""


class Spool:
    """The segments of one folder."""

    def __init__(self, folder: Path, max_bytes: int = MAX_SPOOL_BYTES) -> None:
        self._folder = folder
        self._max_bytes = max_bytes

    def append(self, entries: Sequence[JournalEntry]) -> None:
        """Append all entries or no entry; the entries are on the disk on return.

        Raises OSError if the disk accepts no more data, and JournalError if the spool is full.
        """
        lines = b"".join(_encode_entry(entry) for entry in entries)
        size, newest = self._measure_segments()
        if size + len(lines) > self._max_bytes:
            raise JournalError(f"more than {self._max_bytes} bytes wait for the database")
        self._folder.mkdir(parents=True, exist_ok=True)
        with self._lock_newest_segment(newest) as segment:
            before = segment.seek(0, os.SEEK_END)
            try:
                segment.write(lines)
                segment.flush()
                os.fsync(segment.fileno())
            except OSError:
                with contextlib.suppress(OSError):
                    segment.truncate(before)
                raise

    @contextlib.contextmanager
    def _lock_newest_segment(self, newest: Path | None) -> Iterator[IO[bytes]]:
        """Yield a locked segment to append to: the newest, or a new one if the newest is full, deleted or in use."""
        if newest is not None and _measure_file(newest) < SPOOL_SEGMENT_BYTES:
            # A segment that is written to a slow database is locked for long: nobody waits for it.
            with contextlib.suppress(FileNotFoundError, BlockingIOError), _open_locked(newest, fcntl.LOCK_NB) as segment:
                if os.fstat(segment.fileno()).st_nlink:
                    yield segment
                    return
        path = self._folder / f"journal-{time.time_ns():020}-{os.getpid()}.spool"
        path.touch(mode=0o600)
        with _open_locked(path) as segment:
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

    def drain_oldest_segment(self, write_entries: Callable[[list[JournalEntry]], None]) -> int:
        """Pass the oldest segment to ``write_entries``, then delete the file. Return the number of remaining segments.

        The file stays if ``write_entries`` raises.
        """
        files = self.list_segments()
        if not files:
            return 0
        with contextlib.suppress(FileNotFoundError), _open_locked(files[0]) as segment:
            if os.fstat(segment.fileno()).st_nlink:  # else another process deleted the file while this one waited
                write_entries(_read_entries(segment))
                files[0].unlink()
        return len(files) - 1

    def rewrite_entries(self, rewrite_entry: Callable[[JournalEntry], JournalEntry | None]) -> int:
        """Replace entries, or remove an entry if ``rewrite_entry`` returns None. Return the number of changed entries."""
        count = 0
        for path in self.list_segments():
            with contextlib.suppress(FileNotFoundError), _open_locked(path) as segment:
                entries = _read_entries(segment)
                others = [rewrite_entry(entry) for entry in entries]
                hits = sum(old != new for old, new in zip(entries, others, strict=True))
                if hits:
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
def _open_locked(path: Path, flags: int = 0) -> Iterator[IO[bytes]]:
    """Yield an open file with a lock; with ``LOCK_NB`` raise BlockingIOError if another has the lock."""
    with path.open("r+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX | flags)
        yield file


def _encode_entry(entry: JournalEntry) -> bytes:
    table, row = entry
    plain = {name: base64.b64encode(value).decode() if isinstance(value, bytes) else value for name, value in row.items()}
    return json.dumps([table, plain], separators=(",", ":")).encode() + b"\n"


def _read_entries(segment: IO[bytes]) -> list[JournalEntry]:
    """Return the entries of a segment; skip a line that a killed process left incomplete."""
    segment.seek(0)
    found: list[JournalEntry] = []
    for line in segment:
        with contextlib.suppress(ValueError):
            table, row = json.loads(line)
            found.append((table, _decode_document(row)))
    return found


def _decode_document(row: dict[str, Any]) -> dict[str, Any]:
    return {**row, "document": base64.b64decode(row["document"])} if "document" in row else row
