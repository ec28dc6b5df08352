"""Answered requests without their secrets: the form in which a turn waits for the database, in memory or in a file.

Redaction and packing take a tenth of the time that the rows of a turn take, so that a busy server remembers every turn, and
builds the rows when fewer callers wait. Most texts of a document are the same for every caller: a batch holds each once.
"""

from __future__ import annotations

import itertools
import json
import re
import uuid
import zlib
from typing import TYPE_CHECKING, Final, NamedTuple

from pydantic_core import PydanticSerializationError, to_json

from callflows.flows.decisions import describe_decision, read_decision_values
from callflows.flows.loader.place_tracer import read_packed_places
from callflows.journal.redaction import (
    CREDENTIAL_FIELDS,
    DIGIT_FIELDS,
    REDACTION_MASK,
    list_secret_texts,
    mask_credentials,
    mask_secrets,
    mask_url_digits,
    may_keep_digits,
)
from callflows.text import clean_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from callflows.flows.loader.place_tracer import DocumentPlaces
    from callflows.telephony.events import AnsweredRequest
    from callflows.telephony.ports import Effect
    from callflows.telephony.turn import Turn

    TraceDocument = Callable[[AnsweredRequest, Sequence[str]], DocumentPlaces | None]


_MAX_QUERY_CHARACTERS: Final = 4096
_VALUE_DELIMITERS: Final = frozenset("&\"'<> \t\n\r\\")
"""Characters that stand neither in the name nor in the value of a credential."""
_OPEN_PAIR: Final = re.compile(b"[\2\3][\1\3]")
"""Ends of two texts in a row without a delimiter between them."""
_VALUE_END: Final = re.compile("[&\"'<> \t\n\r\\\\]")


class RedactedEffect(NamedTuple):
    """An effect that a turn asked for. ``payload`` is JSON without secrets."""

    kind: str
    key: str
    payload: str


class RedactedAnswer(NamedTuple):
    """The part of a request and its answer that many callers share, as plain values without secrets.

    ``document`` is the answer as texts in a row; ``decisions`` is JSON. Both are places of texts in a list that all turns
    of a batch share. The other fields are those of AnsweredRequest and AnswerOutcome.
    """

    method: str
    path: str
    status: int
    kind: str
    flow: str
    node: str
    version: str
    cause: str
    detail: str
    decisions: int
    document: Sequence[int]


class RedactedTurn(NamedTuple):
    """A request and its answer as plain values, without credentials, secret values and secret digits.

    ``places`` are those of the document's elements in the flow file; None if they are not known.
    """

    id: str
    received_at: float
    answer_seconds: float
    query: str
    request_fields: Mapping[str, str]
    effects: Sequence[RedactedEffect]
    answer: RedactedAnswer
    places: DocumentPlaces | None = None


