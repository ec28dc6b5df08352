"""Finds elements of a document or a template that no call reaches, because the element before them ends the call."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from callflows.errors import Problem
from callflows.language.verbs import DTMF, Default, Error, Hangup, Meta, Reject, To

if TYPE_CHECKING:
    from collections.abc import Iterator


_ENDING_NAMES: Final = "|".join(element.spec.name for element in (Hangup, Reject))
_PART_NAMES: Final = frozenset(element.spec.name for element in (DTMF, Default, Error, Meta, To))
"""Elements that are no commands: what stands before them does not end them."""
_ELEMENT_AFTER_END: Final = re.compile(
    rf"""<!--.*?(?:-->|\Z)|<!\[CDATA\[.*?(?:\]\]>|\Z)
    |<(?P<ending>{_ENDING_NAMES})(?=[\s/>])(?:[^<>"']|"[^"<]*"|'[^'<]*')*?(?:/>|>\s*+</(?P=ending)\s*+>)
    (?:\s|<!--.*?(?:-->|\Z))*+
    <(?P<next>[A-Za-z]+)""",
    re.VERBOSE | re.DOTALL,
)


def find_unreached_elements(text: str, file: str, place: tuple[int, int]) -> Iterator[Problem]:
    """Yield a warning for each element right after a Hangup or a Reject. ``place`` is that of the text in the file."""
    for found in _ELEMENT_AFTER_END.finditer(text):
        if not found["next"] or found["next"] in _PART_NAMES:
            continue
        begin = found.start("next") - 1
        line = text.count("\n", 0, begin)
        column = begin - text.rfind("\n", 0, begin) if line else place[1] + begin
        message = f"no call ever comes to this <{found['next']}>: the <{found['ending']}/> before it ends the call"
        yield Problem(
            file, place[0] + line, column, "warning", "after-the-end", message, "put it before that, or take it out"
        )
