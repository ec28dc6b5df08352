"""Tells in words which values the braces of a text are filled with, for people who change the text around them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from callflows.errors import ValueEditError
from callflows.flows.authoring.value_edits import read_file_data
from callflows.flows.expressions.text_filters import CONTEXT_FILTERS
from callflows.telephony.turn import MISSING
from callflows.web.console.hours_preview import build_preview_turn

if TYPE_CHECKING:
    from datetime import datetime

    from callflows.flows.flow import Flow


class FilledValue(NamedTuple):
    """A part of a text in braces as it is ``written``, the ``words`` for its value, and an ``example``, if one is known."""

    written: str
    words: str
    example: str = ""


_EXPRESSION: Final = re.compile(r"\{\{-?((?:(?!-?\}\}).)*+)(?:-?\}\}|\Z)", re.DOTALL)
_CONDITION: Final = re.compile(r"\{%-?\s*if\s.*?(?:%\}|\Z)", re.DOTALL)
_HOURS_VALUE: Final = re.compile(r"hours\.(\w+)\.(next_opening|next_closing|status)")
_HOURS_WORDS: Final = {
    "next_opening": "when {} opens next",
    "next_closing": "when {} closes next",
    "status": "whether {} is open",
}
_CALL_WORDS: Final = {
    "call": "something about the call",
    "caller.calls_today": "how often the caller has rung today",
    "caller.name": "the caller's name",
    "caller.national": "the caller's number",
    "caller.number": "the caller's number",
    "caller.region": "the country of the caller's number",
    "caller.state": "the state of the caller's number",
    "digits": "the keys that the caller pressed last",
    "language": "the language of the call",
    "now": "the time of the call",
    "number": "the number that was called",
}
"""Words by the name of a value, or by the beginning of the name."""


def explain_filled_values(text: str, source: str, flow: Flow | None, moment: datetime) -> list[FilledValue]:
    """Explain each part of a text in braces once. ``source`` is the file; ``flow`` is the live one, for examples."""
    explained: dict[str, FilledValue] = {}
    for match in _EXPRESSION.finditer(text):
        name, *filters = (part.strip() for part in match[1].split("|"))
        example = _find_example(name, filters, source, flow, moment)
        explained.setdefault(match[0], FilledValue(match[0], _describe_value(name), example))
    for match in _CONDITION.finditer(text):
        words = "said only in some calls: what stands from here to the next {% … %}"
        explained.setdefault(match[0], FilledValue(match[0], words))
    return [*explained.values()]


def _describe_value(name: str) -> str:
    hours = _HOURS_VALUE.fullmatch(name)
    if hours is not None:
        return _HOURS_WORDS[hours[2]].format(hours[1])
    root, _, rest = name.partition(".")
    if root == "variables" and rest:
        return f"the text {rest} of the file"
    return _CALL_WORDS.get(name) or _CALL_WORDS.get(root) or "something that is known in the call"


def _find_example(name: str, filters: list[str], source: str, flow: Flow | None, moment: datetime) -> str:
    """Return what a caller would hear now; empty for a value that is another one in each call."""
    hours = _HOURS_VALUE.fullmatch(name)
    if hours is None or filters != ["spoken"] or flow is None or hours[1] not in flow.hours_names or flow.problems:
        return ""
    turn = build_preview_turn(flow, moment)
    value = getattr(turn.hours[hours[1]], hours[2])
    return "" if value is MISSING else CONTEXT_FILTERS["spoken"](value, turn.now, _read_language(source))


def _read_language(source: str) -> str:
    try:
        voice = read_file_data(source).get("voice")
    except ValueEditError:
        return ""
    return str(voice.get("lang", "")) if isinstance(voice, dict) else ""
