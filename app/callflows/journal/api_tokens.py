"""Tokens of the HTTP API for operators. Only a hash of each is stored, and a token is shown once, when it is made."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from sqlalchemy import select

from callflows.journal.call_derivation import fetch_all_rows
from callflows.journal.call_story import format_moment
from callflows.journal.inbox import PersonChange, add_audit_row
from callflows.journal.journal_tables import TOKENS_TABLE

if TYPE_CHECKING:
    from sqlalchemy import Connection


API_SCOPES: Final = ("read", "operate", "author")
"""Scopes of a token; each includes those before it."""
TOKEN_FIELDS: Final = ("id", "name", "scope", "created", "until", "revoked")
_PREFIX: Final = "cf"
_ID_BYTES: Final = 6
_SECRET_BYTES: Final = 24


class TokenOwner(NamedTuple):
    """A valid token: its name, for the audit log, and its scope."""

    name: str
    scope: str

    def has_scope(self, scope: str) -> bool:
        return API_SCOPES.index(self.scope) >= API_SCOPES.index(scope)


def create_token(connection: Connection, name: str, scope: str, change: PersonChange, until: float | None) -> str:
    """Store a new token, and return it; ``until`` is its end in seconds since 1970."""
    id_, secret = secrets.token_hex(_ID_BYTES), secrets.token_urlsafe(_SECRET_BYTES)
    row = {"id": id_, "name": name, "scope": scope, "hash": _hash_secret(secret), "created": change.at, "until": until}
    connection.execute(TOKENS_TABLE.insert().values(**row))
    add_audit_row(connection, change, "token", f"token {id_}", ("", f"{name}: {scope}"))
    return f"{_PREFIX}_{id_}_{secret}"


def _hash_secret(secret: str) -> str:
    # A secret of 192 random bits needs no slow hash.
    return hashlib.sha256(secret.encode()).hexdigest()


def find_token_owner(connection: Connection, token: str, now: float) -> TokenOwner | None:
    """Return the owner of a token; None if it is unknown, has ended or was revoked."""
    prefix, _, rest = token.partition("_")
    id_, _, secret = rest.partition("_")
    row = connection.execute(select(TOKENS_TABLE).where(TOKENS_TABLE.c.id == id_)).mappings().first()
    stored = row["hash"] if row is not None else _hash_secret("")
    is_same = hmac.compare_digest(_hash_secret(secret), stored)  # compared also for an unknown id, in the same time
    if row is None or not is_same or prefix != _PREFIX or row["revoked"] is not None:
        return None
    return TokenOwner(row["name"], row["scope"]) if row["until"] is None or now < row["until"] else None


def query_tokens(connection: Connection) -> list[dict[str, Any]]:
    """Return all tokens without their secrets, the oldest first."""
    rows = fetch_all_rows(connection, select(TOKENS_TABLE).order_by(TOKENS_TABLE.c.created, TOKENS_TABLE.c.id))
    moments = ("created", "until", "revoked")
    return [{name: format_moment(row[name]) if name in moments else row[name] for name in TOKEN_FIELDS} for row in rows]


def revoke_token(connection: Connection, id_: str, change: PersonChange) -> bool:
    """Revoke a token. Return whether there was a valid one."""
    mine = (TOKENS_TABLE.c.id == id_) & TOKENS_TABLE.c.revoked.is_(None)
    if not connection.execute(TOKENS_TABLE.update().where(mine).values(revoked=change.at)).rowcount:
        return False
    add_audit_row(connection, change, "revoked", f"token {id_}", ("", ""))
    return True
