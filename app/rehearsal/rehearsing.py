"""One rehearsed call, put together: who rings whom and when, what callees do, what lookups find."""

from __future__ import annotations

import dataclasses
import json
import uuid
from typing import TYPE_CHECKING, Any, Final

from app.language.dialects import NO_EXTENSIONS
from app.numbers import e164
from app.rehearsal.asking import HERE
from app.rehearsal.callers import ScriptedCallees, ScriptedCaller
from app.rehearsal.clock import VirtualClock
from app.rehearsal.interpreter import Interpreter
from app.rehearsal.line import OK, PATIENCE
from app.rehearsal.platform import Rules
from app.rehearsal.ringing import Ringing
from app.rehearsal.stage import Scene, enter

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from zoneinfo import ZoneInfo

    from app.language import Extensions
    from app.rehearsal.asking import Network
    from app.rehearsal.clock import Clock
    from app.rehearsal.line import Watching
    from app.rehearsal.parties import Callees, Caller
    from app.rehearsal.transcript import Transcript

OWN: Final = f"{HERE}/call"
"""The call-control URL of an engine in this process."""
STRANGER: Final = "+12015550999"
"""Who rings where nobody is named; a number that nobody can have."""


@dataclasses.dataclass(frozen=True, slots=True)
class Text:
    """A text message, ``after`` so many seconds of the one before; ``sender`` is the caller where nobody is named."""

    text: str
    sender: str = ""
    after: float = 60.0


@dataclasses.dataclass(slots=True, kw_only=True)
class Rehearsal:
    """A call to be rehearsed, or ``texts`` one after the other.

    ``number`` and ``caller_id`` as Opentact writes them or in E.164; ``at`` is aware, None: now.

    ``url`` is the call-control URL, asked by ``method`` and waited for ``patience`` seconds. ``lookups`` and
    ``calls_today`` are what our own engine is told, ``opted_out`` whether the caller said STOP before.
    ``strict`` refuses to go on where the documentation is silent; ``zone`` is that of native Schedule.
    """

    number: str
    caller_id: str = STRANGER
    name: str = ""
    attestation: str = ""
    at: datetime | None = None
    caller: Caller = dataclasses.field(default_factory=ScriptedCaller)
    callees: Callees = dataclasses.field(default_factory=ScriptedCallees)
    lookups: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    calls_today: int = 1
    opted_out: bool = False
    url: str = OWN
    method: str = "POST"
    patience: float = PATIENCE
    answers_itself: bool | None = None
    strict: bool = False
    curls: bool = False
    extensions: Extensions = NO_EXTENSIONS
    zone: ZoneInfo | None = None
    watching: Watching | None = None
    clock: Clock | None = None
    texts: tuple[Text, ...] = ()

    def line(self, network: Network) -> Interpreter:
        """The platform's side of the call."""
        clock = self.clock or VirtualClock(self.at)
        ringing = Ringing(
            _plain(self.caller_id),
            _plain(self.number).lstrip("+"),
            clock.now(),
            name=self.name,
            attestation=self.attestation,
            answers_itself=self.answers_itself,
        )
        return Interpreter(
            ringing,
            caller=self.caller,
            callees=self.callees,
            network=network,
            clock=clock,
            rules=Rules(strict=self.strict),
            extensions=self.extensions,
            zone=self.zone,
            watching=self.watching,
            curls=self.curls,
        )

    async def ring(self, network: Network) -> Transcript:
        """Rehearse it, from beginning to end."""
        line = self.line(network)
        scene = Scene(line, self.lookups, self.calls_today, self.opted_out)
        enter(scene)
        if self.texts:
            return await self._texted(line)
        transcript = await line.ring(self.url, self.method, self.patience)
        if scene.stage is not None:
            await scene.stage.over()
        return transcript

    async def _texted(self, line: Interpreter) -> Transcript:
        """Have the texts come in, as Opentact tells of them. platform 1.5: the message callback."""
        for index, text in enumerate(self.texts):
            await line.clock.sleep(text.after if index else 0.0)
            told = {
                "uuid": str(uuid.uuid4()),
                "type": "smsi",
                "state": "success",
                "from": _plain(text.sender or self.caller_id),
                "to": line.ringing.to,
                "message": text.text,
                "modified_on": line.clock.now().isoformat(),
            }
            reply = await line.asked("POST", f"{HERE}/sms", json.dumps(told).encode(), self.patience)
            if reply.status != OK:
                line.transcript.outcome, line.transcript.error = "error", reply.error or f"the status is {reply.status}"
                return line.transcript
        line.transcript.outcome, line.transcript.seconds = "texted", line.at
        return line.transcript


def _plain(written: str) -> str:
    """A number as Opentact writes it, where it is written for people; what is plain already, or none, as it stands."""
    for_people = set(written) & set(" ().-") and not any(letter.isalpha() or letter == "@" for letter in written)
    return e164(written) or written if for_people else written
