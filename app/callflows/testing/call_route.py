"""The route of a call: flow, nodes, keys, rung parties and end, as points that can be compared.

Two calls run on the platform of rehearsals: the recorded one with the documents that it was sent, and the same call with
other flows. Both have the same caller, who does only what is known of the real one.
"""

from __future__ import annotations

import collections
import urllib.parse
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from lxml import etree

from callflows.errors import UnknownCallError
from callflows.flows.document_comments import read_element_places
from callflows.flows.steps.lookup_step import LookupStep
from callflows.language import DTMF, from_xml
from callflows.language.element import walk_elements
from callflows.rehearsal.call_parties import DialResult, KeyInput
from callflows.rehearsal.call_state import REPLY_STATUS_OK, CallEnd
from callflows.rehearsal.platform_network import NetworkReply
from callflows.rehearsal.scripted_parties import ScriptedPress
from callflows.telephony.events import ANSWERED_BY_FLOW
from callflows.testing.infer_keys import WRONG_KEY, is_same_target

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from callflows.flows.document_comments import ElementPlace
    from callflows.rehearsal.call_parties import ActionWindow, CallerAction
    from callflows.rehearsal.platform_network import PlatformNetwork
    from callflows.rehearsal.scripted_parties import ScriptedAction
    from callflows.rehearsal.transcript import Transcript, TranscriptStep


CALLER_ENDED_CALL: Final = "the caller hung up"
"""The known beginning of a call is all of it: the caller ended it."""
_UNKNOWN_KEY: Final = "the key that the caller presses"
_KEYS: Final = "9876543210*#"
_CALLS_TODAY_NAME: Final = "caller.calls_today"
_ROUTING_OUTCOMES: Final = (True, False, "allowed", "refused")
"""Outcomes of decisions about the way of a call, unlike those of values and messages."""


class RoutePoint(NamedTuple):
    """A point of a route. ``kind`` is flow, node, asks, key, rings, result, records or end.

    ``turn`` (from 1), ``path``, ``node`` and ``line`` are the place of the point, which comparisons ignore.
    """

    kind: str
    value: str
    turn: int = 0
    path: str = ""
    node: str = ""
    line: int = 0

    def is_same(self, other: RoutePoint) -> bool:
        return (self.kind, self.value) == (other.kind, other.value)


class RouteTurn(NamedTuple):
    """A document of a call: the flow and node that answered, the places of its elements, and the decisions.

    ``places`` is None if it is not known where the elements come from; then all belong to the node that answered.
    ``failure`` is empty unless the caller got a fallback.
    """

    flow: str
    node: str
    file: str
    places: Mapping[str, ElementPlace] | None
    decisions: Sequence[Mapping[str, Any]]
    failure: str = ""


class CallRoute(NamedTuple):
    """A route as far as it is known. ``unknown`` names the fact that is missing after it; empty if the call ended there."""

    points: Sequence[RoutePoint]
    turns: Sequence[RouteTurn]
    unknown: str = ""

    @property
    def is_complete(self) -> bool:
        return not self.unknown


class _UnknownFact(CallEnd):
    """Ends a replay, because a fact that decides what happens next is not known; the reason names the fact."""

    def __init__(self, reason: str) -> None:
        super().__init__("caller-hung-up", reason)


class RecordedFacts(NamedTuple):
    """The known facts of a recorded call.

    ``caller_actions`` are the keys in the order of the questions. ``leg_results`` are the rung parties in order, each with
    ``answer``, ``busy`` or ``no-answer``. ``lookups`` are results, ``lookup_rules`` requests, by variable.
    ``has_calls_today`` is True if the caller's number of calls that day is known.
    """

    caller_actions: Sequence[ScriptedAction]
    leg_results: Sequence[tuple[str, str]]
    lookups: Mapping[str, Any]
    lookup_rules: Mapping[str, str]
    has_calls_today: bool


