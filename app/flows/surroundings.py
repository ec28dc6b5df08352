"""What stands in a flow file around its nodes, and what is seen of it: hours, lists, groups, variables, the dial policy."""

from __future__ import annotations

import functools
import pathlib
import re
import types
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any, Final

from app.calls import Now
from app.errors import nearest
from app.flows.expressions.scope import LEAF, MOMENT
from app.flows.hours.reading import read_hours
from app.flows.places import Report
from app.flows.shapes import validate
from app.flows.voices import voice_of
from app.flows.words.dialling import Group
from app.flows.words.word import name_of
from app.kept import NOTHING, Nothing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from zoneinfo import ZoneInfo

    from app.calls import Turn
    from app.errors import Problem
    from app.flows.dialing.policy import Policy
    from app.flows.expressions.scope import Seen
    from app.flows.files import FlowFile
    from app.flows.hours.opening import Hours, Opening
    from app.flows.hours.overrides import Override
    from app.flows.places import Place
    from app.flows.screening.callers import CallerList
    from app.flows.supposed import Supposed

_NAMES: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_HOURS: Final[Seen] = {"open": LEAF, "next_opening": MOMENT, "next_closing": MOMENT}


class Surroundings:
    """``scope`` is what expressions see of it; ``sight`` gives it when a call is there."""

    def __init__(
        self,
        file: FlowFile,
        report: Report,
        folder: pathlib.Path,
        reads: set[pathlib.Path],
        dial_regions: frozenset[str] | None,
        overrides: Callable[[str, datetime, ZoneInfo | None], Sequence[Override]],
        supposed: Supposed,
    ) -> None:
        """``overrides`` gives those of hours by name, at a moment; every file that is read is put into ``reads``."""
        self._file = file
        self._dial_regions = dial_regions
        self._overrides = overrides
        self._supposed = supposed
        self._report = report
        self.voice = voice_of(file.voice, ("voice",), report)
        self.groups = self._groups()
        self.variables = {name: value for name, value in file.variables.items() if self._named(("variables",), name)}
        for name, value in self.variables.items():
            if "{{" in value or "{%" in value:
                said = f"variables: {name}: stays as it is from call to call"
                report.error(("variables", name), "template", said, "use set in a node for what changes")
        self.hours = self._hours()
        self.lists = self._lists(folder, reads)
        self.scope: Mapping[str, Seen] = {
            "hours": dict.fromkeys(self.hours, _HOURS),
            "lists": {name: {} for name in self.lists},
            "variables": {name: {} for name in self.variables},
        }

    @functools.cached_property
    def policy(self) -> Policy:
        """Which computed targets may be rung; read when first asked for."""
        from app.flows.dialing.policy import read_policy  # noqa: PLC0415 - heavy, and few flows dial what is computed

        own = [claim.strip() for claim in self._file.numbers]
        return read_policy(self._file.dial_policy, ("dial_policy",), self._report, own, self._dial_regions)

    def _hours(self) -> dict[str, Hours]:
        made = {}
        for name, given in self._file.hours.items():
            hours = read_hours(name, given, ("hours", name), self._report) if self._named(("hours",), name) else None
            if hours is not None:
                made[name] = hours
        return made

    def _lists(self, folder: pathlib.Path, reads: set[pathlib.Path]) -> dict[str, CallerList]:
        made = {}
        for name, written in self._file.lists.items():
            path = ("lists", name)
            if not self._named(("lists",), name):
                continue
            if not written or ".." in pathlib.PurePath(written).parts or pathlib.PurePath(written).is_absolute():
                said = f"lists: {name}: {written!r} must be a file beside the flow file, or in a folder below"
                self._report.error(path, "list-missing", said, "as lists/spam.csv")
                continue
            file = folder / written
            reads.add(file)
            made[name], problems = _read_list(
                name, file, self._report.file, self._report.place(path), _signature(file), today()
            )
            made[name] = self._supposed.listed(made[name])
            self._report.problems += [problem for problem in problems if problem not in self._report.problems]
        return made

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

    def sight(self, name: str, turn: Turn) -> object:
        """What a turn sees by a name."""
        if name == "hours":
            return OnDemand(lambda asked: self._open(asked, turn.now.at, turn.zone))
        if name == "lists":
            return OnDemand(lambda asked: self.lists[asked].at(turn.now.at, turn.zone))
        return self.variables

    def _open(self, name: str, at: datetime, zone: ZoneInfo | None) -> Open:
        return Open(self.hours[name].at(at, zone, self._overrides(name, at, zone)))


