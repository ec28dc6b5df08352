"""Opt-outs, kept permanently: pairs of one of our numbers and another number, stored as digests."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from sqlalchemy import select

from callflows.journal.journal_tables import OPT_OUTS_TABLE
from callflows.journal.upserts import INSERT_BY_DIALECT

if TYPE_CHECKING:
    from sqlalchemy import Connection


def query_opt_out(connection: Connection, number: str, other: str) -> bool:
    """Report whether the latest request of a pair is STOP."""
    found = connection.execute(
        select(OPT_OUTS_TABLE.c.out).where(OPT_OUTS_TABLE.c.pair == _digest_pair(number, other))
    ).scalar()
    return bool(found)


def store_opt_out(connection: Connection, number: str, other: str, at: float, *, out: bool) -> bool:
    """Store a STOP or START unless a later request is stored already. Return whether the opt-out changed.

    Of two requests at the same moment, the STOP wins.
    """
    pair = _digest_pair(number, other)
    last = connection.execute(
        select(OPT_OUTS_TABLE.c.at, OPT_OUTS_TABLE.c.out).where(OPT_OUTS_TABLE.c.pair == pair)
    ).first()
    at_last, was = (last[0], bool(last[1])) if last is not None else (float("-inf"), False)
    if (at, out) <= (at_last, was):
        return False
    new = INSERT_BY_DIALECT[connection.dialect.name](OPT_OUTS_TABLE).values(pair=pair, at=at, out=int(out))
    connection.execute(new.on_conflict_do_update(index_elements=["pair"], set_={"at": at, "out": int(out)}))
    return out != was


def _digest_pair(number: str, other: str) -> str:
    return hashlib.blake2b(f"{number}>{other}".encode(), digest_size=24).hexdigest()
