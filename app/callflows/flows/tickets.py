"""Tickets: the signed state of a call in URLs. Any process can continue any call, and tickets cannot be forged.

A ticket is ``<issued>.<state>.<signature>``: the time of issue (hexadecimal seconds), the values for later steps (JSON in
base64url), and keyed BLAKE2b of both with the flow and the node. The first key signs; every key verifies.

The state has short keys, because it travels in every URL: ``v`` the flow's version, ``e`` the numbers of the NodeEntry,
``t`` the request fields (and ``itself``, if Opentact said whether the app answers by itself), ``s`` the stored values,
``x`` the secret ones among these, encrypted.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
import os
import time
from base64 import urlsafe_b64decode
from binascii import b2a_base64
from json.encoder import encode_basestring as quoted
from time import clock_gettime
from typing import TYPE_CHECKING, Any, Final, Protocol

from callflows.atomic_files import create_private_file
from callflows.boot_clock import BOOT_CLOCK_ID, BOOT_ID
from callflows.disk_errors import explain_disk_error
from callflows.errors import ExpiredTicketError, ForgedTicketError, SettingsError, TicketError
from callflows.flows.entry_points import NodeEntry
from callflows.telephony.phone_numbers import mark_region_codes, restore_region_codes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from collections.abc import Set as AbstractSet
    from pathlib import Path

    class TicketFactory(Protocol):
        """Makes a ticket from the request fields and the stored values of a call."""

        def __call__(
            self, request_fields: Mapping[str, str], values: Mapping[str, Any] = ..., secret_names: AbstractSet[str] = ...
        ) -> str:
            """Return a ticket. Raises TicketError if the state is too large."""


ANSWERS_ITSELF_FIELD: Final = "itself"
"""Field of a ticket, set if Opentact said whether the app answers by itself: "1" or "". No request field has this name."""
TICKET_LIFETIME_SECONDS: Final = 24 * 3600
MAX_TICKET_STATE_BYTES: Final = 2048
MIN_SECRET_KEY_CHARACTERS: Final = 32
"""Minimum length of a stored key."""
_MAX_CLOCK_SKEW_SECONDS: Final = 24 * 3600
"""Seconds by which the clock may have been ahead when the ticket was signed.

A clock that is set back must not end the calls that are running. A ticket gains nothing by it: only we can sign one.
"""


class TicketSigner:
    """Signs and reads tickets."""

    __slots__ = ("_encryption_keys", "_keys")

    def __init__(self, keys: Sequence[bytes]) -> None:
        if not keys:
            raise SettingsError("there must be at least one secret key")
        self._keys = tuple(hashlib.blake2b(key, person=b"callflows ticket").digest() for key in keys)
        self._encryption_keys = tuple(
            hashlib.blake2b(key, person=b"callflows secret", digest_size=32).digest() for key in keys
        )

    def make_ticket_factory(self, target: str, state: Mapping[str, Any]) -> TicketFactory:
        """Return a factory for tickets with a state, valid for a target (``flow/node``).

        The factory adds request fields under ``t``, stored values under ``s`` and secret values, encrypted, under ``x``.
        Everything known before the call is computed here. The factory raises TicketError if a ticket is too large.
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
            since_start = (int(clock_gettime(BOOT_CLOCK_ID)) + _TICKET_CLOCK_START) & _TICKET_CLOCK_MASK
            packed = b2a_base64(packed, newline=False)
            content = (b"%x-%x.%b" % (int(time.time()), since_start, packed)).translate(_URL_SAFE_ALPHABET, b"=")
            mac = begun.copy()
            mac.update(content)
            signature = b2a_base64(mac.digest(), newline=False).translate(_URL_SAFE_ALPHABET, b"=")
            return str(b"%b.%b" % (content, signature), "ascii")

        return make_ticket

    def measure_state(
        self, target: str, state: Mapping[str, Any], values: Mapping[str, Any], secret_names: AbstractSet[str]
    ) -> int:
        """Return the size in bytes of a ticket's state, for a call without request fields."""
        head = json.dumps(state, separators=(",", ":"), ensure_ascii=False)[:-1]
        return len(f'{head},"t":{{}}{self._encode_values(target, values, secret_names)}}}'.encode("utf-8", "replace"))

    def _encode_values(self, target: str, values: Mapping[str, Any], secret_names: AbstractSet[str]) -> str:
        """Return the stored values as JSON members that follow the request fields."""
        plain = {name: value for name, value in values.items() if name not in secret_names}
        hidden = {name: value for name, value in values.items() if name in secret_names}
        written = f',"s":{_encode_json(plain)}' if plain else ""
        return (
            f'{written},"x":"{encrypt_ticket_text(self._encryption_keys[0], target, _encode_json(hidden))}"'
            if hidden
            else written
        )

    def sign_ticket(self, target: str, state: Mapping[str, Any] | None = None) -> str:
        return self.make_ticket_factory(target, state or {})({})

    def sign_permanently(self, target: str) -> str:
        """Return a signature of a target without a date, for a link that does not run out while its key is in use."""
        return _finish_signature(_start_signature(self._keys[0], target), "").decode("ascii")

    def is_signed_permanently(self, target: str, signature: str) -> bool:
        """Return True if a signature is that of ``sign_permanently`` with one of the keys."""
        encoded = signature.encode("utf-8", "replace")
        return any(hmac.compare_digest(_finish_signature(_start_signature(key, target), ""), encoded) for key in self._keys)

    def read_ticket(self, target: str, ticket: str) -> Mapping[str, Any]:
        """Return the state of a ticket.

        Raises ForgedTicketError, or ExpiredTicketError for a genuine ticket that is too old.
        """
        content, _, signature = ticket.rpartition(".")
        encoded = signature.encode("utf-8", "replace")
        genuine = [
            hmac.compare_digest(_finish_signature(_start_signature(key, target), content), encoded) for key in self._keys
        ]
        if not any(genuine):
            raise ForgedTicketError("the ticket was not signed here, or for another place")
        issued, _, state = content.partition(".")
        _refuse_old_ticket(*issued.split("-"))
        unpacked = decode_ticket_state(state)
        if "x" in unpacked:
            hidden = decrypt_ticket_text(self._encryption_keys, target, unpacked["x"])
            unpacked = {**unpacked, "s": {**unpacked.get("s", {}), **json.loads(hidden)}}
        return {**unpacked, "s": restore_region_codes(unpacked["s"])} if "s" in unpacked else unpacked


