"""The shape of scenarios, under ``tests`` in a flow file. Live calls never read scenarios."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final, Literal

import pydantic

from callflows.flows.source.shape_validation import UNREADABLE_TEXT
from callflows.flows.source.source_values import (
    DurationMs,
    TextList,
    schema_reference,
)

if TYPE_CHECKING:
    from collections.abc import Mapping


class Scenario(pydantic.BaseModel):
    """A rehearsed call, or rehearsed text messages, with the expected results."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)

    instead: ClassVar[Mapping[str, Any]] = {"name": UNREADABLE_TEXT}
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
    text: Annotated[Any, schema_reference("texted")] = pydantic.Field(
        None,
        description="A text message instead of a call, or several one after the other: [STOP, {text: Hello, after: 10s}].",
    )
    keys: Annotated[Any, schema_reference("script")] = pydantic.Field(
        None, description="What the caller does: 1,2# (a comma waits for the next question), hangup, hangup 3s; or a list."
    )
    callee: Annotated[Any, schema_reference("callee")] = pydantic.Field(
        "answer", description="What those who are rung do; by target, or a list with one for each dial."
    )
    lookups: dict[str, Annotated[Any, schema_reference("anything")]] = pydantic.Field(
        {}, description="What lookups find, by the name under into or by URL; fails: there is no answer."
    )
    calls_today: Annotated[int, pydantic.Field(ge=1)] = pydantic.Field(
        1, description="How often the caller rang today, this call included."
    )
    opted_out: bool = pydantic.Field(default=False, description="Whether the caller said STOP before: no sms is sent then.")
    transcript: str = pydantic.Field("", description="What the caller says in a voicemail: its transcript.")
    answers_itself: bool | None = pydantic.Field(None, description="Whether Opentact's app answers calls by itself.")
    dialect: Literal["reference", "classic"] | None = pydantic.Field(
        None, description="The dialect for this scenario, whatever the file and the settings say."
    )
    hours: dict[str, Literal["open", "closed"]] = pydantic.Field(
        {}, description="Hours of the file that are open, or closed, for that day, whatever time it is."
    )
    lists: dict[str, TextList] = pydantic.Field(
        {}, description="Who is in a list of the file too: a number, a prefix as +1201*, anonymous, or several."
    )
    breaks: TextList = pydantic.Field(
        [], description="A node that breaks when a call asks for it, or several: the caller gets the fallback there."
    )
    expect: Annotated[list[Any], schema_reference("expectations")] = pydantic.Field(
        [], description="What happens, in this order; what happens in between need not be named."
    )


class ScenarioText(pydantic.BaseModel):
    """One of several text messages."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)

    text: str = pydantic.Field(min_length=1, description="What it says.")
    from_: Annotated[str, pydantic.Field(alias="from")] = pydantic.Field("", description="Who writes, if somebody else.")
    after: DurationMs = pydantic.Field(60_000, description="How long after the text before it.")


class ExpectationWord:
    """A word of ``expect``: the verb of the expected step, the field for a plain value, and the other fields."""

    def __init__(self, verb: str, plain: str, *fields: str) -> None:
        self.verb = verb
        self.plain_field = plain
        self.fields = (*([plain] if plain else []), *fields, "node")


EXPECTATION_WORDS: Final[Mapping[str, ExpectationWord]] = {
    "say": ExpectationWord("Say", "text", "lang", "gender", "tag"),
    "play": ExpectationWord("Play", "url", "record", "tag"),
    "dial": ExpectationWord("Dial", "to", "result", "by", "tag"),
    "voicemail": ExpectationWord("Record", "", "asr"),
    "record": ExpectationWord("Record", "tag", "asr"),
    "gather": ExpectationWord("Gather", "digits", "result", "tag"),
    "sms": ExpectationWord("sms", "text", "to", "from"),
    "mail": ExpectationWord("mail", "to", "subject", "text", "attach"),
    "notify": ExpectationWord("notify", "url", "payload", "as", "text"),
    "opt_out": ExpectationWord("opt_out", "number"),
    "lookup": ExpectationWord("lookup", "into", "url", "method", "result"),
    "hangup": ExpectationWord("Hangup", "tag"),
    "answer": ExpectationWord("Answer", "tag"),
    "hold": ExpectationWord("Hold", "tag"),
    "pause": ExpectationWord("Pause", "tag"),
    "tone": ExpectationWord("Tone", "tag"),
    "callback": ExpectationWord("Callback", "url", "tag"),
    "text": ExpectationWord("text", "text", "from", "to", "result"),
    "reply": ExpectationWord("sms", "text", "to", "from"),
    "forward": ExpectationWord("sms", "to", "text", "from"),
    "ignored": ExpectationWord("text", "text", "from", "to", "result"),
    "refused": ExpectationWord("refused", "reason", "step_key"),
}
WORDS_OF_TEXTS_ONLY: Final = ("text", "reply", "forward", "ignored")
WORDS_OF_TEXTS: Final = (*WORDS_OF_TEXTS_ONLY, "refused", "sms", "mail", "notify", "lookup")
"""Words of ``expect`` for a text message."""
CALLER_HUNG_UP: Final = "caller-hung-up"
CALL_OUTCOMES: Final = ("hung-up", CALLER_HUNG_UP, "ended")
INTERRUPTIBLE_WORDS: Final = ("say", "play", "pause", "tone", "gather", "dial", "record", "voicemail", "hold", "answer")
"""Words of ``expect`` with verbs during which a caller may hang up."""
WHOLE_CALL_WORDS: Final = ("outcome", "nodes", "not")
"""Words of ``expect`` about the whole call, at any position in the list."""
