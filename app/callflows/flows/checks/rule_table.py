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
    "include": CheckRule(
        "An included file is not there, has a name of this file, or a key that only flow files have: parts of it are lost.",
        "Write include: common/closed.yaml, with nodes, groups, directory, hours, lists or variables in that file.",
    ),
    "comment-in-text": CheckRule(
        "YAML reads text after a space and # as a comment: callers hear half a sentence.",
        'Quote the text: say: "Dial #1 now".',
    ),
    "defect": CheckRule(
        "callflows itself failed on this file: the flow is not served, and its callers hear the apology.",
        "Report the problem with the file; until it is solved, undo the last change of the file.",
    ),
    "document": CheckRule(
        "Opentact cannot read this XML document: the caller would hear an error, or nothing.",
        "Fix the place in the message; callflows verbs NAME shows the attributes and children of an element.",
    ),
    "duration-doubtful": CheckRule(
        "A duration is much too short or too long for its key: 25000s of ringing are seven hours, a Pause of 2 is 2 ms.",
        'Write the unit that is meant: timeout: 25s; in XML all times are milliseconds: <Pause length="2000"/>.',
    ),
    "expression": CheckRule(
        "A condition or value is not a valid expression, or uses an unknown name: callflows cannot evaluate it.",
        'Write it without braces and with names that exist: when: caller.region == "US" and not hours.office.open.',
    ),
    "extension": CheckRule(
        "extensions.yaml names an unknown element or kind: every flow with the attribute would be refused.",
        "Write Dial: {callerId: text}; callflows verbs lists the elements.",
    ),
    "file-gone": CheckRule(
        "A flow's file is gone while the server runs: the flow goes on for a while, then its numbers are given up.",
        "Put the file back, or wait; CALLFLOWS_REMOVAL_GRACE_SECONDS says how long it goes on.",
    ),
    "file-name": CheckRule(
        "The name of a file is the name of its flow, and this name cannot be part of a URL.",
        "Rename the file with letters, digits, - and _: front-desk.yaml.",
    ),
    "key-lost": CheckRule(
        "YAML reads a line that begins with # as a comment: the menu does not have this key.",
        "Write hash: keys: {hash: menu}.",
    ),
    "key-twice": CheckRule(
        "A key appears twice: YAML would use only the second, and the first is lost.",
        "Remove or rename one of the two; star and * are the same key, and so are hash and #.",
    ),
    "mail-address": CheckRule(
        "A text under to is no address of a mail: nobody would get the mail.",
        "Write an address such as office@example.com, or several as a list.",
    ),
    "mail-attach": CheckRule(
        "A mail shall attach a recording, and there is none yet: a recording is reported after the call.",
        "Put the mail under mail: of the voicemail, or under ended: beside nodes.",
    ),
    "missing-key": CheckRule(
        "A required key is missing: the flow could not answer.",
        "Add the key in the message; a flow needs nodes: {start: [{say: Hello.}]}.",
    ),
    "name-twice": CheckRule(
        "Two files have the same name, as acme.yaml and acme.yml: only the first is served.",
        "Rename one of the two.",
    ),
    "no-file": CheckRule(
        "There is no file to check here: the path may be wrong.",
        "Name flow files (.yaml, .py), documents (.xml), or a folder of them.",
    ),
    "no-folder": CheckRule(
        "The folder of the flow files does not exist: no call could be answered.",
        "Set CALLFLOWS_FLOWS or --flows to the folder.",
    ),
    "override": CheckRule(
        "A line of overrides.yaml has an unknown flow, hours, state or time: the exception would have no effect.",
        "Write - {flow: acme, hours: office, state: closed, until: 2026-12-24 18:00}.",
    ),
    "platform-lacks": CheckRule(
        "Other phone systems have this and Opentact has not: conferences, speech recognition, payments and others.",
        "Do what the message says instead; no setting brings it.",
    ),
    "python": CheckRule(
        "A Python flow does not run, creates no flow, or a node of it gives no Response: its callers hear the apology.",
        'Run it with python: acme = flow("acme", numbers=[…]) in acme.py. Each way through a node gives a Response.',
    ),
    "secret-handed-over": CheckRule(
        "A secret value would go to another flow, which does not know that it is secret: it would be in logs.",
        "Collect it in the other flow, or take it out of the receives of that flow.",
    ),
    "shape": CheckRule(
        "A value has the wrong shape, as a list instead of a mapping, or a text instead of steps.",
        "Begin each step with - and indent its keys: - menu:, and below it prompt: and keys:.",
    ),
    "single-braces": CheckRule(
        "A value stands in one pair of braces, as {caller.name}: it is a plain text, and callers hear the word itself.",
        "Write two pairs: {{ caller.name }}.",
    ),
    "template": CheckRule(
        "A text with braces has a mistake, or uses an unknown name: the text could not be spoken.",
        "Use known names: {{ caller.name }}, {{ hours.office.next_opening | spoken }}.",
    ),
    "template-values": CheckRule(
        "An XML template gives no valid document for a sample call: such callers would hear the fallback.",
        "Fix the place for the values in the message; {{ digits | default('none') }} and {% if %} help with missing ones.",
    ),
    "template-file": CheckRule(
        "The XML template of a flow cannot be read: the flow could not answer.",
        "Put the file beside the flow file, and name it: template: acme.xml.j2.",
    ),
    "test-name": CheckRule(
        "Two scenarios have the same name: if one of them fails, nobody knows which.",
        "Give each a name of its own: - name: on Sundays callers hear when the office opens.",
    ),
    "test-number": CheckRule(
        "A flow has no exact number, and a scenario has no called number: there is no call to rehearse.",
        "Add the number to the scenario: to: +12015550123.",
    ),
    "test-script": CheckRule(
        "A scenario has an unknown action of its caller or its callees: the scenario is not run.",
        'Write keys: "1,2#" (a comma waits), or [1, {wait: 20s}, hangup]; callee: answer, busy or no-answer.',
    ),
    "test-supposed": CheckRule(
        "A scenario uses a dialect that cannot express the flow: `callflows test` reports it and makes no call.",
        "Fix the problem of the flow in the message, or remove the dialect from the scenario.",
    ),
    "test-text": CheckRule(
        "A scenario of a text message uses keys that only calls have, or the other way round: it tests nothing.",
        "For a call, remove text; for a text message, remove the keys of calls.",
    ),
    "test-time": CheckRule(
        "The flow depends on the time, but a scenario has no time: it tests only a call on a Wednesday at ten.",
        "Add at: 2026-11-23 10:00, in the time zone of the file.",
    ),
    "text": CheckRule(
        "A text contains a character that XML forbids: Opentact would refuse the whole document.",
        "Remove the character; it often comes from a web page or an old program.",
    ),
    "twiml-http": CheckRule(
        "The app under twiml is asked without encryption: others can read who calls, and change what callers hear.",
        "Write its https:// URL; on this machine, for a trial, http:// is fine.",
    ),
    "twiml-url": CheckRule(
        "The URL under twiml is none that an app can be asked at: all callers would hear the fallback.",
        "Write the URL that Twilio requests for a call, as twiml: https://old.example.com/voice.",
    ),
    "undocumented": CheckRule(
        "A note: Opentact does not document something that is used, such as the timeout of Dial: it may work differently.",
        "Try it with a real call, or use only parts that callflows verbs marks as documented.",
    ),
    "unknown-key": CheckRule(
        "A key is misspelt, or does not belong here: it would have no effect.",
        "Use one of the keys in the message: greeting, not greting.",
    ),
    "unreadable": CheckRule(
        "The file exists but cannot be read: the flow could not be loaded.",
        "Give the server's user permission to read it: chmod a+r acme.yaml.",
    ),
    "unused": CheckRule(
        "A group, a list, hours or a variable is defined but never used: it has no effect.",
        "Use it, as dial: sales, caller in lists.spam, hours.office.open, {{ variables.name }}; or remove it.",
    ),
    "value": CheckRule(
        "A value is not allowed here, as a duration without a unit.",
        "Write a value as the message says: timeout: 25s, not 25.",
    ),
    "yaml": CheckRule(
        "The file is not valid YAML, or YAML would read it differently from how it looks.",
        'Indent with spaces; quote texts that begin with {{ or contain ": ": say: "Please note: we are closed.".',
    ),
}


