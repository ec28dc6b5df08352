"""The path of a call: the nodes it came to, when, and by which way.

The path is computed from the stored turns, the places of their documents, and Opentact's reports of executed commands.
Without reports, only the beginning of each document is known.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Final, NamedTuple

from callflows.flows.entry_points import find_root_node
from callflows.flows.loader.place_tracer import read_stored_places
from callflows.language import DTMF, Callback, Default, Dial, Error, Gather, Hangup
from callflows.telephony.events import CALL_ENDED_REASON, CANCELLED_DIAL_CAUSE, find_platform_cause, read_executed_step

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from callflows.flows.document_comments import ElementPlace
    from callflows.journal.stored_rows import JournalRow


MAX_CLOCK_SKEW_SECONDS: Final = 2.0
"""Maximum difference in seconds between Opentact's clock and ours."""
_BRANCH_NAMES: Final = frozenset(element.spec.name for element in (DTMF, Default, Error))
_ENDING_NAMES: Final = frozenset(element.spec.name for element in (Hangup, Callback))
"""Commands after which the next one of the document does not run."""
_LEADING_ELSEWHERE: Final = frozenset(element.spec.name for element in (Gather, Dial))
_MAX_REPEAT_SECONDS: Final = 30.0
"""Time in which Opentact repeats a request that was not answered in time."""
_MAX_VISITS: Final = 500
"""A longer path is cut: a caller may stay in a menu for hours."""


class NodeVisit(NamedTuple):
    """A call comes to a node of a version of a flow; ``turn`` and ``path`` name the turn and the element of its document.

    ``way`` is empty if the call begins there, or came by a ``goto``. ``file`` is the included file of the node, if any.
    """

    at: float
    flow: str
    version: str
    node: str
    way: str
    line: int
    turn: str
    path: str = ""
    file: str = ""


class ReachedElement(NamedTuple):
    """An element of a turn's document that a call surely came to, at a moment. ``report`` is the event that says so."""

    at: float
    path: str
    place: ElementPlace
    report: JournalRow | None = None


class TracedTurn(NamedTuple):
    """A turn with the elements that the call reached in its document, in their order.

    ``is_superseded``: Opentact asked again, and the call went on with the document of the next turn.
    """

    turn: JournalRow
    elements: Sequence[ReachedElement]
    is_superseded: bool = False


def trace_turns(
    turns: Sequence[JournalRow], events: Sequence[JournalRow], places: Mapping[str, Mapping[str, ElementPlace]]
) -> list[TracedTurn]:
    """Find the elements that a call reached in each document.

    ``turns`` and ``events`` are in their order; ``places`` has the places of elements, by the key in a turn's ``places``.
    """
    places_by_turn = [places.get(turn["places"] or "", {}) for turn in turns]
    reports: list[list[tuple[str, JournalRow]]] = [[] for _ in turns]
    number = 0
    for event in events:
        path, name = _read_executed_command(event)
        if not name and not path:
            continue
        while number + 1 < len(turns) and turns[number + 1]["at"] <= event["at"] + MAX_CLOCK_SKEW_SECONDS:
            if event["at"] < turns[number + 1]["at"] and _find_path(path, name, places_by_turn[number]):
                break  # within the difference of the clocks, the earlier document counts if it has the element
            number += 1
        for earlier in range(number, -1, -1):
            found = _find_path(path, name, places_by_turn[earlier]) if turns else ""
            if found:
                reports[earlier].append((found, event))
                break
    traced_turns = []
    for index, turn in enumerate(turns):
        is_superseded = not reports[index] and index + 1 < len(turns) and _is_same_request(turn, turns[index + 1])
        reached = [] if is_superseded else [*_list_reached(turn["at"], places_by_turn[index], reports[index])]
        traced_turns.append(TracedTurn(turn, reached, is_superseded))
    return traced_turns


