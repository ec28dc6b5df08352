"""What the platform reports of one call while it runs: events, the state webhook, the legs that it dials, the charge."""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING, Final

from app.language import Dial, Record, RecordStop, RecordWait
from app.rehearsal.ringing import with_query
from app.rehearsal.stand_in import legs, silences
from app.rehearsal.stand_in.drawers import moment
from app.rehearsal.stand_in.legs import CAUSES, Leg

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.language.element import Element
    from app.rehearsal.line import Line
    from app.rehearsal.parties import Awaiting, Callees, Caller, Does, Taken
    from app.rehearsal.ringing import Ringing
    from app.rehearsal.stand_in.drawers import Row
    from app.rehearsal.stand_in.ids import Stream
    from app.rehearsal.stand_in.platform import Platform
    from app.rehearsal.transcript import Step

FOR_EVER: Final = 24 * 3600.0
"""Seconds: no call lasts longer. A timeout that is 0 or null is none. platform 1.1."""


def patience(milliseconds: float | None) -> float:
    """A timeout of an app, in seconds."""
    return milliseconds / 1000 if milliseconds else FOR_EVER


class Reporter:
    """Watches a call, listens as its caller does, and rings its callees."""

    def __init__(
        self, platform: Platform, leg: Leg, app: Row | None, *, caller: Caller, callees: Callees, ids: Stream
    ) -> None:
        self.line: Line
        self._platform = platform
        self._leg = leg
        self._app = app
        self._caller = caller
        self._callees = callees
        self._ids = ids
        self._ringing: dict[str, Leg] = {}
        self._taken: Taken | None = None
        self._rang = False
        """Whether the callees of this Dial have rung already."""
        self._webhooks = asyncio.Lock()

    # Watching

    async def state(self, ringing: Ringing, state: str) -> None:
        """The call is in another state."""
        if state == "hangup":
            self._end_legs()
            for tag in self.line.recording:
                self._record(tag, self.line.recordings[tag])
            self._leg.cause = self._leg.cause or CAUSES["answered"]
        self._enter(self._leg, state)
        if state == "destroyed":
            self._charge()
        if self._app is not None and self._app["webhook_url"]:
            self._hook(self._app, ringing, state)

    async def command(self, element: Element, path: str, reason: str) -> None:
        """A command is done."""
        tag = element.attributes.get("tag")
        name, success = element.row.name, not reason
        said = reason or ("Call answered" if name == "Answer" else "Success")
        command = {"name": name, "success": success, "reason": said, **({"tag": tag} if tag else {})}
        if isinstance(element, Dial):
            self._end_legs()
        self._leg.logs.append({"name": name, "success": success})
        self._log(command, path)
        happened = legs.command_of(self._leg, command, written(element), path, self._ids.uuid())
        self._platform.events.tell(happened, self._platform.account, self.line.clock.now())
        if isinstance(element, (Record, RecordStop, RecordWait)) and success:
            step = next(step for step in reversed(self.line.transcript.steps) if step["path"] == path)
            if "seconds" in step:  # else it was over already
                self._record(step.get("tag", ""), step["seconds"], asr="asr" in step)

    def nobody(self, result: str) -> None:
        """A call of a batch was not taken."""
        self._leg.cause = CAUSES[result]

    # The caller, and those who are dialled

    async def hear(self, step: Step) -> None:
        """As the caller."""
        await self._caller.hear(step)

    async def does(self, awaiting: Awaiting) -> Does:
        """As the caller; when a conversation begins, the leg that answered is live, and the others are dropped."""
        taken = self._taken
        if awaiting.kind == "conversation" and awaiting.verb == "Dial" and taken and self._ringing:
            if self._rang and taken.result == "answered":
                self._connect(taken.by)
            self._rang = True
        return await self._caller.does(awaiting)

    async def ring(self, targets: Sequence[str], path: str) -> Taken:
        """Legs to all targets; they ring until the caller knows how it went."""
        self._rang = False
        if any(self._platform.leases.find(target) for target in targets if "@" not in target):
            self.line.rules.decide(silences.OWN_NUMBER)
        for target in targets:
            leg = self._ringing[target] = self._dialled(target)
            self._leg.children.append(leg)
            self._enter(leg, "init")
            self._enter(leg, "ringing")
        self._taken = await self._callees.ring(targets, path)
        return self._taken

    def _dialled(self, target: str) -> Leg:
        return Leg(
            uuid=self._ids.uuid(),
            direction="out",
            from_=self._leg.from_.lstrip("+"),
            to=target.removeprefix("sip:").partition("@")[0].lstrip("+"),
            created=self.line.clock.now(),
            account=self._platform.account.entity(),
            parent=self._leg,
            thread=self._leg.thread,
        )

    def _connect(self, target: str) -> None:
        if "live" not in self._ringing[target].moments:
            self._enter(self._ringing[target], "live")
        for other, leg in self._ringing.items():
            if other != target:
                self._end(leg, "answered")

    def _end_legs(self) -> None:
        result = self._taken.result if self._taken else "no-answer"
        for leg in self._ringing.values():
            self._end(leg, result)
        self._ringing, self._taken = {}, None

    def _end(self, leg: Leg, result: str) -> None:
        if not leg.over:
            leg.cause = CAUSES[result]
            self._enter(leg, "hangup")
            self._enter(leg, "destroyed")

    # Reports

    def _enter(self, leg: Leg, state: str) -> None:
        now = self.line.clock.now()
        leg.enter(state, now)
        self._platform.events.tell(legs.state_of(leg), self._platform.account, now)

    def _log(self, command: Row, path: str) -> None:
        """An element in the log of the app. platform 5: name, success, command, response, call."""
        at = moment(self.line.clock.now())
        made = {"uuid": self._ids.uuid(), "created_on": at, "modified_on": at}
        done = {"name": command["name"], "success": command["success"], "command": {**command, "path": path}}
        call = {"uuid": self._leg.uuid}
        state = "success" if command["success"] else "failed"
        response = {"reason": command["reason"]}
        app = self._leg.app["uuid"] if self._leg.app else ""
        self._platform.logs.append({**made, **done, "response": response, "state": state, "call": call, "app": app})

    def _record(self, tag: str, seconds: float, *, asr: bool = False) -> None:
        """A recording can be had, and its transcript where it was asked for."""
        uuid = self._ids.uuid()
        record: Row = {
            "uuid": uuid,
            "created_on": moment(self.line.clock.now()),
            "tag": tag,
            "duration": math.ceil(seconds),
            "url": f"https://records.invalid/{uuid}.wav",
        }
        if asr:
            record["transcript"] = "What was said is not known in a rehearsal."
            self._platform.account.charge(silences.MINUTE_COST, "call_asr")
        self._leg.records.append(record)
        self._platform.tell_if(silences.RECORD_EVENT, legs.record_of(self._leg, record), self.line.clock.now())

    def _charge(self) -> None:
        """What the minutes cost."""
        live = self._leg.moments.get("live")
        if live is not None:
            minutes = max(1, math.ceil((self._leg.moments["hangup"] - live).total_seconds() / 60))
            action = f"voice_charge_{self._leg.direction}"
            self._platform.account.charge(minutes * silences.MINUTE_COST, action)

    def _hook(self, app: Row, ringing: Ringing, state: str) -> None:
        """Ask the state webhook, one state after the other; nobody waits for it. platform 1.4."""
        method = app["webhook_method"]
        url = with_query(app["webhook_url"], [("state", state), ("from", ringing.from_), ("to", ringing.to)])
        if self._platform.not_asked(method, url, silences.WEBHOOK_STATES):
            return
        body = ringing.body() if method == "POST" else None
        self._platform.spawn(self._hooked(method, url, body, patience(app["webhook_request_timeout"])))

    async def _hooked(self, method: str, url: str, body: bytes | None, seconds: float) -> None:
        async with self._webhooks:
            await self._platform.ask(method, url, body, seconds)


def written(element: Element) -> Row:
    """An element as the event ``call_flow`` of 2024 has it: children by name, a list each; a text as it is."""
    row: Row = {name: _plain(value) for name, value in element.attributes.items() if name != element.row.plain_name}
    for child in element.children:
        text = child.attributes.get(child.row.plain_name) if child.row.plain_name else None
        inside = written(child)
        row.setdefault(child.row.name, []).append(str(text) if text is not None and not inside else inside)
    return row


def _plain(value: object) -> object:
    return value if isinstance(value, (str, int, float, bool)) or value is None else str(value)