# Rules on opening hours and time zones.


HOURS_RULES: Final[Mapping[str, CheckRule]] = {
    "hours-contradiction": CheckRule(
        "A date is both closed and open: open wins, and callers get through on a day off.",
        "Remove the date from one of the two.",
    ),
    "hours-date": CheckRule(
        "A date cannot be read: the exception would have no effect, and the weekly hours would apply.",
        'Write closed: [2026-12-24], or open: {2026-12-19: "10:00-16:00"}.',
    ),
    "hours-day": CheckRule(
        "A day cannot be read: its hours would have no effect.",
        "Write mon-fri: 09:00-17:00; days are mon, tue, wed, thu, fri, sat, sun and daily.",
    ),
    "hours-holidays": CheckRule(
        "The holidays of this place are unknown, known for few years only, or of another country than that of the flow: "
        "callers get through on a day off.",
        "Write a country or a part of one: holidays: US-NJ; or list the days under closed.",
    ),
    "hours-never": CheckRule(
        "These hours have no opening times: they are always closed.",
        "Write days and times: mon-fri: 09:00-17:00.",
    ),
    "hours-night": CheckRule(
        "1:00-5:00 is at night on a 24-hour clock: in the afternoon callers would hear that it is closed.",
        "Write 13:00-17:00 for the afternoon; 01:00-05:00, with its zeros, says that the night is meant.",
    ),
    "hours-not-asked": CheckRule(
        "A text mentions the hours, but no step checks them: calls at night are treated like calls at noon.",
        "Send callers to another node outside these hours: - {when: not hours.office.open, goto: closed}.",
    ),
    "hours-overlap": CheckRule(
        "Two opening times of one day overlap: one of them is probably wrong.",
        "Start the second after the end of the first: mon: 09:00-12:30, 13:30-18:00.",
    ),
    "hours-twice": CheckRule(
        "A day or a date appears twice: it is unclear which opening times apply.",
        "Write each day once: mon-thu: 09:00-17:00 and fri: 09:00-14:00.",
    ),
    "hours-window": CheckRule(
        "An opening time cannot be read, never opens, or leaves out a minute, as 00:00-23:59: it would be closed then.",
        "Write 09:00-12:30, 13:30-18:00 on a 24-hour clock; 00:00-24:00 is the whole day, 22:00-02:00 passes midnight.",
    ),
    "no-timezone": CheckRule(
        "A flow depends on the time but has no time zone: it uses UTC, and opens and closes at the wrong hours.",
        "Add timezone: America/New_York.",
    ),
    "timezone": CheckRule(
        "There is no such time zone: opening hours cannot be computed.",
        "Write one of the IANA names: timezone: America/New_York, Europe/Berlin.",
    ),
    "timezone-fixed": CheckRule(
        "The zone is an abbreviation or an offset, not a place: its clock may differ from the callers' by an hour or more.",
        "Name the zone of a city: America/New_York for Eastern time; Etc/GMT-5 is UTC+5, not UTC-5.",
    ),
}


