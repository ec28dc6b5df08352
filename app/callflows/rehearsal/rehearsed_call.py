"""Configures one rehearsed call: numbers, time, scripts of the caller and callees, lookup answers."""

from __future__ import annotations

import dataclasses
import json
import uuid
from typing import TYPE_CHECKING, Any, Final

from callflows.language.dialects import NO_EXTENSIONS
from callflows.rehearsal.call_state import DOCUMENT_TIMEOUT_SECONDS, REPLY_STATUS_OK
from callflows.rehearsal.interpreter import Interpreter
from callflows.rehearsal.phone_call import PhoneCall
from callflows.rehearsal.platform_network import LOCAL_ENGINE_ORIGIN
from callflows.rehearsal.scripted_parties import ScriptedCallees, ScriptedCaller
from callflows.rehearsal.simulated_outside import CallFixture, activate_fixture
from callflows.rehearsal.undocumented_rules import PlatformRules
from callflows.rehearsal.virtual_clock import VirtualClock
from callflows.telephony.phone_numbers import parse_e164

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from zoneinfo import ZoneInfo

    from callflows.language import Extensions
    from callflows.rehearsal.call_parties import CalledParties, CallingParty
    from callflows.rehearsal.call_state import CallObserver
    from callflows.rehearsal.platform_network import PlatformNetwork
    from callflows.rehearsal.transcript import Transcript
    from callflows.rehearsal.virtual_clock import CallClock


LOCAL_ENGINE_URL: Final = f"{LOCAL_ENGINE_ORIGIN}/call"
"""Call-control URL of an engine in this process."""
DEFAULT_REHEARSAL_CALLER: Final = "+12015550999"
"""Default caller; a number that is never assigned to anyone."""


@dataclasses.dataclass(frozen=True, slots=True)
class RehearsedText:
    """A text message, sent ``delay`` seconds after the previous message; the default ``sender`` is the caller."""

    text: str
    sender: str = ""
    delay: float = 60.0


@dataclasses.dataclass(slots=True, kw_only=True)
class Rehearsal:
    """A call to rehearse, or a series of ``texts``.

    ``number`` and ``caller_id`` are in Opentact's format or E.164; ``at`` is an aware time, by default now;
    ``call_id`` by default a new one.

    ``url`` is the call-control URL, requested with ``method`` and a timeout of ``timeout`` seconds. Our own engine receives
    ``lookups``, ``calls_today``, ``opted_out`` (the caller sent STOP earlier) and ``transcript`` (what the caller says in
    a voicemail). ``strict`` stops the call at undocumented
    behaviour; ``zone`` is the time zone of native Schedule.
    """

    number: str
    call_id: str = ""
    caller_id: str = DEFAULT_REHEARSAL_CALLER
    name: str = ""
    attestation: str = ""
    at: datetime | None = None
    caller: CallingParty = dataclasses.field(default_factory=ScriptedCaller)
    callees: CalledParties = dataclasses.field(default_factory=ScriptedCallees)
    lookups: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    calls_today: int = 1
    opted_out: bool = False
    transcript: str = ""
    url: str = LOCAL_ENGINE_URL
    method: str = "POST"
    timeout: float = DOCUMENT_TIMEOUT_SECONDS
    answers_itself: bool | None = None
    strict: bool = False
    curls: bool = False
    extensions: Extensions = NO_EXTENSIONS
    zone: ZoneInfo | None = None
    observer: CallObserver | None = None
    clock: CallClock | None = None
    texts: tuple[RehearsedText, ...] = ()

    def build_interpreter(self, network: PlatformNetwork) -> Interpreter:
        clock = self.clock or VirtualClock(self.at)
        ringing = PhoneCall(
            _normalize_number(self.caller_id),
            _normalize_number(self.number).lstrip("+"),
            clock.now(),
            caller_name=self.name,
            attestation=self.attestation,
            answers_itself=self.answers_itself,
        )
        ringing.id = self.call_id or ringing.id
        return Interpreter(
            ringing,
            caller=self.caller,
            callees=self.callees,
            network=network,
            clock=clock,
            rules=PlatformRules(strict=self.strict),
            extensions=self.extensions,
            zone=self.zone,
            watching=self.observer,
            curls=self.curls,
        )

    async def run(self, network: PlatformNetwork) -> Transcript:
        """Rehearse the call from beginning to end."""
        line = self.build_interpreter(network)
        scene = CallFixture(line, self.lookups, self.calls_today, self.opted_out, transcript=self.transcript)
        activate_fixture(scene)
        if self.texts:
            return await self._run_texts(line)
        transcript = await line.run_from_url(self.url, self.method, self.timeout)
        if scene.outside is not None:
            await scene.outside.finish_call()
        return transcript

    async def _run_texts(self, call: Interpreter) -> Transcript:
        """Post the texts to our engine, as Opentact does. platform 1.5: the message callback."""
        for index, text in enumerate(self.texts):
            await call.clock.sleep(text.delay if index else 0.0)
            step_fields = {
                "uuid": str(uuid.uuid4()),
                "type": "smsi",
                "state": "success",
                "from": _normalize_number(text.sender or self.caller_id),
                "to": call.phone_call.to,
                "message": text.text,
                "modified_on": call.clock.now().isoformat(),
            }
            reply = await call.send_request(
                "POST", f"{LOCAL_ENGINE_ORIGIN}/sms", json.dumps(step_fields).encode(), self.timeout
            )
            if reply.status != REPLY_STATUS_OK:
                call.transcript.outcome, call.transcript.error = "error", reply.error or f"the status is {reply.status}"
                return call.transcript
        call.transcript.outcome, call.transcript.seconds = "texted", call.elapsed_seconds
        return call.transcript


def _normalize_number(number: str) -> str:
    """Convert a number with punctuation to E.164; leave plain numbers, names and SIP addresses unchanged."""
    for_people = set(number) & set(" ().-") and not any(letter.isalpha() or letter == "@" for letter in number)
    return parse_e164(number) or number if for_people else number
