"""Values of Opentact's settings as text for people. Values in the query of a URL may be secrets and are left out."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from callflows.text import replace_unprintable

if TYPE_CHECKING:
    from collections.abc import Mapping


_URL_PATTERN: Final = re.compile(r"(https?://)(?:[^/?#@\s]*@)?([^?#\s]*)(\?[^#\s]*)?.*", re.IGNORECASE | re.DOTALL)
_QUERY_VALUE_PATTERN: Final = re.compile(r"=[^&]*")


def format_setting(value: object) -> str:
    """Return the value of a field for people, and for programs reading a plan."""
    if value is None or value == "":
        return "nothing"
    if isinstance(value, bool):
        return "yes" if value else "no"
    text = replace_unprintable(str(value))
    match = _URL_PATTERN.fullmatch(text)
    return text if match is None else f"{match[1]}{match[2]}{_QUERY_VALUE_PATTERN.sub('=…', match[3] or '')}"


def format_setting_change(before: object, after: object) -> str:
    """Return a change as text: ``nothing → https://calls.example.com/call?token=…``."""
    old, new = format_setting(before), format_setting(after)
    return f"{old} → {new}{' (another secret)' if old == new else ''}"


def format_setting_changes(before: Mapping[str, object], after: Mapping[str, object]) -> list[str]:
    """Return one line for each field of ``after``."""
    return [f"{field}: {format_setting_change(before.get(field), value)}" for field, value in after.items()]
