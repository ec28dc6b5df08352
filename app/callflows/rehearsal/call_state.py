"""State of one rehearsed call: parties, clock, transcript, pressed keys and requests.

All verbs share this state; the module itself knows no verb.
"""

from __future__ import annotations

import abc
import asyncio
from typing import TYPE_CHECKING, Any, Final, NoReturn, Protocol

from callflows.errors import DocumentReadError
from callflows.flows.coverage_points import strip_coverage_comments
from callflows.flows.source.sound_library import parse_sound_url
from callflows.language import from_xml
from callflows.language.dialects import NO_EXTENSIONS
from callflows.rehearsal import undocumented_rules
from callflows.rehearsal.call_parties import ActionWindow, CallerHangUp, KeyInput
from callflows.rehearsal.phone_call import append_query
from callflows.rehearsal.platform_network import LOCAL_ENGINE_ORIGIN
from callflows.rehearsal.transcript import HANG_UP_ACTION, FlowPoint, PlatformRequest, RecordedAction, Transcript

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
"""Default timeout of a document request, in seconds of real time."""
REPLY_STATUS_OK: Final = 200
REPLY_STATUS_SUCCESS_END: Final = 300
MAX_CALL_STEPS: Final = 5_000
MAX_CALL_SECONDS: Final = 7 * 24 * 3600.0
"""Limits of a call, in steps and in seconds; a call that exceeds either counts as a loop."""
MAX_COMMAND_SECONDS: Final = 24 * 3600.0
"""Longest duration of one command; a longer command counts as endless, since no voicemail lasts a day."""
_MAX_LOOP_PLACES: Final = 12
"""Number of documents that the description of a loop lists."""


class CommandFailure(Exception):
    """A command failed; its Error element runs next."""


class CallEnd(Exception):
    """The call ends with this outcome."""

    def __init__(self, outcome: CallOutcome, error: str = "") -> None:
        super().__init__(error)
        self.outcome: CallOutcome = outcome
        self.error = error


class DocumentReplacement(Exception):
    """Another document replaces the rest of the current document."""

    def __init__(self, document: bytes) -> None:
        super().__init__()
        self.document = document


class CallObserver(Protocol):
    """Receives the platform's reports about a running call."""

    async def report_state(self, phone_call: PhoneCall, state: str) -> None:
        """Report a new state of the call: init, ringing, live, hangup, destroyed."""

    async def report_command(self, element: Element, path: str, reason: str) -> None:
        """Report a finished command; ``reason`` explains a failure and is empty on success."""


