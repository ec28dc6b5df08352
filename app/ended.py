"""A call that is over, as far as Opentact reported it, and what is done about a message that was left."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Final

from app.calls import Turn
from app.kept import Values

if TYPE_CHECKING:
    from app.outside import Effect

VOICEMAIL: Final = "voicemail"
"""The tag of the Record that a voicemail is."""
CONVERSATION: Final = "conversation"
"""The tag of the Record around a dial with ``record``: nobody may have taken that."""


@dataclasses.dataclass(frozen=True, slots=True)
class Leg:
    """Somebody whom the call rang; ``answered``: he took it."""

    to: str
    answered: bool


@dataclasses.dataclass(frozen=True, slots=True)
class Recording:
    """What was recorded, as far as it was reported: an empty ``url`` or ``transcript`` was not."""

    url: str = ""
    transcript: str = ""
    seconds: int | None = None
    tag: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Ended:
    """A call that came in and has ended.

    ``at`` is when (seconds since 1970), ``seconds`` how long it lasted, ``tags`` are those of the elements that were run,
    ``name`` and ``calls`` the caller's name and calls of that day to the flow, where they are known.
    """

    uuid: str
    from_: str
    to: str
    at: float
    seconds: int = 0
    legs: tuple[Leg, ...] = ()
    recordings: tuple[Recording, ...] = ()
    tags: tuple[str, ...] = ()
    name: str = ""
    calls: int = 0

    @property
    def missed(self) -> bool:
        """Whether nobody took the call: no person, and no voicemail."""
        left = any(recording.tag != CONVERSATION for recording in self.recordings)
        return not (left or any(leg.answered for leg in self.legs) or VOICEMAIL in self.tags)

    def turn(self) -> Turn:
        """The end as expressions see it."""
        told = {"call": self.uuid, "from": self.from_, "to": self.to, "name": self.name}
        turn = Turn({**told, **({"calls": str(self.calls)} if self.calls else {})}, base=str, clock=self.at)
        seen = {"seconds": self.seconds, "rang": bool(self.legs), "tags": [*self.tags]}
        turn.kept = Values({"ended": seen})
        turn.begin()
        return turn


def completed(effect: Effect, call: Ended) -> Effect:
    """A ``voicemail`` effect with what was recorded: for whoever holds it back until that is reported, or the call is over.

    ``recordings`` is a list of ``{url, transcript, seconds, tag}``, empty where the caller left no message.
    """
    body = effect.payload.get("body")
    if effect.kind != "voicemail" or not isinstance(body, dict):
        return effect
    recordings = [dataclasses.asdict(recording) for recording in call.recordings]
    return dataclasses.replace(effect, payload={**effect.payload, "body": {**body, "recordings": recordings}})
