"""Nodes of other flows: ``goto: other-flow/node``.

The other flow is compiled on its own. Its file is read here for as much as a goto needs: the names of its nodes, and the
values that a call brings along.
"""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from callflows.flows.entry_points import FLOW_SUFFIXES, START_NODE
from callflows.flows.source.included_files import read_flow_data
from callflows.flows.source.positions import ProblemReport
from callflows.flows.source.yaml_source import MAX_FLOW_FILE_BYTES
from callflows.text import Suggestion, find_nearest, format_known_words

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from pathlib import Path


_OTHER_NODE_PATTERN: Final = re.compile(r"([A-Za-z0-9][\w-]{0,63})/([A-Za-z0-9][\w-]{0,63})", re.ASCII)
_MENTION_PATTERN: Final = re.compile(rb"(?<![\w/-])([A-Za-z0-9][\w-]{0,63})/([A-Za-z0-9][\w-]{0,63})(?![\w/-])")
_CALLS_TODAY: Final = b"calls_today"
_CARRIED_NAMES: Final = ("call", "caller.name", "caller.number", "number")
"""Facts of a call that every goto to another flow takes along: later requests of Opentact do not repeat them."""


class OtherFlow(NamedTuple):
    """A flow beside a flow. ``nodes`` is None if they are unknown: those of a program, or of a file with mistakes."""

    nodes: frozenset[str] | None
    received_names: tuple[str, ...] = ()
    digit_nodes: frozenset[str] = frozenset()
    counts_calls: bool = False

    def list_carried_names(self, node: str) -> set[str]:
        """Return the names of the facts and values that a call brings to a node."""
        names = {*_CARRIED_NAMES, *self.received_names}
        names |= {"digits"} if node in self.digit_nodes else set()
        return names | ({"caller.calls_today"} if self.counts_calls else set())


def split_other_node(target: str) -> tuple[str, str]:
    """Return the flow and the node that ``other-flow/node`` names; two empty texts for any other target."""
    match = _OTHER_NODE_PATTERN.fullmatch(target)
    return (match[1], match[2]) if match else ("", "")


class FolderIndex:
    """The files of flow folders, and the nodes of flows that they name; each folder is read once.

    An index is for the compilations of one moment. Without it, each of thousands of files would have all others read.
    """

    def __init__(self) -> None:
        self._files: dict[Path, list[Path]] = {}
        self._flow_names: dict[Path, list[str]] = {}
        self._mentions: dict[Path, dict[str, set[tuple[str, str]]]] = {}

    def list_flow_names(self, folder: Path) -> list[str]:
        """Return the names of the flows of a folder."""
        if folder not in self._flow_names:
            flow_files = (file for file in self._list_files(folder) if file.suffix in FLOW_SUFFIXES)
            self._flow_names[folder] = [file.stem for file in flow_files if file.parent == folder]
        return self._flow_names[folder]

    def list_mentions(self, folder: Path, flow: str) -> Collection[tuple[str, str]]:
        """Return the texts that may be nodes of a flow, each with the name of the flow whose file has it."""
        if folder not in self._mentions:
            mentions = self._mentions[folder] = {}
            for file in self._list_files(folder):
                if file.suffix in FLOW_SUFFIXES:
                    for named, nodes in _find_mentions(file).items():
                        mentions.setdefault(named, set()).update((file.stem, node) for node in nodes)
        return self._mentions[folder].get(flow, ())

    def _list_files(self, folder: Path) -> list[Path]:
        """Return the files of a folder and of the folders in it."""
        if folder not in self._files:
            try:
                self._files[folder] = sorted([*folder.glob("*.*"), *folder.glob("*/*.*")])
            except OSError:
                self._files[folder] = []
        return self._files[folder]