class KnownCaller:
    """Both parties of a replayed call. They do what is known of the call, and end the replay if nothing is known."""

    def __init__(self, facts: RecordedFacts, wrong_key_menus: Sequence[frozenset[str]] | None = None) -> None:
        """``wrong_key_menus`` has the keys of each menu in which the real caller pressed another key, in order.

        None is for the recorded call itself, whose menus are noted.
        """
        self.wrong_key_menus: list[frozenset[str]] = []
        self._known_menus = None if wrong_key_menus is None else collections.deque(wrong_key_menus)
        self._wrong_inputs: set[tuple[int, str]] = set()
        self._caller_actions = collections.deque(facts.caller_actions)
        self._results_by_party: list[tuple[str, collections.deque[str]]] = []
        for party, result in facts.leg_results:
            known = next((results for other, results in self._results_by_party if other == party), None)
            if known is None:
                self._results_by_party.append((party, collections.deque([result])))
            else:
                known.append(result)
        self.documents: list[bytes] = []
        """Documents of the call so far."""
        self.heard: list[tuple[int, TranscriptStep]] = []
        """Steps and questions in order, with the number of their document."""

    @property
    def turn(self) -> int:
        """Number of the current document."""
        return len(self.documents)

    async def hear_step(self, step: TranscriptStep) -> None:
        is_wrong = step["verb"] == "Gather" and (self.turn, step["path"]) in self._wrong_inputs
        self.heard.append((self.turn, {**step, "digits": WRONG_KEY.keys} if is_wrong else step))

    async def choose_action(self, window: ActionWindow) -> CallerAction:
        """Press the known keys; callers never hang up by themselves, since only the known beginning is compared."""
        if window.kind != "keys" or window.verb != "Gather" or window.continues_input:
            return None
        self.heard.append((self.turn, {"verb": "asks", "path": window.path}))
        action = self._caller_actions.popleft() if self._caller_actions else None
        if not isinstance(action, ScriptedPress):
            raise _UnknownFact(_UNKNOWN_KEY)
        if action == WRONG_KEY:
            return KeyInput(self._find_wrong_key(window.path))
        return KeyInput(action.keys) if action.keys else None

    def _find_wrong_key(self, gather_path: str) -> str:
        """Return a key without a branch. Raises _UnknownFact if the key of the real caller might have one here."""
        gather = dict(walk_elements(from_xml(self.documents[-1])))[gather_path]
        keys = frozenset(str(child.attributes["value"]) for child in gather.children if isinstance(child, DTMF))
        known = keys if self._known_menus is None else self._known_menus.popleft() if self._known_menus else frozenset()
        wrong = next((key for key in _KEYS if key not in keys | known and key != gather.attributes.get("dtmf_stop")), "")
        if not keys <= known or not wrong:
            raise _UnknownFact("which key without a meaning the caller pressed")
        self.wrong_key_menus.append(keys)
        self._wrong_inputs.add((self.turn, gather_path))
        return wrong

    async def ring_targets(self, targets: Sequence[str], path: str) -> DialResult:  # noqa: ARG002 - as the Protocol says
        """Return the known result of ringing these targets."""
        known = [
            (target, results)
            for target in targets
            for party, results in self._results_by_party
            if is_same_target(target, party)
        ]
        if not known:
            raise _UnknownFact("whether anybody answers who was not rung in that call")
        words = [(target, results.popleft() if len(results) > 1 else results[0]) for target, results in known]
        for target, word in words:
            if word == "answer":
                return DialResult("answered", target)
        return DialResult("busy" if all(word == "busy" for _, word in words) else "no-answer")


