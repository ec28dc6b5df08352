"""What stands in a flow file takes its type from where it stands: keys, times, and every kind of value of the language."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from app.kept import NOTHING
from app.language.values import BOOLEAN, KEY, KEYS, LOOSE, MS, STOP_KEY, TEXT, URL, Several, duration

if TYPE_CHECKING:
    from app.flows.places import Path
    from app.flows.writing import Run
    from app.language.values import Kind

BOOLEANS: Final = {"yes": "true", "on": "true", "no": "false", "off": "false"}
"""Words for a boolean beside its own."""
WORDS_FOR_KEYS: Final = {"star": "*", "hash": "#"}
"""Words for keys that YAML would need quoted."""


def keys_of(value: object) -> object:
    """``star`` and ``hash`` stand for keys that YAML would need quoted."""
    if not isinstance(value, str):
        return value
    key = WORDS_FOR_KEYS.get(value, value)
    if not re.fullmatch("[0-9*#]+", key):
        raise ValueError(f"{value!r} is not a key: 0-9, star and hash are")
    return key


def value_of(kind: Kind, name: str, value: Any, path: Path, run: Run) -> Any:  # noqa: ANN401 - as the kind keeps it
    """An attribute's value from text; None, with an error said, where it is none."""
    if isinstance(value, list) and isinstance(kind, Several) and all(isinstance(part, str) for part in value):
        value = ",".join(value)
    if not isinstance(value, str):
        run.error(path, "shape", f"{name}: must be a text")
        return None
    if kind in (TEXT, LOOSE, URL):
        return run.prose(value, path, url=kind is URL)
    if "{{" in value or "{%" in value:
        run.error(
            path,
            "template",
            f"{name}: only texts and URLs can change from call to call",
            "write the value itself",
        )
        return None
    try:
        if kind in (KEY, STOP_KEY, KEYS):
            value = keys_of(value)
        if kind is MS:
            return duration(value)
        if kind is BOOLEAN:
            value = BOOLEANS.get(value.lower(), value.lower())
        return kind.read(value)
    except ValueError as error:
        run.error(path, "value", f"{name}: {error}")
        return None


_DEEPEST: Final = 20


def plain_value(value: Any, depth: int = 0) -> Any:  # noqa: ANN401 - plain data
    """A value as plain data, which a ticket can carry: texts, numbers, booleans, lists and mappings of them."""
    if value is None or value is NOTHING or depth > _DEEPEST:
        return ""
    if isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, dict):
        return {str(key): plain_value(part, depth + 1) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain_value(part, depth + 1) for part in value]
    return str(value)
