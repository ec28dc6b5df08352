"""An example document for each element, shown on the reference pages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from lxml import etree

from callflows.errors import DialectError
from callflows.language.verbs import (
    DTMF,
    Answer,
    Call,
    Callback,
    Curl,
    Default,
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
    To,
    Tone,
    Unhold,
)
from callflows.language.xml_writer import to_xml

if TYPE_CHECKING:
    from callflows.language.element import Element
    from callflows.language.verb_table import Dialect


_CLOSED_MESSAGE: Final = Say("We are closed.")
_MENU_BRANCHES: Final = (
    DTMF("1", Dial("ann@sip.example.com")),
    DTMF("2", Callback("https://calls.example.com/orders", method="GET")),
    Default(Say("That is not one of the choices.")),
    Error(Say("Nothing was entered.")),
)
_MENU_PROMPT: Final = Say("For sales press 1, for your order press 2.")
_MENU_EXAMPLES: Final = (
    Response(Gather(_MENU_PROMPT, *_MENU_BRANCHES, dtmf_length=1, dtmf_stop="#", timeout=8000, attempts=2), Hangup()),
    Response(_MENU_PROMPT, Gather(*_MENU_BRANCHES, dtmf_length=1, dtmf_stop="#"), Hangup()),
)
_DIAL_EXAMPLES: Final = (
    Response(Dial(To("12015550188"), To("sip:bob@sip.example.com"), Error(Say("Nobody is free.")), timeout=25_000)),
)
_RECORDING_EXAMPLES: Final = (
    Response(
        RecordStart(tag="visit"), _MENU_PROMPT, RecordStop(tag="visit"), RecordWait(tag="visit"), Play(record="visit")
    ),
)
VERB_EXAMPLES: Final[dict[type[Element], tuple[Response, ...]]] = {
    Response: (Response(Say("Good day."), Hangup()),),
    Answer: (Response(Answer(delay=500, tag="front-desk"), Say("Good day.")),),
    Say: (Response(Say("Good day, this is Acme & Sons.", type="WaveNet", gender="MALE", lang="en-US", loop=2)),),
    Play: (Response(Play("https://media.example.com/welcome.mp3", leg="both"), Play(record="message")),),
    Pause: (Response(Pause(length=2000, dtmf_stop="#")),),
    Tone: (Response(Tone(hz="440,480", don=2000, doff=4000, v=-10, loop=3, leg="aleg", tag="ringing")),),
    Hold: (Response(Hold(timeout=60_000, tag="parked"), Say("Are you still there?")),),
    Unhold: (Response(Unhold(tag="back")),),
    Hangup: (Response(_CLOSED_MESSAGE, Hangup(tag="closed")),),
    Record: (Response(Record(Pause(length=120_000, dtmf_stop="#"), tag="message", asr=True), Play(record="message")),),
    RecordStart: _RECORDING_EXAMPLES,
    RecordStop: _RECORDING_EXAMPLES,
    RecordWait: _RECORDING_EXAMPLES,
    Dial: _DIAL_EXAMPLES,
    To: _DIAL_EXAMPLES,
    Gather: _MENU_EXAMPLES,
    DTMF: _MENU_EXAMPLES,
    Default: _MENU_EXAMPLES,
    Error: _DIAL_EXAMPLES,
    Callback: (
        Response(
            Callback(
                "https://calls.example.com/next?a=1&b=2",
                Error(Hangup()),
                method="POST",
                body=True,
                timeout=4000,
                tag="next",
            )
        ),
    ),
    Curl: (Response(Curl("https://crm.example.com/calls", method="POST", timeout=3000)),),
    Call: (Response(Call(_CLOSED_MESSAGE, Hangup(), field="to", value="12015550123"), Say("Good day.")),),
    Geo: (Response(Geo(Say("Hello, neighbour."), states="NJ,NY", county="ESSEX")),),
    Schedule: (Response(Schedule(_CLOSED_MESSAGE, Hangup(), dow="sat,sun", time="00:00:00-23:59:59"), Say("Good day.")),),
    Meta: (Response(Meta("support", name="queue"), Callback("https://calls.example.com/next", method="GET")),),
    Reject: (Response(Reject()),),
    Redirect: (Response(Redirect()),),
}
"""Documents by element; the first one a dialect can express is the element's example."""


def render_verb_example(element: type[Element], dialect: Dialect) -> str:
    """Render the example of an element in a dialect, one element per line. Raises DialectError."""
    for response in VERB_EXAMPLES[element]:
        try:
            tree = etree.fromstring(to_xml(response, dialect))
        except DialectError:
            continue
        etree.indent(tree)
        return etree.tostring(tree, encoding="unicode")
    raise DialectError(f"<{element.__name__}> is not in the {dialect} dialect")