class CallState(abc.ABC):
    """The platform's side of one call."""

    def __init__(  # noqa: PLR0913 - the parts of a call, all passed by keyword
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
        """``zone`` is the time zone of native Schedule, by default UTC. ``curls`` makes Curl send real requests."""
        self.phone_call = phone_call
        self.clock = clock
        self.rules = rules
        self.caller = caller
        self.transcript = Transcript(f"+{phone_call.to}" if phone_call.to.isdecimal() else phone_call.to, phone_call.from_)
        self.path_coverage: PathCoverage = {}
        """Coverage points of the current document, by element path."""
        self._current_node = ""
        self.key_buffer = ""
        """Pressed keys that no command has consumed yet."""
        self.is_answered = bool(phone_call.answers_itself)
        self.pushed_documents: asyncio.Queue[bytes] = asyncio.Queue()
        """Documents posted to the live call and not run yet."""
        self.wake_event = asyncio.Event()
        self.recordings: dict[str, float] = {}
        """Finished recordings: seconds by tag."""
        self.callees = callees
        self._network = network
        self.extensions = extensions
        self.zone = zone
        self.observer = watching
        self.sends_curl = curls
        self.transcript.answers_itself = self.is_answered
        self._started_at = self.transcript.started_at = clock.now()
        self.running_recordings: dict[str, float] = {}
        """Running recordings: start by tag, in seconds since the call began."""
        self.current_path = ""
        """Path of the current command."""
        self._last_document: tuple[bytes, Response] | None = None

    @abc.abstractmethod
    async def run_command(self, command: Any, path: str) -> None:  # noqa: ANN401 - any verb
        """Run one verb."""

    @abc.abstractmethod
    async def run_branch(self, element: Element, path: str) -> None:
        """Run the verbs in an element."""

    @property
    def elapsed_seconds(self) -> float:
        """Seconds since the call began."""
        return (self.clock.now() - self._started_at).total_seconds()

    async def enter_state(self, state: str) -> None:
        self.phone_call.state = state
        if self.observer is not None:
            await self.observer.report_state(self.phone_call, state)

    async def answer_line(self) -> None:
        if not self.is_answered:
            self.is_answered = True
            await self.enter_state("live")

    # Operations shared by all commands

    async def announce_step(self, verb: str, path: str, **details: Any) -> TranscriptStep:  # noqa: ANN401 - plain data
        """Add a step to the transcript and play it to the caller."""
        step = self.add_step(verb, path, **details)
        await self.caller.hear_step(step)
        return step

    def add_step(self, verb: str, path: str, **details: Any) -> TranscriptStep:  # noqa: ANN401 - plain data
        """Add a step to the transcript."""
        step: TranscriptStep = {"verb": verb, "path": path, "at": round(self.elapsed_seconds, 3), **details}
        if self._current_node:
            step["node"] = self._current_node
        self.transcript.steps.append(step)
        return step

    def cover_path(self, path: str) -> tuple[CoveragePoint, ...]:
        """Record the coverage points at a path; return the points whose outcome is still pending."""
        spots = self.path_coverage.get(path, ())
        return tuple(spot for spot in spots if self.cover_point(spot))

    def cover_point(self, point: CoveragePoint) -> bool:
        """Record a coverage point unless its outcome is pending; return whether it is pending."""
        self._current_node = point.node
        if not point.is_pending:
            self.transcript.covered_points.append(FlowPoint(self.transcript.current_flow, point))
        return point.is_pending

    def check_limits(self) -> None:
        """Stop a call that never ends. Raises CallEnd."""
        if len(self.transcript.steps) > MAX_CALL_STEPS:
            raise CallEnd("loop", f"{MAX_CALL_STEPS} steps, the last in {self.current_path}; {self.describe_loop()}")
        if self.elapsed_seconds > MAX_CALL_SECONDS:
            raise CallEnd(
                "loop", f"{MAX_CALL_SECONDS / 3600:.0f} hours, the last in {self.current_path}; {self.describe_loop()}"
            )

    def name_sound(self, url: str) -> str:
        """Return the name of a sound that the call's own server serves; any other URL stays as it is."""
        origins = {"/".join(asked.url.split("/", 3)[:3]) for asked in self.transcript.requests}
        return next((name for origin in origins if (name := parse_sound_url(url, origin))), url)

    def describe_loop(self) -> str:
        """Describe the cycle that the latest document requests form."""
        urls = [asked.url.partition("?")[0] for asked in self.transcript.requests]
        way = urls[-1:]
        for url in reversed(urls[:-1]):
            way.insert(0, url)
            if url == urls[-1]:
                break
        places = [url.partition("://")[2].partition("/")[2] or url or "the document" for url in way[:_MAX_LOOP_PLACES]]
        return f"they lead in a circle, {' -> '.join(places)} (a loop?)" if len(way) > 1 else f"in {places[0]} (a loop?)"

    async def sleep(self, seconds: float) -> None:
        """Let time pass on the call's clock.

        Raises DocumentReplacement if a document is pushed meanwhile, CallEnd if the command would last too long.
        """
        if seconds > MAX_COMMAND_SECONDS:
            hours = f"{seconds / 3600:,.0f} hours"
            raise CallEnd(
                "loop",
                f"{self.current_path} would last {hours}, and a command is waited for {MAX_COMMAND_SECONDS / 3600:.0f}",
            )
        await self.clock.sleep(seconds, self.wake_event)
        self.check_interruption()

    def check_interruption(self) -> None:
        """Raises DocumentReplacement if a document was pushed."""
        if not self.pushed_documents.empty():
            raise DocumentReplacement(self.take_pushed_document())

    def take_pushed_document(self) -> bytes:
        """Remove and return the oldest pushed document; note the push in the transcript."""
        document = self.pushed_documents.get_nowait()
        if self.pushed_documents.empty():
            self.wake_event.clear()
        self.transcript.requests.append(PlatformRequest("PUSH", "", 200, document=document.decode("utf-8", "replace")))
        return document

    def push_document(self, document: bytes) -> None:
        """Post a document to the live call."""
        self.pushed_documents.put_nowait(document)
        self.wake_event.set()

    async def wait_for_keys(
        self, verb: str, path: str, timeout_seconds: float, stop_key: str = "", *, continues_input: bool = False
    ) -> str:
        """Return the pressed keys, or an empty text after the timeout. Raises CallEnd if the caller hangs up."""
        at = self.elapsed_seconds
        window = ActionWindow("keys", verb, path, at, timeout_seconds, stop_key, continues_input)
        does = await self.caller.choose_action(window)
        record = self.transcript.caller_actions.append
        if isinstance(does, CallerHangUp) and does.delay <= timeout_seconds:
            record(RecordedAction(at, HANG_UP_ACTION, does.delay, continues_input=continues_input))
            await self._hang_up_after(path, does.delay)
        if not isinstance(does, KeyInput) or not does.keys or does.delay > timeout_seconds:
            if not continues_input:  # the end of an input is no question that was left alone
                record(RecordedAction(at, "", timeout_seconds))
            await self.sleep(timeout_seconds)
            return ""
        record(RecordedAction(at, does.keys, does.delay, continues_input=continues_input))
        await self.sleep(does.delay)
        return does.keys

    async def pass_time(self, verb: str, path: str, seconds: float, *, is_sound: bool = True) -> None:
        """Let time pass while a sound plays or a conversation goes on; the caller can only hang up. Raises CallEnd."""
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
        """Hang up as the caller, some seconds into a command. Raises CallEnd."""
        await self.sleep(seconds)
        self.transcript.interrupted_path = path
        raise CallEnd("caller-hung-up")

    # Requests

    def parse_document(self, document: bytes) -> Response:
        """Parse a document; reuse the tree that ``fetch_document`` parsed. Raises DocumentReadError."""
        if self._last_document is not None and self._last_document[0] is document:
            return self._last_document[1]
        return from_xml(document, extensions=self.extensions)

    def build_document_url(self, url: str, digits: str | None = None, tag: str = "") -> str:
        """Append the platform's query fields to the URL of a document."""
        if self.phone_call.meta_variables:
            self.rules.apply_rule(undocumented_rules.META_RULE)
        return append_query(url, self.phone_call.document_query_fields(digits, tag))

    def build_classic_url(self, url: str, digits: str, attempt: int) -> str:
        """Append the platform's query fields to the callback URL of a classic Gather."""
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
        """Request a document. Raises CommandFailure for an error, a status other than 2xx or an unreadable document."""
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
        """Send a request and record it in the transcript."""
        asked = PlatformRequest(method, url)
        self.transcript.requests.append(asked)
        known = len(self.transcript.steps)
        reply = await self._network.send_request(method, url, body, timeout_seconds)
        for step in self.transcript.steps[known:]:  # steps that our own engine added during the request
            await self.caller.hear_step(step)
        asked.status, asked.ms, asked.error = reply.status, round(reply.ms, 3), reply.error or asked.error
        document = reply.body.decode("utf-8", "replace")
        asked.document = strip_coverage_comments(document) if url.startswith(LOCAL_ENGINE_ORIGIN) else document
        return reply


def tag_fields(element: Element) -> dict[str, Any]:
    """Return the step field for an element's tag, if the element has one."""
    return {"tag": element.attributes["tag"]} if "tag" in element.attributes else {}
