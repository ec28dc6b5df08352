"""The flows that answer contested numbers and names, in the data folder: a restart gives the same answer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from callflows.atomic_files import replace_file_text
from callflows.disk_errors import describe_disk_error
from callflows.log import get_logger

if TYPE_CHECKING:
    from collections.abc import Iterable

    from callflows.flows.flow import Flow
    from callflows.flows.flow_book import FlowBook


_LOG: Final = get_logger("flows")
CLAIM_HOLDERS_FILE: Final = "claim-holders.json"


class ClaimHolders:
    """The holders of numbers that several flows claim, and of names that several files have.

    Without a data folder, the holders are known in memory only.
    """

    def __init__(self, data_folder: Path | None) -> None:
        self._file = data_folder / CLAIM_HOLDERS_FILE if data_folder is not None else None
        stored = _read_stored_holders(self._file)
        self.flows_by_number: dict[str, str] = _read_texts(stored.get("numbers"))
        self.files_by_name: dict[str, str] = _read_texts(stored.get("names"))

    def remember(self, book: FlowBook, held_back: Iterable[Flow], twin_names: Iterable[str]) -> None:
        """Take over the holders of a book, and store them if they changed. A full disk changes only the next start.

        ``held_back`` are edits that are not live because they claim numbers of other flows.
        """
        numbers = book.list_contested_holders()
        for flow in held_back:
            holders = ((claim.number, book.find_claimants(claim.number)) for claim in flow.claims)
            numbers |= {number: claimants[0].name for number, claimants in holders if claimants}
        names = {name: Path(book.flows[name].file).name for name in sorted(twin_names) if name in book.flows}
        if (numbers, names) == (self.flows_by_number, self.files_by_name):
            return
        self.flows_by_number.clear()
        self.flows_by_number.update(numbers)
        self.files_by_name = names
        if self._file is None:
            return
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            replace_file_text(self._file, json.dumps({"numbers": dict(sorted(numbers.items())), "names": names}, indent=1))
        except OSError as error:
            _LOG.warning("the holders of contested numbers are not stored", reason=describe_disk_error(error))


def _read_stored_holders(file: Path | None) -> dict[str, Any]:
    try:
        stored = json.loads(file.read_text(encoding="utf-8")) if file is not None else {}
    except (OSError, ValueError):
        return {}
    return stored if isinstance(stored, dict) else {}


def _read_texts(value: object) -> dict[str, str]:
    pairs = value.items() if isinstance(value, dict) else ()
    return {key: text for key, text in pairs if isinstance(text, str)}
