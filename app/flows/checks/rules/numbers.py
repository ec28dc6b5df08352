"""Rules on numbers: those that a flow answers, those that it rings, and the lists that callers are looked up in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from app.flows.checks.rules.rule import CheckRule

if TYPE_CHECKING:
    from collections.abc import Mapping

NUMBER_RULES: Final[Mapping[str, CheckRule]] = {
    "attestation": CheckRule(
        "call.attestation is asked, and is unknown wherever Opentact does not tell it, as with GET: the condition fails.",
        'Set POST in Opentact and say what holds then: when: call.attestation in ["C", "unknown"].',
    ),
    "calls-today": CheckRule(
        "Several workers count each caller's calls for themselves: a limit on caller.calls_today lets more calls through.",
        "Serve with one worker (CALLFLOWS_WORKERS=1), or divide the limit by the workers.",
    ),
    "dial": CheckRule(
        "A dial says two different things of when nobody answers, and only one of them could happen.",
        "Keep one of the two: no_answer: voicemail, or error: with steps.",
    ),
    "dial-doubtful": CheckRule(
        "A number that is rung or written to is premium-rate, satellite, an emergency number, or none that exists.",
        "Write the number that is meant, with its country code: +12015550188.",
    ),
    "dial-own": CheckRule(
        "A number that is rung is answered by these flows themselves: the caller may go round, and each round is paid for.",
        "Go on inside a flow with goto: sales, or ring a number of a person.",
    ),
    "dial-policy": CheckRule(
        "dial_policy names a country, a type, a number or a host that there is not: it would allow other calls than meant.",
        'Write dial_policy: {regions: [US, CA], types: [mobile], allow: ["+4930*"], sip_hosts: [acme.sip.opentact.org]}.',
    ),
    "dial-policy-closed": CheckRule(
        "A target is worked out from the call, and dial_policy allows none: nobody is ever rung, callers go to no_answer.",
        "Say which countries may be rung: dial_policy: {regions: [US]}.",
    ),
    "dial-policy-spans": CheckRule(
        "The file's own prefix lies in several countries and so tells none: targets that are worked out are refused.",
        "Say which countries may be rung: dial_policy: {regions: [US, CA]}.",
    ),
    "dial-policy-wide": CheckRule(
        "A prefix under allow covers several countries, as +1 covers Jamaica: callers could choose expensive numbers.",
        "Write a longer prefix, as +1201*, or name the regions instead.",
    ),
    "dial-target": CheckRule(
        "Whom to ring is neither a number, nor a SIP address, nor a group of the file: nobody would be rung.",
        "Write a number as +12015550188, an address as ann@acme.sip.opentact.org, or a name under groups.",
    ),
    "dial-then-goto": CheckRule(
        "What follows a dial runs after a conversation too: whoever has been served is sent to voicemail.",
        "Name it in the dial, if it is meant for when nobody answers: dial: {to: sales, no_answer: voicemail}.",
    ),
    "list-empty": CheckRule(
        "A list has no rows: nobody is in it, and who should be screened gets through.",
        "Put numbers into the file, or take the list out.",
    ),
    "list-missing": CheckRule(
        "The file of a list is not there: nobody could be screened by it.",
        "Name a file beside the flow file, or in a folder below: lists: {spam: lists/spam.csv}.",
    ),
    "list-row": CheckRule(
        "A row of a list cannot be read, and would not count: its caller gets through.",
        "Write number or prefix*, reason, until: +12015550123, spam, 2026-12-24.",
    ),
    "list-row-country": CheckRule(
        "A number without a plus is taken for one of another country: 2015550123 is in Egypt.",
        "Write it with its plus and country code: +12015550123.",
    ),
    "list-row-twice": CheckRule(
        "A number is in a list twice: of two reasons or dates only one can count.",
        "Take one of the two rows out.",
    ),
    "list-stale": CheckRule(
        "All rows of a list have expired: nobody is in it any more, and who was screened gets through.",
        "Renew the rows, or take the list out.",
    ),
    "list-unreadable": CheckRule(
        "The file of a list cannot be read as CSV: nobody could be screened by it.",
        "Save it as CSV in UTF-8; a quote that opens must close.",
    ),
    "no-numbers": CheckRule(
        "A flow claims no number: it is loaded, and no call ever comes to it.",
        "Write numbers: +12015550123, a prefix as +1201*, or rest for all that no other file claims.",
    ),
    "number": CheckRule(
        "A number cannot be read: calls to it, or messages, would get nowhere.",
        "Write it with its country code: +12015550123; under numbers also a prefix as +1201*, or rest.",
    ),
    "number-claimed-twice": CheckRule(
        "Two flows claim one number; only the first would answer it.",
        "Take it out of one of the two; a longer prefix may stand beside a shorter one.",
    ),
    "number-country": CheckRule(
        "A number without a plus is taken for one of another country: 2015550123 is in Egypt, and no call comes to it.",
        "Write it with its plus and country code: +12015550123.",
    ),
}
