"""Every rule that ``callflows check`` knows, by its name: what it means and why it hurts, and how to mend it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from app.errors import suggestion

if TYPE_CHECKING:
    from collections.abc import Mapping


class Rule(NamedTuple):
    """A page of two lines."""

    means: str
    mend: str


RULES: Final[Mapping[str, Rule]] = {
    "after-the-end": Rule(
        "A step stands after one that ends the node or leads elsewhere: no caller ever gets to it.",
        "Move it before the goto or hangup, or give that a when: - {when: caller.anonymous, goto: closed}.",
    ),
    "attestation": Rule(
        "call.attestation is asked, and is unknown wherever Opentact does not tell it, as with GET: the condition fails.",
        'Set POST in Opentact and say what holds then: when: call.attestation in ["C", "unknown"].',
    ),
    "audio-url": Rule(
        "A sound's name ends in neither .mp3 nor .wav; Opentact plays those only, and callers would hear nothing.",
        "Name a file of these kinds: play: https://example.com/welcome.mp3.",
    ),
    "calls-today": Rule(
        "Several workers count each caller's calls for themselves: a limit on caller.calls_today lets more calls through.",
        "Serve with one worker (CALLFLOWS_WORKERS=1), or divide the limit by the workers.",
    ),
    "comment-in-text": Rule(
        "YAML takes what follows a space and # for a comment: callers hear half a sentence.",
        'Quote the text: say: "Dial #1 now".',
    ),
    "comparison": Rule(
        "Something is compared with what it can never be: the branch is never taken, or the condition breaks each call.",
        'Compare it with a value that it can have: now.weekday == "mon", now.hour < 9 without quotes.',
    ),
    "constant-condition": Rule(
        "A condition always comes out alike: every caller is sent the same way, or the step is never done.",
        "Ask for what changes: hours.office.open, not hours.office; caller in lists.spam, not lists.spam.",
    ),
    "defect": Rule(
        "The file made callflows itself fail: the flow is not served, its callers hear the apology.",
        "Report it, with the file; taking out what was changed last is a way round.",
    ),
    "dial": Rule(
        "A dial says two different things of when nobody answers, and only one of them could happen.",
        "Keep one of the two: no_answer: voicemail, or error: with steps.",
    ),
    "dial-doubtful": Rule(
        "A number that is rung or written to is premium-rate, satellite, an emergency number, or none that exists.",
        "Write the number that is meant, with its country code: +12015550188.",
    ),
    "dial-own": Rule(
        "A number that is rung is answered by these flows themselves: the caller may go round, and each round is paid for.",
        "Go on inside a flow with goto: sales, or ring a number of a person.",
    ),
    "dial-policy": Rule(
        "dial_policy names a country, a type, a number or a host that there is not: it would allow other calls than meant.",
        'Write dial_policy: {regions: [US, CA], types: [mobile], allow: ["+4930*"], sip_hosts: [acme.sip.opentact.org]}.',
    ),
    "dial-policy-closed": Rule(
        "A target is worked out from the call, and dial_policy allows none: nobody is ever rung, callers go to no_answer.",
        "Say which countries may be rung: dial_policy: {regions: [US]}.",
    ),
    "dial-policy-spans": Rule(
        "The file's own prefix lies in several countries and so tells none: targets that are worked out are refused.",
        "Say which countries may be rung: dial_policy: {regions: [US, CA]}.",
    ),
    "dial-policy-wide": Rule(
        "A prefix under allow covers several countries, as +1 covers Jamaica: callers could choose expensive numbers.",
        "Write a longer prefix, as +1201*, or name the regions instead.",
    ),
    "dial-target": Rule(
        "Whom to ring is neither a number, nor a SIP address, nor a group of the file: nobody would be rung.",
        "Write a number as +12015550188, an address as ann@acme.sip.opentact.org, or a name under groups.",
    ),
    "dial-then-goto": Rule(
        "What follows a dial runs after a conversation too: whoever has been served is sent to voicemail.",
        "Name it in the dial, if it is meant for when nobody answers: dial: {to: sales, no_answer: voicemail}.",
    ),
    "dialect": Rule(
        "The dialect of XML that is written does not have this: it could not be done, or would be passed over.",
        "Write it another way, or set dialect: reference (or classic) in the file.",
    ),
    "document": Rule(
        "An XML document is not one that Opentact reads: the caller would hear an error, or nothing.",
        "Mend the place that is named; callflows verbs NAME shows what an element takes.",
    ),
    "empty-text": Rule(
        "A text that is spoken is empty: callers hear nothing where they wait for something.",
        "Write what is to be said, or take the step out.",
    ),
    "endless-loop": Rule(
        "A node leads round to itself and asks nobody anything: a caller hears the same for ever, and is billed for it.",
        "Ask on the way round (menu, collect, dial), or lead out of it with a goto.",
    ),
    "expression": Rule(
        "A condition or a value is not an expression, or names what there is not: it could not be decided.",
        'Write it without braces and with names that exist: when: caller.region == "US" and not hours.office.open.',
    ),
    "extension": Rule(
        "extensions.yaml declares an element or a kind that there is not: the attribute would be refused in every flow.",
        "Declare it as Dial: {callerId: text}; callflows verbs lists the elements.",
    ),
    "fallback-not-static": Rule(
        "The fallback is what callers hear when all else fails: it cannot need the call, a node or another server.",
        "Say what is to be said, without braces: fallback: [{say: Please call again later.}].",
    ),
    "file-name": Rule(
        "A file's name is its flow's name, and this one cannot stand in a URL.",
        "Rename it with letters, digits, - and _: front-desk.yaml.",
    ),
    "hours-contradiction": Rule(
        "A date is closed and open at once; open wins, and callers are let in on a day off.",
        "Take the date out of one of the two.",
    ),
    "hours-date": Rule(
        "A date cannot be read: the exception would not hold, and callers get the hours of the week.",
        'Write closed: [2026-12-24], or open: {2026-12-19: "10:00-16:00"}.',
    ),
    "hours-day": Rule(
        "A day cannot be read: its hours would not hold.",
        "Write mon-fri: 09:00-17:00; days are mon, tue, wed, thu, fri, sat, sun and daily.",
    ),
    "hours-holidays": Rule(
        "The holidays of this place are not known, or not for long: callers are let in on a day off.",
        "Write a country or a part of one: holidays: US-NJ; or name the days under closed.",
    ),
    "hours-never": Rule(
        "These hours have no window at all: every caller is told that it is closed.",
        "Name days and windows: mon-fri: 09:00-17:00.",
    ),
    "hours-not-asked": Rule(
        "Hours are spoken of, but nothing asks whether it is open: who calls at night fares as who calls at noon.",
        "Send callers elsewhere when it is closed: - {when: not hours.office.open, goto: closed}.",
    ),
    "hours-overlap": Rule(
        "Two windows of one day overlap: one of them is probably not what was meant.",
        "Let the second begin where the first ends: mon: 09:00-12:30, 13:30-18:00.",
    ),
    "hours-twice": Rule(
        "A day or a date stands twice: it is not clear which of its windows hold.",
        "Let each day stand once: mon-thu: 09:00-17:00 and fri: 09:00-14:00.",
    ),
    "hours-window": Rule(
        "A window cannot be read or never opens: callers would be told that it is closed.",
        "Write 09:00-12:30, 13:30-18:00 on a clock of 24 hours; 22:00-02:00 goes over midnight.",
    ),
    "key-lengths": Rule(
        "Some keys of a menu are longer than others: after a short one the caller waits, or must press a key to end it.",
        "Make them equally long, or say in the prompt how to end: press 1 and hash.",
    ),
    "key-lost": Rule(
        "A # at the beginning of a line is a comment to YAML: the choice is not there, and the key does nothing.",
        "Write hash: keys: {hash: menu}.",
    ),
    "key-shadowed": Rule(
        "One key of a menu begins another, as 1 begins 12: who presses the short one is kept waiting.",
        "Let no key begin another: 1 and 22, not 1 and 12.",
    ),
    "key-twice": Rule(
        "A key is given twice; YAML would take the second in silence, and the first is lost.",
        "Take one of the two out, or rename it; star and * are one key, as are hash and #.",
    ),
    "keyword-twice": Rule(
        "A word opens two rules on texts, and the first has no when: the second is never met by it.",
        "Let each word stand once, or give the first rule a when: - {keyword: hours, when: hours.office.open, reply: …}.",
    ),
    "leading-zeros": Rule(
        "The classic dialect tells digits as a number: of a range 0042 comes as 42; of four digits 42 and # count as 0042.",
        'Ask for digits that no zero begins: match: "[1-9][0-9]*"; or take a fixed number, to which zeros are added.',
    ),
    "list-empty": Rule(
        "A list has no rows: nobody is in it, and who should be screened gets through.",
        "Put numbers into the file, or take the list out.",
    ),
    "list-missing": Rule(
        "The file of a list is not there: nobody could be screened by it.",
        "Name a file beside the flow file, or in a folder below: lists: {spam: lists/spam.csv}.",
    ),
    "list-row": Rule(
        "A row of a list cannot be read, and would not count: its caller gets through.",
        "Write number or prefix*, reason, until: +12015550123, spam, 2026-12-24.",
    ),
    "list-row-country": Rule(
        "A number without a plus is taken for one of another country: 2015550123 is in Egypt.",
        "Write it with its plus and country code: +12015550123.",
    ),
    "list-row-twice": Rule(
        "A number is in a list twice: of two reasons or dates only one can count.",
        "Take one of the two rows out.",
    ),
    "list-stale": Rule(
        "All rows of a list have expired: nobody is in it any more, and who was screened gets through.",
        "Renew the rows, or take the list out.",
    ),
    "list-unreadable": Rule(
        "The file of a list cannot be read as CSV: nobody could be screened by it.",
        "Save it as CSV in UTF-8; a quote that opens must close.",
    ),
    "menu": Rule(
        "A menu has no key that can be chosen, or one that means two things: callers could not choose.",
        "Give it keys: {1: sales, 2: support}, and a stop key that is none of them.",
    ),
    "message-else": Rule(
        "The rules on texts end without one for all others: who writes anything else hears nothing, and nobody is told.",
        "End with a rule without keyword and when: - reply: We call you back; or - ignore: true, if that is meant.",
    ),
    "message-keyword": Rule(
        "A keyword is not one word, or one that ends all messages, as carriers want it: the rule would not do as it says.",
        "Write one word, or a list: keyword: [hours, open]; beside cancel, end, quit or revoke list stop, or take others.",
    ),
    "message-loop": Rule(
        "Texts are sent on to a number that these flows answer themselves: they would go in circles, and are not sent.",
        "Name the number of a person: forward: +12015550188.",
    ),
    "message-text": Rule(
        "A text message is empty, or longer than Opentact takes (918 characters): nobody would get it.",
        "Write a text of 1 to 918 characters: reply: We are open until six.",
    ),
    "message-unreached": Rule(
        "A rule on texts stands after one that every text meets: no text ever gets to it.",
        "Put the rule without keyword and when last.",
    ),
    "missed": Rule(
        "A step under missed needs a call, and these are done when it has ended: nobody would hear it.",
        "Use sms and notify, with a when if need be: missed: [{when: ended.rang, sms: Sorry that we missed you.}].",
    ),
    "missing-key": Rule(
        "Something that is needed is not there: the flow could not answer.",
        "Add the key that is named; a flow needs nodes: {start: [{say: Hello.}]}.",
    ),
    "name-twice": Rule(
        "Two files have one name, as acme.yaml and acme.yml: only the first is served.",
        "Rename one of the two.",
    ),
    "no-file": Rule(
        "There is nothing to check here, or nothing that can be: a mistake in the path would pass for a check.",
        "Name flow files (.yaml, .py), documents (.xml), or a folder of them.",
    ),
    "no-folder": Rule(
        "The folder of the flow files is not there: no call could be answered.",
        "Set CALLFLOWS_FLOWS or --flows to the folder.",
    ),
    "no-numbers": Rule(
        "A flow claims no number: it is loaded, and no call ever comes to it.",
        "Write numbers: +12015550123, a prefix as +1201*, or rest for all that no other file claims.",
    ),
    "no-start": Rule(
        "A flow has no node named start, with which every call begins.",
        "Name the first node start: nodes: {start: [{say: Hello.}]}.",
    ),
    "no-timezone": Rule(
        "A flow asks for the time and names no zone: it is UTC, and the flow closes hours too early or too late.",
        "Name the zone: timezone: America/New_York.",
    ),
    "no-way-out": Rule(
        "A caller who presses nothing is hung up on without a word, after the last attempt.",
        "Lead on: menu: {…, otherwise: voicemail}, or let a say follow.",
    ),
    "node-name": Rule(
        "A node's name cannot stand in a URL.",
        "Use letters, digits, - and _: after-hours.",
    ),
    "not-static": Rule(
        "The flow cannot be one static document: something in it is different from call to call, or is fetched.",
        "Keep it on this server; only what is the same for every call can be kept by Opentact.",
    ),
    "number": Rule(
        "A number cannot be read: calls to it, or messages, would get nowhere.",
        "Write it with its country code: +12015550123; under numbers also a prefix as +1201*, or rest.",
    ),
    "number-claimed-twice": Rule(
        "Two flows claim one number; only the first would answer it.",
        "Take it out of one of the two; a longer prefix may stand beside a shorter one.",
    ),
    "number-country": Rule(
        "A number without a plus is taken for one of another country: 2015550123 is in Egypt, and no call comes to it.",
        "Write it with its plus and country code: +12015550123.",
    ),
    "override": Rule(
        "A line of overrides.yaml names a flow, hours, a state or a time that there is not: the exception would not hold.",
        "Write - {flow: acme, hours: office, state: closed, until: 2026-12-24 18:00}.",
    ),
    "prompt-key": Rule(
        "A prompt tells the caller to press a key that the menu does not have: who obeys is told that it is no choice.",
        "Add the key, or say the right one: keys: {1: sales, 2: support}.",
    ),
    "python": Rule(
        "A flow that is a Python program does not run, or makes no flow: its callers hear the apology.",
        'Run the file with python; it must make one flow of its own name: acme = flow("acme", numbers=[…]).',
    ),
    "says-nothing": Rule(
        "A call may end though nothing was said: the caller hears silence, and does not know why.",
        "Say something, or lead on, where no condition holds; write hangup as the last step if silence is meant.",
    ),
    "shape": Rule(
        "Something has another shape than what stands here: a list where a mapping is needed, a text where steps are.",
        "Begin each step with - and indent what belongs to it: - menu:, and below it prompt: and keys:.",
    ),
    "silent-loop": Rule(
        "A node leads round to itself without a word: the caller hears silence until one of the two hangs up.",
        "Say or ask something on the way round.",
    ),
    "template": Rule(
        "A text with braces cannot be read, or names what there is not: it could not be spoken.",
        "Use names that exist: {{ caller.name }}, {{ hours.office.next_opening | spoken }}.",
    ),
    "template-file": Rule(
        "The XML template of a flow cannot be read: the flow could not answer.",
        "Name a file beside the flow file: template: acme.xml.j2.",
    ),
    "test-name": Rule(
        "Two scenarios have one name: when one of them fails, nobody knows which.",
        "Name each by what it shows: - name: on Sundays it says when it opens.",
    ),
    "test-number": Rule(
        "A flow answers the rest of all numbers, and a scenario does not say which is rung: there is no call to rehearse.",
        "Say it in the scenario: to: +12015550123.",
    ),
    "test-script": Rule(
        "What a scenario has its caller or callees do is nothing that they can do: the scenario is not run.",
        'Write keys: "1,2#" (a comma waits), or [1, {wait: 20s}, hangup]; callee: answer, busy or no-answer.',
    ),
    "test-supposed": Rule(
        "A scenario supposes a dialect in which the flow cannot be written: there is no call to rehearse.",
        "Mend what the message says of the flow, or take the dialect out of the scenario.",
    ),
    "test-text": Rule(
        "A scenario of a text message has or expects what only calls have, or the other way round: it shows nothing.",
        "Take the text out where a call is meant, or what is of calls where a text is.",
    ),
    "test-time": Rule(
        "The flow asks what time it is, and a scenario does not say when it rings: it tests a Wednesday at ten only.",
        "Say it: at: 2026-11-23 10:00, on the clock of the file.",
    ),
    "text": Rule(
        "A text holds a character that no XML document may hold: Opentact would refuse the whole document.",
        "Take the character out; it is often pasted from a web page or an old program.",
    ),
    "ticket-too-big": Rule(
        "What was set, collected or looked up travels in signed URLs, at most 2048 bytes; beyond it is the fallback.",
        "Put what stays the same under variables:. Known is only what is written out, and the number of digits.",
    ),
    "timezone": Rule(
        "There is no such zone: opening hours could not be told.",
        "Write one of the IANA names: timezone: America/New_York, Europe/Berlin.",
    ),
    "too-deep": Rule(
        "A document has too many elements inside each other: a reader may refuse it, and the caller would hear nothing.",
        "Make two nodes of it; a `goto` to a node of its own is fetched where it must be.",
    ),
    "too-long": Rule(
        "A document grows longer than Opentact can be trusted to take: the call could fail.",
        "Make its texts shorter, or two nodes of it.",
    ),
    "undocumented": Rule(
        "A document uses what no page of Opentact's reference describes: it may not do what you expect.",
        "Try it with a real call, or use what callflows verbs marks as documented.",
    ),
    "unknown-key": Rule(
        "A key is misspelt, or does not belong here: what it says would be passed over.",
        "Use one of the keys that the message names: greeting, not greting.",
    ),
    "unknown-node": Rule(
        "Something leads to a node that there is not: the call could not go on.",
        "Name a node of this file, or write it under nodes.",
    ),
    "unknown-step": Rule(
        "A step is neither a word of flows nor a verb: it could not be done.",
        "Use one that there is: callflows verbs lists the verbs; goto, menu, collect, voicemail are words.",
    ),
    "unreachable-node": Rule(
        "Nothing leads to a node: no caller ever gets to it.",
        "Lead to it with a goto, a key or no_answer; or take it out.",
    ),
    "unreadable": Rule(
        "A file is there and cannot be read: the flow could not be loaded.",
        "Let the server's user read it: chmod a+r acme.yaml.",
    ),
    "unused": Rule(
        "A group, a list, hours or a variable is named and never used: what it is for does not happen.",
        "Use it, as dial: sales, caller in lists.spam, hours.office.open, {{ variables.name }}; or take it out.",
    ),
    "value": Rule(
        "A value is none of those that may stand here, as a duration without its unit.",
        "Write what the message asks for: timeout: 25s, not 25.",
    ),
    "verb": Rule(
        "A verb is put together in a way that Opentact does not know: it would refuse the document.",
        "Give it the attributes and children that it takes: callflows verbs NAME shows them.",
    ),
    "yaml": Rule(
        "The file is not YAML, or YAML would read it in another way than it looks.",
        'Indent with spaces; quote texts that begin with {{ or hold ": ": say: "Please note: we are closed.".',
    ),
}


def explained(name: str) -> str:
    """The page of a rule. Raises LookupError, with what is probably meant."""
    rule = RULES.get(name)
    if rule is None:
        near = suggestion(name, [*RULES]) or "callflows check --explain all lists them"
        raise LookupError(f"there is no rule {name!r} ({near})")
    return f"{rule.means}\n{rule.mend}"
