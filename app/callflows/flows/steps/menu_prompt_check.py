"""Compares the English prompts of menus and questions with the keys that callers may press."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from callflows.flows.compiler.context import StepContext
    from callflows.flows.source.positions import SourcePath


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
    context: StepContext, path: SourcePath, texts: Mapping[str, Sequence[str]], keys: Iterable[str], stop: str
) -> None:
    """Warn about texts that tell the caller to press a key missing in the menu.

    ``keys`` are the choices of the menu; ``stop`` ends the input.
    """
    known = [*keys]
    for name, said in texts.items():
        for index, text in enumerate(said):
            here = (*path, name, index)
            for key in _find_mentioned_keys(text):
                if key not in (*known, stop):
                    message = f"{name}: it tells the caller to press {key}, which the menu does not have"
                    place = here if here in context.report.positions else (*path, name)
                    context.report.warning(place, "prompt-key", message, f"there are {', '.join(known)}")


def warn_about_stop_in_prompt(
    context: StepContext, path: SourcePath, prompts: Sequence[str], length: int, stop: str
) -> None:
    """Warn about a prompt that asks for the stop key after a fixed number of digits, when the input has ended already."""
    words = {"#": "pound|hash", "*": "star"}.get(stop)
    for index, text in enumerate(prompts if words else ()):
        found = re.search(rf"\b(?:{words})\b", text, re.IGNORECASE)
        if found and not _STOP_NOT_NEEDED.search(text[: found.start()]):
            listed = (*path, "prompt", index)
            place = listed if listed in context.report.positions else (*path, "prompt")
            said = f"the input ends with digit {length}, and the next question gets the key"
            message = f"prompt: it asks for the {found[0]} key, but {said}"
            fix = f"leave the key out of the prompt, or take several lengths, as digits: {max(length - 1, 1)}-{length + 1}"
            context.report.warning(place, "stop-in-prompt", message, fix)


def _find_mentioned_keys(text: str) -> Iterator[str]:
    for found in _PRESS_KEY.finditer(text):
        key = found["key"].lower()
        if not _NEGATION.search(text[: found.start()]):
            yield _DIGIT_WORDS.get(key) or _SIGN_WORDS.get(key) or key
