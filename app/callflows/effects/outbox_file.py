"""The effects of one process on the disk, from their request to their result.

A process appends to a file of its own: a line for each requested effect, and one for each change of its state. The lock
of the file ends with the process, also by SIGKILL. A file without a lock is taken up by any process with the same folder.
"""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import itertools
import json
import os
import threading
import time
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from callflows.atomic_files import create_locked_file
from callflows.background_work import BackgroundThread
from callflows.boot_clock import BOOT_ID, BOOTED_AT, EARLIEST_MOMENT, read_steady_time
from callflows.disk_errors import describe_disk_error
from callflows.log import get_logger
from callflows.telephony.ports import Effect

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


_LOG: Final = get_logger("effects")
OUTBOX_REWRITE_BYTES: Final = 4_000_000
"""Size after which the file is rewritten without finished effects, if they are the greater part."""
OUTBOX_SYNC_SECONDS: Final = 0.05
"""Maximum delay between a write and its fsync."""
EffectStage: TypeAlias = Literal["held", "waiting", "claimed", "sending"]
"""``held``: the effect waits for the end of its call. ``claimed``: the idempotency keys are claimed. ``sending``: an
attempt is in progress.
"""
_EffectId: TypeAlias = "tuple[str, str]"
_FILE_NUMBERS: Final = itertools.count()


@dataclasses.dataclass(slots=True)
class PendingEffect:
    """An effect without a result; ``requested_at`` is a value of ``read_steady_time``.

    After ``attempts`` failures the next attempt is not before ``retry_at``, another such value.
    """

    effect: Effect
    requested_at: float
    stage: EffectStage = "waiting"
    attempts: int = 0
    retry_at: float = 0.0


class OutboxFile:
    """The pending effects of this process in a file of ``folder``. All methods are thread-safe and raise no OSError."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._descriptor: int | None = None
        self._path: Path | None = None
        self._size = 0
        self._line_bytes: dict[_EffectId, int] = {}
        self._pending: dict[_EffectId, PendingEffect] = {}
        self._needs_sync = False
        self._sync_thread = BackgroundThread("outbox", self._sync, OUTBOX_SYNC_SECONDS)

    def add(self, pending: PendingEffect) -> None:
        """Write an effect. The system has it on return, the disk after ``OUTBOX_SYNC_SECONDS``."""
        with self._lock:
            id_ = _identify_effect(pending.effect)
            self._pending[id_] = pending
            self._append(_encode_pending(pending), id_)

    def change_stage(self, pending: PendingEffect, stage: EffectStage) -> None:
        """Write the new stage of a pending effect, and when it may be tried again."""
        with self._lock:
            pending.stage = stage
            id_ = _identify_effect(pending.effect)
            if id_ in self._pending:
                self._append(
                    _encode_line({"stage": stage, "id": id_, "attempts": pending.attempts, "retry": pending.retry_at})
                )

    def remove(self, effect: Effect) -> None:
        """Write that an effect has its result."""
        with self._lock:
            id_ = _identify_effect(effect)
            if self._pending.pop(id_, None) is None:
                return
            self._line_bytes.pop(id_, None)
            self._append(_encode_line({"done": id_}))
            self._shrink()

    def adopt_abandoned(self) -> list[PendingEffect]:
        """Return the pending effects of processes that ended, oldest first; they are in this process's file on return."""
        adopted: list[PendingEffect] = []
        try:
            others = [path for path in sorted(self._folder.glob("effects-*.outbox")) if path != self._path]
        except OSError as error:
            _LOG.error("the effects of earlier processes cannot be read", reason=describe_disk_error(error))
            return []
        for path in others:
            try:
                with path.open("rb") as file:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    found = _read_pending(file.read()) if os.fstat(file.fileno()).st_nlink else []
                    for pending in found:
                        self.add(pending)
                    self._sync()
                    path.unlink(missing_ok=True)
                    adopted += found
            except BlockingIOError:  # its process lives
                continue
            except OSError as error:
                _LOG.error(
                    "the effects of an earlier process cannot be read", file=str(path), reason=describe_disk_error(error)
                )
        return adopted

    def close(self) -> None:
        """Give the file up: pending effects are taken up by another process, or at the next start."""
        self._sync_thread.stop(grace_seconds=2)
        with self._lock:
            if self._descriptor is None:
                return
            if not self._pending and self._path is not None:
                self._path.unlink(missing_ok=True)
            os.close(self._descriptor)
            self._descriptor = self._path = None

    def _append(self, line: bytes, id_: _EffectId | None = None) -> None:
        """Append a line; an error of the disk is logged, and the effect has only this process's memory."""
        try:
            if self._descriptor is None:
                self._open()
            assert self._descriptor is not None  # noqa: S101 - for mypy; _open sets it
            os.write(self._descriptor, line)
        except OSError as error:
            _LOG.error("an effect waits in memory only: the disk does not take it", reason=describe_disk_error(error))
            return
        self._size += len(line)
        if id_ is not None:
            self._line_bytes[id_] = len(line)
        self._needs_sync = True
        self._sync_thread.wake()

    def _open(self) -> None:
        """Open a new file with its lock."""
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._folder / f"effects-{time.time_ns():020}-{os.getpid()}-{next(_FILE_NUMBERS)}.outbox"
        self._descriptor, self._path, self._size = create_locked_file(path), path, 0
        self._sync_thread.start()

    def _shrink(self) -> None:
        """Remove finished effects from the file: all if nothing is pending, otherwise if they are the greater part."""
        if self._descriptor is None:
            return
        try:
            if not self._pending:
                os.ftruncate(self._descriptor, 0)
                self._size = 0
            elif self._size > OUTBOX_REWRITE_BYTES and sum(self._line_bytes.values()) < self._size // 2:
                self._rewrite()
        except OSError as error:
            _LOG.error("the file of pending effects cannot be shortened", reason=describe_disk_error(error))

    def _rewrite(self) -> None:
        """Write the pending effects to a new file, then delete the old one."""
        old, old_path = self._descriptor, self._path
        self._open()
        assert self._descriptor is not None  # noqa: S101 - for mypy; _open sets it
        for id_, pending in self._pending.items():
            line = _encode_pending(pending)
            os.write(self._descriptor, line)
            self._size += len(line)
            self._line_bytes[id_] = len(line)
        os.fsync(self._descriptor)
        if old is not None and old_path is not None:
            old_path.unlink(missing_ok=True)
            os.close(old)

    def _sync(self) -> None:
        """Force what was written to the disk."""
        with self._lock:
            if not self._needs_sync or self._descriptor is None:
                return
            self._needs_sync = False
            descriptor = os.dup(self._descriptor)
        try:
            os.fsync(descriptor)  # outside the lock: no call waits for the disk
        except OSError as error:
            _LOG.error("pending effects cannot be forced to the disk", reason=describe_disk_error(error))
        finally:
            os.close(descriptor)


