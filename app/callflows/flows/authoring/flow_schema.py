"""Builds the JSON Schema of flow files for editors, from the models that read the files.

``SCHEMA_LIMITATIONS`` lists the errors that only ``callflows check`` finds.
"""

from __future__ import annotations

import functools
import zoneinfo
from typing import TYPE_CHECKING, Any, Final

from callflows.errors import VerbBuildError
from callflows.flows.authoring.value_schemas import (
    TEXT_SCHEMA,
    JsonSchema,
    build_any_case_pattern,
    build_kind_schema,
    build_model_schema,
    build_text_schema,
    build_type_schema,
    build_whole_pattern,
)
from callflows.flows.compiler.twiml_flow import TwimlApp
from callflows.flows.dial_policy.target_policy import DialPolicySection
from callflows.flows.entry_points import START_NODE
from callflows.flows.expressions.value_names import RESERVED_VALUE_NAMES, VALUE_NAME_PATTERN
from callflows.flows.hours.hours_reader import DAY_GROUPS, DAY_NUMBERS, SPECIAL_HOURS_KEYS
from callflows.flows.messages.ended_calls import ENDED_STEP_NAMES
from callflows.flows.messages.message_rules import MessageRule
from callflows.flows.source.directory_entry import EXTENSION_PATTERN, DirectoryEntry
from callflows.flows.source.flow_file import FLOW_AND_NODE_NAME_PATTERN, FlowFile
from callflows.flows.source.hunt_group import HuntGroup
from callflows.flows.source.prompt_shape import LANGUAGE_NAME_PATTERN, PROMPT_STEPS
from callflows.flows.source.scenario_shape import (
    CALL_OUTCOMES,
    EXPECTATION_WORDS,
    INTERRUPTIBLE_WORDS,
    Scenario,
    ScenarioText,
)
from callflows.flows.source.voice_attributes import VOICE_ATTRIBUTES
from callflows.flows.steps.mail_step import MailNotice
from callflows.flows.steps.notify_step import WebhookNotice
from callflows.flows.steps.sound_play import SOUND_KEYS
from callflows.flows.steps.step_table import FLOW_STEPS, STEP_COMPILERS, step_key_of_element
from callflows.flows.steps.verb_steps import CHILD_KEYS, find_plain_attribute
from callflows.language.attribute_doubts import SOUND_FILE_SUFFIXES
from callflows.language.dialects import NO_EXTENSIONS
from callflows.language.value_kinds import KEYS_KIND, MILLISECONDS_KIND
from callflows.language.verb_table import Evidence
from callflows.language.verbs import DTMF, ELEMENT_CLASSES, Default, Error, Meta, Play, Say
from callflows.telephony.calls import WEEKDAY_NAMES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from callflows.flows.steps.step_base import FlowStep
    from callflows.language.dialects import Extensions
    from callflows.language.element import Element, ElementSpec
    from callflows.language.value_kinds import ValueKind
    from callflows.language.verb_table import AttributeSpec


_ANY_VALUE: Final[JsonSchema] = {}
_TEXTS_REFERENCE: Final[JsonSchema] = {"$ref": "#/definitions/texts"}
_FIELD_SCHEMAS: Final[JsonSchema] = {"to": _TEXTS_REFERENCE, "payload": {"type": "object"}}


def build_scenario_definitions() -> dict[str, JsonSchema]:
    """Return the definitions of ``tests`` and of the shared values of scenarios."""
    behaviour = {"enum": ["answer", "busy", "no-answer"]}
    by_target = {"type": ["string", "object"], "additionalProperties": behaviour}
    wait = {
        "type": "object",
        "additionalProperties": False,
        "properties": {"wait": TEXT_SCHEMA, "press": TEXT_SCHEMA, "hangup": TEXT_SCHEMA},
    }
    expected = {"$ref": "#/definitions/expected"}
    return {
        "tests": {"type": ["array", "null"], "items": build_model_schema(Scenario)},
        "texted": {
            "type": [*TEXT_SCHEMA["type"], "array"],
            "items": {**build_model_schema(ScenarioText), "type": ["object", *TEXT_SCHEMA["type"]]},
        },
        "script": {"type": [*TEXT_SCHEMA["type"], "array"], "items": {**wait, "type": ["object", *TEXT_SCHEMA["type"]]}},
        "callee": {**by_target, "type": ["string", "object", "array"], "items": by_target},
        "anything": _ANY_VALUE,
        "expectations": {"type": "array", "items": expected},
        "expected": {
            "type": ["object", "string"],
            "additionalProperties": False,
            "minProperties": 1,
            "maxProperties": 1,
            "properties": {
                **{word: _build_expectation_schema(word) for word in EXPECTATION_WORDS},
                **_build_whole_call_schemas(expected),
            },
        },
    }


