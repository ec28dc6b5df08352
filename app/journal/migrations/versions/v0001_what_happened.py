"""The first tables: calls, turns, events, messages, recordings, transcripts, effects, claims, leases."""

from __future__ import annotations

from typing import Any

from alembic import op
from sqlalchemy import Column, Double, Integer, LargeBinary, Text, text

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make them."""
    _calls()
    _turns()
    _events()
    _messages()
    for name, columns in (("recordings", ("url", "raw")), ("transcripts", ("text", "raw"))):
        op.create_table(name, _key("id"), _sorted("call"), Column("at", Double), *map(_sorted, columns))
    _effects()
    for name in ("recordings", "transcripts", "effects"):
        op.create_index(f"{name}_call", name, ["call"])
        op.create_index(f"{name}_at", name, ["at"])
    op.create_table("claims", _key("kind"), _key("key"), Column("at", Double, nullable=False))
    op.create_index("claims_at", "claims", ["at"])
    op.create_table("leases", _key("name"), Column("holder", Text, nullable=False), Column("until", Double, nullable=False))


def _calls() -> None:
    told = ("parent", "direction", "caller", "name", "number", "app", "attestation", "flow", "outcome", "state")
    moments = ("started", "init", "ring", "answer", "hangup", "destroy", "finished")
    op.create_table(
        "calls",
        _key("id"),
        Column("provisional", Integer),
        *map(_sorted, told),
        *(Column(name, Double) for name in moments),
        Column("seconds", Integer),
        _sorted("cause"),
    )
    top = "parent IS NULL"
    op.create_index("calls_started", "calls", ["started"], **_where(top))
    for name, which in (("number", top), ("caller", top), ("flow", f"{top} AND flow IS NOT NULL")):
        op.create_index(f"calls_{name}", "calls", [name, "started"], **_where(which))
    op.create_index("calls_odd", "calls", ["outcome", "started"], **_where(f"{top} AND outcome > '2'"))
    op.create_index("calls_going", "calls", ["state", "started"], **_where(f"{top} AND state < '40'"))
    op.create_index("calls_parent", "calls", ["parent"], **_where("parent IS NOT NULL"))
    op.create_index("calls_provisional", "calls", ["started"], **_where("provisional IS NOT NULL"))


def _turns() -> None:
    op.create_table(
        "turns",
        _key("id"),
        *(_must("call", Text), _must("at", Double), _must("seconds", Double)),
        *(_must(name, Text) for name in ("method", "path", "query", "told")),
        Column("pressed", Text),
        _must("status", Integer),
        *(_must(name, Text) for name in ("outcome", "flow", "node", "version", "cause", "detail", "trail")),
        _must("document", LargeBinary),
    )
    op.create_index("turns_call", "turns", ["call", "at"])


def _events() -> None:
    op.create_table(
        "events",
        _key("key"),
        _must("kind", Text),
        Column("call", Text),
        _must("at", Double),
        *(_must(name, Text) for name in ("state", "message", "source", "raw")),
    )
    op.create_index("events_call", "events", ["call"], **_where("call IS NOT NULL"))
    op.create_index("events_at", "events", ["at"], **_where("call IS NULL"))


def _messages() -> None:
    told = ("thread", "direction", "sender", "recipient", "text")
    more = (Column("at", Double), _sorted("state"), Column("delivered", Integer), _sorted("reason"))
    op.create_table("messages", _key("id"), *map(_sorted, told), *more)
    op.create_index("messages_at", "messages", ["at"])


def _effects() -> None:
    said = (_sorted("payload"), _sorted("result"), _sorted("reason"), Column("settled", Double))
    op.create_table("effects", _key("kind"), _key("key"), _sorted("call"), Column("at", Double), *said)


def _key(name: str) -> Column[Any]:
    return Column(name, Text, primary_key=True)


def _must(name: str, kind: Any) -> Column[Any]:  # noqa: ANN401 - a type of SQLAlchemy's, or a class of them
    return Column(name, kind, nullable=False)


def _sorted(name: str) -> Column[Any]:
    return Column(name, Text().with_variant(Text(collation="C"), "postgresql"))


def _where(condition: str) -> dict[str, Any]:
    return {"sqlite_where": text(condition), "postgresql_where": text(condition)}
