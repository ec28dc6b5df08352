"""The tables of the journal, and the rule that merges a repeated row with the stored one.

Merging keeps the lesser or the greater of two values, never simply the last. The same reports therefore produce the same
row in any order and any number of times. Moments are seconds since 1970.
"""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import Column, Double, Index, Integer, LargeBinary, MetaData, Table, Text

from callflows.telephony.call_states import CALL_STATE_RANKS, FIRST_ENDED_RANK, LAST_CALL_STATE

JOURNAL_METADATA: Final = MetaData()
PROVISIONAL_BEGINS: Final = 1
PROVISIONAL_CONTINUES: Final = 2
SCHEMA_HEAD: Final = "0010"
"""Revision of the newest migration."""


def _byte_ordered_text() -> Text:
    """Return a text type that sorts byte by byte, whatever the database's language."""
    plain: Text = Text().with_variant(Text(collation="C"), "postgresql")
    return plain


def _merged_texts(*names: str) -> list[Column[Any]]:
    """Return columns of texts that are compared when a row is merged."""
    return [Column(name, _byte_ordered_text()) for name in names]


def _required_texts(*names: str) -> list[Column[Any]]:
    """Return columns of texts of rows that are written whole."""
    return [Column(name, Text, nullable=False) for name in names]


CALLS_TABLE: Final = Table(
    "calls",
    JOURNAL_METADATA,
    Column("id", Text, primary_key=True),
    Column("provisional", Integer),
    *_merged_texts("parent", "direction", "caller", "name", "number", "app", "attestation", "flow", "outcome", "state"),
    Column("started", Double),
    Column("init", Double),
    Column("ring", Double),
    Column("answer", Double),
    Column("hangup", Double),
    Column("destroy", Double),
    Column("finished", Double),
    Column("seconds", Integer),
    *_merged_texts("cause"),
)
"""A call, or a leg dialled by a call.

``provisional`` is NULL except for an id of our own, used while the uuid is unknown: ``PROVISIONAL_BEGINS`` if ``started``
is the beginning of the call, ``PROVISIONAL_CONTINUES`` if ``started`` is a moment of an ongoing call. ``outcome`` is the
worst of its requests, as in ``AnswerOutcome``; how the call ended is in ENDINGS_TABLE. ``outcome``,
``state`` and ``cause`` begin with their rank (see ``state_order``).
"""
_IS_TOP_CALL: Final = CALLS_TABLE.c.parent.is_(None)
_TOP_CALL_INDEX: Final[dict[str, Any]] = {"sqlite_where": _IS_TOP_CALL, "postgresql_where": _IS_TOP_CALL}
_HAS_FLOW: Final = _IS_TOP_CALL & CALLS_TABLE.c.flow.isnot(None)
_IS_UNUSUAL: Final = _IS_TOP_CALL & (CALLS_TABLE.c.outcome > "2")
IS_OVER: Final = (CALLS_TABLE.c.state >= FIRST_ENDED_RANK) | CALLS_TABLE.c.finished.isnot(None)
"""``is_call_over`` in SQL."""
IS_BELOW_LAST_STATE: Final = CALLS_TABLE.c.state < CALL_STATE_RANKS[LAST_CALL_STATE]
"""Condition of the index ``calls_going``. A call that is not over meets it; a query must contain it to use the index."""
_MAY_BE_ONGOING: Final = _IS_TOP_CALL & IS_BELOW_LAST_STATE
Index("calls_started", CALLS_TABLE.c.started, **_TOP_CALL_INDEX)
Index("calls_number", CALLS_TABLE.c.number, CALLS_TABLE.c.started, **_TOP_CALL_INDEX)
Index("calls_caller", CALLS_TABLE.c.caller, CALLS_TABLE.c.started, **_TOP_CALL_INDEX)
Index("calls_flow", CALLS_TABLE.c.flow, CALLS_TABLE.c.started, sqlite_where=_HAS_FLOW, postgresql_where=_HAS_FLOW)
Index("calls_odd", CALLS_TABLE.c.outcome, CALLS_TABLE.c.started, sqlite_where=_IS_UNUSUAL, postgresql_where=_IS_UNUSUAL)
Index(
    "calls_going",
    CALLS_TABLE.c.state,
    CALLS_TABLE.c.started,
    sqlite_where=_MAY_BE_ONGOING,
    postgresql_where=_MAY_BE_ONGOING,
)
Index(
    "calls_parent",
    CALLS_TABLE.c.parent,
    sqlite_where=CALLS_TABLE.c.parent.isnot(None),
    postgresql_where=CALLS_TABLE.c.parent.isnot(None),
)


