"""The questions that the journal is asked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import func, select

from app.journal.ranks import OUTCOMES, STATES, ranked
from app.journal.store import Told
from app.journal.tables import CALLS, EFFECTS, EVENTS, MESSAGES, RECORDINGS, TRANSCRIPTS, TURNS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import ColumnElement, Connection, Select, Table

    from app.journal.store import Filter, Row

_AFTERWARDS: Final = 3600.0
"""Seconds after a call within which a message between the same two is told with it."""
_LEG = CALLS.alias("leg")


def calls(connection: Connection, wanted: Filter) -> Iterator[Row]:
    """Calls, the newest first, each with how many ``turns`` and ``legs`` it has; read as they are asked for."""
    found = select(CALLS).where(*_conditions(wanted)).order_by(CALLS.c.started.desc(), CALLS.c.id.desc())
    listed = (found if wanted.limit is None else found.limit(wanted.limit)).subquery("listed")
    turns = select(func.count()).where(TURNS.c.call == listed.c.id).scalar_subquery()
    legs = select(func.count()).where(_LEG.c.parent == listed.c.id).scalar_subquery()
    counted = select(listed, turns.label("turns"), legs.label("legs")).order_by(listed.c.started.desc(), listed.c.id.desc())
    streamed = connection.execution_options(yield_per=1000).execute(counted)
    return (dict(row) for row in streamed.mappings())


def _conditions(wanted: Filter) -> Iterator[ColumnElement[bool]]:
    yield CALLS.c.parent.is_(None)
    for column, value in (("number", wanted.number), ("caller", wanted.caller), ("flow", wanted.flow)):
        if value:
            yield CALLS.c[column] == value
    if wanted.outcome:
        yield CALLS.c.outcome == ranked(OUTCOMES, wanted.outcome)
        if ranked(OUTCOMES, wanted.outcome) > "2":  # type: ignore[operator]
            yield CALLS.c.outcome > "2"  # for the index of the odd ones
    if wanted.state:
        yield CALLS.c.state == ranked(STATES, wanted.state)
        if wanted.state != "destroyed":
            yield CALLS.c.state < "51"  # for the index of those that are not over
    if wanted.since is not None:
        yield CALLS.c.started >= wanted.since
    if wanted.until is not None:
        yield CALLS.c.started < wanted.until


def ids(connection: Connection, prefix: str, most: int) -> list[str]:
    """Ids of calls and legs that begin so."""
    begins = CALLS.c.id.startswith(prefix, autoescape=True)
    return [*connection.scalars(select(CALLS.c.id).where(begins).order_by(CALLS.c.id).limit(most))]


def held(connection: Connection, kind: str, before: float, most: int) -> list[Row]:
    """Effects of a kind that were wanted before a moment, and of which nothing became yet, the oldest first."""
    waits = (EFFECTS.c.kind == kind) & EFFECTS.c.settled.is_(None) & (EFFECTS.c.at < before)
    return _all(connection, select(EFFECTS).where(waits).order_by(EFFECTS.c.at).limit(most))


def told(connection: Connection, call: str) -> Told | None:
    """All that is kept of a call, or of the call of a leg; None where there is none of that id."""
    row = _first(connection, select(CALLS).where(CALLS.c.id == call))
    if row is None:
        return None
    legs = _all(connection, select(CALLS).where(CALLS.c.parent == call).order_by(CALLS.c.started, CALLS.c.id))
    ids = [call, *(leg["id"] for leg in legs)]

    def of(table: Table, order: str = "at") -> list[Row]:
        key = table.c.id if "id" in table.c else table.c.key
        return _all(connection, select(table).where(table.c.call.in_(ids)).order_by(table.c[order], key))

    turns, events, *others = map(of, (TURNS, EVENTS, RECORDINGS, TRANSCRIPTS, EFFECTS))
    return Told(row, legs, turns, events, _messages(connection, row), *others)


def _messages(connection: Connection, call: Row) -> list[Row]:
    """The messages between a call's two numbers until an hour after it: they do not say of which call they are."""
    ended = call["destroy"] or call["hangup"] or call["finished"] or call["started"]
    both = [call["caller"], call["number"]]
    if not all(both):
        return []
    between = MESSAGES.c.sender.in_(both) & MESSAGES.c.recipient.in_(both)
    soon = MESSAGES.c.at.between(call["started"] - 1, ended + _AFTERWARDS)
    return _all(connection, select(MESSAGES).where(between, soon).order_by(MESSAGES.c.at, MESSAGES.c.id))


def _first(connection: Connection, wanted: Select[Any]) -> Row | None:
    row = connection.execute(wanted).mappings().first()
    return None if row is None else dict(row)


def _all(connection: Connection, wanted: Select[Any]) -> list[Row]:
    return [dict(row) for row in connection.execute(wanted).mappings()]
