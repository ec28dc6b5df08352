"""The account of a stand-in: leased and orderable numbers, tokens, balance."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import time
import uuid
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from callflows.stand_in.entity_store import current_platform_time, format_platform_time
from callflows.stand_in.response_envelopes import RestRefusal, field_refusal, not_found_refusal
from callflows.telephony.phone_numbers import parse_e164

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from callflows.stand_in.entity_store import EntityRow, EntityTable, IdGenerator
    from callflows.stand_in.stand_in_options import StandInOptions


INVENTORY_PLACES: Final = (
    ("201", "NJ", "Jersey City", "JERSEYCITY"),
    ("212", "NY", "New York", "NWYRCYZN01"),
    ("202", "DC", "Washington", "WSHNGTNZN1"),
    ("305", "FL", "Miami", "MIAMI"),
    ("312", "IL", "Chicago", "CHICAGOZN1"),
    ("415", "CA", "San Francisco", "SNFCCNTRL"),
    ("512", "TX", "Austin", "AUSTIN"),
    ("617", "MA", "Boston", "BOSTON"),
)
"""Places with orderable numbers: in each, the never-assigned numbers 555-0100 to 555-0199."""


MAX_CREATED_TOKENS: Final = 1_000
MAX_TOKEN_LIFE_SECONDS: Final = 100 * 365 * 24 * 3600


def build_tn_row(number: int) -> EntityRow:
    """Return a number in the format of calls and leases."""
    created_at = current_platform_time()
    return {"created_on": created_at, "modified_on": created_at, "tn": number, "deleted_on": None}


def list_orderable_numbers() -> Iterator[EntityRow]:
    for npa, state, city, center in INVENTORY_PLACES:
        for line in range(100, 200):
            yield {
                "tn": int(f"1{npa}555{line:04}"),
                "registered": False,
                "deleted_on": None,
                "type": "long_code",
                "country": "US",
                "state": state,
                "city": city,
                "rate_center": center,
                "npa": npa,
                "nxx": "555",
                "line": f"{line:04}",
                "features": ["voice", "sms"],
            }


class NumberLeases:
    """The numbers of the account."""

    def __init__(self, table: EntityTable, apps: EntityTable, *, shows_subscriptions: bool = False) -> None:
        self.table = table
        self._apps = apps
        self._shows_subscriptions = shows_subscriptions
        """A lease shows ``subscriptions`` instead of ``messaging_profile`` and ``sms_campaign``."""

    def add_lease(self, number: int, *, features: list[str], autorenew: bool = True) -> EntityRow:
        fields: dict[str, Any] = {"tn": build_tn_row(number), "features": features, "autorenew": autorenew}
        nobody = {"sip_control_app": None, "sip_connection": None, "messaging_profile": None, "sms_campaign": None}
        return self.table.add_row({**fields, **nobody})

    def get_lease(self, key: str) -> EntityRow:
        """Return a lease by UUID, or by number in any spelling. Raises RestRefusal (404)."""
        lease = self.find_by_number(key)
        return lease if lease is not None else self.table.get_row(key)

    def find_by_number(self, number: str) -> EntityRow | None:
        """Return the lease of a number; None if the account does not have the number."""
        digits = parse_e164(number).lstrip("+")
        return next((row for row in self.table if digits and str(row["tn"]["tn"]) == digits), None)

    def get_by_number(self, number: str) -> EntityRow:
        """Return the lease of a number. Raises RestRefusal (404)."""
        row = self.find_by_number(number)
        if row is None:
            raise not_found_refusal(f"TN lease {number}")
        return row

    def build_rest_row(self, row: EntityRow) -> EntityRow:
        """Return a lease in REST format: the app with UUID and name, and the messaging profile in the chosen form."""
        app = row["sip_control_app"]
        shown = {**row, "sip_control_app": {"uuid": app, "name": self._apps.get_row(app)["name"]} if app else None}
        profile, campaign = shown.pop("messaging_profile"), shown.pop("sms_campaign")
        if not self._shows_subscriptions:
            return {**shown, "messaging_profile": {"uuid": profile} if profile else None, "sms_campaign": campaign}
        subscription = {
            "uuid": row["uuid"],
            "type": "sms",
            "messaging_profile": {"uuid": profile, "operators": []},
            "sms_campaign": {"uuid": campaign} if campaign else None,
        }
        return {**shown, "subscriptions": [subscription] if profile else []}

    def clear_references(self, field: str, uuid: str) -> None:
        """Unassign all numbers from a removed entity."""
        for row in self.table:
            if row[field] == uuid:
                row[field] = None


# Tokens: a fixed token as from the portal, and JWTs issued for email and password.


class TokenIssuer:
    """Issues and checks JWTs; their lifetime ``token_life`` is in seconds of real time."""

    def __init__(self, options: StandInOptions, key: str) -> None:
        self._options = options
        self._key = key.encode()
        self._issued_count = 0
        self._expired_count = 0
        self.created_rows: list[EntityRow] = []
        """API tokens made by requests, with the token itself."""

    def issue_jwt(self, credentials: str) -> str | None:
        """Return a JWT for the credentials of ``Authorization: Basic``; None if email or password are wrong."""
        basic_credentials = base64.b64encode(f"{self._options.email}:{self._options.password}".encode())
        return self.issue_owner_jwt() if hmac.compare_digest(credentials.encode(), basic_credentials) else None

    def issue_owner_jwt(self) -> str:
        """Return a JWT of the account's owner."""
        self._issued_count += 1
        now = int(time.time())
        claims = {
            "email": self._options.email,
            "jti": self._issued_count,
            "iat": now,
            "exp": now + self._options.token_life,
        }
        signed = f"{_encode_claims({'alg': 'HS256', 'typ': 'JWT'})}.{_encode_claims(claims)}"
        return f"{signed}.{self._sign_text(signed)}"

    def accepts_token(self, token: str) -> bool:
        """Return True if the token is the portal's token, a created token or a valid JWT."""
        if self._options.token and hmac.compare_digest(token.encode(), self._options.token.encode()):
            return True
        now = datetime.now(UTC)
        created = [row["token"] for row in self.created_rows if now < datetime.fromisoformat(row["expired_on"])]
        if any(hmac.compare_digest(token.encode(), one.encode()) for one in created):
            return True
        signed, _, signature = token.rpartition(".")
        if not signed or not hmac.compare_digest(signature.encode(), self._sign_text(signed).encode()):
            return False
        claims = json.loads(_decode_base64(signed.partition(".")[2]))
        return bool(claims["jti"] > self._expired_count and claims["exp"] > time.time())

    def create_token(self, name: str, life_seconds: int) -> EntityRow:
        """Create an API token. Raises RestRefusal (409) if there are too many, or if the token would last too long."""
        if len(self.created_rows) >= MAX_CREATED_TOKENS:
            raise RestRefusal(409, f"there are {MAX_CREATED_TOKENS} tokens already")
        row = {"uuid": str(uuid.uuid4()), "name": name, "token": secrets.token_urlsafe(24)}
        row["expired_on"] = _format_token_end(life_seconds)
        self.created_rows.append(row)
        return row

    def change_token(self, token_uuid: str, name: str | None, life_seconds: int | None) -> EntityRow:
        """Change name and end of a created token. Raises RestRefusal (404)."""
        row = next((row for row in self.created_rows if row["uuid"] == token_uuid), None)
        if row is None:
            raise not_found_refusal("Token")
        row |= {"name": name} if name else {}
        row |= {"expired_on": _format_token_end(life_seconds)} if life_seconds else {}
        return row

    def delete_token(self, token: str) -> None:
        """Delete a created token, by the token itself or its UUID. Raises RestRefusal (404)."""
        row = next((row for row in self.created_rows if token in (row["token"], row["uuid"])), None)
        if row is None:
            raise not_found_refusal("Token")
        self.created_rows.remove(row)

    def expire_jwts(self) -> None:
        """Invalidate all JWTs issued so far."""
        self._expired_count = self._issued_count

    def _sign_text(self, text: str) -> str:
        return _encode_base64(hmac.new(self._key, text.encode(), hashlib.sha256).digest())


