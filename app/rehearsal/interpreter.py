"""Runs documents as the platform runs them: one exhaustive ``match`` over the verbs.

A command that fails runs its Error, and the flow goes on behind it; a document that is fetched takes the place of what is
left. Where the documentation is silent, ``platform`` has the rule.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, assert_never

from app.errors import DocumentError, PlatformSilent
from app.language import (
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
from app.rehearsal import platform, playing
from app.rehearsal.dialects import Spelled, spelled
from app.rehearsal.gathering import Gathering
from app.rehearsal.line import PATIENCE, Ends, Failed, GoesOn, Line, tagged
from app.rehearsal.notes import BRANCHES, END, branches_of, notes_of
from app.rehearsal.ringing import with_query
from app.rehearsal.transcript import Asked
from app.spots import NODE, Spot

if TYPE_CHECKING:
    from collections.abc import Iterable

    from app.language.element import Element
    from app.language.verbs import Command
    from app.rehearsal.ringing import Ringing
    from app.rehearsal.transcript import Step, Transcript

MOST_DOCUMENTS: Final = 200
"""What a call may come to before it is taken for a loop."""
UNKNOWN_FATE: Final = "what a caller meets then is not documented, silence at the worst"


def _is_of(step: Step, command: str) -> bool:
    """Whether a step is a command's own, or that of the Dial in a Record."""
    path: str = step["path"]
    return path == command or (path.startswith(f"{command}.Dial") and command.rpartition(".")[2].startswith("Record"))


