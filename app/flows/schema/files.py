"""The JSON Schema of flow files, for editors and their tools: read off what reads them, so that nothing is said twice."""

from __future__ import annotations

import zoneinfo
from typing import TYPE_CHECKING, Any, Final

from app.errors import BuildError
from app.flows.book import START
from app.flows.dialing.policy import Given
from app.flows.files import NAME, FlowFile
from app.flows.hours.opening import WEEKDAYS
from app.flows.hours.reading import GROUPS, KEYS, NAMES
from app.flows.schema.expected import tests
from app.flows.schema.forms import TEXT, Form, any_case, lexical, of_kind, of_model, of_type, whole
from app.flows.steps import STEPS, WORDS, snake
from app.flows.verbs import CHILDREN, PROMPTS, VOICE, plain_name
from app.flows.words.dialling import Group
from app.flows.words.word import NAME as VALUE
from app.flows.words.word import TAKEN
from app.language.dialects import NO_EXTENSIONS
from app.language.rows import Evidence
from app.language.values import KEYS as PRESSED
from app.language.values import MS
from app.language.verbs import DTMF, ELEMENTS, Default, Error, Meta, Say

if TYPE_CHECKING:
    from collections.abc import Mapping

    from app.flows.words.word import Word
    from app.language.dialects import Extensions
    from app.language.element import Element
    from app.language.rows import Attribute, Row
    from app.language.values import Kind

UNSAYABLE: Final = (
    "Of YAML: comments that cut a text short, and keys that are the same key, as 1 and '1'.",
    "Of names: that a node, a group, a value or a list of this name exists, and that something leads to it.",
    "Of numbers and countries: whether they are any. Of hours: whether windows overlap, and whether a date exists.",
    "Of expressions and texts with braces: all.",
    "Of a dialect: which verbs and attributes it has (their help says so).",
    "Of numbers without quotes: how they are spelled, as 0x10 or 010.",
    "In play: that it has either a URL or record. In choose: that only the last way goes without when.",
    "In dial: that no_answer and error are not both given. In the fallback: that it needs nothing but itself.",
)
"""What ``check`` refuses and JSON Schema cannot. The schema is stricter in spelling: it wants no blanks around words of a
list, no tags of YAML, and no message of nothing."""

_WHEN: Final[Form] = {"type": ["string", "number", "boolean"], "description": "An expression: only where it holds."}


def flow_schema(extensions: Extensions = NO_EXTENSIONS) -> dict[str, Any]:
    """The JSON Schema (draft-07) of a flow file, with the attributes that the user declares."""
    file = of_model(FlowFile)
    del file["required"]
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "A call flow",
        "description": "What callers of its numbers meet. It cannot say:\n" + "\n".join(UNSAYABLE),
        **file,
        "if": {"required": ["template"]},
        "then": {"properties": {"nodes": False}},
        "else": {"required": ["nodes"]},
        "definitions": {**_values(), **_around(), **_steps(extensions), **tests()},
    }


def _ref(name: str) -> Form:
    return {"$ref": f"#/definitions/{name}"}


# Values


def _values() -> dict[str, Form]:
    """What several keys take."""
    texts = {"type": ["string", "number", "boolean", "array"], "items": TEXT}
    way = _closed({"when": _WHEN, "goto": {**TEXT, "description": "The node."}})
    return {
        "texts": texts,
        "some texts": {**texts, "minItems": 1},
        "expression": TEXT,
        "ways": {"type": "array", "items": {**way, "required": ["goto"]}},
        "name": {"type": "string", "pattern": f"^({VALUE.pattern})$", "not": {"enum": sorted(TAKEN)}},
        "digits": {**lexical("[0-9]{1,3}( *- *[0-9]{1,3})?", "integer"), "minimum": 1, "maximum": 40},
        "timezone": {"enum": [*sorted(zoneinfo.available_timezones()), "", None]},
    }


# Around the nodes


def _around() -> dict[str, Form]:
    kinds = {name: Say.row.attributes[name] for name in VOICE}
    return {
        "voice": _closed({name: _attribute(attribute) for name, attribute in kinds.items()}),
        "group": _or_plain(of_model(Group), _values()["some texts"]),
        "dial_policy": _or_plain(of_model(Given), {"type": ["null"]}),
        "nodes": {
            "type": "object",
            "properties": {START: {**_ref("steps or nothing"), "description": "Where every call begins."}},
            "required": [START],
            "propertyNames": {"pattern": f"^({NAME.pattern})$"},
            "additionalProperties": _ref("steps or nothing"),
        },
        "hours": _hours(),
        "windows": _windows(),
    }


