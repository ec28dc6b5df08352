"""Explanations of the rules of ``callflows check``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from callflows.text import format_suggestion

if TYPE_CHECKING:
    from collections.abc import Mapping


class CheckRule(NamedTuple):
    """Two lines of explanation: ``means`` describes the rule and the consequence for callers, ``fix`` the correction."""

    means: str
    fix: str


# Rules on files and their syntax.


FILE_RULES: Final[Mapping[str, CheckRule]] = {
    "comment-in-text": CheckRule(
        "YAML takes what follows a space and # for a comment: callers hear half a sentence.",
        'Quote the text: say: "Dial #1 now".',
    ),
    "defect": CheckRule(
        "The file made callflows itself fail: the flow is not served, its callers hear the apology.",
        "Report it, with the file; taking out what was changed last is a way round.",
    ),
    "document": CheckRule(
        "An XML document is not one that Opentact reads: the caller would hear an error, or nothing.",
        "Fix the place that is named; callflows verbs NAME shows what an element takes.",
    ),
    "expression": CheckRule(
        "A condition or a value is not an expression, or names what there is not: it could not be decided.",
        'Write it without braces and with names that exist: when: caller.region == "US" and not hours.office.open.',
    ),
    "extension": CheckRule(
        "extensions.yaml declares an element or a kind that there is not: the attribute would be refused in every flow.",
        "Declare it as Dial: {callerId: text}; callflows verbs lists the elements.",
    ),
    "file-name": CheckRule(
        "A file's name is its flow's name, and this one cannot stand in a URL.",
        "Rename it with letters, digits, - and _: front-desk.yaml.",
    ),
    "key-lost": CheckRule(
        "A # at the beginning of a line is a comment to YAML: the choice is not there, and the key does nothing.",
        "Write hash: keys: {hash: menu}.",
    ),
    "key-twice": CheckRule(
        "A key is given twice; YAML would take the second in silence, and the first is lost.",
        "Take one of the two out, or rename it; star and * are one key, as are hash and #.",
    ),
    "missing-key": CheckRule(
        "Something that is needed is not there: the flow could not answer.",
        "Add the key that is named; a flow needs nodes: {start: [{say: Hello.}]}.",
    ),
    "name-twice": CheckRule(
        "Two files have one name, as acme.yaml and acme.yml: only the first is served.",
        "Rename one of the two.",
    ),
    "no-file": CheckRule(
        "There is nothing to check here, or nothing that can be: a mistake in the path would pass for a check.",
        "Name flow files (.yaml, .py), documents (.xml), or a folder of them.",
    ),
    "no-folder": CheckRule(
        "The folder of the flow files is not there: no call could be answered.",
        "Set CALLFLOWS_FLOWS or --flows to the folder.",
    ),
    "override": CheckRule(
        "A line of overrides.yaml names a flow, hours, a state or a time that there is not: the exception would not hold.",
        "Write - {flow: acme, hours: office, state: closed, until: 2026-12-24 18:00}.",
    ),
    "python": CheckRule(
        "A flow that is a Python program does not run, or makes no flow: its callers hear the apology.",
        'Run the file with python; it must make one flow of its own name: acme = flow("acme", numbers=[…]).',
    ),
    "shape": CheckRule(
        "Something has another shape than what stands here: a list where a mapping is needed, a text where steps are.",
        "Begin each step with - and indent what belongs to it: - menu:, and below it prompt: and keys:.",
    ),
    "template": CheckRule(
        "A text with braces cannot be read, or names what there is not: it could not be spoken.",
        "Use names that exist: {{ caller.name }}, {{ hours.office.next_opening | spoken }}.",
    ),
    "template-file": CheckRule(
        "The XML template of a flow cannot be read: the flow could not answer.",
        "Name a file beside the flow file: template: acme.xml.j2.",
    ),
    "test-name": CheckRule(
        "Two scenarios have one name: when one of them fails, nobody knows which.",
        "Name each by what it shows: - name: on Sundays it says when it opens.",
    ),
    "test-number": CheckRule(
        "A flow answers the rest of all numbers, and a scenario does not say which is rung: there is no call to rehearse.",
        "Say it in the scenario: to: +12015550123.",
    ),
    "test-script": CheckRule(
        "What a scenario has its caller or callees do is nothing that they can do: the scenario is not run.",
        'Write keys: "1,2#" (a comma waits), or [1, {wait: 20s}, hangup]; callee: answer, busy or no-answer.',
    ),
    "test-supposed": CheckRule(
        "A scenario supposes a dialect in which the flow cannot be written: `callflows test` says so, there is no call.",
        "Fix what the message says of the flow, or take the dialect out of the scenario.",
    ),
    "test-text": CheckRule(
        "A scenario of a text message has or expects what only calls have, or the other way round: it shows nothing.",
        "Take the text out where a call is meant, or what is of calls where a text is.",
    ),
    "test-time": CheckRule(
        "The flow asks what time it is, and a scenario does not say when it rings: it tests a Wednesday at ten only.",
        "Say it: at: 2026-11-23 10:00, on the clock of the file.",
    ),
    "text": CheckRule(
        "A text holds a character that no XML document may hold: Opentact would refuse the whole document.",
        "Take the character out; it is often pasted from a web page or an old program.",
    ),
    "undocumented": CheckRule(
        "A document uses what no page of Opentact's reference describes: it may not do what you expect.",
        "Try it with a real call, or use what callflows verbs marks as documented.",
    ),
    "unknown-key": CheckRule(
        "A key is misspelt, or does not belong here: what it says would be passed over.",
        "Use one of the keys that the message names: greeting, not greting.",
    ),
    "unreadable": CheckRule(
        "A file is there and cannot be read: the flow could not be loaded.",
        "Let the server's user read it: chmod a+r acme.yaml.",
    ),
    "unused": CheckRule(
        "A group, a list, hours or a variable is named and never used: what it is for does not happen.",
        "Use it, as dial: sales, caller in lists.spam, hours.office.open, {{ variables.name }}; or take it out.",
    ),
    "value": CheckRule(
        "A value is none of those that may stand here, as a duration without its unit.",
        "Write what the message asks for: timeout: 25s, not 25.",
    ),
    "yaml": CheckRule(
        "The file is not YAML, or YAML would read it in another way than it looks.",
        'Indent with spaces; quote texts that begin with {{ or hold ": ": say: "Please note: we are closed.".',
    ),
}


# Rules on opening hours and time zones.


HOURS_RULES: Final[Mapping[str, CheckRule]] = {
    "hours-contradiction": CheckRule(
        "A date is closed and open at once; open wins, and callers are let in on a day off.",
        "Take the date out of one of the two.",
    ),
    "hours-date": CheckRule(
        "A date cannot be read: the exception would not hold, and callers get the hours of the week.",
        'Write closed: [2026-12-24], or open: {2026-12-19: "10:00-16:00"}.',
    ),
    "hours-day": CheckRule(
        "A day cannot be read: its hours would not hold.",
        "Write mon-fri: 09:00-17:00; days are mon, tue, wed, thu, fri, sat, sun and daily.",
    ),
    "hours-holidays": CheckRule(
        "The holidays of this place are not known, or not for long: callers are let in on a day off.",
        "Write a country or a part of one: holidays: US-NJ; or name the days under closed.",
    ),
    "hours-never": CheckRule(
        "These hours have no window at all: every caller is told that it is closed.",
        "Name days and windows: mon-fri: 09:00-17:00.",
    ),
    "hours-not-asked": CheckRule(
        "Hours are spoken of, but nothing asks whether it is open: who calls at night fares as who calls at noon.",
        "Send callers elsewhere when it is closed: - {when: not hours.office.open, goto: closed}.",
    ),
    "hours-overlap": CheckRule(
        "Two windows of one day overlap: one of them is probably not what was meant.",
        "Let the second begin where the first ends: mon: 09:00-12:30, 13:30-18:00.",
    ),
    "hours-twice": CheckRule(
        "A day or a date stands twice: it is not clear which of its windows hold.",
        "Let each day stand once: mon-thu: 09:00-17:00 and fri: 09:00-14:00.",
    ),
    "hours-window": CheckRule(
        "A window cannot be read or never opens: callers would be told that it is closed.",
        "Write 09:00-12:30, 13:30-18:00 on a clock of 24 hours; 22:00-02:00 goes over midnight.",
    ),
    "no-timezone": CheckRule(
        "A flow asks for the time and names no zone: it is UTC, and the flow closes hours too early or too late.",
        "Name the zone: timezone: America/New_York.",
    ),
    "timezone": CheckRule(
        "There is no such zone: opening hours could not be told.",
        "Write one of the IANA names: timezone: America/New_York, Europe/Berlin.",
    ),
}


# Rules on numbers: claimed numbers, dialed numbers, and caller lists.


NUMBER_RULES: Final[Mapping[str, CheckRule]] = {
    "attestation": CheckRule(
        "call.attestation is asked, and is empty wherever Opentact does not tell it, as with GET: the condition fails.",
        'Set POST in Opentact and say what holds then: when: call.attestation == "C" or not call.attestation.',
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


# Rules on text messages and missed calls.


MESSAGE_AND_MISSED_CALL_RULES: Final[Mapping[str, CheckRule]] = {
    "keyword-twice": CheckRule(
        "A word opens two rules on texts, and the first has no when: the second is never met by it.",
        "Let each word stand once, or give the first rule a when: - {keyword: hours, when: hours.office.open, reply: …}.",
    ),
    "message-else": CheckRule(
        "The rules on texts end without one for all others: who writes anything else hears nothing, and nobody is told.",
        "End with a rule without keyword and when: - reply: We call you back; or - ignore: true, if that is meant.",
    ),
    "message-keyword": CheckRule(
        "A keyword is not one word, or one that ends all messages, as carriers want it: the rule would not do as it says.",
        "Write one word, or a list: keyword: [hours, open]; beside cancel, end, quit or revoke list stop, or take others.",
    ),
    "message-loop": CheckRule(
        "Texts are sent on to a number that these flows answer themselves: they would go in circles, and are not sent.",
        "Name the number of a person: forward: +12015550188.",
    ),
    "message-text": CheckRule(
        "A text message is empty, or longer than Opentact takes (918 characters): nobody would get it.",
        "Write a text of 1 to 918 characters: reply: We are open until six.",
    ),
    "message-unreached": CheckRule(
        "A rule on texts stands after one that every text meets: no text ever gets to it.",
        "Put the rule without keyword and when last.",
    ),
    "missed": CheckRule(
        "A step under missed needs a call, and these are done when it has ended: nobody would hear it.",
        "Use sms and notify, with a when if need be: missed: [{when: ended.rang, sms: Sorry that we missed you.}].",
    ),
}


# Rules on the route of a call: nodes, steps, prompts, input, and the documents.


CALL_ROUTE_RULES: Final[Mapping[str, CheckRule]] = {
    "after-the-end": CheckRule(
        "A step stands after one that ends the node or leads elsewhere: no caller ever gets to it.",
        "Move it before the goto or hangup, or give that a when: - {when: caller.anonymous, goto: closed}.",
    ),
    "audio-url": CheckRule(
        "A sound's name ends in neither .mp3 nor .wav; Opentact plays those only, and callers would hear nothing.",
        "Name a file of these kinds: play: https://example.com/welcome.mp3.",
    ),
    "comparison": CheckRule(
        "Something is compared with what it can never be: the branch is never taken, or the condition breaks each call.",
        'Compare it with a value that it can have: now.weekday == "mon", now.hour < 9 without quotes.',
    ),
    "text-as-list": CheckRule(
        "in asks a text whether it has a part: a number that is only begun, or one digit, is found in it as well.",
        'Write a list: caller.number in ["+12015550123", "+12015550124"], or a list under variables:.',
    ),
    "constant-condition": CheckRule(
        "A condition always comes out alike: every caller is sent the same way, or the step is never done.",
        "Ask for what changes: hours.office.open, not hours.office; caller in lists.spam, not lists.spam.",
    ),
    "dialect": CheckRule(
        "The dialect of XML that is written does not have this: it could not be done, or would be passed over.",
        "Write it another way, or set dialect: reference (or classic) in the file.",
    ),
    "digits-empty": CheckRule(
        "Digits are what a request brings. What a key of a menu leads to stands in the menu's document: there are none.",
        "Lead each key to a node of its own, or ask with collect: {into: choice, digits: 1}, and use choice.",
    ),
    "empty-text": CheckRule(
        "A text that is spoken is empty: callers hear nothing where they wait for something.",
        "Write what is to be said, or take the step out.",
    ),
    "ssml": CheckRule(
        "A text has tags of SSML, which Opentact does not know: callers hear the tags.",
        "Take the tags out. A pause is a step: pause: 1s. The language and the voice are keys of say.",
    ),
    "url-as-text": CheckRule(
        "A text that is spoken is nothing but a URL: callers hear it letter by letter.",
        "Play a sound file with play: https://… before the step, and write the prompt in words.",
    ),
    "spoken-language": CheckRule(
        "The filter spoken knows English, Spanish, French and German: in another language the time is spoken in English.",
        "Write the time in figures, as {{ hours.office.next_opening.time }}.",
    ),
    "stop-in-prompt": CheckRule(
        "A prompt asks for a key after a fixed number of digits: the input ended before it, and the next question gets it.",
        "Leave the key out of the prompt, or let the number of digits vary, as digits: 3-5.",
    ),
    "digits-never-match": CheckRule(
        "The pattern under match fits no digits of the length under digits: whatever callers enter is refused.",
        "Make both fit together: digits: 4 and match: [0-9]{4}.",
    ),
    "dtmf-branch": CheckRule(
        "A branch of a gather is for keys that never come: more than dtmf_length, or with the key that ends the input.",
        "Make dtmf_length as long as the longest keys, and use a key other than dtmf_stop.",
    ),
    "endless-loop": CheckRule(
        "A node leads round to itself and asks nobody anything: a caller hears the same for ever, and is billed for it.",
        "Ask on the way round (menu, collect, dial), or lead out of it with a goto.",
    ),
    "fallback-not-static": CheckRule(
        "The fallback is what callers hear when all else fails: it cannot need the call, a node or another server.",
        "Say what is to be said, without braces: fallback: [{say: Please call again later.}].",
    ),
    "key-lengths": CheckRule(
        "Some keys of a menu are longer than others: after a short one the caller waits, or must press a key to end it.",
        "Make them equally long, or say in the prompt how to end: press 1 and hash.",
    ),
    "key-shadowed": CheckRule(
        "One key of a menu begins another, as 1 begins 12: who presses the short one is kept waiting.",
        "Let no key begin another: 1 and 22, not 1 and 12.",
    ),
    "leading-zeros": CheckRule(
        "The classic dialect tells digits as a number: of a range 0042 comes as 42; of four digits 42 and # count as 0042.",
        'Ask for digits that no zero begins: match: "[1-9][0-9]*"; or take a fixed number, to which zeros are added.',
    ),
    "menu": CheckRule(
        "A menu has no key that can be chosen, or one that means two things: callers could not choose.",
        "Give it keys: {1: sales, 2: support}, and a stop key that is none of them.",
    ),
    "no-start": CheckRule(
        "A flow has no node named start, with which every call begins.",
        "Name the first node start: nodes: {start: [{say: Hello.}]}.",
    ),
    "no-way-out": CheckRule(
        "A caller who presses nothing is hung up on without a word, after the last attempt.",
        "Lead on: menu: {…, otherwise: voicemail}, or let a say follow.",
    ),
    "node-name": CheckRule(
        "A node's name cannot stand in a URL.",
        "Use letters, digits, - and _: after-hours.",
    ),
    "not-static": CheckRule(
        "The flow cannot be one static document: something in it is different from call to call, or is fetched.",
        "Keep it on this server; only what is the same for every call can be kept by Opentact.",
    ),
    "prompt-key": CheckRule(
        "A prompt tells the caller to press a key that the menu does not have: who obeys is told that it is no choice.",
        "Add the key, or say the right one: keys: {1: sales, 2: support}.",
    ),
    "says-nothing": CheckRule(
        "A call may end though nothing was said: the caller hears silence, and does not know why.",
        "Say something, or lead on, where no condition holds; write hangup as the last step if silence is meant.",
    ),
    "silent-loop": CheckRule(
        "A node leads round to itself without a word: the caller hears silence until one of the two hangs up.",
        "Say or ask something on the way round.",
    ),
    "ticket-too-big": CheckRule(
        "What was set, collected or looked up travels in signed URLs, at most 2048 bytes; beyond it is the fallback.",
        "Put what stays the same under variables:. Known is only what is written out, and the number of digits.",
    ),
    "too-deep": CheckRule(
        "A document has too many elements inside each other: a reader may refuse it, and the caller would hear nothing.",
        "Make two nodes of it; a `goto` to a node of its own is fetched where it must be.",
    ),
    "too-long": CheckRule(
        "A document grows longer than Opentact can be trusted to take: the call could fail.",
        "Make its texts shorter, or two nodes of it.",
    ),
    "unknown-node": CheckRule(
        "Something leads to a node that there is not: the call could not go on.",
        "Name a node of this file, or write it under nodes.",
    ),
    "unknown-step": CheckRule(
        "A step is neither a word of flows nor a verb: it could not be done.",
        "Use one that there is: callflows verbs lists the verbs; goto, menu, collect, voicemail are words.",
    ),
    "unreachable-node": CheckRule(
        "Nothing leads to a node: no caller ever gets to it.",
        "Lead to it with a goto, a key or no_answer; or take it out.",
    ),
    "verb": CheckRule(
        "A verb is put together in a way that Opentact does not know: it would refuse the document.",
        "Give it the attributes and children that it takes: callflows verbs NAME shows them.",
    ),
}
CHECK_RULES: Final[Mapping[str, CheckRule]] = dict(
    sorted({**FILE_RULES, **HOURS_RULES, **NUMBER_RULES, **MESSAGE_AND_MISSED_CALL_RULES, **CALL_ROUTE_RULES}.items())
)
"""Every rule of ``callflows check``, in order of names."""


def explain_rule(name: str) -> str:
    """Return the explanation of a rule. Raises LookupError with a suggestion for an unknown name."""
    rule = CHECK_RULES.get(name)
    if rule is None:
        near = format_suggestion(name, [*CHECK_RULES]) or "callflows check --explain all lists them"
        raise LookupError(f"there is no rule {name!r} ({near})")
    return f"{rule.means}\n{rule.fix}"
