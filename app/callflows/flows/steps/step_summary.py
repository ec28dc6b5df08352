"""Short descriptions of steps for pictures and outlines: values as one line of text, and the ways that lead on."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from callflows.flows.source.prompt_shape import is_language_mapping
from callflows.flows.source.source_values import KEY_WORDS
from callflows.telephony.truth_words import TRUE_WORDS
from callflows.text import clean_text

_MAX_TEXT_CHARACTERS: Final = 400
"""Longer texts are cut."""
_EXPRESSION_PATTERN: Final = re.compile(r"\{%.*?(?:%\}|\Z)|\{\{(.*?)(?:\}\}|\Z)", re.DOTALL)
"""Expressions are shown by name. Tags of conditions are left out; the words between the tags stay."""


def _name_expression(expression: re.Match[str]) -> str:
    """Return the expression in angle quotes, without its filters; "" for a tag of a condition."""
    name = (expression[1] or "").partition("|")[0].strip()
    return f"\u2039{name}\u203a" if name else ""


class StepWay(NamedTuple):
    """A way from a step: to ``target_node``, or to steps inside the step. Both are values of the file, perhaps faulty."""

    label: str
    """The key, the condition or the event that leads this way; empty if the way is always taken."""
    target_node: object = None
    steps: object = None
    text: str = ""
    """The text of the way's own line, if it is not the label."""
    may_be_text: bool = False
    """True if ``target_node`` is a node or a text: a way only if the file has such a node."""


def summarize_value(value: object) -> str:
    """Format a value as one line of text; lists and mappings give an empty text."""
    if value is None or isinstance(value, (dict, list)):
        return ""
    text = " ".join(_EXPRESSION_PATTERN.sub(_name_expression, clean_text(str(value))).split())
    return text if len(text) <= _MAX_TEXT_CHARACTERS else f"{text[:_MAX_TEXT_CHARACTERS].rstrip()}…"


def summarize_list(value: object) -> str:
    """Format a value, or the values of a list, with commas between."""
    shown = ", ".join(map(summarize_value, value if isinstance(value, list) else [value]))
    return shown if len(shown) <= _MAX_TEXT_CHARACTERS else f"{shown[:_MAX_TEXT_CHARACTERS].rstrip(', ')}…"


def quote_text(value: object) -> str:
    """Format a text in quotation marks; of a list or a mapping by language, the first text or prompt."""
    if is_language_mapping(value):
        return quote_text(next(iter(value.values())))
    first = next(iter(value), "") if isinstance(value, list) else value
    if isinstance(first, dict) and not is_language_mapping(first) and isinstance(value, list):
        first = value
    return " ".join(filter(None, map(_quote_part, first if isinstance(first, list) else [first])))


def _quote_part(part: object) -> str:
    """Format a text in quotation marks, or a part of a prompt: a text, or the name of a sound."""
    if is_language_mapping(part):
        return quote_text(part)
    if isinstance(part, dict):
        return _quote_sound(part.get("play")) or quote_text(_text_of_say(part.get("say")))
    text = summarize_value(part)
    return f"“{text}”" if text else ""


def _quote_sound(value: object) -> str:
    """Format what a play step plays; an empty text if it is nothing."""
    if is_language_mapping(value):
        return _quote_sound(next(iter(value.values())))
    played = value.get("sound", value.get("url")) if isinstance(value, dict) else value
    return f"play {summarize_value(played)}" if played else ""


def _text_of_say(value: object) -> object:
    return value.get("text", value) if isinstance(value, dict) else value


def summarize_host(url: object) -> str:
    """Return the host of a URL. Paths and queries are left out because they often contain secrets."""
    match = re.match(r"[a-z]+://([^/?#]+)", summarize_value(url), re.IGNORECASE)
    return match[1] if match else summarize_value(url)


def summarize_key(key: object) -> str:
    """Format a key of the phone, written as a word or as itself."""
    return KEY_WORDS.get(str(key), str(key))


def is_true_text(value: object) -> bool:
    """Return True if a value of a file means true."""
    return summarize_value(value).lower() in TRUE_WORDS
