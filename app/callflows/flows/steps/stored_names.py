"""Finds the names under which the steps of a file store values, before any step is compiled."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from callflows.flows.source.stored_values import StoredNames
from callflows.flows.steps.collect_step import CollectStep
from callflows.flows.steps.step_table import WORD_STEPS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from callflows.flows.source.stored_values import StoredValue


_IDENTIFIER: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def find_stored_names(nodes: Mapping[str, Any]) -> StoredNames:
    """Find the stored names in the steps of a file, at any depth, also in steps with mistakes."""
    stored = [*_iterate_stored_values(nodes)]
    secrets = {one.name for one in stored if one.is_secret}
    return StoredNames(
        frozenset(one.name for one in stored),
        frozenset(_find_tainted_names(secrets | ({"digits"} if secrets else set()), stored)),
        tuple(stored),
    )


def _iterate_stored_values(value: object) -> Iterator[StoredValue]:
    """Yield the values that steps store. A misspelt step with ``into`` counts as a collect."""
    if isinstance(value, list):
        for part in value:
            yield from _iterate_stored_values(part)
    elif isinstance(value, dict):
        for key, part in value.items():
            if isinstance(part, dict):
                step = WORD_STEPS.get(key, CollectStep if "into" in part else None)
                yield from step.list_stored_values(part) if step is not None else ()
            yield from _iterate_stored_values(part)


def _find_tainted_names(secrets: set[str], stored: Iterable[StoredValue]) -> set[str]:
    """Return the secret names, including every name computed from a secret."""
    listed = [*stored]
    while True:
        more = {one.name for one in listed if one.name not in secrets and secrets & {*_IDENTIFIER.findall(one.expression)}}
        if not more:
            return secrets
        secrets |= more
