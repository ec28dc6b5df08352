"""Reads a draft from a form: the text of the whole file, and single values that were changed beside it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from starlette.exceptions import HTTPException

from callflows.errors import ValueEditError
from callflows.flows.authoring.value_edits import ValueEdit, edit_values, list_editable_values, list_node_names
from callflows.flows.source.yaml_source import MAX_FLOW_FILE_BYTES
from callflows.text import has_crlf_lines

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from callflows.errors import Problem
    from callflows.flows.authoring.value_edits import EditableValue
    from callflows.web.console.filled_values import FilledValue

    ValuePath = tuple[str | int, ...]


_SET_FIELD: Final = "value "
"""Beginning of the name of a field for a value; the rest is the value's path as JSON."""
_SHOWN_FIELD: Final = "shown "
"""Beginning of the name of a field with the value that the page had shown; the rest is the name of the value's field."""
_ADD_FIELD: Final = "add "
"""Beginning of the name of a field for a new item of a list."""
_DATE_FIELD: Final = "date "
"""Beginning of the name of a field for a date with opening hours of its own; ``windows`` has its hours."""
_WINDOWS_FIELD: Final = "windows "
_KEY_FIELD: Final = "key "
"""Beginning of the name of a field for a new key of a menu; ``leads`` has the node to which the key leads."""
_LEADS_FIELD: Final = "leads "
_RENAME_FIELD: Final = "rename "
"""Beginning of the name of a field for another key of a menu in the place of one that is there."""
_SPARE_KEY: Final = "spare"
"""Name of a key for a moment, while two keys change their places."""
_KEYPAD_KEYS: Final = frozenset("0123456789*#")
_REMOVE_FIELD: Final = "remove "
"""Beginning of the name of a box that takes out an item."""
_TEXT_WORDS: Final = {
    "say": "says",
    "prompt": "asks",
    "no_input": "if no key was pressed",
    "no_match": "if a wrong key was pressed",
    "greeting": "greeting before the tone",
    "thanks": "thanks after a message",
}
"""Keys of texts, each in words."""
_ADDED_KINDS: Final = {"members": "add somebody", "dates": "add a date"}
"""Kinds of values of which there may be several, each with the label of a new one."""


def read_draft_text(fields: Mapping[str, str], original: str) -> str:
    """Return the text of a draft with the line ends of the original. Raises HTTPException."""
    # A browser sends CRLF, whatever the file has.
    text = fields.get("source", "").replace("\r\n", "\n")
    if not text.strip() or len(text) > MAX_FLOW_FILE_BYTES:
        raise HTTPException(400, "The draft is empty or too long.")
    return text.replace("\n", "\r\n") if has_crlf_lines(original) else text


def build_value_form(
    text: str, problems: Sequence[Problem], explain: Callable[[str], Sequence[FilledValue]]
) -> list[dict[str, Any]]:
    """Return the values of a flow file for a form: each with its fields, with those for new items, and its problems.

    ``explain`` tells with which values the braces of a text are filled.
    """
    values = list_editable_values(text)
    nodes = list_node_names(text)
    known = {value.path for value in values}
    menus: dict[ValuePath, list[EditableValue]] = {}
    for value in values:
        if value.kind == "key":
            menus.setdefault(value.path[:-1], []).append(value)
    rows: list[dict[str, Any]] = []
    anchored: set[str] = set()
    mentioned_lines: set[int] = set()
    for value, following in zip(values, [*values[1:], None], strict=True):
        keys = menus.pop(value.path[:-1], []) if value.kind == "key" else [value]
        if not keys:
            continue  # the menu has its row already
        row = _build_menu_row(keys, nodes) if value.kind == "key" else _build_row(value)
        row["filled_values"] = explain(str(value.value)) if value.kind == "text" else ()
        lines = {one.line for one in keys} - mentioned_lines
        row["problems"] = [problem for problem in problems if problem.line in lines]
        mentioned_lines |= lines
        anchor = find_value_anchor(value.path)
        row["anchor"] = anchor if anchor not in anchored else ""
        anchored.add(anchor)
        rows.append(row)
        is_last = following is None or following.path[:2] != value.path[:2]
        if value.path[0] == "hours" and is_last:
            rows.append(_build_hours_additions(str(value.path[1]), known))
    return rows


def find_value_anchor(path: ValuePath) -> str:
    """Return the id of the first field of a node; empty for a value outside of all nodes."""
    return f"change-{path[1]}" if path[0] == "nodes" else ""


def list_changeable_nodes(text: str) -> set[str]:
    """Return the nodes of which the form changes something."""
    return {str(value.path[1]) for value in list_editable_values(text) if value.path[0] == "nodes"}


def _build_menu_row(keys: Sequence[EditableValue], nodes: Sequence[str]) -> dict[str, Any]:
    """Return the fields of the keys of a menu, each with the nodes to which it may lead."""
    path = keys[0].path[:-1]
    row = _build_row(keys[0])
    row |= {
        "kind": "keys",
        "label": f"{path[1]}: keys",
        "is_list": False,
        "nodes": nodes,
        "key_field": _KEY_FIELD + json.dumps(path),
        "leads_field": _LEADS_FIELD + json.dumps(path),
        "items": [_build_key_item(key) for key in keys],
    }
    return row