def _build_expectation_schema(word: str) -> JsonSchema:
    """Build the schema of an expected step: a mapping of fields, or the plain field alone."""
    known = EXPECTATION_WORDS[word]
    fields = {field: _FIELD_SCHEMAS.get(field, TEXT_SCHEMA) for field in known.fields}
    plain = _FIELD_SCHEMAS.get(known.plain_field, TEXT_SCHEMA)
    says = f"A step {word}: text as it is said, or /a regular expression/." if word == "say" else f"A step {word}."
    return {
        **({"items": TEXT_SCHEMA} if known.plain_field == "to" else {}),
        "type": ["object", *TEXT_SCHEMA["type"], *(["array"] if plain is _TEXTS_REFERENCE else [])],
        "properties": fields,
        "additionalProperties": False,
        "description": says,
    }


def _build_whole_call_schemas(expectation_schema: JsonSchema) -> dict[str, JsonSchema]:
    return {
        "outcome": {
            "type": ["string", "object"],
            "description": "How the call ends, and in which step the caller hangs up: {is: caller-hung-up, during: say}.",
            "if": {"type": "string"},
            "then": {"enum": [*CALL_OUTCOMES]},
            "properties": {"is": {"enum": [*CALL_OUTCOMES]}, "during": {"enum": [*INTERRUPTIBLE_WORDS]}},
            "additionalProperties": False,
        },
        "nodes": {
            "type": "array",
            "items": TEXT_SCHEMA,
            "description": "The nodes that the call comes to, all of them in order.",
        },
        "not": {"type": "array", "items": expectation_schema, "description": "What happens nowhere in the call."},
    }


# The whole schema


SCHEMA_LIMITATIONS: Final = (
    "Of YAML: comments that cut a text short, and keys that are the same key, as 1 and '1'.",
    "Of names: that a node, a group, a value or a list of this name exists, and that something leads to it.",
    "Of numbers and countries: whether they are any. Of hours: whether windows overlap, and whether a date exists.",
    "Of expressions and texts with braces: all.",
    "Of a dialect: which verbs and attributes it has (their help says so).",
    "Of numbers without quotes: how they are spelled, as 0x10 or 010.",
    "In play: that it has either a URL or record. In choose: that only the last way goes without when.",
    "In messages: that a rule does something, and that a text gets to it.",
    "In dial: that no_answer and error are not both given. In the fallback: that it needs nothing but itself.",
)
"""Errors found by ``callflows check`` but not by the schema. The schema is stricter in spelling: no spaces around the words
of a list, no YAML tags, and no empty message."""
_WHEN_SCHEMA: Final[JsonSchema] = {
    "type": ["string", "number", "boolean"],
    "description": "An expression: only where it holds.",
}


def build_flow_schema(extensions: Extensions = NO_EXTENSIONS) -> dict[str, Any]:
    """Build the JSON Schema (draft-07) of a flow file, with the attributes declared in ``extensions.yaml``."""
    file = build_model_schema(FlowFile)
    del file["required"]
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "A call flow",
        "description": "What callers of its numbers meet. It cannot say:\n" + "\n".join(SCHEMA_LIMITATIONS),
        **file,
        "if": {"anyOf": [{"required": ["template"]}, {"required": ["twiml"]}]},
        "then": {"properties": {"nodes": False}, "not": {"required": ["template", "twiml"]}},
        "else": {"required": ["nodes"]},
        "definitions": {
            **_build_value_definitions(),
            **_build_section_definitions(),
            **_build_step_definitions(extensions),
            **build_scenario_definitions(),
        },
    }


def _build_reference(name: str) -> JsonSchema:
    return {"$ref": f"#/definitions/{name}"}


# Values


