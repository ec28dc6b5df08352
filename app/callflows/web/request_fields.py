"""What a request of Opentact says, and whether it may be answered. Nothing in it is trusted before that.

Queries are parsed by hand: it is a fifth of the time of a general parser, and one repeated parameter must not shadow
another.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote_plus

from callflows.text import MAX_FIELD_CHARACTERS, clean_field, clean_text

if TYPE_CHECKING:
    from collections.abc import Mapping


MAX_REQUEST_BODY_BYTES: Final = 256_000
"""Bytes of a body that are read; Opentact's have some thousand."""


_FIND_QUERY_FIELDS: Final = re.compile(
    "(?:^|&)(from|to|tn|call|sca|dtmf|code|success|tag|state|token|ticket)=([^&]*)"
).findall


_CREDENTIAL_FIELDS: Final = frozenset({"token", "ticket"})


def parse_query_fields(raw: bytes) -> dict[str, str]:
    """The fields that we know, cleaned; of a repeated one the first, which stood in the URL that we gave."""
    text = raw.decode("latin-1")
    read = text.replace("=%2B", "=+")
    if "%" not in read and "+" not in text and len(text) <= MAX_FIELD_CHARACTERS and text.isprintable():
        return dict(reversed(_FIND_QUERY_FIELDS(read)))
    return {name: _decode_field(name, value) for name, value in reversed(_FIND_QUERY_FIELDS(text))}


def _decode_field(name: str, value: str) -> str:
    """A field, decoded; what is no secret of ours is cleaned and cut."""
    if "%" in value or "+" in value:
        value = unquote_plus(value, errors="replace")
    return value if name in _CREDENTIAL_FIELDS else clean_text(value[:MAX_FIELD_CHARACTERS])


def parse_posted_call(body: bytes) -> tuple[dict[str, str], bool | None]:
    """What the call entity of a POST tells, and whether its app answers by itself; nothing where it is none.

    platform: the body is JSON, the whole call entity; a classic Gather has it under ``call``. Unknown fields are ignored.
    """
    try:
        data = json.loads(body)
    except (ValueError, RecursionError):
        return {}, None
    if not isinstance(data, dict):
        return {}, None
    if isinstance(data.get("call"), dict):
        data = data["call"]
    meta, app, number = (_get_object(data, key) for key in ("meta", "sip_control_app", "tn"))
    answers = app.get("auto_answer")
    fields = {
        "from": clean_field(data.get("from")),
        "to": clean_field(data.get("to")) or clean_field(number.get("tn")),
        "call": clean_field(data.get("uuid")),
        "sca": clean_field(app.get("uuid")),
        "started": clean_field(data.get("created_on")),
        "name": clean_field(meta.get("cid_name")),
        "attestation": clean_field(data.get("stir_shaken_attest_level")),
    }
    return {name: value for name, value in fields.items() if value}, answers if isinstance(answers, bool) else None


def _get_object(data: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    part = data.get(key)
    return part if isinstance(part, dict) else {}
