"""Databases of the tests' own: an SQLite file, and in PostgreSQL one that is emptied after each test."""

from __future__ import annotations

import atexit
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


_idle_databases: list[str] = []
"""Databases of this process in PostgreSQL that no test uses now. To make one takes longer than most tests."""


@contextlib.contextmanager
def create_database(kind: str, folder: Path) -> Iterator[str]:
    """Yield the URL of an empty database. Nothing in the database is left after the block."""
    if kind == "sqlite":
        yield f"sqlite:///{folder}/journal.db"
        return
    name = _idle_databases.pop() if _idle_databases else _make_postgres_database()
    url = f"{POSTGRES_URL.rpartition('/')[0]}/{name}"
    try:
        yield url
    finally:
        # A lock that a process of ours still has is an error of the test, which must not wait for ever.
        with psycopg.connect(url, autocommit=True, options="-c lock_timeout=60s") as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s AND pid <> pg_backend_pid()",
                [name],
            )
            connection.execute("DROP SCHEMA public CASCADE")
            connection.execute("CREATE SCHEMA public")
        _idle_databases.append(name)


def _make_postgres_database() -> str:
    name = f"callflows_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(POSTGRES_URL, autocommit=True) as server:
        server.execute(f"CREATE DATABASE {name}")
        # The tests end processes of ours, never the database's. It need not wait for the disk.
        server.execute(f"ALTER DATABASE {name} SET synchronous_commit = off")
    atexit.register(_drop_postgres_database, name)
    return name


def _drop_postgres_database(name: str) -> None:
    with psycopg.connect(POSTGRES_URL, autocommit=True) as server:
        server.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
