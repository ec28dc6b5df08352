"""The forms of values, as JSON Schema says them.

A flow file is texts to us; to an editor ``6``, ``true`` and ``+12015550123`` are numbers and booleans. A form takes what
YAML 1.2 makes of any text that we take.
"""

from __future__ import annotations

import types
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, TypeAlias, Union, get_args, get_origin

import pydantic

from app.flows.values import BOOLEANS, WORDS_FOR_KEYS
from app.language.values import BOOLEAN, DURATION, KEY, KEYS, MS, STOP_KEY, URL, Choice, Kind, Several

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pydantic.fields import FieldInfo

Form: TypeAlias = "dict[str, Any]"
"""A JSON Schema, or a part of one."""

TEXT: Final[Form] = {"type": ["string", "number", "boolean", "null"]}
"""Any text, also none."""
_BLANKS: Final = "[ \\t\\n\\r]*"
_TRUTHS: Final = ("true", "false", *BOOLEANS)
_ALSO_TRUTHS: Final = ("1", "0", "t", "f", "y", "n")
_UNITS: Final = ((3_600_000, "h"), (60_000, "m"), (1000, "s"), (1, "ms"))
_PROBES: Final = {"null": ("",), "boolean": ("true", "false"), "number": ("1.5", "-1.5"), "integer": ("1", "12", "-1")}
"""Texts of which YAML makes something else."""


def whole(pattern: str) -> str:
    """A regular expression for a whole text, with blanks around."""
    return f"^{_BLANKS}({pattern}){_BLANKS}$"


def any_case(words: Iterable[str]) -> str:
    """A regular expression for any of these words, in whatever case: ECMAScript has no flag for it inside."""
    return "|".join("".join(f"[{c.upper()}{c}]" if c.isalpha() else c for c in word) for word in words)


def lexical(pattern: str, *types: str) -> Form:
    """A text of a pattern, or what YAML makes of such a text."""
    return {"type": ["string", *types], "pattern": whole(pattern)}


def one_of(words: Iterable[str]) -> Form:
    """One of a few words; ``true`` and ``false`` are booleans to YAML."""
    listed = [*words]
    truths = [word == "true" for word in listed if word in ("true", "false")]
    return {"enum": [*listed, *truths]}


def of_kind(kind: Kind) -> Form:
    """A kind of value of the language, as flow files write it."""
    if kind is MS:
        return lexical(DURATION.pattern)
    if kind is BOOLEAN:
        return lexical(any_case(_TRUTHS), "boolean")
    if kind is URL:
        return {"type": ["string"], "pattern": f"\\{{[{{%]|{whole(kind.pattern or '')}"}
    if isinstance(kind, Choice):
        return lexical(kind.pattern or "") | {"examples": [*kind.choices]} if kind.any_case else one_of(kind.choices)
    if isinstance(kind, Several):
        several = lexical(f"{kind.one}({_BLANKS},{_BLANKS}{kind.one})*", *_types(kind), "array")
        return several | {"items": lexical(kind.one, *_types(kind))}
    if kind.pattern is None:
        return TEXT
    also = [*WORDS_FOR_KEYS] if kind in (KEY, STOP_KEY, KEYS) else []
    return {**lexical("|".join([kind.pattern, *also]), *_types(kind)), **_bounds(kind)}


def _types(kind: Kind) -> list[str]:
    """What YAML may make of a text of a kind."""
    found = [name for name, probes in _PROBES.items() if any(map(kind.accepts, probes))]
    return [name for name in found if name != "integer" or "number" not in found]


def _bounds(kind: Kind) -> Form:
    """The least and greatest number of a kind, as far as they are near."""
    bounds: Form = {}
    if not {"number", "integer"} & {*_types(kind)}:
        return bounds
    if not kind.accepts("-1"):
        bounds["minimum"] = 0 if kind.accepts("0") else 1
    if not kind.accepts("1"):
        bounds["maximum"] = 0
    elif not kind.accepts("10"):
        bounds["maximum"] = 9
    return bounds


def of_type(typed: Any, said: Iterable[Any] = ()) -> Form:  # noqa: ANN401 - any annotation
    """A type of Python as pydantic reads it from texts; ``said`` is what annotates it, of which the last wins."""
    form = next((made for mark in reversed([*said]) if (made := _marked(mark))), None)
    if form is not None:
        return form
    origin, args = get_origin(typed), get_args(typed)
    if origin is Annotated:
        return of_type(args[0], args[1:])
    if origin in (Union, types.UnionType):
        return of_type(next(one for one in args if one is not types.NoneType))
    if origin is Literal:
        return one_of(args)
    if origin is dict:
        named = {} if args[0] is str else {"propertyNames": of_type(args[0])}
        return {"type": "object", "additionalProperties": of_type(args[1]), **named}
    if isinstance(typed, type) and issubclass(typed, pydantic.BaseModel):
        return of_model(typed)
    return _plain(typed, said)


def _marked(mark: object) -> Form | None:
    if isinstance(mark, Kind):
        return of_kind(mark)
    return dict(mark.json_schema or {}) if isinstance(mark, pydantic.WithJsonSchema) else None


def _plain(typed: object, said: Iterable[Any]) -> Form:
    if typed is Any:
        return {}
    if typed is bool:
        return lexical(any_case((*_TRUTHS, *_ALSO_TRUTHS)), "boolean", "integer") | {"minimum": 0, "maximum": 1}
    if typed is int:
        bounds = {"minimum": "ge", "maximum": "le"}
        near = {name: getattr(mark, short) for mark in said for name, short in bounds.items() if hasattr(mark, short)}
        return lexical("[0-9]+", "integer") | near
    return TEXT


def of_model(model: type[pydantic.BaseModel], more: Form | None = None) -> Form:
    """A mapping with the fields of a model as its keys, and ``more``, forms by key."""
    fields = {field.alias or name: field for name, field in model.model_fields.items() if not field.exclude}
    return {
        "type": "object",
        "properties": {name: of_field(field) for name, field in fields.items()} | (more or {}),
        "additionalProperties": False,
        "required": [name for name, field in fields.items() if field.is_required()],
    }


def of_field(field: FieldInfo) -> Form:
    """A field's form, with its description and what it is where it is not given."""
    form = dict(of_type(field.annotation, field.metadata))
    if field.description:
        form["description"] = field.description
    default = field.default
    if isinstance(default, (str, int)) and default:
        form["default"] = _written(default) if MS in field.metadata and isinstance(default, int) else default
    return form


def _written(milliseconds: int) -> str:
    """A duration as people write it."""
    size, unit = next((size, unit) for size, unit in _UNITS if milliseconds % size == 0)
    return f"{milliseconds // size}{unit}"
