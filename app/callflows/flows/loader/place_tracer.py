"""Finds out where in a flow file the elements of a sent document come from.

The turn is rendered again, with its place marks. This happens in the journal's thread, after the answer.
"""

from __future__ import annotations

import functools
import hashlib
import json
import threading
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from callflows.errors import CallflowsError
from callflows.flows.coverage_points import strip_coverage_comments
from callflows.flows.document_comments import ElementPlace, PassedNode, read_element_places
from callflows.flows.entry_points import FIRST_ENTRY
from callflows.flows.tickets import read_node_entry
from callflows.recent_keys import RecentKeys
from callflows.sandbox.deferred_jobs import NeedsResult
from callflows.telephony.turn import Turn

if TYPE_CHECKING:
    from collections.abc import Sequence

    from callflows.flows.entry_points import NodeEntry
    from callflows.flows.flow import Flow
    from callflows.flows.loader.flow_versions import FlowVersions
    from callflows.flows.tickets import TicketSigner
    from callflows.telephony.events import AnsweredRequest


_REMEMBERED_DOCUMENTS: Final = 2_000
"""Number of documents whose places are remembered; a flow has few documents that differ in more than a ticket."""
_REPEAT_SECONDS: Final = 3_600.0
"""Seconds after which places are stored again, in case they were lost or erased."""
_MAX_DOCUMENT_CHARACTERS: Final = 100_000
"""The places of a longer document are not looked for."""
_MAX_PLACES: Final = 2_000
_UNREADABLE: Final = (CallflowsError, LookupError, ValueError, TypeError, ArithmeticError, AttributeError)
"""Errors of a turn that cannot be run again: the call had its answer, and only the places stay unknown."""


class DocumentPlaces(NamedTuple):
    """The places of a document's elements, as JSON: each path with the fields of ``ElementPlace``.

    ``key`` is a digest of the flow, its version and the places. ``is_new`` is false if this process has met the key before.
    ``first`` is the place at which the document begins.
    """

    key: str
    flow: str
    version: str
    places: str
    first: ElementPlace
    is_new: bool = False


class PlaceTracer:
    """Traces answered requests, in any thread."""

    def __init__(self, versions: FlowVersions, signer: TicketSigner) -> None:
        self._versions = versions
        self._signer = signer
        self._known_keys = RecentKeys(memory_seconds=_REPEAT_SECONDS)
        self._lock = threading.Lock()
        self._places_by_document: dict[int, DocumentPlaces | None] = {}

    def trace_document(self, answered: AnsweredRequest, masked_parts: Sequence[str]) -> DocumentPlaces | None:
        """Return the places of the document of a request; None if they cannot be found.

        ``masked_parts`` are the texts of the document, without tickets. Those with markup are the author's, as the values
        of a call are escaped: documents that differ in values alone have the same places.
        """
        outcome, turn = answered.outcome, answered.turn
        if turn is None or not outcome.version or sum(map(len, masked_parts)) > _MAX_DOCUMENT_CHARACTERS:
            return None
        entry = self._find_entry(answered)
        decisions = tuple((id(origin), str(result)) for origin, result, *_ in turn.trail)
        texts = tuple(part for part in masked_parts if "<" in part)
        # Not a digest, which would read all texts for each call: Python keeps the hashes of the author's texts.
        document = hash((outcome.flow, outcome.node, outcome.version, entry, decisions, texts))
        with self._lock:
            if document not in self._places_by_document:
                if len(self._places_by_document) >= _REMEMBERED_DOCUMENTS:
                    self._places_by_document.clear()
                self._places_by_document[document] = self._find_places(answered, turn, entry)
            found = self._places_by_document[document]
            return found._replace(is_new=self._known_keys.add(found.key)) if found is not None else None

    def _find_places(self, answered: AnsweredRequest, turn: Turn, entry: NodeEntry | None) -> DocumentPlaces | None:
        flow = self._versions.find_version(answered.outcome.flow, answered.outcome.version)
        if flow is None:
            return None
        node = answered.outcome.node
        places = _find_program_places(flow, node) or _read_places(flow, entry, answered, turn)
        if not places:
            return None
        # Few elements have passed nodes: the others stay short in the database.
        stored = {path: place if place.passed else place[:-1] for path, place in places.items()}
        text = json.dumps(stored, ensure_ascii=False, separators=(",", ":"))
        key = hashlib.blake2b(f"{flow.name}/{flow.version}/{text}".encode(), digest_size=16).hexdigest()
        return DocumentPlaces(key, flow.name, flow.version, text, next(iter(places.values())))

    def _find_entry(self, answered: AnsweredRequest) -> NodeEntry | None:
        """Return the entry of the node at which the turn began; None if its ticket cannot be read any more."""
        ticket = answered.request_fields.get("ticket")
        if not ticket:
            return FIRST_ENTRY
        outcome = answered.outcome
        try:
            state = self._signer.read_ticket(f"{outcome.flow}/{outcome.node}", ticket)
            return read_node_entry(state, is_same_version=state.get("v") == outcome.version)
        except _UNREADABLE:
            return None


def _read_places(
    flow: Flow, entry: NodeEntry | None, answered: AnsweredRequest, turn: Turn
) -> dict[str, ElementPlace] | None:
    """Render the document with its marks, and read them; None if that gives another document than the call got."""
    if entry is None:
        return None
    try:
        marked = flow.render_with_places(answered.outcome.node, _copy_turn(turn), entry)
        if strip_coverage_comments(marked).count("<") != answered.document.count(b"<"):
            return None
        places = read_element_places(marked.encode())
    except (NeedsResult, *_UNREADABLE):
        return None
    return places if len(places) <= _MAX_PLACES else None


def _find_program_places(flow: Flow, node: str) -> dict[str, ElementPlace]:
    """Return the line of a node of a Python flow, for the whole document; empty for any other flow."""
    points = flow.coverage_points if flow.file.endswith(".py") else ()
    lines = [(point.line, point.column) for point in points if point.node == node]
    return {"": ElementPlace(node, lines[0][0], 0, *lines[0])} if lines else {}


def _copy_turn(turn: Turn) -> Turn:
    """Return a turn with the same input and the same results of deferred work, to run it again."""
    copy = Turn(
        turn.request_fields,
        get_base_url=functools.partial(_read_base_url, turn),
        auto_answer=turn.auto_answer,
        clock=turn.timestamp,
    )
    copy.earlier_values, copy.zone, copy.resolve = turn.earlier_values, turn.zone, turn.resolve
    copy.owns_number, copy.claims_number = turn.owns_number, turn.claims_number
    copy.make_ticket_url = turn.make_ticket_url
    copy.deferred_results = [*turn.deferred_results]
    copy.reset_progress()
    return copy


def _read_base_url(turn: Turn) -> str:
    return turn.base_url


@functools.lru_cache(maxsize=500)
def read_stored_places(text: str) -> dict[str, ElementPlace]:
    """Read the places that ``DocumentPlaces`` has as JSON."""
    stored: dict[str, list[Any]] = json.loads(text)
    return {path: _read_element_place(values) for path, values in stored.items()}


def read_packed_places(values: Sequence[Any]) -> DocumentPlaces:
    """Read ``DocumentPlaces`` that were written as a JSON list."""
    places = DocumentPlaces(*values)
    return places._replace(first=_read_element_place(places.first))


def _read_element_place(values: Sequence[Any]) -> ElementPlace:
    place = ElementPlace(*values)
    return place._replace(passed=tuple(PassedNode(*node) for node in place.passed))
