"""What happened as rows: made once, in the journal's own thread, of plain values and without anything secret."""

from __future__ import annotations

import hashlib
import json
import uuid
import zlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from pydantic_core import PydanticSerializationError, to_json

from app.answered import Answered
from app.calls import BEGAN
from app.characters import clean
from app.happened import MOMENTS, Happened
from app.journal.ranks import MESSAGE_STATES, OUTCOMES, RESULTS, STATES, cause_of, ranked
from app.journal.secrets import (
    MASK,
    NEVER,
    PRESSED,
    hidden,
    may_keep_digits,
    secret_texts,
    without_credentials,
    without_digits,
    without_secrets,
)
from app.journal.tables import BEGINS, GOES_ON, MERGED
from app.numbers import UNKNOWN, attested, caller_number, e164

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from app.calls import Turn
    from app.happened import Settled
    from app.journal.store import Entry, Row

    Words = Callable[[Turn], list[dict[str, Any]]]

_BLANK: Final = {name: dict.fromkeys((column.name for column in table.c), None) for name, table in MERGED.items()}
_LONGEST: Final = 1_000
"""Characters of a text from outside that are kept in a column of its own; all of it stands in ``raw``."""
_FIELDS: Final = {**MOMENTS, "": "finished_on"}
_MOMENTS: Final = tuple((field.removesuffix("_on"), field, state) for state, field in _FIELDS.items())
"""A column, the field of a call entity, and the state that a call which has it has reached."""
_BEGINNINGS: Final = frozenset({"init", "online", "ringing"})
PROVISIONAL: Final = "~"
"""How the id of a call begins whose uuid is not known yet."""


def entries_of(what: Answered | Happened | Settled, told: Words) -> list[Entry]:
    """The rows of what happened; ``told`` puts a turn's trail into words."""
    if isinstance(what, Happened):
        return _happened(what)
    if isinstance(what, Answered):
        return _answered(what, told) if what.outcome.kind != "refused" else []
    payload = _json(what.payload) if what.payload else None
    return [_effect(what.kind, what.key, what.call or None, payload, at=None, result=what.result, settled=what)]


def _answered(answered: Answered, words: Words) -> list[Entry]:
    """A request and its answer, the call that it was of, and what it wanted outside."""
    turn, outcome, fields = answered.turn, answered.outcome, answered.told
    decisions = words(turn) if turn is not None else []
    kept = may_keep_digits(turn, decisions, answered=outcome.kind == "answered")
    secrets = secret_texts(turn, kept=kept)
    id_ = uuid.uuid4().hex
    call = fields.get("call") or f"{PROVISIONAL}{id_}"
    query = without_credentials(clean(answered.query.decode("latin-1"))[:4096])
    pressed = next((fields[name] for name in PRESSED if fields.get(name)), None)
    row = {
        "id": id_,
        "call": call,
        "at": answered.at,
        "seconds": answered.seconds,
        "method": answered.method,
        "path": clean(answered.path)[:_LONGEST],
        "query": query if kept else without_digits(query),
        "told": _json({name: value if kept or name not in PRESSED else MASK for name, value in _open(fields).items()}),
        "pressed": pressed if kept or not pressed else MASK,
        "status": answered.status,
        "outcome": outcome.kind,
        "flow": outcome.flow,
        "node": outcome.node,
        "version": outcome.version,
        "cause": hidden(clean(outcome.cause), secrets),
        "detail": hidden(clean(outcome.detail), secrets),
        "trail": without_credentials(hidden(_json(decisions), secrets)),
        "document": zlib.compress(hidden(without_credentials(answered.document.decode()), secrets).encode(), 1),
    }
    effects = [
        _effect(e.kind, e.key, call, hidden(_json(e.payload), secrets), at=answered.at, result="asked")
        for e in outcome.effects
    ]
    return [("calls", _call_of_turn(answered, call)), ("turns", row), *effects]


def _open(fields: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in fields.items() if name not in NEVER and name != BEGAN}


