"""Words of other phone systems for what Opentact does not have, each with the way that comes nearest."""

from __future__ import annotations

import re
from typing import Final, NamedTuple


class PlatformLimit(NamedTuple):
    """A feature that Opentact lacks, in a sentence, and the way that comes nearest."""

    message: str
    fix: str


_KEYS_INSTEAD: Final = (
    "ask for keys: menu offers choices, collect takes digits; voicemail: {transcribe: true} writes messages down"
)
_LIMITS: Final = {
    "speech, asr, speech recognition, recognize, recognise, listen, transcribe speech, voice input, say or press, grammar, "
    "hints, speech timeout, nlu, intent, intents": PlatformLimit(
        "Opentact recognizes no speech while a call lasts", _KEYS_INSTEAD
    ),
    "conference, conf, conference room, meeting, meet me, confbridge, room, three way": PlatformLimit(
        "Opentact has no conference: a call connects two parties",
        "dial rings one person or several, and connects the first who answers",
    ),
    "queue, enqueue, call queue, queue call, acd, agents, agent queue, hold queue, callcenter, flex, send to flex, "
    "taskrouter, task router": PlatformLimit(
        "Opentact has no queue, and nobody is told a position in it",
        "ring in rounds with music between: dial: {to: team, rounds: 5, between: {play: music.mp3}, leave: {1: message}}",
    ),
    "whisper, screen, screening, call screen, call screening, announce, callee prompt, callee says, press to accept, "
    "accept, confirm, confirmation, ask callee, agent greeting, press one, press 1, press one to accept, press to connect, "
    "call confirm, require key press": PlatformLimit(
        "Opentact connects whoever answers: they can be told or asked nothing before",
        "write to them before the dial, by sms or notify; a short timeout keeps mailboxes from answering",
    ),
    "pay, payment, payments, card, credit card, charge, stripe": PlatformLimit(
        "Opentact takes no payments, and card numbers must not be collected as digits",
        "send a link to a payment page by sms",
    ),
    "stream, media stream, fork, audio stream, realtime, ai agent, voice ai, llm, bot, dialogflow, lex, "
    "ai, ai assistant, virtual agent, connect virtual agent, gpt, chatgpt, chatbot": PlatformLimit(
        "Opentact streams no audio to other servers", _KEYS_INSTEAD
    ),
    "amd, machine detection, answering machine detection, voicemail detection, detect machine": PlatformLimit(
        "Opentact does not tell a person from a machine that answers",
        "a short timeout keeps mailboxes from answering",
    ),
    "attended transfer, warm transfer, refer, consult, consultation": PlatformLimit(
        "Opentact cannot transfer a conversation that has begun",
        "dial connects the caller; after the conversation answered: leads on",
    ),
    "send digits, senddigits, dial digits, post dial, send dtmf, dtmf out": PlatformLimit(
        "Opentact presses no keys for the caller", "give callers a direct number, or the SIP address of the extension"
    ),
    "pause recording, resume recording, mute recording, recording pause, recording resume": PlatformLimit(
        "Opentact pauses no recording", "record_stop ends it, and a record_start below begins another"
    ),
    "fax, receive fax, send fax": PlatformLimit("Opentact takes no faxes", "give callers the number of a fax service"),
}
_LIMIT_BY_WORD: Final = {word: limit for words, limit in _LIMITS.items() for word in words.split(", ")}


def find_platform_limit(word: str) -> PlatformLimit | None:
    """Return the limit for a word of other phone systems; None if Opentact has no limit of that name."""
    words = re.sub(r"[\s_-]+", " ", re.sub("(?<=[a-z])(?=[A-Z])", " ", word)).strip().casefold()
    return _LIMIT_BY_WORD.get(words)
