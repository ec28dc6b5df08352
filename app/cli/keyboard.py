"""What is typed at the terminal."""

from __future__ import annotations

import asyncio
import os
import sys
from typing import Final

_MAX_READ_BYTES: Final = 4096
"""Bytes that are read at once; a terminal gives a line."""


class TerminalKeyboard:
    """The terminal's lines; who waits for one can be stopped, which a thread that reads cannot."""

    def __init__(self) -> None:
        self._buffer = b""

    async def read_line(self, prompt: str) -> str:
        """The next line, without its end. Raises EOFError where nothing more is typed."""
        print(prompt, end="", flush=True)
        while b"\n" not in self._buffer:
            read = await _read_terminal(sys.stdin.fileno())
            if not read:
                print(flush=True)
                raise EOFError
            self._buffer += read
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line.decode("utf-8", "replace")


async def _read_terminal(terminal: int) -> bytes:
    """What is typed next; nothing at the end."""
    loop, ready = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(terminal, ready.set)
    try:
        await ready.wait()
        return os.read(terminal, _MAX_READ_BYTES)
    except OSError:  # the terminal is gone
        return b""
    finally:
        loop.remove_reader(terminal)
