"""The signed state of a call that travels in its URLs: any process can go on with any call, and nobody can forge one.

``<issued>.<state>.<signature>``: when it was made (hexadecimal seconds), what is used later (JSON in base64url), and a
signature of both with the flow and the node. Signed with the first key, valid with any.
"""

from __future__ import annotations

import binascii
import contextlib
import hashlib
import json
import os
import tempfile
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from functools import lru_cache
from json.encoder import encode_basestring
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import itsdangerous

from app.errors import ForgedTicket, SettingsError, StaleTicket, TicketError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

LIFETIME: Final = 24 * 3600
"""Seconds for which a ticket is good."""
MAX_STATE: Final = 2048
"""Bytes that a ticket's state may have."""
SHORTEST_KEY: Final = 32
"""Characters of a kept key."""
_SKEW: Final = 300
"""Seconds by which another process's clock may be ahead."""


class Signer:
    """Makes tickets and reads them."""

    __slots__ = ("_signer",)

    def __init__(self, keys: Sequence[bytes]) -> None:
        if not keys:
            raise SettingsError("there must be at least one secret key")
        newest_last = [*reversed(keys)]
        self._signer = itsdangerous.Signer(newest_last, salt=b"callflows ticket", digest_method=hashlib.sha256)

    def sign(self, place: str, state: str = "") -> str:
        """The ticket for a place (``flow/node``) with a state as ``pack`` gives it."""
        content = f"{int(time.time()):x}.{state}"
        return f"{content}.{self._signer.get_signature(_signed(place, content)).decode()}"

    def read(self, place: str, ticket: str) -> Mapping[str, Any]:
        """The state of a ticket. Raises ForgedTicket, or StaleTicket when it is genuine but over LIFETIME old."""
        content, _, signature = ticket.rpartition(".")
        if not self._signer.verify_signature(_signed(place, content), signature.encode("ascii", "replace")):
            raise ForgedTicket("the ticket was not signed here, or for another place")
        issued, _, state = content.partition(".")
        age = time.time() - int(issued, 16)
        if not -_SKEW <= age <= LIFETIME:
            raise StaleTicket(f"the ticket is {int(age)} seconds old, more than {LIFETIME}")
        return unpack(state)


def _signed(place: str, content: str) -> bytes:
    return f"{place}\0{content}".encode("utf-8", "replace")


def pack(state: Mapping[str, Any], told: Mapping[str, str] | None = None) -> str:
    """A state, and under ``t`` what was told of the call, as a ticket has them. Raises TicketError where it is too big."""
    written = _head(**state)
    if told:
        told_too = ",".join([f'"{name}":{encode_basestring(value)}' for name, value in told.items()])
        written = f'{written}{"," if state else ""}"t":{{{told_too}}}'
    elif not state:
        return ""
    packed = f"{{{written}}}".encode("utf-8", "replace")
    if len(packed) > MAX_STATE:
        raise TicketError(f"what a ticket must carry has {len(packed)} bytes, more than {MAX_STATE}")
    return urlsafe_b64encode(packed).rstrip(b"=").decode("ascii")


@lru_cache(maxsize=1024)
def _head(**state: Any) -> str:  # noqa: ANN401 - JSON
    return json.dumps(state, separators=(",", ":"), ensure_ascii=False)[1:-1]


def unpack(state: str) -> Mapping[str, Any]:
    """The state that ``pack`` packed; only ever called on what was signed."""
    if not state:
        return {}
    unpacked: Mapping[str, Any] = json.loads(urlsafe_b64decode(state + "=" * (-len(state) % 4)))
    return unpacked


def kept_key(folder: Path) -> bytes:
    """The key of an installation that sets none: made once, kept in ``data/secret_key``, readable by its owner only.

    Raises SettingsError where the folder can neither be read nor written.
    """
    path = folder / "secret_key"
    try:
        if not path.exists():
            folder.mkdir(parents=True, exist_ok=True)
            handle, made = tempfile.mkstemp(prefix=".secret_key.", dir=folder)
            with os.fdopen(handle, "wb") as file:
                file.write(binascii.hexlify(os.urandom(32)))
                file.flush()
                os.fsync(handle)
            with contextlib.suppress(FileExistsError):
                os.link(made, path)
            Path(made).unlink()
        key = path.read_bytes().strip()
    except OSError as error:
        raise SettingsError(f"CALLFLOWS_SECRET_KEYS is not set and no key can be kept in {folder}: {error}") from None
    if len(key) < SHORTEST_KEY:
        raise SettingsError(f"{path} holds no key that is long enough: remove it, and another is made")
    return key
