"""The calls of a stand-in: callers ring its numbers, batches ring people, XML is pushed to calls that are live."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from app.errors import DocumentError, ScenarioError
from app.language import from_xml
from app.numbers import e164
from app.rehearsal import platform as rules
from app.rehearsal.callers import ScriptedCallees, ScriptedCaller, script
from app.rehearsal.clock import RealClock
from app.rehearsal.stand_in import silences
from app.rehearsal.stand_in.answers import Refused, not_found, wrong
from app.rehearsal.stand_in.bodies import Ring
from app.rehearsal.stand_in.legs import Leg
from app.rehearsal.stand_in.lines import Line, Rung
from app.rehearsal.stand_in.reporting import Reporter

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Coroutine, Iterator

    from app.rehearsal.stand_in.drawers import Row
    from app.rehearsal.stand_in.platform import Platform
    from app.rehearsal.transcript import Transcript

Direction: TypeAlias = Literal["in", "out"]
MOST_LIVE: Final = 500
MOST_KEPT: Final = 1_000
"""Calls at once, and calls that are remembered."""


@dataclasses.dataclass(slots=True)
class Live:
    """A call, live or over; ``task`` gives its transcript."""

    line: Line
    leg: Leg
    callees: ScriptedCallees
    task: asyncio.Task[Transcript] | None = None

    @property
    def over(self) -> bool:
        """Whether it has ended."""
        return self.task is not None and self.task.done()


class Calls:
    """All calls, the newest last."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._kept: dict[str, Live] = {}

    def legs(self) -> Iterator[Leg]:
        """Every call, and the legs that it dialled."""
        for live in [*self._kept.values()]:
            yield live.leg
            yield from live.leg.children

    def online(self) -> list[Leg]:
        """Those that are live."""
        return [leg for leg in self.legs() if not leg.over]

    def of(self, uuid: str) -> Live:
        """A call. Raises Refused."""
        if uuid not in self._kept:
            raise not_found("Call")
        return self._kept[uuid]

    def leg(self, uuid: str) -> Leg:
        """A leg of any call. Raises Refused."""
        found = next((leg for leg in self.legs() if leg.uuid == uuid), None)
        if found is None:
            raise not_found("Call")
        return found

    def push(self, uuid: str, document: bytes) -> Leg:
        """XML for a live call. Raises Refused. platform 2.3."""
        live = self.of(uuid)
        self._platform.decide(silences.PUSHED)
        readable(document, self._platform)
        if live.leg.over:
            raise Refused(409, "Call is over")
        live.line.push(document)
        return live.leg

    def ring(self, given: Ring) -> Live:
        """Somebody rings a number of the account. Raises Refused."""
        lease = self._platform.leases.own(given.to)
        if lease["sip_control_app"] is None:
            raise Refused(409, f"{given.to} belongs to no SIP Control App")
        app = self._platform.apps.of(lease["sip_control_app"])
        if not app["is_active"]:
            self._platform.decide(silences.INACTIVE)
            raise Refused(409, f"the SIP Control App of {given.to} is not active")
        live = self._call(given, "in", caller_of(given.caller), str(lease["tn"]["tn"]), lease["tn"], app)
        static = self._platform.documents.get(app["uuid"])
        if app["max_call_length_min"]:
            self._platform.spawn(live.line.cut_off(app["max_call_length_min"]))
        return self._begin(live, live.line.answered_by(app, static))

    def ring_out(self, lease: Row, phone: str, document: bytes, item: str) -> Live:
        """Ring somebody with a document. platform 5: POST /batch."""
        number = str(lease["tn"]["tn"])
        app = self._platform.apps.of(lease["sip_control_app"]) if lease["sip_control_app"] else None
        live = self._call(Ring(to=phone), "out", number, phone, lease["tn"], app)
        live.leg.batch_item = item
        return self._begin(live, live.line.rings(live.callees, document))

    def _begin(self, live: Live, call: Coroutine[Any, Any, Transcript]) -> Live:
        live.task = self._platform.spawn(call)
        self._kept[live.leg.uuid] = live
        over = [uuid for uuid, old in self._kept.items() if old.over]
        for uuid in over[: max(0, len(self._kept) - MOST_KEPT)]:
            del self._kept[uuid]
        return live

    def _call(self, given: Ring, direction: Direction, from_: str, to: str, tn: Row, app: Row | None) -> Live:
        """The call, put together: its line, and who is on it. Raises Refused."""
        if len(self.online()) >= MOST_LIVE:
            raise Refused(429, f"there are {MOST_LIVE} calls already", headers={"retry-after": "1"})
        platform = self._platform
        uuid = platform.ids.uuid("call")
        ids = platform.ids.stream(uuid)
        clock = RealClock(given.pace or platform.options.pace)
        account, brief = platform.account.entity(), app_of(app)
        ringing = Rung(from_, to, clock.now(), uuid, name=given.name, attestation=given.attestation)
        ringing.app, ringing.answers_itself = brief["uuid"], direction == "in" and brief["auto_answer"]
        ringing.beside = {"meta": ids.uuid(), "tn": tn, "account": account, "app": brief}
        leg = Leg(uuid=uuid, direction=direction, from_=from_, to=to, created=clock.now(), account=account, tn=tn)
        leg.app, leg.attestation = (brief if app else None), given.attestation or None
        leg.thread = ids.uuid().replace("-", "")
        callees = callees_of(platform.callees if given.callee is None else given.callee, given.talks)
        caller = ScriptedCaller(acts_of(given.keys), given.patience)
        reporter = Reporter(platform, leg, app, caller=caller, callees=callees, ids=ids)
        return Live(self._line(ringing, reporter, clock), leg, callees)

    def _line(self, ringing: Rung, reporter: Reporter, clock: RealClock) -> Line:
        platform = self._platform
        line = Line(
            ringing,
            caller=reporter,
            callees=reporter,
            network=platform,
            clock=clock,
            rules=rules.Rules(strict=platform.strict),
            extensions=platform.options.extensions,
            zone=platform.options.zone,
            watching=reporter,
            curls=True,
        )
        reporter.line, line.reporter = line, reporter
        return line


def app_of(app: Row | None) -> Row:
    """An app as calls name it."""
    if app is None:
        return {"uuid": "", "name": "", "auto_answer": True}
    names = ("created_on", "modified_on", "uuid", "name", "is_active", "shaken_verify_policy")
    later = ("shaken_minimum_accepted_attest_lvl", "auto_answer", "max_call_length_min")
    return {name: app[name] for name in (*names, *later)}


def readable(document: bytes, platform: Platform) -> None:
    """Raises Refused where a document cannot be read."""
    try:
        from_xml(document, extensions=platform.options.extensions)
    except DocumentError as error:
        raise wrong("file", str(error), document[:200].decode("utf-8", "replace")) from None


def acts_of(keys: object) -> Any:  # noqa: ANN401 - as callers have them
    """A caller's script. Raises Refused."""
    try:
        return script(keys) if keys not in (None, "") else ()
    except ScenarioError as error:
        raise wrong("keys", str(error), str(keys)) from None


def callees_of(behaviour: object, talks: float) -> ScriptedCallees:
    """What those who are dialled do. Raises Refused."""
    try:
        return ScriptedCallees(behaviour, talks)
    except ScenarioError as error:
        raise wrong("callee", str(error), str(behaviour)) from None


def caller_of(written: str) -> str:
    """Who rings, as the platform writes it: a number with its plus; anything else as it is. platform 1.7."""
    return e164(written) or written
