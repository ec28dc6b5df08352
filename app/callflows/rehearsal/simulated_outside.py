"""Simulates the engine's outside world in a rehearsal: lookups, effects, the call counter and the clock.

Each rehearsed call has its own ``CallFixture``, which the engine finds by the asyncio task of the call.
"""

from __future__ import annotations

import dataclasses
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final, Protocol

from callflows.flows.decisions import describe_decisions
from callflows.journal.redaction import DIGIT_FIELDS, REDACTION_MASK, may_keep_digits
from callflows.language import Gather
from callflows.rehearsal.transcript import FlowPoint
from callflows.settings import SHORTEST_MESSAGE_SECONDS
from callflows.telephony.call_record import (
    VOICEMAIL_TAG,
    CallRecord,
    ReportedRecording,
    build_call_record,
    complete_voicemail_effect,
    find_cancel_reason,
    find_message_state,
)
from callflows.telephony.lookup_shape import find_answer_problem
from callflows.telephony.ports import LookupResult, normalize_party
from callflows.text import clean_text

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
    from datetime import date, datetime

    from callflows.flows.coverage_points import CoveragePoint
    from callflows.rehearsal.call_state import CallState
    from callflows.telephony.events import AnsweredRequest, PlatformEvent
    from callflows.telephony.ports import Effect, EffectSender, LookupRequest
    from callflows.telephony.turn import Turn

    TextEventHandler = Callable[[PlatformEvent], Awaitable[None]]


def build_rehearsed_record(fixture: CallFixture, shortest_message_seconds: float) -> CallRecord:
    """Build the record of a finished call, as Opentact would report the call."""
    call = fixture.call
    steps = call.transcript.steps
    recordings = [
        ReportedRecording(
            REHEARSED_RECORDING_URL.format(tag), fixture.transcript if tag == VOICEMAIL_TAG else "", seconds, tag
        )
        for tag, seconds in call.recordings.items()
    ]
    left = find_message_state(recordings, (), None, shortest_message_seconds) == "left"
    legs = [
        (str(to), step.get("result") == "answered" and to == step.get("by", to))
        for step in steps
        if step["verb"] == "Dial"
        for to in step["to"]
    ]
    return build_call_record(
        uuid=call.phone_call.id,
        from_=call.phone_call.from_,
        to=call.phone_call.to,
        ended_at=call.clock.now().timestamp(),
        seconds=call.elapsed_seconds,
        legs=legs,
        recordings=recordings,
        shortest_message_seconds=shortest_message_seconds,
        message="left" if left else "none",
        tags=[str(step.get("tag") or "") for step in steps],
        node=next((str(step["node"]) for step in reversed(steps) if "node" in step), ""),
        keys=[
            REDACTION_MASK if index in fixture.secret_inputs else str(step["digits"])
            for index, step in enumerate(steps)
            if step["verb"] == Gather.spec.name and step.get("digits")
        ],
        caller_name=call.phone_call.caller_name,
        calls_today=fixture.calls_today,
    )


# A ContextVar selects the fixture, because many calls are rehearsed at once in one process.


class InboundText(Protocol):
    """A received text message."""

    @property
    def number(self) -> str:
        """Our number, in E.164."""

    @property
    def sender(self) -> str:
        """The sender: E.164, else a short code or a name."""

    @property
    def text(self) -> str:
        """The content of the message."""


class InboundTextResult(Protocol):
    """The engine's result for a received text."""

    @property
    def outcome(self) -> str:
        """``matched``, ``unmatched``, ``stopped``, ``started``, ``helped``, or the reason why no flow handled the text."""

    @property
    def flow(self) -> str:
        """Name of the flow that handled the text."""

    @property
    def effects(self) -> Sequence[Effect]:
        """Effects caused by the text."""

    @property
    def detail(self) -> str:
        """Reason of a broken outcome."""

    @property
    def turn(self) -> Turn | None:
        """The flow's turn, if a flow ran."""


REHEARSED_RECORDING_URL: Final = "https://recordings.example/{}.wav"
"""Link of a recording in a rehearsal, by its tag: nothing is recorded there."""
OPTED_OUT_REASON: Final = "the recipient sent STOP and gets no messages from this number"
"""Reason of a refused text message."""
FAILED_LOOKUP_ANSWER: Final = "fails"
"""Fixture answer that makes a lookup fail."""


