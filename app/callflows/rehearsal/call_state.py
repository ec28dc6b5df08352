"""The line of one call: who is on it, what time it is there, what was heard and pressed, what was asked.

What verbs share; it knows none of them.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final, NoReturn, Protocol

from callflows.errors import DocumentReadError
from callflows.flows.coverage_points import strip_coverage_comments
from callflows.language import from_xml
from callflows.language.dialects import NO_EXTENSIONS
from callflows.rehearsal import undocumented_rules
from callflows.rehearsal.call_parties import ActionWindow, CallerHangUp, KeyInput
from callflows.rehearsal.phone_call import append_query
from callflows.rehearsal.platform_network import LOCAL_ENGINE_ORIGIN
from callflows.rehearsal.transcript import HANG_UP_ACTION, PlatformRequest, RecordedAction, Transcript

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from callflows.flows.coverage_points import CoveragePoint
    from callflows.language import Extensions, Response
    from callflows.language.element import Element
    from callflows.rehearsal.call_parties import CalledParties, CallingParty
    from callflows.rehearsal.coverage_comments import PathCoverage
    from callflows.rehearsal.phone_call import PhoneCall
    from callflows.rehearsal.platform_network import NetworkReply, PlatformNetwork
    from callflows.rehearsal.transcript import CallOutcome, TranscriptStep
    from callflows.rehearsal.undocumented_rules import PlatformRules
    from callflows.rehearsal.virtual_clock import CallClock


DOCUMENT_TIMEOUT_SECONDS: Final = 10.0
"""Seconds of the real clock that an answer is waited for, where no timeout is said."""


REPLY_STATUS_OK: Final = 200


REPLY_STATUS_SUCCESS_END: Final = 300


MAX_CALL_STEPS: Final = 5_000


MAX_CALL_SECONDS: Final = 7 * 24 * 3600.0
"""What a call may come to before it is taken for a loop."""


MAX_COMMAND_SECONDS: Final = 24 * 3600.0
"""Seconds that one command may last before it is taken for one that never ends: a voicemail of a day is none."""


_MAX_LOOP_PLACES: Final = 12
"""Places of a loop that are named."""


class CommandFailure(Exception):
    """A command did not succeed; its Error runs."""


class CallEnd(Exception):
    """The call ends."""

    def __init__(self, outcome: CallOutcome, error: str = "") -> None:
        super().__init__(error)
        self.outcome: CallOutcome = outcome
        self.error = error


class DocumentReplacement(Exception):
    """Another document takes the place of what is left."""

    def __init__(self, document: bytes) -> None:
        super().__init__()
        self.document = document


class CallObserver(Protocol):
    """Told what the platform reports of a call while it runs."""

    async def report_state(self, phone_call: PhoneCall, state: str) -> None:
        """The call is in another state: init, ringing, live, hangup, destroyed."""

    async def report_command(self, element: Element, path: str, reason: str) -> None:
        """A command is done; ``reason`` says why it failed, and is empty where it did not."""


class CallState:
    """The platform's side of one call."""

    def __init__(  # noqa: PLR0913 - who and what a call is made of, each by its name
        self,
        phone_call: PhoneCall,
        *,
        caller: CallingParty,
        callees: CalledParties,
        network: PlatformNetwork,
        clock: CallClock,
        rules: PlatformRules,
        extensions: Extensions = NO_EXTENSIONS,
        zone: ZoneInfo | None = None,
        watching: CallObserver | None = None,
        curls: bool = False,
    ) -> None:
        """``zone`` is that of native Schedule; UTC where there is none. ``curls``: whether a Curl really asks."""
        self.phone_call = phone_call
        self.clock = clock
        self.rules = rules
        self.caller = caller
        self.transcript = Transcript(f"+{phone_call.to}" if phone_call.to.isdecimal() else phone_call.to, phone_call.from_)
        self.path_coverage: PathCoverage = {}
        """Where in a flow the document that runs comes by."""
        self._current_node = ""
        self.key_buffer = ""
        """Keys that were pressed and not taken yet."""
        self.is_answered = bool(phone_call.answers_itself)
        self.pushed_documents: asyncio.Queue[bytes] = asyncio.Queue()
        """Documents that are posted to the live call."""
        self.wake_event = asyncio.Event()
        self.recordings: dict[str, float] = {}
        """Finished recordings: their tags and seconds."""
        self.callees = callees
        self._network = network
        self.extensions = extensions
        self.zone = zone
        self.observer = watching
        self.sends_curl = curls
        self.transcript.answers_itself = self.is_answered
        self._started_at = self.transcript.started_at = clock.now()
        self.running_recordings: dict[str, float] = {}
        """Recordings that run: their tags, and when they began."""
        self.current_path = ""
        """The path of the command that runs."""
        self._last_document: tuple[bytes, Response] | None = None

    @property
    def elapsed_seconds(self) -> float:
        """Seconds since the call began."""
        return (self.clock.now() - self._started_at).total_seconds()

    async def enter_state(self, state: str) -> None:
        """The call is in another state."""
        self.phone_call.state = state
        if self.observer is not None:
            await self.observer.report_state(self.phone_call, state)

    async def answer_line(self) -> None:
        """The line is answered."""
        if not self.is_answered:
            self.is_answered = True
            await self.enter_state("live")

    # What all commands share

    async def announce_step(self, verb: str, path: str, **details: Any) -> TranscriptStep:  # noqa: ANN401 - plain data
        """Note a step, and have the caller know."""
        step = self.add_step(verb, path, **details)
        await self.caller.hear_step(step)
        return step

    def add_step(self, verb: str, path: str, **details: Any) -> TranscriptStep:  # noqa: ANN401 - plain data
        """Note a step."""
        step: TranscriptStep = {"verb": verb, "path": path, "at": round(self.elapsed_seconds, 3), **details}
        if self._current_node:
            step["node"] = self._current_node
        self.transcript.steps.append(step)
        return step

    def cover_path(self, path: str) -> tuple[CoveragePoint, ...]:
        """Note where in the flow the call comes by; gives those spots of which it is known later what becomes of them."""
        spots = self.path_coverage.get(path, ())
        return tuple(spot for spot in spots if self.cover_point(spot))

    def cover_point(self, point: CoveragePoint) -> bool:
        """Note a spot; whether it is known only later what becomes of it."""
        self._current_node = point.node
        if not point.is_pending:
            self.transcript.covered_points.append(point)
        return point.is_pending

    def check_limits(self) -> None:
        """Refuse to go on for ever. Raises Ends."""
        if len(self.transcript.steps) > MAX_CALL_STEPS:
            raise CallEnd("loop", f"{MAX_CALL_STEPS} steps, the last in {self.current_path}; {self.describe_loop()}")
        if self.elapsed_seconds > MAX_CALL_SECONDS:
            raise CallEnd(
                "loop", f"{MAX_CALL_SECONDS / 3600:.0f} hours, the last in {self.current_path}; {self.describe_loop()}"
            )

    def describe_loop(self) -> str:
        """The way that the last documents went, as far as they lead round."""
        urls = [asked.url.partition("?")[0] for asked in self.transcript.requests]
        way = urls[-1:]
        for url in reversed(urls[:-1]):
            way.insert(0, url)
            if url == urls[-1]:
                break
        places = [url.partition("://")[2].partition("/")[2] or url or "the document" for url in way[:_MAX_LOOP_PLACES]]
        return f"they lead round, {' -> '.join(places)} (a loop?)" if len(way) > 1 else f"in {places[0]} (a loop?)"

    async def sleep(self, seconds: float) -> None:
        """Let time pass; a document that is pushed meanwhile takes the place of what is left. Raises GoesOn, Ends."""
        if seconds > MAX_COMMAND_SECONDS:
            hours = f"{seconds / 3600:,.0f} hours"
            raise CallEnd(
                "loop",
                f"{self.current_path} would last {hours}, and a command is waited for {MAX_COMMAND_SECONDS / 3600:.0f}",
            )
        await self.clock.sleep(seconds, self.wake_event)
        self.check_interruption()

    def check_interruption(self) -> None:
        """Go on in a document that was pushed, if there is one. Raises GoesOn."""
        if not self.pushed_documents.empty():
            raise DocumentReplacement(self.take_pushed_document())

    def take_pushed_document(self) -> bytes:
        """The document that was pushed first."""
        document = self.pushed_documents.get_nowait()
        if self.pushed_documents.empty():
            self.wake_event.clear()
        self.transcript.requests.append(PlatformRequest("PUSH", "", 200, document=document.decode("utf-8", "replace")))
        return document

    def push_document(self, document: bytes) -> None:
        """Post a document to the live call."""
        self.pushed_documents.put_nowait(document)
        self.wake_event.set()

    async def wait_for_keys(self, verb: str, path: str, timeout_seconds: float, stop_key: str = "") -> str:
        """The keys that are pressed within the time; none where it passes."""
        at = self.elapsed_seconds
        does = await self.caller.choose_action(ActionWindow("keys", verb, path, at, timeout_seconds, stop_key))
        if isinstance(does, CallerHangUp) and does.delay <= timeout_seconds:
            self.transcript.caller_actions.append(RecordedAction(at, HANG_UP_ACTION, does.delay))
            await self._hang_up_after(path, does.delay)
        if not isinstance(does, KeyInput) or not does.keys or does.delay > timeout_seconds:
            self.transcript.caller_actions.append(RecordedAction(at, "", timeout_seconds))
            await self.sleep(timeout_seconds)
            return ""
        self.transcript.caller_actions.append(RecordedAction(at, does.keys, does.delay))
        await self.sleep(does.delay)
        return does.keys

    async def pass_time(self, verb: str, path: str, seconds: float, *, is_sound: bool = True) -> None:
        """Let time pass in which the caller can but hang up: while something sounds, else in a conversation."""
        at = self.elapsed_seconds
        does = await self.caller.choose_action(
            ActionWindow("sound" if is_sound else "conversation", verb, path, at, seconds)
        )
        if isinstance(does, CallerHangUp) and does.delay <= seconds:
            self.transcript.caller_actions.append(RecordedAction(at, HANG_UP_ACTION, does.delay, is_sound))
            await self._hang_up_after(path, does.delay)
        if not is_sound:
            self.transcript.caller_actions.append(RecordedAction(at, None))
        await self.sleep(seconds)

    async def _hang_up_after(self, path: str, seconds: float) -> NoReturn:
        """The caller hangs up in a command, after so many seconds. Raises Ends."""
        await self.sleep(seconds)
        self.transcript.interrupted_path = path
        raise CallEnd("caller-hung-up")

    # Requests

    def parse_document(self, document: bytes) -> Response:
        """A document, which is read once. Raises DocumentError."""
        if self._last_document is not None and self._last_document[0] is document:
            return self._last_document[1]
        return from_xml(document, extensions=self.extensions)

    def build_document_url(self, url: str, digits: str | None = None, tag: str = "") -> str:
        """A URL of a document, with what the platform appends."""
        if self.phone_call.meta_variables:
            self.rules.apply_rule(undocumented_rules.META_RULE)
        return append_query(url, self.phone_call.document_query_fields(digits, tag))

    def build_classic_url(self, url: str, digits: str, attempt: int) -> str:
        """A classic Gather's callback, with what the platform appends."""
        if self.phone_call.meta_variables:
            self.rules.apply_rule(undocumented_rules.META_RULE)
        return append_query(
            url, [*self.phone_call.classic_query_fields(digits, attempt), *self.phone_call.meta_variables.items()]
        )

    async def fetch_document(
        self,
        method: str,
        url: str,
        body: bytes | None = None,
        timeout_seconds: float = DOCUMENT_TIMEOUT_SECONDS,
        *,
        allow_empty: bool = False,
    ) -> bytes:
        """A document. Raises Failed where there is none that can be read."""
        reply = await self.send_request(method, url, body, timeout_seconds)
        wrong = reply.error
        if not wrong and not REPLY_STATUS_OK <= reply.status < REPLY_STATUS_SUCCESS_END:
            wrong = f"the status is {reply.status}"
        elif not wrong and (reply.body.strip() or not allow_empty):
            try:
                self._last_document = reply.body, from_xml(reply.body, extensions=self.extensions)
            except DocumentReadError as error:
                wrong = f"the document cannot be read: {error}"
        if wrong:
            self.transcript.requests[-1].error = wrong
            raise CommandFailure(f"{method} {url.partition('?')[0]}: {wrong}")
        return reply.body

    async def send_request(
        self, method: str, url: str, body: bytes | None = None, timeout_seconds: float = DOCUMENT_TIMEOUT_SECONDS
    ) -> NetworkReply:
        """A request, as it stands in the transcript."""
        asked = PlatformRequest(method, url)
        self.transcript.requests.append(asked)
        known = len(self.transcript.steps)
        reply = await self._network.send_request(method, url, body, timeout_seconds)
        for step in self.transcript.steps[known:]:  # what our own engine did meanwhile
            await self.caller.hear_step(step)
        asked.status, asked.ms, asked.error = reply.status, round(reply.ms, 3), reply.error or asked.error
        document = reply.body.decode("utf-8", "replace")
        asked.document = strip_coverage_comments(document) if url.startswith(LOCAL_ENGINE_ORIGIN) else document
        return reply


def tag_fields(element: Element) -> dict[str, Any]:
    """An element's tag, as a step has it."""
    return {"tag": element.attributes["tag"]} if "tag" in element.attributes else {}
