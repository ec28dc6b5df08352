"""Messages: sent, received, searched; profiles, and the callbacks that tell of them."""

from __future__ import annotations

import asyncio
import hashlib
import json
from typing import TYPE_CHECKING, Final

from app.rehearsal.stand_in import envelopes, silences
from app.rehearsal.stand_in.answers import Refused, answered
from app.rehearsal.stand_in.bodies import MessagingFields, Sms
from app.rehearsal.stand_in.kinds import crud
from app.rehearsal.stand_in.requests import body_of
from app.rehearsal.stand_in.searching import SMS_FIELDS, Search, found

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

    from app.rehearsal.stand_in.bodies import Text
    from app.rehearsal.stand_in.drawers import Row
    from app.rehearsal.stand_in.platform import Platform
    from app.rehearsal.stand_in.requests import Endpoint, Rest

PATIENCE: Final = 10.0
"""Seconds of the real clock that a callback may take."""
KINDS: Final = {"": ("smso", "smsi", "smsr"), "/inbound": ("smsi",), "/outbound": ("smso",)}


class Messages:
    """All messages. platform 1.5 and 4."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform

    def send(self, given: Sms) -> Row:
        """Send one from a number of the account. Raises Refused."""
        platform = self._platform
        lease = platform.leases.own(given.sender or given.tn or "")
        if "sms" not in lease["features"]:
            raise Refused(409, f"TN {lease['tn']['tn']} is not enabled for SMS")
        platform.account.afford(silences.SMS_COST)
        platform.decide(silences.CREATED)
        row = self._row("smso", lease, str(lease["tn"]["tn"]), given.to, given.message)
        row |= {"state": "created", "delivered": False, "automated": False, "reason": "sending"}
        platform.account.charge(silences.SMS_COST, "sms_charge_out")
        platform.spawn(self._goes(row, lease, given.custom_callback_url))
        return {**row}

    def receive(self, given: Text) -> Row:
        """Somebody sends one to a number of the account. Raises Refused."""
        lease = self._platform.leases.own(given.to)
        if "sms" not in lease["features"]:
            raise Refused(409, f"TN {given.to} is not enabled for SMS")
        row = self._row("smsi", lease, given.sender, str(lease["tn"]["tn"]), given.message)
        row["state"] = "success"
        self._platform.spawn(self._told(row, lease, None))
        return {**row}

    def _row(self, kind: str, lease: Row, from_: str, to: str, text: str) -> Row:
        """One, kept; its thread is that of the two numbers."""
        thread = hashlib.sha256(":".join(sorted((from_, to))).encode()).hexdigest()[:32]
        who = {"from": from_, "to": to, "thread": thread, "message": text}
        whose = {"tn": lease["tn"], "account": self._platform.account.entity()}
        return self._platform.messages.add({"type": kind, **who, "state": "created", **whose})

    async def _goes(self, row: Row, lease: Row, url: str | None) -> None:
        """A message that is sent: created, success, and delivered."""
        beat = silences.DELIVERING / self._platform.options.pace
        for state, delivered in (("created", False), ("success", False), ("success", True)):
            self._platform.messages.change(row["uuid"], {"state": state, "delivered": delivered})
            await self._told(row, lease, url)
            await asyncio.sleep(beat)

    async def _told(self, row: Row, lease: Row, url: str | None) -> None:
        """The event, and the callback: the message's own, else its profile's, else none."""
        happened = envelopes.sms(row)
        if self._platform.events.year == "2022":
            self._platform.tell(happened)
        else:
            self._platform.tell_if(silences.LATER_SMS, happened)
        profile = lease["messaging_profile"]
        kept = self._platform.messaging_profiles.of(profile) if profile else {}
        urls = [url] if url else [kept.get("callback_url"), kept.get("callback_url2")]
        await self._call_back([asked for asked in urls if asked], json.dumps(row).encode())

    async def _call_back(self, urls: list[str], body: bytes) -> None:
        """The second URL is asked where the first cannot be reached."""
        for url in urls:
            if self._platform.not_asked("POST", url, silences.CALLBACK_METHOD):
                return
            reply = await self._platform.ask("POST", url, body, PATIENCE)
            if reply.status:
                return


def routes(platform: Platform, messages: Messages, rest: Rest) -> list[Route]:
    """``/sms`` and ``/profile/messaging``."""

    async def send(request: Request) -> Response:
        return answered(messages.send(await body_of(request, Sms)), 202)

    def removed(uuid: str) -> None:
        platform.leases.leave("messaging_profile", uuid)

    profiles, fields = platform.messaging_profiles, MessagingFields
    return [
        rest.route("/sms", POST=send),
        *(rest.route(f"/sms/search{path}", POST=_search(platform, kinds)) for path, kinds in KINDS.items()),
        *crud(rest, platform, "/profile/messaging", profiles, fields, fields, removed=removed),
    ]


def _search(platform: Platform, kinds: tuple[str, ...]) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        search = await body_of(request, Search)
        platform.decide(silences.SEARCHES)
        rows = (row for row in platform.messages if row["type"] in kinds)
        return answered(found(rows, search, SMS_FIELDS))

    return endpoint
