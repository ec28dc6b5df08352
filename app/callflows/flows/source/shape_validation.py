"""Validates values of a file with pydantic models. Invalid parts are reported and dropped; the rest is still checked."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, get_args

import pydantic

from callflows.flows.source.foreign_words import (
    is_word_for_condition,
    suggest_condition,
    suggest_instead_of_key,
    suggest_own_word,
)
from callflows.flows.source.misspelt_keys import correct_misspelt_keys
from callflows.flows.source.platform_limits import find_platform_limit
from callflows.flows.source.yaml_slips import find_key_slip
from callflows.flows.source.yaml_source import UNREADABLE_VALUE
from callflows.language.value_kinds import DURATION_PATTERN
from callflows.telephony.truth_words import TRUE_WORDS, says_no
from callflows.text import Suggestion, find_nearest, format_suggestion, split_error

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from callflows.flows.source.positions import ProblemReport, SourcePath
    from callflows.language.plausible_durations import PlausibleDuration


UNREADABLE_TEXT: Final = "\ufdd0"
"""Replaces a text that could not be read. The error is already reported; no author's text contains this character."""


def validate_shape(model: type[Any], data: object, path: SourcePath, report: ProblemReport) -> Any:  # noqa: ANN401
    """Validate ``data`` with a pydantic model. Reports and drops invalid parts. Returns None if the rest is not valid.

    A required value that cannot be read is replaced by the model's value in ``instead``, so that the rest is checked.
    """
    try:
        validated = model.model_validate(data)
    except pydantic.ValidationError:
        validated = _validate_partly(model, correct_model_keys(model, data, path, report), path, report)
    for key, plausible in getattr(model, "plausible_durations", {}).items() if validated is not None else ():
        value = getattr(validated, key)
        if key in validated.model_fields_set and value is not None and isinstance(data, dict):
            warn_about_duration(key, data.get(key), value, plausible, (*path, key), report)
    return validated


def warn_about_duration(
    name: str, text: object, milliseconds: int, plausible: PlausibleDuration, path: SourcePath, report: ProblemReport
) -> None:
    """Warn about a duration that is much too short or too long for its key, as 25000s of ringing."""
    found = DURATION_PATTERN.fullmatch(text.strip()) if isinstance(text, str) else None
    if found is not None and not milliseconds and plausible.zero_effect:
        message = f"{name}: {found[0]} is no time: {plausible.zero_effect}"
        report.warning(path, "duration-doubtful", message, plausible.describe_usual())
    if found is None or plausible.contains(milliseconds):
        return
    extent = "short" if milliseconds < plausible.shortest else "long"
    fix = plausible.suggest_fix(int(float(found[1])), milliseconds)
    report.warning(path, "duration-doubtful", f"{name}: {found[0]} is very {extent}", fix)


def correct_model_keys(model: type[Any], data: Any, path: SourcePath, report: ProblemReport) -> Any:  # noqa: ANN401
    """Return ``data`` with clearly misspelt keys of a model corrected. Reports each misspelt key."""
    if not isinstance(data, dict):
        return data

    def report_key(key: str, _right: str) -> None:
        _report_unknown_key(model, key, (*path, key), report)

    return correct_misspelt_keys(data, _model_keys(model), path, report, report_key=report_key)


