"""The verbs of the Opentact XML language: one immutable class per element. This file is the language's table.

A class is a row: the types of its content are the allowed children, the items of its ``Attributes`` are the attributes
(kind of value, evidence, meaning, default, spelling in the classic dialect). Reader, writer, schemas and pages are derived
from these classes. Times are milliseconds or a ``timedelta``. For the levels of evidence see ``Evidence``.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Annotated, Final, Required, TypeAlias, TypedDict, Unpack, final

from callflows.errors import VerbBuildError
from callflows.language.element import Element, ElementSpec, build_element_table
from callflows.language.value_kinds import (
    BooleanValue,
    CountValue,
    CountyValue,
    DaysValue,
    DecibelValue,
    FrequenciesValue,
    GatherMethodValue,
    GenderValue,
    IntegerValue,
    KeypadKeysValue,
    KeypadKeyValue,
    LanguageValue,
    LegValue,
    LooseValue,
    MethodValue,
    MillisecondsValue,
    NameValue,
    RecordingValue,
    StatesValue,
    StopKeyValue,
    TargetValue,
    TextValue,
    TimeWindowValue,
    URLValue,
    VoiceTypeValue,
)
from callflows.language.verb_table import AttributeDeclaration, Evidence

documented_attribute: Final = partial(AttributeDeclaration, Evidence.DOCUMENTED)
observed_attribute: Final = partial(AttributeDeclaration, Evidence.OBSERVED)
undocumented_attribute: Final = partial(AttributeDeclaration, Evidence.NAMED)


class ExtensibleAttributes(TypedDict, total=False):
    """Base of all attributes: ``extra`` contains attributes declared in ``extensions.yaml``."""

    extra: Mapping[str, str | int | bool]


class TagAttributes(ExtensibleAttributes, total=False):
    """A documented tag."""

    tag: Annotated[TextValue, documented_attribute("marks the command in the events that report it")]


class ObservedTagAttributes(ExtensibleAttributes, total=False):
    """A tag that the reference documents for other commands only."""

    tag: Annotated[
        TextValue, observed_attribute("marks the command in the events that report it (documented for other commands)")
    ]


@final
class Response(Element):
    """The document. Its commands run in order.

    reference: every page; an ``Error`` directly inside is the document's error handler, seen in one example.
    """

    at_most_once = ()

    class Attributes(ExtensibleAttributes, total=False): ...

    attributes: Attributes

    def __init__(self, *content: Command | Error, **attribute_values: Unpack[Attributes]) -> None:
        self._build(content, attribute_values)


@final
class Answer(Element):
    """Answer the call (SIP 200). Not needed where the app has ``auto_answer``.

    reference: Answer. The table and the prose differ on where the delay stands; the table is followed.
    """

    only_dialect = "reference"

    class Attributes(TagAttributes, total=False):
        delay: Annotated[MillisecondsValue, documented_attribute("wait after answering, before the next command")]

    attributes: Attributes

    def __init__(self, *content: MetaOrError, **attribute_values: Unpack[Attributes]) -> None:
        self._build(content, attribute_values)


@final
class Say(Element):
    """Speak a text.

    reference: Say. Both the text and the attribute ``text`` are seen; the text is written.
    """

    class Attributes(ObservedTagAttributes, total=False):
        text: Annotated[TextValue, documented_attribute("what to speak", is_positional=True, text_role="written")]
        type: Annotated[VoiceTypeValue, documented_attribute("voice technology", default="Standard")]
        gender: Annotated[GenderValue, documented_attribute("the voice's gender", default="FEMALE")]
        code: Annotated[TextValue, documented_attribute("a voice of the platform's list")]
        lang: Annotated[LanguageValue, documented_attribute("the text's language", default="en-US")]
        loop: Annotated[CountValue, documented_attribute("how often", default="1")]

    attributes: Attributes

    def __init__(self, *content: str | MetaOrError, **attribute_values: Unpack[Attributes]) -> None:
        self._build(content, attribute_values)


@final
class Play(Element):
    """Play a sound, or a recording made earlier in the call.

    reference: Play. The table calls ``url`` required, every example has text; the text is written.
    """

    class Attributes(ObservedTagAttributes, total=False):
        url: Annotated[
            URLValue,
            documented_attribute(
                "an mp3 or wav file, unless it plays a recording", is_positional=True, is_optional=True, text_role="written"
            ),
        ]
        record: Annotated[TextValue, observed_attribute("the tag of a Record of this call; then no URL")]
        leg: Annotated[LegValue, documented_attribute("who hears it: aleg (the caller), bleg (the dialled party), both")]
        loop: Annotated[CountValue, documented_attribute("how often", default="1")]

    attributes: Attributes

    def __init__(self, *content: str | MetaOrError, **attribute_values: Unpack[Attributes]) -> None:
        self._build(content, attribute_values)

    def check_whole(self) -> None:
        """Refuse a Play without exactly one of ``url`` and ``record``."""
        sources = [name for name in ("url", "record") if name in self.attributes]
        if len(sources) != 1:
            raise VerbBuildError(f"<Play> needs either a URL or record, and has {' and '.join(sources) or 'neither'}")


@final
class Pause(Element):
    """Wait in silence.

    reference: Pause.
    """

    class Attributes(ObservedTagAttributes, total=False):
        length: Annotated[MillisecondsValue, documented_attribute("how long", default="1000")]
        dtmf_stop: Annotated[KeypadKeyValue, documented_attribute("a key that ends the pause")]

    attributes: Attributes

    def __init__(self, *content: MetaOrError, **attribute_values: Unpack[Attributes]) -> None:
        self._build(content, attribute_values)


@final
class Tone(Element):
    """Sound a tone.

    reference: Tone. Examples write ``v``, the table also ``volume``.
    """

    only_dialect = "reference"

    class Attributes(TagAttributes, total=False):
        hz: Annotated[FrequenciesValue, documented_attribute("the tone's frequencies")]
        don: Annotated[MillisecondsValue, documented_attribute("cadence: how long it sounds")]
        doff: Annotated[MillisecondsValue, documented_attribute("cadence: how long it rests")]
        v: Annotated[DecibelValue, documented_attribute("volume in dB, 0 is the loudest", spelling_variants=("volume",))]
        loop: Annotated[IntegerValue, documented_attribute("how often", default="1")]
        timeout: Annotated[MillisecondsValue, documented_attribute("the longest it lasts", default="30000")]
        leg: Annotated[LegValue, documented_attribute("who hears it")]

    attributes: Attributes

    def __init__(self, *content: MetaOrError, **attribute_values: Unpack[Attributes]) -> None:
        self._build(content, attribute_values)


@final
class Hold(Element):
    """Hold the call.

    reference: Hold.
    """

    only_dialect = "reference"

    class Attributes(TagAttributes, total=False):
        timeout: Annotated[MillisecondsValue, documented_attribute("the longest hold", default="300000")]

    attributes: Attributes

    def __init__(self, *content: MetaOrError, **attribute_values: Unpack[Attributes]) -> None:
        self._build(content, attribute_values)


@final
class Unhold(Element):
    """End a hold.

    reference: Unhold.
    """

    only_dialect = "reference"

    class Attributes(TagAttributes, total=False): ...

    attributes: Attributes

    def __init__(self, *content: MetaOrError, **attribute_values: Unpack[Attributes]) -> None:
        self._build(content, attribute_values)


@final
class Hangup(Element):
    """End the call; nothing after it runs. There is no cause.

    reference: Hangup.
    """

    class Attributes(TagAttributes, total=False): ...

    attributes: Attributes

    def __init__(self, *content: MetaOrError, **attribute_values: Unpack[Attributes]) -> None:
        self._build(content, attribute_values)


@final
class Record(Element):
    """Record the call while the commands inside run.

    reference: Record. A Pause inside, ended by a key, makes a voicemail. Whether an empty Record waits is not documented.
    """

    class Attributes(ExtensibleAttributes, total=False):
        tag: Annotated[
            TextValue, documented_attribute("the recording's name, for Play record; marks the command in events")
        ]
        asr: Annotated[BooleanValue, documented_attribute("transcribe the recording", default="false")]
        timeout: Annotated[MillisecondsValue, documented_attribute("how long to record")]

    attributes: Attributes

    def __init__(self, *content: Command | Error, **attribute_values: Unpack[Attributes]) -> None:
        self._build(content, attribute_values)


@final
class RecordStart(Element):
    """Begin a recording.

    reference: only the name is known.
    """

    only_dialect = "reference"
    evidence = Evidence.NAMED

    class Attributes(ExtensibleAttributes, total=False):
        tag: Annotated[TextValue, undocumented_attribute("the recording's name")]

    attributes: Attributes

    def __init__(self, *content: MetaOrError, **attribute_values: Unpack[Attributes]) -> None:
        self._build(content, attribute_values)


@final
class RecordStop(Element):
    """End a recording.

    reference: only the name is known.
    """

    only_dialect = "reference"
    evidence = Evidence.NAMED

    class Attributes(ExtensibleAttributes, total=False):
        tag: Annotated[TextValue, undocumented_attribute("the recording's name")]

    attributes: Attributes

    def __init__(self, *content: MetaOrError, **attribute_values: Unpack[Attributes]) -> None:
        self._build(content, attribute_values)


@final
class RecordWait(Element):
    """Wait for the end of a recording.

    reference: only the name is known.
    """

    only_dialect = "reference"
    evidence = Evidence.NAMED

    class Attributes(ExtensibleAttributes, total=False):
        tag: Annotated[TextValue, undocumented_attribute("the recording's name")]

    attributes: Attributes

    def __init__(self, *content: MetaOrError, **attribute_values: Unpack[Attributes]) -> None:
        self._build(content, attribute_values)


@final
class To(Element):
    """A target to dial.

    reference: Dial; seen: ``sip:user@host``, ``user@host``, ``12223334455``. classic: ``Number`` and ``Sip``.
    """

    class Attributes(ExtensibleAttributes, total=False):
        target: Annotated[
            TargetValue, documented_attribute("a number or a SIP address", is_positional=True, text_role="only")
        ]

    attributes: Attributes

    def __init__(self, *content: str, **attribute_values: Unpack[Attributes]) -> None:
        self._build(content, attribute_values)


@final
class Dial(Element):
    """Call all targets; the first that answers is connected, the others are dropped.

    reference: Dial. When the dialled party hangs up the flow goes on. A plain text is a target.
    """

    required_children = ("To",)

    class Attributes(ObservedTagAttributes, total=False):
        timeout: Annotated[MillisecondsValue, observed_attribute("how long to ring; the unit is presumed")]
        record: Annotated[
            RecordingValue, observed_attribute("whether the conversation is recorded", only_dialect="classic")
        ]

    attributes: Attributes

    def __init__(self, *content: str | To | MetaOrError, **attribute_values: Unpack[Attributes]) -> None:
        if any(isinstance(part, str) for part in content):
            content = tuple(To(part) if isinstance(part, str) else part for part in content)
        self._build(content, attribute_values)


@final
class DTMF(Element):
    """The branch of a Gather for these keys.

    reference: Gather; a plain text is the keys. classic: ``Case`` in ``Switch``.
    """

    class Attributes(ExtensibleAttributes, total=False):
        value: Annotated[KeypadKeysValue, documented_attribute("the keys", is_positional=True, classic_name="dtmf")]

    attributes: Attributes

    def __init__(self, *content: str | Command, **attribute_values: Unpack[Attributes]) -> None:
        self._build(content, attribute_values)


@final
class Default(Element):
    """The branch of a Gather for input that matches no DTMF.

    reference: Gather (its example has the texts of Default and Error swapped).
    """

    class Attributes(TagAttributes, total=False): ...

    attributes: Attributes

    def __init__(self, *content: Command, **attribute_values: Unpack[Attributes]) -> None:
        self._build(content, attribute_values)


@final
class Error(Element):
    """Runs when the command it stands in fails; in a Gather: when nothing was entered, or the request failed.

    reference: Error. Examples and prose write ``play``, the list ``say``.
    """

    class Attributes(TagAttributes, total=False):
        play: Annotated[BooleanValue, documented_attribute("speak the reason", default="false", spelling_variants=("say",))]

    attributes: Attributes

    def __init__(self, *content: Command, **attribute_values: Unpack[Attributes]) -> None:
        self._build(content, attribute_values)


@final
class Gather(Element):
    """Collect keys and run the branch that matches; then the flow goes on after the Gather.

    reference: Gather. classic: the prompts (Say, Play, Pause) stand inside, the branches in a ``Switch``.
    """

    at_most_once = ("Default", "Error")
    leading_children = ("Say", "Play", "Pause")

    class Attributes(ObservedTagAttributes, total=False):
        dtmf_length: Annotated[
            CountValue,
            observed_attribute(
                "how many keys to wait for", default="1 in classic", classic_name="numDigits", spelling_variants=("length",)
            ),
        ]
        dtmf_stop: Annotated[
            StopKeyValue,
            observed_attribute("a key that ends the input", default="* in classic", classic_name="finishOnKey"),
        ]
        url: Annotated[
            URLValue, observed_attribute("where to fetch the next document, with the keys", classic_name="callback")
        ]
        timeout: Annotated[MillisecondsValue, documented_attribute("how long to wait for input", only_dialect="classic")]
        attempts: Annotated[
            CountValue, documented_attribute("how often the block is executed", default="1", only_dialect="classic")
        ]
        method: Annotated[
            GatherMethodValue, documented_attribute("how the URL is asked", default="GET", only_dialect="classic")
        ]

    attributes: Attributes

    def __init__(
        self, *content: PromptVerb | DTMF | Default | Error | Meta, **attribute_values: Unpack[Attributes]
    ) -> None:
        self._build(content, attribute_values)

    def check_whole(self) -> None:
        """Refuse two branches for the same keys."""
        seen: set[str] = set()
        for child in self.children:
            if isinstance(child, DTMF):
                keys = child.attributes["value"]
                if keys in seen:
                    raise VerbBuildError(f"<Gather> has two branches for {keys}")
                seen.add(keys)


@final
class Callback(Element):
    """Fetch the next document from a URL; it takes the place of what is left of this one.

    reference: Callback. The method is called required, yet examples omit it: it is always written, and GET where nothing
    is said. Its Error runs when fetching or parsing fails. A plain text is the URL; one page writes
    ``<callback>URL</callback>``.
    """

    tag_variants = ("callback",)
    default_attributes = (("method", "GET"),)

    class Attributes(ExtensibleAttributes, total=False):
        tag: Annotated[TextValue, documented_attribute("sent to the URL as the field tag; marks the command in events")]
        url: Annotated[URLValue, documented_attribute("where the next document is", is_positional=True, text_role="read")]
        method: Annotated[MethodValue, documented_attribute("how the URL is asked; always written", default="GET")]
        body: Annotated[BooleanValue, documented_attribute("send the call's data in the body", default="false")]
        timeout: Annotated[MillisecondsValue, documented_attribute("no answer in time is an error; the unit is presumed")]

    attributes: Attributes

    def __init__(self, *content: str | MetaOrError, **attribute_values: Unpack[Attributes]) -> None:
        self._build(content, attribute_values)


@final
class Curl(Element):
    """An HTTP request made by the platform during the call.

    reference: Curl; attributes for headers, body and use of the answer are not known. A plain text is the URL.
    """

    only_dialect = "reference"

    class Attributes(ObservedTagAttributes, total=False):
        url: Annotated[URLValue, documented_attribute("what to ask", is_positional=True)]
        method: Annotated[MethodValue, documented_attribute("how to ask")]
        timeout: Annotated[MillisecondsValue, documented_attribute("no answer in time is an error")]

    attributes: Attributes

    def __init__(self, *content: str | MetaOrError, **attribute_values: Unpack[Attributes]) -> None:
        self._build(content, attribute_values)


@final
class Call(Element):
    """Runs its commands when a field of the call equals a value.

    reference: Call; the field ``to`` is seen.
    """

    only_dialect = "reference"

    class Attributes(ObservedTagAttributes, total=False):
        field: Required[Annotated[NameValue, documented_attribute("the call's field, as to or from")]]
        value: Required[Annotated[LooseValue, documented_attribute("what it must be, typed by its look")]]

    attributes: Attributes

    def __init__(self, *content: Command | Error, **attribute_values: Unpack[Attributes]) -> None:
        self._build(content, attribute_values)


@final
class Geo(Element):
    """Runs its commands when the caller's number is from there; without attributes always.

    reference: Geo.
    """

    only_dialect = "reference"

    class Attributes(ObservedTagAttributes, total=False):
        states: Annotated[StatesValue, documented_attribute("two-letter codes of states")]
        county: Annotated[CountyValue, documented_attribute("the county's name, in capitals")]

    attributes: Attributes

    def __init__(self, *content: Command | Error, **attribute_values: Unpack[Attributes]) -> None:
        self._build(content, attribute_values)


@final
class Schedule(Element):
    """Runs its commands when now is within days and times. It has no time zone and no dates.

    reference: Schedule, also written ``Scheduler``; both bounds of a window are inside.
    """

    only_dialect = "reference"
    tag_variants = ("Scheduler",)

    class Attributes(ObservedTagAttributes, total=False):
        dow: Annotated[DaysValue, documented_attribute("days of the week")]
        time: Annotated[TimeWindowValue, documented_attribute("from and to, HH:MM:SS-HH:MM:SS")]

    attributes: Attributes

    def __init__(self, *content: Command | Error, **attribute_values: Unpack[Attributes]) -> None:
        self._build(content, attribute_values)


@final
class Meta(Element):
    """A variable that is passed on to callback URLs. It may stand wherever a command may, and in any command.

    reference: Meta; the value is typed by its look, and keeps its text; several lines stand as text.
    """

    only_dialect = "reference"

    class Attributes(ExtensibleAttributes, total=False):
        name: Required[Annotated[NameValue, documented_attribute("the variable's name")]]
        value: Annotated[
            LooseValue, documented_attribute("its value; a plain text is it too", is_positional=True, text_role="read")
        ]

    attributes: Attributes

    def __init__(self, *content: str, **attribute_values: Unpack[Attributes]) -> None:
        self._build(content, attribute_values)


@final
class Reject(Element):
    """Refuse the call.

    classic: only the name is known.
    """

    only_dialect = "classic"
    evidence = Evidence.NAMED

    class Attributes(ObservedTagAttributes, total=False): ...

    attributes: Attributes

    def __init__(self, *content: MetaOrError, **attribute_values: Unpack[Attributes]) -> None:
        self._build(content, attribute_values)


@final
class Redirect(Element):
    """Go on elsewhere.

    classic: only the name is known.
    """

    only_dialect = "classic"
    evidence = Evidence.NAMED

    class Attributes(ObservedTagAttributes, total=False): ...

    attributes: Attributes

    def __init__(self, *content: MetaOrError, **attribute_values: Unpack[Attributes]) -> None:
        self._build(content, attribute_values)


MetaOrError: TypeAlias = Meta | Error
PromptVerb: TypeAlias = Say | Play | Pause
Command: TypeAlias = (
    Answer | Say | Play | Pause | Tone | Hold | Unhold | Hangup | Record | RecordStart | RecordStop | RecordWait
    | Dial | Gather | Callback | Curl | Call | Geo | Schedule | Reject | Redirect | Meta
)  # fmt: skip
"""Elements allowed in a document, in a branch, and in commands that contain other commands."""
ELEMENT_CLASSES: Final = {cls.__name__: cls for cls in Element.__subclasses__()}
ELEMENT_SPECS: Final[Mapping[str, ElementSpec]] = build_element_table(ELEMENT_CLASSES, globals())
"""The table: one row per element, by the element's name in XML."""