class TurnRedactor:
    """Redacts the turns of one batch. What several turns share is described, and searched for credentials, once.

    ``texts`` are the masked texts of the batch's documents and decisions.
    """

    def __init__(self) -> None:
        self.texts: list[str] = []
        # One random number for a batch: each takes longer than most other fields of a turn.
        self._id_prefix, self._turn_count = uuid.uuid4().hex[:24], 0
        self._known_parts: dict[str, int] = {}
        self._known_texts: dict[str, int] = {}
        self._known_decisions: dict[tuple[object, ...], int] = {}
        self._safe_documents: set[Sequence[int]] = set()
        """Documents in which no credential spans two texts."""
        self._part_ends = bytearray()
        """For each text: 1 if its first character is no delimiter, plus 2 if its last is none."""

    def redact_turn(self, answered: AnsweredRequest, trace_document: TraceDocument | None = None) -> RedactedTurn:
        """Return the plain values of a request and its answer.

        ``trace_document`` finds the places of a document's elements in the flow file (see ``PlaceTracer``).
        """
        turn, outcome = answered.turn, answered.outcome
        keeps_digits = may_keep_digits(turn, answered=outcome.is_by_flow)
        secrets = list_secret_texts(turn, digits_allowed=keeps_digits)
        answer = RedactedAnswer(
            answered.method,
            answered.path,
            answered.status,
            outcome.kind,
            outcome.flow,
            outcome.node,
            outcome.version,
            mask_secrets(clean_text(outcome.cause), secrets),
            mask_secrets(clean_text(outcome.detail), secrets),
            self._place_decisions(turn, secrets),
            self._mask_document(answered.document_parts, secrets),
        )
        query = mask_credentials(clean_text(answered.query.decode("latin-1"))[:_MAX_QUERY_CHARACTERS])
        self._turn_count += 1
        return RedactedTurn(
            f"{self._id_prefix}{self._turn_count:08x}",
            answered.received_at,
            answered.answer_seconds,
            query if keeps_digits else mask_url_digits(query),
            _mask_fields(answered.request_fields, keeps_digits=keeps_digits),
            [_redact_effect(effect, secrets) for effect in outcome.effects],
            answer,
            trace_document(answered, [self.texts[place] for place in answer.document])
            if trace_document is not None
            else None,
        )

    def _place_decisions(self, turn: Turn | None, secrets: Sequence[str]) -> int:
        """Return the place of a turn's decisions, as JSON without secrets."""
        decisions = read_decision_values(turn) if turn is not None else []
        key = (*(decision.key for decision in decisions), *secrets)
        place = self._known_decisions.get(key)
        if place is None:
            described = dump_json([*map(describe_decision, decisions)])
            place = self._known_decisions[key] = self._place_text(mask_credentials(mask_secrets(described, secrets)))
        return place

    def _mask_document(self, parts: Sequence[str], secrets: Sequence[str]) -> Sequence[int]:
        """Mask a document; return the places of its texts. Secrets are searched in the whole, as they may span texts."""
        if secrets:
            return (self._place_text(mask_secrets(mask_credentials("".join(parts)), secrets)),)
        places = self._mask_parts(parts)
        if places not in self._safe_documents:
            if _OPEN_PAIR.search(bytes(map(self._part_ends.__getitem__, places))):
                return self._mask_parts(_join_open_texts(parts))
            self._safe_documents.add(places)
        return places

    def _mask_parts(self, parts: Sequence[str]) -> tuple[int, ...]:
        """Mask each text by itself. Right only if the name or the value of a credential cannot span two of them."""
        known = self._known_parts
        for part in itertools.filterfalse(known.__contains__, parts):
            ends = (part[:1] not in _VALUE_DELIMITERS) + 2 * (part[-1:] not in _VALUE_DELIMITERS)
            known[part] = self._place_text(mask_credentials(part), ends)
        return (*map(known.__getitem__, parts),)

    def _place_text(self, text: str, ends: int = 0) -> int:
        """Return the place of a text in ``texts``."""
        place = self._known_texts.setdefault(text, len(self.texts))
        if place == len(self.texts) or self._part_ends[place] != ends:
            self._known_texts[text] = place = len(self.texts)
            self.texts.append(text)
            self._part_ends.append(ends)
        return place


def _mask_fields(request_fields: Mapping[str, str], *, keeps_digits: bool) -> dict[str, str]:
    """Return the fields of a request without credentials; digits are masked unless they may be kept."""
    fields = {**request_fields}
    for name in CREDENTIAL_FIELDS:
        fields.pop(name, None)
    if not keeps_digits:
        fields |= dict.fromkeys(DIGIT_FIELDS & fields.keys(), REDACTION_MASK)
    return fields


def _redact_effect(effect: Effect, secrets: Sequence[str]) -> RedactedEffect:
    return RedactedEffect(effect.kind, effect.key, mask_credentials(mask_secrets(dump_json(effect.payload), secrets)))


def _join_open_texts(parts: Iterable[str]) -> list[str]:
    """Return the same document as texts of which each pair is divided by a delimiter."""
    joined: list[str] = []
    for part in parts:
        if joined and not (joined[-1][-1:] in _VALUE_DELIMITERS or part[:1] in _VALUE_DELIMITERS):
            end = _VALUE_END.search(part)
            head = part[: end.start()] if end else part
            joined[-1] += head
            part = part[len(head) :]  # noqa: PLW2901 - the rest of the text
        if part:
            joined.append(part)
    return joined


def pack_turns(turns: Iterable[RedactedTurn], texts: Sequence[str]) -> bytes:
    """Pack a batch of turns and their texts for a file; ``unpack_turns`` gives them back."""
    answers: dict[RedactedAnswer, int] = {}
    places: dict[DocumentPlaces | None, int] = {}
    rows = [
        (*turn[:-2], answers.setdefault(turn.answer, len(answers)), places.setdefault(turn.places, len(places)))
        for turn in turns
    ]
    batch = {"turns": rows, "answers": [*answers], "places": [*places], "texts": texts}
    return zlib.compress(dump_json(batch).encode(), 1)


def unpack_turns(packed: bytes) -> tuple[list[RedactedTurn], Sequence[str]]:
    """Return the turns of a batch, and their texts."""
    batch = json.loads(zlib.decompress(packed))
    answers = [RedactedAnswer(*answer) for answer in batch["answers"]]
    places = [read_packed_places(values) if values is not None else None for values in batch["places"]]
    turns = [
        RedactedTurn(
            id_, at, seconds, query, fields, [RedactedEffect(*effect) for effect in effects], answers[answer], places[place]
        )
        for id_, at, seconds, query, fields, effects, answer, place in batch["turns"]
    ]
    return turns, batch["texts"]


def dump_json(value: object) -> str:
    """Serialize to JSON; replace characters that UTF-8 cannot encode (lone surrogates)."""
    try:
        return to_json(value, fallback=str).decode()
    except PydanticSerializationError:
        return json.dumps(value, default=str)
