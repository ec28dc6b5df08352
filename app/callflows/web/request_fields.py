"""Parses the fields of Opentact's requests; all fields are untrusted input.

Queries are parsed by hand: a general parser takes five times as long, and a repeated parameter must not shadow the first.
"""

from __future__ import annotations

import json
import re
from typing import Final
from urllib.parse import unquote_plus

from callflows.telephony.call_entity import CallEntity
from callflows.text import MAX_FIELD_CHARACTERS, clean_text

MAX_REQUEST_BODY_BYTES: Final = 256_000
"""Maximum size of a body in bytes; Opentact's bodies have a few thousand."""
_FIND_QUERY_FIELDS: Final = re.compile(
    "(?:^|&)(from|to|tn|call|uuid|sca|dtmf|code|success|tag|state|token|ticket)=([^&]*)"
).findall
_CREDENTIAL_FIELDS: Final = frozenset({"token", "ticket"})


def parse_query_fields(raw: bytes) -> dict[str, str]:
    """Return the known fields of a query, cleaned."""
    # reversed: the first of repeated fields wins, since the first is from the URL that we gave to Opentact.
    text = raw.decode("latin-1")
    read = text.replace("=%2B", "=+")
    if "%" not in read and "+" not in text and len(text) <= MAX_FIELD_CHARACTERS and text.isprintable():
        fields = dict(reversed(_FIND_QUERY_FIELDS(read)))
    else:
        fields = {name: _decode_field(name, value) for name, value in reversed(_FIND_QUERY_FIELDS(text))}
    if "uuid" in fields:  # the name that a posted call has for its id
        identity = fields.pop("uuid")
        fields.setdefault("call", identity)
    return fields


def _decode_field(name: str, value: str) -> str:
    """Decode a field; clean and truncate every field except token and ticket."""
    if "%" in value or "+" in value:
        value = unquote_plus(value, errors="replace")
    return value if name in _CREDENTIAL_FIELDS else clean_text(value[:MAX_FIELD_CHARACTERS])


def parse_posted_call(body: bytes) -> tuple[dict[str, str], bool | None]:
    """Return the fields of a posted call entity and the app's ``auto_answer``; no fields if the body is invalid.

    platform: the body is JSON, the whole call entity; a classic Gather has it under ``call``. Unknown fields are ignored.
    """
    try:
        data = json.loads(body)
    except (ValueError, RecursionError):
        return {}, None
    if not isinstance(data, dict):
        return {}, None
    part = data.get("call")
    call = CallEntity(part if isinstance(part, dict) else data)
    return build_call_fields(call), call.auto_answer


def build_call_fields(call: CallEntity) -> dict[str, str]:
    """Return the fields of a turn that a call entity contains."""
    fields = {
        "from": call.from_,
        "to": call.to,
        "call": call.uuid,
        "sca": call.app_uuid,
        "started": call.created_text,
        "name": call.caller_name,
        "attestation": call.attestation,
    }
    return {name: value for name, value in fields.items() if value}
