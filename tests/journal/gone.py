"""Databases that go away and come back: SQLite whose folder is taken, PostgreSQL behind a wire that is cut, or hangs."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Wire:
    """A port that leads to another, until it is cut; then nobody answers there."""

    def __init__(self, host: str, port: int) -> None:
        self._to = (host, port)
        self._open: list[socket.socket] = []
        self._listening: socket.socket | None = None
        self.carries = threading.Event()
        """Not set: what is sent waits."""
        self.carries.set()
        with socket.socket() as found:
            found.bind(("127.0.0.1", 0))
            self.port = int(found.getsockname()[1])

    def join(self) -> None:
        self._listening = socket.create_server(("127.0.0.1", self.port), backlog=16)
        threading.Thread(target=self._accept, args=(self._listening,), daemon=True).start()

    def _accept(self, listening: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = listening.accept()
                self.carries.wait()
                far = socket.create_connection(self._to)
                self._open += [near, far]
                for one, other in ((near, far), (far, near)):
                    threading.Thread(target=self._carry, args=(one, other), daemon=True).start()

    def _carry(self, one: socket.socket, other: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while some := one.recv(65536):
                self.carries.wait()
                other.sendall(some)
        for end in (one, other):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def cut(self) -> None:
        for one in [self._listening, *self._open]:
            if one is not None:
                with contextlib.suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)
                one.close()
        self._open, self._listening = [], None


class Breakable:
    """A database's URL, and a way to take it away and give it back."""

    def __init__(self, url: str, folder: Path) -> None:
        parts = urlsplit(url)
        self._place = folder / "database"
        self._away = folder / "away"
        self._wire = None
        if url.startswith("sqlite"):
            self._place.mkdir()
            self.url = f"sqlite:///{self._place}/journal.db"
        else:
            self._wire = Wire(parts.hostname or "", parts.port or 5432)
            self._wire.join()
            self.url = f"postgresql://{parts.username}@127.0.0.1:{self._wire.port}{parts.path}"

    def hang(self) -> None:
        """Take connections, and what is sent, and answer nothing, until it comes."""
        assert self._wire is not None
        self._wire.carries.clear()

    def go(self) -> None:
        if self._wire is not None:
            self._wire.cut()
        else:
            self._place.rename(self._away)
            self._place.touch()

    def come(self) -> None:
        if self._wire is not None and not self._wire.carries.is_set():
            self._wire.carries.set()
        elif self._wire is not None:
            self._wire.join()
        else:
            self._place.unlink()
            self._away.rename(self._place)

    def end(self) -> None:
        if self._wire is not None:
            self._wire.cut()


@contextlib.contextmanager
def breakable(url: str, folder: Path) -> Iterator[Breakable]:
    made = Breakable(url, folder)
    try:
        yield made
    finally:
        made.end()
