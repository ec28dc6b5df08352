"""Short descriptions of steps for pictures and outlines: values as one line of text, and the ways that lead on."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from callflows.flows.source.source_values import KEY_WORDS, TRUE_WORDS
from callflows.text import clean_text

_MAX_TEXT_CHARACTERS: Final = 400
"""Longer texts are cut."""
_EXPRESSION_PATTERN: Final = re.compile(r"\{%.*?%\}|\{\{\s*(.*?)\s*(?:\|.*?)?\}\}", re.DOTALL)
"""Expressions are shown by name. Tags of conditions are left out; the words between the tags stay."""


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
    text = " ".join(
        _EXPRESSION_PATTERN.sub(lambda match: f"\u2039{match[1]}\u203a" if match[1] else "", clean_text(str(value))).split()
    )
    return text if len(text) <= _MAX_TEXT_CHARACTERS else f"{text[:_MAX_TEXT_CHARACTERS].rstrip()}…"


def summarize_list(value: object) -> str:
    """Format a value, or the values of a list, with commas between."""
    shown = ", ".join(map(summarize_value, value if isinstance(value, list) else [value]))
    return shown if len(shown) <= _MAX_TEXT_CHARACTERS else f"{shown[:_MAX_TEXT_CHARACTERS].rstrip(', ')}…"


def quote_text(value: object) -> str:
    """Format a text, or the first text of a list, in quotation marks."""
    first = next(iter(value), "") if isinstance(value, list) else value
    text = summarize_value(first)
    return f"“{text}”" if text else ""


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
