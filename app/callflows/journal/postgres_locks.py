"""Locks by name, each held by one transaction at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import text

if TYPE_CHECKING:
    from sqlalchemy import Connection


def lock_name(connection: Connection, name: str) -> None:
    """Wait until no other transaction has locked the name, and lock the name until this transaction ends."""
    # SQLite's transaction locks the whole file already.
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(hashtext(:name))"), {"name": name})
