"""The line of a call on the imitated platform: how it begins, and how our URLs are told of it."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from typing import TYPE_CHECKING, Any, Final

from app.rehearsal import platform as rules
from app.rehearsal.interpreter import Interpreter
from app.rehearsal.line import PATIENCE, Ends
from app.rehearsal.ringing import Ringing, with_query
from app.rehearsal.stand_in import silences
from app.rehearsal.stand_in.drawers import moment
from app.rehearsal.stand_in.reporting import patience
from app.rehearsal.transcript import Asked

if TYPE_CHECKING:
    from app.rehearsal.asking import Reply
    from app.rehearsal.parties import Callees
    from app.rehearsal.stand_in.drawers import Row
    from app.rehearsal.stand_in.reporting import Reporter
    from app.rehearsal.transcript import Transcript

NOT_PUSHED: Final = f"no document was pushed within {rules.PARKED:.0f} s"


@dataclasses.dataclass(slots=True)
class Rung(Ringing):
    """A call as our URLs are told of it, whole. platform 1.1: the entity of a POST."""

    beside: dict[str, Any] = dataclasses.field(default_factory=dict)
    """Its number, account and app, and what FreeSWITCH says."""

    def entity(self) -> dict[str, Any]:
        """As the documentation composes it."""
        created = moment(self.at)
        over = self.state in ("hangup", "destroyed")
        named = {"cid_name": self.name} if self.name else {}
        switch = {"uuid": self.beside["meta"], "callstate": "RINGING", "state": "CS_ROUTING", **named}
        entity: dict[str, Any] = {
            "created_on": created,
            "modified_on": created,
            "uuid": self.id,
            "tn": self.beside["tn"],
            "from": self.from_,
            "to": self.to,
            "meta": {**switch, "cid_num": self.from_, "direction": "inbound", "dest": self.to},
            "state": "offline" if over else "online",
            "source": "freeswitch",
            "logs": [],
            "account": self.beside["account"],
            "sip_control_app": self.beside["app"],
        }
        return entity | ({"stir_shaken_attest_level": self.attestation} if self.attestation else {})

    def history(self) -> bytes:
        """As its app has it."""
        app = {"uuid": self.app, "name": self.beside["app"]["name"], "subdomain": "stand-in"}
        to = int(self.to) if self.to.isdecimal() else self.to
        owner = {"account_uuid": self.beside["account"]["uuid"]}
        call = {**owner, "from": self.from_.lstrip("+"), "to": to, "state": "started", "sip_control_app": app}
        return json.dumps({"history": [], "call": call}).encode()


class Line(Interpreter):
    """A line that the caller can put down at any moment."""

    reporter: Reporter

    def __init__(self, ringing: Ringing, **line: Any) -> None:  # noqa: ANN401 - as Interpreter has them
        super().__init__(ringing, **line)
        self._cut: asyncio.Future[Ends] = asyncio.get_running_loop().create_future()
        """How the call ends before its document does."""

    def interrupted(self) -> None:
        """Go on in a document that was pushed. Raises Ends where the line is put down, or the call cut off."""
        self._over()
        super().interrupted()

    async def asked(self, method: str, url: str, body: bytes | None = None, patience: float = PATIENCE) -> Reply:
        """A request; who puts the line down does not wait for its answer."""
        asking = asyncio.ensure_future(super().asked(method, url, body, patience))
        either: set[asyncio.Future[Any]] = {asking, self._cut}
        try:
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            self._over()
            return await asking
        finally:
            asking.cancel()

    def hang_up(self) -> None:
        """The caller puts the line down."""
        self._cut_by(Ends("caller-hung-up"))

    async def cut_off(self, minutes: int) -> None:
        """End the call after the longest that its app allows."""
        await self.clock.sleep(minutes * 60)
        self._cut_by(Ends("ended", f"the app allows {minutes} min"))

    def _cut_by(self, how: Ends) -> None:
        if not self._cut.done():
            self._cut.set_result(how)
        self.woken.set()

    def _over(self) -> None:
        if self._cut.done():
            raise self._cut.result()

    async def answered_by(self, app: Row, static: bytes | None) -> Transcript:
        """The call arrives for an app: its URL is asked, else it has a static document, else it is parked."""
        return await self._whole(lambda: self._first(app, static))

    async def rings(self, callees: Callees, document: bytes) -> Transcript:
        """Somebody is rung; who answers has the document."""
        return await self._whole(lambda: self._picked_up(callees, document))

    async def _first(self, app: Row, static: bytes | None) -> bytes:
        url, method = app["call_flow_url"], app["call_flow_method"]
        if url and static is not None:
            self.rules.decide(silences.STATIC_OR_URL)
        if url:
            body = self.ringing.body() if method == "POST" else None
            asked = with_query(url, self.ringing.first())
            return await self.fetched(method, asked, body, patience(app["call_flow_request_timeout"]))
        if static is not None:
            return self._given(static)
        return await self._parked()

    async def _parked(self) -> bytes:
        await self.clock.sleep(rules.PARKED, self.woken)
        self._over()
        if self.pushed.empty():
            raise Ends("ended", NOT_PUSHED)
        return self.take_pushed()

    async def _picked_up(self, callees: Callees, document: bytes) -> bytes:
        self.rules.decide(silences.OUTBOUND)
        taken = await callees.ring([self.ringing.to], "")
        await self.clock.sleep(rules.RINGING if taken.result == "no-answer" else rules.PICKING_UP, self.woken)
        self._over()
        if taken.result != "answered":
            self.reporter.nobody(taken.result)
            raise Ends("ended", f"{self.ringing.to}: {taken.result}")
        await self.lift()
        return self._given(document)

    def _given(self, document: bytes) -> bytes:
        self.transcript.requests.append(Asked("", "", 200, document=document.decode("utf-8", "replace")))
        return document