def _build_key_item(key: EditableValue) -> dict[str, Any]:
    field = _RENAME_FIELD + json.dumps(key.path)
    names = {"key": key.path[-1], "key_field": field, "shown_key_field": _SHOWN_FIELD + field}
    return {**_build_row(key)["items"][0], **names}


def _build_row(value: EditableValue) -> dict[str, Any]:
    """Return the fields of a value. A value of which there may be several is shown as a list."""
    is_list = isinstance(value.value, list)
    items = [((*value.path, number), item) for number, item in enumerate(value.value)] if is_list else []
    items = items or [(value.path, str(value.value))]
    can_remove = value.kind in _ADDED_KINDS or value.kind == "key" or _is_dated(value.path)
    return {
        "kind": value.kind,
        "label": describe_value_path(value.path),
        "line": value.line,
        "is_short": value.kind != "text",
        "is_list": can_remove,
        "items": [
            {
                "field": _SET_FIELD + json.dumps(path),
                "shown_field": f"{_SHOWN_FIELD}{_SET_FIELD}{json.dumps(path)}",
                "value": item,
                "remove_field": _REMOVE_FIELD + json.dumps(path) if can_remove else "",
            }
            for path, item in items
        ],
        "add_field": _ADD_FIELD + json.dumps(value.path) if value.kind in _ADDED_KINDS else "",
        "add_label": _ADDED_KINDS.get(value.kind, ""),
        "is_date": value.kind == "dates",
    }


def _build_hours_additions(name: str, known: set[ValuePath]) -> dict[str, Any]:
    """Return the fields for exceptions of opening hours that the file may not have yet."""
    closed, holidays, opened = (("hours", name, key) for key in ("closed", "holidays", "open"))
    return {
        "kind": "exceptions",
        "label": f"Hours {name}: add an exception",
        "line": 0,
        "problems": [],
        "items": [],
        "closed_field": _ADD_FIELD + json.dumps(closed) if closed not in known else "",
        "holidays_field": _ADD_FIELD + json.dumps(holidays) if holidays not in known else "",
        "date_field": _DATE_FIELD + json.dumps(opened),
        "windows_field": _WINDOWS_FIELD + json.dumps(opened),
    }


def apply_form_values(text: str, fields: Mapping[str, str]) -> str:
    """Return a draft with the values that were changed, added and taken out in the form. Raises ValueEditError."""
    values = {value.path: value for value in list_editable_values(text)}
    known = {path: item for value in values.values() for path, item in _list_items(value)}
    removals = [*_find_removals(fields, known, values)]
    renames = _find_renames(fields, known, removals)
    wanted = {(*path[:-1], new) for path, new in renames.items()}
    edits = [
        *_find_changes(fields, known),
        # A key whose name another one gets goes first; all others go last, so that no list is empty meanwhile.
        *(edit for edit in removals if edit.path in wanted),
        *_order_renames(renames, known.keys() - {edit.path for edit in removals if edit.path in wanted}),
        *_find_additions(fields),
        *_find_new_keys(fields, (known.keys() - renames.keys()) | wanted),
        *(edit for edit in removals if edit.path not in wanted),
    ]
    return edit_values(text, edits) if edits else text


def _list_items(value: EditableValue) -> Iterator[tuple[ValuePath, str]]:
    if isinstance(value.value, str):
        yield value.path, value.value
        return
    for number, item in enumerate(value.value):
        yield (*value.path, number), item


def _find_changes(fields: Mapping[str, str], known: Mapping[ValuePath, str]) -> Iterator[ValueEdit]:
    for name, path in _find_fields(fields, _SET_FIELD):
        written = fields[name].replace("\r\n", "\n").strip()
        shown = fields.get(_SHOWN_FIELD + name, "").replace("\r\n", "\n").strip()
        # Without a change here, the text of the file counts, where the same value may have been changed.
        if written != shown and path in known and known[path] != written:
            yield ValueEdit("set", path, written)


def _find_additions(fields: Mapping[str, str]) -> Iterator[ValueEdit]:
    for name, path in _find_fields(fields, _ADD_FIELD):
        if fields[name].strip():
            yield ValueEdit("add", path, fields[name].strip())
    for name, path in _find_fields(fields, _DATE_FIELD):
        date, windows = fields[name].strip(), fields.get(_WINDOWS_FIELD + json.dumps(path), "").strip()
        if bool(date) != bool(windows):
            raise ValueEditError("a date with hours of its own needs both: the date, and its hours as 10:00-16:00")
        if date:
            yield ValueEdit("add", (*path, date), windows)


