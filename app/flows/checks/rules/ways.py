"""Rules on the ways that a call may take: nodes and steps, what is asked, what is heard, what documents become."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from app.flows.checks.rules.rule import CheckRule

if TYPE_CHECKING:
    from collections.abc import Mapping

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