class RecordedDocuments:
    """The network of a recorded call: each request gets the document that the call was sent."""

    def __init__(self, caller: KnownCaller, documents: Sequence[tuple[str, bytes]]) -> None:
        """``documents`` are the paths of the requests and the documents."""
        self._caller = caller
        self._documents = documents
        self.has_strayed = False
        """A document was requested from another place than in the recorded call."""

    async def send_request(self, method: str, url: str, body: bytes | None, timeout_seconds: float) -> NetworkReply:  # noqa: ARG002 - as the Protocol says
        number = self._caller.turn
        if number >= len(self._documents):
            raise _UnknownFact("the next document, which the call never asked for")
        path, document = self._documents[number]
        if number and _find_place_in_url(url) != _find_place_in_url(path):
            self.has_strayed = True
            raise _UnknownFact("the way between two documents")
        self._caller.documents.append(document)
        return NetworkReply(REPLY_STATUS_OK, document, 0.0)


def _find_place_in_url(url: str) -> str:
    """Return flow and node of the URL of a node."""
    return "/".join(urllib.parse.urlsplit(url).path.rsplit("/", 2)[-2:])


class ReplayNetwork:
    """The network of a replayed call: our own engine. Ends the replay if an answer needs what is not known."""

    def __init__(self, caller: KnownCaller, facts: RecordedFacts, engine: PlatformNetwork) -> None:
        self._caller = caller
        self._facts = facts
        self._engine = engine
        self.transcript: Transcript

    async def send_request(self, method: str, url: str, body: bytes | None, timeout_seconds: float) -> NetworkReply:
        known = len(self.transcript.steps)
        reply = await self._engine.send_request(method, url, body, timeout_seconds)
        self._caller.documents.append(reply.body)
        self._require_known_values(self.transcript.steps[known:], self.transcript.requests[-1].trail)
        return reply

    def _require_known_values(self, steps: Sequence[TranscriptStep], decisions: Iterable[Mapping[str, Any]]) -> None:
        """Raise _UnknownFact if the answer was made from a value that the recorded call does not tell."""
        for step in steps:
            if step["verb"] == LookupStep.step_key and step["into"] not in self._facts.lookups:
                raise _UnknownFact(f"the result of the lookup {step['into']}")
        for decision in decisions:
            if decision["step_key"] == LookupStep.step_key:
                name = read_lookup_name(decision)
                if self._facts.lookup_rules.get(name, decision["rule"]) != decision["rule"]:
                    raise _UnknownFact(f"the result of the lookup {name}, which asks another address")
            if _CALLS_TODAY_NAME in decision["values"] and not self._facts.has_calls_today:
                raise _UnknownFact("the caller's number of calls that day")


def read_lookup_name(decision: Mapping[str, Any]) -> str:
    """Return the variable of a lookup; the rule of the decision is ``name = METHOD url``."""
    return str(decision["rule"]).partition(" = ")[0]


def describe_failure(outcome: str) -> str:
    """Return a point in words for an answer that no flow made; empty for that of a flow."""
    words = {"": "", ANSWERED_BY_FLOW: "", "unknown-number": "no flow answers"}
    return words.get(outcome, "the fallback")


def read_replayed_places(document: bytes) -> Mapping[str, ElementPlace] | None:
    """Return the places of a document with coverage comments; None if it has none, as that of a program."""
    try:
        return read_element_places(document) or None if b"<!--" in document else None
    except (etree.XMLSyntaxError, ValueError):
        return None


def build_route(
    caller: KnownCaller,
    turns: Sequence[RouteTurn],
    transcript: Transcript,
    reached: Collection[tuple[int, str]] | None = None,
) -> CallRoute:
    """Build the route of a call that has run.

    ``reached`` are the elements, by turn and path, that the caller is known to have come to; None means all.
    Raises UnknownCallError if the call did not come to any of them.
    """
    heard, unknown = caller.heard, transcript.error if transcript.outcome == "caller-hung-up" else ""
    if reached is not None:
        known = [index for index, (turn, step) in enumerate(heard) if (turn, step["path"]) in reached]
        if not known:
            raise UnknownCallError("the rehearsal of the documents takes another way than the call did")
        if unknown or known[-1] < len(heard) - 1:
            unknown = CALLER_ENDED_CALL
        heard = heard[: known[-1] + 1]
    points: list[RoutePoint] = []
    for point in _list_points(heard, turns):
        if not (point.kind in ("flow", "node") and _find_last(points, point.kind).is_same(point)):
            points.append(point)
    if points and points[-1].kind == "end":
        unknown = ""
    elif not unknown:
        value = "the line falls silent" if transcript.outcome in ("loop", "error") else "hangs up"
        points.append((points[-1] if points else RoutePoint("", ""))._replace(kind="end", value=value))
    return CallRoute(points, turns, unknown)


