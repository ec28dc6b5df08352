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


class StoredNames(NamedTuple):
    """Names under which a file's steps store values, the secret names among these, and the stored values themselves."""

    names: frozenset[str]
    secret_names: frozenset[str]
    values: tuple[StoredValue, ...]

    def list_number_fields(self) -> frozenset[str]:
        """Return the fields, as ``name.field``, that are numbers whichever step stored the value."""
        return frozenset(
            f"{value.name}.{field}"
            for value in self.values
            for field in value.number_fields
            if all(field in other.number_fields for other in self.values if other.name == value.name)
        )
