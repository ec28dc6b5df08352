"""Finds spoken texts that are a step, a node or a duration: callers would hear the word of the flow file."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from callflows.text import find_nearest

if TYPE_CHECKING:
    from callflows.flows.compiler.step_context import StepContext
    from callflows.flows.source.positions import SourcePath
    from callflows.flows.source.prompt_shape import Prompt


MIN_NODE_SIMILARITY: Final = 0.75
"""Minimum similarity to take a word for a misspelt node."""
_WAY_KEYS: Final = ("no_input", "no_match")
"""Keys with a prompt or the name of a node."""
_QUESTION_KEYS: Final = (*_WAY_KEYS, "prompt")
_GOTO: Final = re.compile(
    r"(?:goto|(?P<blank>go to|jump to|jump))(?:\s*+:\s++|\s++)(?P<node>[A-Za-z0-9_-]+)", re.IGNORECASE
)
_DURATION: Final = re.compile(
    r"(?P<number>[0-9]{1,6}(?:\.[0-9]{1,3})?)\s*(?P<unit>ms|milliseconds?|s|secs?|seconds?|m|mins?|minutes?|h)"
)
_PLAIN_DURATION: Final = re.compile(r"[0-9]{1,6}(?:\.[0-9]{1,3})?(?:ms|s)")
"""A duration that nobody says: 5s. *5 minutes* may be the part of a sentence."""
_NUMBER: Final = re.compile(r"[0-9]{1,4}(?:\.[0-9]{1,3})?")
_LONGEST_PAUSE_SECONDS: Final = 99
"""A larger number without a unit means milliseconds."""
_MOST_ATTEMPTS: Final = 10
_REPEAT_WORDS: Final = frozenset({"repeat", "retry", "replay", "again", "reprompt", "loop", "restart", "ask again"})
_END_WORDS: Final = frozenset({"hangup", "hang up", "end", "end call", "exit", "quit", "disconnect", "terminate", "abort"})
_SWITCH_WORDS: Final = frozenset({"yes", "no", "on", "off", "enabled", "disabled", "enable", "disable"})
"""Words that switch something on or off; every text is asked for ``true``, ``false`` and ``none``."""
_STEP_WORDS_LIST: Final = (
    "answer beep callback choose collect continue default dial forward fallback gather goto hold lookup mail menu "
    "next none notify operator opt_out otherwise pause play redirect reject return set sms start stop tone transfer "
    "voicemail wait"
)
_STEP_WORDS: Final = frozenset(_STEP_WORDS_LIST.split())
_DASHED_WORD: Final = re.compile(r"(?=[0-9_-]*[a-z])[a-z0-9]+(?:[_-][a-z0-9]+)+")
_SPOKEN_DASHED_WORDS: Final = frozenset({"bye-bye", "good-bye", "uh-oh", "e-mail", "re-enter"})


def warn_about_words_in_prompt(context: StepContext, key: str, prompt: Prompt, path: SourcePath) -> None:
    """Warn about a prompt under ``key`` that is the word of a flow file. The parts of a list are checked as steps."""
    for variant in prompt.variants.values():
        warn_about_words_in_prompt(context, key, variant, path)
    if not prompt.variants and prompt.text is not None:
        _warn_about_word(context, key, prompt.text.strip(), (*path, *prompt.place))


def warn_about_words_in_say(context: StepContext, text: object, path: SourcePath) -> None:
    """Warn about the text of a say that is a goto, or a duration that is no part of a sentence."""
    if not isinstance(text, str):
        return
    target = _find_goto_target(context, text.strip())
    step = f"goto: {target}" if target else f"pause: {text.strip()}" if _PLAIN_DURATION.fullmatch(text.strip()) else ""
    # The text between two rounds of a dial is reported already, and compiled as a say.
    if step and not context.report.is_reported(path, "step-as-text"):
        message = f"callers hear {text.strip()!r}: a text {'leads nowhere' if target else 'makes no pause'}"
        context.report.warning(path, "step-as-text", message, f"write it as a step of its own: {step}")


def _warn_about_word(context: StepContext, key: str, text: str, path: SourcePath) -> None:
    target = _find_goto_target(context, text)
    word = text.removeprefix("-").strip(" :")
    word = word.lower() if word.lower() in _END_WORDS else word
    if target:
        message = f"{key}: callers hear {text!r}: a text leads nowhere"
        context.report.warning(path, "step-as-text", message, _suggest_way(key, target))
    elif word in _REPEAT_WORDS | _END_WORDS | _STEP_WORDS and not context.flow.is_node(text):
        message = f"{key}: {text!r} is a text here, and callers hear the word"
        context.report.warning(path, "step-as-text", message, _suggest_for_word(key, word))
    elif text.lower() in _SWITCH_WORDS and not context.flow.is_node(text):
        message = f"{key}: callers hear the word {text}: a text is no switch"
        context.report.warning(path, "truth-as-text", message, "write the words that they hear, or take it out")
    elif context.flow.is_node(text):
        message = f"{key}: {text!r} is a text here, and callers hear the name of the node"
        context.report.warning(path, "node-as-text", message, _suggest_way(key, text))
    elif _DASHED_WORD.fullmatch(text) and text not in _SPOKEN_DASHED_WORDS:
        # A word that is nearly a node is reported by the question itself.
        if key not in _WAY_KEYS or not find_nearest(text, context.flow.flow_file.nodes, MIN_NODE_SIMILARITY):
            message = f"{key}: {text!r} is no node, and callers hear the word"
            context.report.warning(path, "node-as-text", message, _suggest_way(key, "NODE"))
    else:
        _warn_about_duration(context, key, text, path)


def _warn_about_duration(context: StepContext, key: str, text: str, path: SourcePath) -> None:
    """Warn about a prompt that is a duration, or a number that is no words for anybody."""
    found = _DURATION.fullmatch(text.removesuffix("."))
    length = ""
    if found:
        unit = found["unit"]
        length = f"{found['number']}{'ms' if unit.startswith(('ms', 'milli')) else unit[0]}"
    elif _NUMBER.fullmatch(text):
        length = f"{text}s" if float(text) <= _LONGEST_PAUSE_SECONDS else f"{text}ms"
    if not length:
        return
    fix = f"did you mean {key}: {{pause: {length}}}?"
    if key == "prompt":
        fix = "write the question; a pause is a part of it: prompt: [say: …, pause: 1s]"
    elif key in _WAY_KEYS and not found and text.isdecimal() and 0 < int(text) <= _MOST_ATTEMPTS:
        fix = f"write the words; how often callers are asked is attempts: {text}"
    elif key == "no_input" and context.flow.dialect == "classic":
        fix = f"{fix} How long to wait for a key is timeout: {length}"
    message = f"{key}: callers hear {text!r}: a text makes no pause"
    context.report.warning(path, "step-as-text", message, fix)


def _find_goto_target(context: StepContext, text: str) -> str:
    """Return the node of a text such as ``goto a``. *Go to sales* is one only if there is such a node."""
    found = _GOTO.fullmatch(text)
    return found["node"] if found and (not found["blank"] or context.flow.is_node(found["node"])) else ""


def _suggest_for_word(key: str, word: str) -> str:
    """Return the fix for the word of a step under a key of prompts."""
    if key not in _QUESTION_KEYS:
        return f"write what is to be said; a step stands by itself: - {word}"
    if word in _REPEAT_WORDS:
        return f"take it out: callers are asked again by themselves, as often as attempts says; {key} is what they hear"
    return _suggest_way(key, "NODE")


def _suggest_way(key: str, node: str) -> str:
    """Return the fix for a way under a key of prompts."""
    if key in _WAY_KEYS:
        return f"name a node alone, as {key}: {node}; the way on after the last attempt is otherwise: {node}"
    if key == "prompt":
        return f"write the question; the way on after the last attempt is otherwise: {node}"
    return f"write what is to be said; the way on is a step of its own: goto: {node}"
