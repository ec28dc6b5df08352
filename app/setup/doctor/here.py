"""What can be seen without asking anybody: settings, the folder of what is kept, flow files."""

from __future__ import annotations

import math
import os
import re
import shutil
import tempfile
from collections import Counter
from itertools import pairwise
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from app.errors import JournalError
from app.settings import is_loopback, unknown
from app.setup.doctor.results import Finding

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from app.flows.loader import Loaded
    from app.settings import Settings

SHORTEST: Final = 16
"""Characters of a token."""
WEAKEST: Final = 48.0
"""Bits of a token, as far as its letters tell."""
_GUESSED: Final = (
    "secret",
    "password",
    "passwort",
    "changeme",
    "token",
    "callflows",
    "opentact",
    "example",
    "default",
    "test",
)
_MAKE: Final = "make one by python3 -c 'import secrets; print(secrets.token_urlsafe(24))'"
SCARCE, GONE = 500 * 2**20, 50 * 2**20
"""Bytes left on a disk: nearly full, and full."""
_FEW: Final = 5
_NO_TABLE: Final = re.compile(r'no such table|relation "\w+" does not exist')


def settings_known(_settings: Settings) -> Iterator[Finding]:
    """Variables that look like settings, and are none."""
    strange = unknown()
    for line in strange:
        yield Finding("warning", line, "correct its name, or take it away")
    if not strange:
        yield Finding("ok", "every CALLFLOWS_… variable is a setting")


def token(settings: Settings) -> Iterator[Finding]:
    """Whether strangers are kept out by something that cannot be guessed."""
    if not settings.token:
        yield Finding("error", "CALLFLOWS_TOKEN is not set: only this machine is answered, and no call of Opentact", _MAKE)
    for number, secret in enumerate(settings.token, start=1):
        which = f"token {number} of {len(settings.token)}" if len(settings.token) > 1 else "the token"
        why = weak(secret.get_secret_value())
        yield Finding("error", f"{which} is weak: {why}", _MAKE) if why else Finding("ok", f"{which} cannot be guessed")


def weak(secret: str) -> str:
    """Why a secret may be guessed; nothing where it may not, as far as its letters tell."""
    if len(secret) < SHORTEST:
        return f"it has {len(secret)} characters, and should have {SHORTEST} or more"
    plain = "".join(filter(str.isalnum, secret.lower()))
    for word in _GUESSED:
        plain = plain.replace(word, "")
    if len(plain) < SHORTEST // 2:
        return "it is made of words that everybody tries first"
    steps = [ord(after) - ord(before) for before, after in pairwise(secret)]
    bits = min(_bits([*secret]), _bits(steps))
    return "" if bits >= WEAKEST else "it repeats itself, or goes on in equal steps"


def _bits(parts: list[str] | list[int]) -> float:
    """Shannon's measure of a text by its own letters: a random one of 24 bytes in base64 has about 140."""
    counts: Counter[object] = Counter(parts)
    return -sum(count * math.log2(count / len(parts)) for count in counts.values())


def public_url(settings: Settings) -> Iterator[Finding]:
    """Where Opentact reaches the server, and whether others can read along."""
    url = urlsplit(settings.public_url)
    if not settings.public_url:
        said = "CALLFLOWS_PUBLIC_URL is not set: URLs in documents are made of what each request says of itself"
        yield Finding("error", said, "set it to the address that Opentact reaches, as https://calls.example.com")
    elif is_loopback(url.hostname or ""):
        said = f"{settings.public_url} is this machine, which only a stand-in on it reaches"
        yield Finding("warning", said, "set CALLFLOWS_PUBLIC_URL to the address that Opentact reaches")
    elif url.scheme != "https":
        mend = "put a proxy with a certificate before the server, and set CALLFLOWS_PUBLIC_URL to its https:// address"
        yield Finding(
            "error", f"{settings.public_url} is not TLS: tokens and what callers press can be read on the way", mend
        )
    else:
        yield Finding("ok", f"{settings.public_url} is TLS")


