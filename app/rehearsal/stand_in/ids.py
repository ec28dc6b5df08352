"""Identities: of chance, or always the same ones with a seed."""

from __future__ import annotations

import random
import secrets
import uuid


class IdStream:
    """A row of identities."""

    def __init__(self, seed: str) -> None:
        self._random = random.Random(seed)  # noqa: S311 - identities, no secrets

    def next_uuid(self) -> str:
        """The next one."""
        return str(uuid.UUID(int=self._random.getrandbits(128), version=4))

    def next_fraction(self) -> float:
        """A number from 0 to 1."""
        return self._random.random()


class IdGenerator:
    """Rows of identities by what they are of, so that what happens at once does not change them."""

    def __init__(self, seed: str = "") -> None:
        self._seed = seed or secrets.token_hex(16)
        self._streams: dict[str, IdStream] = {}

    def create_stream(self, purpose: str) -> IdStream:
        """A row of its own, from the beginning."""
        return IdStream(f"{self._seed}:{purpose}")

    def next_uuid(self, kind: str) -> str:
        """The next identity of a kind."""
        if kind not in self._streams:
            self._streams[kind] = self.create_stream(kind)
        return self._streams[kind].next_uuid()
