"""A call on the imitated platform: its first document, its early end, and the call entity in requests to our URLs."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from typing import TYPE_CHECKING, Any, Final

from callflows.rehearsal import undocumented_rules as rules
from callflows.rehearsal.call_state import DOCUMENT_TIMEOUT_SECONDS, CallEnd
from callflows.rehearsal.interpreter import Interpreter
from callflows.rehearsal.phone_call import PhoneCall, append_query
from callflows.rehearsal.transcript import PlatformRequest
from callflows.stand_in import stand_in_rules
from callflows.stand_in.call_reporting import parse_app_timeout
from callflows.stand_in.entity_store import format_platform_time
from callflows.telephony.call_states import ENDED_CALL_STATES

if TYPE_CHECKING:
    from callflows.rehearsal.call_parties import CalledParties
    from callflows.rehearsal.platform_network import NetworkReply
    from callflows.rehearsal.transcript import Transcript
    from callflows.stand_in.call_reporting import CallReporter
    from callflows.stand_in.entity_store import EntityRow


NO_PUSHED_DOCUMENT: Final = f"no document was pushed within {rules.PARKED_CALL_SECONDS:.0f} s"


@dataclasses.dataclass(slots=True)
class StandInPhoneCall(PhoneCall):
    """A call with the complete entity of a POST. platform 1.1."""

    entity_parts: dict[str, Any] = dataclasses.field(default_factory=dict)
    """Parts of the entity: ``meta`` (the UUID inside), ``tn``, ``account``, ``app``."""
    command_history: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    """The finished commands, as a classic callback shows them. platform 1.3."""

    def build_entity(self) -> dict[str, Any]:
        """Return the entity as the documentation composes it."""
        created = format_platform_time(self.started_at)
        over = self.state in ENDED_CALL_STATES
        named = {"cid_name": self.caller_name} if self.caller_name else {}
        switch = {"uuid": self.entity_parts["meta"], "callstate": "RINGING", "state": "CS_ROUTING", **named}
        entity: dict[str, Any] = {
            "created_on": created,
            "modified_on": created,
            "uuid": self.id,
            "tn": self.entity_parts["tn"],
            "from": self.from_,
            "to": self.to,
            "meta": {**switch, "cid_num": self.from_, "direction": "inbound", "dest": self.to},
            "state": "offline" if over else "online",
            "source": "freeswitch",
            "logs": [],
            "account": self.entity_parts["account"],
            "sip_control_app": self.entity_parts["app"],
        }
        return entity | ({"stir_shaken_attest_level": self.attestation} if self.attestation else {})

    def build_classic_body(self) -> bytes:
        """Return the body of a classic callback, with the real app and account."""
        app = {"uuid": self.app_uuid, "name": self.entity_parts["app"]["name"], "subdomain": "stand-in"}
        to = int(self.to) if self.to.isdecimal() else self.to
        owner = {"account_uuid": self.entity_parts["account"]["uuid"]}
        call = {**owner, "from": self.from_.lstrip("+"), "to": to, "state": "started", "sip_control_app": app}
        return json.dumps({"history": self.command_history, "call": call}).encode()


class SimulatedCall(Interpreter):
    """A call that can end at any moment: by the caller or by the app's maximum length."""

    reporter: CallReporter

    def __init__(self, phone_call: PhoneCall, **options: Any) -> None:  # noqa: ANN401 - as Interpreter has them
        super().__init__(phone_call, **options)
        self._early_end: asyncio.Future[CallEnd] = asyncio.get_running_loop().create_future()
        """Set if the call ends before its document does."""

    def check_interruption(self) -> None:
        """Raises DocumentReplacement for a pushed document, CallEnd after an early end."""
        self._raise_early_end()
        super().check_interruption()

    async def send_request(
        self, method: str, url: str, body: bytes | None = None, timeout_seconds: float = DOCUMENT_TIMEOUT_SECONDS
    ) -> NetworkReply:
        """Send a request; an early end of the call cancels the request. Raises CallEnd."""
        asking = asyncio.ensure_future(super().send_request(method, url, body, timeout_seconds))
        either: set[asyncio.Future[Any]] = {asking, self._early_end}
        try:
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            self._raise_early_end()
            return await asking
        finally:
            asking.cancel()

    def hang_up(self) -> None:
        """Hang up as the caller."""
        self._end_early(CallEnd("caller-hung-up"))

    async def end_after(self, minutes: int) -> None:
        """End the call after the maximum length that the app allows."""
        await self.clock.sleep(minutes * 60)
        self._end_early(CallEnd("ended", f"the app allows {minutes} min"))

    def _end_early(self, end: CallEnd) -> None:
        if not self._early_end.done():
            self._early_end.set_result(end)
        self.wake_event.set()

    def _raise_early_end(self) -> None:
        if self._early_end.done():
            raise self._early_end.result()

    async def run_inbound(self, app: EntityRow, static_document: bytes | None) -> Transcript:
        """Run a call to an app. The document comes from the URL, else the static document, else a push."""
        return await self._run_call(lambda: self._fetch_first_document(app, static_document))

    async def run_outbound(self, callees: CalledParties, document: bytes) -> Transcript:
        """Ring a callee; run the document after an answer."""
        return await self._run_call(lambda: self._ring_callee(callees, document))

    async def _fetch_first_document(self, app: EntityRow, static_document: bytes | None) -> bytes:
        url, method = app["call_flow_url"], app["call_flow_method"]
        if url and static_document is not None:
            self.rules.apply_rule(stand_in_rules.STATIC_OR_URL_RULE)
        if url:
            body = self.phone_call.build_post_body() if method == "POST" else None
            asked = append_query(url, self.phone_call.initial_query_fields())
            return await self.fetch_document(method, asked, body, parse_app_timeout(app["call_flow_request_timeout"]))
        if static_document is not None:
            return self._use_document(static_document)
        return await self._wait_for_document()

    async def _wait_for_document(self) -> bytes:
        await self.clock.sleep(rules.PARKED_CALL_SECONDS, self.wake_event)
        self._raise_early_end()
        if self.pushed_documents.empty():
            raise CallEnd("ended", NO_PUSHED_DOCUMENT)
        return self.take_pushed_document()

    async def _ring_callee(self, callees: CalledParties, document: bytes) -> bytes:
        self.rules.apply_rule(stand_in_rules.BATCH_CALL_RULE)
        taken = await callees.ring_targets([self.phone_call.to], "")
        await self.clock.sleep(
            rules.DIAL_RING_SECONDS if taken.result == "no-answer" else rules.PICK_UP_SECONDS, self.wake_event
        )
        self._raise_early_end()
        if taken.result != "answered":
            self.reporter.record_unanswered(taken.result)
            raise CallEnd("ended", f"{self.phone_call.to}: {taken.result}")
        await self.answer_line()
        return self._use_document(document)

    def _use_document(self, document: bytes) -> bytes:
        self.transcript.requests.append(PlatformRequest("", "", 200, document=document.decode("utf-8", "replace")))
        return document