def _is_same_request(turn: JournalRow, following: JournalRow) -> bool:
    """Return True if a turn is asked for what the turn before was asked for, at once."""
    fields = ("flow", "node", "pressed")
    is_near = following["at"] - turn["at"] <= _MAX_REPEAT_SECONDS
    return is_near and all((turn[name] or "") == (following[name] or "") for name in fields)


def _read_executed_command(event: JournalRow) -> tuple[str, str]:
    """Return path and name of an event's executed command; the path may be empty."""
    if event["kind"] != "call_flow":
        return "", ""
    step = read_executed_step(event["raw"])
    return str(event.get("path") or step.get("path") or ""), str(step.get("name") or "")


def _find_path(path: str, name: str, places: Mapping[str, ElementPlace]) -> str:
    """Return the path of an executed command in a document; a command without a path must be the only one of its name."""
    if path:
        return path if path in places else ""
    same = [known for known in places if known.rpartition(".")[2].partition("[")[0] == name]
    return same[0] if len(same) == 1 else ""


def _list_reached(
    began: float, places: Mapping[str, ElementPlace], reports: Iterable[tuple[str, JournalRow]]
) -> Iterator[ReachedElement]:
    """Yield the reached elements: the first, each reported one with all before it, and the one after it."""
    order = (*places,)
    reached: set[str] = set()
    for first in order[: 2 if "" in places else 1]:
        reached.add(first)
        yield ReachedElement(began, first, places[first])
    for path, event in reports:
        for known in _list_passed_before(order, path):
            if known not in reached:
                reached.add(known)
                yield ReachedElement(event["at"], known, places[known])
        reached.add(path)
        yield ReachedElement(event["at"], path, places[path], event)
        # What follows a menu is reached only if its branch does not end the call, which a report of its own says.
        is_branched = any(known.startswith(f"{path}.") for known in reached) or _enters_error_branch(path, event, places)
        follower = "" if is_branched or _may_end_document(path, event) else _find_follower(order, path)
        if follower and follower not in reached:
            reached.add(follower)
            yield ReachedElement(event["at"], follower, places[follower])


def _may_end_document(path: str, report: JournalRow) -> bool:
    """Return True if nothing may follow a command: keys lead elsewhere, and people hang up in the midst of it."""
    name = path.rpartition(".")[2].partition("[")[0]
    step = read_executed_step(report["raw"])
    has_hung_up = step.get("reason") == CALL_ENDED_REASON or find_platform_cause(step) == CANCELLED_DIAL_CAUSE
    return name in _LEADING_ELSEWHERE and (step.get("success") is not False or has_hung_up)


def _enters_error_branch(path: str, report: JournalRow, places: Mapping[str, ElementPlace]) -> bool:
    """Return True if a command failed and has a branch for that: then the branch comes next, and not what follows."""
    begin = f"{path}.{Error.spec.name}["
    failed = read_executed_step(report["raw"]).get("success") is False
    return failed and any(known.startswith(begin) for known in places)


@functools.lru_cache(maxsize=2_000)  # each path is compared with every other one of its document
def _split_path(path: str) -> tuple[tuple[str, int], ...]:
    """Split ``Gather[2].DTMF[1]`` into names and indexes."""
    parts = (part.partition("[") for part in path.split("."))
    return (*((name, int(index.rstrip("]") or 0) if index.rstrip("]").isdecimal() else 0) for name, _, index in parts),)


@functools.lru_cache(maxsize=500)  # calls of one flow have the same documents
def _list_passed_before(order: tuple[str, ...], path: str) -> tuple[str, ...]:
    """Return the paths of a document that every call passes before a path, in their order."""
    return tuple(known for known in order if known != path and _is_passed_before(known, path))


def _is_passed_before(known: str, path: str) -> bool:
    """Return True if every call passes an element before another: it is an ancestor, or stands before one of them."""
    if path.startswith(f"{known}."):
        return True
    steps, others = _split_path(known), _split_path(path)
    depth = len(steps) - 1
    return (
        len(others) > depth
        and steps[:depth] == others[:depth]
        and steps[depth][0] not in _BRANCH_NAMES
        and steps[depth][1] < others[depth][1]
        and others[depth][0] not in _BRANCH_NAMES
    )


