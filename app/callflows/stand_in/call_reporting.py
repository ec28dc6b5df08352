"""The platform's reports of one running call: events, state webhooks, dialled legs, recordings and charges."""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING, Final

from callflows.language import Dial, Record, RecordStop, RecordWait
from callflows.rehearsal.phone_call import append_query
from callflows.stand_in import call_legs, stand_in_rules
from callflows.stand_in.call_legs import DIAL_HANGUP_CAUSES, StandInLeg
from callflows.stand_in.entity_store import format_platform_time

if TYPE_CHECKING:
    from collections.abc import Sequence

    from callflows.language.element import Element
    from callflows.rehearsal.call_parties import ActionWindow, CalledParties, CallerAction, CallingParty, DialResult
    from callflows.rehearsal.call_state import CallState
    from callflows.rehearsal.phone_call import PhoneCall
    from callflows.rehearsal.transcript import TranscriptStep
    from callflows.stand_in.entity_store import EntityRow, IdStream
    from callflows.stand_in.stand_in_platform import StandInPlatform


UNLIMITED_TIMEOUT_SECONDS: Final = 24 * 3600.0
"""Timeout for 0 or null, longer than any call. platform 1.1."""


def parse_app_timeout(milliseconds: float | None) -> float:
    """Convert an app's timeout from milliseconds to seconds."""
    return milliseconds / 1000 if milliseconds else UNLIMITED_TIMEOUT_SECONDS