class OnDemand(dict[str, Any]):
    """A mapping whose values are made when they are first asked for."""

    def __init__(self, make: Callable[[str], Any]) -> None:
        super().__init__()
        self._make = make

    def __missing__(self, name: str) -> Any:  # noqa: ANN401 - what is made
        made = self[name] = self._make(name)
        return made


class Open:
    """Opening hours at a moment, as expressions see them; ``reason`` is the rule that decided."""

    __slots__ = ("_opening",)
    FIELDS: Final = frozenset({"open", "next_opening", "next_closing"})

    def __init__(self, opening: Opening) -> None:
        self._opening = opening

    @property
    def open(self) -> bool:
        """Whether it is open."""
        return self._opening.open

    @property
    def reason(self) -> str:
        """The rule that decided."""
        return self._opening.reason

    @property
    def next_opening(self) -> Now | Nothing:
        """When it opens next; nothing where it does not."""
        return _moment(self._opening.next_opening)

    @property
    def next_closing(self) -> Now | Nothing:
        """When it closes next; nothing where it does not."""
        return _moment(self._opening.next_closing)

    def __reduce__(self) -> tuple[Any, ...]:
        told = self._opening
        return _opening_of, (told.open, told.next_opening, told.next_closing, told.reason)


def _opening_of(open_: bool, opening: datetime | None, closing: datetime | None, reason: str) -> Open:  # noqa: FBT001
    """Opening hours as they were worked out elsewhere."""
    made: Any = types.SimpleNamespace(open=open_, next_opening=opening, next_closing=closing, reason=reason)
    return Open(made)


def _moment(at: datetime | None) -> Now | Nothing:
    return NOTHING if at is None else Now(at)


def today() -> date:
    """The day, as far as it matters to what is read: rows of lists that have expired are said."""
    return datetime.now(UTC).date()


def _signature(file: pathlib.Path) -> tuple[int, int, int] | None:
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


@functools.lru_cache(maxsize=64)
def _read_list(
    name: str, file: pathlib.Path, flow_file: str, place: Place, _signature: tuple[int, int, int] | None, day: date
) -> tuple[CallerList, tuple[Problem, ...]]:
    """A list, read once as long as its file stays as it is."""
    from app.flows.screening.lists import read_list  # noqa: PLC0415 - heavy, and few flows have lists

    report = Report(flow_file)
    report.places[()] = place
    made = read_list(name, file, report, (), datetime.combine(day, datetime.min.time(), UTC))
    return made, tuple(report.problems)


class Kept:
    """The names under which a file's steps keep something, and those of them that are secret."""

    def __init__(self, nodes: Mapping[str, Any]) -> None:
        names: set[str] = set()
        secrets: set[str] = set()
        sets: list[tuple[str, str]] = []
        for word, value in _steps(nodes):
            name = value.get("into" if "into" in value else nearest("into", value, 0.75))
            if word == "set":
                sets += [(name, source) for name, source in value.items() if isinstance(source, str)]
            elif isinstance(name, str):
                names.add(name)
                secrets |= {name, "digits"} if str(value.get("secret", "")).lower() in _YES else set()
        self.names = frozenset(names | {name for name, _ in sets})
        self.secrets = frozenset(_tainted(secrets, sets))


_KEEP: Final = ("set", "collect", "lookup")
_YES: Final = frozenset({"true", "yes", "on", "1", "t", "y"})


def _steps(value: object) -> Iterator[tuple[str, Any]]:
    """Every step that keeps something, wherever in a node it stands."""
    if isinstance(value, list):
        for part in value:
            yield from _steps(part)
    elif isinstance(value, dict):
        for key, part in value.items():
            if isinstance(part, dict):
                word = key if key in _KEEP or "into" not in part else "collect"
                yield from [(word, part)] if word in _KEEP else []
            yield from _steps(part)


def _tainted(secrets: set[str], sets: Iterable[tuple[str, str]]) -> set[str]:
    """What is worked out from a secret is one."""
    listed = [*sets]
    while True:
        more = {name for name, source in listed if name not in secrets and secrets & {*_NAMES.findall(source)}}
        if not more:
            return secrets
        secrets |= more
