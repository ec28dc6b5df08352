"""Remembers whom ``opentact calls bulk`` has called: repeated after a failure, it calls nobody twice."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import json
import time
from typing import TYPE_CHECKING, Final

from callflows.errors import OpentactError, OpentactResponseError, OpentactUnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from callflows.journal.sql_store import SqlStore


_CALL_CLAIM: Final = "bulk call"
_FINISHED_CLAIM: Final = "bulk finished"


class BulkRun:
    """One run of a command: what is played to whom. The same command continues a run that has not finished.

    The database has digests only, no numbers; they are erased with old claims.
    """

    def __init__(self, store: SqlStore, content: Sequence[str], numbers: Sequence[str]) -> None:
        self._store = store
        self._key = next(
            key
            for index in itertools.count()
            if not store.is_claimed(_FINISHED_CLAIM, key := _digest([*content, *sorted(numbers), str(index)]))
        )

    def find_called_numbers(self, numbers: Iterable[str]) -> set[str]:
        """Return those of the numbers that an earlier command of this run called, or perhaps did."""
        numbers_by_key = {_digest([self._key, number]): number for number in numbers}
        return {numbers_by_key[key] for key in self._store.find_claimed_keys(_CALL_CLAIM, [*numbers_by_key])}

    @contextlib.contextmanager
    def claim_numbers(self, numbers: Sequence[str]) -> Iterator[None]:
        """Count numbers as called before Opentact is asked; take that back if Opentact surely called nobody."""
        for number in numbers:
            self._store.claim_key(_CALL_CLAIM, _digest([self._key, number]), time.time())
        try:
            yield
        except OpentactError as error:
            is_unclear = isinstance(error, OpentactResponseError) or (
                isinstance(error, OpentactUnavailableError) and error.may_have_happened
            )
            if not is_unclear:
                for number in numbers:
                    self._store.release_claim(_CALL_CLAIM, _digest([self._key, number]))
            raise

    def finish(self) -> None:
        """End the run: the next command like this one calls everybody again."""
        self._store.claim_key(_FINISHED_CLAIM, self._key, time.time())


def _digest(parts: Sequence[str]) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()
