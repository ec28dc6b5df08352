"""Answered requests without their secrets: the form in which a turn waits for the database, in memory or in a file.

Redaction and packing take a tenth of the time that the rows of a turn take, so that a busy server remembers every turn, and
builds the rows when fewer callers wait. Most texts of a document are the same for every caller: a batch holds each once.
"""

from __future__ import annotations

import json
import re
import uuid
import zlib
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from pydantic_core import PydanticSerializationError, to_json

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

    from callflows.telephony.events import AnsweredRequest
    from callflows.telephony.turn import Turn

    DescribeDecisions = Callable[[Turn], list[dict[str, Any]]]


_MAX_QUERY_CHARACTERS: Final = 4096
_VALUE_DELIMITERS: Final = frozenset("&\"'<> \t\n\r\\")
"""Characters that stand neither in the name nor in the value of a credential."""
_VALUE_END: Final = re.compile("[&\"'<> \t\n\r\\\\]")


class RedactedEffect(NamedTuple):
    """An effect that a turn asked for. ``payload`` is JSON without secrets."""

    kind: str
    key: str
    payload: str


class RedactedTurn(NamedTuple):
    """A request and its answer as plain values, without credentials, secret values and secret digits.

    ``document`` is the answer as texts in a row; ``decisions`` is JSON. The other fields are those of AnsweredRequest and
    AnswerOutcome.
    """

    id: str
    received_at: float
    answer_seconds: float
    method: str
    path: str
    query: str
    request_fields: Mapping[str, str]
    status: int
    kind: str
    flow: str
    node: str
    version: str
    cause: str
    detail: str
    decisions: str
    document: Sequence[str]
    effects: Sequence[RedactedEffect] = ()


class TurnRedactor:
    """Redacts the turns of one batch; a text that several documents share is searched for credentials once."""

    def __init__(self, describe_decisions: DescribeDecisions) -> None:
        self._describe_decisions = describe_decisions
        self._masked_texts: dict[str, tuple[str, bool, bool]] = {}

    def redact_turn(self, answered: AnsweredRequest) -> RedactedTurn:
        """Return the plain values of a request and its answer."""
        turn, outcome = answered.turn, answered.outcome
        decisions = self._describe_decisions(turn) if turn is not None else []
        kept = may_keep_digits(turn, decisions, answered=outcome.kind == "answered")
        secrets = list_secret_texts(turn, digits_allowed=kept)
        query = mask_credentials(clean_text(answered.query.decode("latin-1"))[:_MAX_QUERY_CHARACTERS])
        return RedactedTurn(
            uuid.uuid4().hex,
            answered.received_at,
            answered.answer_seconds,
            answered.method,
            answered.path,
            query if kept else mask_url_digits(query),
            {
                name: value if kept or name not in DIGIT_FIELDS else REDACTION_MASK
                for name, value in answered.request_fields.items()
                if name not in CREDENTIAL_FIELDS
            },
            answered.status,
            outcome.kind,
            outcome.flow,
            outcome.node,
            outcome.version,
            mask_secrets(clean_text(outcome.cause), secrets),
            mask_secrets(clean_text(outcome.detail), secrets),
            mask_credentials(mask_secrets(dump_json(decisions), secrets)) if decisions else "[]",
            self._mask_document(answered.document_parts, secrets),
            [
                RedactedEffect(e.kind, e.key, mask_credentials(mask_secrets(dump_json(e.payload), secrets)))
                for e in outcome.effects
            ],
        )

    def _mask_document(self, parts: Sequence[str], secrets: Sequence[str]) -> Sequence[str]:
        """Return the texts of a document, masked. Secrets are searched in the whole document, as they may span texts."""
        if secrets:
            return (mask_secrets(mask_credentials("".join(parts)), secrets),)
        masked = self._mask_texts(parts)
        return masked if masked is not None else self._mask_texts(_join_open_texts(parts)) or ()

    def _mask_texts(self, parts: Iterable[str]) -> list[str] | None:
        """Mask each text by itself; None if the name or the value of a credential can span two of them."""
        known = self._masked_texts
        masked: list[str] = []
        was_closed = True
        for part in parts:
            text, starts_closed, ends_closed = known.get(part) or self._mask_text(part)
            if not (starts_closed or was_closed):
                return None
            was_closed = ends_closed
            masked.append(text)
        return masked

    def _mask_text(self, part: str) -> tuple[str, bool, bool]:
        """Return the masked text, and whether its first and its last character are delimiters."""
        found = (mask_credentials(part), part[:1] in _VALUE_DELIMITERS, part[-1:] in _VALUE_DELIMITERS)
        self._masked_texts[part] = found
        return found


def _join_open_texts(parts: Iterable[str]) -> list[str]:
    """Return the same document as texts of which each pair is divided by a delimiter."""
    made: list[str] = []
    for part in parts:
        if made and not (made[-1][-1:] in _VALUE_DELIMITERS or part[:1] in _VALUE_DELIMITERS):
            end = _VALUE_END.search(part)
            head = part[: end.start()] if end else part
            made[-1] += head
            part = part[len(head) :]  # noqa: PLW2901 - the rest of the text
        if part:
            made.append(part)
    return made


def pack_turns(turns: Iterable[RedactedTurn]) -> bytes:
    """Pack a batch of turns for a file; ``unpack_turns`` gives them back."""
    texts: dict[str, int] = {}
    place = texts.setdefault
    rows = [
        [
            *turn[:-3],
            place(turn.decisions, len(texts)),
            [place(text, len(texts)) for text in turn.document],
            turn.effects,
        ]
        for turn in turns
    ]
    batch = {"fields": RedactedTurn._fields, "turns": rows, "texts": [*texts]}
    return zlib.compress(dump_json(batch).encode(), 1)


def unpack_turns(packed: bytes) -> list[RedactedTurn]:
    """Return the turns of a batch."""
    batch = json.loads(zlib.decompress(packed))
    texts = batch["texts"]
    found = []
    for row in batch["turns"]:
        turn = RedactedTurn(**dict(zip(batch["fields"], row, strict=True)))
        found.append(
            turn._replace(
                decisions=texts[turn.decisions],
                document=[texts[index] for index in turn.document],
                effects=[RedactedEffect(*effect) for effect in turn.effects],
            )
        )
    return found


def dump_json(value: object) -> str:
    """Serialize to JSON; replace characters that UTF-8 cannot encode (lone surrogates)."""
    try:
        return to_json(value, fallback=str).decode()
    except PydanticSerializationError:
        return json.dumps(value, default=str)