class SimulatedOutside:
    """The engine's ports in a rehearsal: effect sender, call counter, clock, and observer of events and answers.

    ``describe_turn`` converts a turn's trail to plain rows. ``real_effects``, if given, runs lookups and effects for real.
    ``run_after_call`` runs the after-call turn of a flow, by the flow's name. ``coverage_of_turn`` returns the
    coverage points of a turn beyond its nodes. ``make_text_handler`` creates the handler for the texts of one fixture.
    """

    def __init__(
        self,
        real_effects: EffectSender | None = None,
        run_after_call: Callable[[str, CallRecord], Awaitable[Turn | None]] | None = None,
        coverage_of_turn: Callable[[str, Turn], Iterable[CoveragePoint]] | None = None,
        make_text_handler: Callable[[], TextEventHandler] | None = None,
        shortest_message_seconds: float = SHORTEST_MESSAGE_SECONDS,
    ) -> None:
        self._shortest_message_seconds = shortest_message_seconds
        self._real_effects = real_effects
        self._run_after_call = run_after_call
        self._coverage_of_turn = coverage_of_turn
        self._make_text_handler = make_text_handler

    def now(self) -> datetime:
        """Return the current time of the call's clock."""
        return _CURRENT_FIXTURE.get().call.clock.now()

    async def count_call(self, flow: str, caller: str, day: date, call: str = "") -> int:  # noqa: ARG002 - as the Protocol says
        """Return the fixture's number of calls today."""
        return _CURRENT_FIXTURE.get().calls_today

    async def run_lookup(self, request: LookupRequest) -> LookupResult:
        """Return the answer of ``real_effects`` if set, else the fixture's answer; otherwise the lookup fails."""
        scene = _CURRENT_FIXTURE.get()
        if self._real_effects is not None:
            lookup_result = await self._real_effects.run_lookup(request)
        else:
            lookup_result = _fixture_answer(scene.lookups, request)
        result = {
            "result": "found" if lookup_result.ok else "failed",
            **({"reason": lookup_result.reason} if lookup_result.reason else {}),
        }
        into = request.url.partition("?")[0] if request.wants_document else request.variable
        scene.call.add_step("lookup", "", url=request.url, method=request.method, into=into, **result)
        return lookup_result

    def queue_effect(self, effect: Effect) -> None:
        """Record an effect; hold a voicemail notice until the end of the call and refuse texts to an opted-out caller."""
        scene = _CURRENT_FIXTURE.get()
        if effect.kind == VOICEMAIL_TAG:
            scene.held_effects.append(effect)
        elif effect.kind == "sms" and scene.blocks_effect(effect):
            scene.call.add_step("refused", "", step_key="sms", reason=OPTED_OUT_REASON)
        else:
            self._record_effect(effect)

    def _record_effect(self, effect: Effect) -> None:
        if self._real_effects is not None:
            self._real_effects.queue_effect(effect)
        scene, payload = _CURRENT_FIXTURE.get(), effect.payload
        match effect.channel:
            case "opt-out":
                scene.call.add_step("opt_out", "", number=payload["number"])
            case "sms":
                is_reply = payload["to"] == scene.text_sender
                answers = {"as": "reply" if is_reply else "forward"} if scene.text_sender else {}
                scene.call.add_step("sms", "", **payload, **answers)
            case "mail":
                attached = {"attach": ", ".join(payload["attach"])} if payload["attach"] else {}
                to = ", ".join(payload["to"])
                scene.call.add_step("mail", "", to=to, subject=payload["subject"], text=payload["text"], **attached)
            case "chat":
                chat = {"as": payload["as"], "text": payload["text"]}
                scene.call.add_step("notify", "", url=payload["url"], payload=payload["body"], **chat)
            case "form":
                scene.call.add_step("notify", "", url=payload["url"], payload=payload["form"])
            case "webhook":
                scene.call.add_step("notify", "", url=payload["url"], payload=payload["body"])

    async def finish_call(self) -> None:
        """Record the held effects and run the flow's after-call turn; mark the new steps as ``ended``."""
        scene = _CURRENT_FIXTURE.get()
        call = build_rehearsed_record(scene, self._shortest_message_seconds)
        steps = scene.call.transcript.steps
        known = len(steps)
        for effect in scene.held_effects:
            if not find_cancel_reason(effect, call):
                self._record_effect(complete_voicemail_effect(effect, call))
        turn = await self._run_after_call(scene.flow_name, call) if self._run_after_call is not None else None
        if turn is not None:
            self._record_turn(scene.flow_name, turn)
            for effect in turn.effects:
                self.queue_effect(effect)
        for step in steps[known:]:
            step["ended"] = True

    def _record_turn(self, flow: str, turn: Turn) -> None:
        """Record a turn outside the nodes of a flow: trail, coverage points and refusals."""
        transcript = _CURRENT_FIXTURE.get().call.transcript
        transcript.requests[-1].trail += describe_decisions(turn)
        points = self._coverage_of_turn(flow, turn) if self._coverage_of_turn is not None else ()
        transcript.covered_points += [FlowPoint(flow, point) for point in points]
        self._record_refusals(turn)

    def _record_refusals(self, turn: Turn) -> None:
        """Record a step for each refused message."""
        for origin, outcome, _, detail in turn.trail:
            if outcome == "refused":
                _CURRENT_FIXTURE.get().call.add_step(
                    "refused", "", step_key=origin.step_key, reason=(detail or {}).get("refused", "")
                )

    async def handle_events(self, *events: PlatformEvent) -> None:
        """Handle received texts with the fixture's own text handler."""
        scene = _CURRENT_FIXTURE.get()
        if self._make_text_handler is None:
            return
        take = scene.text_handler = scene.text_handler or self._make_text_handler()
        for report in events:
            await take(report)

    def record_text_result(self, message: InboundText, result: InboundTextResult) -> None:
        """Record the result of a text and its refusals; the effects follow later."""
        scene = _CURRENT_FIXTURE.get()
        asked = scene.call.transcript.requests[-1]
        asked.flow, asked.outcome = result.flow, "broken" if result.outcome == "broken" else "answered"
        asked.error = clean_text(result.detail) or ("" if result.flow else result.outcome)
        scene.text_sender = message.sender
        ignored = {} if result.effects else {"ignored": True}
        step_fields = {"from": message.sender, "to": message.number, "text": message.text}
        scene.call.add_step("text", "", **step_fields, result=result.outcome, **ignored)
        if result.turn is not None:
            self._record_turn(result.flow, result.turn)

    def record_answer(self, answered: AnsweredRequest) -> None:
        """Add the engine's decisions to the latest request of the transcript."""
        if answered.outcome.flow:
            _CURRENT_FIXTURE.get().outside, _CURRENT_FIXTURE.get().flow_name = self, answered.outcome.flow
        asked = _CURRENT_FIXTURE.get().call.transcript.requests[-1]
        asked.flow, asked.outcome = answered.outcome.flow, answered.outcome.kind
        asked.trail = describe_decisions(answered.turn) if answered.turn is not None else []
        if any(answered.request_fields.get(name) for name in DIGIT_FIELDS) and not may_keep_digits(
            answered.turn, answered=answered.outcome.is_by_flow
        ):
            _CURRENT_FIXTURE.get().hide_last_input()
        if answered.turn is not None:
            self._record_refusals(answered.turn)
        if answered.outcome.is_by_flow:
            asked.node = answered.outcome.node.partition(".")[0]
        else:
            asked.error = clean_text(f"{answered.outcome.kind}: {answered.outcome.cause}: {answered.outcome.detail}")


