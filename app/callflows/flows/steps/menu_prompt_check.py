"""Compares the English prompts of menus and questions with the keys that callers may press."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from callflows.flows.compiler.step_context import StepContext
    from callflows.flows.source.prompt_shape import SpokenPart


_DIGIT_WORDS: Final = dict(
    zip(("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"), "0123456789", strict=True)
)
_SIGN_WORDS: Final = {"star": "*", "hash": "#", "pound": "#"}
_PRESS_KEY: Final = re.compile(
    rf"\bpress(?:ing)?\s+(?:the\s+)?(?P<key>[0-9]+|{'|'.join((*_DIGIT_WORDS, *_SIGN_WORDS))})\b"
    r"(?!\s*(?:keys|digits|times|seconds))",
    re.IGNORECASE,
)
_STOP_NOT_NEEDED: Final = re.compile(r"(?:\bnot\b|n't|\bnever\b|\bwithout\b|\bno\b)[^.!?]*$", re.IGNORECASE)
_NEGATION: Final = re.compile(r"\b(?:not|n't|never)\s+$", re.IGNORECASE)


def check_menu_prompts(
    context: StepContext, parts_by_key: Mapping[str, Sequence[SpokenPart]], lang: str, keys: Iterable[str], stop: str
) -> None:
    """Warn about English texts that tell the caller to press a key missing in the menu.

    ``keys`` are the choices of the menu; ``stop`` ends the input. ``lang`` is the language of texts that name none.
    """
    known = [*keys]
    for name, parts in parts_by_key.items():
        for part in parts:
            is_english = (part.lang or lang).lower().startswith("en")
            for key in _find_mentioned_keys(part.text) if is_english else ():
                if key not in (*known, stop):
                    message = f"{name}: it tells the caller to press {key}, which the menu does not have"
                    context.report.warning(part.path, "prompt-key", message, f"there are {', '.join(known)}")


def warn_about_stop_in_prompt(context: StepContext, parts: Iterable[SpokenPart], length: int, stop: str) -> None:
    """Warn about a prompt that asks for the stop key after a fixed number of digits, when the input has ended already."""
    words = {"#": "pound|hash", "*": "star"}.get(stop)
    for text, place, _lang in parts if words else ():
        found = re.search(rf"\b(?:{words})\b", text, re.IGNORECASE)
        if found and not _STOP_NOT_NEEDED.search(text[: found.start()]):
            said = f"the input ends with digit {length}, and the next question gets the key"
            message = f"prompt: it asks for the {found[0]} key, but {said}"
            fix = f"leave the key out of the prompt, or take several lengths, as digits: {max(length - 1, 1)}-{length + 1}"
            context.report.warning(place, "stop-in-prompt", message, fix)


def _find_mentioned_keys(text: str) -> Iterator[str]:
    for found in _PRESS_KEY.finditer(text):
        key = found["key"].lower()
        if not _NEGATION.search(text[: found.start()]):
            yield _DIGIT_WORDS.get(key) or _SIGN_WORDS.get(key) or key