def _closed(properties: Mapping[str, Form]) -> Form:
    return {"type": "object", "properties": {**properties}, "additionalProperties": False}


_DASH: Final = "[ \\t]*[-\u2013\u2014][ \\t]*"
_TIME: Final = "([01]?[0-9]|2[0-3]):[0-5][0-9]"
_DATE: Final = "[0-9]{4}-[0-9]{2}-[0-9]{2}"
_SPAN: Final = f"{_DATE}([ \\t]*([-\u2013\u2014/]|[.][.]|to)[ \\t]*{_DATE})?"


def _several(one: str) -> str:
    return f"{one}([ \\t]*,[ \\t]*{one})*"


def _windows() -> Form:
    window = f"{_TIME}{_DASH}({_TIME}|24:00)"
    return {
        "type": ["string", "array"],
        "pattern": whole(f"{any_case(['closed'])}|{_several(window)}"),
        "items": {"type": ["string", "null"], "pattern": whole(_several(window))},
        "examples": ["09:00-17:00", "closed"],
    }


def _hours() -> Form:
    """Opening hours: days and windows, and what stands beside them."""
    day = f"({any_case(GROUPS)}|({any_case(NAMES)})({_DASH}({any_case(NAMES)}))?)"
    dates = {
        "type": ["string", "array", "null"],
        "pattern": whole(_several(_SPAN)),
        "items": lexical(_several(_SPAN), "null"),
    }
    beside: dict[str, Form] = {
        "holidays": {**_ref("texts"), "description": "Public holidays on which it is closed, as US or US-NY."},
        "closed": {**dates, "description": "Dates on which it is closed, as 2026-12-24 or 2026-12-24 - 2027-01-02."},
        "open": {
            "type": "object",
            "propertyNames": {"pattern": whole(_SPAN)},
            "additionalProperties": _ref("windows"),
            "description": "Dates with windows of their own, as 2026-12-19: 10:00-16:00.",
        },
    }
    help_ = {"description": "The windows of these days, as 09:00-12:30, 13:30-18:00; closed where there are none."}
    days = {name: {**_ref("windows"), **help_} for name in ("mon-fri", *WEEKDAYS, *GROUPS)}
    return {
        **_closed(days | {key: beside[key] for key in KEYS}),
        "patternProperties": {whole(_several(day)): _ref("windows")},
    }


# Steps


def _steps(extensions: Extensions) -> dict[str, Form]:
    """Steps, and a definition for each word and verb."""
    verbs = {snake(name): cls for name, cls in ELEMENTS.items() if snake(name) in STEPS and snake(name) not in WORDS}
    forms = {name: _word(cls, extensions) for name, cls in WORDS.items()}
    forms |= {name: _verb(cls, extensions) for name, cls in verbs.items()}
    known = {name: _ref(f"step {name}") | {"description": form["description"]} for name, form in forms.items()}
    bare = [name for name, form in forms.items() if "null" in form["type"]]
    steps = {"type": "array", "items": _ref("step")}
    return {
        "steps": steps,
        "steps or nothing": {**steps, "type": ["array", "null"]},
        "step": _step({"when": _WHEN, **known}, bare),
        "prompt": _step({name: known[name] for name in PROMPTS}, [name for name in bare if name in PROMPTS]),
        **{f"step {name}": form for name, form in forms.items()},
    }


def _step(keys: Mapping[str, Form], bare: list[str]) -> Form:
    """One key and its value, beside it perhaps when; or a word that needs nothing more."""
    one, two = ({"minProperties": count, "maxProperties": count} for count in (1, 2))
    count = {"if": {"required": ["when"]}, "then": two, "else": one}
    word = {"if": {"type": "string"}, "then": {"enum": bare}, "else": count}
    return {**_closed(keys), "type": ["object", "string"], **word}


def _or_plain(keys: Form, plain: Form) -> Form:
    """A mapping, or a plain value; in one schema, of which tools say better what is wrong than of alternatives."""
    return {**plain, **keys, "type": ["object", *plain["type"]]}


