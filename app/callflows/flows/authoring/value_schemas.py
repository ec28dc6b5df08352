"""Builds JSON Schemas of single values.

The flow reader takes every value as text, but an editor parses ``6``, ``true`` and ``+12015550123`` as numbers and
booleans. So each schema also allows the types that YAML 1.2 makes of valid texts.
"""

from __future__ import annotations

import types
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, TypeAlias, Union, get_args, get_origin

import pydantic

from callflows.flows.source.source_values import BOOLEAN_WORDS, KEY_WORDS
from callflows.language.value_kinds import (
    BOOLEAN_KIND,
    DURATION_PATTERN,
    KEY_KIND,
    KEYS_KIND,
    MILLISECONDS_KIND,
    STOP_KEY_KIND,
    URL_KIND,
    ChoiceKind,
    ListKind,
    ValueKind,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pydantic.fields import FieldInfo


JsonSchema: TypeAlias = "dict[str, Any]"
"""A JSON Schema, or a part of one."""
TEXT_SCHEMA: Final[JsonSchema] = {"type": ["string", "number", "boolean", "null"]}
"""Any text, also an empty one."""
_BLANKS_PATTERN: Final = "[ \\t\\n\\r]*"
_TRUTH_WORDS: Final = ("true", "false", *BOOLEAN_WORDS)
_MORE_TRUTH_WORDS: Final = ("1", "0", "t", "f", "y", "n")
_DURATION_UNITS: Final = ((3_600_000, "h"), (60_000, "m"), (1000, "s"), (1, "ms"))
_YAML_TYPE_PROBES: Final = {
    "null": ("",),
    "boolean": ("true", "false"),
    "number": ("1.5", "-1.5"),
    "integer": ("1", "12", "-1"),
}
"""Texts for which YAML 1.2 returns another type."""


def build_whole_pattern(pattern: str) -> str:
    """Return a regular expression for a whole text with optional blanks around it."""
    return f"^{_BLANKS_PATTERN}({pattern}){_BLANKS_PATTERN}$"


def build_any_case_pattern(words: Iterable[str]) -> str:
    """Return a regular expression for any of the words in any case; ECMAScript has no inline flag for this."""
    return "|".join("".join(f"[{c.upper()}{c}]" if c.isalpha() else c for c in word) for word in words)


def build_text_schema(pattern: str, *types: str) -> JsonSchema:
    """Build the schema of a text that matches a pattern; ``types`` are the types that YAML may make of it."""
    return {"type": ["string", *types], "pattern": build_whole_pattern(pattern)}


def build_enum_schema(words: Iterable[str]) -> JsonSchema:
    """Build the schema of a choice of words. YAML reads ``true`` and ``false`` as booleans."""
    listed = [*words]
    truths = [word == "true" for word in listed if word in ("true", "false")]
    return {"enum": [*listed, *truths]}


def build_kind_schema(kind: ValueKind) -> JsonSchema:
    """Build the schema of a value kind, in the notation of flow files."""
    if kind is MILLISECONDS_KIND:
        return build_text_schema(DURATION_PATTERN.pattern)
    if kind is BOOLEAN_KIND:
        return build_text_schema(build_any_case_pattern(_TRUTH_WORDS), "boolean")
    if kind is URL_KIND:
        return {"type": ["string"], "pattern": f"\\{{[{{%]|{build_whole_pattern(kind.pattern or '')}"}
    if isinstance(kind, ChoiceKind):
        return (
            build_text_schema(kind.pattern or "") | {"examples": [*kind.choices]}
            if kind.ignores_case
            else build_enum_schema(kind.choices)
        )
    if isinstance(kind, ListKind):
        several = build_text_schema(
            f"{kind.item_pattern}({_BLANKS_PATTERN},{_BLANKS_PATTERN}{kind.item_pattern})*",
            *_find_yaml_types(kind),
            "array",
        )
        return several | {"items": build_text_schema(kind.item_pattern, *_find_yaml_types(kind))}
    if kind.pattern is None:
        return TEXT_SCHEMA
    also = [*KEY_WORDS] if kind in (KEY_KIND, STOP_KEY_KIND, KEYS_KIND) else []
    return {**build_text_schema("|".join([kind.pattern, *also]), *_find_yaml_types(kind)), **_build_bounds(kind)}


def _find_yaml_types(kind: ValueKind) -> list[str]:
    """Return the types that YAML may make of a text of this kind."""
    found = [name for name, probes in _YAML_TYPE_PROBES.items() if any(map(kind.accepts, probes))]
    return [name for name in found if name != "integer" or "number" not in found]


def _build_bounds(kind: ValueKind) -> JsonSchema:
    """Return the bounds of a numeric kind, found by trying a few small numbers."""
    bounds: JsonSchema = {}
    if not {"number", "integer"} & {*_find_yaml_types(kind)}:
        return bounds
    if not kind.accepts("-1"):
        bounds["minimum"] = 0 if kind.accepts("0") else 1
    if not kind.accepts("1"):
        bounds["maximum"] = 0
    elif not kind.accepts("10"):
        bounds["maximum"] = 9
    return bounds


def build_type_schema(annotation: Any, metadata: Iterable[Any] = ()) -> JsonSchema:  # noqa: ANN401 - any annotation
    """Build the schema of a Python type as pydantic reads it from text. The last usable ``metadata`` mark wins."""
    form = next((schema for mark in reversed([*metadata]) if (schema := _build_metadata_schema(mark))), None)
    if form is not None:
        return form
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return build_type_schema(args[0], args[1:])
    if origin in (Union, types.UnionType):
        return build_type_schema(next(one for one in args if one is not types.NoneType))
    if origin is Literal:
        return build_enum_schema(args)
    if origin is dict:
        named = {} if args[0] is str else {"propertyNames": build_type_schema(args[0])}
        return {"type": "object", "additionalProperties": build_type_schema(args[1]), **named}
    if isinstance(annotation, type) and issubclass(annotation, pydantic.BaseModel):
        return build_model_schema(annotation)
    return _build_plain_schema(annotation, metadata)


def _build_metadata_schema(mark: object) -> JsonSchema | None:
    if isinstance(mark, ValueKind):
        return build_kind_schema(mark)
    return dict(mark.json_schema or {}) if isinstance(mark, pydantic.WithJsonSchema) else None


def _build_plain_schema(annotation: object, metadata: Iterable[Any]) -> JsonSchema:
    if annotation is Any:
        return {}
    if annotation is bool:
        return build_text_schema(build_any_case_pattern((*_TRUTH_WORDS, *_MORE_TRUTH_WORDS)), "boolean", "integer") | {
            "minimum": 0,
            "maximum": 1,
        }
    if annotation is int:
        bounds = {"minimum": "ge", "maximum": "le"}
        near = {name: getattr(mark, short) for mark in metadata for name, short in bounds.items() if hasattr(mark, short)}
        return build_text_schema("[0-9]+", "integer") | near
    return TEXT_SCHEMA


def build_model_schema(model: type[pydantic.BaseModel], extra_properties: JsonSchema | None = None) -> JsonSchema:
    """Build the schema of a mapping with the fields of a model as keys, and further properties."""
    fields = {field.alias or name: field for name, field in model.model_fields.items() if not field.exclude}
    return {
        "type": "object",
        "properties": {name: build_field_schema(field) for name, field in fields.items()} | (extra_properties or {}),
        "additionalProperties": False,
        "required": [name for name, field in fields.items() if field.is_required()],
    }


def build_field_schema(field: FieldInfo) -> JsonSchema:
    """Build the schema of a field, with description and default."""
    form = dict(build_type_schema(field.annotation, field.metadata))
    if field.description:
        form["description"] = field.description
    default = field.default
    if isinstance(default, (str, int)) and default:
        form["default"] = (
            _format_duration(default) if MILLISECONDS_KIND in field.metadata and isinstance(default, int) else default
        )
    return form


def _format_duration(milliseconds: int) -> str:
    """Format a duration with the largest unit that divides it: ``1500ms``, ``20s``, ``2m``."""
    size, unit = next((size, unit) for size, unit in _DURATION_UNITS if milliseconds % size == 0)
    return f"{milliseconds // size}{unit}"
