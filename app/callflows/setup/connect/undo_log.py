"""The undo log of ``connect``: changes made at Opentact and the previous state, in ``DATA/connected.json``.

Each change is recorded before execution. The file contains URLs with secrets as Opentact reported them, so only its owner
can read it; values written by us are stored as hashes.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from callflows.atomic_files import replace_file_text
from callflows.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from callflows.opentact.rest_records import OpentactApp, OpentactRecord, OpentactSubscription

    _LogEntryT = TypeVar("_LogEntryT", bound=OpentactRecord)


UNDO_LOG_FILE_NAME: Final = "connected.json"


def hash_setting(value: object) -> str:
    """Return a short hash, to recognise a value without storing it."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:32]


class _UndoModel(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _ResourceUndo(_UndoModel):
    """A resource made by us, or its fields ``before``; ``written`` contains hashes of our values, by field."""

    name: str = ""
    made: bool = False
    before: dict[str, Any] = {}
    written: dict[str, list[str]] = {}

    def record_value(self, field: str, value: object) -> None:
        """Record a value written by us."""
        known = self.written.setdefault(field, [])
        if hash_setting(value) not in known:
            known.append(hash_setting(value))

    def is_our_value(self, field: str, value: object) -> bool:
        return hash_setting(value) in self.written.get(field, ())


class AppUndo(_ResourceUndo):
    """A changed or created app."""


class ProfileUndo(_ResourceUndo):
    """A changed or created messaging profile."""


class NumberMessagingUndo(_UndoModel):
    """A number enabled for messages by ``profile`` and ``our_campaign``, with the previous profile and campaign, if any."""

    number: str
    profile: str
    our_campaign: str = ""
    before: str = ""
    campaign: str = ""


class NumberUndo(_UndoModel):
    """A number assigned to ``app``, with the previous app and SIP connection, if any."""

    number: str
    app: str
    before_app: str = ""
    before_connection: str = ""


class SubscriptionUndo(_UndoModel):
    """A created subscription."""

    type: str


class DocumentUndo(_UndoModel):
    """An app's previous static document, if any; ``written`` contains hashes of our documents."""

    before: str = ""
    written: list[str] = []


class PendingCreation(_UndoModel):
    """A creation in progress: a resource of this name with an id not in ``known`` is ours."""

    name: str
    known: list[str] = []


class UndoEntries(_UndoModel):
    """All changes, by ids of Opentact. ``refused``: event types refused as subscriptions, with the reason."""

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
    """The undo log file and its entries. Raises SettingsError if the file cannot be read or written."""

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
            fix = "restore the file, or remove it; without it, callflows cannot restore the state before connect"
            raise SettingsError(f"{self.path} is damaged; {fix}") from None

    def save(self) -> None:
        """Write the file atomically; delete an empty one. Raises SettingsError."""
        if self.entries == UndoEntries():
            self.clear()
            return
        try:
            self._write_file(self.entries.model_dump_json(indent=2))
        except OSError as error:
            message = f"{self.path} cannot be written, so nothing more is changed: {error.strerror}"
            raise SettingsError(f"{message}; make the folder CALLFLOWS_DATA writable") from None

    def _write_file(self, content: str) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        replace_file_text(self.path, content, new_file_mode=0o600)  # a URL in it may hold a token

    def clear(self) -> None:
        """Delete the file after everything is restored. Raises SettingsError."""
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
        """Record resources created by a run that ended before recording their ids."""
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
