"""Behaviour missing from the platform's documentation: one rule per gap, with the rehearsal's choice, and named constants.

``--strict-platform`` stops at a rule that decides how a call continues: ``PlatformRules.apply_rule`` raises. Rules with
``only_shown`` do not influence the call; they are noted for ``--trace`` and never refused.
"""

from __future__ import annotations

import dataclasses
from typing import Final

from callflows.errors import UndocumentedBehaviourError


@dataclasses.dataclass(frozen=True, slots=True)
class UndocumentedRule:
    """A gap in the documentation (``unknown``) and the behaviour chosen for it (``done``)."""

    name: str
    unknown: str
    done: str
    only_shown: bool = False
    """The call continues in the same way, whatever the platform does."""


KEY_TIMEOUT_SECONDS: Final = 5.0
"""Default timeout for each key, including the first, in seconds."""
EMPTY_RECORD_SECONDS: Final = 3.0
"""Seconds of silence that end a Record without commands inside."""
DIAL_RING_SECONDS: Final = 60.0
"""Default timeout of a Dial, in seconds."""
PICK_UP_SECONDS: Final = 4.0
"""Seconds until a callee answers or proves busy."""
PARKED_CALL_SECONDS: Final = 30.0
"""Seconds that a parked call waits for a document. platform: "typically 30 seconds"."""
HOLD_VERB_SECONDS: Final = 300.0
"""Default duration of a Hold, in seconds. reference: Hold, timeout 300000."""
TONE_VERB_SECONDS: Final = 30.0
"""Default maximum duration of a Tone, in seconds. reference: Tone, timeout 30000."""
ASSUMED_SOUND_SECONDS: Final = 5.0
"""Assumed length of a sound file in seconds; the file is never fetched."""
SPEECH_SECONDS_PER_CHARACTER: Final = 0.06
"""Assumed speed of speech."""
EARLY_KEYS_RULE: Final = UndocumentedRule(
    "early-keys", "keys pressed before a Gather", "they are buffered and count for the next Gather"
)
NO_TIME_LIMIT_RULE: Final = UndocumentedRule(
    "time-limit", "the time for input", f"a key is waited for {KEY_TIMEOUT_SECONDS:.0f} s, then it ends"
)
STOP_KEY_RULE: Final = UndocumentedRule("stop-key", "whether the stop key is one of the digits", "it is not")
FEW_DIGITS_RULE: Final = UndocumentedRule("few-digits", "fewer digits than asked for", "they count as entered")
NO_BRANCH_RULE: Final = UndocumentedRule(
    "no-branch", "a key that no branch begins with, with several awaited", "it is collected"
)
BRANCH_OR_URL_RULE: Final = UndocumentedRule(
    "branch-or-url", "a Gather with branches and a URL", "a branch that matches runs, else the URL is asked"
)
HOLD_RULE: Final = UndocumentedRule("hold", "what ends a Hold", "its timeout, or an Unhold that is pushed")
DIAL_UNANSWERED_RULE: Final = UndocumentedRule(
    "dial-unanswered", "a Dial before the line is answered", "it bridges, and answers the caller with the callee"
)
INTERRUPTED_RULE: Final = UndocumentedRule(
    "interrupted",
    "how a command is reported in which the caller hangs up",
    "a Gather and a ringing Dial have failed",
    only_shown=True,
)
CALLER_ID_RULE: Final = UndocumentedRule(
    "caller-id", "the caller ID that a callee is shown", "it is the caller's number", only_shown=True
)
"""Every Dial shows a caller ID, but the value never changes the course of a call."""
EMPTY_RECORD_RULE: Final = UndocumentedRule(
    "empty-record", "a Record with nothing in it", f"it ends after {EMPTY_RECORD_SECONDS:.0f} s of silence, or its timeout"
)
RECORDING_CONTROL_RULE: Final = UndocumentedRule(
    "record-start",
    "RecordStart, RecordStop, RecordWait",
    f"they begin, end and wait for the recording of that tag, which ends after {EMPTY_RECORD_SECONDS:.0f} s of silence",
)
NO_ERROR_HANDLER_RULE: Final = UndocumentedRule("no-error", "a command that fails and has no Error", "the flow goes on")
META_RULE: Final = UndocumentedRule("meta", "how Meta reaches a URL", "it is appended by its name")
CURL_RULE: Final = UndocumentedRule("curl", "the answer to a Curl", "it is dropped")
CLASSIC_ATTEMPTS_RULE: Final = UndocumentedRule(
    "attempts", "a classic callback before the last attempt", "it is asked after each; a document ends the Gather"
)
LAST_ATTEMPT_RULE: Final = UndocumentedRule(
    "last-attempt", "what follows the last failed attempt of a classic Gather", "its Default or Error runs, once"
)
SCHEDULE_ZONE_RULE: Final = UndocumentedRule(
    "schedule", "the zone of Schedule", "that of the stand-in, UTC unless it is set"
)
GEO_RULE: Final = UndocumentedRule("geo", "where a caller is", "the state of the area code; no county matches")
DOCUMENT_END_RULE: Final = UndocumentedRule("the-end", "the end of a document without Hangup", "the call ends")
REDIRECT_RULE: Final = UndocumentedRule("redirect", "Redirect", "it fails")
REJECT_RULE: Final = UndocumentedRule("reject", "Reject", "it ends the call")
XML_RULES: Final = tuple(rule for rule in [*globals().values()] if isinstance(rule, UndocumentedRule))
"""All rules of this module."""


class PlatformRules:
    """Applies and collects rules; refuses rules in strict mode."""

    def __init__(self, *, strict: bool = False) -> None:
        self._strict = strict
        self.applied_rules: dict[str, UndocumentedRule] = {}

    def apply_rule(self, rule: UndocumentedRule) -> None:
        """Apply and remember a rule. Raises UndocumentedBehaviourError in strict mode unless the rule is only shown."""
        if self._strict and not rule.only_shown:
            raise UndocumentedBehaviourError(f"{rule.unknown}: the documentation does not say (otherwise: {rule.done})")
        self.applied_rules[rule.name] = rule
