"""Sessions of the console: signed cookies that end, tokens against forged requests, and links that work once."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from typing import TYPE_CHECKING, Final, NamedTuple

from itsdangerous import BadData, URLSafeTimedSerializer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from callflows.web.console.console_accounts import ConsoleUser


SESSION_SECONDS: Final = 12 * 3600
LINK_SECONDS: Final = 3600
SESSION_COOKIE: Final = "callflows_console"


class ConsoleSession(NamedTuple):
    """Who is signed in, since a moment (seconds since 1970)."""

    user: ConsoleUser
    id: str
    began: float
    form_token: str
    """The token that every form of this session sends."""


class SessionTicket(NamedTuple):
    """What a cookie says: it must be compared with the people as they are now."""

    name: str
    stamp: str
    id: str
    began: float


class SessionSigner:
    """Signs and reads sessions. The first key signs; all keys are valid."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        oldest_first = [*reversed(keys)]
        options = {"digest_method": hashlib.sha256, "key_derivation": "hmac"}
        self._sessions = URLSafeTimedSerializer(oldest_first, salt="console session", signer_kwargs=options)
        self._links = URLSafeTimedSerializer(oldest_first, salt="console link", signer_kwargs=options)
        self._form_key = hashlib.blake2b(b"console form", key=keys[0][:64]).digest()

    def sign_session(self, user: ConsoleUser) -> str:
        """Return the value of the cookie of a new session."""
        return str(self._sessions.dumps([user.name, user.stamp, secrets.token_urlsafe(12)]))

    def read_session(self, cookie: str) -> SessionTicket | None:
        """Return what a cookie says; None if it is forged or over."""
        try:
            said, began = self._sessions.loads(cookie, max_age=SESSION_SECONDS, return_timestamp=True)
            name, stamp, id_ = map(str, said)
        except (BadData, ValueError, TypeError):
            return None
        return SessionTicket(name, stamp, id_, began.timestamp())

    def make_form_token(self, session_id: str) -> str:
        return hmac.new(self._form_key, session_id.encode(), "sha256").hexdigest()[:32]

    def sign_link(self) -> str:
        """Return the code of a link that signs in once."""
        return str(self._links.dumps(secrets.token_urlsafe(12)))

    def read_link(self, code: str) -> str:
        """Return the id of a link; empty if it is forged or over."""
        try:
            return str(self._links.loads(code, max_age=LINK_SECONDS))
        except BadData:
            return ""


def is_form_token(session: ConsoleSession, given: str) -> bool:
    """Return whether a form has the token of the session."""
    return hmac.compare_digest(given.encode(), session.form_token.encode())


def count_seconds_left(session: ConsoleSession) -> int:
    """Return the seconds until a session ends."""
    return max(0, int(session.began + SESSION_SECONDS - time.time()))