@functools.cache  # many definitions refer to these, and the names of the zones are read from the disk
def _build_value_definitions() -> Mapping[str, JsonSchema]:
    """Return the definitions of values shared by several keys."""
    texts = {"type": ["string", "number", "boolean", "array"], "items": TEXT_SCHEMA}
    way = _build_closed_object({"when": _WHEN_SCHEMA, "goto": {**TEXT_SCHEMA, "description": "The node."}})
    included = _build_closed_object(
        {
            "file": {**TEXT_SCHEMA, "description": "The file, as common/closed.yaml."},
            "prefix": {
                **TEXT_SCHEMA,
                "description": "Begins the names of its nodes, groups, hours, lists and variables, as shop_.",
            },
        }
    )
    return {
        "texts": texts,
        "included files": {
            **included,
            "required": ["file"],
            "type": ["string", "object", "array"],
            "items": {**included, "required": ["file"], "type": ["string", "object"]},
        },
        "numbers": {
            **texts,
            "type": [*texts["type"], "object"],
            "additionalProperties": {
                "type": ["object", "null"],
                "propertyNames": _build_reference("name"),
                "additionalProperties": _build_reference("variable"),
            },
        },
        "variable": {**texts, "type": [*texts["type"], "null"]},
        **_build_prompt_definitions(),
        "some texts": {**texts, "minItems": 1},
        "expression": TEXT_SCHEMA,
        "ways": {"type": "array", "items": {**way, "required": ["goto"]}},
        "name": {
            "type": "string",
            "pattern": f"^({VALUE_NAME_PATTERN.pattern})$",
            "not": {"enum": sorted(RESERVED_VALUE_NAMES)},
        },
        "digits": {**build_text_schema("[0-9]{1,3}( *- *[0-9]{1,3})?", "integer"), "minimum": 1, "maximum": 40},
        "extension": {"type": "string", "pattern": f"^({EXTENSION_PATTERN.pattern})$"},
        "timezone": {"enum": [*sorted(zoneinfo.available_timezones()), "", None]},
    }


def _build_prompt_definitions() -> dict[str, JsonSchema]:
    """Return the definitions of prompts: a text, a part, or a list of parts; for each attempt one of these."""
    steps = {"when": _WHEN_SCHEMA, **{name: _build_reference(f"step {name}") for name in PROMPT_STEPS}}
    part = {
        **_build_closed_object(steps),
        "type": ["object", "string", "number", "boolean"],
        "if": {"required": ["when"]},
        "then": {"minProperties": 2, "maxProperties": 2},
        "else": {"minProperties": 1, "maxProperties": 1},
    }
    several = {"type": [*part["type"], "array"]}
    prompt = {**part, **several, "items": _build_reference("prompt part")}
    return {
        "prompt part": _allow_languages(part, _build_reference("some prompt")),
        "prompt": _allow_languages({**prompt, "type": [*several["type"], "null"]}, _build_reference("some prompt")),
        "some prompt": _allow_languages(prompt, _build_reference("some prompt")),
        "attempts": _allow_languages(
            {**part, **several, "items": _build_reference("some prompt"), "minItems": 1}, _build_reference("attempts")
        ),
        "text by language": _allow_languages(
            {**_build_closed_object({}), "type": ["object", *_WRITTEN_TEXT_TYPES], "minProperties": 1}, TEXT_SCHEMA
        ),
    }


_WRITTEN_TEXT_TYPES: Final = [kind for kind in TEXT_SCHEMA["type"] if kind != "null"]
_CLOSING_KEYWORDS: Final = ("additionalProperties", "required", "minProperties", "maxProperties", "if", "then", "else")


def _allow_languages(schema: JsonSchema, variant_schema: JsonSchema) -> JsonSchema:
    """Allow a mapping with a value for each language instead of the keys of a schema."""
    names = {"pattern": f"^({LANGUAGE_NAME_PATTERN.pattern})$"}
    strict = {key: schema[key] for key in _CLOSING_KEYWORDS if key in schema}
    return {
        **{key: part for key, part in schema.items() if key not in strict},
        "if": {"type": "object", "minProperties": 1, "propertyNames": names},
        "then": {"additionalProperties": variant_schema},
        "else": {**strict, "properties": dict.fromkeys(schema.get("properties", {}), _ANY_VALUE)},
    }


# Sections of the file


