"""Changes single values of a flow file: texts, hours, dates, members of groups, keys of menus.

Only the characters of the value or key change, so that comments and the form of the file stay. Afterwards the file is
read again: exactly that value must have changed.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

import yaml

from callflows.errors import ValueEditError
from callflows.flows.source.positions import ProblemReport
from callflows.flows.source.yaml_source import read_yaml
from callflows.text import has_crlf_lines

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


_TEXT_KEYS: Final = frozenset({"say", "prompt", "no_input", "no_match", "greeting", "thanks"})
_SIMPLE_TEXT: Final = re.compile(r"[A-Za-z+0-9][^\n#:{}\[\],&*!|>'\"%@`\\]*(?<=\S)")
"""A text that needs no quotes, neither in a block nor between brackets."""
_SIMPLE_WINDOW: Final = re.compile(r"[0-9]{1,2}:[0-9]{2}-[0-9]{1,2}:[0-9]{2}")


class ValueEdit(NamedTuple):
    """A change: set a text, add an item to a list (or a key to a mapping), remove an item or a key, rename a key.

    ``path`` has the keys, and the numbers of items from 0. For ``add``, the path is that of the list, or of the new key,
    whose mapping is made if it is missing. For ``rename``, the value is the new key.
    """

    action: Literal["set", "add", "remove", "rename"]
    path: tuple[str | int, ...]
    value: str = ""


class EditableValue(NamedTuple):
    """A value that people change without seeing YAML. ``kind``: text, hours, dates, members, key.

    The value of a ``key`` of a menu is the node to which it leads.
    ``value`` is a text, or a list of texts.
    """

    kind: str
    path: tuple[str | int, ...]
    value: str | list[str]
    line: int


def list_editable_values(text: str) -> list[EditableValue]:
    """Return the texts, keys of menus, hours, dates and members of groups, in the order of the file."""
    report = ProblemReport("")
    data = read_yaml(text.encode(), report)
    if not isinstance(data, dict):
        return []
    found = [*_walk_hours(data), *_walk_groups(data), *_walk_texts(data.get("nodes"), ("nodes",))]
    found += _walk_texts(data.get("fallback"), ("fallback",))
    found += _walk_menus(data.get("nodes"), ("nodes",))
    lines = ((kind, path, value, _find_line(path, report)) for kind, path, value in found)
    return sorted((EditableValue(*fields) for fields in lines), key=lambda value: value.line)


def list_node_names(text: str) -> list[str]:
    """Return the names of the nodes of a flow file, in its order; none if the text is no flow file."""
    data = read_yaml(text.encode(), ProblemReport(""))
    nodes = data.get("nodes") if isinstance(data, dict) else None
    return [*nodes] if isinstance(nodes, dict) else []


def _find_line(path: tuple[str | int, ...], report: ProblemReport) -> int:
    position = report.positions.get(path)
    return position.line if position is not None else 0


_FoundValue = tuple[str, tuple[str | int, ...], Any]


def _walk_hours(data: dict[str, Any]) -> Iterator[_FoundValue]:
    hours = data.get("hours")
    for name, days in hours.items() if isinstance(hours, dict) else ():
        for key, value in days.items() if isinstance(days, dict) else ():
            path = ("hours", name, key)
            if isinstance(value, list) and all(isinstance(item, str) for item in value):
                yield "dates", path, value
            elif isinstance(value, dict):
                yield from (("hours", (*path, day), window) for day, window in value.items() if isinstance(window, str))
            elif isinstance(value, str):
                yield ("dates" if key == "closed" else "holidays" if key == "holidays" else "hours"), path, value


def _walk_groups(data: dict[str, Any]) -> Iterator[_FoundValue]:
    groups = data.get("groups")
    for name, group in groups.items() if isinstance(groups, dict) else ():
        path: tuple[str | int, ...] = ("groups", name)
        members = group
        if isinstance(group, dict):
            path, members = ("groups", name, "to"), group.get("to")
        if isinstance(members, str) or (isinstance(members, list) and all(isinstance(item, str) for item in members)):
            yield "members", path, members


def _walk_texts(data: Any, path: tuple[str | int, ...]) -> Iterator[_FoundValue]:  # noqa: ANN401 - a part of the file
    parts = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for key, value in parts:
        here = (*path, key)
        if isinstance(value, str):
            is_item = isinstance(key, int) and bool(path) and path[-1] in _TEXT_KEYS
            if key in _TEXT_KEYS or is_item:
                yield "text", here, value
        else:
            yield from _walk_texts(value, here)


def _walk_menus(data: Any, path: tuple[str | int, ...]) -> Iterator[_FoundValue]:  # noqa: ANN401 - a part of the file
    """Yield the keys of menus that lead to a node by its name."""
    parts = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for name, value in parts:
        here = (*path, name)
        if path[-1:] == ("menu",) and name == "keys" and isinstance(value, dict):
            yield from (("key", (*here, key), target) for key, target in value.items() if isinstance(target, str))
        else:
            yield from _walk_menus(value, here)


def edit_values(text: str, edits: Sequence[ValueEdit]) -> str:
    """Return the text of a flow file with some changes, one after another. Raises ValueEditError."""
    is_crlf = has_crlf_lines(text)
    changed = text.replace("\r\n", "\n") if is_crlf else text
    for edit in edits:
        changed = _edit_value(changed, edit)
    return changed.replace("\n", "\r\n") if is_crlf else changed


def _edit_value(text: str, edit: ValueEdit) -> str:
    before = read_file_data(text)
    expected = _apply_edit(before, edit)
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    parent, node = _find_nodes(root, edit.path)
    has_parent = _find_nodes(root, edit.path[:-1])[1] is not None
    if edit.action == "set":
        changed = _replace_scalar(text, node, edit)
    elif edit.action == "remove":
        changed = _remove_part(text, parent, node, edit)
    elif edit.action == "rename":
        changed = _replace_scalar(text, _find_key(parent, node), edit)
    elif node is not None:
        changed = _add_item(text, node, edit)
    else:
        changed = _add_key(text, parent, edit, has_parent=has_parent)
    try:
        is_done = read_file_data(changed) == expected
    except ValueEditError:
        is_done = False
    if not is_done:
        raise ValueEditError(f"{_name_path(edit.path)} cannot be changed by itself: change it in the file")
    return changed


def read_file_data(text: str) -> dict[str, Any]:
    """Return the data of a flow file, all values as texts. Raises ValueEditError."""
    report = ProblemReport("the file")
    data = read_yaml(text.encode(), report)
    if report.has_errors or not isinstance(data, dict):
        raise ValueEditError("; ".join(map(str, report.problems)) or "the file has no mapping")
    return data


def _apply_edit(data: Any, edit: ValueEdit) -> Any:  # noqa: ANN401 - dicts, lists and texts
    """Return the data as they must be after a change."""
    copy = json.loads(json.dumps(data))
    parent: Any = copy
    try:
        for depth, key in enumerate(edit.path[:-1], 2):
            if edit.action == "add" and isinstance(parent, dict) and depth == len(edit.path):
                parent.setdefault(key, {})
            parent = parent[key]
        last = edit.path[-1]
        if edit.action == "remove":
            del parent[last]
        elif edit.action == "rename":
            _rename_key(parent, last, edit)
        elif edit.action == "set":
            if not isinstance(parent[last], str):
                raise ValueEditError(f"{_name_path(edit.path)} is no text")
            parent[last] = edit.value
        elif isinstance(parent, dict) and last not in parent:
            parent[last] = edit.value
        elif isinstance(parent[last], str):
            parent[last] = [parent[last], edit.value]
        else:
            parent[last].append(edit.value)
    except (KeyError, IndexError, TypeError, AttributeError):
        raise ValueEditError(f"the file has no {_name_path(edit.path)}") from None
    return copy


def _rename_key(parent: Any, key: str | int, edit: ValueEdit) -> None:  # noqa: ANN401 - dicts
    if edit.value in parent:
        raise ValueEditError(f"{_name_path((*edit.path[:-1], edit.value))} is there already")
    parent[edit.value] = parent.pop(key)


def _name_path(path: Sequence[str | int]) -> str:
    return ".".join(str(part + 1) if isinstance(part, int) else part for part in path) or "such value"


def _find_nodes(root: Any, path: Sequence[str | int]) -> tuple[Any, Any]:  # noqa: ANN401 - PyYAML's nodes
    """Return the YAML nodes of the parent and of the value at a path; None for a value that does not exist."""
    parent, node = None, root
    for key in path:
        parent, node = node, _find_child(node, key)
        if node is None:
            break
    return parent, node


def _find_child(node: Any, key: str | int) -> Any:  # noqa: ANN401 - PyYAML's nodes
    if isinstance(node, yaml.MappingNode):
        return next((value for name, value in node.value if name.value == str(key)), None)
    if isinstance(node, yaml.SequenceNode) and isinstance(key, int) and 0 <= key < len(node.value):
        return node.value[key]
    return None


def _find_key(parent: Any, node: Any) -> Any:  # noqa: ANN401 - PyYAML's nodes
    """Return the YAML node of the key of a value in a mapping."""
    return next((name for name, value in parent.value if value is node), None)


def _render_scalar(value: str, *, is_quoted: bool = False) -> str:
    """Return a text as YAML; with quotes if it had some, or unless it is surely plain."""
    is_plain = not is_quoted and (_SIMPLE_TEXT.fullmatch(value) or _SIMPLE_WINDOW.fullmatch(value))
    return value if is_plain else json.dumps(value, ensure_ascii=False)


def _replace_scalar(text: str, node: Any, edit: ValueEdit) -> str:  # noqa: ANN401 - PyYAML's node
    if not isinstance(node, yaml.ScalarNode):
        raise ValueEditError(f"{_name_path(edit.path)} is no text")
    start, end = node.start_mark.index, node.end_mark.index
    is_block = node.style in ("|", ">")
    value = _render_scalar(edit.value, is_quoted=node.style in ("'", '"'))
    return f"{text[:start]}{value}{_find_line_end(text, start, end) if is_block else ''}{text[end:]}"


def _find_line_end(text: str, start: int, end: int) -> str:
    """Return the line feeds at the end of a block text, which separate it from what follows."""
    written = text[start:end]
    return written[len(written.rstrip("\n ")) :].replace(" ", "") or "\n"


def _add_item(text: str, node: Any, edit: ValueEdit) -> str:  # noqa: ANN401 - PyYAML's node
    value = _render_scalar(edit.value)
    if isinstance(node, yaml.ScalarNode):
        start, end = node.start_mark.index, node.end_mark.index
        return f"{text[:start]}[{text[start:end]}, {value}]{text[end:]}"
    if not isinstance(node, yaml.SequenceNode):
        raise ValueEditError(f"{_name_path(edit.path)} is no list")
    return _insert_part(text, node, value, "- ", node.value[-1] if node.value else None)


def _add_key(text: str, parent: Any, edit: ValueEdit, *, has_parent: bool) -> str:  # noqa: ANN401 - PyYAML's node
    """Add a key to a mapping; to a mapping with this key alone if there is none yet."""
    if not isinstance(parent, yaml.MappingNode) or not parent.value:
        raise ValueEditError(f"{_name_path(edit.path[:-1])} has no keys to which one could be added")
    part = f"{_render_scalar(str(edit.path[-1]))}: {_render_scalar(edit.value)}"
    if not has_parent:
        part = f"{_render_scalar(str(edit.path[-2]))}: {{{part}}}"
    return _insert_part(text, parent, part, "", parent.value[-1][1])


def _insert_part(text: str, node: Any, part: str, mark: str, last: Any) -> str:  # noqa: ANN401 - PyYAML's nodes
    """Insert an item or a key after the last one of a list or mapping."""
    if node.flow_style:
        at = last.end_mark.index if last is not None else node.start_mark.index + 1
        return f"{text[:at]}{', ' if last is not None else ''}{part}{text[at:]}"
    at = text.find("\n", find_content_end(last))
    begin = f"{' ' * node.start_mark.column}{mark}{part}\n"
    return f"{text.rstrip(chr(10))}\n{begin}" if at < 0 else f"{text[: at + 1]}{begin}{text[at + 1 :]}"


def find_content_end(node: Any) -> int:  # noqa: ANN401 - PyYAML's node
    """Return the end of the last text in a node; the node itself may end only at what follows it."""
    if isinstance(node, yaml.ScalarNode) or node.flow_style or not node.value:
        end: int = node.end_mark.index
        return end - 1 if isinstance(node, yaml.ScalarNode) and node.style in ("|", ">") else end
    last = node.value[-1]
    return find_content_end(last[1] if isinstance(node, yaml.MappingNode) else last)


def _remove_part(text: str, parent: Any, node: Any, edit: ValueEdit) -> str:  # noqa: ANN401 - PyYAML's nodes
    if len(parent.value) == 1:
        raise ValueEditError(f"{_name_path(edit.path)} is the last one: take out the whole list in the file")
    is_mapping = isinstance(parent, yaml.MappingNode)
    first = _find_key(parent, node) if is_mapping else node
    start, end = first.start_mark.index, find_content_end(node)
    if not parent.flow_style:
        line_start = text.rfind("\n", 0, start) + 1
        line_end = text.find("\n", end)
        return text[:line_start] + ("" if line_end < 0 else text[line_end + 1 :])
    values = [value for _, value in parent.value] if is_mapping else parent.value
    if node is values[-1]:
        return f"{text[: find_content_end(values[-2])]}{text[end:]}"
    following = parent.value[values.index(node) + 1]
    return f"{text[:start]}{text[(following[0] if is_mapping else following).start_mark.index :]}"
