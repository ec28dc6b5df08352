"""The signed state of a call that travels in its URLs: any process can go on with any call, and nobody can forge one.

``<issued>.<state>.<signature>``: when it was made (hexadecimal seconds), what is used later (JSON in base64url), and
keyed BLAKE2b of both with the flow and the node. Signed with the first key, valid with any.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
import os
import tempfile
import time
from base64 import urlsafe_b64decode
from binascii import b2a_base64
from json.encoder import encode_basestring as quoted
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

from callflows.errors import ExpiredTicketError, ForgedTicketError, SettingsError, TicketError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from collections.abc import Set as AbstractSet

    class TicketFactory(Protocol):
        """Makes a ticket of what was told of a call, and of what was set in it."""

        def __call__(
            self, request_fields: Mapping[str, str], values: Mapping[str, Any] = ..., secret_names: AbstractSet[str] = ...
        ) -> str:
            """One ticket. Raises TicketError where it is too big."""


TICKET_LIFETIME_SECONDS: Final = 24 * 3600
"""Seconds for which a ticket is good."""


MAX_TICKET_STATE_BYTES: Final = 2048
"""Bytes that a ticket's state may have."""


MIN_SECRET_KEY_CHARACTERS: Final = 32
"""Characters of a kept key."""


_MAX_CLOCK_SKEW_SECONDS: Final = 300
"""Seconds by which another process's clock may be ahead."""


class TicketSigner:
    """Makes tickets and reads them."""

    __slots__ = ("_encryption_keys", "_keys")

    def __init__(self, keys: Sequence[bytes]) -> None:
        if not keys:
            raise SettingsError("there must be at least one secret key")
        self._keys = tuple(hashlib.blake2b(key, person=b"callflows ticket").digest() for key in keys)
        self._encryption_keys = tuple(
            hashlib.blake2b(key, person=b"callflows secret", digest_size=32).digest() for key in keys
        )

    def make_ticket_factory(self, target: str, state: Mapping[str, Any]) -> TicketFactory:
        """Makes tickets for a place (``flow/node``) with a state.

        To each comes, under ``t``, what was told of its call, under ``s`` the values that were set, and under ``x``,
        encrypted, those of them that are secret. All that is known before the call is worked out here. What it gives
        raises TicketError where a ticket is too big.
        """
        begun = _start_signature(self._keys[0], target)
        head = json.dumps(state, separators=(",", ":"), ensure_ascii=False)[:-1]
        begin = f'{head}{"," if state else ""}"t":{{'
        alone = f"{head}}}".encode() if state else b""

        def make_ticket(
            request_fields: Mapping[str, str], values: Mapping[str, Any] = {}, secret_names: AbstractSet[str] = frozenset()
        ) -> str:
            packed = alone
            if request_fields or values:
                written = begin
                for name, value in request_fields.items():
                    written = f'{written}"{name}":{quoted(value)},'
                written = f"{written[:-1] if request_fields else written}}}"
                packed = f"{written}{self._encode_values(target, values, secret_names) if values else ''}}}".encode(
                    "utf-8", "replace"
                )
                if len(packed) > MAX_TICKET_STATE_BYTES:
                    raise TicketError(f"a ticket's state has {len(packed)} bytes, more than {MAX_TICKET_STATE_BYTES}")
            content = (b"%x.%b" % (int(time.time()), b2a_base64(packed, newline=False))).translate(_URL_SAFE_ALPHABET, b"=")
            mac = begun.copy()
            mac.update(content)
            return (
                b"%b.%b" % (content, b2a_base64(mac.digest(), newline=False).translate(_URL_SAFE_ALPHABET, b"="))
            ).decode("ascii")

        return make_ticket

    def measure_state(
        self, target: str, state: Mapping[str, Any], values: Mapping[str, Any], secret_names: AbstractSet[str]
    ) -> int:
        """Bytes of a ticket's state for a call of which nothing was told."""
        head = json.dumps(state, separators=(",", ":"), ensure_ascii=False)[:-1]
        return len(f'{head},"t":{{}}{self._encode_values(target, values, secret_names)}}}'.encode("utf-8", "replace"))

    def _encode_values(self, target: str, values: Mapping[str, Any], secret_names: AbstractSet[str]) -> str:
        """What was set, as it follows what was told."""
        plain = {name: value for name, value in values.items() if name not in secret_names}
        hidden = {name: value for name, value in values.items() if name in secret_names}
        written = f',"s":{_encode_json(plain)}' if plain else ""
        return (
            f'{written},"x":"{encrypt_ticket_text(self._encryption_keys[0], target, _encode_json(hidden))}"'
            if hidden
            else written
        )

    def sign_ticket(self, target: str, state: Mapping[str, Any] | None = None) -> str:
        """One ticket."""
        return self.make_ticket_factory(target, state or {})({})

    def read_ticket(self, target: str, ticket: str) -> Mapping[str, Any]:
        """The state of a ticket. Raises ForgedTicket, or StaleTicket when it is genuine but over LIFETIME old."""
        content, _, signature = ticket.rpartition(".")
        given = signature.encode("utf-8", "replace")
        genuine = [
            hmac.compare_digest(_finish_signature(_start_signature(key, target), content), given) for key in self._keys
        ]
        if not any(genuine):
            raise ForgedTicketError("the ticket was not signed here, or for another place")
        issued, _, state = content.partition(".")
        age = time.time() - int(issued, 16)
        if not -_MAX_CLOCK_SKEW_SECONDS <= age <= TICKET_LIFETIME_SECONDS:
            raise ExpiredTicketError(f"the ticket is {int(age)} seconds old, more than {TICKET_LIFETIME_SECONDS}")
        unpacked = decode_ticket_state(state)
        if "x" in unpacked:
            hidden = decrypt_ticket_text(self._encryption_keys, target, unpacked["x"])
            return {**unpacked, "s": {**unpacked.get("s", {}), **json.loads(hidden)}}
        return unpacked


