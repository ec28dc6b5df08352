"""The book that is open now, and the versions of its flows that calls in progress may still go on in."""

from __future__ import annotations

import dataclasses
import time
from typing import TYPE_CHECKING, Final

from app.flows.tickets import LIFETIME

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.flows.book import Flow, FlowBook

REMEMBERED: Final = 20
"""Versions of a flow that are remembered beside its newest."""


class Shelf:
    """Holds the open book; whoever loads another puts it here, whole. One may put books here while many read."""

    def __init__(self, book: FlowBook, clock: Callable[[], float] = time.monotonic) -> None:
        self.book = book
        self._clock = clock
        self._earlier: dict[str, tuple[Flow, ...]] = {}
        self._gone: dict[str, float] = {}

    def open(self, book: FlowBook) -> None:
        """Open another book. What only the one before has is remembered first, so that no reader ever misses it."""
        for name, flow in self.book.flows.items():
            new = book.flows.get(name)
            if flow is not new:
                self._remember(flow, new)
        self.book = book
        self._forget()

    def _remember(self, flow: Flow, new: Flow | None) -> None:
        known = self._earlier.get(flow.name, ())
        if not flow.problems and (new is None or flow.version != new.version):
            others = [other for other in known if other.version != flow.version]
            self._earlier[flow.name] = (*others, dataclasses.replace(flow, claims=()))[-REMEMBERED:]
        if new is None:
            self._gone[flow.name] = self._clock()

    def _forget(self) -> None:
        """A flow that is gone is forgotten when no ticket of it can be good any more."""
        for name, since in list(self._gone.items()):
            if name in self.book.flows:
                del self._gone[name]
            elif self._clock() - since > LIFETIME:
                del self._gone[name]
                self._earlier.pop(name, None)

    def flow(self, name: str, version: str) -> Flow | None:
        """The flow of a name as it was in a version; None where that is remembered no more."""
        flow = self.book.flows.get(name)
        if flow is not None and flow.version == version:
            return flow
        return next((flow for flow in self._earlier.get(name, ()) if flow.version == version), None)

    def newest(self, name: str) -> Flow | None:
        """The flow of a name: as it is, or as it was last; None where it is not known."""
        flow = self.book.flows.get(name)
        return flow or next(reversed(self._earlier.get(name, ())), None)
