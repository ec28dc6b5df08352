"""Creates the first tables: calls, turns, events, messages, recordings, transcripts, effects, claims, opt-outs, leases."""

from __future__ import annotations

from typing import Any

from alembic import op
from sqlalchemy import Column, Double, Integer, LargeBinary, Text, text

revision = "0001"
down_revision = None


def upgrade() -> None:
    _create_calls()
    _create_turns()
    _create_events()
    _create_messages()
    for name, columns in (("recordings", ("url", "raw")), ("transcripts", ("text", "raw"))):
        op.create_table(
            name, _key_column("id"), _byte_ordered_column("call"), Column("at", Double), *map(_byte_ordered_column, columns)
        )
    _create_effects()
    for name in ("recordings", "transcripts", "effects"):
        op.create_index(f"{name}_call", name, ["call"])
        op.create_index(f"{name}_at", name, ["at"])
    op.create_table("claims", _key_column("kind"), _key_column("key"), Column("at", Double, nullable=False))
    op.create_index("claims_at", "claims", ["at"])
    op.create_table("optouts", _key_column("pair"), _required_column("at", Double), _required_column("out", Integer))
    op.create_table(
        "leases", _key_column("name"), Column("holder", Text, nullable=False), Column("until", Double, nullable=False)
    )


def _create_calls() -> None:
    told = ("parent", "direction", "caller", "name", "number", "app", "attestation", "flow", "outcome", "state")
    moments = ("started", "init", "ring", "answer", "hangup", "destroy", "finished")
    op.create_table(
        "calls",
        _key_column("id"),
        Column("provisional", Integer),
        *map(_byte_ordered_column, told),
        *(Column(name, Double) for name in moments),
        Column("seconds", Integer),
        _byte_ordered_column("cause"),
    )
    top = "parent IS NULL"
    op.create_index("calls_started", "calls", ["started"], **_index_condition(top))
    for name, which in (("number", top), ("caller", top), ("flow", f"{top} AND flow IS NOT NULL")):
        op.create_index(f"calls_{name}", "calls", [name, "started"], **_index_condition(which))
    op.create_index("calls_odd", "calls", ["outcome", "started"], **_index_condition(f"{top} AND outcome > '2'"))
    op.create_index("calls_going", "calls", ["state", "started"], **_index_condition(f"{top} AND state < '51'"))
    op.create_index("calls_parent", "calls", ["parent"], **_index_condition("parent IS NOT NULL"))
    op.create_index("calls_provisional", "calls", ["started"], **_index_condition("provisional IS NOT NULL"))


def _create_turns() -> None:
    op.create_table(
        "turns",
        _key_column("id"),
        *(_required_column("call", Text), _required_column("at", Double), _required_column("seconds", Double)),
        *(_required_column(name, Text) for name in ("method", "path", "query", "told")),
        Column("pressed", Text),
        _required_column("status", Integer),
        *(_required_column(name, Text) for name in ("outcome", "flow", "node", "version", "cause", "detail", "trail")),
        _required_column("document", LargeBinary),
    )
    op.create_index("turns_call", "turns", ["call", "at"])


def _create_events() -> None:
    op.create_table(
        "events",
        _key_column("key"),
        _required_column("kind", Text),
        Column("call", Text),
        _required_column("at", Double),
        *(_required_column(name, Text) for name in ("state", "message", "source", "raw")),
    )
    op.create_index("events_call", "events", ["call"], **_index_condition("call IS NOT NULL"))
    op.create_index("events_at", "events", ["at"], **_index_condition("call IS NULL"))


def _create_messages() -> None:
    told = ("thread", "direction", "sender", "recipient", "text")
    more = (
        Column("at", Double),
        _byte_ordered_column("state"),
        Column("delivered", Integer),
        _byte_ordered_column("reason"),
    )
    op.create_table("messages", _key_column("id"), *map(_byte_ordered_column, told), *more)
    op.create_index("messages_at", "messages", ["at"])


def _create_effects() -> None:
    said = (
        _byte_ordered_column("payload"),
        _byte_ordered_column("result"),
        _byte_ordered_column("reason"),
        Column("settled", Double),
    )
    op.create_table(
        "effects", _key_column("kind"), _key_column("key"), _byte_ordered_column("call"), Column("at", Double), *said
    )


def _key_column(name: str) -> Column[Any]:
    return Column(name, Text, primary_key=True)


def _required_column(name: str, kind: Any) -> Column[Any]:  # noqa: ANN401 - a SQLAlchemy type or type class
    return Column(name, kind, nullable=False)


def _byte_ordered_column(name: str) -> Column[Any]:
    return Column(name, Text().with_variant(Text(collation="C"), "postgresql"))


def _index_condition(condition: str) -> dict[str, Any]:
    return {"sqlite_where": text(condition), "postgresql_where": text(condition)}
