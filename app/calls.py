"""What is known at one moment of a call.

Everything here came from outside and is text, without the characters that XML forbids: it is cleaned once, when a Turn is
made. What was not told is ``unknown`` or empty, never guessed.
"""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from app.characters import clean_text
from app.kept import NO_VARIABLES
from app.numbers import UNKNOWN_VALUE, PhoneNumber, parse_attestation, parse_caller_number, parse_e164

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from zoneinfo import ZoneInfo

MAX_FIELD_CHARACTERS: Final = 256
"""Characters of a number, a name or an id that are looked at; nothing real is longer."""
CALL_BEGAN_FIELD: Final = "began"
"""A field of ours, which no request can bring: when a call began of which nobody told the uuid (seconds since 1970). Its
tickets carry it, so that what comes later is known to be of that call."""


_CALL_COUNT_PATTERN: Final = re.compile("[0-9]{1,9}")
_WEEKDAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


class CurrentCall:
    """The call: ``id`` and ``app`` are Opentact's uuids, ``attestation`` is STIR/SHAKEN's A, B or C."""

    __slots__ = ("app", "attestation", "from_", "id", "started", "to")
    FIELDS: Final = frozenset({"id", "from_", "to", "app", "started", "attestation"})

    def __init__(self, request_fields: Mapping[str, str], from_: str, to: str) -> None:
        self.id = request_fields.get("call", UNKNOWN_VALUE)
        self.from_ = from_
        self.to = to
        self.app = request_fields.get("sca", UNKNOWN_VALUE)
        self.started = request_fields.get("started", UNKNOWN_VALUE)
        self.attestation = parse_attestation(request_fields.get("attestation", UNKNOWN_VALUE))


class Caller:
    """Who rings. ``number`` is E.164, or a login name where a SIP user rings, or empty."""

    __slots__ = ("_calls_today", "name", "number")
    FIELDS: Final = frozenset({"number", "national", "name", "anonymous", "region", "state", "calls_today"})

    def __init__(self, number: str, name: str, calls_today: str = "") -> None:
        self.number = PhoneNumber(number)
        self.name = name
        self._calls_today = calls_today

    @property
    def national(self) -> str:
        """The number as it is written in its own country."""
        return self.number.national

    @property
    def region(self) -> str:
        """The number's country, as ``US``."""
        return self.number.region

    @property
    def state(self) -> str:
        """The state or province of a North American number, as ``NJ``; ``unknown`` where the number does not tell."""
        return self.number.state

    @property
    def calls_today(self) -> int:
        """The caller's calls to this flow today, this one included; 0 where nobody counted."""
        return int(self._calls_today) if _CALL_COUNT_PATTERN.fullmatch(self._calls_today) else 0

    @property
    def anonymous(self) -> bool:
        """Whether the number is withheld."""
        return not self.number


class LocalTime:
    """A moment on the wall clock of a flow's zone, as plain values: ``weekday`` is mon … sun, ``time`` is 09:30."""

    __slots__ = ("day", "hour", "minute", "moment", "month", "second", "weekday", "year")
    FIELDS: Final = frozenset({"year", "month", "day", "hour", "minute", "second", "weekday", "date", "time"})

    def __init__(self, moment: datetime) -> None:
        self.moment = moment
        self.year, self.month, self.day = moment.year, moment.month, moment.day
        self.hour, self.minute, self.second = moment.hour, moment.minute, moment.second
        self.weekday = _WEEKDAYS[moment.weekday()]

    @property
    def date(self) -> str:
        """As 2026-11-23."""
        return self.moment.date().isoformat()

    @property
    def time(self) -> str:
        """As 09:30; compares as times do."""
        return f"{self.hour:02}:{self.minute:02}"

    def __str__(self) -> str:
        return self.moment.isoformat(timespec="seconds")


@lru_cache(maxsize=64)
def _local_time(second: int, zone: ZoneInfo | None) -> LocalTime:
    """A second on a wall clock; the calls of one second share it."""
    return LocalTime(datetime.fromtimestamp(second, zone or UTC))


_CONTEXT_NAMES: Final = frozenset({"hours", "lists", "variables"})


