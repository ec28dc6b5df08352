"""The word that takes a message."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final

import pydantic

from app.flows.files import form
from app.flows.shapes import validate
from app.flows.words.outside import Notice, cause_notice
from app.flows.words.word import Duration, OneKey, Spoken
from app.language.verbs import Pause, Play, Record, Tone

if TYPE_CHECKING:
    from app.calls import Turn
    from app.flows.places import Path
    from app.flows.writing import Run

BEEP: Final = Tone(hz="1000", don=500, loop=1, leg="aleg", tag="beep")
BEEP_PATH: Final = "/media/beep.wav"
"""Our own beep, for a dialect without a tone."""


class Voicemail(Spoken):
    """Take a message."""

    plain: ClassVar[str] = "greeting"
    greeting: str = pydantic.Field("", description="What is said before the tone.")
    max: Duration = pydantic.Field(120_000, description="How long a message may be.")
    stop: OneKey = pydantic.Field("#", description="The key that ends the message.")
    transcribe: bool = pydantic.Field(default=False, description="Whether the message is transcribed.")
    thanks: str = pydantic.Field("", description="What is said after the message.")
    notify: Annotated[Any, form("notice")] = pydantic.Field(None, description="A webhook that tells of the message.")

    @classmethod
    def there(cls, value: object) -> bool:
        """Nobody is told of a message before the call gets to it."""
        return isinstance(value, dict) and "notify" in value

    def write(self, run: Run, path: Path) -> None:
        """Greeting, beep, a recording that a key ends, thanks."""
        if self.notify is not None:
            here: Path = (*path, "notify")
            if not isinstance(self.notify, dict):
                run.compiler.report.also(here, (*here, "url"))
            given = self.notify if isinstance(self.notify, dict) else {"url": self.notify}
            notice: Notice | None = validate(Notice, given, here, run.compiler.report)
            if notice is not None:
                cause_notice(notice, run, here, kind="voicemail")
        if self.greeting:
            run.write(self.say(run, path, self.greeting, (*path, "greeting")), path=path)
        if run.dialect == "reference":
            run.write(BEEP, path=path)
        elif run.static:
            said = "in the classic dialect the beep comes from this server"
            run.error(path, "fallback-not-static", said, "use record instead")
        else:
            run.why.setdefault(path, "in the classic dialect the beep comes from this server")
            run.write(Play(run.mark_url(_beep)), path=path)
        asr: dict[str, Any] = {"asr": True} if self.transcribe else {}
        run.write(Record(Pause(length=self.max, dtmf_stop=self.stop), tag="voicemail", **asr), path=path)
        if self.thanks:
            run.write(self.say(run, path, self.thanks, (*path, "thanks")), path=path)


def _beep(turn: Turn) -> str:
    return f"{turn.base}{BEEP_PATH}"