class CallReporter:
    """Observes a call, and forwards to its caller and callees to keep track of dialled legs."""

    def __init__(
        self,
        platform: StandInPlatform,
        leg: StandInLeg,
        app: EntityRow | None,
        *,
        caller: CallingParty,
        callees: CalledParties,
        ids: IdStream,
    ) -> None:
        self.call: CallState
        self._platform = platform
        self._leg = leg
        self._app = app
        self._caller = caller
        self._callees = callees
        self._ids = ids
        self._ringing_legs: dict[str, StandInLeg] = {}
        self._dial_result: DialResult | None = None
        self._has_rung = False
        """The callees of the current Dial have rung already."""
        self._reported_steps: set[int] = set()
        """Identities of the steps whose recordings are reported."""
        self._webhook_lock = asyncio.Lock()

    # CallObserver

    async def report_state(self, phone_call: PhoneCall, state: str) -> None:
        """Broadcast a new state; at the end, end the dialled legs, report recordings and charge the minutes."""
        if state == "hangup":
            self._end_legs()
            for tag in self.call.running_recordings:
                self._report_recording(tag, self.call.recordings[tag])
            for step in self.call.transcript.steps:
                if step["verb"] == "Record" and "seconds" in step and id(step) not in self._reported_steps:
                    self._report_recording(step.get("tag", ""), step["seconds"], asr="asr" in step)
            self._leg.cause = self._leg.cause or DIAL_HANGUP_CAUSES["answered"]
        self._enter_state(self._leg, state)
        if state == "destroyed":
            self._charge_minutes()
        if self._app is not None and self._app["webhook_url"]:
            self._start_state_webhook(self._app, phone_call, state)

    async def report_command(self, element: Element, path: str, reason: str) -> None:
        """Log and broadcast a finished command."""
        tag = element.attributes.get("tag")
        name, success = element.spec.name, not reason
        description = reason or ("Call answered" if name == "Answer" else "Success")
        command = {"name": name, "success": success, "reason": description, **({"tag": tag} if tag else {})}
        if isinstance(element, Dial):
            self._end_legs()
        self._leg.logs.append({"name": name, "success": success})
        self._leg.history.append(_build_history_entry(command))
        self._log_command(command, path)
        happened = call_legs.build_command_event(
            self._leg, command, serialize_element(element), path, self._ids.next_uuid()
        )
        self._platform.events.broadcast_event(happened, self._platform.account, self.call.clock.now())
        if isinstance(element, (Record, RecordStop, RecordWait)) and success:
            step = next(step for step in reversed(self.call.transcript.steps) if step["path"] == path)
            self._reported_steps.add(id(step))
            if "seconds" in step:  # without seconds, the recording had ended before this command
                self._report_recording(step.get("tag", ""), step["seconds"], asr="asr" in step)

    def record_unanswered(self, result: str) -> None:
        """Set the hang-up cause of an unanswered batch call."""
        self._leg.cause = DIAL_HANGUP_CAUSES[result]

    # CallingParty and CalledParties

    async def hear_step(self, step: TranscriptStep) -> None:
        await self._caller.hear_step(step)

    async def choose_action(self, window: ActionWindow) -> CallerAction:
        """Forward to the caller; first connect the answered leg if the conversation of a Dial begins."""
        taken = self._dial_result
        if window.kind == "conversation" and window.verb == "Dial" and taken and self._ringing_legs:
            if self._has_rung and taken.result == "answered":
                self._connect_leg(taken.answered_by)
            # The first window of a Dial is the ringing, the second the conversation.
            self._has_rung = True
        return await self._caller.choose_action(window)

    async def ring_targets(self, targets: Sequence[str], path: str) -> DialResult:
        """Create ringing legs for all targets; the legs ring until the result of the Dial is known."""
        self._has_rung = False
        if any(self._platform.leases.find_by_number(target) for target in targets if "@" not in target):
            self.call.rules.apply_rule(stand_in_rules.OWN_NUMBER_RULE)
        for target in targets:
            leg = self._ringing_legs[target] = self._create_dialled_leg(target)
            self._leg.children.append(leg)
            self._enter_state(leg, "init")
            self._enter_state(leg, "ringing")
        self._dial_result = await self._callees.ring_targets(targets, path)
        return self._dial_result

    def _create_dialled_leg(self, target: str) -> StandInLeg:
        return StandInLeg(
            uuid=self._ids.next_uuid(),
            direction="out",
            from_=self._leg.from_.lstrip("+"),
            to=target.removeprefix("sip:").partition("@")[0].lstrip("+"),
            created_at=self.call.clock.now(),
            account=self._platform.account.build_entity(),
            parent=self._leg,
            thread=self._leg.thread,
        )

    def _connect_leg(self, target: str) -> None:
        if "live" not in self._ringing_legs[target].state_times:
            self._enter_state(self._ringing_legs[target], "live")
        for other, leg in self._ringing_legs.items():
            if other != target:
                self._end_leg(leg, "answered")

    def _end_legs(self) -> None:
        result = self._dial_result.result if self._dial_result else "no-answer"
        for leg in self._ringing_legs.values():
            self._end_leg(leg, result)
        self._ringing_legs, self._dial_result = {}, None

    def _end_leg(self, leg: StandInLeg, result: str) -> None:
        if not leg.is_over:
            leg.cause = DIAL_HANGUP_CAUSES[result]
            self._enter_state(leg, "hangup")
            self._enter_state(leg, "destroyed")

    # Reports

    def _enter_state(self, leg: StandInLeg, state: str) -> None:
        now = self.call.clock.now()
        leg.enter_state(state, now)
        self._platform.events.broadcast_event(call_legs.build_state_event(leg), self._platform.account, now)

    def _log_command(self, command: EntityRow, path: str) -> None:
        """Add an element to the log of the app. platform 5: name, success, command, response, call."""
        at = format_platform_time(self.call.clock.now())
        row_fields = {"uuid": self._ids.next_uuid(), "created_on": at, "modified_on": at}
        command_fields = {"name": command["name"], "success": command["success"], "command": {**command, "path": path}}
        call = {"uuid": self._leg.uuid}
        state = "success" if command["success"] else "failed"
        response = {"reason": command["reason"]}
        app = self._leg.app["uuid"] if self._leg.app else ""
        self._platform.logs.append(
            {**row_fields, **command_fields, "response": response, "state": state, "call": call, "app": app}
        )

    def _report_recording(self, tag: str, seconds: float, *, asr: bool = False) -> None:
        """Report an available recording, with a transcript if requested."""
        uuid = self._ids.next_uuid()
        record: EntityRow = {
            "uuid": uuid,
            "created_on": format_platform_time(self.call.clock.now()),
            "tag": tag,
            "duration": round(seconds, 3),
            "url": f"https://records.invalid/{uuid}.wav",
        }
        if asr:
            record["transcript"] = "What was said is not known in a rehearsal."
            self._platform.account.charge_balance(stand_in_rules.COST_PER_MINUTE, "call_asr")
        self._leg.records.append(record)
        self._platform.report_undocumented_event(
            stand_in_rules.RECORD_EVENT_RULE, call_legs.build_record_event(self._leg, record), self.call.clock.now()
        )

    def _charge_minutes(self) -> None:
        live = self._leg.state_times.get("live")
        if live is not None:
            minutes = max(1, math.ceil((self._leg.state_times["hangup"] - live).total_seconds() / 60))
            action = f"voice_charge_{self._leg.direction}"
            self._platform.account.charge_balance(minutes * stand_in_rules.COST_PER_MINUTE, action)

    def _start_state_webhook(self, app: EntityRow, phone_call: PhoneCall, state: str) -> None:
        """Send the state webhook in the background, one state after another. platform 1.4."""
        method = app["webhook_method"]
        url = append_query(app["webhook_url"], [("state", state), ("from", phone_call.from_), ("to", phone_call.to)])
        if self._platform.skips_request(method, url, stand_in_rules.WEBHOOK_STATES_RULE):
            return
        body = phone_call.build_post_body() if method == "POST" else None
        self._platform.start_task(
            self._send_state_webhook(method, url, body, parse_app_timeout(app["webhook_request_timeout"]))
        )

    async def _send_state_webhook(self, method: str, url: str, body: bytes | None, timeout_seconds: float) -> None:
        async with self._webhook_lock:
            await self._platform.send_request(method, url, body, timeout_seconds)


def _build_history_entry(command: EntityRow) -> EntityRow:
    """Return a finished command as the history of a classic callback shows it. platform 1.3."""
    success = command["success"]
    error = {} if success else {"error": command["reason"]}
    message = {"message": "Success"} if success else {}
    payload = {"success": success, "command": {"command": command["name"]}, "error": error, "message": message}
    return {"success": success, "payload": payload}


def serialize_element(element: Element) -> EntityRow:
    """Return an element in the format of the 2024 event ``call_flow``: lists of children by name, texts as strings."""
    row: EntityRow = {
        name: _plain_value(value) for name, value in element.attributes.items() if name != element.spec.positional_name
    }
    for child in element.children:
        text = child.attributes.get(child.spec.positional_name) if child.spec.positional_name else None
        inside = serialize_element(child)
        row.setdefault(child.spec.name, []).append(str(text) if text is not None and not inside else inside)
    return row


def _plain_value(value: object) -> object:
    return value if isinstance(value, (str, int, float, bool)) or value is None else str(value)
