"""The values that the steps of a file store."""

from __future__ import annotations

from typing import NamedTuple


class StoredValue(NamedTuple):
    """A value that a step stores. ``expression`` is its source, if it is computed from other values."""

    name: str
    expression: str = ""
    is_secret: bool = False
    is_never_empty: bool = False
    number_fields: frozenset[str] = frozenset()
    """Fields of which every answer of a server has a number, because the default has one."""
    digit_count: tuple[int, int] | None = None
    """The least and the most digits, if the step stores nothing else."""


class StoredNames(NamedTuple):
    """Names under which a file's steps store values, the secret names among these, and the stored values themselves."""

    names: frozenset[str]
    secret_names: frozenset[str]
    values: tuple[StoredValue, ...]

    def find_digit_counts(self) -> dict[str, tuple[int, int]]:
        """Return the least and the most digits of each value that is digits whichever step stored it."""
        counts: dict[str, list[tuple[int, int] | None]] = {}
        for value in self.values:
            counts.setdefault(value.name, []).append(value.digit_count)
        return {
            name: (min(least for least, _ in known), max(most for _, most in known))
            for name, found in counts.items()
            if len(known := [count for count in found if count is not None]) == len(found)
        }

    def list_number_fields(self) -> frozenset[str]:
        """Return the fields, as ``name.field``, that are numbers whichever step stored the value."""
        return frozenset(
            f"{value.name}.{field}"
            for value in self.values
            for field in value.number_fields
            if all(field in other.number_fields for other in self.values if other.name == value.name)
        )
