"""What is kept: rows by their identity, in memory, and never more than so many."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from app.rehearsal.stand_in.answers import Refused, not_found

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from app.rehearsal.stand_in.ids import Ids

Row: TypeAlias = "dict[str, Any]"
RESERVED: Final = frozenset({"created_on", "modified_on", "uuid"})
MOST: Final = 5_000
"""Rows of a kind: beyond them what people make is refused, and of what happens the oldest is forgotten."""


def moment(at: datetime) -> str:
    """As the platform writes moments: ``2026-02-19T16:24:45.961Z``."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def now() -> str:
    """This moment."""
    return moment(datetime.now(UTC))


class Drawer:
    """Rows of one kind; ``what`` is its name for people. ``forgets``: the oldest makes room for the newest."""

    def __init__(self, what: str, ids: Ids, *, forgets: bool = False) -> None:
        self.what = what
        self._ids = ids
        self._forgets = forgets
        self._rows: dict[str, Row] = {}

    def __iter__(self) -> Iterator[Row]:
        return iter([*self._rows.values()])

    def add(self, fields: Mapping[str, Any]) -> Row:
        """Keep a new one. Raises Refused where there are too many."""
        if len(self._rows) >= MOST:
            if not self._forgets:
                raise Refused(409, f"there are {MOST} of {self.what} already")
            del self._rows[next(iter(self._rows))]
        made = now()
        given = {name: value for name, value in fields.items() if name not in RESERVED}
        row = {"created_on": made, "modified_on": made, "uuid": self._ids.uuid(self.what), **given}
        self._rows[row["uuid"]] = row
        return row

    def of(self, uuid: str) -> Row:
        """One. Raises Refused where there is none."""
        if uuid not in self._rows:
            raise not_found(self.what)
        return self._rows[uuid]

    def change(self, uuid: str, fields: Mapping[str, Any]) -> Row:
        """Change fields of one. Raises Refused."""
        row = self.of(uuid)
        row.update({name: value for name, value in fields.items() if name not in RESERVED}, modified_on=now())
        return row

    def remove(self, uuid: str) -> Row:
        """Take one out. Raises Refused."""
        row = self.of(uuid)
        del self._rows[uuid]
        return row