def _needs_nothing(cls: type[Element]) -> bool:
    """Whether a verb stands alone."""
    try:
        cls()
    except BuildError:
        return False
    return True


def _word(cls: type[Word], extensions: Extensions) -> Form:
    """A word of flows: its keys, or a value of its plain key."""
    says = {"description": (cls.__doc__ or "").strip()}
    more = _declared(extensions.kinds.get(cls.verb, {}))
    if not cls.plain:
        return {**of_model(cls, more), "type": ["object"], **says}
    field = cls.model_fields[cls.plain]
    plain = _resolved(of_type(field.annotation, field.metadata))
    if cls.open:
        return {**plain, "type": [plain["type"]], **says}
    kinds = [kind for kind in plain["type"] if kind != "null" or not field.is_required()]
    return {**_or_plain(of_model(cls, more), {**plain, "type": kinds}), **says}


def _resolved(form: Form) -> Form:
    """What a definition of a value says, in its place."""
    return _values().get(form.get("$ref", "").rpartition("/")[2], form)


def _declared(kinds: Mapping[str, Kind]) -> dict[str, Form]:
    return {name: {**of_kind(kind), "description": f"Declared by you: {_must_be(kind)}."} for name, kind in kinds.items()}


def _verb(cls: type[Element], extensions: Extensions) -> Form:
    """A verb: its attributes and what stands inside; or the attribute that a plain value means."""
    row = cls.row
    properties = {name: _attribute(attribute) for name, attribute in row.attributes.items()}
    properties |= _declared(extensions.kinds.get(row.name, {})) | _children(cls)
    keys = {**_closed(properties), "required": [name for name, one in row.attributes.items() if one.required]}
    plain = row.attributes.get(plain_name(cls))
    form = of_kind(plain.kind) if plain else {"type": []}
    kinds = [kind for kind in form["type"] if kind != "null"] + (["null"] if _needs_nothing(cls) else [])
    return {**_or_plain(keys, {**form, "type": kinds}), "description": _says(row)}


def _children(cls: type[Element]) -> dict[str, Form]:
    """What stands in a verb, by the keys for it."""
    inside = cls.row.inside
    steps = _ref("steps")
    branches = {"type": "object", "propertyNames": _keys(), "additionalProperties": steps}
    prompts = {"type": "array", "items": _ref("prompt")}
    there = {
        "do": (Say, prompts if DTMF in inside else steps, "The steps that are done inside it."),
        "dtmf": (DTMF, branches, "Steps by the keys that are pressed: 0-9, star, hash, or several such."),
        "default": (Default, steps, "The steps where other keys are pressed."),
        "error": (Error, steps, "The steps where it fails, or nothing comes of it."),
        "meta": (Meta, {"type": "object", "additionalProperties": TEXT}, "Variables that are passed on to callback URLs."),
    }
    made = {key: (needs, {**form, "description": says}) for key, (needs, form, says) in there.items()}
    return {key: form for key in CHILDREN for needs, form in [made[key]] if needs in inside}


def _keys() -> Form:
    return {"pattern": of_kind(PRESSED)["pattern"]}


def _says(row: Row) -> str:
    only = f" Only in the {row.dialects[0]} dialect." if len(row.dialects) == 1 else ""
    return f"{row.says.replace('``', '`')}{only}{_unsure(row.evidence)}"


def _attribute(attribute: Attribute) -> Form:
    only = f" Only in the {next(iter(attribute.spelling))} dialect." if len(attribute.spelling) == 1 else ""
    default = (
        f", {attribute.default}{' ms' if attribute.kind is MS else ''} where it is not given" if attribute.default else ""
    )
    means = f"{attribute.means[0].upper()}{attribute.means[1:]}"
    must = f": {_must_be(attribute.kind)}" if attribute.kind.pattern else ""
    text = f"{means}{must}{default}.{only}{_unsure(attribute.evidence)}"
    return {**of_kind(attribute.kind), "description": text}


def _must_be(kind: Kind) -> str:
    return "a duration, as 500ms, 20s or 2m" if kind is MS else kind.says


def _unsure(evidence: Evidence) -> str:
    return "" if evidence is Evidence.DOCUMENTED else f" Not documented by Opentact, only {evidence.value}."
