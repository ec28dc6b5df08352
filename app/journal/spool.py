"""What waits in files while the database is gone, so that it outlives this process; written to the disk before it counts.

Each file is a segment: a line of JSON for each entry, appended under a lock, so that processes that share a folder can all
write to it, forget a number in it, and write its oldest segment to the database once that is back.
"""

from __future__ import annotations

import base64
import contextlib
import fcntl
import json
import os
import time
from typing import IO, TYPE_CHECKING, Any, Final

from app.errors import JournalError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from app.journal.store import Entry

SEGMENT: Final = 1_000_000
"""Bytes of a segment, from which on another is begun …"""
MOST: Final = 256_000_000
"""… and of all of them: about 100,000 turns or reports. What comes beyond that is dropped, counted and said."""


class Spool:
    """The segments of one folder. Raises OSError where the disk cannot take more, JournalError where too much waits."""

    def __init__(self, folder: Path, most: int = MOST) -> None:
        self._folder = folder
        self._most = most

    def append(self, entries: Sequence[Entry]) -> None:
        """Put entries at the end, all or none; they are on the disk when this returns."""
        lines = b"".join(_line(entry) for entry in entries)
        size, newest = self._size()
        if size + len(lines) > self._most:
            raise JournalError(f"more than {self._most} bytes wait for the database")
        self._folder.mkdir(parents=True, exist_ok=True)
        with self._end(newest) as segment:
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
    def _end(self, newest: Path | None) -> Iterator[IO[bytes]]:
        """The segment to append to, locked: the newest, or another where that is full or gone by now."""
        if newest is not None and newest.stat().st_size < SEGMENT:
            with contextlib.suppress(FileNotFoundError), _locked(newest) as segment:
                if os.fstat(segment.fileno()).st_nlink:
                    yield segment
                    return
        path = self._folder / f"journal-{time.time_ns():020}-{os.getpid()}.spool"
        path.touch(mode=0o600)
        with _locked(path) as segment:
            yield segment

    def segments(self) -> list[Path]:
        """The files, oldest first."""
        return sorted(self._folder.glob("journal-*.spool"))

    def _size(self) -> tuple[int, Path | None]:
        files = self.segments()
        size = 0
        for file in files:
            with contextlib.suppress(FileNotFoundError):
                size += file.stat().st_size
        return size, files[-1] if files else None

    @property
    def bytes(self) -> int:
        """How much waits."""
        return self._size()[0]

    def drain(self, write: Callable[[list[Entry]], None]) -> int:
        """Give the oldest segment to ``write`` and take it away, unless that raises; how many segments there are still."""
        files = self.segments()
        if not files:
            return 0
        with contextlib.suppress(FileNotFoundError), _locked(files[0]) as segment:
            if os.fstat(segment.fileno()).st_nlink:
                write(_entries(segment))
                files[0].unlink()
        return len(files) - 1

    def change(self, changed: Callable[[Entry], Entry | None]) -> int:
        """Put something else in the place of entries, or nothing; how many were."""
        count = 0
        for path in self.segments():
            with contextlib.suppress(FileNotFoundError), _locked(path) as segment:
                entries = _entries(segment)
                others = [changed(entry) for entry in entries]
                hits = sum(old != new for old, new in zip(entries, others, strict=True))
                if hits:
                    segment.seek(0)
                    segment.truncate()
                    segment.write(b"".join(_line(entry) for entry in others if entry is not None))
                    segment.flush()
                    os.fsync(segment.fileno())
                count += hits
        return count


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[IO[bytes]]:
    with path.open("r+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield file


def _line(entry: Entry) -> bytes:
    table, row = entry
    plain = {name: base64.b64encode(value).decode() if isinstance(value, bytes) else value for name, value in row.items()}
    return json.dumps([table, plain], separators=(",", ":")).encode() + b"\n"


def _entries(segment: IO[bytes]) -> list[Entry]:
    """The entries of a segment; a line that was cut off, as the process was killed, is none."""
    segment.seek(0)
    found: list[Entry] = []
    for line in segment:
        with contextlib.suppress(ValueError):
            table, row = json.loads(line)
            found.append((table, _with_bytes(row)))
    return found


def _with_bytes(row: dict[str, Any]) -> dict[str, Any]:
    return {**row, "document": base64.b64decode(row["document"])} if "document" in row else row