def _format_token_end(life_seconds: int) -> str:
    """Return the end of a token. Raises RestRefusal (400) for a life of more than a hundred years."""
    if life_seconds > MAX_TOKEN_LIFE_SECONDS:
        raise field_refusal("ttl", f"must be at most {MAX_TOKEN_LIFE_SECONDS}", life_seconds)
    return format_platform_time(datetime.now(UTC) + timedelta(seconds=life_seconds))


def _encode_claims(claims: dict[str, object]) -> str:
    return _encode_base64(json.dumps(claims, separators=(",", ":")).encode())


def _encode_base64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _decode_base64(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


# The account and its balance


class StandInAccount:
    """The account; ``on_charge`` receives the reason of each charge and the new balance."""

    def __init__(self, options: StandInOptions, ids: IdGenerator, on_charge: Callable[[str, float], None]) -> None:
        self.uuid = ids.next_uuid("account")
        self.user_uuid = ids.next_uuid("user")
        self.email = options.email
        self.balance = options.balance
        self._on_charge = on_charge

    def build_entity(self) -> dict[str, Any]:
        """Return the account in the format of events and calls."""
        return {
            "uuid": self.uuid,
            "name": "Stand-in account",
            "email": self.email,
            "level": "Level2",
            "phone": 12015550111,
            "deleted_on": None,
            "disabled_on": None,
            "balance": self.balance,
        }

    def build_user(self) -> dict[str, Any]:
        """Return the user in the format of the event ``auth``."""
        return {"uuid": self.user_uuid, "email": self.email, "wss_online": True, "role": "User"}

    def check_balance(self, cost: float) -> None:
        """Raises RestRefusal (402) if the balance is too low."""
        if self.balance < cost:
            raise RestRefusal(402, "not enough balance")

    def charge_balance(self, cost: float, action: str) -> None:
        self.balance = round(self.balance - cost, 4)
        self._on_charge(action, self.balance)
