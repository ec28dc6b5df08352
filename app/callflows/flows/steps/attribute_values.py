"""Reads attribute values of verbs, and the voice of spoken texts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from callflows.flows.source.shape_validation import warn_about_duration
from callflows.flows.source.source_values import BOOLEAN_WORDS, parse_dtmf_keys
from callflows.language.attribute_doubts import find_attribute_doubts
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
from callflows.text import split_error

if TYPE_CHECKING:
    from callflows.flows.compiler.step_context import StepContext
    from callflows.flows.source.positions import SourcePath
    from callflows.language.element import Element
    from callflows.language.plausible_durations import PlausibleDuration
    from callflows.language.value_kinds import ValueKind


def read_attribute_value(
    kind: ValueKind,
    name: str,
    value: Any,  # noqa: ANN401
    path: SourcePath,
    context: StepContext,
    plausible: PlausibleDuration | None = None,
) -> Any:  # noqa: ANN401 - the type depends on the kind
    """Read an attribute's value from text. Reports an error and returns None for an invalid value.

    A duration outside ``plausible`` is warned of.
    """
    if isinstance(value, list) and isinstance(kind, ListKind) and all(isinstance(part, str) for part in value):
        value = ",".join(value)
    if not isinstance(value, str):
        context.report.error(path, "shape", f"{name}: must be a text")
        return None
    if kind in (TEXT_KIND, LOOSE_KIND, URL_KIND):
        return context.texts.compile_complete_text(value, path, url=kind is URL_KIND)
    if "{{" in value or "{%" in value:
        context.report.error(
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
            length = parse_duration(value, plausible)
            if plausible is not None:
                warn_about_duration(name, value, length, plausible, path, context.report)
            return length
        if kind is BOOLEAN_KIND:
            value = BOOLEAN_WORDS.get(value.lower(), value.lower())
        return kind.parse_text(value)
    except ValueError as error:
        message, fix = split_error(error)
        context.report.error(path, "value", f"{name}: {message}", fix)
        return None


def note_undocumented_attribute(cls: type[Element], name: str, path: SourcePath, context: StepContext) -> None:
    """Note an attribute that Opentact does not document."""
    for doubt in find_attribute_doubts(cls, name, None):
        context.report.note(path, doubt.rule, doubt.message)