def secret_keys(settings: Settings) -> Iterator[Finding]:
    """Whether all that answer can read each other's tickets."""
    kept = f"made once and kept in {settings.data}"
    mend = "where there are replicas set CALLFLOWS_SECRET_KEYS, the same for all"
    if settings.secret_keys:
        yield Finding("ok", f"{len(settings.secret_keys)} key(s) sign tickets, the same wherever they are set")
    elif settings.workers > 1:
        said = (
            f"{settings.workers} workers share the key that is {kept}; another machine has another, and its calls break off"
        )
        yield Finding("warning", said, mend)
    else:
        yield Finding("ok", f"the key is {kept}; {mend}")


def proxies(settings: Settings) -> Iterator[Finding]:
    """Whether the server knows who asks it: it speaks no TLS itself, so https means that a proxy stands before it."""
    if not settings.public_url.startswith("https://"):
        yield Finding("ok", "no proxy is known of")
    elif settings.trusted_proxies:
        yield Finding("ok", f"{len(settings.trusted_proxies)} network(s) of proxies are believed")
    else:
        said = "CALLFLOWS_PUBLIC_URL is https, so a proxy stands before the server, and CALLFLOWS_TRUSTED_PROXIES is empty"
        mend = "set CALLFLOWS_TRUSTED_PROXIES to the proxy's network, as 10.0.0.0/8"
        if settings.allowed_sources:
            why = "every request seems to come from the proxy, so it is the one that CALLFLOWS_ALLOWED_SOURCES judges"
            yield Finding("error", f"{said}: {why}", mend)
        else:
            yield Finding("warning", f"{said}: every request seems to come from the proxy, by http", mend)


def data(settings: Settings, usage: Callable[[Path], tuple[int, int, int]] = shutil.disk_usage) -> Iterator[Finding]:
    """Whether what must be kept can be written, and for how long."""
    folder = settings.data.absolute()
    there = next(place for place in (folder, *folder.parents) if place.exists())
    mend = "make CALLFLOWS_DATA a folder that this user can write"
    try:
        if there == folder:
            with tempfile.TemporaryFile(dir=folder) as file:
                file.write(b"callflows")
        elif not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
            yield Finding("error", f"{folder} is not there, and cannot be made in {there}", mend)
            return
    except OSError as error:
        yield Finding("error", f"{folder} cannot be written: {error.strerror}", mend)
        return
    total, _, free = usage(there)
    left = f"{free // 2**20:,} MiB of {total // 2**20:,} MiB are free"
    if free >= SCARCE:
        yield Finding("ok", f"{settings.data} can be written; {left}")
    else:
        yield Finding(
            "error" if free < GONE else "warning", f"the disk of {folder} is nearly full: {left}", "make room on it"
        )


def database(settings: Settings) -> Iterator[Finding]:
    """Whether calls can be remembered; the tables are looked at as they are, and not made."""
    from app.journal.sql import SqlStore  # noqa: PLC0415 - heavy

    store = SqlStore(settings.journal_url)
    if store.file is not None and not store.file.exists():
        yield Finding("ok", f"{store.file} is made when the server starts")
        return
    try:
        store.hold("doctor", "doctor", 0.0, 0.0)
    except JournalError as error:
        if _NO_TABLE.search(str(error)):
            yield Finding("ok", f"{store.name} is empty: the server makes its tables when it starts")
        else:
            mend = "let it be reached and written; until then calls are answered, and remembered in files"
            yield Finding("error", f"{store.name} cannot be written: {error}", mend)
    else:
        yield Finding("ok", f"{store.name} can be written")
    finally:
        store.close()


def flows(loaded: Loaded, folder: Path) -> Iterator[Finding]:
    """What ``check`` would say: mistakes first."""
    mend = "see callflows check"
    for level in ("error", "warning"):
        found = [problem for problem in loaded.problems if problem.severity == level]
        for problem in found[:_FEW]:
            yield Finding(level, str(problem), problem.mend or mend)
        if len(found) > _FEW:
            yield Finding(level, f"and {len(found) - _FEW} more {level}s in flow files", mend)
    count = len(loaded.book.flows)
    if not count and not loaded.broken:
        yield Finding("error", f"there is no flow in {folder}: every call hears an apology", "begin one: callflows new")
    elif not loaded.broken:
        yield Finding("ok", f"{count} flow(s) can answer")