def _call_of_turn(answered: Answered, call: str) -> Row:
    """The call of a turn; without a uuid by when it began, which a later turn knows of its ticket."""
    fields, outcome = answered.told, answered.outcome
    return {
        **_BLANK["calls"],
        "id": call,
        "provisional": BEGINS if call[0] == PROVISIONAL else None,
        "direction": "in",
        "caller": caller_number(fields.get("from", "")) or None,
        "name": fields.get("name") or None,
        "number": _number(fields.get("to") or fields.get("tn")),
        "app": fields.get("sca") or None,
        "attestation": _attested(fields.get("attestation")),
        "flow": outcome.flow or None,
        "outcome": ranked(OUTCOMES, outcome.kind),
        "started": float(fields.get(BEGAN) or answered.at),
    }


def _effect(
    kind: str,
    key: str,
    call: str | None,
    payload: str | None,
    *,
    at: float | None,
    result: str,
    settled: Settled | None = None,
) -> Entry:
    row = {**_BLANK["effects"], "kind": kind, "key": key, "call": call, "at": at, "result": ranked(RESULTS, result)}
    row["payload"] = without_credentials(payload) if payload else None
    if settled is not None:
        row |= {"reason": clean(settled.reason)[:_LONGEST] or None, "settled": settled.at}
    return "effects", row


def _happened(happened: Happened) -> list[Entry]:
    """A report, and what it tells of a call, its legs, its recordings, or a message."""
    entity = happened.call
    entries: list[Entry] = []
    row = _call(entity, happened.at, happened) if entity else {"id": None}
    call = row["id"]
    if call is not None:
        entries = [("calls", row), *_family(entity, row, happened.at), *_recorded(entity.get("records"), call, happened.at)]
    if happened.sms:
        entries.append(("messages", _message(happened)))
    if "record" in happened.kind or "transcript" in happened.kind:
        entries.append(_of_a_recording(happened, call))
    raw = without_secrets(_json(happened.raw))
    event = {
        "key": _text(happened.key) or "",
        "kind": _text(happened.kind) or "",
        "call": call,
        "at": happened.at,
        "state": _text(happened.state) or "",
        "message": _text(without_credentials(happened.message)) or "",
        "source": happened.source,
        "raw": raw,
    }
    return [*entries, ("events", event)]


def _call(entity: Mapping[str, Any], at: float, happened: Happened | None = None) -> Row:
    """What a call entity tells of its call; the times that it has tell a state too, and ``at`` is when it was told.

    Without a uuid the id is ours, and None where it does not say either who rang whom.
    """
    row: Row = {**_BLANK["calls"]}
    states = [_text(entity.get("state")) or ""]
    if happened is not None and happened.kind == "call_state":
        states.append(happened.state)
    for column, field, state in _MOMENTS:
        written = entity.get(field)
        if written is not None:
            row[column] = moment = _moment(written)
            if moment is not None:
                states.append(state)
    state = states[0] if len(states) == 1 else max(states, key=_rank)
    app, number = entity.get("sip_control_app"), entity.get("tn")
    direction = _text(entity.get("direction"))
    row["id"] = _text(entity.get("uuid"))
    row["direction"] = direction
    row["caller"] = caller_number(_text(entity.get("from")) or "") or None
    row["number"] = _number(entity.get("to") or (number.get("tn") if isinstance(number, dict) else None))
    row["app"] = _text(app.get("uuid")) if isinstance(app, dict) else None
    row["attestation"] = _attested(entity.get("stir_shaken_attest_level"))
    row["state"] = ranked(STATES, state)
    row["cause"] = cause_of(state, entity.get("q850_cause"), _text(entity.get("q850_cause_string")))
    row["seconds"] = happened.seconds if happened is not None else None
    created = _moment(entity.get("created_on"))
    known = [moment for moment in (created, row["init"], row["ring"]) if moment is not None]
    row["started"] = min(known) if known else at
    if row["id"] is None and happened is not None and (row["caller"] or row["number"]):
        key = hashlib.blake2b(happened.key.encode("utf-8", "replace"), digest_size=16).hexdigest()
        goes_on = BEGINS if state in _BEGINNINGS else GOES_ON
        row |= {"id": f"{PROVISIONAL}{key}", "provisional": goes_on, "started": happened.at, "direction": direction or "in"}
    return row


