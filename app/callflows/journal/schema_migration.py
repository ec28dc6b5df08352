"""Creates the journal's tables and migrates the schema, one process at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy import inspect, text

from callflows.errors import JournalUnavailableError
from callflows.journal.journal_tables import JOURNAL_METADATA, SCHEMA_HEAD

if TYPE_CHECKING:
    from sqlalchemy import Connection


_MIGRATION_LOCK_ID: Final = 0x63616C6C666C6F77
"""Number of the PostgreSQL advisory lock that a migration holds until its transaction ends."""


def is_schema_current(connection: Connection) -> bool:
    return _read_schema_version(connection) == SCHEMA_HEAD


def migrate_schema(connection: Connection) -> None:
    """Create or upgrade the tables within the transaction of a connection that may write.

    Raises JournalUnavailableError if a newer callflows made the database.
    """
    # SQLite's transaction began as IMMEDIATE and so locks the whole file already.
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _MIGRATION_LOCK_ID})
    if is_schema_current(connection):
        return
    if not inspect(connection).get_table_names():
        _create_tables(connection)
        return
    refuse_newer_schema(connection)
    run_migrations(connection)


def _create_tables(connection: Connection) -> None:
    """Create the newest tables in an empty database: quicker than all migrations, which need a heavy library."""
    JOURNAL_METADATA.create_all(connection, checkfirst=False)
    connection.execute(text("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)"))
    connection.execute(text("INSERT INTO alembic_version VALUES (:head)"), {"head": SCHEMA_HEAD})


def run_migrations(connection: Connection, revision: str = "head") -> None:
    """Upgrade the tables step by step to a revision."""
    from alembic import command  # noqa: PLC0415 - heavy, and rarely needed
    from alembic.config import Config  # noqa: PLC0415 - as above

    config = Config()
    config.set_main_option("script_location", "callflows.journal:migrations")
    config.attributes["connection"] = connection
    command.upgrade(config, revision)


def refuse_newer_schema(connection: Connection) -> None:
    """Raise JournalUnavailableError if a newer callflows made the database."""
    if _read_schema_version(connection) > SCHEMA_HEAD:
        raise JournalUnavailableError("the database was made by a newer callflows: install that, or take another database")


def _read_schema_version(connection: Connection) -> str:
    if not inspect(connection).has_table("alembic_version"):
        return ""
    return str(connection.execute(text("SELECT version_num FROM alembic_version")).scalar() or "")
