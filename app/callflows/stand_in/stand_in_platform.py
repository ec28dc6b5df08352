"""The state of a stand-in: tables, account, events, faults, background tasks and requests to our URLs."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Any, Final

from callflows.errors import UndocumentedBehaviourError
from callflows.rehearsal.platform_network import HttpNetwork
from callflows.rehearsal.undocumented_rules import PlatformRules, UndocumentedRule
from callflows.stand_in import event_delivery
from callflows.stand_in.entity_store import EntityTable, IdGenerator, current_platform_time
from callflows.stand_in.event_delivery import EventBroadcaster
from callflows.stand_in.response_envelopes import RestRefusal
from callflows.stand_in.stand_in_account import NumberLeases, StandInAccount, TokenIssuer
from callflows.stand_in.stand_in_options import FaultSettings

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from datetime import datetime

    from callflows.rehearsal.platform_network import NetworkReply
    from callflows.stand_in.entity_store import EntityRow
    from callflows.stand_in.stand_in_options import StandInOptions


MAX_REMEMBERED_REQUESTS: Final = 1_000
"""Limit of remembered requests to our URLs; the logs of all apps together have ten times as many entries."""


class StandInPlatform:
    """The imitated platform; ``sent_requests`` are its requests to our URLs."""

    def __init__(self, options: StandInOptions) -> None:
        self.options = options
        self.ids = ids = IdGenerator(options.seed)
        self.rules = PlatformRules(strict=options.strict)
        self.strict = options.strict
        self.faults = FaultSettings(**options.faults)
        self.tokens = TokenIssuer(options, ids.next_uuid("key"))
        self.account = StandInAccount(options, ids, self._report_balance)
        self.apps = EntityTable("SIP Control App", ids)
        self.static_documents: dict[str, bytes] = {}
        """Static documents by the UUID of the app."""
        self.leases = NumberLeases(
            EntityTable("TN lease", ids), self.apps, shows_subscriptions=options.leases == "subscriptions"
        )
        self.orders = EntityTable("Order", ids, drops_oldest=True)
        self.messages = EntityTable("SMS", ids, drops_oldest=True)
        self.messaging_profiles = EntityTable("Messaging profile", ids)
        self.voice_profiles = EntityTable("Outbound voice profile", ids)
        self.connections = EntityTable("SIP connection", ids)
        self.domains = EntityTable("SIP domain", ids)
        self.users = EntityTable("SIP user", ids)
        self.invites = EntityTable("SIP invite", ids)
        self.switches = EntityTable("SIP switch", ids)
        self.office_hours = EntityTable("Office hours", ids)
        self.rooms = EntityTable("Room", ids)
        self.tn_profiles = EntityTable("TN profile", ids)
        self.batches = EntityTable("Batch", ids, drops_oldest=True)
        self.subscriptions = EntityTable("Event subscription", ids)
        self.events = EventBroadcaster(options.envelope, ids, self.faults, self.subscriptions, strict=options.strict)
        self.logs: deque[EntityRow] = deque(maxlen=10 * MAX_REMEMBERED_REQUESTS)
        self.sent_requests: deque[EntityRow] = deque(maxlen=MAX_REMEMBERED_REQUESTS)
        self.callee_behaviour: Any = "answer"
        """Default behaviour of dialled callees."""
        self.callee_keys: Any = ""
        """Keys that people press whom the platform calls for a batch."""
        self._network = HttpNetwork(allow_external=True)
        self._tasks: set[asyncio.Task[Any]] = set()

    def report_event(self, event: event_delivery.OutgoingEvent) -> None:
        """Broadcast an event."""
        self.events.broadcast_event(event, self.account)

    def report_undocumented_event(
        self, rule: UndocumentedRule, event: event_delivery.OutgoingEvent, at: datetime | None = None
    ) -> None:
        """Broadcast an event of undocumented format, except in strict mode."""
        if not self.strict:
            self.rules.apply_rule(rule)
            self.events.broadcast_event(event, self.account, at)

    def apply_rule(self, rule: UndocumentedRule) -> None:
        """Apply a rule. Raises RestRefusal (501) in strict mode."""
        try:
            self.rules.apply_rule(rule)
        except UndocumentedBehaviourError as error:
            raise RestRefusal(501, str(error)) from None

    def start_task(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Start a background task, which ``close`` cancels."""
        task = asyncio.create_task(work)
        self._tasks.add(task)  # the event loop keeps only weak references to tasks
        task.add_done_callback(self._tasks.discard)
        return task

    async def send_request(self, method: str, url: str, body: bytes | None, timeout_seconds: float) -> NetworkReply:
        """Send a request to one of our URLs and remember the request; implements ``PlatformNetwork``."""
        row: EntityRow = {
            "at": current_platform_time(),
            "method": method,
            "url": url,
            "body": (body or b"").decode("utf-8", "replace"),
        }
        self.sent_requests.append(row)
        reply = await self._network.send_request(method, url, body, timeout_seconds)
        row.update(status=reply.status, ms=round(reply.ms, 3), **({"error": reply.error} if reply.error else {}))
        return reply

    def skips_request(self, method: str, url: str, rule: UndocumentedRule) -> bool:
        """Return True if strict mode skips a request of undocumented form; remember skipped requests."""
        if self.strict:
            why = f"{rule.unknown}: the documentation does not say"
            self.sent_requests.append(
                {"at": current_platform_time(), "method": method, "url": url, "status": 0, "error": why}
            )
        else:
            self.rules.apply_rule(rule)
        return self.strict

    async def close(self) -> None:
        """Cancel all background tasks and close the network."""
        for task in [*self._tasks]:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._network.__aexit__(None, None, None)

    def _report_balance(self, action: str, amount: float) -> None:
        self.report_event(event_delivery.build_balance_event(amount, action))