def _family(entity: Mapping[str, Any], row: Row, at: float) -> list[Entry]:
    """The call that dialled this one, and those that it dialled."""
    found: list[Entry] = []
    parent = entity.get("parent")
    if isinstance(parent, dict) and _text(parent.get("uuid")):
        found.append(("calls", _call(parent, at)))
        row["parent"] = found[-1][1]["id"]
    elif isinstance(parent, str) and parent:
        row["parent"] = _text(parent)
    children = entity.get("children")
    legs = [child for child in children if isinstance(child, dict)] if isinstance(children, list) else []
    return [*found, *(("calls", {**_call(leg, at), "parent": row["id"]}) for leg in legs if _text(leg.get("uuid")))]


def _recorded(records: object, call: str | None, at: float) -> list[Entry]:
    """The recordings that a call entity lists; their shape is not known, so all that is there is kept."""
    listed = [record for record in records if isinstance(record, dict)] if isinstance(records, list) else []
    return [("recordings", _recording(record, call, at)) for record in listed]


def _recording(record: Mapping[str, Any], call: str | None, at: float) -> Row:
    raw = without_secrets(_json(dict(sorted(record.items()))))
    id_ = _text(record.get("uuid")) or hashlib.blake2b(raw.encode(), digest_size=16).hexdigest()
    return {"id": id_, "call": call, "at": at, "url": _text(record.get("url")), "raw": raw}


def _of_a_recording(happened: Happened, call: str | None) -> Entry:
    """What a report of a recording or a transcript tells; their payloads are not documented, so all of it is kept."""
    payload = happened.raw.get("payload")
    about = payload if isinstance(payload, dict) else happened.raw
    row = _recording(about, call, happened.at)
    if "transcript" not in happened.kind:
        return "recordings", row
    said = _text(about.get("text")) or _text(about.get("transcript"))
    del row["url"]
    return "transcripts", {**row, "text": said}


def _message(happened: Happened) -> Row:
    """platform: ``smso`` is sent, ``smsi`` and ``smsr`` are received."""
    sms = happened.sms
    delivered = sms.get("delivered")
    return {
        **_BLANK["messages"],
        "id": _text(sms.get("uuid")) or happened.key,
        "thread": _text(sms.get("thread")),
        "direction": "out" if sms.get("type") == "smso" else "in" if sms.get("type") in ("smsi", "smsr") else None,
        "sender": _number(sms.get("from")),
        "recipient": _number(sms.get("to")),
        "text": clean(str(sms.get("message") or "")) or None,
        "at": _moment(sms.get("created_on")) or happened.at,
        "state": ranked(MESSAGE_STATES, _text(sms.get("state")) or ""),
        "delivered": int(delivered) if isinstance(delivered, bool) else None,
        "reason": _text(sms.get("reason")),
    }


def _rank(state: str) -> str:
    return STATES.get(state, "0")


def _number(written: object) -> str | None:
    """A number in E.164, or what stands in its place."""
    text = _text(written)
    return (e164(text) or text) if text else None


def _attested(written: object) -> str | None:
    level = attested(written) if isinstance(written, str) else UNKNOWN
    return None if level == UNKNOWN else level


def _text(value: object) -> str | None:
    if isinstance(value, str):
        return (value if len(value) <= _LONGEST and value.isprintable() else clean(value[:_LONGEST])) or None
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else None


def _moment(written: object) -> float | None:
    """A time as Opentact writes it, in seconds since 1970; without a zone it is UTC. None: it is in no year."""
    if not isinstance(written, str):
        return None
    try:
        moment = datetime.fromisoformat(written)
        return (moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None


def _json(value: object) -> str:
    """Plain values as JSON; what a text cannot say (half a character) is replaced."""
    try:
        return to_json(value, fallback=str).decode()
    except PydanticSerializationError:
        return json.dumps(value, default=str)