_IS_PROVISIONAL: Final = CALLS_TABLE.c.provisional.isnot(None)
Index("calls_provisional", CALLS_TABLE.c.started, sqlite_where=_IS_PROVISIONAL, postgresql_where=_IS_PROVISIONAL)


TURNS_TABLE: Final = Table(
    "turns",
    JOURNAL_METADATA,
    Column("id", Text, primary_key=True),
    *_required_texts("call"),
    Column("at", Double, nullable=False),
    Column("seconds", Double, nullable=False),
    *_required_texts("method", "path", "query", "request_fields"),
    Column("pressed", Text),
    Column("status", Integer, nullable=False),
    *_required_texts("outcome", "flow", "node", "version", "cause", "detail", "trail"),
    Column("document", LargeBinary, nullable=False),
    Column("places", Text),
)
"""A request and its answer. ``request_fields`` and ``trail`` are JSON, ``document`` is compressed by zlib.

``places`` is a key of PLACES_TABLE, or NULL if it is not known where the document comes from.
"""
Index("turns_call", TURNS_TABLE.c.call, TURNS_TABLE.c.at)


EVENTS_TABLE: Final = Table(
    "events",
    JOURNAL_METADATA,
    Column("key", Text, primary_key=True),
    *_required_texts("kind"),
    Column("call", Text),
    Column("at", Double, nullable=False),
    *_required_texts("state", "message", "source", "raw"),
    Column("arrived", Double),
)
"""An event of Opentact; ``raw`` is the complete event as JSON. ``arrived`` orders the events of one moment."""
Index(
    "events_call",
    EVENTS_TABLE.c.call,
    sqlite_where=EVENTS_TABLE.c.call.isnot(None),
    postgresql_where=EVENTS_TABLE.c.call.isnot(None),
)
Index(
    "events_at",
    EVENTS_TABLE.c.at,
    sqlite_where=EVENTS_TABLE.c.call.is_(None),
    postgresql_where=EVENTS_TABLE.c.call.is_(None),
)


MESSAGES_TABLE: Final = Table(
    "messages",
    JOURNAL_METADATA,
    Column("id", Text, primary_key=True),
    *_merged_texts("thread", "direction", "sender", "recipient", "text"),
    Column("at", Double),
    *_merged_texts("state"),
    Column("delivered", Integer),
    *_merged_texts("reason"),
)
"""A text message; ``state`` begins with its rank."""
Index("messages_at", MESSAGES_TABLE.c.at)


