"""Writes the reference of flow files as a Markdown page, from the models that read the files.

``python -m callflows.flows.authoring.flow_reference > docs/flow-reference.md`` writes the page again. Descriptions come
from the fields, ``caller_hears`` and ``check_rules`` from the step classes, examples from files in ``examples``.
"""

from __future__ import annotations

import re
from importlib import resources
from typing import TYPE_CHECKING, Any, Final

from callflows.flows.authoring.flow_schema import build_flow_schema
from callflows.flows.authoring.value_schemas import build_field_schema
from callflows.flows.checks.rule_table import CHECK_RULES
from callflows.flows.dial_policy.target_policy import DialPolicySection
from callflows.flows.messages.message_rules import MessageRule
from callflows.flows.source.directory_entry import DirectoryEntry
from callflows.flows.source.flow_file import FlowFile
from callflows.flows.source.hunt_group import HuntGroup
from callflows.flows.source.platform_limits import find_platform_limit
from callflows.flows.source.scenario_shape import Scenario
from callflows.flows.steps.step_table import FLOW_STEPS, STEP_COMPILERS, step_key_of_element, suggest_step
from callflows.flows.steps.verb_steps import CHILD_KEYS, find_plain_attribute
from callflows.language.value_kinds import DURATION_PATTERN, MILLISECONDS_KIND
from callflows.language.verbs import ELEMENT_CLASSES
from callflows.text import format_known_words, format_suggestion

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    import pydantic
    from pydantic.fields import FieldInfo

    from callflows.language.element import Element


FILE_KEY_RULES: Final[Mapping[str, tuple[str, ...]]] = {
    "include": ("include",),
    "receives": ("secret-handed-over",),
    "numbers": ("no-numbers", "number", "number-values", "number-claimed-twice", "number-country"),
    "timezone": ("timezone", "timezone-fixed", "no-timezone"),
    "voice": ("value", "unknown-key", "language-code"),
    "languages": ("unknown-language", "language-code", "no-translation", "unused", "value", "unknown-key"),
    "dialect": ("dialect",),
    "hours": (
        "hours-contradiction",
        "hours-date",
        "hours-day",
        "hours-holidays",
        "hours-never",
        "hours-night",
        "hours-not-asked",
        "hours-overlap",
        "hours-twice",
        "hours-window",
    ),
    "lists": (
        "list-empty",
        "list-missing",
        "list-row",
        "list-row-country",
        "list-row-twice",
        "list-stale",
        "list-unreadable",
        "unused",
    ),
    "groups": ("dial-target", "duration-doubtful", "unused"),
    "directory": ("directory", "dial-target", "key-shadowed", "unused"),
    "variables": ("unused", "text-as-list", "text-as-truth"),
    "dial_policy": ("dial-policy", "dial-policy-closed", "dial-policy-spans", "dial-policy-wide"),
    "template": (
        "template-file",
        "template-values",
        "text-may-be-empty",
        "duration-doubtful",
        "audio-url",
        "dtmf-branch",
        "undocumented",
        "shape",
    ),
    "twiml": ("twiml-url", "twiml-http", "dial-policy-closed", "shape"),
    "nodes": ("no-start", "node-name", "unreachable-node", "says-nothing", "endless-loop", "silent-loop"),
    "messages": ("keyword-twice", "message-else", "message-keyword", "message-loop", "message-text", "message-unreached"),
    "ended": ("ended", "ended-node"),
    "tests": ("test-name", "test-number", "test-script", "test-supposed", "test-text", "test-time"),
    "fallback": ("fallback-not-static",),
}
"""The rules of ``callflows check`` for each key of the file."""
_SECTION_MODELS: Final[Mapping[str, type[pydantic.BaseModel]]] = {
    "groups": HuntGroup,
    "directory": DirectoryEntry,
    "dial_policy": DialPolicySection,
    "messages": MessageRule,
    "tests": Scenario,
}
"""Models of the sections below a key of the file."""
_TYPE_NAMES: Final[Mapping[str, str]] = {
    "texts": "text, or a list of texts",
    "included files": "file, `{file, prefix}`, or a list of both",
    "numbers": "text, a list of texts, or variables by number",
    "variable": "text, or a list of texts",
    "some texts": "text, or a list of texts",
    "prompt": "text, or a list of `say`, `play`, `pause`; perhaps by language",
    "attempts": "text, or a list of `say`, `play`, `pause`; a list of these for each attempt; perhaps by language",
    "expression": "expression",
    "ways": "list of `{when, goto}`",
    "name": "name",
    "digits": "number of digits, `6` or `4-8`",
    "timezone": "time zone",
    "languages": "language tag, or keys of `say`, by language",
    "text by language": "text, or a text for each language",
    "voice": "keys of `say`: `{lang, gender, type}`",
    "group": "group",
    "extension": "extension",
    "directory entry": "text, or `{to, name}`",
    "dial_policy": "keys, see below",
    "messages": "list of rules, see below",
    "notice": "URL, or `{url, payload}`",
    "ended": "list of `sms`, `mail` and `notify` steps",
    "twiml": "URL, or `{url, method}`",
    "nodes": "steps by node",
    "hours": "days and times",
    "steps": "list of steps",
    "steps or nothing": "list of steps",
    "tests": "list of scenarios, see below",
    "texted": "text, or a list of texts",
    "script": "keys, or a list",
    "callee": "`answer`, `busy`, `no-answer`; by target; or a list",
    "anything": "any value",
    "expectations": "list of what happens",
}
"""Definitions of the JSON Schema in words."""
_PLAIN_VALUE_NOTES: Final[Mapping[str, str]] = {
    "play": " A plain value without `://` is `sound`. Both may stand in a prompt, too.",
    "say": " A list is one prompt of several parts: `- say: [play: chime.wav, say: Welcome.]`.",
}
_VERB_RULES: Final[Mapping[str, tuple[str, ...]]] = {
    "play": ("audio-url", "sound-name", "sound-missing", "sound-format", "sound-length"),
    "say": (
        "empty-text",
        "step-as-text",
        "escape-in-text",
        "ssml",
        "truth-as-text",
        "time-as-text",
        "url-as-text",
        "language-code",
        "spoken-language",
        "template",
    ),
}
"""The rules about single verbs."""
_VERBS_TEXT: Final = (
    "Every verb of Opentact's call control language is a step under its own name, with its own attributes. "
    "`callflows verbs VERB` shows its XML, and whether Opentact documents it."
)


