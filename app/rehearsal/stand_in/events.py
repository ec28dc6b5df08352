"""The events: who is connected, which types are wanted, and how each is delivered, with the faults that are asked for."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, Protocol

from app.rehearsal.stand_in.drawers import moment
from app.rehearsal.stand_in.envelopes import enveloped

if TYPE_CHECKING:
    from collections.abc import Iterable

    from app.rehearsal.stand_in.account import Account
    from app.rehearsal.stand_in.drawers import Row
    from app.rehearsal.stand_in.envelopes import Happened, Year
    from app.rehearsal.stand_in.faults import Faults
    from app.rehearsal.stand_in.ids import Ids

UNDOUBTED: Final = frozenset({"auth", "call_state", "sms"})
UNASKED: Final = UNDOUBTED | {"call_flow"}
"""Types that come without a subscription: those that customers are known to receive, and what is taken for granted."""
TYPES: Final = (*sorted(UNASKED), "balance", "call_record", "tn_order")
MOST_WAITING: Final = 1_000
"""Events that wait for a connection that does not take them; then it is broken."""
HELD: Final = 1.0
"""Seconds that an event waits for the one that it is to come behind."""


class Wire(Protocol):
    """The transport of a connection."""

    def abort(self) -> None:
        """Break it, without a word."""


class Connection:
    """A websocket that is authenticated."""

    def __init__(self) -> None:
        self.waiting: asyncio.Queue[str | None] = asyncio.Queue(MOST_WAITING)

    def put(self, text: str | None) -> None:
        """Send a frame when it can be; None, or one too many, ends the connection."""
        if self.waiting.full():
            while not self.waiting.empty():
                self.waiting.get_nowait()
            text = None
        self.waiting.put_nowait(text)


class Events:
    """Tells whoever is connected; nothing is kept for those who are not. platform 3."""

    def __init__(self, year: Year, ids: Ids, faults: Faults, subscriptions: Iterable[Row], *, strict: bool) -> None:
        self.year: Year = year
        self.connections: set[Connection] = set()
        self.wires: set[Wire] = set()
        self.balances = False
        """Whether ``PATCH /account/notification`` asked for balance events."""
        self._ids = ids
        self._faults = faults
        self._strict = strict
        self._chance = ids.stream("faults of events")
        self._subscriptions = subscriptions
        self._held: str | None = None

    def tell(self, happened: Happened, account: Account, at: datetime | None = None) -> None:
        """Something happened."""
        text = self.written(happened, account, at)
        if not self.connections or not self._wanted(happened.type):
            return
        due, chance = self._faults.due, self._chance
        if due("drop", chance):
            self.drop()
        elif due("lose", chance):
            return
        elif self._held is None and due("swap", chance):
            self._held = text
            asyncio.get_running_loop().call_later(HELD, self._release)
        else:
            self._deliver(text, twice=due("repeat", chance))
            self._release()

    def written(self, happened: Happened, account: Account, at: datetime | None = None) -> str:
        """An event as it goes over the wire."""
        when = moment(at or datetime.now(UTC))
        event = enveloped(happened, self.year, uuid=self._ids.uuid("event"), at=when, account=account.entity())
        return json.dumps(event)

    def drop(self) -> None:
        """Break all connections, without a word."""
        for wire in [*self.wires]:
            wire.abort()
        self.connections.clear()

    def _release(self) -> None:
        held, self._held = self._held, None
        if held is not None:
            self._deliver(held)

    def _deliver(self, text: str, *, twice: bool = False) -> None:
        if self._faults.silent:
            return
        for connection in self.connections:
            for _ in range(2 if twice else 1):
                connection.put(text)

    def _wanted(self, kind: str) -> bool:
        """Whether a type is delivered: unasked, or since it is subscribed to."""
        if kind in (UNDOUBTED if self._strict else UNASKED) or (kind == "balance" and self.balances):
            return True
        now = moment(datetime.now(UTC))
        return any(row["type"] == kind and row["is_active"] and _lasts(row, now) for row in self._subscriptions)


def _lasts(row: Row, now: str) -> bool:
    """Whether a subscription goes on. An end before its beginning, as in an example, is none. platform 3."""
    end = row["expired_on"]
    return end is None or end > now or end < row["created_on"]
