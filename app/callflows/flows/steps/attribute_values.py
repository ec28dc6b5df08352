"""Reads attribute values of verbs, and the voice of spoken texts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from callflows.flows.source.source_values import BOOLEAN_WORDS, parse_dtmf_keys
from callflows.language.value_kinds import (
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
from callflows.language.verbs import Say
from callflows.text import format_suggestion

if TYPE_CHECKING:
    from collections.abc import Mapping

    from callflows.flows.compiler.node_compiler import NodeCompiler
    from callflows.flows.source.positions import ProblemReport, SourcePath
    from callflows.language.value_kinds import ValueKind


VOICE_ATTRIBUTES: Final = tuple(name for name in Say.spec.attributes if name not in ("text", "loop", "tag"))
"""Attributes of a Say for which a file may set defaults."""


def read_voice_attributes(attributes: Mapping[str, str], path: SourcePath, report: ProblemReport) -> dict[str, str]:
    """Read the attributes of a Say (except the text) under ``voice``. Reports and drops invalid attributes."""
    voice = {}
    for name, value in attributes.items():
        here = (*path, name)
        if name not in VOICE_ATTRIBUTES:
            near = format_suggestion(name, VOICE_ATTRIBUTES) or f"there are {', '.join(VOICE_ATTRIBUTES)}"
            report.error(here, "unknown-key", f"voice: there is no {name!r}", near, key=True)
        elif "{{" in value or "{%" in value:
            report.error(here, "template", f"voice: {name}: only texts can change from call to call, not {value!r}")
        else:
            try:
                voice[name] = str(Say.spec.attributes[name].kind.parse_text(value))
            except ValueError as error:
                report.error(here, "value", f"voice: {name}: {error}")
    return voice


def read_attribute_value(
    kind: ValueKind,
    name: str,
    value: Any,  # noqa: ANN401
    path: SourcePath,
    compiler: NodeCompiler,
) -> Any:  # noqa: ANN401 - the type depends on the kind
    """Read an attribute's value from text. Reports an error and returns None for an invalid value."""
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
