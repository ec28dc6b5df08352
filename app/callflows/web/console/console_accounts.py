"""The people of the console: one shared password, or a file of people with roles and hashes of their passwords (argon2)."""

from __future__ import annotations

import functools
import hashlib
import hmac
import re
import unicodedata
from typing import TYPE_CHECKING, Final, NamedTuple

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from callflows.atomic_files import lock_file, replace_file_text
from callflows.disk_errors import describe_disk_error
from callflows.errors import SettingsError
from callflows.settings import MAX_PASSWORD_CHARACTERS, MIN_PASSWORD_CHARACTERS

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


CONSOLE_ROLES: Final = {"viewer": "read", "operator": "operate", "author": "author"}
"""The roles of people, each with its scope of the HTTP API, which decides about the same things."""
SHARED_NAME: Final = "console"
"""The name in the audit log of everybody who knows the shared password."""
THIS_MACHINE: Final = "this machine"
"""The name of a person who came by the link that ``serve`` prints."""
_NAME_PATTERN: Final = re.compile(r"[\w.@+-]{1,64}")
_FILE_COLUMNS: Final = ("name", "role", "hash of the password")
_FILE_HEADER: Final = f"# People of the console: {', '.join(_FILE_COLUMNS)}. callflows user writes this file.\n"
_HASHER: Final = PasswordHasher()


class ConsoleUser(NamedTuple):
    """A person of the console. ``stamp`` changes with the password, and ends the sessions of the old one.

    ``origin`` is ``password`` (or the link of this machine), ``openid`` or ``proxy``.
    """

    name: str
    role: str
    stamp: str = ""
    origin: str = "password"


class StoredUser(NamedTuple):
    """A line of the file."""

    role: str
    hash: str


def read_console_users(file: Path) -> dict[str, StoredUser]:
    """Read the people of a file, by name; none if there is no file. Raises SettingsError."""
    try:
        lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{file} cannot be read: {describe_disk_error(error)}") from None
    users: dict[str, StoredUser] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith("#"):
            continue
        parts = line.split()
        if len(parts) != len(_FILE_COLUMNS) or parts[1] not in CONSOLE_ROLES or not parts[2].startswith("$argon2"):
            raise SettingsError(f"{file}:{number}: a line is a name, a role and a hash: write it with callflows user add")
        name, role, hash_ = parts
        users[name] = StoredUser(role, hash_)
    return users


def write_console_user(file: Path, name: str, role: str, password: str) -> bool:
    """Add a person to a file, or change a person's role and password. Return whether the name is new.

    Raises SettingsError.
    """
    if not _NAME_PATTERN.fullmatch(name) or name == SHARED_NAME:
        raise SettingsError(f"{name!r} is no name: use letters, digits and . @ + - _, and not {SHARED_NAME!r}")
    if not MIN_PASSWORD_CHARACTERS <= len(password) <= MAX_PASSWORD_CHARACTERS:
        raise SettingsError(f"a password has {MIN_PASSWORD_CHARACTERS} to {MAX_PASSWORD_CHARACTERS} characters")
    hash_ = _HASHER.hash(_normalize_password(password))
    with lock_file(file):
        users = read_console_users(file)
        is_new = name not in users
        _write_users(file, {**users, name: StoredUser(role, hash_)})
    return is_new


def remove_console_user(file: Path, name: str) -> bool:
    """Remove a person from a file. Return whether there was one. Raises SettingsError."""
    with lock_file(file):
        users = read_console_users(file)
        if name not in users:
            return False
        del users[name]
        _write_users(file, users)
    return True


def _write_users(file: Path, users: Mapping[str, StoredUser]) -> None:
    lines = (f"{name} {user.role} {user.hash}\n" for name, user in users.items())
    replace_file_text(file, _FILE_HEADER + "".join(lines), 0o600)


def _normalize_password(password: str) -> str:
    """Return a password in one form: keyboards compose letters with accents in different ways."""
    return unicodedata.normalize("NFKC", password)


class ConsoleAccounts:
    """Finds people by name and password. The file is read again when it has changed."""

    def __init__(self, shared_password: str, file: Path) -> None:
        self._shared_password = _normalize_password(shared_password)
        self._file = file
        self._read: tuple[tuple[int, int, int], Mapping[str, StoredUser]] | None = None

    @property
    def has_shared_password(self) -> bool:
        return bool(self._shared_password)

    @property
    def has_people(self) -> bool:
        return bool(self._load_users())

    @property
    def are_open(self) -> bool:
        """True if a password is set: the shared one, or a person's."""
        return self.has_shared_password or self.has_people

    def check_password(self, name: str, password: str) -> ConsoleUser | None:
        """Return the person of a name and a password; None if they are wrong. An empty name is the shared password.

        Takes a part of a second: call it in a thread.
        """
        normalized = _normalize_password(password[: MAX_PASSWORD_CHARACTERS + 1])
        if name in ("", SHARED_NAME):
            is_right = hmac.compare_digest(normalized.encode(), self._shared_password.encode()) and self.has_shared_password
            return self.find_user(SHARED_NAME) if is_right else None
        stored = self._load_users().get(name)
        # An unknown name takes as long as a wrong password.
        hash_ = stored.hash if stored is not None else _get_dummy_hash()
        try:
            _HASHER.verify(hash_, normalized)
        except (VerificationError, InvalidHashError):
            return None
        return self.find_user(name) if stored is not None else None

    def find_user(self, name: str) -> ConsoleUser | None:
        """Return a person as of now, without asking for a password."""
        if name == SHARED_NAME:
            return ConsoleUser(name, "author", _stamp(self._shared_password)) if self.has_shared_password else None
        stored = self._load_users().get(name)
        return ConsoleUser(name, stored.role, _stamp(stored.hash)) if stored is not None else None

    def _load_users(self) -> Mapping[str, StoredUser]:
        try:
            found = self._file.stat()
        except OSError:
            return {}
        signature = found.st_mtime_ns, found.st_size, found.st_ino  # a new hash is as long as the one before
        if self._read is None or self._read[0] != signature:
            self._read = signature, read_console_users(self._file)
        return self._read[1]


def _stamp(secret: str) -> str:
    return hashlib.blake2b(secret.encode(), digest_size=9).hexdigest()


@functools.cache
def _get_dummy_hash() -> str:
    return _HASHER.hash("nobody has this password")