def _build_section_definitions() -> dict[str, JsonSchema]:
    kinds = {name: Say.spec.attributes[name] for name in VOICE_ATTRIBUTES}
    voice = _build_closed_object({name: _build_attribute_schema(attribute) for name, attribute in kinds.items()})
    return {
        "voice": voice,
        "languages": {
            "type": "object",
            "propertyNames": {"pattern": f"^({LANGUAGE_NAME_PATTERN.pattern})$"},
            "additionalProperties": {**voice, "type": ["object", "string", "null"]},
        },
        "group": _allow_plain_value(build_model_schema(HuntGroup), _build_value_definitions()["some texts"]),
        "directory entry": _allow_plain_value(build_model_schema(DirectoryEntry), _build_value_definitions()["some texts"]),
        "dial_policy": _allow_plain_value(build_model_schema(DialPolicySection), {"type": ["null"]}),
        "messages": {"type": ["array", "null"], "items": {**build_model_schema(MessageRule), "minProperties": 1}},
        "notice": _allow_plain_value(
            build_model_schema(WebhookNotice), build_model_schema(WebhookNotice)["properties"]["url"] | {"type": ["string"]}
        ),
        "mail notice": _allow_plain_value(build_model_schema(MailNotice), _build_value_definitions()["some texts"]),
        "twiml": _allow_plain_value(build_model_schema(TwimlApp), {"type": ["string"]}),
        "ended": {"type": ["array", "null"], "items": _build_reference("ended step")},
        "nodes": {
            "type": "object",
            "properties": {START_NODE: {**_build_reference("steps or nothing"), "description": "Where every call begins."}},
            "required": [START_NODE],
            "propertyNames": {"pattern": f"^({FLOW_AND_NODE_NAME_PATTERN.pattern})$"},
            "additionalProperties": _build_reference("steps or nothing"),
        },
        "hours": _build_hours_schema(),
        "windows": _build_windows_schema(),
    }


def _build_closed_object(properties: Mapping[str, JsonSchema]) -> JsonSchema:
    return {"type": "object", "properties": {**properties}, "additionalProperties": False}


_DASH_PATTERN: Final = "[ \\t]*[-\u2013\u2014][ \\t]*"
_TIME_PATTERN: Final = "([01]?[0-9]|2[0-3]):[0-5][0-9]"
_DATE_PATTERN: Final = "[0-9]{4}-[0-9]{2}-[0-9]{2}"
_DATE_SPAN_PATTERN: Final = f"{_DATE_PATTERN}([ \\t]*([-\u2013\u2014/]|[.][.]|to)[ \\t]*{_DATE_PATTERN})?"


def _build_list_pattern(item_pattern: str) -> str:
    return f"{item_pattern}([ \\t]*,[ \\t]*{item_pattern})*"


def _build_windows_schema() -> JsonSchema:
    window = f"{_TIME_PATTERN}{_DASH_PATTERN}({_TIME_PATTERN}|24:00)"
    return {
        "type": ["string", "array"],
        "pattern": build_whole_pattern(f"{build_any_case_pattern(['closed'])}|{_build_list_pattern(window)}"),
        "items": {"type": ["string", "null"], "pattern": build_whole_pattern(_build_list_pattern(window))},
        "examples": ["09:00-17:00", "closed"],
    }


def _build_hours_schema() -> JsonSchema:
    """Build the schema of opening hours: windows by day, and the special keys."""
    weekday = f"({build_any_case_pattern(DAY_NUMBERS)})"
    day = f"({build_any_case_pattern(DAY_GROUPS)}|{weekday}({_DASH_PATTERN}{weekday})?)"
    dates = {
        "type": ["string", "array", "null"],
        "pattern": build_whole_pattern(_build_list_pattern(_DATE_SPAN_PATTERN)),
        "items": build_text_schema(_build_list_pattern(_DATE_SPAN_PATTERN), "null"),
    }
    beside: dict[str, JsonSchema] = {
        "holidays": {**_build_reference("texts"), "description": "Public holidays on which it is closed, as US or US-NY."},
        "closed": {**dates, "description": "Dates on which it is closed, as 2026-12-24 or 2026-12-24 - 2027-01-02."},
        "open": {
            "type": "object",
            "propertyNames": {"pattern": build_whole_pattern(_DATE_SPAN_PATTERN)},
            "additionalProperties": _build_reference("windows"),
            "description": "Dates with windows of their own, as 2026-12-19: 10:00-16:00.",
        },
    }
    help_ = {"description": "The windows of these days, as 09:00-12:30, 13:30-18:00; closed where there are none."}
    days = {name: {**_build_reference("windows"), **help_} for name in ("mon-fri", *WEEKDAY_NAMES, *DAY_GROUPS)}
    return {
        **_build_closed_object(days | {key: beside[key] for key in SPECIAL_HOURS_KEYS}),
        "patternProperties": {build_whole_pattern(_build_list_pattern(day)): _build_reference("windows")},
    }


