"""Opt-outs, kept permanently: pairs of one of our numbers and another number, stored as digests."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from sqlalchemy import select

from callflows.journal.journal_tables import OPT_OUTS_TABLE
from callflows.journal.stored_rows import split_list
from callflows.journal.upserts import get_dialect_insert
from callflows.telephony.ports import NO_OPT_OUT_REQUEST, OptOutRequest

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy import Connection


def query_opt_out(connection: Connection, number: str, other: str) -> bool:
    """Return True if the latest request of a pair is STOP."""
    return other in query_opt_outs(connection, number, [other])


def query_opt_outs(connection: Connection, number: str, others: Iterable[str]) -> set[str]:
    """Return those of the other numbers whose latest request to a number of ours is STOP."""
    others_by_pair = {_digest_pair(number, other): other for other in others}
    table = OPT_OUTS_TABLE
    opted_out: set[str] = set()
    for some_pairs in split_list([*others_by_pair]):
        query = select(table.c.pair).where(table.c.pair.in_(some_pairs), table.c.out != 0)
        opted_out |= {others_by_pair[pair] for pair in connection.execute(query).scalars()}
    return opted_out


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
