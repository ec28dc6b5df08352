"""A call in the platform's representation: names and order of the fields that our URLs receive."""

from __future__ import annotations

import dataclasses
import json
import uuid
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, quote_plus

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime


REHEARSAL_APP_UUID: Final = "03302770-4a53-438e-adb6-000000000001"
"""Default app of the rehearsed numbers."""
REHEARSAL_ACCOUNT_UUID: Final = "03302770-4a53-438e-adb6-000000000002"
"""Account of the rehearsed numbers and their app."""


@dataclasses.dataclass(slots=True)
class PhoneCall:
    """A call; ``from_`` has a plus, as Opentact writes callers, ``to`` has none.

    ``state``: init, ringing, live, hangup, destroyed.
    Requests omit an empty ``attestation`` or ``caller_name``. ``answers_itself``: the app answers; None if unknown.
    """

    from_: str
    to: str
    started_at: datetime
    id: str = dataclasses.field(default_factory=lambda: str(uuid.uuid4()))
    app_uuid: str = REHEARSAL_APP_UUID
    caller_name: str = ""
    attestation: str = ""
    answers_itself: bool | None = None
    state: str = "init"
    meta_variables: dict[str, str] = dataclasses.field(default_factory=dict)
    """Variables set by Meta so far."""

    def build_entity(self) -> dict[str, Any]:
        """Return the call as JSON. platform: the body of a POST to the call-control URL."""
        created = _format_time(self.started_at)
        app: dict[str, Any] = {"uuid": self.app_uuid, "name": "rehearsal", "is_active": True, "max_call_length_min": None}
        if self.answers_itself is not None:
            app["auto_answer"] = self.answers_itself
        entity: dict[str, Any] = {
            "created_on": created,
            "modified_on": created,
            "uuid": self.id,
            "tn": {"tn": int(self.to) if self.to.isdecimal() else self.to},
            "from": self.from_,
            "to": self.to,
            "meta": {"direction": "inbound", "dest": self.to}
            | ({"cid_name": self.caller_name} if self.caller_name else {}),
            "state": "online",
            "source": "freeswitch",
            "logs": [],
            "account": {"uuid": REHEARSAL_ACCOUNT_UUID},
            "sip_control_app": app,
        }
        return entity | ({"stir_shaken_attest_level": self.attestation} if self.attestation else {})

    def initial_query_fields(self) -> list[tuple[str, str]]:
        """Return the query fields of the call-control URL. platform 1.1: from and to."""
        return [("from", self.from_), ("to", self.to)]

    def document_query_fields(self, digits: str | None = None, tag: str = "") -> list[tuple[str, str]]:
        """Return the query fields of a Gather URL (with digits) or a Callback URL.

        platform 1.2: dtmf, from, tn, state, sca, call.
        """
        dtmf = [("dtmf", digits)] if digits is not None else []
        query_fields = [("from", self.from_), ("tn", self.to), ("state", "live"), ("sca", self.app_uuid), ("call", self.id)]
        return [*dtmf, *query_fields, *([("tag", tag)] if tag else []), *self.meta_variables.items()]

    def classic_query_fields(self, code: str, attempts: int) -> list[tuple[str, str]]:
        """Return the query fields of a classic Gather callback. platform 1.3: code (an integer), attempts, success."""
        integer = code.lstrip("0") or "0" if code.isdecimal() else code
        return [("code", integer), ("attempts", str(attempts)), ("success", "true" if code else "false")]

    def build_classic_body(self) -> bytes:
        """Return the POST body of a classic Gather callback. platform 1.3."""
        app = {"uuid": self.app_uuid, "name": "rehearsal", "subdomain": "rehearsal"}
        to = int(self.to) if self.to.isdecimal() else self.to
        call = {
            "account_uuid": REHEARSAL_ACCOUNT_UUID,
            "from": self.from_.lstrip("+"),
            "to": to,
            "state": "started",
            "sip_control_app": app,
        }
        return json.dumps({"history": [], "call": call}).encode()

    def build_post_body(self) -> bytes:
        """Return the entity as a JSON request body."""
        return json.dumps(self.build_entity()).encode()

    def get_field(self, name: str) -> object:
        """Return a field of the entity, for the verb Call; None if the field is missing or empty."""
        return self.to if name == "tn" else self.build_entity().get(name) or None


def append_query(url: str, fields: Sequence[tuple[str, str]] | Mapping[str, str]) -> str:
    """Append fields to a URL after its existing query, joined with ``&`` as the platform does."""
    pairs = fields.items() if hasattr(fields, "items") else fields
    query = "&".join(f"{quote(name, safe='')}={quote_plus(value)}" for name, value in pairs)
    base, _, fragment = url.partition("#")
    joint = "" if base.endswith(("?", "&")) else "&" if "?" in base else "?"
    return f"{base}{joint}{query}" + (f"#{fragment}" if fragment else "")


def _format_time(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
