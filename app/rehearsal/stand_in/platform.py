"""All that a stand-in has and knows, in one place."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Any, Final

from app.errors import PlatformSilent
from app.rehearsal.asking import Web
from app.rehearsal.platform import Rules, Silence
from app.rehearsal.stand_in import envelopes
from app.rehearsal.stand_in.account import Account
from app.rehearsal.stand_in.answers import Refused
from app.rehearsal.stand_in.drawers import Drawer, now
from app.rehearsal.stand_in.events import Events
from app.rehearsal.stand_in.faults import Faults
from app.rehearsal.stand_in.ids import Ids
from app.rehearsal.stand_in.leases import Leases
from app.rehearsal.stand_in.tokens import Tokens

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from datetime import datetime

    from app.rehearsal.asking import Reply
    from app.rehearsal.stand_in.drawers import Row
    from app.rehearsal.stand_in.options import Options

REMEMBERED: Final = 1_000
"""Requests to our URLs that are remembered; and elements that an app's log has, times ten."""


class Platform:
    """The imitated platform: what is kept, and who hears of what happens. ``asked`` are its requests to our URLs."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.ids = ids = Ids(options.seed)
        self.rules = Rules(strict=options.strict)
        self.strict = options.strict
        self.faults = Faults(**options.faults)
        self.tokens = Tokens(options, ids.uuid("key"))
        self.account = Account(options, ids, self._charged)
        self.apps = Drawer("SIP Control App", ids)
        self.documents: dict[str, bytes] = {}
        """Static documents by app."""
        self.leases = Leases(Drawer("TN lease", ids), self.apps)
        self.orders = Drawer("Order", ids, forgets=True)
        self.messages = Drawer("SMS", ids, forgets=True)
        self.messaging_profiles = Drawer("Messaging profile", ids)
        self.voice_profiles = Drawer("Outbound voice profile", ids)
        self.connections = Drawer("SIP connection", ids)
        self.domains = Drawer("SIP domain", ids)
        self.users = Drawer("SIP user", ids)
        self.invites = Drawer("SIP invite", ids)
        self.batches = Drawer("Batch", ids, forgets=True)
        self.subscriptions = Drawer("Event subscription", ids)
        self.events = Events(options.envelope, ids, self.faults, self.subscriptions, strict=options.strict)
        self.logs: deque[Row] = deque(maxlen=10 * REMEMBERED)
        self.asked: deque[Row] = deque(maxlen=REMEMBERED)
        self.callees: Any = "answer"
        """What those who are dialled do, where a call does not say."""
        self._web = Web(reaches=True)
        self._tasks: set[asyncio.Task[Any]] = set()

    def tell(self, happened: envelopes.Happened) -> None:
        """Report something to whoever is connected."""
        self.events.tell(happened, self.account)

    def tell_if(self, silence: Silence, happened: envelopes.Happened, at: datetime | None = None) -> None:
        """Report what is reported in a form that is not documented, unless nothing is to be chosen."""
        if not self.strict:
            self.rules.decide(silence)
            self.events.tell(happened, self.account, at)

    def decide(self, silence: Silence) -> None:
        """Go on as a rule says. Raises Refused where that is not wanted."""
        try:
            self.rules.decide(silence)
        except PlatformSilent as error:
            raise Refused(501, str(error)) from None

    def spawn(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Have something done beside."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def ask(self, method: str, url: str, body: bytes | None, patience: float) -> Reply:
        """One request to our URLs, which is remembered. ``Network`` of a call."""
        row: Row = {"at": now(), "method": method, "url": url, "body": (body or b"").decode("utf-8", "replace")}
        self.asked.append(row)
        reply = await self._web.ask(method, url, body, patience)
        row.update(status=reply.status, ms=round(reply.ms, 3), **({"error": reply.error} if reply.error else {}))
        return reply

    def not_asked(self, method: str, url: str, silence: Silence) -> bool:
        """Whether a URL is left alone since the documentation does not say how it is asked; then that is remembered."""
        if self.strict:
            why = f"{silence.unknown}: the documentation does not say"
            self.asked.append({"at": now(), "method": method, "url": url, "status": 0, "error": why})
        else:
            self.rules.decide(silence)
        return self.strict

    async def close(self) -> None:
        """End what goes on."""
        for task in [*self._tasks]:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._web.__aexit__(None, None, None)

    def _charged(self, action: str, amount: float) -> None:
        self.tell(envelopes.balance(amount, action))
