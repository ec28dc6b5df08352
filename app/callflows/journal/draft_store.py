"""Drafts of flows in the database: texts that their authors have not made live yet. All servers have the same ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from sqlalchemy import delete, select, update

from callflows.journal.journal_tables import DRAFTS_TABLE
from callflows.journal.upserts import get_dialect_insert

if TYPE_CHECKING:
    from sqlalchemy import Connection


DRAFT_SECONDS: Final = 30 * 86_400.0
"""Time after which a draft that nobody has touched is not shown any more; it is erased with the calls of its time."""
MAX_DRAFTS_OF_PERSON: Final = 50
"""Number of drafts of one person; further ones replace the oldest."""
NO_REPORT: Final = "{}"


class KeptDraft(NamedTuple):
    """A draft as it is stored; ``at`` is when it was kept, the other fields are those of DRAFTS_TABLE."""

    flow: str
    who: str
    at: float
    base: str
    digest: str
    source: str
    report: str = NO_REPORT


class ListedDraft(NamedTuple):
    """A draft in a list, without its text."""

    flow: str
    who: str
    at: float


def store_draft(connection: Connection, draft: KeptDraft) -> None:
    """Store the draft of a person instead of an earlier one of the same flow, and erase those that are too many."""
    table = DRAFTS_TABLE
    new = get_dialect_insert(connection.dialect.name)(table).values(**draft._asdict())
    values = {name: value for name, value in draft._asdict().items() if name not in ("flow", "who")}
    connection.execute(new.on_conflict_do_update(index_elements=["flow", "who"], set_=values))
    mine = select(table.c.flow).where(table.c.who == draft.who).order_by(table.c.at.desc(), table.c.flow)
    for flow in connection.scalars(mine.offset(MAX_DRAFTS_OF_PERSON)).all():
        erase_draft(connection, flow, draft.who)


def store_draft_report(connection: Connection, draft: KeptDraft, report: str) -> bool:
    """Store what a trial has found. Return False if the draft has another text meanwhile, or is gone."""
    table = DRAFTS_TABLE
    mine = (table.c.flow == draft.flow) & (table.c.who == draft.who) & (table.c.digest == draft.digest)
    return connection.execute(update(table).where(mine).values(report=report)).rowcount > 0


def erase_draft(connection: Connection, flow: str, who: str) -> None:
    connection.execute(delete(DRAFTS_TABLE).where(DRAFTS_TABLE.c.flow == flow, DRAFTS_TABLE.c.who == who))


def query_draft(connection: Connection, flow: str, who: str, now: float) -> KeptDraft | None:
    """Return the draft of a person that is not too old; None if there is none."""
    table = DRAFTS_TABLE
    mine = (table.c.flow == flow) & (table.c.who == who) & (table.c.at >= now - DRAFT_SECONDS)
    found = connection.execute(select(*(table.c[name] for name in KeptDraft._fields)).where(mine)).first()
    return KeptDraft(*found) if found is not None else None


def query_drafts(connection: Connection, now: float) -> list[ListedDraft]:
    """Return the drafts of all people that differ from the file for which they were made, the newest first."""
    table = DRAFTS_TABLE
    is_shown = (table.c.at >= now - DRAFT_SECONDS) & (table.c.digest != table.c.base)
    columns = (table.c[name] for name in ListedDraft._fields)
    found = connection.execute(select(*columns).where(is_shown).order_by(table.c.at.desc(), table.c.flow))
    return [ListedDraft(*row) for row in found]
