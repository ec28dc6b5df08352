"""What stands in a flow file around its nodes, and what is seen of it: hours, lists, groups, variables, the dial policy."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from app.flows.files import validate
from app.flows.words.dialling import Group
from app.flows.words.word import name_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from app.calls import Turn
    from app.flows.files import FlowFile, Report
    from app.flows.prompts import Seen

_NAMES: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class Surroundings:
    """``scope`` is what expressions see of it; ``sight`` gives it when a call is there."""

    def __init__(self, file: FlowFile, report: Report) -> None:
        self._file = file
        self._report = report
        self.groups = self._groups()
        self.variables = {name: value for name, value in file.variables.items() if self._named(("variables",), name)}
        for name, value in self.variables.items():
            if "{{" in value or "{%" in value:
                said = f"variables: {name}: stays as it is from call to call"
                report.error(("variables", name), "template", said, "use set in a node for what changes")
        self.policy: Any = None
        self.scope: Mapping[str, Seen] = {"variables": {name: {} for name in self.variables}}

    def _groups(self) -> dict[str, Group]:
        made = {}
        for name, given in self._file.groups.items():
            path = ("groups", name)
            if not isinstance(given, dict):
                given = {"to": given}  # noqa: PLW2901 - a plain value means whom to ring
            group = validate(Group, given, path, self._report)
            if group is not None and self._named(("groups",), name):
                made[name] = group
        return made

    def _named(self, path: tuple[str, ...], name: str) -> bool:
        try:
            name_of(name)
        except ValueError as error:
            self._report.error((*path, name), "value", f"{path[0]}: {error}", key=True)
            return False
        return True

    def sight(self, name: str, _turn: Turn) -> object:
        """What a turn sees by a name."""
        return self.variables if name == "variables" else {}


class Kept:
    """The names under which a file's steps keep something, and those of them that are secret."""

    def __init__(self, nodes: Mapping[str, Any]) -> None:
        names: set[str] = set()
        secrets: set[str] = set()
        sets: list[tuple[str, str]] = []
        for word, value in _steps(nodes):
            name = value.get("into")
            if word == "set":
                sets += [(name, source) for name, source in value.items() if isinstance(source, str)]
            elif isinstance(name, str):
                names.add(name)
                secrets |= {name, "digits"} if str(value.get("secret", "")).lower() in _YES else set()
        self.names = frozenset(names | {name for name, _ in sets})
        self.secrets = frozenset(_tainted(secrets, sets))


_YES: Final = frozenset({"true", "yes", "on", "1", "t", "y"})


def _steps(value: object) -> Iterator[tuple[str, Any]]:
    """Every step that keeps something, wherever in a node it stands."""
    if isinstance(value, list):
        for part in value:
            yield from _steps(part)
    elif isinstance(value, dict):
        for key, part in value.items():
            if key in ("set", "collect", "lookup") and isinstance(part, dict):
                yield key, part
            yield from _steps(part)


def _tainted(secrets: set[str], sets: Iterable[tuple[str, str]]) -> set[str]:
    """What is worked out from a secret is one."""
    listed = [*sets]
    while True:
        more = {name for name, source in listed if name not in secrets and secrets & {*_NAMES.findall(source)}}
        if not more:
            return secrets
        secrets |= more