RECORDINGS_TABLE: Final = Table(
    "recordings",
    JOURNAL_METADATA,
    Column("id", Text, primary_key=True),
    *_merged_texts("call"),
    Column("at", Double),
    *_merged_texts("url", "raw"),
)
TRANSCRIPTS_TABLE: Final = Table(
    "transcripts",
    JOURNAL_METADATA,
    Column("id", Text, primary_key=True),
    *_merged_texts("call"),
    Column("at", Double),
    *_merged_texts("text", "raw"),
)
EFFECTS_TABLE: Final = Table(
    "effects",
    JOURNAL_METADATA,
    Column("kind", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    *_merged_texts("call"),
    Column("at", Double),
    *_merged_texts("payload", "result", "reason"),
    Column("settled", Double),
)
"""An effect requested by a flow; ``result`` begins with its rank."""


for table in (RECORDINGS_TABLE, TRANSCRIPTS_TABLE, EFFECTS_TABLE):
    Index(f"{table.name}_call", table.c.call)
    Index(f"{table.name}_at", table.c.at)


CLAIMS_TABLE: Final = Table(
    "claims",
    JOURNAL_METADATA,
    Column("kind", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("at", Double, nullable=False),
)
"""Idempotency keys, shared by all processes."""
Index("claims_at", CLAIMS_TABLE.c.at)


COUNTED_TABLE: Final = Table(
    "counted",
    JOURNAL_METADATA,
    Column("scope", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("number", Integer, nullable=False),
    Column("at", Double, nullable=False),
)
"""Calls that are counted, each with its number. ``scope`` begins with a digest of the caller; ``key`` is the call's id."""
Index("counted_at", COUNTED_TABLE.c.at)


OPT_OUTS_TABLE: Final = Table(
    "optouts",
    JOURNAL_METADATA,
    Column("pair", Text, primary_key=True),
    Column("at", Double, nullable=False),
    Column("out", Integer, nullable=False),
)
"""Opt-outs. ``pair`` is a digest, so that a STOP survives the erasure of the number."""
LEASES_TABLE: Final = Table(
    "leases",
    JOURNAL_METADATA,
    Column("name", Text, primary_key=True),
    *_required_texts("holder"),
    Column("until", Double, nullable=False),
    Column("mark", Double),
)
"""Leases for the work of one process at a time. ``mark`` is the moment up to which the work is complete."""
SHARED_TEXTS_TABLE: Final = Table(
    "shared_texts", JOURNAL_METADATA, Column("name", Text, primary_key=True), Column("text", Text, nullable=False)
)
"""Texts that all servers share, as the overrides of opening hours."""
DRAFTS_TABLE: Final = Table(
    "drafts",
    JOURNAL_METADATA,
    Column("flow", Text, primary_key=True),
    Column("who", Text, primary_key=True),
    Column("at", Double, nullable=False),
    *_required_texts("base", "digest", "source", "report"),
)
"""A person's draft of a flow file. ``base`` is the digest of the file for which it was made, ``digest`` its own.

``report`` is JSON: what the last trial of this text has found, or how far it is.
"""
Index("drafts_at", DRAFTS_TABLE.c.at)
VERSIONS_TABLE: Final = Table(
    "versions",
    JOURNAL_METADATA,
    Column("flow", Text, primary_key=True),
    Column("version", Text, primary_key=True),
    *_merged_texts("file", "source"),
    Column("since", Double),
    Column("until", Double),
)
"""A version of a flow: its file's name and text, and the first and last moment at which it is known to have been live."""
PLACES_TABLE: Final = Table(
    "places",
    JOURNAL_METADATA,
    Column("id", Text, primary_key=True),
    *_required_texts("flow", "version", "elements"),
)
"""Places in a flow file of a document's elements, as JSON (see ``DocumentPlaces``). Many turns share one row."""
Index("places_version", PLACES_TABLE.c.flow, PLACES_TABLE.c.version)


VISITS_TABLE: Final = Table(
    "visits",
    JOURNAL_METADATA,
    Column("id", Text, primary_key=True),
    *_required_texts("call"),
    Column("at", Double, nullable=False),
    Column("number", Integer, nullable=False),
    *_required_texts("flow", "version", "node", "way"),
    Column("line", Integer, nullable=False),
)
"""A call comes to a node, by a way such as ``key 2``.

The journal derives the rows: the first of a turn from the turn, the others from Opentact's reports when the call has ended.
``number`` orders the visits of one moment.
"""
Index("visits_call", VISITS_TABLE.c.call)
Index("visits_node", VISITS_TABLE.c.flow, VISITS_TABLE.c.node, VISITS_TABLE.c.at)


ENDINGS_TABLE: Final = Table(
    "endings",
    JOURNAL_METADATA,
    Column("call", Text, primary_key=True),
    Column("at", Double),
    *_required_texts("kind", "party", "node"),
    Column("seconds", Integer),
)
"""The ending of a call that is over (see ``CallEnding``), derived again whenever something more is reported.

``at`` is the beginning of the call.
"""
Index("endings_kind", ENDINGS_TABLE.c.kind, ENDINGS_TABLE.c.at)


HANDLED_TABLE: Final = Table(
    "handled",
    JOURNAL_METADATA,
    Column("kind", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("call", Text),
    Column("at", Double, nullable=False),
    *_required_texts("by"),
)
"""Recordings (``voicemail``) and texts (``message``) that somebody has dealt with. One without a row is new."""
NOTES_TABLE: Final = Table(
    "notes",
    JOURNAL_METADATA,
    Column("id", Text, primary_key=True),
    Column("call", Text),
    *_required_texts("key"),
    Column("at", Double, nullable=False),
    *_required_texts("by", "text"),
)
"""A note of a person. ``key`` is the id of the noted thing: a call, a recording or a message."""
Index("notes_key", NOTES_TABLE.c.key)


AUDIT_TABLE: Final = Table(
    "audit",
    JOURNAL_METADATA,
    Column("id", Text, primary_key=True),
    Column("at", Double, nullable=False),
    *_required_texts("who", "origin", "action", "key"),
    Column("call", Text),
    *_required_texts("before", "after"),
)
"""A change made by a person or a program: who, from where (``origin``), the changed thing (``key``), before and after."""


TOKENS_TABLE: Final = Table(
    "tokens",
    JOURNAL_METADATA,
    Column("id", Text, primary_key=True),
    *_required_texts("name", "scope", "hash"),
    Column("created", Double, nullable=False),
    Column("until", Double),
    Column("revoked", Double),
)
"""A token of the HTTP API; ``hash`` is the SHA-256 of its secret."""


CAMPAIGNS_TABLE: Final = Table(
    "campaigns",
    JOURNAL_METADATA,
    Column("name", Text, primary_key=True),
    Column("flow", Text, nullable=False),
    Column("at", Double, nullable=False),
    Column("by", Text, nullable=False),
    Column("payload", Text, nullable=False),
)
"""A campaign; ``payload`` has its settings as JSON."""
CAMPAIGN_NUMBERS_TABLE: Final = Table(
    "campaign_numbers",
    JOURNAL_METADATA,
    Column("campaign", Text, primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("number", Text, nullable=False),
    Column("payload", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("at", Double),
    Column("next", Double, nullable=False),
    Column("batch", Text),
    Column("reason", Text, nullable=False),
)
"""A number of a campaign, in the order of its list, with the values of its row and the state of its calls.

``attempts`` counts the calls that were begun, ``at`` is the beginning of the last, ``next`` the earliest moment of the
next. A call is counted before Opentact is asked for it, so that a killed process never makes it twice.
"""
Index("campaign_numbers_state", CAMPAIGN_NUMBERS_TABLE.c.campaign, CAMPAIGN_NUMBERS_TABLE.c.state)


CAMPAIGN_CALLS_TABLE: Final = Table(
    "campaign_calls",
    JOURNAL_METADATA,
    Column("key", Text, primary_key=True),
    Column("call", Text),
)
"""A call of a campaign that somebody answered; ``key`` names the campaign, the position of the number, and the attempt."""
Index("campaign_calls_call", CAMPAIGN_CALLS_TABLE.c.call)


for table in (HANDLED_TABLE, NOTES_TABLE, AUDIT_TABLE):
    Index(f"{table.name}_call", table.c.call)
    Index(f"{table.name}_at", table.c.at)


_GREATEST_COLUMNS: Final = (
    "caller", "number", "outcome", "state", "seconds", "cause", "delivered", "result", "reason", "payload", "text", "raw",
    "until",
)  # fmt: skip
GREATEST_WINS_COLUMNS: Final = frozenset(_GREATEST_COLUMNS)
"""Columns in which the greater value wins; in all other columns the lesser value wins."""
MERGED_TABLES: Final = {
    table.name: table
    for table in (CALLS_TABLE, MESSAGES_TABLE, RECORDINGS_TABLE, TRANSCRIPTS_TABLE, EFFECTS_TABLE, VERSIONS_TABLE)
}
"""Tables whose rows are merged with later reports; the other tables ignore a repeated row."""
APPEND_ONLY_TABLES: Final = {
    table.name: table for table in (TURNS_TABLE, EVENTS_TABLE, PLACES_TABLE, VISITS_TABLE, CAMPAIGN_CALLS_TABLE)
}
