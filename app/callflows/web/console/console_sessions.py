"""Sessions of the console: signed cookies that end, tokens against forged requests, and links that work once."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from itsdangerous import BadData, SignatureExpired, URLSafeTimedSerializer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from callflows.web.console.console_accounts import ConsoleUser


SESSION_SECONDS: Final = 12 * 3600
LINK_SECONDS: Final = 3600
ATTEMPT_SECONDS: Final = 600
"""Time to sign in at a provider."""
ATTEMPT_COOKIE: Final = "callflows_openid"
SESSION_COOKIE: Final = "callflows_console"


_MAX_CLOCK_SKEW_SECONDS: Final = 24 * 3600
"""Cookies may seem to be of the future: another server signed them, or the clock was set back. As for tickets of calls."""


class ConsoleSession(NamedTuple):
    """A person who is signed in."""

    user: ConsoleUser
    id: str
    form_token: str
    """The token that every form of this session sends."""


class SignedSession(NamedTuple):
    """The contents of a cookie, to be compared with the people as they are now."""

    name: str
    stamp: str
    id: str
    origin: str
    role: str


class SessionSigner:
    """Signs and reads sessions. The first key signs; all keys are valid."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        oldest_first = [*reversed(keys)]
        options = {"digest_method": hashlib.sha256, "key_derivation": "hmac"}
        self._sessions = URLSafeTimedSerializer(oldest_first, salt="console session", signer_kwargs=options)
        self._links = URLSafeTimedSerializer(oldest_first, salt="console link", signer_kwargs=options)
        self._attempts = URLSafeTimedSerializer(oldest_first, salt="console openid", signer_kwargs=options)
        self._form_key = hashlib.blake2b(b"console form", key=keys[0][:64]).digest()
        self._stamp_keys = [hashlib.blake2b(b"console stamp", key=key[:64]).digest() for key in keys]

    def sign_session(self, user: ConsoleUser) -> str:
        """Return the value of the cookie of a new session."""
        stamp = _sign_stamp(self._stamp_keys[0], user)
        return str(self._sessions.dumps([user.name, stamp, secrets.token_urlsafe(12), user.origin, user.role]))

    def read_session(self, cookie: str) -> SignedSession | None:
        """Return the contents of a cookie; None if the cookie is forged or has expired."""
        try:
            return SignedSession(*map(str, _load_recent(self._sessions, cookie, SESSION_SECONDS)))
        except (BadData, ValueError, TypeError):
            return None

    def has_current_stamp(self, signed: SignedSession, user: ConsoleUser) -> bool:
        """Return False for a cookie that was signed for an earlier password of the person."""
        stamp = signed.stamp.encode()
        return any(hmac.compare_digest(stamp, _sign_stamp(key, user).encode()) for key in self._stamp_keys)

    def make_form_token(self, session_id: str) -> str:
        return hmac.new(self._form_key, session_id.encode(), "sha256").hexdigest()[:32]

    def sign_link(self) -> str:
        """Return the code of a link that signs in once."""
        return str(self._links.dumps(secrets.token_urlsafe(12)))

    def read_link(self, code: str) -> str:
        """Return the id of a link; empty if the link is forged or has expired."""
        try:
            return str(_load_recent(self._links, code, LINK_SECONDS))
        except BadData:
            return ""

    def sign_attempt(self, attempt: Sequence[str]) -> str:
        """Return the value of the cookie of an attempt to sign in at a provider."""
        return str(self._attempts.dumps([*attempt]))

    def read_attempt(self, cookie: str) -> list[str]:
        """Return the parts of an attempt; none if the cookie is forged or has expired."""
        try:
            return [*map(str, _load_recent(self._attempts, cookie, ATTEMPT_SECONDS))]
        except (BadData, TypeError):
            return []


def _load_recent(serializer: URLSafeTimedSerializer, signed: str, max_age: float) -> Any:  # noqa: ANN401 - JSON
    """Return what was signed, at most ``max_age`` seconds ago. Raises BadData."""
    value, signed_at = serializer.loads(signed, return_timestamp=True)
    if not -_MAX_CLOCK_SKEW_SECONDS <= time.time() - signed_at.timestamp() <= max_age:
        raise SignatureExpired("it was signed too long ago")
    return value


def _sign_stamp(key: bytes, user: ConsoleUser) -> str:
    # With a key, since a cookie can be read: a plain hash of a password would let its holder guess the password.
    return hmac.new(key, user.stamp.encode(), "sha256").hexdigest()[:32]


def is_form_token(session: ConsoleSession, token: str) -> bool:
    return hmac.compare_digest(token.encode(), session.form_token.encode())