# Rules on numbers: claimed numbers, dialed numbers, and caller lists.


NUMBER_RULES: Final[Mapping[str, CheckRule]] = {
    "number-values": CheckRule(
        "A number lacks a value that other numbers have: its callers would hear nothing there, or reach nobody.",
        "Write it for each number, or write variables: {office: +12015550188} for those that have none of their own.",
    ),
    "attestation": CheckRule(
        "call.attestation is empty if Opentact does not send it, as with GET: then the condition is false.",
        'Set POST in Opentact, and handle the empty value: when: call.attestation == "C" or not call.attestation.',
    ),
    "dial": CheckRule(
        "A dial has two different reactions if nobody answers, and only one of them could happen.",
        "Keep one of the two: no_answer: voicemail, or error: with steps.",
    ),
    "dial-doubtful": CheckRule(
        "A number in a dial or text message is premium-rate, satellite, an emergency number, or does not exist.",
        "Write the right number, with its country code: +12015550188.",
    ),
    "dial-own": CheckRule(
        "These flows themselves answer a dialled number: the caller may go in a circle, and each round costs money.",
        "Continue inside a flow with goto: sales, or dial the number of a person.",
    ),
    "dial-policy": CheckRule(
        "dial_policy has an unknown country, type, number or host: it would allow the wrong calls.",
        'Write dial_policy: {regions: [US, CA], types: [mobile], allow: ["+4930*"], sip_hosts: [acme.sip.opentact.org]}.',
    ),
    "dial-policy-closed": CheckRule(
        "A dial target is computed from the call, but dial_policy allows none: callers always go to no_answer.",
        "Allow the countries of the targets: dial_policy: {regions: [US]}.",
    ),
    "dial-policy-spans": CheckRule(
        "The file's own prefix covers several countries, so the country is unclear: computed dial targets are refused.",
        "Allow the countries of the targets: dial_policy: {regions: [US, CA]}.",
    ),
    "dial-policy-wide": CheckRule(
        "A prefix under allow covers several countries, as +1 covers Jamaica: callers could choose expensive numbers.",
        "Write a longer prefix, as +1201*, or list the regions instead.",
    ),
    "dial-target": CheckRule(
        "A dial target is neither a number, nor a SIP address, nor a group of the file: nobody would be called.",
        "Write a number as +12015550188, an address as ann@acme.sip.opentact.org, or the name of a group under groups.",
    ),
    "after-a-message": CheckRule(
        "Most callers hang up when they have left a message: an sms, notify or lookup after the voicemail is not run then.",
        "Put it under ended with when: ended.message, which is done after the call; a lookup goes before the voicemail.",
    ),
    "dial-then-goto": CheckRule(
        "The steps after a dial also run after a conversation: callers who talked to somebody go to voicemail too.",
        "Name its node in the dial: {to: sales, no_answer: voicemail}; if both are meant, write goes_on: true.",
    ),
    "list-awaited": CheckRule(
        "A caller list of over a megabyte was saved while the server runs: until it is read, its flow goes on as it was.",
        "Nothing need be done: a list of a million rows takes some seconds, and all other files are live at once.",
    ),
    "list-empty": CheckRule(
        "A list has no rows: no caller is in it, and callers that it should screen get through.",
        "Put numbers into the file, or remove the list.",
    ),
    "passed-over": CheckRule(
        "The file looks like a flow file, but its name or its folder is not read: its numbers are not answered.",
        "Let its name begin with a letter and end with .yaml, .yml or .py, and put it directly into the folder of flows.",
    ),
    "list-missing": CheckRule(
        "The file of a list does not exist: the list could screen no caller.",
        "Put the file beside the flow file or in a folder below, and name it: lists: {spam: lists/spam.csv}.",
    ),
    "list-row": CheckRule(
        "A row of a list cannot be read and has no effect: its caller gets through.",
        "Write number or prefix*, reason, until: +12015550123, spam, 2026-12-24.",
    ),
    "list-row-country": CheckRule(
        "A number without a plus is read as a number of another country: 2015550123 is in Egypt.",
        "Write the number with plus and country code: +12015550123.",
    ),
    "list-row-twice": CheckRule(
        "A number is in a list twice: only one of the two reasons or dates can apply.",
        "Remove one of the two rows.",
    ),
    "list-stale": CheckRule(
        "All rows of a list have expired: callers that it screened get through now.",
        "Renew the rows, or remove the list.",
    ),
    "list-unreadable": CheckRule(
        "The file of a list cannot be read as CSV: the list could screen no caller.",
        "Save it as CSV in UTF-8; each opening quote needs a closing one.",
    ),
    "no-numbers": CheckRule(
        "A flow claims no number: no call ever reaches it.",
        "Write numbers: +12015550123, a prefix as +1201*, or rest for all numbers that no other file claims.",
    ),
    "number": CheckRule(
        "A number cannot be read: calls and messages to it would not arrive.",
        "Write the number with its country code: +12015550123; under numbers also a prefix as +1201*, or rest.",
    ),
    "number-claimed-twice": CheckRule(
        "Two flows claim the same number: only the first would answer it.",
        "Remove it from one of the two; a longer prefix beside a shorter one is allowed.",
    ),
    "number-country": CheckRule(
        "A number without a plus is read as a number of another country: 2015550123 is in Egypt, and gets no calls.",
        "Write the number with plus and country code: +12015550123.",
    ),
}