def _refuse_old_ticket(issued: str, booted: str) -> None:
    """Raise ExpiredTicketError if a ticket is too old by the clock, and by the time since the start of this machine."""
    age = time.time() - int(issued, 16)
    if -_MAX_CLOCK_SKEW_SECONDS <= age <= TICKET_LIFETIME_SECONDS:
        return
    # The clock may have been set since: a call that is running goes on. (Another machine's number is above the limit.)
    seconds = int(clock_gettime(BOOT_CLOCK_ID)) + _TICKET_CLOCK_START - int(booted, 16)
    if seconds & _TICKET_CLOCK_MASK <= TICKET_LIFETIME_SECONDS:
        return
    if age < 0:
        raise ExpiredTicketError(f"the ticket was signed {int(-age)} seconds from now: is the clock right?")
    raise ExpiredTicketError(f"the ticket is {int(age)} seconds old, more than {TICKET_LIFETIME_SECONDS}")


_TICKET_CLOCK_MASK: Final = 0xFFFF_FFFF
_TICKET_CLOCK_START: Final = int(BOOT_ID, 16)
"""Number of this start of the machine, which is added to the seconds since then: so starts are told apart."""


def make_ticket_state(version: str, entry: NodeEntry) -> dict[str, Any]:
    """Return the state of a ticket that leads to an entry of a node. The entry of most tickets takes no room."""
    state: dict[str, Any] = {"v": version}
    if entry != _COMMON_ENTRY:
        state["e"] = (*map(int, entry[: 4 if entry.has_digits else 3]),)
    return state


def read_node_entry(state: Mapping[str, Any], *, is_same_version: bool) -> NodeEntry:
    """Return the entry of a node in a ticket's state; if the flow was changed since then, the beginning of the node."""
    numbers = state.get("e")
    step, attempt, line_answered, *digits = _COMMON_ENTRY[:3] if numbers is None else numbers
    if not is_same_version:
        return NodeEntry(line_answered=bool(line_answered))
    return NodeEntry(step, attempt, bool(line_answered), bool(digits))


_COMMON_ENTRY: Final = NodeEntry(line_answered=True)


def _encode_json(value: Mapping[str, Any]) -> str:
    return json.dumps(mark_region_codes(value), separators=(",", ":"), ensure_ascii=False)


def encrypt_ticket_text(key: bytes, target: str, text: str) -> str:
    """Encrypt text with ChaCha20-Poly1305 and return base64url. The result is valid only for the given target."""
    from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305  # noqa: PLC0415 - needed only for secrets

    nonce = os.urandom(12)
    sealed = ChaCha20Poly1305(key).encrypt(nonce, text.encode("utf-8", "replace"), target.encode("utf-8", "replace"))
    return b2a_base64(nonce + sealed, newline=False).translate(_URL_SAFE_ALPHABET, b"=").decode("ascii")


def decrypt_ticket_text(keys: Sequence[bytes], target: str, encrypted: str) -> str:
    """Decrypt the result of ``encrypt_ticket_text``. Raises ForgedTicketError if no key fits."""
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
    """Decode the state of a ticket. Call this only after the signature was verified."""
    if not state:
        return {}
    unpacked: Mapping[str, Any] = json.loads(urlsafe_b64decode(state + "=" * (-len(state) % 4)))
    return unpacked


def load_or_create_secret_key(folder: Path) -> bytes:
    """Return the key in ``data/secret_key``, for an installation without CALLFLOWS_SECRET_KEYS.

    Creates the key on first use, readable only by the owner. Raises SettingsError if the folder cannot be read or written,
    or if the stored key is too short.
    """
    path = folder / "secret_key"
    try:
        if not path.exists():
            folder.mkdir(parents=True, exist_ok=True)
            create_private_file(path, os.urandom(32).hex())
        key = path.read_bytes().strip()
    except OSError as error:
        raise SettingsError(
            f"CALLFLOWS_SECRET_KEYS is not set and no key can be kept in {folder}: {explain_disk_error(error)}"
        ) from None
    if len(key) < MIN_SECRET_KEY_CHARACTERS:
        raise SettingsError(f"{path} holds no key that is long enough: remove it, and another is made")
    return key
