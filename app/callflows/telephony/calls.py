"""State of a call at one moment, as seen by expressions: the call, the caller and the local time.

All values come from outside as text and are cleaned once, when a Turn is made. A missing value is empty or UNKNOWN_VALUE,
never guessed.
"""

from __future__ import annotations

import re
from datetime import datetime  # noqa: TC003 - a NamedTuple field
from typing import TYPE_CHECKING, Final

from callflows.telephony.phone_numbers import UNKNOWN_VALUE, PhoneNumber, parse_attestation

if TYPE_CHECKING:
    from collections.abc import Mapping


CALL_BEGAN_FIELD: Final = "began"
"""Internal field, never accepted from a request: the start of a call without a reported uuid, in seconds since 1970.

The call's tickets carry the field, so that later requests are recognized as part of the same call.
"""
SAME_CALL_WINDOW_SECONDS: Final = 30.0
"""Seconds within which two beginnings with the same caller and number are one call, as after a repeated request."""
CAMPAIGN_FIELD: Final = "campaign"
"""Internal field, never accepted from a request: the key of a call that we had Opentact make (see ``campaigns``).

For a flow the person called is the caller, as in a call that the person had made: tickets carry both numbers so.
"""
OUTBOUND_CARRIED_FIELDS: Final = (CAMPAIGN_FIELD, "from", "to")
"""Request fields that every ticket of such a call carries: Opentact's own name the numbers the other way round."""
_CALL_COUNT_PATTERN: Final = re.compile("[0-9]{1,9}")
WEEKDAY_NAMES: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
"""Names of days in flow files and in Opentact's XML, from Monday as in ``datetime.weekday``."""


class CurrentCall:
    """The current call: ``id`` and ``app`` are Opentact's uuids, ``attestation`` is STIR/SHAKEN's A, B or C."""

    __slots__ = ("app", "attestation", "from_", "id", "started", "to")
    FIELDS: Final = frozenset({"id", "from_", "to", "app", "started", "attestation"})

    def __init__(self, request_fields: Mapping[str, str], from_: str, to: str) -> None:
        self.id = request_fields.get("call", UNKNOWN_VALUE)
        self.from_ = from_
        self.to = to
        self.app = request_fields.get("sca", UNKNOWN_VALUE)
        self.started = request_fields.get("started", UNKNOWN_VALUE)
        self.attestation = parse_attestation(request_fields.get("attestation", UNKNOWN_VALUE))

    def __str__(self) -> str:
        return self.id


class Caller:
    """The calling party. ``number`` is E.164, the login name of a SIP user, or empty."""

    __slots__ = ("_calls_today", "name", "number")
    FIELDS: Final = frozenset({"number", "national", "name", "anonymous", "region", "state", "calls_today"})

    def __init__(self, number: str, name: str, calls_today: str = "") -> None:
        self.number = PhoneNumber(number)
        self.name = name
        self._calls_today = calls_today

    def __str__(self) -> str:
        """The name, or the number in the format of its country; empty if both are withheld."""
        return self.name or self.national

    @property
    def national(self) -> str:
        """The number in the format of its own country."""
        return self.number.national

    @property
    def region(self) -> str:
        """The number's country, as ``US``."""
        return self.number.region

    @property
    def state(self) -> str:
        """State or province of a North American number, as ``NJ``; UNKNOWN_VALUE if the number has no state."""
        return self.number.state

    @property
    def calls_today(self) -> int:
        """The caller's calls to this flow today, including this one; 0 if not counted."""
        return int(self._calls_today) if _CALL_COUNT_PATTERN.fullmatch(self._calls_today) else 0

    @property
    def anonymous(self) -> bool:
        """True if the caller ID is withheld."""
        return not self.number


class LocalTime:
    """A moment in the flow's time zone, as plain values: ``weekday`` is mon … sun, ``time`` is 09:30."""

    __slots__ = ("day", "hour", "minute", "moment", "month", "second", "weekday", "year")
    FIELDS: Final = frozenset({"year", "month", "day", "hour", "minute", "second", "weekday", "date", "time"})

    def __init__(self, moment: datetime) -> None:
        self.moment = moment
        self.year, self.month, self.day = moment.year, moment.month, moment.day
        self.hour, self.minute, self.second = moment.hour, moment.minute, moment.second
        self.weekday = WEEKDAY_NAMES[moment.weekday()]

    @property
    def date(self) -> str:
        """ISO format, as 2026-11-23."""
        return self.moment.date().isoformat()

    @property
    def time(self) -> str:
        """Format HH:MM with leading zeros, as 09:30, so that text comparison orders times correctly."""
        return f"{self.hour:02}:{self.minute:02}"

    def __str__(self) -> str:
        return self.moment.isoformat(timespec="seconds")
