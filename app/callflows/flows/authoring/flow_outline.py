"""The outline of a flow file: its zone, where keys lead, and which node rings whom. For names in the call log.

Only the text of the file is read: nothing is compiled, and no code runs.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, Final

from callflows.flows.entry_points import START_NODE, UNCLAIMED_NUMBERS
from callflows.flows.loader.folder_loader import read_bounded_file
from callflows.flows.source.flow_file import read_flow_file, read_number_claims
from callflows.flows.source.positions import ProblemReport
from callflows.flows.source.source_values import parse_dtmf_keys
from callflows.telephony.phone_numbers import normalize_target

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from callflows.flows.source.flow_file import FlowFile


_KEYLESS_BRANCHES: Final = ("no key", "wrong key")


class FlowOutline:
    """Names of one flow; a flow without a readable file has UTC and no names."""

    def __init__(self, flow_file: FlowFile | None) -> None:
        self.zone_name = flow_file.timezone if flow_file is not None and flow_file.timezone else "UTC"
        numbers = flow_file.numbers if flow_file is not None else ()
        self.claimed_numbers = [claim.number for claim in read_number_claims(numbers, ProblemReport(""))]
        self._nodes: Mapping[str, Sequence[Any]] = flow_file.nodes if flow_file is not None else {}
        self._groups: Mapping[str, Any] = flow_file.groups if flow_file is not None else {}

    def name_party(self, party: str) -> str:
        """Return the node, or else the group, that rings a party; empty if none or several do.

        The first node is no name for anybody.
        """
        target = normalize_target(party)

        def rings(targets: object, depth: int = 0) -> bool:
            names = [*map(str, targets)] if isinstance(targets, list) else [str(targets)]
            return any(
                normalize_target(name) == target
                or (
                    name in self._groups
                    and depth < len(self._groups)
                    and rings(_get_targets(self._groups[name]), depth + 1)
                )
                for name in names
            )

        nodes = [
            name
            for name, steps in self._nodes.items()
            if any(rings(_get_targets(dial)) for dial in _find_words(steps, "dial"))
        ]
        groups = [name for name, group in self._groups.items() if rings(_get_targets(group))]
        return next((names[0] for names in (nodes, groups) if len(names) == 1 and names != [START_NODE]), "")

    def follow_branches(self, node: str, branches: Sequence[str]) -> str:
        """Return the node to which the branches of menus lead: ``key 1``, ``no key``, ``wrong key``.

        A branch that the file does not explain is added in words.
        """
        for index, branch in enumerate(branches):
            target = self._find_target(node, branch)
            if target:
                node = target
            elif branch not in _KEYLESS_BRANCHES:  # a repeated menu stands in such a branch, and is the same node
                return ", ".join((node, *branches[index:]))
        return node

    def _find_target(self, node: str, branch: str) -> str:
        if branch in _KEYLESS_BRANCHES:
            return self._find_keyless_target(node, ("no_input",) if branch == "no key" else ("any", "no_match"))
        pressed = branch.removeprefix("key ")
        for place in self._list_reachable_nodes(node):
            for menu in _find_words(self._nodes.get(place, ()), "menu"):
                keys = menu.get("keys") if isinstance(menu, dict) else None
                for key, target in keys.items() if isinstance(keys, dict) else ():
                    try:
                        matches = parse_dtmf_keys(key) == pressed
                    except ValueError:
                        continue
                    if matches and isinstance(target, str):
                        return target
        return ""

    def _find_keyless_target(self, node: str, words: Sequence[str]) -> str:
        """Return the node under ``no_input`` and the like; empty if a text stands there, or nothing."""
        for place in self._list_reachable_nodes(node):
            for menu in _find_words(self._nodes.get(place, ()), "menu"):
                for word in words:
                    item = menu.get(word) if isinstance(menu, dict) else None
                    if isinstance(item, str) and item in self._nodes:
                        return item
        return ""

    def _list_reachable_nodes(self, node: str) -> list[str]:
        """Return a node and the nodes that its gotos put into the same document."""
        reachable = [node]
        for place in reachable:
            for target in _find_words(self._nodes.get(place, ()), "goto"):
                if isinstance(target, str) and target not in reachable:
                    reachable.append(target)
        return reachable


def _find_words(value: object, word: str) -> Iterator[Any]:
    """Yield the values of a step word at any depth of a node."""
    if isinstance(value, dict):
        if word in value:
            yield value[word]
        for inner in value.values():
            yield from _find_words(inner, word)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from _find_words(inner, word)


def _get_targets(value: object) -> object:
    return value.get("to", []) if isinstance(value, dict) else value


class FlowOutlines:
    """The outlines of the flows of a folder, each read once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.find_outline = functools.lru_cache(maxsize=None)(self._read_outline)
        self._names_by_claim: dict[str, str] | None = None

    def find_outline_of_number(self, number: str) -> FlowOutline:
        """Return the outline of the flow that answers a number: by an exact claim, the longest prefix, or ``rest``."""
        if self._names_by_claim is None:
            self._names_by_claim = self._read_claims()
        prefixes = (f"{number[:length]}*" for length in range(len(number), 0, -1))
        claims = (number, *prefixes, UNCLAIMED_NUMBERS)
        return self.find_outline(next((self._names_by_claim[one] for one in claims if one in self._names_by_claim), ""))

    def _read_claims(self) -> dict[str, str]:
        names: dict[str, str] = {}
        for file in sorted(self._folder.glob("*.y*ml")):
            for number in self.find_outline(file.stem).claimed_numbers:
                names.setdefault(number, file.stem)
        return names

    def _read_outline(self, flow: str) -> FlowOutline:
        for suffix in (".yaml", ".yml"):
            file = self._folder / f"{flow}{suffix}"
            # A flow's name comes from the record: it must not lead out of the folder.
            if flow and file.parent == self._folder and "/" not in flow:
                try:
                    text = read_bounded_file(file)
                except OSError:
                    continue
                return FlowOutline(read_flow_file(text, ProblemReport(str(file))))
        return FlowOutline(None)