def _identify_effect(effect: Effect) -> _EffectId:
    return effect.kind, effect.key


def _encode_pending(pending: PendingEffect) -> bytes:
    effect = {
        field.name: getattr(pending.effect, field.name) for field in dataclasses.fields(Effect) if field.name != "payload"
    }
    return _encode_line(
        {
            "effect": {**effect, "payload": {**pending.effect.payload}},
            "at": pending.requested_at,
            "boot": BOOT_ID,
            "booted": BOOTED_AT,
            "stage": pending.stage,
            "attempts": pending.attempts,
            "retry": pending.retry_at,
        }
    )


def _encode_line(value: dict[str, Any]) -> bytes:
    return json.dumps(value, separators=(",", ":"), default=str).encode() + b"\n"


def _read_pending(content: bytes) -> list[PendingEffect]:
    """Return the pending effects of a file; a line that a killed process left incomplete is skipped."""
    records: dict[_EffectId, dict[str, Any]] = {}
    for record in _decode_lines(content):
        if "effect" in record:
            records[record["effect"]["kind"], record["effect"]["key"]] = record
        elif "done" in record:
            records.pop(tuple(record["done"]), None)
        elif tuple(record["id"]) in records:
            records[tuple(record["id"])] |= record
    return [_read_pending_effect(record) for record in records.values()]


def _read_pending_effect(record: dict[str, Any]) -> PendingEffect:
    """Return an effect with its moments by the clock of this process: the clock may have been set since."""
    requested_at, wait = record["at"], record["retry"] - record["at"]
    if record["boot"] == BOOT_ID:
        requested_at += BOOTED_AT - record["booted"]
    elif not EARLIEST_MOMENT <= requested_at <= read_steady_time():
        requested_at = read_steady_time()
    retry_at = requested_at + wait if record["attempts"] else 0.0
    return PendingEffect(Effect(**record["effect"]), requested_at, record["stage"], record["attempts"], retry_at)


def _decode_lines(content: bytes) -> Iterator[dict[str, Any]]:
    for line in content.splitlines():
        with contextlib.suppress(ValueError):
            yield json.loads(line)
