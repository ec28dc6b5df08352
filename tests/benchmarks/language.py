"""The builder beside twilio-python's, on the same menu of eleven elements, in one process.

Run as ``python tests/benchmarks/language.py``. Prints ratios, the median of interleaved pairs; under 1 is faster than
twilio-python,
which checks nothing.
"""

from __future__ import annotations

import statistics
import time
from typing import TYPE_CHECKING

from twilio.twiml import voice_response as twilio

from callflows import DTMF, Callback, Dial, Gather, Hangup, Pause, Response, Say, To, from_xml, to_xml

if TYPE_CHECKING:
    from collections.abc import Callable

ROUNDS, CALLS = 41, 1000
URL = "https://calls.example.com/call/acme/support?ticket=abc&x=1"


def build_callflows_menu() -> bytes:
    """Build, validate and serialise."""
    return to_xml(
        Response(
            Say("Welcome to Acme & Sons."),
            Gather(
                DTMF("1", Dial(To("+12015550188"), To("ann@acme.sip.opentact.org"), timeout=20_000)),
                dtmf_length=1,
                dtmf_stop="#",
            ),
            Say("We did not hear you.", lang="en-US"),
            Pause(length=500),
            Callback(url=URL, method="POST"),
            Hangup(),
        )
    )


def build_twilio_menu() -> str:
    """Build and serialise; the prompt in the Gather stands for our branch."""
    response = twilio.VoiceResponse()
    response.say("Welcome to Acme & Sons.")
    gather = twilio.Gather(num_digits=1, finish_on_key="#")
    gather.say("1")
    response.append(gather)
    dial = twilio.Dial(timeout=20)
    dial.number("+12015550188")
    dial.sip("ann@acme.sip.opentact.org")
    response.append(dial)
    response.say("We did not hear you.", language="en-US")
    response.pause(length=1)
    response.redirect(URL, method="POST")
    response.hangup()
    return str(response)


def time_job(job: Callable[[], object]) -> float:
    """Seconds for CALLS calls."""
    began = time.perf_counter()
    for _ in range(CALLS):
        job()
    return time.perf_counter() - began


def main() -> None:
    """Print the two ratios, after a look that both documents are what they should be."""
    document = build_callflows_menu()
    assert (
        document.count(b"<") - document.count(b"</") - 1
        == build_twilio_menu().count("<") - build_twilio_menu().count("</") - 1
        == 11
    )
    assert to_xml(from_xml(document)) == document
    pairs = [
        (time_job(build_callflows_menu), time_job(build_twilio_menu), time_job(lambda: from_xml(document)))
        for _ in range(ROUNDS)
    ]
    print(f"build, validate and write / twilio-python: {statistics.median(o / t for o, t, _ in pairs):.2f} (goal 0.50)")
    print(f"read and validate / twilio-python:         {statistics.median(r / t for _, t, r in pairs):.2f} (goal 0.75)")


if __name__ == "__main__":
    main()
