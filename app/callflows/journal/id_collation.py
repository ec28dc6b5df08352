"""Compares ids of columns with different collations, so that PostgreSQL uses their indexes.

Ids of rows have the database's collation, and merged texts (the call of a recording, the parent of a leg) are ordered
byte by byte. PostgreSQL uses an index only if the other side has the collation of the index. SQLite has one for all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import Text
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement


class _IdText(FunctionElement[str]):
    type = Text()
    inherit_cache = True
    name = "id_text"


class _MergedText(FunctionElement[str]):
    type = Text()
    inherit_cache = True
    name = "merged_text"


def as_id_text(text: ColumnElement[Any]) -> ColumnElement[str]:
    """Return a text for a comparison with a column of ids."""
    return _IdText(text)


def as_merged_text(text: ColumnElement[Any]) -> ColumnElement[str]:
    """Return a text for a comparison with a column of merged texts."""
    return _MergedText(text)


@compiles(_IdText)
@compiles(_MergedText)
def _compile_plain(element: FunctionElement[str], compiler: Any, **options: Any) -> str:  # noqa: ANN401 - SQLAlchemy's
    return str(compiler.process(element.clauses, **options))


@compiles(_IdText, "postgresql")
def _compile_id_text(element: FunctionElement[str], compiler: Any, **options: Any) -> str:  # noqa: ANN401 - SQLAlchemy's
    return f'{compiler.process(element.clauses, **options)} COLLATE "default"'


@compiles(_MergedText, "postgresql")
def _compile_merged_text(element: FunctionElement[str], compiler: Any, **options: Any) -> str:  # noqa: ANN401 - SQLAlchemy's
    return f'{compiler.process(element.clauses, **options)} COLLATE "C"'
