"""The live flow book, and earlier versions of flows for calls in progress."""

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
"""Earlier versions remembered for each flow."""


class FlowVersions:
    """Holds the live book. One thread may replace the book while others read."""

    def __init__(self, book: FlowBook, clock: Callable[[], float] = time.monotonic) -> None:
        self.book = book
        self._clock = clock
        self._earlier_versions: dict[str, tuple[Flow, ...]] = {}
        self._removed_at: dict[str, float] = {}

    def replace_book(self, book: FlowBook) -> None:
        """Make another book live."""
        for name, flow in self.book.flows.items():
            new = book.flows.get(name)
            if flow is not new:
                # Before the exchange of the books, so that a reader in another thread finds every version.
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
        """Forget removed flows once all their tickets have expired."""
        for name, since in list(self._removed_at.items()):
            if name in self.book.flows:
                del self._removed_at[name]
            elif self._clock() - since > TICKET_LIFETIME_SECONDS:
                del self._removed_at[name]
                self._earlier_versions.pop(name, None)

    def find_version(self, name: str, version: str) -> Flow | None:
        """Return a version of a flow; None if forgotten or never known."""
        flow = self.book.flows.get(name)
        if flow is not None and flow.version == version:
            return flow
        return next((flow for flow in self._earlier_versions.get(name, ()) if flow.version == version), None)

    def find_newest(self, name: str) -> Flow | None:
        """Return the live flow, or the last version of a removed flow; None if unknown."""
        flow = self.book.flows.get(name)
        return flow or next(reversed(self._earlier_versions.get(name, ())), None)
