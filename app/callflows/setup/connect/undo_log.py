"""What ``connect`` changed at Opentact and what was there before, in ``DATA/connected.json``, so that it can be restored.

Each change is written down before it is made. The file has URLs with their secrets as Opentact gave them, so only its
owner can read it; of what we wrote it has digests.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from callflows.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from callflows.opentact.rest_records import OpentactApp, OpentactRecord, OpentactSubscription

    _LogEntryT = TypeVar("_LogEntryT", bound=OpentactRecord)


UNDO_LOG_FILE_NAME: Final = "connected.json"


def hash_setting(value: object) -> str:
    """Tells a value from others without having it."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:32]


class _UndoModel(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _ResourceUndo(_UndoModel):
    """Something that was ``made``, or whose fields were as ``before``; ``written``: digests of what we set, by field."""

    name: str = ""
    made: bool = False
    before: dict[str, Any] = {}
    written: dict[str, list[str]] = {}

    def record_value(self, field: str, value: object) -> None:
        """Remember that a field is set by us."""
        known = self.written.setdefault(field, [])
        if hash_setting(value) not in known:
            known.append(hash_setting(value))

    def is_our_value(self, field: str, value: object) -> bool:
        """Whether a value is one that we set."""
        return hash_setting(value) in self.written.get(field, ())


class AppUndo(_ResourceUndo):
    """An app."""


class ProfileUndo(_ResourceUndo):
    """A messaging profile."""


class NumberMessagingUndo(_UndoModel):
    """A number whose texts go by ``profile``, and the profile and the campaign that it had before, if any."""

    number: str
    profile: str
    before: str = ""
    campaign: str = ""


class NumberUndo(_UndoModel):
    """A number that was given to ``app``, and the app and the connection that it belonged to before, if any."""

    number: str
    app: str
    before_app: str = ""
    before_connection: str = ""


class SubscriptionUndo(_UndoModel):
    """A subscription that was made."""

    type: str


class DocumentUndo(_UndoModel):
    """An app's static document as it was before, if there was one."""

    before: str = ""
    written: list[str] = []


class PendingCreation(_UndoModel):
    """Something that is about to be made: what is named so and is not among the ``known`` ids is ours."""

    name: str
    known: list[str] = []


class UndoEntries(_UndoModel):
    """All that was changed, by the ids of Opentact. ``refused``: types that cannot be subscribed to, and why."""

    version: Literal[1] = 1
    apps: dict[str, AppUndo] = {}
    numbers: dict[str, NumberUndo] = {}
    subscriptions: dict[str, SubscriptionUndo] = {}
    documents: dict[str, DocumentUndo] = {}
    profiles: dict[str, ProfileUndo] = {}
    texts: dict[str, NumberMessagingUndo] = {}
    refused: dict[str, str] = {}
    making_app: PendingCreation | None = None
    making_profile: PendingCreation | None = None
    making_subscription: PendingCreation | None = None


class UndoLog:
    """The file and what stands in it. Raises SettingsError where it cannot be read or written."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / UNDO_LOG_FILE_NAME
        self.entries = self._read_file()

    def _read_file(self) -> UndoEntries:
        try:
            return UndoEntries.model_validate_json(self.path.read_bytes())
        except FileNotFoundError:
            return UndoEntries()
        except OSError as error:
            raise SettingsError(f"{self.path} cannot be read: {error.strerror}") from None
        except ValidationError:
            mend = "restore it, or remove it: then what was there before connect is known no more"
            raise SettingsError(f"{self.path} is not what connect wrote; {mend}") from None

    def save(self) -> None:
        """Write it, whole or not at all; nothing is left of an empty one. Raises SettingsError."""
        if self.entries == UndoEntries():
            self.clear()
            return
        try:
            self._write_file(self.entries.model_dump_json(indent=2).encode())
        except OSError as error:
            said = f"{self.path} cannot be written, so nothing more is changed: {error.strerror}"
            raise SettingsError(f"{said}; make CALLFLOWS_DATA a folder that can be written") from None

    def _write_file(self, content: bytes) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        handle, made = tempfile.mkstemp(prefix=f".{UNDO_LOG_FILE_NAME}.", dir=self.path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(handle)
            Path(made).replace(self.path)
        except BaseException:
            with contextlib.suppress(OSError):
                Path(made).unlink()
            raise
        folder = os.open(self.path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def clear(self) -> None:
        """Forget all: everything is restored."""
        self.entries = UndoEntries()
        try:
            self.path.unlink(missing_ok=True)
        except OSError as error:
            raise SettingsError(f"{self.path} cannot be removed: {error.strerror}") from None

    def adopt_pending(
        self,
        apps: Iterable[OpentactApp],
        subscriptions: Iterable[OpentactSubscription],
        profiles: Iterable[OpentactRecord] = (),
    ) -> None:
        """Take for ours what was being made when a run ended before it could write down its id."""
        entries = self.entries
        if app := _find_created(entries.making_app, [(one, one.name) for one in apps]):
            entries.apps.setdefault(app.uuid, AppUndo(name=app.name, made=True))
        if subscription := _find_created(entries.making_subscription, [(one, one.type) for one in subscriptions]):
            entries.subscriptions.setdefault(subscription.uuid, SubscriptionUndo(type=subscription.type))
        if profile := _find_created(entries.making_profile, [(one, str(one.raw.get("name"))) for one in profiles]):
            entries.profiles.setdefault(profile.uuid, ProfileUndo(name=str(profile.raw.get("name")), made=True))
        entries.making_app = entries.making_subscription = entries.making_profile = None


def _find_created(pending: PendingCreation | None, candidates: Iterable[tuple[_LogEntryT, str]]) -> _LogEntryT | None:
    if pending is None:
        return None
    return next((record for record, name in candidates if name == pending.name and record.uuid not in pending.known), None)
