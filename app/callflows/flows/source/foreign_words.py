"""Words of other phone systems, of programs and of everyday speech for the steps and keys of flow files."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from callflows.text import Suggestion

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping


_WORDS_BY_MEANING: Final[Mapping[tuple[str, ...], str]] = {
    # steps
    ("dial",): "transfer, connect, forward, ring, phone, bridge, hunt, hunt group, ring group, route, number, "
    "agent, operator, staff, team, people, reception, desk, callee, extension, sip, blind transfer, call forward, "
    "forward to, transfer to, send to, transfer call, forwarding, handoff, hand off, escalate, tel, reroute, divert, "
    "put through, put to, call someone, direct, extension number, ext, receptionist, round robin, roundrobin, "
    "simulring, huntgroup, ringgroup, hunting, ring all, failover, intercom, page, paging, call number, phone call, "
    "directory, directory search, dial by name, name directory, exten, user, client, transfer caller, connect call, "
    "make call, outbound call, connect call to, dial user, dial client, endpoint, "
    "deflect, sip transfer",
    ("mail", "notify"): "email, e mail, send email, send mail, mail to, mailto, notification mail, e mail message",
    ("when", "choose"): "if, else, elif, else if, switch, case, condition, branch, decide, unless, match, elsif, select, "
    "day night, night, time, time check, check hours, check time, split, split based on, split by, evaluate, gotoiftime, "
    "goto if time, check, router, time of day, if time",
    ("pause",): "wait, sleep, delay, silence, wait for, wait exten, timer, timeout, delay seconds",
    ("sms",): "text, text message, message, send sms, send text, mms, reply, texting, send message, send a "
    "message, send reply, send a text, sms message, text caller",
    ("notify",): "webhook, hook, post, http, http post, callback url, send webhook, alert, event, slack, teams, discord, "
    "mattermost, chat, whatsapp, notification, notifications, push, push notification, pager, log, event log, "
    "telegram, zapier, zap, curl post",
    ("lookup",): "fetch, api, get, http get, request, query, webservice, crm, dip, lookup url, api call, api request, "
    "http request, http call, rest, call api, fetch url, db, database, sql, ajax, data dip, json, rest call, "
    "webservice call, verify, auth, login, authenticate, function, run function, lambda, run lambda, cloud function, "
    "call function, invoke",
    ("goto",): "go, go to, jump, jump to, next, continue, then, node, redirect to, back, repeat, loop, for, while, retry, "
    "return, goto if, else, otherwise, default, goto node, goto label, gotonode, go to node, subflow, sub flow, run, "
    "run flow, call node, gotoif, label, gosub, execute, exec, module, include flow, fallback to",
    ("hangup",): "end, end call, hang up, stop, bye, goodbye, exit, quit, finish, terminate, disconnect, drop, "
    "close, done, hangup call, end of call, stop call, close call, abort, busy, block, decline, refuse, blocked, "
    "block caller, deny, congestion, hang, cut, release",
    ("menu",): "ivr, options, option, press, keypress, auto attendant, attendant, keys, choices, ivr menu, question, "
    "choose option, multiple choice, survey, key press, dtmf menu",
    ("collect",): "ask, input, enter, digits, get digits, prompt, read, pin, getdigits, gather digits, collect digits, "
    "keypad, dtmf, password, passcode, read digits, ask digits, otp, enter digits, input digits, get input",
    ("say",): "speak, tell, announce, tts, greeting, greet, announcement, text to speech, talk, voice, print, echo, "
    "output, say text, speak text, say message, read out, read text, sentence, hear, hears, said",
    ("play",): "audio, sound, music, music on hold, moh, hold music, mp3, wav, play audio, playback, play file, "
    "media, recording, background, play sound, play music, play mp3, play recording, jingle",
    ("tone",): "beep, signal, ringback",
    ("hold",): "park, park call, put on hold, on hold",
    ("unhold",): "resume, unpark, off hold, retrieve",
    ("record_start",): "start recording, begin recording, recording start, start record, record call, record calls, call "
    "recording, enable recording, start call recording",
    ("record_stop",): "stop call recording, stop recording, end recording, recording stop, stop record, disable recording, "
    "finish recording",
    ("voicemail",): "vm, mailbox, leave message, take message, record message, answering machine, answer machine, "
    "answerphone, voice mail, leave a message, voicemail box",
    ("set",): "variable, var, let, assign, set variable, store, save, define, remember, def, tag call, keep, assign "
    "variable, const, setvar, set var",
    ("reject",): "busy, block, decline, refuse, blocked, block caller, deny, congestion",
    ("answer",): "pickup, pick up, accept, answer call",
    ("opt_out",): "unsubscribe, dnc, do not call, optout, remove me, stop list",
    # keys of the file
    ("hours",): "hour, business hour, opening hour, opening time, office hour, time condition, timecondition, "
    "schedule, holiday, closed, open, calendar, calendars, after hours, lunch, lunch break, open hours, public "
    "holidays, date",
    ("lists",): "blacklist, whitelist, blocklist, allowlist, block list, allow list, spam, screening, allow, deny",
    ("groups",): "hunt group, ring group, team, queue, agent, contacts, contact, people, staff, targets, person",
    ("variables",): "variable, var, vars, constant, settings, env, config, configuration, globals, parameters",
    ("languages",): "language, translation, locale",
    ("ended",): "missed, missed call, text back, after call, call ended, on hangup, after, hangup, finally, on end",
    ("messages",): "inbound sms, incoming message, sms, text, autoreply, auto reply, inbox, texting, incoming text, "
    "incoming sms, replies, auto replies, sms replies, text replies, keywords",
    ("fallback",): "on error, error handler, error, default, failure, on failure, emergency",
    ("numbers",): "number, did, phone number, phone, tel",
    ("receives",): "param, parameter, input, argument, arg, accept, expect, take, from other flow",
    ("directory",): "user, extension, phone book, phonebook, address book",
    ("timezone",): "tz, zone",
    ("voice",): "tts, speaker",
    ("nodes",): "step, flow, state, widget, callflow, scenario steps, states, dialplan",
    ("tests",): "scenario, testcase, test case, examples, example, spec",
    # keys of steps
    ("to",): "number, target, who, recipient, destination, group, member, phone, agent, dest, destinations, receiver, "
    "call, dial",
    ("from",): "caller id, callerid, sender, caller, calling",
    ("text",): "body, content, say, message, msg, html, template, content text",
    ("payload",): "data, body, json, content, field, fields",
    ("body",): "data, payload, json, content",
    ("url",): "uri, address, endpoint, webhook, href, link, to",
    ("into",): "save, save as, as, name, variable, var, store, result, output",
    ("prompt",): "say, text, question, message, greeting, intro, play",
    ("greeting",): "prompt, say, text, message, intro, play",
    ("keys",): "option, choice, dtmf, branch, branches, case, input, digits, star, hash, pound, mapping, menu",
    ("attempts",): "retry, retries, try, tries, max attempts, max tries, repeat, loop, max retries, number of tries",
    ("no_input",): "silence, noinput, on silence, no key, on timeout, empty, timeout prompt, timeout message, no "
    "input prompt, no input message, silence prompt, noinput prompt, timeout text, timeout say, timeout node",
    ("no_match",): "invalid, nomatch, wrong, wrong key, error, on invalid, unknown, invalid prompt, invalid "
    "message, invalid input, invalid key, no match prompt, no match message, error prompt, error message, wrong "
    "prompt, wrong input, nomatch prompt, invalid text, invalid say",
    ("no_answer",): "otherwise, unanswered, fallback, else, failover, on timeout, on no answer, voicemail, on unanswered",
    ("otherwise",): "no answer, default, else, fallback, on fail, on error, fail, error, no match node, else goto, "
    "failure, failed",
    ("digits",): "length, num digits, numdigits, max digits, count, min, max, min digits",
    ("stop",): "finish on key, finishonkey, terminator, end key, finish key, submit, finish, stop on, end on, hash key",
    ("timeout",): "wait, seconds, ring time, ring timeout, ring for, duration, delay, ringtime, ring seconds, max ring "
    "time",
    ("max",): "length, max length, maxlength, limit, max duration, duration, timeout, seconds",
    ("subject",): "title",
    ("rounds",): "attempts, retries, retry, tries, times, repeat, loop",
    ("ring",): "strategy, order, mode, method, sequential, simultaneous, how",
    ("between",): "music, hold music, moh, audio",
    ("answered",): "success, on answer, on answered, after call, ok, connected",
    ("match",): "regex, regexp, pattern, validate, validation, format",
    ("transcribe",): "transcript, asr, speech to text, stt",
    ("attach",): "file, files, attachments",
    ("sound",): "file, path, filename, audio, src",
    ("regions",): "country, countries, region",
    ("gender",): "sex, voice, voice name, voice gender",
    ("loop",): "repeat, times, count, loops, repeats",
    ("dtmf_length",): "num digits, numdigits, digits, max digits",
    ("dtmf_stop",): "finish on key, finishonkey, stop, terminator, end key, finish key",
    ("keyword",): "match, word, contains, trigger, keywords, pattern, if",
    ("reply",): "answer, text, say, message, response, respond, sms, body",
    ("headers",): "auth, token, authorization, header",
    ("secret",): "hidden, masked, private, sensitive, mask",
}
"""Own words with the other words for them. A word may have several meanings, of which the place tells the right one."""


_STEP_HINTS: Final[Mapping[str, str]] = {
    "callerid, caller id, set caller id, set callerid, ani, clid": "the number of the caller is a value, as when: "
    'caller.number == "+12015550123"; no step changes what people who are rung see',
    "noop, no op, nop, verbose, comment, note, remark, description, todo": "write a comment: # …",
    "action, actions, steps, do, commands, sequence, block steps, body": "each step stands by itself, as - say: Hello",
    "no answer, noanswer, unanswered": "it is a key of dial: no_answer: NODE",
    "set language, select language": "write set: {language: es}; languages: of the file names them",
    "ringing, ring tone, early media, progress, proceeding": "take it out: a dial lets the caller hear the ringing tone",
    "start, begin, init, entry, trigger, incoming call": "a call begins at the node start, under nodes",
}
"""What to do instead of steps of other systems that are none here, by the words for them."""
_HINT_BY_STEP: Final = {word: hint for words, hint in _STEP_HINTS.items() for word in words.split(", ")}
_KEY_HINTS: Final[Mapping[str, Mapping[str, str]]] = {
    "voicemail": {
        "beep, play beep, tone": "take it out: a tone is heard before each message",
        "mailbox, box, mailbox number": "take it out: messages are reported by mail: or notify:",
        "to, email, e mail, recipient, recipients, send to, deliver to, mail to, mailto, address": Suggestion("mail"),
    },
    "dial": {
        "action": "name the node to go on at, as answered: NODE",
        "ring tone": "take it out: callers hear the ringing tone until somebody answers",
        "answer on bridge, early media, ringback": "take it out: callers hear the ringing tone until somebody answers",
        "password, passcode, pin, code": "take it out: collect asks for a code before the dial",
        "delay, pause": "a pause before it is a step of its own: pause: 2s",
        "time limit, timelimit, max duration, max call duration, call limit, call duration, max length, limit": (
            "take it out: no key limits a conversation; timeout is how long to ring"
        ),
        "caller id, callerid, from, caller": "take it out: no key changes the number that people who are rung see",
    },
    "menu": {
        "num digits, numdigits, digits, max digits": "take it out: the longest key says how many digits are awaited",
        "action": "name a node for each key, as keys: {1: NODE}",
    },
    "collect": {
        "action": "the next step is taken with the digits; otherwise: NODE is the way without them",
        "confirm, confirmation, accept, repeat digits, read back": "say the digits, and ask with a menu after it: say: You "
        "entered {{ digits }}.",
    },
    "file": {
        "record, recording, recordings, record calls, record call": "recording is a step, record_start, or a key of dial: "
        "{record: true}",
    },
}
"""What to do instead of keys that a step does not have, by step and by the words for them; *file* is the file itself."""
_HINT_BY_KEY: Final = {
    step: {word: hint for words, hint in hints.items() for word in words.split(", ")} for step, hints in _KEY_HINTS.items()
}


def suggest_instead_of_step(word: str) -> str:
    """Return what to do instead of a step of other systems, else an empty text."""
    return _HINT_BY_STEP.get(_fold_word(word), "")


def suggest_instead_of_key(step: str, word: str) -> str:
    """Return what to do instead of a key that a step does not have, else an empty text. ``file`` is the file itself."""
    return _HINT_BY_KEY.get(step, {}).get(_fold_word(word), "")


def _fold_word(word: str) -> str:
    return re.sub(r"[\s_-]+", " ", re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", word)).strip().casefold()


def _index_words() -> dict[str, list[str]]:
    meanings: dict[str, list[str]] = {}
    for own_words, words in _WORDS_BY_MEANING.items():
        for word in words.split(", "):
            meanings.setdefault(word, []).extend(own_words)
    return meanings


_MEANINGS_BY_WORD: Final = _index_words()


def is_word_for_condition(word: str) -> bool:
    """Return True for ``when`` and for words such as ``if`` that people write for it."""
    return word == "when" or "when" in _MEANINGS_BY_WORD.get(_fold_word(word), ())


def suggest_condition(step: str) -> str:
    """Return the fix for a condition among the keys of a step: it belongs to the step as a whole."""
    return f"a condition stands beside the step, in a line of its own: - when: … and below, as far to the right, {step}: …"


def suggest_own_word(word: str, known: Collection[str]) -> str:
    """Return ``did you mean 'dial'?`` for another word for steps or keys among ``known``, else an empty text."""
    folded = _fold_word(word)
    own_words: list[str] = []
    for one in (folded, folded.removesuffix("s")):
        own_words = own_words or [*dict.fromkeys(own for own in _MEANINGS_BY_WORD.get(one, ()) if own in known)]
    if len(own_words) == 1:
        return Suggestion(own_words[0])
    return f"did you mean {' or '.join(map(repr, own_words))}?" if own_words else ""