def _validate_partly(model: type[Any], data: object, path: SourcePath, report: ProblemReport) -> Any:  # noqa: ANN401
    try:
        return model.model_validate(data)
    except pydantic.ValidationError as errors:
        wrong = errors.errors(include_url=False)
    renamed = _find_renamed_keys(model, wrong)
    for error in wrong:
        if error["loc"] in renamed:
            if renamed[error["loc"]]:
                _report_unknown_key(model, error["loc"][-1], (*path, *error["loc"]), report, renamed[error["loc"]])
        elif error["type"] == "missing" or error["input"] is not UNREADABLE_VALUE:
            where = (*path, *(part for part in error["loc"] if part != "[key]"))
            _report_shape_error(_find_model_at(model, error["loc"][:-1]), error, where, report)
    if not isinstance(data, dict):
        return None
    own_keys = {error["loc"][0] for error in wrong if len(error["loc"]) == 1}  # at once: there may be thousands
    data = {key: value for key, value in data.items() if key not in own_keys}
    for error in wrong:
        if len(error["loc"]) > 1:
            data = _drop_value(data, error["loc"])
    missing = {error["loc"][0] for error in wrong if error["loc"][0] not in data}
    instead = {key: value for key, value in getattr(model, "instead", {}).items() if key in missing}
    try:
        return model.model_validate({**data, **instead})
    except pydantic.ValidationError:
        return None


def _find_renamed_keys(model: type[Any], wrong: Sequence[Any]) -> dict[tuple[Any, ...], str]:
    """Return the places of missing keys and of unknown keys that stand for them: one mistake, so one message.

    The place of the unknown key has the missing key, the place of the missing key an empty text.
    """
    renamed: dict[tuple[Any, ...], str] = {}
    if model.__name__ == "FlowFile":
        return renamed
    for outer in dict.fromkeys(error["loc"][:-1] for error in wrong if error["loc"][:1] != ("nodes",)):
        own = [error for error in wrong if error["loc"][:-1] == outer]
        missing = {str(error["loc"][-1]): error["loc"] for error in own if error["type"] == "missing"}
        unknown = [error["loc"] for error in own if error["type"] == "extra_forbidden"]
        is_only_one = len(missing) == len(unknown) == 1
        known = _model_keys(_find_model_at(model, outer))
        for place in unknown:
            meant = _find_missing_key(str(place[-1]), missing, known, is_only_one=is_only_one)
            if meant:
                renamed |= {place: meant, missing.pop(meant): ""}
    return renamed


def _find_missing_key(unknown: str, missing: Collection[str], known: Sequence[str], *, is_only_one: bool) -> str:
    """Return the missing key that an unknown one stands for: a similar word, another word for it, or the only one."""
    nearest = find_nearest(unknown, known)
    same = next((key for key in missing if key == nearest or suggest_own_word(unknown, [key])), "")
    if same or nearest or not is_only_one:
        return same
    return "" if suggest_own_word(unknown, known) else next(iter(missing))


def _drop_value(data: Mapping[Any, Any], place: Sequence[Any]) -> dict[Any, Any]:
    """Return a mapping without an invalid value, and with as much of the rest as possible. Lists are dropped as a whole."""
    key, *inner = place
    part = data.get(key)
    if inner and isinstance(part, dict) and inner[0] in part:
        left = _drop_value(part, inner)
        if left:
            return {**data, key: left}
    return {name: value for name, value in data.items() if name != key}


def _find_model_at(model: type[Any], place: Sequence[Any]) -> type[Any]:
    """Return the innermost model at a place in the data."""
    for key in place:
        kind = model.model_fields[key].annotation if key in model.model_fields else None
        kinds = (kind, *get_args(kind))
        model = next((kind for kind in kinds if isinstance(kind, type) and issubclass(kind, pydantic.BaseModel)), model)
    return model


def _model_keys(model: type[Any]) -> list[str]:
    return [field.alias or key for key, field in model.model_fields.items() if not field.exclude]


