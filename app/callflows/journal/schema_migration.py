"""Creates the journal's tables and migrates the schema, one process at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy import inspect, text
from sqlalchemy.schema import CreateIndex, CreateTable

from callflows.errors import JournalUnavailableError
from callflows.journal.journal_tables import JOURNAL_METADATA, SCHEMA_HEAD

if TYPE_CHECKING:
    from sqlalchemy import Connection, Dialect
    from sqlalchemy.schema import ExecutableDDLElement


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
    if connection.dialect.name not in _CREATING_STATEMENTS:
        _CREATING_STATEMENTS[connection.dialect.name] = _compile_creating_statements(connection.dialect)
    for statement in _CREATING_STATEMENTS[connection.dialect.name]:
        connection.exec_driver_sql(statement)
    connection.execute(text("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)"))
    connection.execute(text("INSERT INTO alembic_version VALUES (:head)"), {"head": SCHEMA_HEAD})


_CREATING_STATEMENTS: Final[dict[str, tuple[str, ...]]] = {}
"""The statements by the name of their dialect: compiling them takes longer than running them."""


def _compile_creating_statements(dialect: Dialect) -> tuple[str, ...]:
    tables = JOURNAL_METADATA.sorted_tables
    indexes = [index for table in tables for index in sorted(table.indexes, key=lambda index: str(index.name))]
    statements: list[ExecutableDDLElement] = [*map(CreateTable, tables), *map(CreateIndex, indexes)]
    return tuple(str(statement.compile(dialect=dialect)) for statement in statements)


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