def _encode_json(value: Mapping[str, Any]) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def encrypt_ticket_text(key: bytes, target: str, text: str) -> str:
    """A text that nobody can read without the key, nor take to another place (ChaCha20-Poly1305), in base64url."""
    from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305  # noqa: PLC0415 - only where there is a secret

    nonce = os.urandom(12)
    sealed = ChaCha20Poly1305(key).encrypt(nonce, text.encode("utf-8", "replace"), target.encode("utf-8", "replace"))
    return b2a_base64(nonce + sealed, newline=False).translate(_URL_SAFE_ALPHABET, b"=").decode("ascii")


def decrypt_ticket_text(keys: Sequence[bytes], target: str, encrypted: str) -> str:
    """A sealed text. Raises ForgedTicket where no key opens it."""
    from cryptography.exceptions import InvalidTag  # noqa: PLC0415 - as above
    from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305  # noqa: PLC0415 - as above

    whole = urlsafe_b64decode(encrypted + "=" * (-len(encrypted) % 4))
    for key in keys:
        with contextlib.suppress(InvalidTag):
            return ChaCha20Poly1305(key).decrypt(whole[:12], whole[12:], target.encode("utf-8", "replace")).decode()
    raise ForgedTicketError("the ticket's secrets were not sealed here, or for another place")


def _start_signature(key: bytes, target: str) -> hashlib.blake2b:
    return hashlib.blake2b(f"{target}\0".encode("utf-8", "replace"), key=key, digest_size=24)


def _finish_signature(hasher: hashlib.blake2b, content: str) -> bytes:
    mac = hasher.copy()
    mac.update(content.encode("utf-8", "replace"))
    return b2a_base64(mac.digest(), newline=False).translate(_URL_SAFE_ALPHABET, b"=")


_URL_SAFE_ALPHABET: Final = bytes.maketrans(b"+/", b"-_")


def decode_ticket_state(state: str) -> Mapping[str, Any]:
    """The state of a ticket; only ever called on what was signed."""
    if not state:
        return {}
    unpacked: Mapping[str, Any] = json.loads(urlsafe_b64decode(state + "=" * (-len(state) % 4)))
    return unpacked


def load_or_create_secret_key(folder: Path) -> bytes:
    """The key of an installation that sets none: made once, kept in ``data/secret_key``, readable by its owner only.

    Raises SettingsError where the folder can neither be read nor written.
    """
    path = folder / "secret_key"
    try:
        if not path.exists():
            folder.mkdir(parents=True, exist_ok=True)
            handle, made = tempfile.mkstemp(prefix=".secret_key.", dir=folder)
            with os.fdopen(handle, "wb") as file:
                file.write(os.urandom(32).hex().encode())
                file.flush()
                os.fsync(handle)
            with contextlib.suppress(FileExistsError):
                os.link(made, path)
            Path(made).unlink()
        key = path.read_bytes().strip()
    except OSError as error:
        raise SettingsError(f"CALLFLOWS_SECRET_KEYS is not set and no key can be kept in {folder}: {error}") from None
    if len(key) < MIN_SECRET_KEY_CHARACTERS:
        raise SettingsError(f"{path} holds no key that is long enough: remove it, and another is made")
    return key
