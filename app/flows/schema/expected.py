"""The forms of scenarios, as JSON Schema says them."""

from __future__ import annotations

from typing import Final

from app.flows.scenarios import CALL_OUTCOMES, EXPECTATION_WORDS, INTERRUPTIBLE_WORDS, Scenario, ScenarioText
from app.flows.schema.forms import TEXT_SCHEMA, JsonSchema, build_model_schema

_ANY_VALUE: Final[JsonSchema] = {}
_TEXTS_REFERENCE: Final[JsonSchema] = {"$ref": "#/definitions/texts"}
_FIELD_SCHEMAS: Final[JsonSchema] = {"to": _TEXTS_REFERENCE, "payload": {"type": "object"}}


def build_scenario_definitions() -> dict[str, JsonSchema]:
    """What stands under ``tests``, and what several of its keys take."""
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
    """A word and what is expected of its step: all of these fields, or the plain one alone."""
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
