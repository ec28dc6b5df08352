"""The counts of several worker processes, so that each of them gives the same answer at ``/metrics``.

Each worker writes its counts to a file of its own; whoever is asked adds all files. The counts of a worker that ended stay:
a counter never falls. A server with one process has no files.
"""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import json
import multiprocessing
import os
import shutil
from typing import TYPE_CHECKING, Any, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


LabelledNumbers: TypeAlias = "dict[tuple[str, ...], float]"
COUNTS_FOLDER: Final = "metrics"
"""Folder in the data folder, with a folder for each server."""


@dataclasses.dataclass(slots=True)
class WorkerCounts:
    """The counts of one process.

    ``counters`` and ``gauges`` have the numbers of other components by the name of their metric, then by labels.
    """

    answers: collections.Counter[tuple[str, ...]] = dataclasses.field(default_factory=collections.Counter)
    fallbacks: collections.Counter[tuple[str, ...]] = dataclasses.field(default_factory=collections.Counter)
    buckets: list[int] = dataclasses.field(default_factory=list)
    total_seconds: float = 0.0
    dropped_lines: int = 0
    counters: dict[str, LabelledNumbers] = dataclasses.field(default_factory=dict)
    gauges: dict[str, LabelledNumbers] = dataclasses.field(default_factory=dict)

    def add(self, other: WorkerCounts) -> None:
        """Add the counts of another process, apart from its gauges: not each of them is a sum."""
        self.answers.update(other.answers)
        self.fallbacks.update(other.fallbacks)
        self.buckets = [own + more for own, more in zip(self.buckets, other.buckets, strict=True)]
        self.total_seconds += other.total_seconds
        self.dropped_lines += other.dropped_lines
        for name, numbers in other.counters.items():
            total = self.counters.setdefault(name, {})
            for labels, number in numbers.items():
                total[labels] = total.get(labels, 0) + number

    def dump_json(self) -> str:
        plain = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        for name in ("answers", "fallbacks"):
            plain[name] = _list_numbers(plain[name])
        for name in ("counters", "gauges"):
            plain[name] = {metric: _list_numbers(numbers) for metric, numbers in plain[name].items()}
        return json.dumps(plain)

    @classmethod
    def load_json(cls, text: str) -> WorkerCounts:
        """Read the result of ``dump_json``. Raises ValueError, TypeError or KeyError for any other text."""
        plain = json.loads(text)
        for name in ("answers", "fallbacks"):
            plain[name] = collections.Counter(_read_numbers(plain[name]))
        for name in ("counters", "gauges"):
            plain[name] = {metric: _read_numbers(rows) for metric, rows in plain[name].items()}
        return cls(**plain)


class SharedCounts:
    """The files with the counts of all workers of a server."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._own_file = folder / f"{os.getpid()}.json"
        self._written_text = ""

    def write(self, counts: WorkerCounts) -> None:
        """Write the counts of this process, if they changed. A full disk changes nothing but the metrics."""
        text = counts.dump_json()
        if text == self._written_text:
            return
        with contextlib.suppress(OSError):
            self._folder.mkdir(parents=True, exist_ok=True)
            temporary = self._own_file.with_suffix(".new")
            temporary.write_text(text, encoding="utf-8")
            temporary.replace(self._own_file)
            self._written_text = text

    def read_others(self) -> dict[int, WorkerCounts]:
        """Return the counts of every other worker by its process id; a worker that has ended has no gauges any more."""
        counts_by_process = {}
        for file in sorted(self._folder.glob("*.json")):
            if file != self._own_file:
                with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
                    counts = WorkerCounts.load_json(file.read_text(encoding="utf-8"))
                    if not _is_running(int(file.stem)):
                        counts.gauges = {}
                    counts_by_process[int(file.stem)] = counts
        return counts_by_process


def open_shared_counts(data_folder: Path) -> SharedCounts | None:
    """Return the shared counts if this process is a worker of a server with several; else None."""
    parent = multiprocessing.parent_process()
    return SharedCounts(data_folder / COUNTS_FOLDER / str(parent.pid)) if parent is not None else None


def remove_old_counts(data_folder: Path) -> None:
    """Remove the counts of earlier servers, and those of an earlier one with the id of this process."""
    folder = data_folder / COUNTS_FOLDER
    for old in folder.iterdir() if folder.is_dir() else ():
        if old.name == str(os.getpid()) or not (old.name.isdecimal() and _is_running(int(old.name))):
            shutil.rmtree(old, ignore_errors=True)


def _is_running(process_id: int) -> bool:
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True  # of another user
    return True


def _list_numbers(numbers: Mapping[tuple[str, ...], float]) -> list[list[Any]]:
    return [[*labels, number] for labels, number in sorted(numbers.items())]


def _read_numbers(rows: list[list[Any]]) -> dict[tuple[str, ...], Any]:
    return {tuple(map(str, labels)): number for *labels, number in rows if isinstance(number, int | float)}