# Steps


def _build_step_definitions(extensions: Extensions) -> dict[str, JsonSchema]:
    """Return definitions for lists of steps, single steps, and each word and verb."""
    verbs = {
        step_key_of_element(name): cls
        for name, cls in ELEMENT_CLASSES.items()
        if step_key_of_element(name) in STEP_COMPILERS and step_key_of_element(name) not in FLOW_STEPS
    }
    forms = {name: _build_step_class_schema(cls, extensions) for name, cls in FLOW_STEPS.items()}
    forms |= {name: _build_verb_schema(cls, extensions) for name, cls in verbs.items()}
    known = {name: _build_reference(f"step {name}") | {"description": form["description"]} for name, form in forms.items()}
    bare = [name for name, form in forms.items() if "null" in form["type"]]
    steps = {"type": "array", "items": _build_reference("step")}
    return {
        "steps": steps,
        "steps or nothing": {**steps, "type": ["array", "null"]},
        "step": _build_step_schema({"when": _WHEN_SCHEMA, **known}, bare),
        "gather prompt": _build_step_schema(
            {name: known[name] for name in PROMPT_STEPS}, [name for name in bare if name in PROMPT_STEPS]
        ),
        "ended step": _build_step_schema({"when": _WHEN_SCHEMA, **{name: known[name] for name in ENDED_STEP_NAMES}}, []),
        **{f"step {name}": form for name, form in forms.items()},
    }


def _build_step_schema(keys: Mapping[str, JsonSchema], bare_words: list[str]) -> JsonSchema:
    """Build the schema of a step: one key, perhaps with ``when``; or a bare word without a value."""
    one, two = ({"minProperties": count, "maxProperties": count} for count in (1, 2))
    count = {"if": {"required": ["when"]}, "then": two, "else": one}
    word = {"if": {"type": "string"}, "then": {"enum": bare_words}, "else": count}
    return {**_build_closed_object(keys), "type": ["object", "string"], **word}


def _allow_plain_value(mapping_schema: JsonSchema, plain_schema: JsonSchema) -> JsonSchema:
    """Allow a mapping or a plain value in one schema: tools report clearer errors than for ``anyOf``."""
    return {**plain_schema, **mapping_schema, "type": ["object", *plain_schema["type"]]}


def _needs_no_arguments(cls: type[Element]) -> bool:
    """Return True if a verb is valid without any argument."""
    try:
        cls()
    except VerbBuildError:
        return False
    return True


def _build_step_class_schema(cls: type[FlowStep], extensions: Extensions) -> JsonSchema:
    """Build the schema of a flow step: its keys, or a plain value for ``plain_key``."""
    says = {"description": (cls.__doc__ or "").strip()}
    more = _build_extension_schemas(extensions.kinds.get(cls.verb, {}))
    if not cls.plain_key:
        either = {"anyOf": [{"required": [key]} for key in cls.alternatives]} if cls.alternatives else {}
        return {**build_model_schema(cls, more), "type": ["object"], **either, **says}
    field = cls.model_fields[cls.plain_key]
    plain = _resolve_reference(build_type_schema(field.annotation, field.metadata))
    if cls.takes_raw_value:
        return {**plain, "type": [plain["type"]], **says}
    if cls.is_plain_text:
        plain = {key: part for key, part in plain.items() if key in ("type", "items")}
    kinds = [kind for kind in plain["type"] if kind != "object" and (kind != "null" or not field.is_required())]
    schema = {**_allow_plain_value(build_model_schema(cls, more), {**plain, "type": kinds}), **says}
    return _allow_languages(schema, _build_reference("some prompt")) if cls.is_plain_text else schema


def _resolve_reference(schema: JsonSchema) -> JsonSchema:
    """Return the definition of a shared value instead of a reference to the definition."""
    return _build_value_definitions().get(schema.get("$ref", "").rpartition("/")[2], schema)


def _build_extension_schemas(kinds: Mapping[str, ValueKind]) -> dict[str, JsonSchema]:
    return {
        name: {**build_kind_schema(kind), "description": f"Declared by you: {_describe_kind(kind)}."}
        for name, kind in kinds.items()
    }