_MAPPING_EXAMPLES: Final = {
    "keys": "each key names a node, as {1: sales, 2: support}",
    "nodes": "as nodes: {start: [say: Hello]}",
    "dial_policy": "as dial_policy: {regions: [US]}",
    "languages": "as languages: {en: en-US, es: es-US}",
    "groups": "as groups: {sales: [+12015550188]}",
    "hours": "as hours: {office: {mon-fri: 09:00-17:00}}",
    "lists": "as lists: {vip: vip.csv}",
    "variables": "as variables: {site: Newark}",
    "directory": "as directory: {401: {to: +12015550188, name: Ann}}",
    "values": "as set: {language: es}, with a name and its value",
    "voice": "as voice: {lang: en-US, gender: FEMALE}",
}
_TEXT_EXAMPLES: Final = {
    "lists": "name a file of numbers, as vip: lists/vip.csv",
    "numbers": "write the number itself; what belongs to it is numbers: {+12015550123: {site: Newark}}",
}
_NODE_KEYS: Final = frozenset({"otherwise", "no_answer", "answered", "busy", "failed", "goto"})
"""Keys whose value is the name of a node."""


_KEYS_ABOUT_FILE: Final = frozenset({"name", "title", "id", "description", "flow_name", "comment", "notes", "version"})


def _report_unknown_key(
    model: type[Any], name: object, where: SourcePath, report: ProblemReport, missing_key: str = ""
) -> None:
    """Report a key that the model has not. ``missing_key``: the only required key that is missing, and probably meant."""
    known = _model_keys(model)
    instead = suggest_instead_of_key("file" if model.__name__ == "FlowFile" else getattr(model, "step_key", ""), str(name))
    if instead:
        report.error(where, "unknown-key", f"there is no key {name!r} here", instead, key=True)
        return
    limit = find_platform_limit(str(name))
    if limit is not None:
        report.error(where, "platform-lacks", limit.message, limit.fix, key=True)
        return
    about_file = "the flow has the name of its file; what else there is to say, is a comment: # …"
    if model.__name__ == "FlowFile" and name in _KEYS_ABOUT_FILE:
        report.error(where, "unknown-key", f"there is no key {name!r} here", about_file, key=True)
        return
    if is_word_for_condition(str(name)) and hasattr(model, "step_key") and "when" not in known:
        report.error(where, "unknown-key", f"there is no key {name!r} here", suggest_condition(model.step_key), key=True)
        return
    near = Suggestion(missing_key) or suggest_own_word(str(name), known) or format_suggestion(str(name), known)
    fix = near or f"there {'is only' if len(known) == 1 else 'are'} {', '.join(known)}"
    report.error(where, "unknown-key", f"there is no key {name!r} here", fix, key=True)


def _suggest_list(name: str, value: object) -> str:
    """Return the fix for another value in the place of a list."""
    if value in ("", None) and name == "numbers":
        return "write them, as numbers: +12015550123, or numbers: [+12015550123, +12015550124]"
    if not isinstance(value, dict):
        return "begin each line with -"
    glued = next((key for key in value if str(key).startswith("-")), "")
    if glued:
        return f"write a blank after the -, as - {glued.lstrip('-')}: …"
    if isinstance(value.get("steps"), list):
        return f"take the line steps: out: the steps stand right under {name}:"
    return "begin each line with -"


def _suggest_mapping(name: str, value: object) -> str:
    """Return the fix for another value in the place of a mapping."""
    words = value.split() if isinstance(value, str) else []
    slip = find_key_slip(" ".join(words[:1])) or find_key_slip(" ".join(words[:3]))
    if slip is not None:
        each = "write a blank after each colon" if slip.sign == ":" else f"write a colon for each {slip.sign}"
        return f"{each}, as {slip.key}: {slip.value}"
    if isinstance(value, list) and name == "nodes":
        return f"take the - before each name under {name}: away, as {name}: {{start: […]}}"
    return _MAPPING_EXAMPLES.get(name, "as key: value, without -")


def _suggest_text(name: str, value: object, where: SourcePath) -> str:
    """Return the fix for a value that is no text under a key that takes one."""
    if name == "match" and isinstance(value, list):
        return f'several are one pattern: match: "{"|".join(map(str, value))}"'
    if name == "node":
        return "write the name of one node; several ways are a choose"
    if name in _NODE_KEYS or where[-2:-1] == ("keys",):
        return "write the name of a node; its steps stand there, under nodes:"
    return _TEXT_EXAMPLES.get(str(where[0]), "") if where else ""


