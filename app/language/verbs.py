"""The Opentact XML language: one frozen class per element. This file is the language's table.

A class is a row: the types of its content are what may stand inside it, the items of its ``Attributes``
are what it carries (kind of value, evidence, meaning, default, spelling in the classic dialect). Reading,
writing, schemas and pages are read off these classes. Times are milliseconds or a ``timedelta``.

Documented: a page of the reference says it. Observed: only seen in an example, an event or a customer's
program. Named: only the name is known.
"""

# No `from __future__ import annotations` here: the constructors' annotations are read when the module is imported.
from collections.abc import Mapping
from functools import partial
from typing import Annotated, Final, Required, TypeAlias, TypedDict, Unpack, final

from app.errors import BuildError
from app.language.element import Element, read_table
from app.language.rows import Evidence, Row, Says
from app.language.values import (
    Asking,
    Boolean,
    Count,
    County,
    Days,
    Decibel,
    Frequencies,
    Gender,
    Integer,
    Key,
    Keys,
    Language,
    Leg,
    Loose,
    Method,
    Ms,
    Name,
    Recording,
    States,
    StopKey,
    Target,
    Text,
    Url,
    VoiceType,
    Window,
)

documented: Final = partial(Says, Evidence.DOCUMENTED)
observed: Final = partial(Says, Evidence.OBSERVED)
named: Final = partial(Says, Evidence.NAMED)


class Open(TypedDict, total=False):
    """Every element takes attributes that ``extensions.yaml`` declares, by ``extra``."""

    extra: Mapping[str, str | int | bool]


class Tagged(Open, total=False):
    """A tag, as the reference says."""

    tag: Annotated[Text, documented("marks the command in the events that report it")]


class Taggable(Open, total=False):
    """A tag, which the reference shows on other commands."""

    tag: Annotated[Text, observed("marks the command in the events that report it (documented for other commands)")]


@final
class Response(Element):
    """The document. Its commands run in order.

    reference: every page; an ``Error`` directly inside is the document's error handler, seen in one example.
    """

    once = ()

    class Attributes(Open, total=False): ...

    attributes: Attributes

    def __init__(self, *content: "Command | Error", **given: Unpack[Attributes]) -> None:
        self._build(content, given)


@final
class Answer(Element):
    """Answer the call (SIP 200). Not needed where the app has ``auto_answer``.

    reference: Answer. The table and the prose differ on where the delay stands; the table is followed.
    """

    only = "reference"

    class Attributes(Tagged, total=False):
        delay: Annotated[Ms, documented("wait after answering, before the next command")]

    attributes: Attributes

    def __init__(self, *content: "Aside", **given: Unpack[Attributes]) -> None:
        self._build(content, given)


@final
class Say(Element):
    """Speak a text.

    reference: Say. Both the text and the attribute ``text`` are seen; the text is written.
    """

    class Attributes(Taggable, total=False):
        text: Annotated[Text, documented("what to speak", plain=True, text="written")]
        type: Annotated[VoiceType, documented("voice technology", default="Standard")]
        gender: Annotated[Gender, documented("the voice's gender", default="FEMALE")]
        code: Annotated[Text, documented("a voice of the platform's list")]
        lang: Annotated[Language, documented("the text's language", default="en-US")]
        loop: Annotated[Count, documented("how often", default="1")]

    attributes: Attributes

    def __init__(self, *content: "str | Aside", **given: Unpack[Attributes]) -> None:
        self._build(content, given)


@final
class Play(Element):
    """Play a sound, or a recording made earlier in the call.

    reference: Play. The table calls ``url`` required, every example has text; the text is written.
    """

    class Attributes(Taggable, total=False):
        url: Annotated[
            Url, documented("an mp3 or wav file, unless it plays a recording", plain=True, optional=True, text="written")
        ]
        record: Annotated[Text, observed("the tag of a Record of this call; then no URL")]
        leg: Annotated[Leg, documented("who hears it: aleg (the caller), bleg (the dialled party), both")]
        loop: Annotated[Count, documented("how often", default="1")]

    attributes: Attributes

    def __init__(self, *content: "str | Aside", **given: Unpack[Attributes]) -> None:
        self._build(content, given)

    def whole(self) -> None:
        """Refuse a Play that does not play one thing."""
        given = [name for name in ("url", "record") if name in self.attributes]
        if len(given) != 1:
            raise BuildError(f"<Play> needs either a URL or record, and has {' and '.join(given) or 'neither'}")


