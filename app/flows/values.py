"""What stands in a flow file takes its type from where it stands: keys, times, and every kind of value of the language."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from app.kept import MISSING
from app.language.values import (
    BOOLEAN_KIND,
    KEY_KIND,
    KEYS_KIND,
    LOOSE_KIND,
    MILLISECONDS_KIND,
    STOP_KEY_KIND,
    TEXT_KIND,
    URL_KIND,
    ListKind,
    parse_duration,
)

if TYPE_CHECKING:
    from app.flows.places import SourcePath
    from app.flows.writing import NodeCompiler
    from app.language.values import ValueKind

BOOLEAN_WORDS: Final = {"yes": "true", "on": "true", "no": "false", "off": "false"}
"""Words for a boolean beside its own."""
KEY_WORDS: Final = {"star": "*", "hash": "#"}
"""Words for keys that YAML would need quoted."""


def parse_dtmf_keys(value: object) -> object:
    """``star`` and ``hash`` stand for keys that YAML would need quoted."""
    if not isinstance(value, str):
        return value
    key = KEY_WORDS.get(value, value)
    if not re.fullmatch("[0-9*#]+", key):
        raise ValueError(f"{value!r} is not a key: 0-9, star and hash are")
    return key


def read_attribute_value(kind: ValueKind, name: str, value: Any, path: SourcePath, compiler: NodeCompiler) -> Any:  # noqa: ANN401 - as the kind keeps it
    """An attribute's value from text; None, with an error said, where it is none."""
    if isinstance(value, list) and isinstance(kind, ListKind) and all(isinstance(part, str) for part in value):
        value = ",".join(value)
    if not isinstance(value, str):
        compiler.error(path, "shape", f"{name}: must be a text")
        return None
    if kind in (TEXT_KIND, LOOSE_KIND, URL_KIND):
        return compiler.compile_complete_text(value, path, url=kind is URL_KIND)
    if "{{" in value or "{%" in value:
        compiler.error(
            path,
            "template",
            f"{name}: only texts and URLs can change from call to call",
            "write the value itself",
        )
        return None
    try:
        if kind in (KEY_KIND, STOP_KEY_KIND, KEYS_KIND):
            value = parse_dtmf_keys(value)
        if kind is MILLISECONDS_KIND:
            return parse_duration(value)
        if kind is BOOLEAN_KIND:
            value = BOOLEAN_WORDS.get(value.lower(), value.lower())
        return kind.parse_text(value)
    except ValueError as error:
        compiler.error(path, "value", f"{name}: {error}")
        return None


_MAX_DATA_DEPTH: Final = 20


def to_plain_data(value: Any, depth: int = 0) -> Any:  # noqa: ANN401 - plain data
    """A value as plain data, which a ticket can carry: texts, numbers, booleans, lists and mappings of them."""
    if value is None or value is MISSING or depth > _MAX_DATA_DEPTH:
        return ""
    if isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, dict):
        return {str(key): to_plain_data(part, depth + 1) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_plain_data(part, depth + 1) for part in value]
    return str(value)