# Rules on text messages, and on what is done after calls.


MESSAGE_AND_ENDED_CALL_RULES: Final[Mapping[str, CheckRule]] = {
    "ended": CheckRule(
        "A step under ended needs a call, but these steps run after its end: nobody would hear it.",
        "Use only sms and notify, with a when if needed: ended: [{when: ended.missed, sms: Sorry that we missed you.}].",
    ),
    "ended-node": CheckRule(
        "A condition under ended compares the node in which calls end with a name that no node has: it never holds.",
        "Write the name of a node of this file: - when: ended.node == 'sales'.",
    ),
    "keyword-twice": CheckRule(
        "Two rules on texts have the same keyword, and the first has no when: the second never applies to it.",
        "Use each keyword once, or give the first rule a when: - {keyword: hours, when: hours.office.open, reply: …}.",
    ),
    "message-else": CheckRule(
        "The rules on texts have no last rule for other texts: their senders get no answer, and nobody is notified.",
        "End with a rule without keyword and when: - reply: We call you back; or - ignore: true, if no answer is wanted.",
    ),
    "message-keyword": CheckRule(
        "A keyword is not a single word, or carriers reserve it for ending all messages: the rule would not work.",
        "Write one word, or a list: keyword: [hours, open]; with cancel, end, quit or revoke also list stop.",
    ),
    "message-loop": CheckRule(
        "Texts are forwarded to a number that these flows answer themselves: they would go in a circle.",
        "Forward to the number of a person: forward: +12015550188.",
    ),
    "message-text": CheckRule(
        "A text message is empty, or longer than Opentact allows (918 characters): nobody would get it.",
        "Write a text of 1 to 918 characters: reply: We are open until six.",
    ),
    "message-unreached": CheckRule(
        "A rule on texts comes after a rule that matches every text: it never applies.",
        "Put the rule without keyword and when last.",
    ),
}


