"""Tokens: the one made in the portal, and JWTs that an email and a password get."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from app.rehearsal.stand_in.options import StandInOptions


class TokenIssuer:
    """Gives JWTs and knows its own. ``life`` of a JWT is in seconds of the real clock."""

    def __init__(self, options: StandInOptions, key: str) -> None:
        self._options = options
        self._key = key.encode()
        self._issued_count = 0
        self._expired_count = 0

    def issue_jwt(self, credentials: str) -> str | None:
        """A JWT for what ``Authorization: Basic`` says; None where email or password are wrong."""
        wanted = base64.b64encode(f"{self._options.email}:{self._options.password}".encode())
        if not hmac.compare_digest(credentials.encode(), wanted):
            return None
        self._issued_count += 1
        now = int(time.time())
        claims = {
            "email": self._options.email,
            "jti": self._issued_count,
            "iat": now,
            "exp": now + self._options.token_life,
        }
        signed = f"{_encode_claims({'alg': 'HS256', 'typ': 'JWT'})}.{_encode_claims(claims)}"
        return f"{signed}.{self._sign_text(signed)}"

    def accepts_token(self, token: str) -> bool:
        """Whether a token is one of these, and valid."""
        if self._options.token and hmac.compare_digest(token.encode(), self._options.token.encode()):
            return True
        signed, _, signature = token.rpartition(".")
        if not signed or not hmac.compare_digest(signature.encode(), self._sign_text(signed).encode()):
            return False
        claims = json.loads(_decode_base64(signed.partition(".")[2]))
        return bool(claims["jti"] > self._expired_count and claims["exp"] > time.time())

    def expire_jwts(self) -> None:
        """All JWTs that were given are valid no more."""
        self._expired_count = self._issued_count

    def _sign_text(self, text: str) -> str:
        return _encode_base64(hmac.new(self._key, text.encode(), hashlib.sha256).digest())


def _encode_claims(claims: dict[str, object]) -> str:
    return _encode_base64(json.dumps(claims, separators=(",", ":")).encode())


def _encode_base64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _decode_base64(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