@dataclasses.dataclass(slots=True)
class CallFixture:
    """Simulated facts for one rehearsed call.

    ``lookups`` maps variable names or URLs to answers; ``calls_today`` is the caller's number of calls today.
    """

    call: CallState
    lookups: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    calls_today: int = 1
    opted_out: bool = False
    """The caller sent STOP to the called number earlier."""
    held_effects: list[Effect] = dataclasses.field(default_factory=list)
    """Effects held until the end of the call."""
    text_handler: TextEventHandler | None = None
    """Handler of the texts in this fixture."""
    text_sender: str = ""
    """Sender of the current text."""
    outside: SimulatedOutside | None = None
    """Set once our own engine has answered with a flow."""
    flow_name: str = ""
    transcript: str = ""
    """Words of the caller in a voicemail, as Opentact would transcribe them."""
    secret_inputs: set[int] = dataclasses.field(default_factory=set)
    """Indexes of the steps in which the caller entered digits that nothing may store."""

    def hide_last_input(self) -> None:
        """Mark the digits that the caller entered last as secret."""
        steps = self.call.transcript.steps
        self.secret_inputs.update(
            [index for index, step in enumerate(steps) if step["verb"] == Gather.spec.name and step.get("digits")][-1:]
        )

    def blocks_effect(self, effect: Effect) -> bool:
        """Return True if an effect is a text to the opted-out caller, from the called number."""
        ringing, sides = self.call.phone_call, (effect.payload.get("from"), effect.payload.get("to"))
        return self.opted_out and tuple(normalize_party(str(side)) for side in sides) == (
            normalize_party(ringing.to),
            normalize_party(ringing.from_),
        )


_CURRENT_FIXTURE: ContextVar[CallFixture] = ContextVar("scene")


def activate_fixture(fixture: CallFixture) -> None:
    """Use a fixture for the engine in the current asyncio task."""
    _CURRENT_FIXTURE.set(fixture)


def _fixture_answer(lookups: Mapping[str, Any], lookup: LookupRequest) -> LookupResult:
    for name in (lookup.variable, lookup.url, lookup.url.partition("?")[0]):
        if name in lookups:
            value = lookups[name]
            if value == FAILED_LOOKUP_ANSWER:
                return LookupResult(None, ok=False, reason="the scenario says so")
            problem = "" if lookup.wants_document else find_answer_problem(value, lookup.default)
            return LookupResult(None if problem else value, ok=not problem, status=200, reason=problem)
    if lookup.wants_document:
        return LookupResult(None, ok=False, reason="a rehearsal asks no app: give --real, or its answers under lookups")
    return LookupResult(None, ok=False, reason="a rehearsal makes no real lookups")