@final
class Pause(Element):
    """Wait in silence.

    reference: Pause.
    """

    class Attributes(Taggable, total=False):
        length: Annotated[Ms, documented("how long", default="1000")]
        dtmf_stop: Annotated[Key, documented("a key that ends the pause")]

    attributes: Attributes

    def __init__(self, *content: "Aside", **given: Unpack[Attributes]) -> None:
        self._build(content, given)


@final
class Tone(Element):
    """Sound a tone.

    reference: Tone. Examples write ``v``, the table also ``volume``.
    """

    only = "reference"

    class Attributes(Tagged, total=False):
        hz: Annotated[Frequencies, documented("the tone's frequencies")]
        don: Annotated[Ms, documented("cadence: how long it sounds")]
        doff: Annotated[Ms, documented("cadence: how long it rests")]
        v: Annotated[Decibel, documented("volume in dB, 0 is the loudest", also=("volume",))]
        loop: Annotated[Integer, documented("how often", default="1")]
        timeout: Annotated[Ms, documented("the longest it lasts", default="30000")]
        leg: Annotated[Leg, documented("who hears it")]

    attributes: Attributes

    def __init__(self, *content: "Aside", **given: Unpack[Attributes]) -> None:
        self._build(content, given)


@final
class Hold(Element):
    """Hold the call.

    reference: Hold.
    """

    only = "reference"

    class Attributes(Tagged, total=False):
        timeout: Annotated[Ms, documented("the longest hold", default="300000")]

    attributes: Attributes

    def __init__(self, *content: "Aside", **given: Unpack[Attributes]) -> None:
        self._build(content, given)


@final
class Unhold(Element):
    """End a hold.

    reference: Unhold.
    """

    only = "reference"

    class Attributes(Tagged, total=False): ...

    attributes: Attributes

    def __init__(self, *content: "Aside", **given: Unpack[Attributes]) -> None:
        self._build(content, given)


@final
class Hangup(Element):
    """End the call; nothing after it runs. There is no cause.

    reference: Hangup.
    """

    class Attributes(Tagged, total=False): ...

    attributes: Attributes

    def __init__(self, *content: "Aside", **given: Unpack[Attributes]) -> None:
        self._build(content, given)


@final
class Record(Element):
    """Record the call while the commands inside run.

    reference: Record. A Pause inside, ended by a key, makes a voicemail. Whether an empty Record waits is not documented.
    """

    class Attributes(Open, total=False):
        tag: Annotated[Text, documented("the recording's name, for Play record; marks the command in events")]
        asr: Annotated[Boolean, documented("transcribe the recording", default="false")]
        timeout: Annotated[Ms, documented("how long to record")]

    attributes: Attributes

    def __init__(self, *content: "Command | Error", **given: Unpack[Attributes]) -> None:
        self._build(content, given)


@final
class RecordStart(Element):
    """Begin a recording.

    reference: only the name is known.
    """

    only = "reference"
    evidence = Evidence.NAMED

    class Attributes(Open, total=False):
        tag: Annotated[Text, named("the recording's name")]

    attributes: Attributes

    def __init__(self, *content: "Aside", **given: Unpack[Attributes]) -> None:
        self._build(content, given)


@final
class RecordStop(Element):
    """End a recording.

    reference: only the name is known.
    """

    only = "reference"
    evidence = Evidence.NAMED

    class Attributes(Open, total=False):
        tag: Annotated[Text, named("the recording's name")]

    attributes: Attributes

    def __init__(self, *content: "Aside", **given: Unpack[Attributes]) -> None:
        self._build(content, given)


@final
class RecordWait(Element):
    """Wait for the end of a recording.

    reference: only the name is known.
    """

    only = "reference"
    evidence = Evidence.NAMED

    class Attributes(Open, total=False):
        tag: Annotated[Text, named("the recording's name")]

    attributes: Attributes

    def __init__(self, *content: "Aside", **given: Unpack[Attributes]) -> None:
        self._build(content, given)