def render_flow_reference() -> str:
    """Return the whole page, which is the same on every run."""
    schema = build_flow_schema()
    mentioned = {rule for rules in FILE_KEY_RULES.values() for rule in rules}
    mentioned |= {rule for cls in FLOW_STEPS.values() for rule in _check_rules_of(cls)}
    parts = [
        *_render_head(),
        "## Keys of the file",
        *(part for name, field in FlowFile.model_fields.items() for part in _render_file_key(name, field, schema)),
        "## Flow steps",
        *(part for name, cls in FLOW_STEPS.items() for part in _render_word(name, cls)),
        "## Opentact verbs as steps",
        _VERBS_TEXT,
        *(part for name, cls in _verb_steps().items() for part in _render_verb(name, cls, schema)),
        "## Errors of every file",
        "These rules of `callflows check` are about any file, not about one key or step.",
        _render_rules(rule for rule in CHECK_RULES if rule not in mentioned),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def render_step_page(name: str) -> str:
    """Return the part of the page about one step or key of the file. Raises LookupError for any other word."""
    key = re.sub(r"[\s-]+", "_", name.strip()).casefold()
    if key in FLOW_STEPS:
        parts = [*_render_word(key, FLOW_STEPS[key])]
    elif key in _verb_steps():
        parts = [*_render_verb(key, _verb_steps()[key], build_flow_schema())]
    elif key in FlowFile.model_fields:
        parts = [*_render_file_key(key, FlowFile.model_fields[key], build_flow_schema())]
    else:
        owners = _find_owners(key)
        if owners:
            raise LookupError(f"{name!r} is a key of {', '.join(owners)}: callflows words {owners[0]}")
        limit = find_platform_limit(name)
        if limit is not None:
            raise LookupError(f"{limit.message} ({limit.fix})")
        near = suggest_step(name) or format_suggestion(name, FlowFile.model_fields)
        raise LookupError(
            f"there is no step or key {name!r}; {near or format_known_words([*FlowFile.model_fields, *STEP_COMPILERS])}"
        )
    return "\n\n".join(part for part in parts if part).removeprefix("##") + "\n"


def _find_owners(key: str) -> list[str]:
    """Return the steps and keys of the file that have a key, in the order of the reference."""
    names = [*FlowFile.model_fields, *FLOW_STEPS]
    return [name for name in names if f"\n| `{key}` |" in render_step_page(name)]


def load_example(kind: str, name: str) -> str:
    """Return the text of an example flow file, or an empty text. The kind is ``keys`` or ``steps``."""
    file = resources.files(__package__).joinpath("examples", kind, f"{name}.yaml")
    return file.read_text(encoding="utf-8") if file.is_file() else ""


def _render_head() -> Iterator[str]:
    yield "<!-- Written by `python -m callflows.flows.authoring.flow_reference`. Do not edit this page by hand. -->"
    yield "# Reference of flow files"
    yield (
        "Every key of a flow file and every step: what it is for, its keys with type and default, a whole file as an "
        "example, what the caller hears, and the errors that `callflows check` reports. "
        "[Flow files](flows.md) explains how they work together."
    )
    yield (
        "Types: a **text** needs quotes only if YAML would read it differently. "
        "A **duration** has a unit: `500ms`, `20s`, `2m`. "
        "A **node** is a name under `nodes`. An **expression** is what `when` takes: `hours.office.open`. "
        "A **URL** begins with `https://` or `http://`. A **key** of the phone is `0` to `9`, `star` or `hash`."
    )
    yield (
        "A step is one key, with an optional `when`: an expression, and the step is done only if it is true. "
        "A step that needs no value can be a bare word: `- hangup`."
    )


# Keys of the file


def _render_file_key(name: str, field: FieldInfo, schema: Mapping[str, Any]) -> Iterator[str]:
    yield f"### {name}"
    yield _sentence(field.description or "")
    yield f"Type: {_describe_schema(build_field_schema(field))}.{_describe_default(field)}"
    model = _SECTION_MODELS.get(name)
    if model is not None:
        yield _render_field_table(model)
    if name == "hours":
        yield _render_schema_table(schema["definitions"]["hours"]["properties"])
    yield from _render_example("keys", name)
    yield from _render_errors(FILE_KEY_RULES.get(name, ()))


# Steps


def _render_word(name: str, cls: type[Any]) -> Iterator[str]:
    yield f"### {name}"
    yield _sentence((cls.__doc__ or "").partition("\n\n")[0])
    if cls.takes_raw_value:
        yield f"Value: {_describe_schema(build_field_schema(cls.model_fields[cls.plain_key]))}."
    else:
        yield _render_field_table(cls)
    if cls.plain_key and not cls.takes_raw_value:
        yield f"A plain value is `{cls.plain_key}`: `- {name}: …` means `- {name}: {{{cls.plain_key}: …}}`."
    heard = getattr(cls, "caller_hears", "")
    if heard:
        yield f"**The caller hears:** {heard[0].lower()}{heard[1:]}"
    yield from _render_example("steps", name)
    yield from _render_errors(_check_rules_of(cls))


def _verb_steps() -> dict[str, type[Element]]:
    """Return the verbs that can be steps, by the key of the step."""
    keys = {step_key_of_element(name): cls for name, cls in ELEMENT_CLASSES.items()}
    return {key: cls for key, cls in keys.items() if key in STEP_COMPILERS and key not in FLOW_STEPS}


def _render_verb(name: str, cls: type[Element], schema: Mapping[str, Any]) -> Iterator[str]:
    definition = schema["definitions"][f"step {name}"]
    yield f"### {name}"
    yield _sentence(definition["description"])
    rows = [
        (
            f"`{key}`",
            _describe_kind_of(cls, key) or _describe_schema(form),
            _verb_default(cls, key),
            form.get("description", ""),
        )
        for key, form in definition["properties"].items()
    ]
    yield _render_table(("key", "type", "default", "what it is for"), rows) if rows else "It has no keys."
    plain = find_plain_attribute(cls)
    if plain:
        note = _PLAIN_VALUE_NOTES.get(name, "")
        yield f"A plain value is `{plain}`: `- {name}: …` means `- {name}: {{{plain}: …}}`.{note}"
    yield from _render_example("steps", name)
    yield from _render_errors(("verb", *_VERB_RULES.get(name, ())))


def _describe_kind_of(cls: type[Element], key: str) -> str:
    """Describe an attribute of a verb in words; any other key contains steps or texts."""
    attribute = cls.spec.attributes.get(key)
    if attribute is None:
        return {"dtmf": "steps by key", "meta": "texts by name", "sound": "name of a file", "text": "text"}.get(
            key, "list of steps"
        )
    if attribute.kind is MILLISECONDS_KIND:
        return "duration"
    return attribute.kind.requirement if attribute.kind.pattern else "text"


def _verb_default(cls: type[Element], key: str) -> str:
    attribute = cls.spec.attributes.get(key)
    if attribute is None or key in CHILD_KEYS:
        return ""
    if attribute.is_required:
        return "required"
    unit = "ms" if attribute.kind is MILLISECONDS_KIND and attribute.default else ""
    return f"`{attribute.default}{unit}`" if attribute.default else ""


# Fields


def _render_field_table(model: type[pydantic.BaseModel]) -> str:
    fields = {field.alias or name: (name, field) for name, field in model.model_fields.items() if not field.exclude}
    rows = [
        (f"`{key}`", _describe_field(model, name, field), _default_cell(field), _sentence(field.description or ""))
        for key, (name, field) in fields.items()
    ]
    return _render_table(("key", "type", "default", "what it is for"), rows)


def _describe_field(model: type[pydantic.BaseModel], name: str, field: FieldInfo) -> str:
    written = next((c.__annotations__[name] for c in model.__mro__ if name in getattr(c, "__annotations__", {})), "")
    if isinstance(written, str) and written.startswith("NodeName"):
        return "node"
    return _describe_schema(build_field_schema(field)) + _describe_range(field)


def _describe_range(field: FieldInfo) -> str:
    bounds = [(word, getattr(mark, word)) for mark in field.metadata for word in ("ge", "le") if hasattr(mark, word)]
    unit = "ms" if MILLISECONDS_KIND in field.metadata else ""
    least, most = (next((f"{value}{unit}" for word, value in bounds if word == bound), "") for bound in ("ge", "le"))
    if least and most:
        return f", {least} to {most}"
    return f", at least {least}" if least else f", at most {most}" if most else ""


def _describe_schema(form: Mapping[str, Any]) -> str:
    """Describe a JSON Schema of a value in words."""
    reference = form.get("$ref", "").rpartition("/")[2]
    if reference:
        return _TYPE_NAMES.get(reference, reference)
    if "enum" in form:
        return " or ".join(f"`{one}`" for one in form["enum"] if isinstance(one, str))
    if form.get("type") == "object":
        named = _describe_schema(form["additionalProperties"]) if isinstance(form.get("additionalProperties"), dict) else ""
        return f"{named or 'value'} by name" if named != "text" else "texts by name"
    if not form.get("type"):
        return "any value"
    pattern = form.get("pattern", "")
    if DURATION_PATTERN.pattern in pattern:
        return "duration"
    if "boolean" in form["type"] and pattern:
        return "`true` or `false`"
    if "star" in pattern:
        return "key"
    if "http" in pattern:
        return "URL"
    return "number" if "integer" in form["type"] else "text"


def _describe_default(field: FieldInfo) -> str:
    cell = _default_cell(field)
    return " Required." if cell == "required" else f" Default: {cell}." if cell else ""


def _default_cell(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    default = build_field_schema(field).get("default")
    if default is None:
        return "`false`" if field.default is False else ""
    return f"`{str(default).lower() if isinstance(default, bool) else default}`"


def _render_schema_table(properties: Mapping[str, Any]) -> str:
    """Render the keys of opening hours; one row stands for all keys of days."""
    rows = []
    for key, form in properties.items():
        if key == "mon-fri":
            rows.append(("a day or days: `mon`, `mon-fri`, `sat,sun`, `daily`", _sentence(form["description"])))
        elif key in ("holidays", "closed", "open"):
            rows.append((f"`{key}`", _sentence(form["description"])))
    return _render_table(("key", "what it is for"), rows)


# Parts


def _check_rules_of(cls: type[Any]) -> tuple[str, ...]:
    return tuple(getattr(cls, "check_rules", ()))


def _render_example(kind: str, name: str) -> Iterator[str]:
    text = load_example(kind, name)
    if text:
        yield f"Example:\n\n```yaml\n{text.rstrip()}\n```"


def _render_errors(rules: Iterable[str]) -> Iterator[str]:
    listed = _render_rules(rules)
    if listed:
        yield f"**Errors and warnings:**\n\n{listed}"


def _render_rules(rules: Iterable[str]) -> str:
    return "\n".join(f"- `{rule}`: {CHECK_RULES[rule].means}" for rule in rules if rule in CHECK_RULES)


def _render_table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *(tuple(cell.replace("|", "\\|") for cell in row) for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _sentence(text: str) -> str:
    """Return the text on one line, with a full stop and Markdown code marks."""
    joined = " ".join(text.replace("``", "`").split())
    return joined if not joined or joined[-1] in ".!?" else f"{joined}."


if __name__ == "__main__":
    import sys

    sys.stdout.write(render_flow_reference())
