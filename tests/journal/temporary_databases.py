"""Databases of the tests' own: an SQLite file, and in PostgreSQL one that is made for a test and dropped after it."""

from __future__ import annotations

import contextlib
import os
import uuid
from typing import TYPE_CHECKING

import psycopg

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

POSTGRES_URL = os.environ.get("DATABASE_URL", "")
POSTGRES_URL = POSTGRES_URL if POSTGRES_URL.startswith("postgres") else "postgresql://postgres@127.0.0.1:5432/postgres"
"""Where PostgreSQL is found: by DATABASE_URL, else at its usual place."""
DATABASE_KINDS = ("sqlite", "postgresql")


def explain_unreachable() -> str:
    """Why there is no PostgreSQL; nothing where there is one."""
    try:
        psycopg.connect(POSTGRES_URL, connect_timeout=2).close()
    except psycopg.OperationalError as error:
        return f"PostgreSQL is not reachable at its usual place: {error}".splitlines()[0]
    return ""


@contextlib.contextmanager
def create_database(kind: str, folder: Path) -> Iterator[str]:
    """The URL of an empty database, gone when this ends."""
    if kind == "sqlite":
        yield f"sqlite:///{folder}/journal.db"
        return
    name = f"callflows_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(POSTGRES_URL, autocommit=True) as server:
        server.execute(f"CREATE DATABASE {name}")
        try:
            yield f"{POSTGRES_URL.rpartition('/')[0]}/{name}"
        finally:
            server.execute(f"DROP DATABASE {name} WITH (FORCE)")
