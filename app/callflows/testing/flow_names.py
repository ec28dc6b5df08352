"""Names in a flow file for use in scenarios of the same file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from callflows.flows.source.included_files import read_flow_data
from callflows.flows.source.positions import ProblemReport
from callflows.flows.steps.lookup_step import LookupStep

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from callflows.flows.flow import Flow


class FlowNames(NamedTuple):
    """Members of each group, and names of nodes, lookup results, hours and lists."""

    groups: Mapping[str, tuple[str, ...]]
    nodes: tuple[str, ...]
    lookup_names: tuple[str, ...]
    hours: tuple[str, ...]
    lists: tuple[str, ...]

    def expand_group(self, name: str) -> tuple[str, ...]:
        """Return the group's members, or the name itself if no group has this name."""
        return self.groups.get(name, (name,))


def collect_flow_names(data: object, nodes: tuple[str, ...] = ()) -> FlowNames:
    """Collect the names in the data of a flow file. ``nodes`` are used if the data has no nodes."""
    sections = data if isinstance(data, dict) else {}
    groups: dict[str, tuple[str, ...]] = {}
    for name, group in _as_mapping(sections.get("groups")).items():
        members = group.get("to") if isinstance(group, dict) else group
        groups[name] = tuple(map(str, members if isinstance(members, list) else [members]))
    steps = walk_mappings(sections.get("nodes"))
    lookup_names = [
        step["into"] for word, step in steps if word == LookupStep.step_key and isinstance(step.get("into"), str)
    ]
    return FlowNames(
        groups=groups,
        nodes=tuple(_as_mapping(sections.get("nodes"))) or nodes,
        lookup_names=tuple(dict.fromkeys(lookup_names)),
        hours=tuple(_as_mapping(sections.get("hours"))),
        lists=tuple(_as_mapping(sections.get("lists"))),
    )


def read_flow_names(flow: Flow) -> FlowNames:
    """Read the names in a flow's file. A Python flow only has nodes."""
    file = Path(flow.file)
    data = read_flow_data(file.read_bytes(), ProblemReport(flow.file))[0] if file.suffix != ".py" else None
    return collect_flow_names(data, tuple(flow.fragments_by_node))


def walk_mappings(value: object) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every mapping in the data with its key."""
    if isinstance(value, list):
        for part in value:
            yield from walk_mappings(part)
    elif isinstance(value, dict):
        for key, part in value.items():
            if isinstance(part, dict):
                yield str(key), part
            yield from walk_mappings(part)


def _as_mapping(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
