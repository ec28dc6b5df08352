"""An object of Opentact (a call, a message), read field by field.

No field is promised: an absent field, or one of an unexpected type, is empty or None. A field is read when asked for, so an
entity is cheap to make.
"""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Self

from callflows.text import clean_field

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclasses.dataclass(frozen=True, slots=True)
class PlatformEntity:
    """An object of Opentact; ``raw`` contains everything as received."""

    raw: Mapping[str, Any]

    @classmethod
    def from_raw(cls, raw: Mapping[str, Any]) -> Self:
        return cls(raw)

    @property
    def uuid(self) -> str:
        """The id, or an empty text."""
        return self._read_text("uuid")

    @property
    def created_at(self) -> datetime | None:
        return parse_platform_time(self.raw.get("created_on"))

    @property
    def modified_at(self) -> datetime | None:
        return parse_platform_time(self.raw.get("modified_on"))

    def list_timestamps(self) -> list[datetime]:
        """Return all known timestamps of the object."""
        return [moment for moment in (self.created_at, self.modified_at) if moment is not None]

    def _read_text(self, name: str) -> str:
        return clean_field(self.raw.get(name))

    def _read_object_field(self, name: str, inner_name: str) -> str:
        """Return a field of an object, or the field itself if Opentact writes only the id or number."""
        part = self.raw.get(name)
        return clean_field(part.get(inner_name) if isinstance(part, dict) else part)


def parse_platform_time(value: object) -> datetime | None:
    """Parse a timestamp of Opentact; a timestamp without a zone is UTC. None if invalid."""
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value)
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None