class Interpreter(Line):
    """Plays the platform for one call."""

    def __init__(self, ringing: Ringing, **line: Any) -> None:  # noqa: ANN401 - as Line has them
        super().__init__(ringing, **line)
        self._documents = 0
        self._spelled = Spelled("reference", {})
        self._handler: tuple[str, Error] | None = None

    # The call

    async def ring(self, url: str, method: str = "POST", patience: float = PATIENCE) -> Transcript:
        """The call arrives: its document is asked of the call-control URL. Never raises but when it is cancelled."""
        asked = with_query(url, self.ringing.first())
        body = self.ringing.body() if method == "POST" else None
        return await self._whole(lambda: self.fetched(method, asked, body, patience))

    async def play(self, document: bytes) -> Transcript:
        """The call has this document from the beginning."""

        async def given() -> bytes:
            self.transcript.requests.append(Asked("", "", 200, document=document.decode("utf-8", "replace")))
            return document

        return await self._whole(given)

    async def wait(self) -> Transcript:
        """The call is parked until a document is pushed."""
        return await self._whole(self._parked)

    async def _parked(self) -> bytes:
        await self.clock.sleep(platform.PARKED, self.woken)
        if self.pushed.empty():
            raise Ends("ended", f"no document was pushed within {platform.PARKED:.0f} s")
        return self.take_pushed()

    async def _whole(self, first: Any) -> Transcript:  # noqa: ANN401 - gives the first document
        transcript = self.transcript
        try:
            await self.state("init")
            await self.state("ringing")
            if self.answered:
                await self.state("live")
            document = await first()
            while True:
                try:
                    await self.run(self._read(document))
                    self.rules.decide(platform.THE_END)
                    break
                except GoesOn as on:
                    document = on.document
        except Ends as end:
            transcript.outcome, transcript.error = end.outcome, end.error
        except Failed as failed:
            transcript.outcome, transcript.error = "error", f"{failed}; {UNKNOWN_FATE}"
        except (PlatformSilent, DocumentError) as error:
            transcript.outcome, transcript.error = "error", str(error)
        transcript.seconds = self.at
        self.recordings |= {tag: self.at - began for tag, began in self.recording.items()}  # nobody stopped them
        transcript.assumed = [f"{silence.unknown}: {silence.done}" for silence in self.rules.used.values()]
        await self.state("hangup")
        await self.state("destroyed")
        return transcript

    # Documents

    def _read(self, document: bytes) -> Response:
        self._documents += 1
        if self._documents > MOST_DOCUMENTS:
            raise Ends("loop", f"{MOST_DOCUMENTS} documents: {self.way_round()}")
        response = self.read(document)
        self._spelled = spelled(document, response)
        self.notes = notes_of(document)
        asked = self.transcript.requests[-1]
        if not self.notes and asked.node:
            self.come(Spot(asked.node, 0, 0, NODE))
            self.notes = branches_of(response, asked.node)
            self.transcript.offered += [spot for spots in self.notes.values() for one in spots for spot in one.counted]
        return response

    async def run(self, response: Response) -> None:
        """Run a whole document."""
        handler = next(((i, child) for i, child in enumerate(response.children) if isinstance(child, Error)), None)
        self._handler = (f"Error[{handler[0]}]", handler[1]) if handler else None
        if self._spelled.dialect == "classic":  # which has no Answer: the app answers by itself
            await self.lift()
        await self._commands(response.children, "")

    async def _commands(self, commands: Iterable[Element], within: str) -> None:
        """Run commands in order; what is no command among them is skipped."""
        for index, command in enumerate(commands):
            if isinstance(command, BRANCHES):
                continue
            await self.command(command, f"{within}{command.row.name}[{index}]")
        self.come_by(f"{within}{END}")

    async def branch(self, element: Element, path: str) -> None:
        """Run what stands in a branch."""
        await self._commands(element.children, f"{path}.")

    async def command(self, command: Any, path: str) -> None:  # noqa: ANN401 - matched below
        """Run one command, and its Error where it fails."""
        self.doing = path
        open_spots = self.come_by(path)
        self.interrupted()
        self.bounded()
        known = len(self.transcript.steps)
        for meta in command.children if not isinstance(command, Meta) else ():
            if isinstance(meta, Meta):
                playing.meta(self, meta)
        reason = ""
        try:
            await self._match(command, path)
        except Failed as failed:
            reason = str(failed) or "it failed"
            self._say_why(command, path, reason, known)
        except (Ends, GoesOn):
            if self.watching is not None:
                await self.watching.command(command, path, reason)
            raise
        finally:
            self._ended(open_spots, path, known)
        if self.watching is not None:
            await self.watching.command(command, path, reason)
        if reason:
            await self._error(command, path, reason)

    def _say_why(self, command: Element, path: str, reason: str, known: int) -> None:
        """Have the command's own step say why it failed."""
        step = next((step for step in reversed(self.transcript.steps[known:]) if step["path"] == path), None)
        if step is None:
            step = self.note(command.row.name, path)
        step.setdefault("result", "failed")
        step["reason"] = reason

    def _ended(self, spots: Iterable[Spot], path: str, known: int) -> None:
        """Note what became of a step, as its result says."""
        for spot in spots:
            results = (step["result"] for step in self.transcript.steps[known:] if "result" in step and _is_of(step, path))
            ended = spot.ended(next(results, ""))
            if ended is not None:
                self.transcript.came.append(ended)

    async def _error(self, command: Element, path: str, reason: str) -> None:
        """Run the Error of a command that failed, or the document's."""
        for index, child in enumerate(command.children):
            if isinstance(child, Error):
                await self._handle(child, f"{path}.Error[{index}]", reason)
                return
        if self._handler is not None:
            at, handler = self._handler
            self._handler = None
            await self._handle(handler, at, reason)
            self._handler = (at, handler)
            return
        self.rules.decide(platform.NO_ERROR)

    async def _handle(self, error: Error, path: str, reason: str) -> None:
        if error.attributes.get("play"):
            await self.hear("Error", path, text=reason, **tagged(error))
            await self.lasts("Error", path, len(reason) * platform.SPEAKING)
        await self.branch(error, path)

    # The verbs

    async def _match(self, command: Command, path: str) -> None:  # noqa: C901, PLR0912 - one case a verb
        match command:
            case Answer():
                await playing.answer(self, command, path)
            case Say():
                await playing.say(self, command, path)
            case Play():
                await playing.play(self, command, path)
            case Pause():
                await playing.pause(self, command, path)
            case Tone():
                await playing.tone(self, command, path)
            case Hold():
                await playing.hold(self, command, path)
            case Record():
                await playing.record(self, command, path)
            case RecordStart() | RecordStop() | RecordWait():
                await playing.recorder(self, command, path)
            case Dial():
                await playing.dial(self, command, path)
            case Gather():
                await Gathering(self, command, path, self._spelled.gathers[path]).run()
            case Callback():
                await playing.callback(self, command, path)
            case Curl():
                await playing.curl(self, command, path)
            case Call() | Geo() | Schedule():
                await playing.condition(self, command, path)
            case Meta():
                playing.meta(self, command)
            case Unhold():
                await self.hear("Unhold", path, **tagged(command))
            case Hangup() | Reject():
                await playing.hang_up(self, command, path)
            case Redirect():
                self.rules.decide(platform.REDIRECT)
                raise Failed("only the name of Redirect is known")
            case _:
                assert_never(command)