# Rules on the route of a call: nodes, steps, prompts, input, and the documents.


CALL_ROUTE_RULES: Final[Mapping[str, CheckRule]] = {
    "after-the-end": CheckRule(
        "A step, or an element of a document, comes after one that ends the call or leads elsewhere: no caller reaches it.",
        "Move it before the goto or hangup, or give the goto or hangup a when: - {when: caller.anonymous, goto: closed}.",
    ),
    "no-translation": CheckRule(
        "A flow has several languages, and a text is not in all of them: callers hear it in another language.",
        "Write it for each language: say: {en: Hello., es: Hola.}; name the language of a text that needs none: lang: en.",
    ),
    "unknown-language": CheckRule(
        "A text or a set is for a language that the file does not name: callers would never hear it.",
        "Name the languages in the file: languages: {en: en-US, es: es-US}.",
    ),
    "language-code": CheckRule(
        "A language tag has a language or a region that ISO does not know, as en-UK: another voice may speak the text.",
        "Write the codes of ISO 639 and ISO 3166: en-GB, ja-JP, zh-CN; callflows check proposes the one that is meant.",
    ),
    "audio-url": CheckRule(
        "The name of a sound does not end in .mp3 or .wav: Opentact plays only these, and callers would hear nothing.",
        "Use an .mp3 or .wav file: play: https://example.com/welcome.mp3.",
    ),
    "calculation": CheckRule(
        "A calculation uses data that may be no number, or divides by data that may be 0: such a call gets the fallback.",
        "Make it a number: customer.calls | int; before a division ask: 60 / customer.calls if customer.calls else 0.",
    ),
    "comparison": CheckRule(
        "A comparison uses an impossible value, its own or a variable's: the branch is never taken, or each call fails.",
        'Compare with a possible value: now.weekday == "mon", now.hour < 9.',
    ),
    "text-as-list": CheckRule(
        "in asks a text whether it has a part: a number that is only begun, or one digit, is found in it as well.",
        'Write a list: caller.number in ["+12015550123", "+12015550124"], or a list under variables:.',
    ),
    "text-as-truth": CheckRule(
        "A condition asks whether a variable is true; its text is true, and reads like a no: nein, inactive, n/a.",
        "Write false, no or off, or compare: variables.emergency == 'nein'.",
    ),
    "constant-condition": CheckRule(
        "A condition always has the same result: every caller goes the same way, or the step never runs.",
        "Test a value that changes: hours.office.open, not hours.office; caller in lists.spam, not lists.spam.",
    ),
    "dialect": CheckRule(
        "The XML dialect of the flow cannot express this: it would fail, or have no effect.",
        "Write it differently, or set dialect: reference (or classic) in the file.",
    ),
    "directory": CheckRule(
        "An entry of the directory has no extension of digits, or a step uses a directory that the file does not have.",
        "Write directory: {401: {to: ann@acme.sip.opentact.org, name: Ann}} beside nodes.",
    ),
    "dial-outcome": CheckRule(
        "A dial has ways for busy or failed, but Opentact tells a document only that nobody answered: the ways are one.",
        "Write one node under no_answer; ended and the events know more when the call has ended.",
    ),
    "digits-empty": CheckRule(
        "The node under any of a menu asks for digits, and a key of the menu is longer: the document cannot name the rest.",
        "Make each key of the menu one digit, or take the digits with collect, which has keys and any, too.",
    ),
    "empty-text": CheckRule(
        "A spoken text is empty: callers hear silence.",
        "Write the text, or remove the step.",
    ),
    "node-as-text": CheckRule(
        "A prompt is the name of a node, nearly one, or written like one, as main-menu: callers hear the word.",
        "Name the node where a way belongs, as otherwise: main-menu, or end a text with a full stop: no_input: Sorry.",
    ),
    "step-as-text": CheckRule(
        "A text is only a step or a duration, as hangup, goto sales or 10s: callers hear it, and nothing is done.",
        "Write a pause as {pause: 10s}, a way on under otherwise, any other step by itself. Words end with a full stop.",
    ),
    "way-not-taken": CheckRule(
        "no_input and no_match lead to other nodes before this way: no caller ever takes it.",
        "Take it out, or write a text under no_input or no_match, after which the caller is asked again.",
    ),
    "ssml": CheckRule(
        "A text has tags of SSML or HTML, or an entity such as `&amp;`, which Opentact does not know: callers hear them.",
        "Take them out, and write `&` for `&amp;`. A pause is a step: pause: 1s. Language and voice are keys of say.",
    ),
    "escape-in-text": CheckRule(
        "A text has a sign such as \\n, which YAML reads in double quotes only: people hear or read the backslash.",
        'Put the text into double quotes: "Line one\\nLine two"; in a spoken text a blank does.',
    ),
    "truth-as-text": CheckRule(
        "A text has a value that is true or false, as a comparison: people hear or read True or False.",
        "Choose words: {% if hours.office.open %}open{% else %}closed{% endif %}, or write {{ hours.office.status }}.",
    ),
    "time-as-text": CheckRule(
        "A text has a time as machines write it: people hear or read 2026-11-24T09:00:00-05:00.",
        "Put it into words: {{ hours.office.next_opening | spoken }}; or take a part, as hours.office.next_opening.time.",
    ),
    "url-as-text": CheckRule(
        "A text that is spoken is nothing but a URL, or the name of a sound: callers hear it letter by letter.",
        "Play it: prompt: [play: welcome.wav]; a sound of another server with play: https://….",
    ),
    "spoken-language": CheckRule(
        "The filter spoken knows English, Spanish, French and German: in another language the time is spoken in English.",
        "Write the time in figures, as {{ hours.office.next_opening.time }}.",
    ),
    "sound-format": CheckRule(
        "A sound is neither WAV nor MP3, is empty, damaged or too big: its text is said instead, or the fallback.",
        "Save it as WAV with 8000 Hz, mono, 16 bits, or as MP3; callflows prompts lists all sounds with their length.",
    ),
    "sound-length": CheckRule(
        "A sound is so short that nobody hears it, or so long that callers hang up.",
        "Record it again, or cut it.",
    ),
    "sound-missing": CheckRule(
        "A sound is not in the folder sounds: callers hear its text instead; without a text, the fallback.",
        "Put the file into sounds/ beside the flow file, and give it a text: play: {sound: welcome.wav, text: Welcome.}.",
    ),
    "sound-name": CheckRule(
        "The name of a sound leads out of the folder sounds, is computed, or ends neither with .wav nor with .mp3.",
        "Write the name of a file in sounds/: play: welcome.wav, or a URL; of several, give each play a when.",
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
        "A node leads back to itself without a question: the caller hears the same for ever; the call costs money.",
        "Ask the caller in between (menu, collect, dial), or leave the circle with a goto.",
    ),
    "fallback-not-static": CheckRule(
        "Callers hear the fallback if everything else fails: it must not depend on the call, a node or another server.",
        "Write a plain text, without braces: fallback: [{say: Please call again later.}].",
    ),
    "key-lengths": CheckRule(
        "Some keys of a menu are longer than others: after a short one, the caller must wait or press a stop key.",
        "Make them equally long, or tell callers in the prompt how to end: press 1 and hash.",
    ),
    "key-shadowed": CheckRule(
        "A key or an extension is the beginning of another, as 1 of 12: the caller waits. Or a stop key is a digit.",
        "Choose keys that do not begin with another key: 1 and 22, not 1 and 12. End numbers with hash or star.",
    ),
    "leading-zeros": CheckRule(
        "The classic dialect sends digits as a number: of a range, 0042 arrives as 42; of four digits, 42# counts as 0042.",
        'Ask for digits that do not begin with zero: match: "[1-9][0-9]*"; or a fixed number, which adds zeros.',
    ),
    "menu": CheckRule(
        "A menu has no usable key, or one key with two meanings: callers could not choose.",
        "Give it keys: {1: sales, 2: support}, and a different stop key.",
    ),
    "no-start": CheckRule(
        "A flow has no node start, but every call begins there.",
        "Name the first node start: nodes: {start: [{say: Hello.}]}.",
    ),
    "no-way-out": CheckRule(
        "The call ends without a word for a caller who presses a key, or nothing, or whom nobody answers.",
        "Add a way out: menu: {…, otherwise: voicemail}, dial: {…, no_answer: voicemail}, steps under its error.",
    ),
    "node-name": CheckRule(
        "The name of a node cannot be part of a URL.",
        "Use letters, digits, - and _: after-hours.",
    ),
    "not-static": CheckRule(
        "The flow cannot be one static document: a part of it differs between calls, or comes from a server.",
        "Serve it from this server; Opentact can store only a flow that is the same for every call.",
    ),
    "prompt-key": CheckRule(
        "A prompt mentions a key that the menu does not have: callers who press it hear that it is invalid.",
        "Add the key, or correct the prompt: keys: {1: sales, 2: support}.",
    ),
    "says-nothing": CheckRule(
        "A call may end without a word: the caller hears silence and does not know why.",
        "Add a say or goto for the case that no condition is true; write hangup as last step if silence is intended.",
    ),
    "silent-loop": CheckRule(
        "A node leads back to itself without a word: the caller hears silence until the call ends.",
        "Add a say or a question in between.",
    ),
    "text-cut": CheckRule(
        "In brackets a comma separates texts, one for each attempt: callers hear half a sentence, or half the choices.",
        'Quote the whole: prompt: "Hello, for sales press 1. For support press 2."; each text of a list names all keys.',
    ),
    "text-may-be-empty": CheckRule(
        "A text is made of values only: if they are missing, nothing is said or sent; a silent call gets the fallback.",
        "Write words beside the value, or words for a missing one: {{ customer.greeting | default('Welcome.') }}.",
    ),
    "ticket-too-big": CheckRule(
        "Values from set, collect and lookup travel in signed URLs; above 2048 bytes, callers get the fallback.",
        "Move fixed values to variables:. The check knows only literal values and the number of digits.",
    ),
    "too-deep": CheckRule(
        "The elements of a document are nested too deeply: Opentact may refuse it, and the caller would hear nothing.",
        "Split the node in two, with a `goto` from one to the other.",
    ),
    "too-long": CheckRule(
        "A document becomes longer than Opentact may accept: the call could fail.",
        "Shorten its texts, or split the node in two.",
    ),
    "too-slow": CheckRule(
        "Reading the file takes so long that it was given up; the other flows, and its last good version, go on.",
        "Make several flows of it, with fewer nodes and names each, and take out what aliases repeat.",
    ),
    "unknown-node": CheckRule(
        "A step leads to an unknown node, of this flow or of another: the call could not continue.",
        "Use a node of this file, or add the node under nodes. In another flow: goto: other-flow/node.",
    ),
    "unknown-step": CheckRule(
        "A step is neither a flow step nor a verb of Opentact: it has no meaning.",
        "Use a known step: goto, menu, collect, voicemail and others, or a verb; callflows verbs lists the verbs.",
    ),
    "unreachable-node": CheckRule(
        "No step leads to a node: no caller ever reaches it.",
        "Lead to it with a goto, a key or no_answer; or remove it.",
    ),
    "verb": CheckRule(
        "A verb has attributes or children that Opentact does not know: Opentact would refuse the document.",
        "Use its allowed attributes and children: callflows verbs NAME shows them.",
    ),
}
CHECK_RULES: Final[Mapping[str, CheckRule]] = dict(
    sorted({**FILE_RULES, **HOURS_RULES, **NUMBER_RULES, **MESSAGE_AND_ENDED_CALL_RULES, **CALL_ROUTE_RULES}.items())
)
"""Every rule of ``callflows check``, in order of names."""


def explain_rule(name: str) -> str:
    """Return the explanation of a rule. Raises LookupError with a suggestion for an unknown name."""
    rule = CHECK_RULES.get(name)
    if rule is None:
        near = format_suggestion(name, [*CHECK_RULES]) or "callflows check --explain all lists them"
        raise LookupError(f"there is no rule {name!r} ({near})")
    return f"{rule.means}\n{rule.fix}"
