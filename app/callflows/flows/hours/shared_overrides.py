"""Overrides of several servers: each has a copy in its data folder, and all exchange them through one shared text.

A server remembers what was shared last (``overrides.shared.yaml``), so that it can tell its own changes from those of
others: an entry that is missing here was taken back here if it was shared before, else it is new.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final, NamedTuple

from callflows.atomic_files import lock_file, resolve_links
from callflows.flows.hours.overrides import (
    OVERRIDES_FILE_NAME,
    SHARED_OVERRIDES_FILE_NAME,
    has_expired,
    load_entries,
    write_entries,
)

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from callflows.flows.hours.overrides import OverrideEntry

NO_SHARED_OVERRIDES: Final = "[]"
"""The shared text of servers without overrides."""


class OverrideExchange(NamedTuple):
    """``own`` are the entries of a server, ``merged`` those that all servers should have."""

    own: list[OverrideEntry]
    merged: list[OverrideEntry]

    @property
    def shared_text(self) -> str:
        """The text to share."""
        return json.dumps(self.merged, ensure_ascii=False)


def plan_exchange(data_folder: Path, shared_text: str, now: datetime) -> OverrideExchange:
    """Merge a server's overrides with the shared ones. Raises ValueError and OSError if a file cannot be read."""
    shared: list[OverrideEntry] = json.loads(shared_text)
    own, before = (load_entries(data_folder / name) for name in (OVERRIDES_FILE_NAME, SHARED_OVERRIDES_FILE_NAME))
    # An expired entry leaves this file whenever it is written: nobody took it back.
    taken_back = [entry for entry in before if entry not in own and not has_expired(entry, now)]
    kept = [entry for entry in shared if entry not in taken_back]
    new = [entry for entry in own if entry not in before and entry not in shared]
    return OverrideExchange(own, [entry for entry in (*kept, *new) if not has_expired(entry, now)])


def apply_exchange(data_folder: Path, exchange: OverrideExchange) -> None:
    """Write the merged overrides, unless the server's own were changed meanwhile. Raises ValueError and OSError."""
    data_folder.mkdir(parents=True, exist_ok=True)
    file = resolve_links(data_folder / OVERRIDES_FILE_NAME)
    with lock_file(file):
        if load_entries(file) != exchange.own:
            return
        if exchange.own != exchange.merged:
            write_entries(file, exchange.merged)
        shared_file = data_folder / SHARED_OVERRIDES_FILE_NAME
        if not shared_file.exists() or load_entries(shared_file) != exchange.merged:
            write_entries(shared_file, exchange.merged, keeps_empty=True)
