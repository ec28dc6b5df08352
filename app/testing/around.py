"""What scenarios may name of the file in which they stand."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from app.flows.places import Report
from app.flows.yaml_texts import read_yaml

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from app.flows.book import Flow


class Around(NamedTuple):
    """Groups with their members, nodes, the names under which lookups keep what they find, and those of hours and lists."""

    groups: Mapping[str, tuple[str, ...]]
    nodes: tuple[str, ...]
    kept: tuple[str, ...]
    hours: tuple[str, ...]
    lists: tuple[str, ...]

    def members(self, name: str) -> tuple[str, ...]:
        """Those of a group; whoever is none is alone."""
        return self.groups.get(name, (name,))


def around(data: object, nodes: tuple[str, ...] = ()) -> Around:
    """What a flow file's data has; ``nodes`` are those of a flow that has none in its file."""
    given = data if isinstance(data, dict) else {}
    groups: dict[str, tuple[str, ...]] = {}
    for name, group in _mapping(given.get("groups")).items():
        members = group.get("to") if isinstance(group, dict) else group
        groups[name] = tuple(map(str, members if isinstance(members, list) else [members]))
    steps = steps_in(given.get("nodes"))
    kept = [step["into"] for word, step in steps if word == "lookup" and isinstance(step.get("into"), str)]
    return Around(
        groups=groups,
        nodes=tuple(_mapping(given.get("nodes"))) or nodes,
        kept=tuple(dict.fromkeys(kept)),
        hours=tuple(_mapping(given.get("hours"))),
        lists=tuple(_mapping(given.get("lists"))),
    )


def around_of(flow: Flow) -> Around:
    """What a flow's file has."""
    file = Path(flow.file)
    data = read_yaml(file.read_bytes(), Report(flow.file)) if file.suffix != ".py" else None
    return around(data, tuple(flow.documents))


def steps_in(value: object) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every mapping in a file's data with the key that it stands under."""
    if isinstance(value, list):
        for part in value:
            yield from steps_in(part)
    elif isinstance(value, dict):
        for key, part in value.items():
            if isinstance(part, dict):
                yield str(key), part
            yield from steps_in(part)


def _mapping(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
