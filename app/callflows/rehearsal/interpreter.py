"""Runs documents as the platform does, with one exhaustive ``match`` over the verbs.

After a failed command its Error runs and the flow continues; a fetched document replaces the rest of the current
document. ``undocumented_rules`` decides any behaviour missing from Opentact's documentation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, assert_never

from callflows.errors import DocumentReadError, UndocumentedBehaviourError
from callflows.flows.coverage_points import NODE_ENTERED_POINT, CoveragePoint
from callflows.flows.document_comments import BRANCH_END
from callflows.language import (
    Answer,
    Call,
    Callback,
    Curl,
    Dial,
    Error,
    Gather,
    Geo,
    Hangup,
    Hold,
    Meta,
    Pause,
    Play,
    Record,
    RecordStart,
    RecordStop,
    RecordWait,
    Redirect,
    Reject,
    Response,
    Say,
    Schedule,
    Tone,
    Unhold,
)
from callflows.rehearsal import undocumented_rules, verb_execution
from callflows.rehearsal.call_state import (
    DOCUMENT_TIMEOUT_SECONDS,
    CallEnd,
    CallState,
    CommandFailure,
    DocumentReplacement,
    tag_fields,
)
from callflows.rehearsal.coverage_comments import (
    BRANCH_ELEMENTS,
    derive_branch_coverage,
    read_coverage_comments,
)
from callflows.rehearsal.dialect_detection import DocumentDialect, detect_dialect
from callflows.rehearsal.gather_execution import GatherExecution
from callflows.rehearsal.phone_call import append_query
from callflows.rehearsal.transcript import FlowPoint, PlatformRequest
from callflows.telephony.events import CALL_ENDED_REASON

if TYPE_CHECKING:
    from collections.abc import Iterable

    from callflows.language.element import Element
    from callflows.language.verbs import Command
    from callflows.rehearsal.phone_call import PhoneCall
    from callflows.rehearsal.transcript import Transcript, TranscriptStep


MAX_CALL_DOCUMENTS: Final = 200
"""Number of documents after which a call counts as a loop."""
UNDOCUMENTED_FAILURE_NOTE: Final = "Opentact does not document what the caller hears then, perhaps silence"


def _belongs_to_command(step: TranscriptStep, command_path: str) -> bool:
    """Return True if a step belongs to a command, or to the Dial inside a Record."""
    path: str = step["path"]
    return path == command_path or (
        path.startswith(f"{command_path}.Dial") and command_path.rpartition(".")[2].startswith("Record")
    )


class Interpreter(CallState):
    """Plays the platform for one call."""

    def __init__(self, phone_call: PhoneCall, **options: Any) -> None:  # noqa: ANN401 - as CallState has them
        super().__init__(phone_call, **options)
        self._document_count = 0
        self._document_dialect = DocumentDialect("reference", {})
        self._error_handler: tuple[str, Error] | None = None

    # Entry points

    async def run_from_url(
        self, url: str, method: str = "POST", timeout_seconds: float = DOCUMENT_TIMEOUT_SECONDS
    ) -> Transcript:
        """Run an incoming call from its call-control URL. The transcript reports all errors; only cancellation raises."""
        asked = append_query(url, self.phone_call.initial_query_fields())
        body = self.phone_call.build_post_body() if method == "POST" else None
        return await self._run_call(lambda: self.fetch_document(method, asked, body, timeout_seconds))

    async def run_from_document(self, document: bytes) -> Transcript:
        """Run a call with a document in hand, without a request."""

        async def use_document() -> bytes:
            self.transcript.requests.append(PlatformRequest("", "", 200, document=document.decode("utf-8", "replace")))
            return document

        return await self._run_call(use_document)

    async def _run_call(self, fetch_first: Any) -> Transcript:  # noqa: ANN401 - returns the first document
        transcript = self.transcript
        try:
            await self.enter_state("init")
            await self.enter_state("ringing")
            if self.is_answered:
                await self.enter_state("live")
            document = await fetch_first()
            while True:
                try:
                    await self.run_document(self._open_document(document))
                    self.rules.apply_rule(undocumented_rules.DOCUMENT_END_RULE)
                    break
                except DocumentReplacement as on:
                    document = on.document
        except CallEnd as end:
            transcript.outcome, transcript.error = end.outcome, end.error
        except CommandFailure as failed:
            transcript.outcome, transcript.error = "error", f"{failed}; {UNDOCUMENTED_FAILURE_NOTE}"
        except (UndocumentedBehaviourError, DocumentReadError) as error:
            transcript.outcome, transcript.error = "error", str(error)
        transcript.seconds = self.elapsed_seconds
        self.recordings |= {
            tag: self.elapsed_seconds - began for tag, began in self.running_recordings.items()
        }  # recordings that no command stopped end with the call
        transcript.assumptions = [f"{silence.unknown}: {silence.done}" for silence in self.rules.applied_rules.values()]
        await self.enter_state("hangup")
        await self.enter_state("destroyed")
        return transcript

    # Documents

    def _open_document(self, document: bytes) -> Response:
        self._document_count += 1
        if self._document_count > MAX_CALL_DOCUMENTS:
            raise CallEnd("loop", f"{MAX_CALL_DOCUMENTS} documents: {self.describe_loop()}")
        response = self.parse_document(document)
        self._document_dialect = detect_dialect(document, response)
        self.path_coverage = read_coverage_comments(document)
        asked = self.transcript.requests[-1]
        if not self.path_coverage and asked.node:
            self.cover_point(CoveragePoint(asked.node, 0, 0, NODE_ENTERED_POINT))
            self.path_coverage = derive_branch_coverage(response, asked.node)
            self.transcript.possible_points += [
                FlowPoint(asked.flow, spot)
                for spots in self.path_coverage.values()
                for one in spots
                for spot in one.counted_points
            ]
        return response

    async def run_document(self, response: Response) -> None:
        handler = next(((i, child) for i, child in enumerate(response.children) if isinstance(child, Error)), None)
        self._error_handler = (f"Error[{handler[0]}]", handler[1]) if handler else None
        if self._document_dialect.dialect == "classic":  # the classic dialect has no Answer: the app answers by itself
            await self.answer_line()
        await self._run_commands(response.children, "")

    async def _run_commands(self, commands: Iterable[Element], parent_path: str) -> None:
        """Run commands in order; skip elements that are no commands."""
        for index, command in enumerate(commands):
            if isinstance(command, BRANCH_ELEMENTS):
                continue
            await self.run_command(command, f"{parent_path}{command.spec.name}[{index}]")
        self.cover_path(f"{parent_path}{BRANCH_END}")

    async def run_branch(self, element: Element, path: str) -> None:
        """Run the children of a branch."""
        await self._run_commands(element.children, f"{path}.")

    async def run_command(self, command: Any, path: str) -> None:  # noqa: ANN401 - matched below
        """Run one command; after a failure run its Error."""
        self.current_path = path
        open_spots = self.cover_path(path)
        self.check_interruption()
        self.check_limits()
        known = len(self.transcript.steps)
        for meta in command.children if not isinstance(command, Meta) else ():
            if isinstance(meta, Meta):
                verb_execution.store_meta_variable(self, meta)
        reason = ""
        try:
            await self._execute_command(command, path)
        except CommandFailure as failed:
            reason = str(failed) or "it failed"
            self._record_failure(command, path, reason, known)
        except (CallEnd, DocumentReplacement) as end:
            if self.observer is not None:
                await self.observer.report_command(command, path, self._describe_interruption(command, path, end))
            raise
        finally:
            self._cover_results(open_spots, path, known)
        if self.observer is not None:
            await self.observer.report_command(command, path, reason)
        if reason:
            await self._run_error_handler(command, path, reason)

    def _describe_interruption(self, command: Element, path: str, end: Exception) -> str:
        """Return why a command failed in which the caller hung up; empty if the command did not fail."""
        if not (isinstance(end, CallEnd) and end.outcome == "caller-hung-up" and self.transcript.interrupted_path == path):
            return ""
        if isinstance(command, Gather):
            self.rules.apply_rule(undocumented_rules.INTERRUPTED_RULE)
            return CALL_ENDED_REASON
        if isinstance(command, Dial) and self.transcript.steps[-1].get("result") == "cancelled":
            self.rules.apply_rule(undocumented_rules.INTERRUPTED_RULE)
            return "[originate] ERR ORIGINATOR_CANCEL"
        return ""

    def _record_failure(self, command: Element, path: str, reason: str, first_step: int) -> None:
        """Add the reason of a failure to the command's own step."""
        step = next((step for step in reversed(self.transcript.steps[first_step:]) if step["path"] == path), None)
        if step is None:
            step = self.add_step(command.spec.name, path)
        step.setdefault("result", "failed")
        step["reason"] = reason

    def _cover_results(self, points: Iterable[CoveragePoint], path: str, first_step: int) -> None:
        """Record the pending coverage points of a command, using the result of its step."""
        for spot in points:
            results = (
                step["result"]
                for step in self.transcript.steps[first_step:]
                if "result" in step and _belongs_to_command(step, path)
            )
            ended = spot.resolve_outcome(next(results, ""))
            if ended is not None:
                self.transcript.covered_points.append(FlowPoint(self.transcript.current_flow, ended))

    async def _run_error_handler(self, command: Element, path: str, reason: str) -> None:
        """Run the Error of the failed command, else the Error of the document."""
        for index, child in enumerate(command.children):
            if isinstance(child, Error):
                await self._run_error(child, f"{path}.Error[{index}]", reason)
                return
        if self._error_handler is not None:
            at, handler = self._error_handler
            self._error_handler = None  # a failure inside the handler must not start the handler again
            await self._run_error(handler, at, reason)
            self._error_handler = (at, handler)
            return
        self.rules.apply_rule(undocumented_rules.NO_ERROR_HANDLER_RULE)

    async def _run_error(self, error: Error, path: str, reason: str) -> None:
        if error.attributes.get("play"):
            await self.announce_step("Error", path, text=reason, **tag_fields(error))
            await self.pass_time("Error", path, len(reason) * undocumented_rules.SPEECH_SECONDS_PER_CHARACTER)
        await self.run_branch(error, path)

    # The verbs

    async def _execute_command(self, command: Command, path: str) -> None:  # noqa: C901, PLR0912 - one case per verb
        match command:
            case Answer():
                await verb_execution.execute_answer(self, command, path)
            case Say():
                await verb_execution.execute_say(self, command, path)
            case Play():
                await verb_execution.execute_play(self, command, path)
            case Pause():
                await verb_execution.execute_pause(self, command, path)
            case Tone():
                await verb_execution.execute_tone(self, command, path)
            case Hold():
                await verb_execution.execute_hold(self, command, path)
            case Record():
                await verb_execution.execute_record(self, command, path)
            case RecordStart() | RecordStop() | RecordWait():
                await verb_execution.execute_recording_control(self, command, path)
            case Dial():
                await verb_execution.execute_dial(self, command, path)
            case Gather():
                await GatherExecution(self, command, path, self._document_dialect.gather_dialects[path]).run()
            case Callback():
                await verb_execution.execute_callback(self, command, path)
            case Curl():
                await verb_execution.execute_curl(self, command, path)
            case Call() | Geo() | Schedule():
                await verb_execution.execute_condition(self, command, path)
            case Meta():
                verb_execution.store_meta_variable(self, command)
            case Unhold():
                await self.announce_step("Unhold", path, **tag_fields(command))
            case Hangup() | Reject():
                await verb_execution.execute_hang_up(self, command, path)
            case Redirect():
                self.rules.apply_rule(undocumented_rules.REDIRECT_RULE)
                raise CommandFailure("the documentation of Redirect has only its name")
            case _:
                assert_never(command)