@functools.lru_cache(maxsize=500)  # as above
def _find_follower(order: tuple[str, ...], path: str) -> str:
    """Return the path of the command that follows a command; empty if none does, or if the command ends the document."""
    parent, _, last = path.rpartition(".")
    name, _, index = last.partition("[")
    if name in _ENDING_NAMES or name in _BRANCH_NAMES or not index.rstrip("]").isdecimal():
        return ""
    next_index = f"[{int(index.rstrip(']')) + 1}]"
    begin = f"{parent}." if parent else ""
    for known in order:
        rest = known[len(begin) :]
        if known.startswith(begin) and "." not in rest and rest.endswith(next_index):
            return "" if rest.partition("[")[0] in _BRANCH_NAMES else known
    return ""


def list_visits(traced_turns: Iterable[TracedTurn]) -> list[NodeVisit]:
    """Return the visits of a call in order. A node that goes on after a repeated prompt is one visit."""
    visits: list[NodeVisit] = []
    for number, (turn, elements, _) in enumerate(traced_turns):
        if not turn["flow"]:
            continue
        first = build_turn_visit(turn, elements[0].place if elements else None)
        _add_visit(visits, first if number else first._replace(way=""))
        way, passed = "", set[str]()
        for element in elements:
            place = element.place
            # A report may come twice, and that of a menu comes when its branch is over: the call does not come back.
            is_known = element.path in passed or any(inner.startswith(f"{element.path}.") for inner in passed)
            passed.add(element.path)
            if is_known and element.path:
                continue
            for number_passed, passed_node in enumerate(place.passed):
                if passed_node.node != visits[-1].node:
                    visit = first._replace(at=element.at, node=passed_node.node, way=passed_node.way or way)
                    path = f"{element.path}/{number_passed}"
                    visits.append(visit._replace(path=path, line=passed_node.line, file=passed_node.file))
                    way = ""
            way = place.way or way
            if place.node and place.node != visits[-1].node:
                visit = first._replace(at=element.at, node=place.node, way=way, path=element.path)
                visits.append(visit._replace(line=place.node_line, file=place.file))
                way = ""
    return visits[:_MAX_VISITS]


def _add_visit(visits: list[NodeVisit], visit: NodeVisit) -> None:
    """Add a visit, unless the call stays in the node, as with another attempt of a menu."""
    last = visits[-1] if visits else None
    if last is None or (last.flow, last.node) != (visit.flow, visit.node):
        visits.append(visit)


def build_turn_visit(turn: JournalRow, first: ElementPlace | None) -> NodeVisit:
    """Build the visit that a turn itself proves: to the node that answered. Of longer digits the way says only that."""
    pressed = turn["pressed"] or ""
    way = f"key {pressed}" if len(pressed) == 1 else "digits" if pressed else ""
    node = find_root_node(turn["node"])
    line, file = (first.node_line, first.file) if first is not None and first.node == node else (0, "")
    return NodeVisit(turn["at"], turn["flow"], turn["version"], node, way, line, turn["id"], file=file)


def build_visit_row(call: str, number: int, visit: NodeVisit) -> JournalRow:
    """Build the row of a visit; the same visit has the same id."""
    return {
        "id": f"{visit.turn}/{visit.path}",
        "call": call,
        "at": visit.at,
        "number": number,
        "flow": visit.flow,
        "version": visit.version,
        "node": visit.node,
        "way": visit.way,
        "line": visit.line,
    }


def read_places_by_key(rows: Iterable[JournalRow]) -> dict[str, dict[str, ElementPlace]]:
    """Read the rows of stored places."""
    return {row["id"]: read_stored_places(row["elements"]) for row in rows}