def _find_last(points: Sequence[RoutePoint], kind: str) -> RoutePoint:
    return next((point for point in reversed(points) if point.kind == kind), RoutePoint("", ""))


def _list_points(heard: Iterable[tuple[int, TranscriptStep]], turns: Sequence[RouteTurn]) -> Iterator[RoutePoint]:
    number = 0
    for turn_number, step in heard:
        while number < turn_number:
            number += 1
            yield from _list_turn_points(number, turns[number - 1])
        if step["path"] and not step.get("ended") and number:
            yield from _list_step_points(turn_number, step, turns[number - 1])


def _list_turn_points(number: int, turn: RouteTurn) -> Iterator[RoutePoint]:
    if turn.flow:
        yield RoutePoint("flow", turn.flow, number)
    if turn.failure:
        yield RoutePoint("node", turn.failure, number)


def _list_step_points(number: int, step: TranscriptStep, turn: RouteTurn) -> Iterator[RoutePoint]:
    path, verb = step["path"], step["verb"]
    place = turn.places.get(path) if turn.places is not None else None
    node = place.node if place is not None and place.node else turn.node
    here = RoutePoint("node", node, number, path, node, place.node_line if place is not None else 0)
    if node and not turn.failure:
        yield here
    match verb:
        case "asks":
            yield here._replace(kind="asks", value="")
        case "Gather":
            yield here._replace(kind="key", value=step["digits"])
        case "Dial":
            yield here._replace(kind="rings", value=", ".join(step["to"]))
            if "result" in step and step["result"] != "cancelled":
                yield here._replace(kind="result", value=_describe_result(step))
        case "Record":
            yield here._replace(kind="records", value=step.get("tag", ""))
        case "Hangup" | "Reject":
            yield here._replace(kind="end", value="hangs up" if verb == "Hangup" else "refuses the call")


def _describe_result(step: TranscriptStep) -> str:
    return f"{step.get('by', '')} answers" if step["result"] == "answered" else "nobody answers"


class RouteDifference(NamedTuple):
    """The first difference of two routes: the number of points in common, then a point of each (None: nothing more).

    ``reason`` explains the difference, ``line`` is the line in the new flow file of the node at which they part.
    """

    common: int
    was: RoutePoint | None
    now: RoutePoint | None
    reason: str
    node: str
    place: str


def find_route_difference(was: CallRoute, now: CallRoute) -> RouteDifference | None:
    """Return the first difference of two routes as far as both are known; None if there is none."""
    pairs = zip(was.points, now.points, strict=False)
    common = next((index for index, (old, new) in enumerate(pairs) if not old.is_same(new)), None)
    if common is None:
        common = min(len(was.points), len(now.points))
        shorter = was if len(was.points) == common else now
        if len(was.points) == len(now.points) or not shorter.is_complete:
            return None
    old = was.points[common] if common < len(was.points) else None
    new = now.points[common] if common < len(now.points) else None
    before = was.points[common - 1] if common else None
    at = now.points[common - 1] if common else None
    node = before.node if before is not None else ""
    file = now.turns[max(0, at.turn - 1)].file if at is not None and now.turns else ""
    return RouteDifference(
        common,
        old,
        new,
        _explain_difference(was, now, old, new, before),
        node,
        f"{file}:{at.line}" if file and at is not None and at.line else "",
    )


