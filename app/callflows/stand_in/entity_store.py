"""Identities: of chance, or always the same ones with a seed."""

from __future__ import annotations

import random
import secrets
import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from callflows.stand_in.response_envelopes import RestRefusal, not_found_refusal

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


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


# What is kept: rows by their identity, in memory, and never more than so many.


EntityRow: TypeAlias = "dict[str, Any]"


RESERVED_ENTITY_FIELDS: Final = frozenset({"created_on", "modified_on", "uuid"})


MAX_ENTITY_ROWS: Final = 5_000
"""Rows of a kind: beyond them what people make is refused, and of what happens the oldest is forgotten."""


def format_platform_time(at: datetime) -> str:
    """As the platform writes moments: ``2026-02-19T16:24:45.961Z``."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def current_platform_time() -> str:
    """This moment."""
    return format_platform_time(datetime.now(UTC))


class EntityTable:
    """Rows of one kind; ``what`` is its name for people. ``forgets``: the oldest makes room for the newest."""

    def __init__(self, entity_name: str, ids: IdGenerator, *, drops_oldest: bool = False) -> None:
        self.entity_name = entity_name
        self._ids = ids
        self._drops_oldest = drops_oldest
        self._rows: dict[str, EntityRow] = {}

    def __iter__(self) -> Iterator[EntityRow]:
        return iter([*self._rows.values()])

    def add_row(self, fields: Mapping[str, Any]) -> EntityRow:
        """Keep a new one. Raises Refused where there are too many."""
        if len(self._rows) >= MAX_ENTITY_ROWS:
            if not self._drops_oldest:
                raise RestRefusal(409, f"there are {MAX_ENTITY_ROWS} of {self.entity_name} already")
            del self._rows[next(iter(self._rows))]
        made = current_platform_time()
        given = {name: value for name, value in fields.items() if name not in RESERVED_ENTITY_FIELDS}
        row = {"created_on": made, "modified_on": made, "uuid": self._ids.next_uuid(self.entity_name), **given}
        self._rows[row["uuid"]] = row
        return row

    def get_row(self, uuid: str) -> EntityRow:
        """One. Raises Refused where there is none."""
        if uuid not in self._rows:
            raise not_found_refusal(self.entity_name)
        return self._rows[uuid]

    def update_row(self, uuid: str, fields: Mapping[str, Any]) -> EntityRow:
        """Change fields of one. Raises Refused."""
        row = self.get_row(uuid)
        row.update(
            {name: value for name, value in fields.items() if name not in RESERVED_ENTITY_FIELDS},
            modified_on=current_platform_time(),
        )
        return row

    def remove_row(self, uuid: str) -> EntityRow:
        """Take one out. Raises Refused."""
        row = self.get_row(uuid)
        del self._rows[uuid]
        return row
