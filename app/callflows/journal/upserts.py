"""Merges a repeated row with the stored row. Python (within a batch) and SQL (across batches) apply the same rule."""

from __future__ import annotations

import importlib
from functools import cache
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import bindparam
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql import func
from sqlalchemy.sql.functions import GenericFunction

from callflows.journal.journal_tables import APPEND_ONLY_TABLES, ENDINGS_TABLE, GREATEST_WINS_COLUMNS, MERGED_TABLES

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from sqlalchemy import Column, Connection, Dialect, Function, Insert, Table
    from sqlalchemy.sql.compiler import SQLCompiler

    from callflows.journal.stored_rows import JournalRow


class greater(GenericFunction[Any]):  # noqa: N801 - an SQL function
    """The greater of two values; if one is NULL, the other."""

    inherit_cache = True


class lesser(GenericFunction[Any]):  # noqa: N801 - as above
    """The lesser of two values; if one is NULL, the other."""

    inherit_cache = True


_SQL_FUNCTION_NAMES: Final = {("sqlite", "greater"): "max", ("sqlite", "lesser"): "min"} | {
    ("postgresql", "greater"): "greatest",
    ("postgresql", "lesser"): "least",
}


@compiles(greater)
@compiles(lesser)
def _compile_extreme(element: GenericFunction[Any], compiler: SQLCompiler, **options: Any) -> str:  # noqa: ANN401 - as SQLAlchemy calls it
    """Compile ``greater`` and ``lesser`` for a dialect."""
    old, new = (compiler.process(clause, **options) for clause in element.clauses)
    name = _SQL_FUNCTION_NAMES[compiler.dialect.name, element.name]
    # SQLite's max and min return NULL if one argument is NULL; PostgreSQL's greatest and least ignore NULL.
    return (
        f"{name}({old}, {new})"
        if compiler.dialect.name == "postgresql"
        else f"coalesce({name}({old}, {new}), {old}, {new})"
    )


@cache
def get_dialect_insert(dialect: str) -> Any:  # noqa: ANN401 - a class of each dialect
    """Return the dialect's INSERT, which has ON CONFLICT."""
    # Imported by name, because few servers need the dialect of PostgreSQL, which takes long to import.
    return importlib.import_module(f"sqlalchemy.dialects.{dialect}").insert


class UpsertWriter:
    """Writes rows. The statement of each table is compiled only once, because batches are frequent.

    All stores of a dialect share one writer, which holds nothing but these statements: ``get_upsert_writer`` returns it.
    """

    def __init__(self, dialect: type[Dialect]) -> None:
        insert = get_dialect_insert(dialect.name)
        inserts: dict[str, Insert] = {
            name: insert(table).on_conflict_do_nothing() for name, table in APPEND_ONLY_TABLES.items()
        }
        inserts |= {name: _build_upsert(insert, table) for name, table in MERGED_TABLES.items()}
        by_place: Any = dialect(paramstyle="qmark" if dialect.name == "sqlite" else "format")  # type: ignore[call-arg]
        ended = ENDINGS_TABLE.delete().where(ENDINGS_TABLE.c.call == bindparam("call_id"))
        self._delete_ending = str(ended.compile(dialect=by_place))
        self._statements: dict[str, Any] = {
            name: statement.compile(dialect=by_place) for name, statement in inserts.items()
        }

    def forget_endings(self, connection: Connection, call_ids: Collection[str]) -> None:
        """Delete the stored endings of some calls."""
        if call_ids:
            connection.exec_driver_sql(self._delete_ending, [(id_,) for id_ in sorted(call_ids)])

    def write_rows(self, connection: Connection, table: str, rows: Sequence[JournalRow]) -> None:
        """Write rows of one table; every row has all columns."""
        compiled = self._statements[table]
        connection.exec_driver_sql(compiled.string, [*map(itemgetter(*compiled.positiontup), rows)])


@cache
def get_upsert_writer(dialect: type[Dialect]) -> UpsertWriter:
    return UpsertWriter(dialect)


def _build_upsert(insert: Any, table: Table) -> Insert:  # noqa: ANN401 - the insert of either dialect
    keys = [column.name for column in table.primary_key]
    statement = insert(table)
    grown = {
        column.name: _build_merged_value(column, statement.excluded[column.name])
        for column in table.c
        if column.name not in keys
    }
    grown.pop("provisional", None)
    upsert: Insert = statement.on_conflict_do_update(index_elements=keys, set_=grown)
    return upsert


def _build_merged_value(column: Column[Any], new: Column[Any]) -> Function[Any]:
    return func.greater(column, new) if column.name in GREATEST_WINS_COLUMNS else func.lesser(column, new)


def merge_rows(old: JournalRow, new: JournalRow) -> JournalRow:
    """Merge two rows with the same key."""
    both = dict(old)
    for name, value in new.items():
        there = both[name]
        if value is None or value == there:
            continue
        if there is None or (value > there if name in GREATEST_WINS_COLUMNS else value < there):
            both[name] = value
    return both