def _build_verb_schema(cls: type[Element], extensions: Extensions) -> JsonSchema:
    """Build the schema of a verb: attributes and children, or a plain value for the main attribute."""
    row = cls.spec
    properties = {name: _build_attribute_schema(attribute) for name, attribute in row.attributes.items()}
    if cls is Play:
        properties |= {name: {**TEXT_SCHEMA, "description": description} for name, description in SOUND_KEYS.items()}
    properties |= _build_extension_schemas(extensions.kinds.get(row.name, {})) | _build_child_schemas(cls)
    keys = {
        **_build_closed_object(properties),
        "required": [name for name, one in row.attributes.items() if one.is_required],
    }
    plain = row.attributes.get(find_plain_attribute(cls))
    form = build_kind_schema(plain.kind) if plain else {"type": []}
    kinds = [kind for kind in form["type"] if kind != "null"] + (["null"] if _needs_no_arguments(cls) else [])
    if cls is Play:
        form = {**form, "pattern": f"{form['pattern']}|{_SOUND_NAME_PATTERN}"}
    elif cls is Say:
        form, kinds = {**form, "items": _build_reference("prompt part")}, [*kinds, "array"]
    schema = {**_allow_plain_value(keys, {**form, "type": kinds}), "description": _describe_verb(row)}
    this = _build_reference(f"step {step_key_of_element(row.name)}")
    return _allow_languages(schema, this) if cls in (Say, Play) else schema


_SOUND_KINDS: Final = [suffix.removeprefix(".") for suffix in SOUND_FILE_SUFFIXES]
_SOUND_NAME_PATTERN: Final = f"^[^/~:][^:]*[.]({build_any_case_pattern(_SOUND_KINDS)})$"


def _build_child_schemas(cls: type[Element]) -> dict[str, JsonSchema]:
    """Return the schemas of the keys for a verb's children."""
    inside = cls.spec.allowed_children
    steps = _build_reference("steps")
    branches = {"type": "object", "propertyNames": _build_keys_schema(), "additionalProperties": steps}
    prompts = {"type": "array", "items": _build_reference("gather prompt")}
    there = {
        "do": (Say, prompts if DTMF in inside else steps, "The steps that are done inside it."),
        "dtmf": (DTMF, branches, "Steps by the keys that are pressed: 0-9, star, hash, or several such."),
        "default": (Default, steps, "The steps where other keys are pressed."),
        "error": (Error, steps, "The steps where it fails, or nothing comes of it."),
        "meta": (
            Meta,
            {"type": "object", "additionalProperties": TEXT_SCHEMA},
            "Variables that are passed on to callback URLs.",
        ),
    }
    described_forms = {key: (needs, {**form, "description": says}) for key, (needs, form, says) in there.items()}
    return {key: form for key in CHILD_KEYS for needs, form in [described_forms[key]] if needs in inside}


def _build_keys_schema() -> JsonSchema:
    return {"pattern": build_kind_schema(KEYS_KIND)["pattern"]}


def _describe_verb(row: ElementSpec) -> str:
    only = f" Only in the {row.dialects[0]} dialect." if len(row.dialects) == 1 else ""
    return f"{row.description.replace('``', '`')}{only}{_describe_evidence(row.evidence)}"


def _build_attribute_schema(attribute: AttributeSpec) -> JsonSchema:
    only = f" Only in the {next(iter(attribute.spellings))} dialect." if len(attribute.spellings) == 1 else ""
    default = (
        f", {attribute.default}{' ms' if attribute.kind is MILLISECONDS_KIND else ''} where it is not given"
        if attribute.default
        else ""
    )
    means = f"{attribute.meaning[0].upper()}{attribute.meaning[1:]}"
    must = f": {_describe_kind(attribute.kind)}" if attribute.kind.pattern else ""
    text = f"{means}{must}{default}.{only}{_describe_evidence(attribute.evidence)}"
    return {**build_kind_schema(attribute.kind), "description": text}


def _describe_kind(kind: ValueKind) -> str:
    return "a duration, as 500ms, 20s or 2m" if kind is MILLISECONDS_KIND else kind.requirement


def _describe_evidence(evidence: Evidence) -> str:
    return "" if evidence is Evidence.DOCUMENTED else f" Not documented by Opentact, only {evidence.value}."
