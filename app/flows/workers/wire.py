"""What the server and a worker process say to each other.

Frames go over a socket. Beside it there are *tokens* and a *board*. A token is a request's id in a pipe that both can read:
whoever reads it owns the request, so that the server can take back what a worker has not begun, and nothing is begun twice.
The board is memory that both see: which request holds the worker's loop, and since when. It can be read while the worker
is stuck in native code.
"""

from __future__ import annotations

import json
import mmap
import os
import struct
import sys
import tempfile
import traceback
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

LONGEST: Final = 4 * 1024 * 1024
"""Bytes of a request or a reply."""
REQUEST, CANCEL, READY, BROKEN, ANSWER, FAILED, CANCELLED = range(7)
"""Kinds of frames: the first two go to the worker, the others come from it."""

HEAD: Final = struct.Struct("<IBQ")
"""Before a frame's body: its length, the frame's kind, the request's id."""
_TOKEN: Final = struct.Struct("<Q")
_BOARD: Final = struct.Struct("<QdQ")
_STEP: Final = struct.Struct("<d")


def environment() -> dict[str, str]:
    """What a process that runs authors' work sees of ours: no setting of the installation, and so no key and no token."""
    return {name: value for name, value in os.environ.items() if not name.startswith("CALLFLOWS_")}


def frame(kind: int, number: int = 0, body: bytes = b"") -> bytes:
    """A frame as it goes over the wire."""
    return HEAD.pack(len(body), kind, number) + body


class Frames:
    """Frames out of what was received, however it was cut."""

    __slots__ = ("_rest",)

    def __init__(self) -> None:
        self._rest = bytearray()

    def of(self, received: bytes) -> Iterator[tuple[int, int, bytes]]:
        """Kind, id and body of each whole frame. Raises ValueError for a frame that is too long."""
        rest = self._rest
        rest += received
        while len(rest) >= HEAD.size:
            length, kind, number = HEAD.unpack_from(rest)
            if length > LONGEST:
                raise ValueError(f"a frame of {length} bytes")
            end = HEAD.size + length
            if len(rest) < end:
                return
            body = bytes(rest[HEAD.size : end])
            del rest[:end]
            yield kind, number, body


class Board:
    """Which request holds a worker's loop (0: none), since when (``time.monotonic``), and which was begun last."""

    __slots__ = ("_seen",)
    SIZE: Final = _BOARD.size

    def __init__(self, file: int) -> None:
        self._seen = mmap.mmap(file, self.SIZE)

    def step(self, number: int, at: float) -> None:
        """A request goes on; the time stands there before the id does."""
        _STEP.pack_into(self._seen, _TOKEN.size, at)
        _TOKEN.pack_into(self._seen, 0, number)

    def rest(self) -> None:
        """No request holds the loop."""
        _TOKEN.pack_into(self._seen, 0, 0)

    def begin(self, number: int) -> None:
        """A request was begun."""
        _TOKEN.pack_into(self._seen, _TOKEN.size + _STEP.size, number)

    def read(self) -> tuple[int, float, int]:
        """The request that holds the loop, since when, and the one begun last."""
        current, since, begun = _BOARD.unpack_from(self._seen)
        return current, since, begun

    def close(self) -> None:
        """Give the memory back."""
        self._seen.close()


def board_file() -> int:
    """A file for a board, in memory where the system has such files; the caller closes it."""
    if sys.platform == "linux":
        file = os.memfd_create("board")
    else:
        with tempfile.TemporaryFile() as made:
            file = os.dup(made.fileno())
    os.truncate(file, Board.SIZE)
    return file


class Tokens:
    """The pipe of tokens. Ids only grow."""

    __slots__ = ("_last", "_writes", "reads")

    def __init__(self, reads: int, writes: int = -1) -> None:
        """The pipe's two ends, not blocking; a worker has only the one that reads."""
        self.reads = reads
        self._writes = writes
        self._last = 0

    def put(self, number: int) -> bool:
        """Offer a request; false where the pipe is full."""
        try:
            os.write(self._writes, _TOKEN.pack(number))
        except BlockingIOError:
            return False
        return True

    def claim(self, number: int) -> bool:
        """Whether a request is the reader's to begin."""
        while self._last < number:
            try:
                token = os.read(self.reads, _TOKEN.size)
            except BlockingIOError:
                return False
            if not token:
                return False
            (self._last,) = _TOKEN.unpack(token)
        return self._last == number

    def take_back(self) -> list[int]:
        """The requests that nobody began, and now nobody will."""
        found = b""
        try:
            while read := os.read(self.reads, 65_536):
                found += read
        except BlockingIOError:
            pass
        return [number for (number,) in _TOKEN.iter_unpack(found)]

    def close(self) -> None:
        """Close the ends."""
        os.close(self.reads)
        if self._writes >= 0:
            os.close(self._writes)


_MESSAGE: Final = 2_000
_TRACE: Final = 20_000


def told(error: BaseException) -> bytes:
    """An error's type, message and place, for ``error_told``; what is too long is cut."""
    try:
        message = str(error)
    except Exception:  # noqa: BLE001 - an author's error may have a text that fails
        message = "(its text cannot be made)"
    trace = "".join(traceback.format_exception(error))
    words = [type(error).__qualname__, message[:_MESSAGE], trace[-_TRACE:]]
    return json.dumps(words).encode()


def error_told(body: bytes) -> tuple[str, str, str]:
    """Type, message and place of a ``told`` error. Raises ValueError."""
    words = json.loads(body)
    if not (isinstance(words, list) and len(words) == 3 and all(isinstance(word, str) for word in words)):  # noqa: PLR2004 - type, message, place
        raise ValueError("no error that a worker told")
    return words[0], words[1], words[2]