def hide_unknown_part(route: CallRoute, common: int) -> CallRoute:
    """Return a route up to its first question after ``common`` points: what a caller presses elsewhere is not known."""
    asks = next((index for index, point in enumerate(route.points) if index >= common and point.kind == "asks"), None)
    return route if asks is None else route._replace(points=route.points[: asks + 1], unknown=_UNKNOWN_KEY)


def _explain_difference(
    was: CallRoute, now: CallRoute, old: RoutePoint | None, new: RoutePoint | None, before: RoutePoint | None
) -> str:
    """Return the decision that had another outcome, else the key or the result after which the routes part."""
    if old is not None and old.kind == "flow":
        return "another flow answers the number" if new is not None and new.kind == "flow" else "no flow answers the number"
    turn = max(point.turn for point in (old, new, before, RoutePoint("", "")) if point is not None)
    decision = _find_changed_decision(*([*_list_decisions(route.turns[:turn])] for route in (was, now)))
    if decision:
        return decision
    if before is not None and before.kind == "key":
        return f"{describe_key(before.value)} in {before.node} leads elsewhere"
    if before is not None and before.kind == "result":
        return f"after the call to somebody in {before.node}, the flow goes on elsewhere"
    kinds = {point.kind for point in (old, new) if point is not None}
    if kinds == {"rings"}:
        return f"{new.node if new is not None else ''} rings others"
    return f"{before.node or 'the flow'} goes on elsewhere" if before is not None else "the call begins elsewhere"


def describe_key(digits: str) -> str:
    """Return an input in words; several digits may be somebody's number, and are not shown."""
    if digits == WRONG_KEY.keys:
        return "a key without a meaning"
    return f"key {digits}" if len(digits) == 1 else "the entered digits" if digits else "no key"


def _list_decisions(turns: Iterable[RouteTurn]) -> Iterator[tuple[str, str, str]]:
    """Yield node, rule and outcome of the decisions that may lead a call elsewhere."""
    for turn in turns:
        for decision in turn.decisions:
            if decision["outcome"] in _ROUTING_OUTCOMES:
                yield decision["node"], f"{decision['step_key']} {decision['rule']}".strip(), str(decision["outcome"])


def _find_changed_decision(was: Sequence[tuple[str, str, str]], now: Sequence[tuple[str, str, str]]) -> str:
    for (old_node, old_rule, old_outcome), (node, rule, outcome) in zip(was, now, strict=False):
        if (old_node, old_rule) == (node, rule):
            if old_outcome != outcome:
                return f"in {node}, {rule} was {_describe_outcome(old_outcome)}, and is now {_describe_outcome(outcome)}"
        else:
            return (
                f"in {node}, the rules are others: {old_rule} was {_describe_outcome(old_outcome)}"
                if (old_node == node)
                else ""
            )
    if len(now) > len(was):
        node, rule, outcome = now[len(was)]
        return f"in {node}, {rule} is new, and is {_describe_outcome(outcome)}"
    if len(was) > len(now):
        node, rule, outcome = was[len(now)]
        return f"in {node}, {rule} is no longer asked; it was {_describe_outcome(outcome)}"
    return ""


def _describe_outcome(outcome: str) -> str:
    return {"True": "true", "False": "false"}.get(outcome, outcome)


def describe_route(route: CallRoute, limit: int | None = None, *, is_whole: bool = True) -> list[str]:
    """Return the first points of a route as words, each a place or something that happened.

    A question without an answer has a word only if the route ends there, and ``is_whole``.
    """
    words: list[str] = []
    points = route.points[:limit]
    for index, point in enumerate(points):
        if point.kind == "asks":
            words += ["waits for a key"] if is_whole and index == len(points) - 1 else []
        elif point.kind == "key":
            words.append(f"({describe_key(point.value)})")
        elif point.kind == "rings":
            words.append(f"rings {point.value}")
        elif point.kind == "records":
            words.append("records a message" if point.value == "voicemail" else "records")
        else:
            words.append(f"{point.value}:" if point.kind == "flow" else point.value)
    return words