@final
class To(Element):
    """Whom to dial.

    reference: Dial; seen: ``sip:user@host``, ``user@host``, ``12223334455``. classic: ``Number`` and ``Sip``.
    """

    class Attributes(Open, total=False):
        target: Annotated[Target, documented("a number or a SIP address", plain=True, text="only")]

    attributes: Attributes

    def __init__(self, *content: "str", **given: Unpack[Attributes]) -> None:
        self._build(content, given)


@final
class Dial(Element):
    """Call all targets; the first that answers is connected, the others are dropped.

    reference: Dial. When the dialled party hangs up the flow goes on. A plain text is a target.
    """

    needs = ("To",)

    class Attributes(Taggable, total=False):
        timeout: Annotated[Ms, observed("how long to ring; the unit is presumed")]
        record: Annotated[Recording, observed("whether the conversation is recorded", only="classic")]

    attributes: Attributes

    def __init__(self, *content: "str | To | Aside", **given: Unpack[Attributes]) -> None:
        if any(isinstance(part, str) for part in content):
            content = tuple(To(part) if isinstance(part, str) else part for part in content)
        self._build(content, given)


@final
class DTMF(Element):
    """The branch of a Gather for these keys.

    reference: Gather; a plain text is the keys. classic: ``Case`` in ``Switch``.
    """

    class Attributes(Open, total=False):
        value: Annotated[Keys, documented("the keys", plain=True, classic="dtmf")]

    attributes: Attributes

    def __init__(self, *content: "str | Command", **given: Unpack[Attributes]) -> None:
        self._build(content, given)


@final
class Default(Element):
    """The branch of a Gather for input that matches no DTMF.

    reference: Gather (its example has the texts of Default and Error swapped).
    """

    class Attributes(Tagged, total=False): ...

    attributes: Attributes

    def __init__(self, *content: "Command", **given: Unpack[Attributes]) -> None:
        self._build(content, given)


@final
class Error(Element):
    """Runs when the command it stands in fails; in a Gather: when nothing was entered, or the request failed.

    reference: Error. Examples and prose write ``play``, the list ``say``.
    """

    class Attributes(Tagged, total=False):
        play: Annotated[Boolean, documented("speak the reason", default="false", also=("say",))]

    attributes: Attributes

    def __init__(self, *content: "Command", **given: Unpack[Attributes]) -> None:
        self._build(content, given)


@final
class Gather(Element):
    """Collect keys and run the branch that matches; then the flow goes on after the Gather.

    reference: Gather. classic: the prompts (Say, Play, Pause) stand inside, the branches in a ``Switch``.
    """

    once = ("Default", "Error")
    first = ("Say", "Play", "Pause")

    class Attributes(Taggable, total=False):
        dtmf_length: Annotated[
            Count, observed("how many keys to wait for", default="1 in classic", classic="numDigits", also=("length",))
        ]
        dtmf_stop: Annotated[StopKey, observed("a key that ends the input", default="* in classic", classic="finishOnKey")]
        url: Annotated[Url, observed("where to fetch the next document, with the keys", classic="callback")]
        timeout: Annotated[Ms, documented("how long to wait for input", only="classic")]
        attempts: Annotated[Count, documented("how often the block is executed", default="1", only="classic")]
        method: Annotated[Asking, documented("how the URL is asked", default="GET", only="classic")]

    attributes: Attributes

    def __init__(self, *content: "Prompt | DTMF | Default | Error | Meta", **given: Unpack[Attributes]) -> None:
        self._build(content, given)

    def whole(self) -> None:
        """Refuse two branches for the same keys."""
        seen: set[str] = set()
        for child in self.children:
            if isinstance(child, DTMF):
                keys = child.attributes["value"]
                if keys in seen:
                    raise BuildError(f"<Gather> has two branches for {keys}")
                seen.add(keys)


@final
class Callback(Element):
    """Fetch the next document from a URL; it takes the place of what is left of this one.

    reference: Callback. The method is called required, yet examples omit it: it is always written, and GET where nothing
    is said. Its Error runs when fetching or parsing fails. A plain text is the URL; one page writes
    ``<callback>URL</callback>``.
    """

    also = ("callback",)
    always = (("method", "GET"),)

    class Attributes(Open, total=False):
        tag: Annotated[Text, documented("sent to the URL as the field tag; marks the command in events")]
        url: Annotated[Url, documented("where the next document is", plain=True, text="read")]
        method: Annotated[Method, documented("how the URL is asked; always written", default="GET")]
        body: Annotated[Boolean, documented("send the call's data in the body", default="false")]
        timeout: Annotated[Ms, documented("no answer in time is an error; the unit is presumed")]

    attributes: Attributes

    def __init__(self, *content: "str | Aside", **given: Unpack[Attributes]) -> None:
        self._build(content, given)


