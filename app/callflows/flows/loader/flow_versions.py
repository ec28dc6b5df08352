"""The book that is open now, and the versions of its flows that calls in progress may still go on in."""

from __future__ import annotations

import dataclasses
import time
from typing import TYPE_CHECKING, Final

from callflows.flows.tickets import TICKET_LIFETIME_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable

    from callflows.flows.flow import Flow
    from callflows.flows.flow_book import FlowBook


MAX_EARLIER_VERSIONS: Final = 20
"""Versions of a flow that are remembered beside its newest."""


class FlowVersions:
    """Holds the open book; whoever loads another puts it here, whole. One may put books here while many read."""

    def __init__(self, book: FlowBook, clock: Callable[[], float] = time.monotonic) -> None:
        self.book = book
        self._clock = clock
        self._earlier_versions: dict[str, tuple[Flow, ...]] = {}
        self._removed_at: dict[str, float] = {}

    def replace_book(self, book: FlowBook) -> None:
        """Open another book. What only the one before has is remembered first, so that no reader ever misses it."""
        for name, flow in self.book.flows.items():
            new = book.flows.get(name)
            if flow is not new:
                self._remember_version(flow, new)
        self.book = book
        self._forget_removed_flows()

    def _remember_version(self, flow: Flow, new_flow: Flow | None) -> None:
        known = self._earlier_versions.get(flow.name, ())
        if not flow.problems and (new_flow is None or flow.version != new_flow.version):
            others = [other for other in known if other.version != flow.version]
            self._earlier_versions[flow.name] = (*others, dataclasses.replace(flow, claims=()))[-MAX_EARLIER_VERSIONS:]
        if new_flow is None:
            self._removed_at[flow.name] = self._clock()

    def _forget_removed_flows(self) -> None:
        """A flow that is gone is forgotten when no ticket of it can be good any more."""
        for name, since in list(self._removed_at.items()):
            if name in self.book.flows:
                del self._removed_at[name]
            elif self._clock() - since > TICKET_LIFETIME_SECONDS:
                del self._removed_at[name]
                self._earlier_versions.pop(name, None)

    def find_version(self, name: str, version: str) -> Flow | None:
        """The flow of a name as it was in a version; None where that is remembered no more."""
        flow = self.book.flows.get(name)
        if flow is not None and flow.version == version:
            return flow
        return next((flow for flow in self._earlier_versions.get(name, ()) if flow.version == version), None)

    def find_newest(self, name: str) -> Flow | None:
        """The flow of a name: as it is, or as it was last; None where it is not known."""
        flow = self.book.flows.get(name)
        return flow or next(reversed(self._earlier_versions.get(name, ())), None)
