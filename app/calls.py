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

from app.characters import clean
from app.kept import NOTHING_KEPT
from app.numbers import UNKNOWN, Number, attested, caller_number, e164

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from zoneinfo import ZoneInfo

LONGEST: Final = 256
"""Characters of a number, a name or an id that are looked at; nothing real is longer."""
BEGAN: Final = "began"
"""A field of ours, which no request can bring: when a call began of which nobody told the uuid (seconds since 1970). Its
tickets carry it, so that what comes later is known to be of that call."""


_COUNT: Final = re.compile("[0-9]{1,9}")
_DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


class Call:
    """The call: ``id`` and ``app`` are Opentact's uuids, ``attestation`` is STIR/SHAKEN's A, B or C."""

    __slots__ = ("app", "attestation", "from_", "id", "started", "to")
    FIELDS: Final = frozenset({"id", "from_", "to", "app", "started", "attestation"})

    def __init__(self, told: Mapping[str, str], from_: str, to: str) -> None:
        self.id = told.get("call", UNKNOWN)
        self.from_ = from_
        self.to = to
        self.app = told.get("sca", UNKNOWN)
        self.started = told.get("started", UNKNOWN)
        self.attestation = attested(told.get("attestation", UNKNOWN))


class Caller:
    """Who rings. ``number`` is E.164, or a login name where a SIP user rings, or empty."""

    __slots__ = ("_calls", "name", "number")
    FIELDS: Final = frozenset({"number", "national", "name", "anonymous", "region", "state", "calls_today"})

    def __init__(self, number: str, name: str, calls: str = "") -> None:
        self.number = Number(number)
        self.name = name
        self._calls = calls

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
        return int(self._calls) if _COUNT.fullmatch(self._calls) else 0

    @property
    def anonymous(self) -> bool:
        """Whether the number is withheld."""
        return not self.number


class Now:
    """A moment on the wall clock of a flow's zone, as plain values: ``weekday`` is mon … sun, ``time`` is 09:30."""

    __slots__ = ("at", "day", "hour", "minute", "month", "second", "weekday", "year")
    FIELDS: Final = frozenset({"year", "month", "day", "hour", "minute", "second", "weekday", "date", "time"})

    def __init__(self, at: datetime) -> None:
        self.at = at
        self.year, self.month, self.day = at.year, at.month, at.day
        self.hour, self.minute, self.second = at.hour, at.minute, at.second
        self.weekday = _DAYS[at.weekday()]

    @property
    def date(self) -> str:
        """As 2026-11-23."""
        return self.at.date().isoformat()

    @property
    def time(self) -> str:
        """As 09:30; compares as times do."""
        return f"{self.hour:02}:{self.minute:02}"

    def __str__(self) -> str:
        return self.at.isoformat(timespec="seconds")


@lru_cache(maxsize=64)
def _now(second: int, zone: ZoneInfo | None) -> Now:
    """A second on a wall clock; the calls of one second share it."""
    return Now(datetime.fromtimestamp(second, zone or UTC))


_SEEN: Final = frozenset({"hours", "lists", "variables"})


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
        "_base",
        "_clock",
        "answers_itself",
        "call",
        "caller",
        "effects",
        "found",
        "hours",
        "kept",
        "link",
        "lists",
        "now",
        "number",
        "pressed",
        "results",
        "results_used",
        "sight",
        "told",
        "trail",
        "values",
        "variables",
        "zone",
    )

    call: Call
    """The call."""
    now: Now
    """The moment of the request on the wall clock of the flow's zone; one for the whole turn."""
    hours: Mapping[str, Any]
    """The flow's opening hours at this moment, by name."""
    lists: Mapping[str, Any]
    """The flow's lists at this moment, by name."""
    variables: Mapping[str, Any]
    """The flow's own values, by name."""

    def __init__(
        self,
        told: Mapping[str, str],
        *,
        base: Callable[[], str],
        answers_itself: bool | None = None,
        clock: Callable[[], datetime] | float | None = None,
    ) -> None:
        """``clock`` gives the moment, or is one, in seconds since 1970; it is now where there is none."""
        self.told = told
        to = told.get("to") or told.get("tn") or ""
        self.number = _called(to)
        self.caller = Caller(caller_number(told.get("from", "")), told.get("name", ""), told.get("calls", ""))
        self.answers_itself = answers_itself
        self.pressed = told.get("dtmf") or told.get("code", "")
        self.kept = NOTHING_KEPT
        self.zone: ZoneInfo | None = None
        self.sight: Callable[[str, Turn], Any] | None = None
        self.link: Callable[[str, Mapping[str, Any]], str] | None = None
        self.results: list[Any] = []
        self._base = base
        self._clock = clock
        self.begin()

    def tell(self, name: str, value: str) -> None:
        """Tell one more field, that nobody outside can."""
        self.told = {**self.told, name: value}
        self.caller = Caller(self.caller.number, self.caller.name, self.told.get("calls", ""))

    def begin(self) -> None:
        """Begin, or begin again with what was looked up: nothing is decided yet but what earlier turns did."""
        self.values = self.kept
        self.results_used = 0
        self.found: dict[Any, Any] = {}
        self.trail: list[tuple[Any, ...]] = []
        self.effects: list[Any] = []

    def __getattr__(self, name: str) -> object:
        """What most calls do not need is made when it is first asked for, and is a plain attribute from then on."""
        made: object
        if name == "call":
            made = self.call = Call(self.told, self.caller.number, self.number)
        elif name == "now":
            made = self.now = _now(int(self.second), self.zone)
        elif name in _SEEN and self.sight is not None:
            made = self.sight(name, self)
            setattr(self, name, made)
        else:
            raise AttributeError(name)
        return made

    @property
    def second(self) -> float:
        """The moment, in seconds since 1970."""
        if self._clock is None:
            self._clock = time.time()
        return self._clock if isinstance(self._clock, float) else self._clock().timestamp()

    @property
    def digits(self) -> str:
        """What was pressed."""
        return self.pressed

    def url(self, node: str, **values: Any) -> str:  # noqa: ANN401 - plain data
        """The signed URL of another node of a program, which then finds ``values`` in ``turn.values``."""
        if self.link is None:
            raise LookupError("only a node of a program makes URLs")
        return self.link(node, values)

    @property
    def base(self) -> str:
        """``https://host`` without a slash at its end."""
        return self._base()


@lru_cache(maxsize=4096)
def _called(written: str) -> Number:
    return Number(e164(written) or written.strip())


def told(value: object) -> str:
    """A field from outside as text: cleaned, and not longer than anything real."""
    if isinstance(value, str):
        return clean(value[:LONGEST])
    if value is None or isinstance(value, (dict, list)):
        return ""
    return str(value).lower()[:LONGEST]
