"""Checks without network requests to Opentact: settings, data folder, database, and flow files."""

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

from callflows.errors import JournalError
from callflows.settings import find_unknown_settings, is_loopback_host
from callflows.setup.doctor.doctor_runner import DoctorFinding

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from callflows.flows.loader.folder_loader import LoadedFlows
    from callflows.settings import Settings


MIN_TOKEN_CHARACTERS: Final = 16
MIN_TOKEN_ENTROPY_BITS: Final = 48.0
"""Minimum entropy of a token, estimated from its characters."""
_COMMON_TOKEN_WORDS: Final = (
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
_CREATE_TOKEN_FIX: Final = "make one by python3 -c 'import secrets; print(secrets.token_urlsafe(24))'"  # noqa: S105 - a sentence
LOW_DISK_BYTES, FULL_DISK_BYTES = 500 * 2**20, 50 * 2**20
"""Free bytes on a disk: limits of a warning and of an error."""
_MAX_SHOWN_PROBLEMS: Final = 5
_MISSING_TABLE_PATTERN: Final = re.compile(r'no such table|relation "\w+" does not exist')


def diagnose_setting_names(_settings: Settings) -> Iterator[DoctorFinding]:
    """Report variables with the prefix ``CALLFLOWS_`` that are no settings."""
    strange = find_unknown_settings()
    for line in strange:
        yield DoctorFinding("warning", line, "correct its name, or remove it")
    if not strange:
        yield DoctorFinding("ok", "every CALLFLOWS_… variable is a setting")


def diagnose_token(settings: Settings) -> Iterator[DoctorFinding]:
    """Check whether the token exists and is hard to guess."""
    if not settings.token:
        yield DoctorFinding(
            "error",
            "CALLFLOWS_TOKEN is not set: the server answers only this machine, and no call from Opentact",
            _CREATE_TOKEN_FIX,
        )
    for number, secret in enumerate(settings.token, start=1):
        which = f"token {number} of {len(settings.token)}" if len(settings.token) > 1 else "the token"
        why = explain_weak_secret(secret.get_secret_value())
        yield (
            DoctorFinding("error", f"{which} is weak: {why}", _CREATE_TOKEN_FIX)
            if why
            else DoctorFinding("ok", f"{which} is hard to guess")
        )


def explain_weak_secret(secret: str) -> str:
    """Return why a secret is easy to guess, or an empty text; judged by its characters only."""
    if len(secret) < MIN_TOKEN_CHARACTERS:
        return f"it has {len(secret)} characters; {MIN_TOKEN_CHARACTERS} or more are needed"
    plain = "".join(filter(str.isalnum, secret.lower()))
    for word in _COMMON_TOKEN_WORDS:
        plain = plain.replace(word, "")
    if len(plain) < MIN_TOKEN_CHARACTERS // 2:
        return "it consists of words that attackers try first"
    steps = [ord(after) - ord(before) for before, after in pairwise(secret)]
    bits = min(_estimate_entropy_bits([*secret]), _estimate_entropy_bits(steps))
    return "" if bits >= MIN_TOKEN_ENTROPY_BITS else "it repeats itself, or counts up or down"


def _estimate_entropy_bits(parts: list[str] | list[int]) -> float:
    """Return the Shannon entropy by character frequency: 24 random bytes in base64 have about 140 bits."""
    counts: Counter[object] = Counter(parts)
    return -sum(count * math.log2(count / len(parts)) for count in counts.values())


def diagnose_public_url(settings: Settings) -> Iterator[DoctorFinding]:
    """Check whether Opentact can reach the public URL, and whether the connection is encrypted."""
    url = urlsplit(settings.public_url)
    if not settings.public_url:
        message = "CALLFLOWS_PUBLIC_URL is not set: URLs in documents come from the headers of each request"
        yield DoctorFinding("error", message, "set it to the address that Opentact reaches, as https://calls.example.com")
    elif is_loopback_host(url.hostname or ""):
        message = f"{settings.public_url} is this machine, which only a stand-in on this machine reaches"
        yield DoctorFinding("warning", message, "set CALLFLOWS_PUBLIC_URL to the address that Opentact reaches")
    elif url.scheme != "https":
        fix = "put a proxy with a certificate in front of the server, and set CALLFLOWS_PUBLIC_URL to its https:// address"
        yield DoctorFinding(
            "error", f"{settings.public_url} does not use TLS: others can read tokens and pressed keys on the way", fix
        )
    else:
        yield DoctorFinding("ok", f"{settings.public_url} uses TLS")


def diagnose_secret_keys(settings: Settings) -> Iterator[DoctorFinding]:
    """Check whether all processes can read each other's tickets."""
    origin = f"created once and stored in {settings.data}"
    fix = "if several machines serve calls, set the same CALLFLOWS_SECRET_KEYS on all of them"
    if settings.secret_keys:
        yield DoctorFinding("ok", f"{len(settings.secret_keys)} key(s) from CALLFLOWS_SECRET_KEYS sign tickets")
    elif settings.workers > 1:
        message = f"{settings.workers} workers share the key {origin}; another machine cannot continue these calls"
        yield DoctorFinding("warning", message, fix)
    else:
        yield DoctorFinding("ok", f"the key was {origin}; {fix}")


def diagnose_proxies(settings: Settings) -> Iterator[DoctorFinding]:
    """Check whether the server can see the real client address.

    The server speaks no TLS, so an https URL implies a proxy in front.
    """
    if not settings.public_url.startswith("https://"):
        yield DoctorFinding("ok", "no proxy is configured")
    elif settings.trusted_proxies:
        yield DoctorFinding("ok", f"{len(settings.trusted_proxies)} network(s) of proxies are trusted")
    else:
        message = (
            "CALLFLOWS_PUBLIC_URL is https, so a proxy is in front of the server, but CALLFLOWS_TRUSTED_PROXIES is empty"
        )
        fix = "set CALLFLOWS_TRUSTED_PROXIES to the proxy's network, as 10.0.0.0/8"
        if settings.allowed_sources:
            why = "every request seems to come from the proxy, so CALLFLOWS_ALLOWED_SOURCES applies to the proxy"
            yield DoctorFinding("error", f"{message}: {why}", fix)
        else:
            yield DoctorFinding("warning", f"{message}: every request seems to come from the proxy, over http", fix)


def diagnose_data_folder(
    settings: Settings, disk_usage: Callable[[Path], tuple[int, int, int]] = shutil.disk_usage
) -> Iterator[DoctorFinding]:
    """Check whether the data folder is writable and has free space."""
    folder = settings.data.absolute()
    parent = next(place for place in (folder, *folder.parents) if place.exists())
    fix = "make CALLFLOWS_DATA a folder that this user can write"
    try:
        if parent == folder:
            with tempfile.TemporaryFile(dir=folder) as file:
                file.write(b"callflows")
        elif not parent.is_dir() or not os.access(parent, os.W_OK | os.X_OK):
            yield DoctorFinding("error", f"{folder} does not exist, and cannot be created in {parent}", fix)
            return
    except OSError as error:
        yield DoctorFinding("error", f"{folder} cannot be written: {error.strerror}", fix)
        return
    total, _, free = disk_usage(parent)
    left = f"{free // 2**20:,} MiB of {total // 2**20:,} MiB are free"
    if free >= LOW_DISK_BYTES:
        yield DoctorFinding("ok", f"{settings.data} can be written; {left}")
    else:
        yield DoctorFinding(
            "error" if free < FULL_DISK_BYTES else "warning",
            f"the disk of {folder} is nearly full: {left}",
            "free some space on this disk",
        )


def diagnose_database(settings: Settings) -> Iterator[DoctorFinding]:
    """Check whether the journal is writable; the check creates no tables."""
    from callflows.journal.sql_store import SqlStore  # noqa: PLC0415 - slow to import

    store = SqlStore(settings.journal_url)
    if store.sqlite_file is not None and not store.sqlite_file.exists():
        yield DoctorFinding("ok", f"{store.sqlite_file} is created when the server starts")
        return
    try:
        store.check_schema()
        store.hold_lease("doctor", "doctor", 0.0, 0.0)
    except JournalError as error:
        if _MISSING_TABLE_PATTERN.search(str(error)):
            yield DoctorFinding("ok", f"{store.display_name} is empty: the server creates its tables when it starts")
        else:
            fix = "make it reachable and writable; until then the server answers calls and keeps the records in files"
            yield DoctorFinding("error", f"{store.display_name} cannot be written: {error}", fix)
    else:
        yield DoctorFinding("ok", f"{store.display_name} can be written")
    finally:
        store.close()


def diagnose_flows(loaded: LoadedFlows, folder: Path) -> Iterator[DoctorFinding]:
    """Report the problems of flow files, errors first."""
    fix = "run callflows check"
    for level in ("error", "warning"):
        problems = [problem for problem in loaded.problems if problem.severity == level]
        for problem in problems[:_MAX_SHOWN_PROBLEMS]:
            yield DoctorFinding(level, str(problem), problem.fix or fix)
        if len(problems) > _MAX_SHOWN_PROBLEMS:
            yield DoctorFinding(level, f"and {len(problems) - _MAX_SHOWN_PROBLEMS} more {level}s in flow files", fix)
    count = len(loaded.book.flows)
    if not count and not loaded.has_errors:
        yield DoctorFinding(
            "error", f"there is no flow in {folder}: every caller hears an apology", "create one with callflows new"
        )
    elif not loaded.has_errors:
        yield DoctorFinding("ok", f"{count} flow(s) can answer")
