"""The forms of scenarios, as JSON Schema says them."""

from __future__ import annotations

from typing import Final

from app.flows.scenarios import DURING, EXPECTED, OUTCOMES, Scenario, Written
from app.flows.schema.forms import TEXT, Form, of_model

_ANYTHING: Final[Form] = {}
_TEXTS: Final[Form] = {"$ref": "#/definitions/texts"}
_PARTS: Final[Form] = {"to": _TEXTS, "payload": {"type": "object"}}


def tests() -> dict[str, Form]:
    """What stands under ``tests``, and what several of its keys take."""
    behaviour = {"enum": ["answer", "busy", "no-answer"]}
    by_target = {"type": ["string", "object"], "additionalProperties": behaviour}
    wait = {"type": "object", "additionalProperties": False, "properties": {"wait": TEXT, "press": TEXT, "hangup": TEXT}}
    expected = {"$ref": "#/definitions/expected"}
    return {
        "tests": {"type": ["array", "null"], "items": of_model(Scenario)},
        "texted": {"type": [*TEXT["type"], "array"], "items": {**of_model(Written), "type": ["object", *TEXT["type"]]}},
        "script": {"type": [*TEXT["type"], "array"], "items": {**wait, "type": ["object", *TEXT["type"]]}},
        "callee": {**by_target, "type": ["string", "object", "array"], "items": by_target},
        "anything": _ANYTHING,
        "expectations": {"type": "array", "items": expected},
        "expected": {
            "type": ["object", "string"],
            "additionalProperties": False,
            "minProperties": 1,
            "maxProperties": 1,
            "properties": {**{word: _expected(word) for word in EXPECTED}, **_whole(expected)},
        },
    }


def _expected(word: str) -> Form:
    """A word and what is expected of its step: all of these fields, or the plain one alone."""
    known = EXPECTED[word]
    fields = {field: _PARTS.get(field, TEXT) for field in known.fields}
    plain = _PARTS.get(known.plain, TEXT)
    says = f"A step {word}: text as it is said, or /a regular expression/." if word == "say" else f"A step {word}."
    return {
        **({"items": TEXT} if known.plain == "to" else {}),
        "type": ["object", *TEXT["type"], *(["array"] if plain is _TEXTS else [])],
        "properties": fields,
        "additionalProperties": False,
        "description": says,
    }


def _whole(expected: Form) -> dict[str, Form]:
    return {
        "outcome": {
            "type": ["string", "object"],
            "description": "How the call ends, and in which step the caller hangs up: {is: caller-hung-up, during: say}.",
            "if": {"type": "string"},
            "then": {"enum": [*OUTCOMES]},
            "properties": {"is": {"enum": [*OUTCOMES]}, "during": {"enum": [*DURING]}},
            "additionalProperties": False,
        },
        "nodes": {"type": "array", "items": TEXT, "description": "The nodes that the call comes to, all of them in order."},
        "not": {"type": "array", "items": expected, "description": "What happens nowhere in the call."},
    }
