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


MAX_FRAME_BYTES: Final = 4 * 1024 * 1024
"""Bytes of a request or a reply."""


FRAME_REQUEST, FRAME_CANCEL, FRAME_READY, FRAME_BROKEN, FRAME_ANSWER, FRAME_FAILED, FRAME_CANCELLED = range(7)
"""Kinds of frames: the first two go to the worker, the others come from it."""


FRAME_HEAD: Final = struct.Struct("<IBQ")
"""Before a frame's body: its length, the frame's kind, the request's id."""


_TOKEN_STRUCT: Final = struct.Struct("<Q")


_BOARD_STRUCT: Final = struct.Struct("<QdQ")


_STEP_STRUCT: Final = struct.Struct("<d")


def make_worker_environment() -> dict[str, str]:
    """What a process that runs authors' work sees of ours: no setting of the installation, and so no key and no token."""
    return {name: value for name, value in os.environ.items() if not name.startswith("CALLFLOWS_")}


def encode_frame(kind: int, request_id: int = 0, body: bytes = b"") -> bytes:
    """A frame as it goes over the wire."""
    return FRAME_HEAD.pack(len(body), kind, request_id) + body


class FrameDecoder:
    """Frames out of what was received, however it was cut."""

    __slots__ = ("_buffer",)

    def __init__(self) -> None:
        self._buffer = bytearray()

    def decode_frames(self, received: bytes) -> Iterator[tuple[int, int, bytes]]:
        """Kind, id and body of each whole frame. Raises ValueError for a frame that is too long."""
        rest = self._buffer
        rest += received
        while len(rest) >= FRAME_HEAD.size:
            length, kind, number = FRAME_HEAD.unpack_from(rest)
            if length > MAX_FRAME_BYTES:
                raise ValueError(f"a frame of {length} bytes")
            end = FRAME_HEAD.size + length
            if len(rest) < end:
                return
            body = bytes(rest[FRAME_HEAD.size : end])
            del rest[:end]
            yield kind, number, body


class LoopBoard:
    """Which request holds a worker's loop (0: none), since when (``time.monotonic``), and which was begun last."""

    __slots__ = ("_memory",)
    SIZE: Final = _BOARD_STRUCT.size

    def __init__(self, file: int) -> None:
        self._memory = mmap.mmap(file, self.SIZE)

    def mark_running(self, request_id: int, timestamp: float) -> None:
        """A request goes on; the time stands there before the id does."""
        _STEP_STRUCT.pack_into(self._memory, _TOKEN_STRUCT.size, timestamp)
        _TOKEN_STRUCT.pack_into(self._memory, 0, request_id)

    def mark_idle(self) -> None:
        """No request holds the loop."""
        _TOKEN_STRUCT.pack_into(self._memory, 0, 0)

    def mark_started(self, request_id: int) -> None:
        """A request was begun."""
        _TOKEN_STRUCT.pack_into(self._memory, _TOKEN_STRUCT.size + _STEP_STRUCT.size, request_id)

    def read_state(self) -> tuple[int, float, int]:
        """The request that holds the loop, since when, and the one begun last."""
        current, since, begun = _BOARD_STRUCT.unpack_from(self._memory)
        return current, since, begun

    def close(self) -> None:
        """Give the memory back."""
        self._memory.close()


def create_board_file() -> int:
    """A file for a board, in memory where the system has such files; the caller closes it."""
    if sys.platform == "linux":
        file = os.memfd_create("board")
    else:
        with tempfile.TemporaryFile() as made:
            file = os.dup(made.fileno())
    os.truncate(file, LoopBoard.SIZE)
    return file


class TokenPipe:
    """The pipe of tokens. Ids only grow."""

    __slots__ = ("_last_token", "_write_end", "read_end")

    def __init__(self, read_end: int, write_end: int = -1) -> None:
        """The pipe's two ends, not blocking; a worker has only the one that reads."""
        self.read_end = read_end
        self._write_end = write_end
        self._last_token = 0

    def offer_token(self, request_id: int) -> bool:
        """Offer a request; false where the pipe is full."""
        try:
            os.write(self._write_end, _TOKEN_STRUCT.pack(request_id))
        except BlockingIOError:
            return False
        return True

    def claim_request(self, request_id: int) -> bool:
        """Whether a request is the reader's to begin."""
        while self._last_token < request_id:
            try:
                token = os.read(self.read_end, _TOKEN_STRUCT.size)
            except BlockingIOError:
                return False
            if not token:
                return False
            (self._last_token,) = _TOKEN_STRUCT.unpack(token)
        return self._last_token == request_id

    def take_back_tokens(self) -> list[int]:
        """The requests that nobody began, and now nobody will."""
        found = b""
        try:
            while read := os.read(self.read_end, 65_536):
                found += read
        except BlockingIOError:
            pass
        return [number for (number,) in _TOKEN_STRUCT.iter_unpack(found)]

    def close(self) -> None:
        """Close the ends."""
        os.close(self.read_end)
        if self._write_end >= 0:
            os.close(self._write_end)


_MAX_MESSAGE_CHARACTERS: Final = 2_000


_MAX_TRACE_CHARACTERS: Final = 20_000


def encode_error(error: BaseException) -> bytes:
    """An error's type, message and place, for ``error_told``; what is too long is cut."""
    try:
        message = str(error)
    except Exception:  # noqa: BLE001 - an author's error may have a text that fails
        message = "(its text cannot be made)"
    trace = "".join(traceback.format_exception(error))
    words = [type(error).__qualname__, message[:_MAX_MESSAGE_CHARACTERS], trace[-_MAX_TRACE_CHARACTERS:]]
    return json.dumps(words).encode()


def decode_error(body: bytes) -> tuple[str, str, str]:
    """Type, message and place of a ``told`` error. Raises ValueError."""
    words = json.loads(body)
    if not (isinstance(words, list) and len(words) == 3 and all(isinstance(word, str) for word in words)):  # noqa: PLR2004 - type, message, place
        raise ValueError("no error that a worker told")
    return words[0], words[1], words[2]
