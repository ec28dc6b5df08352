"""Tokens: the one made in the portal, and JWTs that an email and a password get."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from app.rehearsal.stand_in.options import Options


class Tokens:
    """Gives JWTs and knows its own. ``life`` of a JWT is in seconds of the real clock."""

    def __init__(self, options: Options, key: str) -> None:
        self._options = options
        self._key = key.encode()
        self._given = 0
        self._expired = 0

    def given(self, basic: str) -> str | None:
        """A JWT for what ``Authorization: Basic`` says; None where email or password are wrong."""
        wanted = base64.b64encode(f"{self._options.email}:{self._options.password}".encode())
        if not hmac.compare_digest(basic.encode(), wanted):
            return None
        self._given += 1
        now = int(time.time())
        claims = {"email": self._options.email, "jti": self._given, "iat": now, "exp": now + self._options.token_life}
        signed = f"{_part({'alg': 'HS256', 'typ': 'JWT'})}.{_part(claims)}"
        return f"{signed}.{self._signature(signed)}"

    def accepts(self, token: str) -> bool:
        """Whether a token is one of these, and valid."""
        if self._options.token and hmac.compare_digest(token.encode(), self._options.token.encode()):
            return True
        signed, _, signature = token.rpartition(".")
        if not signed or not hmac.compare_digest(signature.encode(), self._signature(signed).encode()):
            return False
        claims = json.loads(_bytes(signed.partition(".")[2]))
        return bool(claims["jti"] > self._expired and claims["exp"] > time.time())

    def expire(self) -> None:
        """All JWTs that were given are valid no more."""
        self._expired = self._given

    def _signature(self, signed: str) -> str:
        return _text(hmac.new(self._key, signed.encode(), hashlib.sha256).digest())


def _part(claims: dict[str, object]) -> str:
    return _text(json.dumps(claims, separators=(",", ":")).encode())


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _bytes(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