def _report_shape_error(model: type[Any], error: Any, where: SourcePath, report: ProblemReport) -> None:  # noqa: ANN401
    name = next((part for part in reversed(where) if isinstance(part, str)), "file")
    is_key = error["loc"][-1:] == ("[key]",)
    match error["type"]:
        case "extra_forbidden":
            _report_unknown_key(model, name, where, report)
        case "missing":
            fix = "the parts of the call stand under nodes:, as nodes: {start: [say: Hello]}" if name == "nodes" else ""
            report_error = report.unknown_name if name == "nodes" else report.error
            report_error(where[:-1], "missing-key", f"{name} is missing", fix)
        case "list_type":
            fix = _suggest_list(name, error["input"])
            report.error(where, "shape", f"{name}: must be a list", fix)
        case "dict_type" | "model_type" | "model_attributes_type":
            fix = _suggest_mapping(name, error["input"])
            report.error(where, "shape", f"{name}: must be a mapping of keys and values", fix)
        case "string_type":
            report.error(where, "shape", f"{name}: must be a text", _suggest_text(name, error["input"], where))
        case "too_short" | "string_too_short":
            report.error(where, "value", f"{name}: must not be empty", key=is_key)
        case _:
            message, fix = _describe_value_error(error)
            report.error(where, "value", f"{name}: {message}", fix, key=is_key)


def _describe_value_error(error: Any) -> tuple[str, str]:  # noqa: ANN401
    """Return the message and the fix for an invalid value."""
    value, more = error["input"], error.get("ctx", {})
    shown = f"{value!r:.60}"
    match error["type"]:
        case "literal_error":
            words = re.findall("'([^']*)'", more["expected"])
            near = next((word for word in words if _names_same_way(str(value), word)), "")
            fix = f"did you mean {near!r}?" if near else format_suggestion(str(value), words)
            return f"must be {more['expected']}, not {shown}", fix
        case "value_error":
            return split_error(more["error"])
        case "bool_parsing" | "bool_type":
            word = "true" if str(value).strip().lower() in TRUE_WORDS else "false" if says_no(str(value)) else ""
            fix = f"did you mean {word!r}?" if word else format_suggestion(str(value), ("true", "false"))
            return f"must be true or false, not {shown}", fix
        case "int_parsing" | "int_type" | "int_from_float":
            return f"must be a whole number, not {shown}", ""
        case "less_than_equal":
            return f"must be at most {_format_limit(more['le'], value)}, not {shown}", ""
        case "greater_than_equal":
            return f"must be at least {_format_limit(more['ge'], value)}, not {shown}", ""
        case _:
            return f"{error['msg'].lower()}, not {shown}", ""


def _names_same_way(text: str, word: str) -> bool:
    """Return True if a text is another word for a value, however its words are separated."""
    folded = re.sub("[^a-z]+", " ", text.lower()).strip()
    return folded in map(str.strip, _SAME_VALUES.get(word, "").split(","))


_SAME_VALUES: Final = {
    "at-once": "all, ring all, ringall, all at once, once, simultaneous, simultaneously, simring, parallel, in parallel, "
    "together, at the same time, everyone, everybody, concurrent, broadcast, group, both",
    "in-turn": "sequential, sequentially, sequence, in sequence, serial, serially, one by one, one after another, "
    "one at a time, one after the other, in order, order, ordered, linear, hunt, turn, turns, by turns, round robin, "
    "roundrobin, rotate, cascade, failover",
}
"""Other words that people write for a value, by value."""


def _format_limit(limit: int, value: object) -> str:
    """Format a limit in the author's notation: the limit of a duration (ms) with a unit."""
    if isinstance(value, str) and DURATION_PATTERN.fullmatch(value.strip()):
        return f"{limit // 1000}s" if limit % 1000 == 0 else f"{limit}ms"
    return str(limit)