class Turn:
    """One request of Opentact, while it is answered.

    ``told`` are the request's fields by Opentact's names (``from, to, tn, call, sca, dtmf, tag``) with ours beside them
    (``name, started, attestation``, and ``calls``, the caller's calls today); ``answers_itself`` whether the app answers
    calls by itself, None where nothing said so; ``base`` gives the URL under which Opentact reaches us. ``pressed`` are the
    digits that came with the request.

    ``kept`` are the values that earlier turns set, ``values`` those of this one so far (a new mapping with each),
    ``results`` what was done apart for it, in order, ``found`` what its steps worked out. What the turn leaves behind:
    ``trail``, what was decided and why, and ``effects``, what is to be done once the answer is on its way. ``sight`` gives
    what the flow knows beside the call, ``link`` makes the URLs of a program.
    """

    __slots__ = (
        "_clock",
        "_get_base_url",
        "auto_answer",
        "call",
        "caller",
        "deferred_results",
        "earlier_values",
        "effects",
        "entered_digits",
        "hours",
        "lists",
        "make_ticket_url",
        "now",
        "number",
        "request_fields",
        "resolve",
        "results_used",
        "step_results",
        "trail",
        "values",
        "variables",
        "zone",
    )

    call: CurrentCall
    """The call."""
    now: LocalTime
    """The moment of the request on the wall clock of the flow's zone; one for the whole turn."""
    hours: Mapping[str, Any]
    """The flow's opening hours at this moment, by name."""
    lists: Mapping[str, Any]
    """The flow's lists at this moment, by name."""
    variables: Mapping[str, Any]
    """The flow's own values, by name."""

    def __init__(
        self,
        request_fields: Mapping[str, str],
        *,
        get_base_url: Callable[[], str],
        auto_answer: bool | None = None,
        clock: Callable[[], datetime] | float | None = None,
    ) -> None:
        """``clock`` gives the moment, or is one, in seconds since 1970; it is now where there is none."""
        self.request_fields = request_fields
        to = request_fields.get("to") or request_fields.get("tn") or ""
        self.number = _parse_called_number(to)
        self.caller = Caller(
            parse_caller_number(request_fields.get("from", "")),
            request_fields.get("name", ""),
            request_fields.get("calls", ""),
        )
        self.auto_answer = auto_answer
        self.entered_digits = request_fields.get("dtmf") or request_fields.get("code", "")
        self.earlier_values = NO_VARIABLES
        self.zone: ZoneInfo | None = None
        self.resolve: Callable[[str, Turn], Any] | None = None
        self.make_ticket_url: Callable[[str, Mapping[str, Any]], str] | None = None
        self.deferred_results: list[Any] = []
        self._get_base_url = get_base_url
        self._clock = clock
        self.reset_progress()

    def add_field(self, name: str, value: str) -> None:
        """Tell one more field, that nobody outside can."""
        self.request_fields = {**self.request_fields, name: value}
        self.caller = Caller(self.caller.number, self.caller.name, self.request_fields.get("calls", ""))

    def reset_progress(self) -> None:
        """Begin, or begin again with what was looked up: nothing is decided yet but what earlier turns did."""
        self.values = self.earlier_values
        self.results_used = 0
        self.step_results: dict[Any, Any] = {}
        self.trail: list[tuple[Any, ...]] = []
        self.effects: list[Any] = []

    def __getattr__(self, name: str) -> object:
        """What most calls do not need is made when it is first asked for, and is a plain attribute from then on."""
        made: object
        if name == "call":
            made = self.call = CurrentCall(self.request_fields, self.caller.number, self.number)
        elif name == "now":
            made = self.now = _local_time(int(self.timestamp), self.zone)
        elif name in _CONTEXT_NAMES and self.resolve is not None:
            made = self.resolve(name, self)
            setattr(self, name, made)
        else:
            raise AttributeError(name)
        return made

    @property
    def timestamp(self) -> float:
        """The moment, in seconds since 1970."""
        if self._clock is None:
            self._clock = time.time()
        return self._clock if isinstance(self._clock, float) else self._clock().timestamp()

    @property
    def digits(self) -> str:
        """What was pressed."""
        return self.entered_digits

    def url(self, node: str, **values: Any) -> str:  # noqa: ANN401 - plain data
        """The signed URL of another node of a program, which then finds ``values`` in ``turn.values``."""
        if self.make_ticket_url is None:
            raise LookupError("only a node of a program makes URLs")
        return self.make_ticket_url(node, values)

    @property
    def base_url(self) -> str:
        """``https://host`` without a slash at its end."""
        return self._get_base_url()


@lru_cache(maxsize=4096)
def _parse_called_number(text: str) -> PhoneNumber:
    return PhoneNumber(parse_e164(text) or text.strip())


def clean_field(value: object) -> str:
    """A field from outside as text: cleaned, and not longer than anything real."""
    if isinstance(value, str):
        return clean_text(value[:MAX_FIELD_CHARACTERS])
    if value is None or isinstance(value, (dict, list)):
        return ""
    return str(value).lower()[:MAX_FIELD_CHARACTERS]
