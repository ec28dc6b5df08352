"""The tables of the journal, and how a row that comes again is merged with the one that is there.

Nothing is ever overwritten by less: of two values the lesser or the greater stays, so that the same reports make the same
row in whichever order, and however often, they come. Moments are seconds since 1970.
"""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import Column, Double, Index, Integer, LargeBinary, MetaData, Table, Text

METADATA: Final = MetaData()
BEGINS: Final = 1
GOES_ON: Final = 2
HEAD: Final = "0002"
"""The newest migration."""


def _sorted() -> Text:
    """A text whose order counts: byte by byte, whatever the database's language."""
    plain: Text = Text().with_variant(Text(collation="C"), "postgresql")
    return plain


CALLS: Final = Table(
    "calls",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("provisional", Integer),
    Column("parent", _sorted()),
    Column("direction", _sorted()),
    Column("caller", _sorted()),
    Column("name", _sorted()),
    Column("number", _sorted()),
    Column("app", _sorted()),
    Column("attestation", _sorted()),
    Column("flow", _sorted()),
    Column("outcome", _sorted()),
    Column("state", _sorted()),
    Column("started", Double),
    Column("init", Double),
    Column("ring", Double),
    Column("answer", Double),
    Column("hangup", Double),
    Column("destroy", Double),
    Column("finished", Double),
    Column("seconds", Integer),
    Column("cause", _sorted()),
)
"""A call or a leg that it dialled.

``provisional`` is NULL but where the id is ours, since nobody told the uuid yet: ``BEGINS`` where ``started`` is when the
call began, ``GOES_ON`` where it is a moment of a call that goes on. ``outcome``, ``state`` and ``cause`` begin with their
rank: see ``ranks``.
"""
_TOP: Final = CALLS.c.parent.is_(None)
_LISTED: Final[dict[str, Any]] = {"sqlite_where": _TOP, "postgresql_where": _TOP}
_ANSWERED: Final = _TOP & CALLS.c.flow.isnot(None)
_ODD: Final = _TOP & (CALLS.c.outcome > "2")
_GOING: Final = _TOP & (CALLS.c.state < "51")
Index("calls_started", CALLS.c.started, **_LISTED)
Index("calls_number", CALLS.c.number, CALLS.c.started, **_LISTED)
Index("calls_caller", CALLS.c.caller, CALLS.c.started, **_LISTED)
Index("calls_flow", CALLS.c.flow, CALLS.c.started, sqlite_where=_ANSWERED, postgresql_where=_ANSWERED)
Index("calls_odd", CALLS.c.outcome, CALLS.c.started, sqlite_where=_ODD, postgresql_where=_ODD)
Index("calls_going", CALLS.c.state, CALLS.c.started, sqlite_where=_GOING, postgresql_where=_GOING)
Index("calls_parent", CALLS.c.parent, sqlite_where=CALLS.c.parent.isnot(None), postgresql_where=CALLS.c.parent.isnot(None))
_PROVISIONAL: Final = CALLS.c.provisional.isnot(None)
Index("calls_provisional", CALLS.c.started, sqlite_where=_PROVISIONAL, postgresql_where=_PROVISIONAL)

TURNS: Final = Table(
    "turns",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("call", Text, nullable=False),
    Column("at", Double, nullable=False),
    Column("seconds", Double, nullable=False),
    Column("method", Text, nullable=False),
    Column("path", Text, nullable=False),
    Column("query", Text, nullable=False),
    Column("told", Text, nullable=False),
    Column("pressed", Text),
    Column("status", Integer, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("flow", Text, nullable=False),
    Column("node", Text, nullable=False),
    Column("version", Text, nullable=False),
    Column("cause", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Column("trail", Text, nullable=False),
    Column("document", LargeBinary, nullable=False),
)
"""A request and its answer. ``told`` and ``trail`` are JSON, ``document`` is compressed by zlib."""
Index("turns_call", TURNS.c.call, TURNS.c.at)

EVENTS: Final = Table(
    "events",
    METADATA,
    Column("key", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("call", Text),
    Column("at", Double, nullable=False),
    Column("state", Text, nullable=False),
    Column("message", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("raw", Text, nullable=False),
)
"""A report of Opentact's; ``raw`` is all of it, as JSON."""
Index("events_call", EVENTS.c.call, sqlite_where=EVENTS.c.call.isnot(None), postgresql_where=EVENTS.c.call.isnot(None))
Index("events_at", EVENTS.c.at, sqlite_where=EVENTS.c.call.is_(None), postgresql_where=EVENTS.c.call.is_(None))

MESSAGES: Final = Table(
    "messages",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("thread", _sorted()),
    Column("direction", _sorted()),
    Column("sender", _sorted()),
    Column("recipient", _sorted()),
    Column("text", _sorted()),
    Column("at", Double),
    Column("state", _sorted()),
    Column("delivered", Integer),
    Column("reason", _sorted()),
)
"""A text message; ``state`` begins with its rank."""
Index("messages_at", MESSAGES.c.at)

RECORDINGS: Final = Table(
    "recordings",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("call", _sorted()),
    Column("at", Double),
    Column("url", _sorted()),
    Column("raw", _sorted()),
)
TRANSCRIPTS: Final = Table(
    "transcripts",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("call", _sorted()),
    Column("at", Double),
    Column("text", _sorted()),
    Column("raw", _sorted()),
)
EFFECTS: Final = Table(
    "effects",
    METADATA,
    Column("kind", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("call", _sorted()),
    Column("at", Double),
    Column("payload", _sorted()),
    Column("result", _sorted()),
    Column("reason", _sorted()),
    Column("settled", Double),
)
"""What a flow wanted outside; ``result`` begins with its rank."""
for table in (RECORDINGS, TRANSCRIPTS, EFFECTS):
    Index(f"{table.name}_call", table.c.call)
    Index(f"{table.name}_at", table.c.at)

CLAIMS: Final = Table(
    "claims",
    METADATA,
    Column("kind", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("at", Double, nullable=False),
)
"""What must happen once, whoever comes to it and however often."""
Index("claims_at", CLAIMS.c.at)

OPTOUTS: Final = Table(
    "optouts",
    METADATA,
    Column("pair", Text, primary_key=True),
    Column("at", Double, nullable=False),
    Column("out", Integer, nullable=False),
)
"""Who wants no messages; ``pair`` is a digest, so that a STOP outlives the number that is forgotten."""

LEASES: Final = Table(
    "leases",
    METADATA,
    Column("name", Text, primary_key=True),
    Column("holder", Text, nullable=False),
    Column("until", Double, nullable=False),
    Column("mark", Double),
)
"""What one process of all does, for as long as it says so again; ``mark``: the moment up to which it is done."""

_GREATEST: Final = (
    "caller", "number", "outcome", "state", "seconds", "cause", "delivered", "result", "reason", "payload", "text", "raw",
)  # fmt: skip
GREATER: Final = frozenset(_GREATEST)
"""Columns of which the greater value stays; of all others it is the lesser."""
MERGED: Final = {table.name: table for table in (CALLS, MESSAGES, RECORDINGS, TRANSCRIPTS, EFFECTS)}
"""Tables whose rows grow with what is reported; what comes again to the others is left out."""
KEPT: Final = {table.name: table for table in (TURNS, EVENTS)}