def _find_renames(
    fields: Mapping[str, str], known: Mapping[ValuePath, str], removals: Sequence[ValueEdit]
) -> dict[ValuePath, str]:
    """Return the keys of menus that were renamed, by path, each with its new name. Raises ValueEditError."""
    removed = {edit.path for edit in removals}
    renames: dict[ValuePath, str] = {}
    for name, path in _find_fields(fields, _RENAME_FIELD):
        key = fields[name].strip()
        is_changed = key != fields.get(_SHOWN_FIELD + name, "") and path in known and key != path[-1]
        if is_changed and path not in removed:
            _require_phone_key(key)
            renames[path] = key
    stay = known.keys() - removed - renames.keys()
    for path, key in renames.items():
        new = (*path[:-1], key)
        if new in stay or sum((*other[:-1], name) == new for other, name in renames.items()) > 1:
            raise ValueEditError(f"key {key} would be there twice: give each key of a menu once")
    return renames


def _order_renames(renames: Mapping[ValuePath, str], taken: AbstractSet[ValuePath]) -> Iterator[ValueEdit]:
    """Yield the renames in an order in which no key meets another of its name; keys that swap go by a third name."""
    waiting, taken = dict(renames), {*taken}
    while waiting:
        path = next((path for path, key in waiting.items() if (*path[:-1], key) not in taken), None)
        if path is None:
            path = next(iter(waiting))
            key = _SPARE_KEY
            waiting[(*path[:-1], key)] = waiting.pop(path)
        else:
            key = waiting.pop(path)
        yield ValueEdit("rename", path, key)
        taken = taken - {path} | {(*path[:-1], key)}


def _require_phone_key(key: str) -> None:
    if key not in _KEYPAD_KEYS:
        raise ValueEditError(f"{key!r} is no key of a phone: 0 to 9, * or #")


def _find_new_keys(fields: Mapping[str, str], known: AbstractSet[ValuePath]) -> Iterator[ValueEdit]:
    for name, path in _find_fields(fields, _KEY_FIELD):
        key, node = fields[name].strip(), fields.get(_LEADS_FIELD + json.dumps(path), "").strip()
        if bool(key) != bool(node):
            raise ValueEditError("a new key needs both: the key, and where it leads")
        if key:
            _require_phone_key(key)
        if key and (*path, key) in known:
            raise ValueEditError(f"key {key} leads somewhere already: change where, instead of adding the key again")
        if key:
            yield ValueEdit("add", (*path, key), node)


def _find_removals(
    fields: Mapping[str, str], known: Mapping[ValuePath, str], values: Mapping[ValuePath, EditableValue]
) -> Iterator[ValueEdit]:
    """Yield the items to take out, the last ones first; dates go with their key if none of them is left."""
    paths = {path for name, path in _find_fields(fields, _REMOVE_FIELD) if fields[name] == known.get(path)}
    added = {
        path for begin in (_ADD_FIELD, _DATE_FIELD) for name, path in _find_fields(fields, begin) if fields[name].strip()
    }
    for path in [path for path in paths if path in values and path in added]:
        paths = paths - {path} | {(*path, 0)}  # the text has become the first item of a list
    for path, items in _group_dates(values).items():
        if items <= paths and path not in added:
            paths = paths - items | {path}
    yield from (ValueEdit("remove", path) for path in sorted(paths, key=_get_item_number, reverse=True))


def _group_dates(values: Mapping[ValuePath, EditableValue]) -> dict[ValuePath, set[ValuePath]]:
    """Return the items of each key that has dates."""
    groups: dict[ValuePath, set[ValuePath]] = {}
    for path, value in values.items():
        if _is_dated(path):
            groups.setdefault(path[:-1], set()).add(path)
        elif value.kind == "dates" and isinstance(value.value, list):
            groups[path] = {item for item, _ in _list_items(value)}
    return groups


def _get_item_number(path: ValuePath) -> int:
    return path[-1] if isinstance(path[-1], int) else -1


def _find_fields(fields: Mapping[str, str], begin: str) -> Iterator[tuple[str, ValuePath]]:
    """Yield the fields whose names begin so, each with its path."""
    for name in fields:
        if not name.startswith(begin):
            continue
        try:
            path = json.loads(name.removeprefix(begin))
        except ValueError:
            continue
        if isinstance(path, list) and path and all(isinstance(part, str | int) for part in path):
            yield name, tuple(path)


def _is_dated(path: ValuePath) -> bool:
    """Return whether a path is that of a date with opening hours of its own."""
    return len(path) == len(("hours", "office", "open", "2026-12-19")) and path[0] == "hours" and path[2] == "open"


def describe_value_path(path: ValuePath) -> str:
    """Return the place of a value in words, as ``closed: says``."""
    section, *parts = (part for part in path if not isinstance(part, int))
    if section == "hours":
        return f"Hours {parts[0]}: {' '.join(map(str, parts[1:]))}"
    if section == "groups":
        return f"Group {parts[0]}: whom it rings"
    if parts[-2:-1] == ["keys"]:
        return f"{parts[0]}: key {parts[-1]}"
    words = _TEXT_WORDS.get(str(parts[-1]), str(parts[-1]))
    return f"{parts[0] if section == 'nodes' else section}: {words}"