@final
class Curl(Element):
    """An HTTP request made by the platform during the call.

    reference: Curl; attributes for headers, body and use of the answer are not known. A plain text is the URL.
    """

    only = "reference"

    class Attributes(Taggable, total=False):
        url: Annotated[Url, documented("what to ask", plain=True)]
        method: Annotated[Method, documented("how to ask")]
        timeout: Annotated[Ms, documented("no answer in time is an error")]

    attributes: Attributes

    def __init__(self, *content: "str | Aside", **given: Unpack[Attributes]) -> None:
        self._build(content, given)


@final
class Call(Element):
    """Runs its commands when a field of the call equals a value.

    reference: Call; the field ``to`` is seen.
    """

    only = "reference"

    class Attributes(Taggable, total=False):
        field: Required[Annotated[Name, documented("the call's field, as to or from")]]
        value: Required[Annotated[Loose, documented("what it must be, typed by its look")]]

    attributes: Attributes

    def __init__(self, *content: "Command | Error", **given: Unpack[Attributes]) -> None:
        self._build(content, given)


@final
class Geo(Element):
    """Runs its commands when the caller's number is from there; without attributes always.

    reference: Geo.
    """

    only = "reference"

    class Attributes(Taggable, total=False):
        states: Annotated[States, documented("two-letter codes of states")]
        county: Annotated[County, documented("the county's name, in capitals")]

    attributes: Attributes

    def __init__(self, *content: "Command | Error", **given: Unpack[Attributes]) -> None:
        self._build(content, given)


@final
class Schedule(Element):
    """Runs its commands when now is within days and times. It has no time zone and no dates.

    reference: Schedule, also written ``Scheduler``; both bounds of a window are inside.
    """

    only = "reference"
    also = ("Scheduler",)

    class Attributes(Taggable, total=False):
        dow: Annotated[Days, documented("days of the week")]
        time: Annotated[Window, documented("from and to, HH:MM:SS-HH:MM:SS")]

    attributes: Attributes

    def __init__(self, *content: "Command | Error", **given: Unpack[Attributes]) -> None:
        self._build(content, given)


@final
class Meta(Element):
    """A variable that is passed on to callback URLs. It may stand wherever a command may, and in any command.

    reference: Meta; the value is typed by its look, and keeps its text; several lines stand as text.
    """

    only = "reference"

    class Attributes(Open, total=False):
        name: Required[Annotated[Name, documented("the variable's name")]]
        value: Annotated[Loose, documented("its value; a plain text is it too", plain=True, text="read")]

    attributes: Attributes

    def __init__(self, *content: "str", **given: Unpack[Attributes]) -> None:
        self._build(content, given)


@final
class Reject(Element):
    """Refuse the call.

    classic: only the name is known.
    """

    only = "classic"
    evidence = Evidence.NAMED

    class Attributes(Taggable, total=False): ...

    attributes: Attributes

    def __init__(self, *content: "Aside", **given: Unpack[Attributes]) -> None:
        self._build(content, given)


@final
class Redirect(Element):
    """Go on elsewhere.

    classic: only the name is known.
    """

    only = "classic"
    evidence = Evidence.NAMED

    class Attributes(Taggable, total=False): ...

    attributes: Attributes

    def __init__(self, *content: "Aside", **given: Unpack[Attributes]) -> None:
        self._build(content, given)


Aside: TypeAlias = Meta | Error
Prompt: TypeAlias = Say | Play | Pause
Command: TypeAlias = (
    Answer | Say | Play | Pause | Tone | Hold | Unhold | Hangup | Record | RecordStart | RecordStop | RecordWait
    | Dial | Gather | Callback | Curl | Call | Geo | Schedule | Reject | Redirect | Meta
)  # fmt: skip
"""What may stand in a document, in a branch, and in the commands that hold others."""

ELEMENTS: Final = {cls.__name__: cls for cls in Element.__subclasses__()}
ROWS: Final[Mapping[str, Row]] = read_table(ELEMENTS, globals())
"""The table: a row an element, by its name in XML."""
