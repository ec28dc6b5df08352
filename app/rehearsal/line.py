"""The line of one call: who is on it, what time it is there, what was heard and pressed, what was asked.

What verbs share; it knows none of them.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final, NoReturn, Protocol

from app.errors import DocumentError
from app.language import from_xml
from app.language.dialects import NO_EXTENSIONS
from app.rehearsal import platform
from app.rehearsal.asking import HERE
from app.rehearsal.parties import Awaiting, HangsUp, Keys
from app.rehearsal.ringing import with_query
from app.rehearsal.transcript import HANGS_UP, Asked, Did, Transcript
from app.spots import without

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from app.language import Extensions, Response
    from app.language.element import Element
    from app.rehearsal.asking import Network, Reply
    from app.rehearsal.clock import Clock
    from app.rehearsal.notes import Notes
    from app.rehearsal.parties import Callees, Caller
    from app.rehearsal.platform import Rules
    from app.rehearsal.ringing import Ringing
    from app.rehearsal.transcript import Ending, Step
    from app.spots import Spot

PATIENCE: Final = 10.0
"""Seconds of the real clock that an answer is waited for, where no timeout is said."""
OK: Final = 200
NOT_OK: Final = 300
MOST_STEPS: Final = 5_000
MOST_SECONDS: Final = 7 * 24 * 3600.0
"""What a call may come to before it is taken for a loop."""
LONGEST: Final = 24 * 3600.0
"""Seconds that one command may last before it is taken for one that never ends: a voicemail of a day is none."""
_PLACES: Final = 12
"""Places of a loop that are named."""


class Failed(Exception):
    """A command did not succeed; its Error runs."""


class Ends(Exception):
    """The call ends."""

    def __init__(self, outcome: Ending, error: str = "") -> None:
        super().__init__(error)
        self.outcome: Ending = outcome
        self.error = error


class GoesOn(Exception):
    """Another document takes the place of what is left."""

    def __init__(self, document: bytes) -> None:
        super().__init__()
        self.document = document


class Watching(Protocol):
    """Told what the platform reports of a call while it runs."""

    async def state(self, ringing: Ringing, state: str) -> None:
        """The call is in another state: init, ringing, live, hangup, destroyed."""

    async def command(self, element: Element, path: str, reason: str) -> None:
        """A command is done; ``reason`` says why it failed, and is empty where it did not."""


class Line:
    """The platform's side of one call."""

    def __init__(  # noqa: PLR0913 - who and what a call is made of, each by its name
        self,
        ringing: Ringing,
        *,
        caller: Caller,
        callees: Callees,
        network: Network,
        clock: Clock,
        rules: Rules,
        extensions: Extensions = NO_EXTENSIONS,
        zone: ZoneInfo | None = None,
        watching: Watching | None = None,
        curls: bool = False,
    ) -> None:
        """``zone`` is that of native Schedule; UTC where there is none. ``curls``: whether a Curl really asks."""
        self.ringing = ringing
        self.clock = clock
        self.rules = rules
        self.caller = caller
        self.transcript = Transcript(f"+{ringing.to}" if ringing.to.isdecimal() else ringing.to, ringing.from_)
        self.notes: Notes = {}
        """Where in a flow the document that runs comes by."""
        self._node = ""
        self.buffer = ""
        """Keys that were pressed and not taken yet."""
        self.answered = bool(ringing.answers_itself)
        self.pushed: asyncio.Queue[bytes] = asyncio.Queue()
        """Documents that are posted to the live call."""
        self.woken = asyncio.Event()
        self.recordings: dict[str, float] = {}
        """Finished recordings: their tags and seconds."""
        self.callees = callees
        self._network = network
        self.extensions = extensions
        self.zone = zone
        self.watching = watching
        self.curls = curls
        self.transcript.answers_itself = self.answered
        self._began = self.transcript.began = clock.now()
        self.recording: dict[str, float] = {}
        """Recordings that run: their tags, and when they began."""
        self.doing = ""
        """The path of the command that runs."""
        self._read_last: tuple[bytes, Response] | None = None

    @property
    def at(self) -> float:
        """Seconds since the call began."""
        return (self.clock.now() - self._began).total_seconds()

    async def state(self, state: str) -> None:
        """The call is in another state."""
        self.ringing.state = state
        if self.watching is not None:
            await self.watching.state(self.ringing, state)

    async def lift(self) -> None:
        """The line is answered."""
        if not self.answered:
            self.answered = True
            await self.state("live")

    # What all commands share

    async def hear(self, verb: str, path: str, **did: Any) -> Step:  # noqa: ANN401 - plain data
        """Note a step, and have the caller know."""
        step = self.note(verb, path, **did)
        await self.caller.hear(step)
        return step

    def note(self, verb: str, path: str, **did: Any) -> Step:  # noqa: ANN401 - plain data
        """Note a step."""
        step: Step = {"verb": verb, "path": path, "at": round(self.at, 3), **did}
        if self._node:
            step["node"] = self._node
        self.transcript.steps.append(step)
        return step

    def come_by(self, path: str) -> tuple[Spot, ...]:
        """Note where in the flow the call comes by; gives those spots of which it is known later what becomes of them."""
        spots = self.notes.get(path, ())
        return tuple(spot for spot in spots if self.come(spot))

    def come(self, spot: Spot) -> bool:
        """Note a spot; whether it is known only later what becomes of it."""
        self._node = spot.node
        if not spot.open:
            self.transcript.came.append(spot)
        return spot.open

    def bounded(self) -> None:
        """Refuse to go on for ever. Raises Ends."""
        if len(self.transcript.steps) > MOST_STEPS:
            raise Ends("loop", f"{MOST_STEPS} steps, the last in {self.doing}; {self.way_round()}")
        if self.at > MOST_SECONDS:
            raise Ends("loop", f"{MOST_SECONDS / 3600:.0f} hours, the last in {self.doing}; {self.way_round()}")

    def way_round(self) -> str:
        """The way that the last documents went, as far as they lead round."""
        urls = [asked.url.partition("?")[0] for asked in self.transcript.requests]
        way = urls[-1:]
        for url in reversed(urls[:-1]):
            way.insert(0, url)
            if url == urls[-1]:
                break
        places = [url.partition("://")[2].partition("/")[2] or url or "the document" for url in way[:_PLACES]]
        return f"they lead round, {' -> '.join(places)} (a loop?)" if len(way) > 1 else f"in {places[0]} (a loop?)"

    async def sleep(self, seconds: float) -> None:
        """Let time pass; a document that is pushed meanwhile takes the place of what is left. Raises GoesOn, Ends."""
        if seconds > LONGEST:
            hours = f"{seconds / 3600:,.0f} hours"
            raise Ends("loop", f"{self.doing} would last {hours}, and a command is waited for {LONGEST / 3600:.0f}")
        await self.clock.sleep(seconds, self.woken)
        self.interrupted()

    def interrupted(self) -> None:
        """Go on in a document that was pushed, if there is one. Raises GoesOn."""
        if not self.pushed.empty():
            raise GoesOn(self.take_pushed())

    def take_pushed(self) -> bytes:
        """The document that was pushed first."""
        document = self.pushed.get_nowait()
        if self.pushed.empty():
            self.woken.clear()
        self.transcript.requests.append(Asked("PUSH", "", 200, document=document.decode("utf-8", "replace")))
        return document

    def push(self, document: bytes) -> None:
        """Post a document to the live call."""
        self.pushed.put_nowait(document)
        self.woken.set()

    async def pressed(self, verb: str, path: str, within: float, stop: str = "") -> str:
        """The keys that are pressed within the time; none where it passes."""
        at = self.at
        does = await self.caller.does(Awaiting("keys", verb, path, at, within, stop))
        if isinstance(does, HangsUp) and does.after <= within:
            self.transcript.did.append(Did(at, HANGS_UP, does.after))
            await self._left(path, does.after)
        if not isinstance(does, Keys) or not does.pressed or does.after > within:
            self.transcript.did.append(Did(at, "", within))
            await self.sleep(within)
            return ""
        self.transcript.did.append(Did(at, does.pressed, does.after))
        await self.sleep(does.after)
        return does.pressed

    async def lasts(self, verb: str, path: str, seconds: float, *, sound: bool = True) -> None:
        """Let time pass in which the caller can but hang up: while something sounds, else in a conversation."""
        at = self.at
        does = await self.caller.does(Awaiting("sound" if sound else "conversation", verb, path, at, seconds))
        if isinstance(does, HangsUp) and does.after <= seconds:
            self.transcript.did.append(Did(at, HANGS_UP, does.after, sound))
            await self._left(path, does.after)
        if not sound:
            self.transcript.did.append(Did(at, None))
        await self.sleep(seconds)

    async def _left(self, path: str, after: float) -> NoReturn:
        """The caller hangs up in a command, after so many seconds. Raises Ends."""
        await self.sleep(after)
        self.transcript.during = path
        raise Ends("caller-hung-up")

    # Requests

    def read(self, document: bytes) -> Response:
        """A document, which is read once. Raises DocumentError."""
        if self._read_last is not None and self._read_last[0] is document:
            return self._read_last[1]
        return from_xml(document, extensions=self.extensions)

    def url(self, url: str, digits: str | None = None, tag: str = "") -> str:
        """A URL of a document, with what the platform appends."""
        if self.ringing.meta:
            self.rules.decide(platform.META)
        return with_query(url, self.ringing.further(digits, tag))

    def classic_url(self, url: str, digits: str, attempt: int) -> str:
        """A classic Gather's callback, with what the platform appends."""
        if self.ringing.meta:
            self.rules.decide(platform.META)
        return with_query(url, [*self.ringing.attempt(digits, attempt), *self.ringing.meta.items()])

    async def fetched(
        self, method: str, url: str, body: bytes | None = None, patience: float = PATIENCE, *, may_be_empty: bool = False
    ) -> bytes:
        """A document. Raises Failed where there is none that can be read."""
        reply = await self.asked(method, url, body, patience)
        wrong = reply.error
        if not wrong and not OK <= reply.status < NOT_OK:
            wrong = f"the status is {reply.status}"
        elif not wrong and (reply.body.strip() or not may_be_empty):
            try:
                self._read_last = reply.body, from_xml(reply.body, extensions=self.extensions)
            except DocumentError as error:
                wrong = f"the document cannot be read: {error}"
        if wrong:
            self.transcript.requests[-1].error = wrong
            raise Failed(f"{method} {url.partition('?')[0]}: {wrong}")
        return reply.body

    async def asked(self, method: str, url: str, body: bytes | None = None, patience: float = PATIENCE) -> Reply:
        """A request, as it stands in the transcript."""
        asked = Asked(method, url)
        self.transcript.requests.append(asked)
        known = len(self.transcript.steps)
        reply = await self._network.ask(method, url, body, patience)
        for step in self.transcript.steps[known:]:  # what our own engine did meanwhile
            await self.caller.hear(step)
        asked.status, asked.ms, asked.error = reply.status, round(reply.ms, 3), reply.error or asked.error
        document = reply.body.decode("utf-8", "replace")
        asked.document = without(document) if url.startswith(HERE) else document
        return reply


def tagged(element: Element) -> dict[str, Any]:
    """An element's tag, as a step has it."""
    return {"tag": element.attributes["tag"]} if "tag" in element.attributes else {}
