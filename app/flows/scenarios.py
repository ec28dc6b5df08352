"""The shape of scenarios, which stand under ``tests`` in a flow file; live calls never look at them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final, Literal

import pydantic

from app.flows.files import form
from app.flows.shapes import SOMETHING
from app.flows.words.word import Duration, Texts  # noqa: TC001 - pydantic reads it

if TYPE_CHECKING:
    from collections.abc import Mapping


class Scenario(pydantic.BaseModel):
    """A call, or text messages, that are rehearsed, and what is expected of them."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)

    instead: ClassVar[Mapping[str, Any]] = {"name": SOMETHING}
    name: str = pydantic.Field(min_length=1, description="What it shows, as a sentence.")
    at: str = pydantic.Field(
        "", description="When the call comes, on the clock of the file, as 2026-11-23 10:00; else a Wednesday at ten."
    )
    from_: Annotated[str, pydantic.Field(alias="from")] = pydantic.Field(
        "", description="Who rings, as +12015550999, or anonymous."
    )
    to: str = pydantic.Field("", description="The number that is rung; else the first of the file.")
    caller_name: str = pydantic.Field("", description="The caller's name, as the network tells it.")
    attestation: Literal["A", "B", "C"] | None = pydantic.Field(None, description="The caller's STIR/SHAKEN level.")
    text: Annotated[Any, form("texted")] = pydantic.Field(
        None,
        description="A text message instead of a call, or several one after the other: [STOP, {text: Hello, after: 10s}].",
    )
    keys: Annotated[Any, form("script")] = pydantic.Field(
        None, description="What the caller does: 1,2# (a comma waits for the next question), hangup, hangup 3s; or a list."
    )
    callee: Annotated[Any, form("callee")] = pydantic.Field(
        "answer", description="What those who are rung do; by target, or a list with one for each dial."
    )
    lookups: dict[str, Annotated[Any, form("anything")]] = pydantic.Field(
        {}, description="What lookups find, by the name under into or by URL; fails: there is no answer."
    )
    calls_today: Annotated[int, pydantic.Field(ge=1)] = pydantic.Field(
        1, description="How often the caller rang today, this call included."
    )
    opted_out: bool = pydantic.Field(default=False, description="Whether the caller said STOP before: no sms is sent then.")
    answers_itself: bool | None = pydantic.Field(None, description="Whether Opentact's app answers calls by itself.")
    dialect: Literal["reference", "classic"] | None = pydantic.Field(
        None, description="The dialect for this scenario, whatever the file and the settings say."
    )
    hours: dict[str, Literal["open", "closed"]] = pydantic.Field(
        {}, description="Hours of the file that are open, or closed, for that day, whatever time it is."
    )
    lists: dict[str, Texts] = pydantic.Field(
        {}, description="Who is in a list of the file too: a number, a prefix as +1201*, anonymous, or several."
    )
    breaks: Texts = pydantic.Field(
        [], description="A node that breaks when a call asks for it, or several: the caller gets the fallback there."
    )
    expect: Annotated[list[Any], form("expectations")] = pydantic.Field(
        [], description="What happens, in this order; what happens in between need not be named."
    )


class Written(pydantic.BaseModel):
    """A text message of several."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)

    text: str = pydantic.Field(min_length=1, description="What it says.")
    from_: Annotated[str, pydantic.Field(alias="from")] = pydantic.Field("", description="Who writes, if somebody else.")
    after: Duration = pydantic.Field(60_000, description="How long after the text before it.")


class Known:
    """A word of ``expect``: the verb of the step that is meant, what a plain value means, and its other fields."""

    def __init__(self, verb: str, plain: str, *fields: str) -> None:
        self.verb = verb
        self.plain = plain
        self.fields = (*([plain] if plain else []), *fields, "node")


EXPECTED: Final[Mapping[str, Known]] = {
    "say": Known("Say", "text", "lang", "gender", "tag"),
    "play": Known("Play", "url", "record", "tag"),
    "dial": Known("Dial", "to", "result", "by", "tag"),
    "voicemail": Known("Record", "", "asr"),
    "record": Known("Record", "tag", "asr"),
    "gather": Known("Gather", "digits", "result", "tag"),
    "sms": Known("sms", "text", "to", "from"),
    "notify": Known("notify", "url", "payload"),
    "lookup": Known("lookup", "into", "url", "method", "result"),
    "hangup": Known("Hangup", "tag"),
    "answer": Known("Answer", "tag"),
    "hold": Known("Hold", "tag"),
    "pause": Known("Pause", "tag"),
    "tone": Known("Tone", "tag"),
    "callback": Known("Callback", "url", "tag"),
    "text": Known("text", "text", "from", "to", "result"),
    "reply": Known("sms", "text", "to", "from"),
    "forward": Known("sms", "to", "text", "from"),
    "ignored": Known("text", "text", "from", "to", "result"),
    "refused": Known("refused", "reason", "word"),
}
ONLY_TEXTS: Final = ("text", "reply", "forward", "ignored")
OF_TEXTS: Final = (*ONLY_TEXTS, "refused", "sms", "notify", "lookup")
"""Words of ``expect`` that fit a text message."""
CALLER_HUNG_UP: Final = "caller-hung-up"
OUTCOMES: Final = ("hung-up", CALLER_HUNG_UP, "ended")
DURING: Final = ("say", "play", "pause", "tone", "gather", "dial", "record", "voicemail", "hold", "answer")
"""Words of ``expect`` in whose verbs a caller may hang up."""
WHOLE: Final = ("outcome", "nodes", "not")
"""Words of ``expect`` that are about the whole call, wherever they stand."""