class OtherFlows:
    """The flows in the folder of a flow. Every file that is read, or looked for in vain, is added to ``dependencies``.

    ``find_digit_nodes`` finds those of the nodes of a file that need the digits of the step that leads to them.
    """

    def __init__(
        self,
        folder: Path,
        own_name: str,
        dependencies: set[Path],
        find_digit_nodes: Callable[[Mapping[str, Any]], frozenset[str]],
        index: FolderIndex,
    ) -> None:
        self._index = index
        self._find_digit_nodes = find_digit_nodes
        self._folder = folder
        self._own_name = own_name
        self._dependencies = dependencies
        self._known: dict[str, OtherFlow | None] = {}

    def has_flow(self, name: str) -> bool:
        """Return True if the folder has another flow of that name. No file is read."""
        return name != self._own_name and name in self._flow_names

    def find_flow(self, name: str) -> OtherFlow | None:
        """Return a flow of the folder; None if there is no such file, or if it cannot be read."""
        if name not in self._known:
            self._known[name] = self._read_flow(name)
        return self._known[name]

    def explain_missing_node(self, flow_name: str, node: str) -> tuple[str, str]:
        """Return the mistake and the fix if a flow has no such node; two empty texts if it has."""
        if flow_name == self._own_name:
            return f"{flow_name}/{node} is a node of this flow", f"write {node}"
        flow = self.find_flow(flow_name)
        if flow is None:
            near = Suggestion(find_nearest(flow_name, self._flow_names))
            return f"no flow is named {flow_name!r}", near or "a flow is a file beside this one"
        if flow.nodes is None or node in flow.nodes:
            return "", ""
        return f"the flow {flow_name!r} has no node {node!r}", _suggest_node(node, flow.nodes)

    def find_mentioned_nodes(self, nodes: Collection[str]) -> frozenset[str]:
        """Return those of this flow's nodes that another flow of the folder, or a file that flows share, names."""
        mentions = self._index.list_mentions(self._folder, self._own_name)
        return frozenset(node for flow, node in mentions if flow != self._own_name and node in nodes)

    @property
    def _flow_names(self) -> list[str]:
        return self._index.list_flow_names(self._folder)

    def _read_flow(self, name: str) -> OtherFlow | None:
        files = [self._folder / f"{name}{suffix}" for suffix in FLOW_SUFFIXES]
        file = next((one for one in files if one.is_file()), files[0])
        self._dependencies.add(file)
        if file.suffix == ".py":
            return OtherFlow(None)
        text = _read_file(file)
        if not text:
            return None
        report = ProblemReport(str(file))
        data, included_files = read_flow_data(text, report)
        self._dependencies |= included_files.keys()
        if not isinstance(data, dict) or report.misses_included_names:
            return OtherFlow(None)  # its own mistakes are reported with it
        nodes = data.get("nodes")
        nodes = nodes if isinstance(nodes, dict) else {START_NODE: []}
        received = data.get("receives")
        names = received if isinstance(received, list) else [received]
        return OtherFlow(
            frozenset(nodes),
            tuple(one for one in names if isinstance(one, str) and one),
            self._find_digit_nodes(nodes),
            any(_CALLS_TODAY in content for content in (text, *included_files.values())),
        )


def _read_file(file: Path) -> bytes:
    """Return the content; nothing if there is no such file: reading a pipe would not end."""
    try:
        return file.read_bytes()[: MAX_FLOW_FILE_BYTES + 1] if file.is_file() else b""
    except OSError:
        return b""


def _find_mentions(file: Path) -> Mapping[str, frozenset[str]]:
    """Return the texts in a file that may be nodes of flows, as ``other-flow/node``: the nodes by flow."""
    try:
        status = file.stat()
    except OSError:
        return {}
    return _read_mentions(file, status.st_mtime_ns, status.st_size)


@functools.lru_cache(maxsize=2000)  # after a change of one file, no other is read again
def _read_mentions(file: Path, _changed_at: int, _size: int) -> Mapping[str, frozenset[str]]:
    nodes: dict[str, set[str]] = {}
    for flow, node in _MENTION_PATTERN.findall(_read_file(file)):
        nodes.setdefault(flow.decode(), set()).add(node.decode())
    return {flow: frozenset(names) for flow, names in nodes.items()}


def _suggest_node(node: str, nodes: Collection[str]) -> str:
    return Suggestion(find_nearest(node, nodes)) or format_known_words(nodes)
