"""Adds what a console shows: versions of flows, places, visits, endings, handled things, notes, and the audit log."""

from __future__ import annotations

from typing import Any

from alembic import op
from sqlalchemy import Column, Double, Integer, Text

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.add_column("turns", Column("places", Text))
    _create_derived_tables()
    _create_tables_of_people()


def _create_derived_tables() -> None:
    moments = (Column("since", Double), Column("until", Double))
    op.create_table(
        "versions",
        *(_key_column("flow"), _key_column("version")),
        *(_byte_ordered_column("file"), _byte_ordered_column("source")),
        *moments,
    )
    op.create_table("places", _key_column("id"), *map(_text_column, ("flow", "version", "elements")))
    op.create_index("places_version", "places", ["flow", "version"])
    op.create_table(
        "visits",
        *(_key_column("id"), _text_column("call")),
        *(Column("at", Double, nullable=False), Column("number", Integer, nullable=False)),
        *map(_text_column, ("flow", "version", "node", "way")),
        Column("line", Integer, nullable=False),
    )
    op.create_index("visits_call", "visits", ["call"])
    op.create_index("visits_node", "visits", ["flow", "node", "at"])
    op.create_table(
        "endings",
        *(_key_column("call"), Column("at", Double)),
        *map(_text_column, ("kind", "party", "node")),
        Column("seconds", Integer),
    )
    op.create_index("endings_kind", "endings", ["kind", "at"])


def _create_tables_of_people() -> None:
    handled = (_key_column("kind"), _key_column("key"), Column("call", Text))
    op.create_table("handled", *handled, Column("at", Double, nullable=False), _text_column("by"))
    notes = (_key_column("id"), Column("call", Text), _text_column("key"), Column("at", Double, nullable=False))
    op.create_table("notes", *notes, _text_column("by"), _text_column("text"))
    op.create_index("notes_key", "notes", ["key"])
    change = map(_text_column, ("who", "origin", "action", "key"))
    op.create_table(
        "audit",
        *(_key_column("id"), Column("at", Double, nullable=False)),
        *change,
        *(Column("call", Text), _text_column("before"), _text_column("after")),
    )
    op.create_table(
        "tokens",
        *(_key_column("id"), *map(_text_column, ("name", "scope", "hash"))),
        *(Column("created", Double, nullable=False), Column("until", Double), Column("revoked", Double)),
    )
    for name in ("handled", "notes", "audit"):
        op.create_index(f"{name}_call", name, ["call"])
        op.create_index(f"{name}_at", name, ["at"])


def _key_column(name: str) -> Column[Any]:
    return Column(name, Text, primary_key=True)


def _text_column(name: str) -> Column[Any]:
    return Column(name, Text, nullable=False)


def _byte_ordered_column(name: str) -> Column[Any]:
    return Column(name, Text().with_variant(Text(collation="C"), "postgresql"))
