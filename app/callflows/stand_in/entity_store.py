"""In-memory tables of the stand-in's entities, and UUIDs for new rows: random, or repeatable with a seed."""

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
    """A repeatable sequence of UUIDs and fractions."""

    def __init__(self, seed: str) -> None:
        self._random = random.Random(seed)  # noqa: S311 - UUIDs, no secrets

    def next_uuid(self) -> str:
        return str(uuid.UUID(int=self._random.getrandbits(128), version=4))

    def next_fraction(self) -> float:
        """Return a number from 0 (included) to 1 (excluded)."""
        return self._random.random()


class IdGenerator:
    """One stream of UUIDs per kind, so that concurrent work on another kind does not change the UUIDs."""

    def __init__(self, seed: str = "") -> None:
        self._seed = seed or secrets.token_hex(16)
        self._streams: dict[str, IdStream] = {}

    def create_stream(self, purpose: str) -> IdStream:
        """Return a separate stream, from its beginning."""
        return IdStream(f"{self._seed}:{purpose}")

    def next_uuid(self, kind: str) -> str:
        if kind not in self._streams:
            self._streams[kind] = self.create_stream(kind)
        return self._streams[kind].next_uuid()


# Tables


EntityRow: TypeAlias = "dict[str, Any]"
RESERVED_ENTITY_FIELDS: Final = frozenset({"created_on", "modified_on", "uuid"})
MAX_ENTITY_ROWS: Final = 5_000
"""Limit of a table: a full table refuses new rows or, with ``drops_oldest``, drops its oldest row."""


def format_platform_time(at: datetime) -> str:
    """Format as ``2026-02-19T16:24:45.961Z``."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def current_platform_time() -> str:
    return format_platform_time(datetime.now(UTC))


class EntityTable:
    """Rows of one kind by UUID; with ``drops_oldest`` a full table drops its oldest row instead of refusing a new row."""

    def __init__(self, entity_name: str, ids: IdGenerator, *, drops_oldest: bool = False) -> None:
        self.entity_name = entity_name
        self._ids = ids
        self._drops_oldest = drops_oldest
        self._rows: dict[str, EntityRow] = {}

    def __iter__(self) -> Iterator[EntityRow]:
        return iter([*self._rows.values()])

    def add_row(self, fields: Mapping[str, Any]) -> EntityRow:
        """Raises RestRefusal (409) if the table is full."""
        if len(self._rows) >= MAX_ENTITY_ROWS:
            if not self._drops_oldest:
                raise RestRefusal(409, f"there are {MAX_ENTITY_ROWS} of {self.entity_name} already")
            del self._rows[next(iter(self._rows))]
        created_at = current_platform_time()
        own_fields = {name: value for name, value in fields.items() if name not in RESERVED_ENTITY_FIELDS}
        row = {
            "created_on": created_at,
            "modified_on": created_at,
            "uuid": self._ids.next_uuid(self.entity_name),
            **own_fields,
        }
        self._rows[row["uuid"]] = row
        return row

    def get_row(self, uuid: str) -> EntityRow:
        """Raises RestRefusal (404) for an unknown UUID."""
        if uuid not in self._rows:
            raise not_found_refusal(self.entity_name)
        return self._rows[uuid]

    def update_row(self, uuid: str, fields: Mapping[str, Any]) -> EntityRow:
        """Change some fields of a row. Raises RestRefusal (404)."""
        row = self.get_row(uuid)
        row.update(
            {name: value for name, value in fields.items() if name not in RESERVED_ENTITY_FIELDS},
            modified_on=current_platform_time(),
        )
        return row

    def remove_row(self, uuid: str) -> EntityRow:
        """Remove and return a row. Raises RestRefusal (404)."""
        row = self.get_row(uuid)
        del self._rows[uuid]
        return row
