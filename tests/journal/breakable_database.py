"""Databases that go away and come back: SQLite whose folder is taken, PostgreSQL behind a wire that is cut, or hangs."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from waiting import MAX_WAIT_SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class CuttableProxy:
    """A port that leads to another, until it is cut; then nobody answers there."""

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._sockets: list[socket.socket] = []
        self._listener: socket.socket | None = None
        self.is_forwarding = threading.Event()
        """Not set: what is sent waits."""
        self.is_forwarding.set()
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])

    def start_listening(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", self.port), backlog=16)
        threading.Thread(target=self._accept_connections, args=(self._listener,), daemon=True).start()

    def _accept_connections(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = listener.accept()
                self.is_forwarding.wait(MAX_WAIT_SECONDS)
                far = socket.create_connection(self._target)
                self._sockets += [near, far]
                for one, other in ((near, far), (far, near)):
                    threading.Thread(target=self._forward_bytes, args=(one, other), daemon=True).start()

    def _forward_bytes(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while some := source.recv(65536):
                self.is_forwarding.wait(MAX_WAIT_SECONDS)
                target.sendall(some)
        for end in (source, target):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def cut_connections(self) -> None:
        for one in [self._listener, *self._sockets]:
            if one is not None:
                with contextlib.suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)
                one.close()
        self._sockets, self._listener = [], None


class BreakableDatabase:
    """A database's URL, and a way to take it away and give it back."""

    def __init__(self, url: str, folder: Path) -> None:
        parts = urlsplit(url)
        self._database_folder = folder / "database"
        self._hidden_folder = folder / "away"
        self._proxy = None
        if url.startswith("sqlite"):
            self._database_folder.mkdir()
            self.url = f"sqlite:///{self._database_folder}/journal.db"
        else:
            self._proxy = CuttableProxy(parts.hostname or "", parts.port or 5432)
            self._proxy.start_listening()
            self.url = f"postgresql://{parts.username}@127.0.0.1:{self._proxy.port}{parts.path}"

    def stop_responding(self) -> None:
        """Take connections, and what is sent, and answer nothing, until it comes."""
        assert self._proxy is not None
        self._proxy.is_forwarding.clear()

    def take_away(self) -> None:
        if self._proxy is not None:
            self._proxy.cut_connections()
        else:
            self._database_folder.rename(self._hidden_folder)
            self._database_folder.touch()

    def bring_back(self) -> None:
        if self._proxy is not None and not self._proxy.is_forwarding.is_set():
            self._proxy.is_forwarding.set()
        elif self._proxy is not None:
            self._proxy.start_listening()
        else:
            self._database_folder.unlink()
            self._hidden_folder.rename(self._database_folder)

    def close(self) -> None:
        if self._proxy is not None:
            self._proxy.cut_connections()


@contextlib.contextmanager
def open_breakable_database(url: str, folder: Path) -> Iterator[BreakableDatabase]:
    database = BreakableDatabase(url, folder)
    try:
        yield database
    finally:
        database.close()
