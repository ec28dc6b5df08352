"""The calls of a stand-in: inbound calls, batch calls, and XML pushed to live calls."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from callflows.errors import DocumentReadError, ScenarioError
from callflows.language import from_xml
from callflows.rehearsal import undocumented_rules as rules
from callflows.rehearsal.scripted_parties import ScriptedCallees, ScriptedCaller, parse_caller_script
from callflows.rehearsal.virtual_clock import RealTimeClock
from callflows.stand_in import stand_in_rules
from callflows.stand_in.call_legs import StandInLeg
from callflows.stand_in.call_reporting import CallReporter
from callflows.stand_in.call_simulation import SimulatedCall, StandInPhoneCall
from callflows.stand_in.request_bodies import InboundCallBody
from callflows.stand_in.response_envelopes import RestRefusal, field_refusal, not_found_refusal
from callflows.telephony.phone_numbers import parse_e164

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Coroutine, Iterator

    from callflows.rehearsal.transcript import Transcript
    from callflows.stand_in.entity_store import EntityRow
    from callflows.stand_in.stand_in_platform import StandInPlatform


CallDirection: TypeAlias = Literal["in", "out"]
MAX_LIVE_CALLS: Final = 500
MAX_REMEMBERED_CALLS: Final = 1_000
"""Limits of simultaneous calls and of remembered calls."""


@dataclasses.dataclass(slots=True)
class CallSession:
    """A call, live or over; ``task`` returns the transcript."""

    call: SimulatedCall
    leg: StandInLeg
    callees: ScriptedCallees
    task: asyncio.Task[Transcript] | None = None

    @property
    def is_over(self) -> bool:
        return self.task is not None and self.task.done()


class CallRegistry:
    """All calls, newest last."""

    def __init__(self, platform: StandInPlatform) -> None:
        self._platform = platform
        self._sessions: dict[str, CallSession] = {}

    def iterate_legs(self) -> Iterator[StandInLeg]:
        """Yield each call, followed by the legs dialled from the call."""
        for live in [*self._sessions.values()]:
            yield live.leg
            yield from live.leg.children

    def list_live_legs(self) -> list[StandInLeg]:
        return [leg for leg in self.iterate_legs() if not leg.is_over]

    def get_session(self, uuid: str) -> CallSession:
        """Raises RestRefusal (404) for an unknown call."""
        if uuid not in self._sessions:
            raise not_found_refusal("Call")
        return self._sessions[uuid]

    def get_leg(self, uuid: str) -> StandInLeg:
        """Return a leg of any call. Raises RestRefusal (404)."""
        matching_leg = next((leg for leg in self.iterate_legs() if leg.uuid == uuid), None)
        if matching_leg is None:
            raise not_found_refusal("Call")
        return matching_leg

    def push_document(self, uuid: str, document: bytes) -> StandInLeg:
        """Push XML to a live call. Raises RestRefusal. platform 2.3."""
        live = self.get_session(uuid)
        self._platform.apply_rule(stand_in_rules.PUSH_ANSWER_RULE)
        check_readable(document, self._platform)
        if live.leg.is_over:
            raise RestRefusal(409, "Call is over")
        live.call.push_document(document)
        return live.leg

    def start_inbound_call(self, body: InboundCallBody) -> CallSession:
        """Start a call to a number of the account. Raises RestRefusal."""
        lease = self._platform.leases.get_by_number(body.to)
        if lease["sip_control_app"] is None:
            raise RestRefusal(409, f"{body.to} belongs to no SIP Control App")
        app = self._platform.apps.get_row(lease["sip_control_app"])
        if not app["is_active"]:
            self._platform.apply_rule(stand_in_rules.INACTIVE_APP_RULE)
            raise RestRefusal(409, f"the SIP Control App of {body.to} is not active")
        live = self._create_session(body, "in", normalize_caller(body.caller), str(lease["tn"]["tn"]), lease["tn"], app)
        static = self._platform.static_documents.get(app["uuid"])
        if app["max_call_length_min"]:
            self._platform.start_task(live.call.end_after(app["max_call_length_min"]))
        return self._start_session(live, live.call.run_inbound(app, static))

    def start_batch_call(self, lease: EntityRow, phone: str, document: bytes, item: str) -> CallSession:
        """Ring a phone with a document. platform 5: POST /batch."""
        number = str(lease["tn"]["tn"])
        app = self._platform.apps.get_row(lease["sip_control_app"]) if lease["sip_control_app"] else None
        live = self._create_session(
            InboundCallBody(to=phone, keys=self._platform.callee_keys), "out", number, phone, lease["tn"], app
        )
        live.leg.batch_item = item
        return self._start_session(live, live.call.run_outbound(live.callees, document))

    def _start_session(self, session: CallSession, work: Coroutine[Any, Any, Transcript]) -> CallSession:
        session.task = self._platform.start_task(work)
        self._sessions[session.leg.uuid] = session
        over = [uuid for uuid, old in self._sessions.items() if old.is_over]
        for uuid in over[: max(0, len(self._sessions) - MAX_REMEMBERED_CALLS)]:
            del self._sessions[uuid]
        return session

    def _create_session(
        self, body: InboundCallBody, direction: CallDirection, from_: str, to: str, tn: EntityRow, app: EntityRow | None
    ) -> CallSession:
        """Create a call with its caller, callees and reporter. Raises RestRefusal."""
        if len(self.list_live_legs()) >= MAX_LIVE_CALLS:
            raise RestRefusal(429, f"there are {MAX_LIVE_CALLS} calls already", headers={"retry-after": "1"})
        platform = self._platform
        uuid = platform.ids.next_uuid("call")
        ids = platform.ids.create_stream(uuid)
        clock = RealTimeClock(body.pace or platform.options.pace)
        account, brief = platform.account.build_entity(), summarize_app(app)
        ringing = StandInPhoneCall(from_, to, clock.now(), uuid, caller_name=body.name, attestation=body.attestation)
        ringing.app_uuid, ringing.answers_itself = brief["uuid"], direction == "in" and brief["auto_answer"]
        ringing.entity_parts = {"meta": ids.next_uuid(), "tn": tn, "account": account, "app": brief}
        leg = StandInLeg(uuid=uuid, direction=direction, from_=from_, to=to, created_at=clock.now(), account=account, tn=tn)
        leg.app, leg.attestation = (brief if app else None), body.attestation or None
        leg.thread = ids.next_uuid().replace("-", "")
        ringing.command_history = leg.history
        callees = parse_callee_behaviour(platform.callee_behaviour if body.callee is None else body.callee, body.talks)
        caller = ScriptedCaller(parse_script_keys(body.keys), body.patience)
        reporter = CallReporter(platform, leg, app, caller=caller, callees=callees, ids=ids)
        return CallSession(self._create_call(ringing, reporter, clock), leg, callees)

    def _create_call(self, phone_call: StandInPhoneCall, reporter: CallReporter, clock: RealTimeClock) -> SimulatedCall:
        platform = self._platform
        line = SimulatedCall(
            phone_call,
            caller=reporter,
            callees=reporter,
            network=platform,
            clock=clock,
            rules=rules.PlatformRules(strict=platform.strict),
            extensions=platform.options.extensions,
            zone=platform.options.zone,
            watching=reporter,
            curls=True,
        )
        reporter.call, line.reporter = line, reporter
        return line


def summarize_app(app: EntityRow | None) -> EntityRow:
    """Return an app in the short form that calls contain."""
    if app is None:
        return {"uuid": "", "name": "", "auto_answer": True}
    names = ("created_on", "modified_on", "uuid", "name", "is_active", "shaken_verify_policy")
    later = ("shaken_minimum_accepted_attest_lvl", "auto_answer", "max_call_length_min")
    return {name: app[name] for name in (*names, *later)}


def check_readable(document: bytes, platform: StandInPlatform) -> None:
    """Raises RestRefusal for an unreadable document."""
    try:
        from_xml(document, extensions=platform.options.extensions)
    except DocumentReadError as error:
        raise field_refusal("file", str(error), document[:200].decode("utf-8", "replace")) from None


def parse_script_keys(keys: object) -> Any:  # noqa: ANN401 - a tuple of scripted actions
    """Parse a caller's script. Raises RestRefusal."""
    try:
        return parse_caller_script(keys) if keys not in (None, "") else ()
    except ScenarioError as error:
        raise field_refusal("keys", str(error), str(keys)) from None


def parse_callee_behaviour(behaviour: object, talk_seconds: float) -> ScriptedCallees:
    """Parse the behaviour of dialled callees. Raises RestRefusal."""
    try:
        return ScriptedCallees(behaviour, talk_seconds)
    except ScenarioError as error:
        raise field_refusal("callee", str(error), str(behaviour)) from None


def normalize_caller(number: str) -> str:
    """Convert a caller to the platform's format: a number with a plus; other texts unchanged. platform 1.7."""
    return parse_e164(number) or number
