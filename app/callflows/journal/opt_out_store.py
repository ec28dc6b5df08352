"""Opt-outs, kept permanently: pairs of one of our numbers and another number, stored as digests."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from sqlalchemy import select

from callflows.journal.journal_tables import OPT_OUTS_TABLE
from callflows.journal.upserts import get_dialect_insert
from callflows.telephony.ports import NO_OPT_OUT_REQUEST, OptOutRequest

if TYPE_CHECKING:
    from sqlalchemy import Connection


def query_opt_out(connection: Connection, number: str, other: str) -> bool:
    """Return True if the latest request of a pair is STOP."""
    found = connection.execute(
        select(OPT_OUTS_TABLE.c.out).where(OPT_OUTS_TABLE.c.pair == _digest_pair(number, other))
    ).scalar()
    return bool(found)


def store_opt_out(connection: Connection, number: str, other: str, request: OptOutRequest) -> bool:
    """Store a STOP or START if the request replaces the stored one. Return whether the opt-out changed."""
    pair = _digest_pair(number, other)
    stored = connection.execute(
        select(OPT_OUTS_TABLE.c.at, OPT_OUTS_TABLE.c.out).where(OPT_OUTS_TABLE.c.pair == pair)
    ).first()
    latest = OptOutRequest(stored[0], bool(stored[1])) if stored is not None else NO_OPT_OUT_REQUEST
    if not request.replaces(latest):
        return False
    values = {"at": request.timestamp, "out": int(request.opts_out)}
    new = get_dialect_insert(connection.dialect.name)(OPT_OUTS_TABLE).values(pair=pair, **values)
    connection.execute(new.on_conflict_do_update(index_elements=["pair"], set_=values))
    return request.opts_out != latest.opts_out


def _digest_pair(number: str, other: str) -> str:
    return hashlib.blake2b(f"{number}>{other}".encode(), digest_size=24).hexdigest()
