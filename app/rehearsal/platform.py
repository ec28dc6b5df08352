"""What the documentation of the platform does not say, and what is done there: a rule each, and each constant by its name.

Where one of these decides how a call goes on, ``--strict-platform`` refuses to go on instead: ``Rules.decide`` raises. What
is only shown to somebody, so that nothing that is rehearsed depends on it, is noted for ``--trace`` and refused by nobody.
"""

from __future__ import annotations

import dataclasses
from typing import Final

from app.errors import PlatformSilent


@dataclasses.dataclass(frozen=True, slots=True)
class Silence:
    """Something that the documentation does not say, and what is done."""

    name: str
    unknown: str
    done: str
    only_shown: bool = False
    """Whether the call goes on alike, whatever the platform does."""


BETWEEN_DIGITS: Final = 5.0
"""Seconds that a key is waited for, the first one too, where no timeout is said."""
EMPTY_RECORD: Final = 3.0
"""Seconds of silence that end a Record in which nothing stands."""
RINGING: Final = 60.0
"""Seconds that a Dial without a timeout rings."""
PICKING_UP: Final = 4.0
"""Seconds after which a callee answers, or is found busy."""
PARKED: Final = 30.0
"""Seconds that a call without a document waits for one. platform: "typically 30 seconds"."""
HOLDING: Final = 300.0
"""Seconds that a Hold lasts. reference: Hold, timeout 300000."""
SOUNDING: Final = 30.0
"""The longest Tone. reference: Tone, timeout 30000."""
PLAYING: Final = 5.0
"""Seconds of a sound whose length is not looked up."""
SPEAKING: Final = 0.06
"""Seconds in which a character is spoken."""

EARLY_KEYS: Final = Silence("early-keys", "keys pressed before a Gather", "they are buffered and count for the next Gather")
NO_TIME_LIMIT: Final = Silence(
    "time-limit", "the time for input", f"a key is waited for {BETWEEN_DIGITS:.0f} s, then it ends"
)
STOP_KEY: Final = Silence("stop-key", "whether the stop key is one of the digits", "it is not")
FEW_DIGITS: Final = Silence("few-digits", "fewer digits than asked for", "they count as entered")
NO_BRANCH: Final = Silence("no-branch", "a key that no branch begins with, with several awaited", "it is collected")
BRANCH_OR_URL: Final = Silence(
    "branch-or-url", "a Gather with branches and a URL", "a branch that matches runs, else the URL is asked"
)
HOLD: Final = Silence("hold", "what ends a Hold", "its timeout, or an Unhold that is pushed")
DIAL_UNANSWERED: Final = Silence(
    "dial-unanswered", "a Dial before the line is answered", "it bridges, and answers the caller with the callee"
)
CALLER_ID: Final = Silence(
    "caller-id", "the caller ID that a callee is shown", "it is the caller's number", only_shown=True
)
"""Every Dial has one, and leads nowhere else whatever it is."""
RECORD_EMPTY: Final = Silence(
    "empty-record", "a Record with nothing in it", f"it ends after {EMPTY_RECORD:.0f} s of silence, or its timeout"
)
RECORDING: Final = Silence(
    "record-start",
    "RecordStart, RecordStop, RecordWait",
    f"they begin, end and wait for the recording of that tag, which ends after {EMPTY_RECORD:.0f} s of silence",
)
NO_ERROR: Final = Silence("no-error", "a command that fails and has no Error", "the flow goes on")
META: Final = Silence("meta", "how Meta reaches a URL", "it is appended by its name")
CURL: Final = Silence("curl", "the answer to a Curl", "it is dropped")
ATTEMPTS: Final = Silence(
    "attempts", "a classic callback before the last attempt", "it is asked after each; a document ends the Gather"
)
LAST_ATTEMPT: Final = Silence(
    "last-attempt", "what follows the last failed attempt of a classic Gather", "its Default or Error runs, once"
)
SCHEDULE: Final = Silence("schedule", "the zone of Schedule", "that of the stand-in, UTC unless it is set")
GEO: Final = Silence("geo", "where a caller is", "the state of the area code; no county matches")
THE_END: Final = Silence("the-end", "the end of a document without Hangup", "the call ends")
REDIRECT: Final = Silence("redirect", "Redirect", "it fails")
REJECT: Final = Silence("reject", "Reject", "it ends the call")

SILENCES: Final = tuple(rule for rule in [*globals().values()] if isinstance(rule, Silence))
"""All of them."""


class Rules:
    """Decides where the documentation is silent, or refuses to."""

    def __init__(self, *, strict: bool = False) -> None:
        self._strict = strict
        self.used: dict[str, Silence] = {}

    def decide(self, silence: Silence) -> None:
        """Go on as the rule says. Raises PlatformSilent where that is not wanted."""
        if self._strict and not silence.only_shown:
            raise PlatformSilent(f"{silence.unknown}: the documentation does not say (otherwise: {silence.done})")
        self.used[silence.name] = silence
