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

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import Never
    from zoneinfo import ZoneInfo

UNKNOWN: Final = "unknown"

_NANP: Final = re.compile(r"[+ ]?(1[2-9][0-9]{9})")
_NUMBER: Final = re.compile(r"(?:tel:|sips?:)?(\+?[0-9][0-9 ().\-]{0,40})(?:[@;].*)?", re.IGNORECASE)
_WITHHELD: Final = frozenset(
    {"", "anonymous", "private", "restricted", "withheld", "unavailable", "unknown", "null", "none"}
)
LONGEST: Final = 256
"""Characters of a number, a name or an id that are looked at; nothing real is longer."""


def e164(written: str) -> str:
    """A number however it is written, in E.164; nothing where it is none.

    Digits without a plus, as Opentact sends them, are international: ``12015550123`` is ``+12015550123``. A default
    region is never assumed.
    """
    nanp = _NANP.fullmatch(written)
    return f"+{nanp[1]}" if nanp else _international(written)


@lru_cache(maxsize=16_384)
def _international(written: str) -> str:
    found = _NUMBER.fullmatch(written.strip())
    if not found:
        return ""
    import phonenumbers  # noqa: PLC0415 - heavy, and most calls do without

    try:
        number = phonenumbers.parse(f"+{found[1].lstrip('+')}", None)
    except phonenumbers.NumberParseException:
        return ""
    if not phonenumbers.is_possible_number(number):
        return ""
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def _national(number: str) -> str:
    if number.startswith("+1") and len(number) == len("+12015550123"):
        return f"({number[2:5]}) {number[5:8]}-{number[8:]}"
    return _national_elsewhere(number)


@lru_cache(maxsize=4096)
def _national_elsewhere(number: str) -> str:
    import phonenumbers  # noqa: PLC0415 - as above

    try:
        parsed = phonenumbers.parse(number, None)
    except phonenumbers.NumberParseException:
        return number
    return phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.NATIONAL)


@lru_cache(maxsize=4096)
def _region(number: str) -> str:
    import phonenumbers  # noqa: PLC0415 - as above

    try:
        return phonenumbers.region_code_for_number(phonenumbers.parse(number, None)) or UNKNOWN
    except phonenumbers.NumberParseException:
        return UNKNOWN


class Nothing:
    """What a field is that looked-up data lacks, and a value that was never set: false, empty, equal to nothing said."""

    __slots__ = ()
    FIELDS: Final[frozenset[str]] = frozenset()

    def __bool__(self) -> bool:
        return False

    def __str__(self) -> str:
        return ""

    __repr__ = __str__

    def __eq__(self, other: object) -> bool:
        return other is None or isinstance(other, Nothing) or other == ""

    def __hash__(self) -> int:
        return 0

    def __len__(self) -> int:
        return 0

    def __iter__(self) -> Iterator[Never]:
        return iter(())

    def __contains__(self, _value: object) -> bool:
        return False

    def _never(self, _other: object) -> bool:
        return False

    __lt__ = __le__ = __gt__ = __ge__ = _never


NOTHING: Final = Nothing()

_DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


class Number(str):
    """A telephone number in E.164, or what stood in its place; a text like any other."""

    __slots__ = ()

    @property
    def national(self) -> str:
        """As it is written in its own country: ``(201) 555-0123``."""
        return _national(self)

    @property
    def region(self) -> str:
        """The country, as ``US``; ``unknown`` where the number does not tell."""
        return _region(self)


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
        self.attestation = told.get("attestation", UNKNOWN)


class Caller:
    """Who rings. ``number`` is E.164, or a login name where a SIP user rings, or empty."""

    __slots__ = ("name", "number")
    FIELDS: Final = frozenset({"number", "national", "name", "anonymous", "region"})

    def __init__(self, number: str, name: str) -> None:
        self.number = Number(number)
        self.name = name

    @property
    def national(self) -> str:
        """The number as it is written in its own country."""
        return self.number.national

    @property
    def region(self) -> str:
        """The number's country, as ``US``."""
        return self.number.region

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


class Values(dict[str, Any]):
    """What was set, collected or looked up, by name; what was not is nothing."""

    __slots__ = ()

    def __missing__(self, _name: str) -> Nothing:
        return NOTHING


NOTHING_KEPT: Final = Values()
_SEEN: Final = frozenset({"hours", "lists", "variables"})


class Turn:
    """One request of Opentact, while it is answered.

    ``told`` are the request's fields by Opentact's names (``from, to, tn, call, sca, dtmf, tag``) with ours beside them
    (``name,
    started, attestation``); ``answers_itself`` whether the app answers calls by itself, None where nothing said so;
    ``base`` gives
    the URL under which Opentact reaches us. ``pressed`` are the digits that came with the request.

    ``kept`` are the values that earlier turns set, ``values`` those of this one so far (a new mapping with each that is set),
    ``results`` what was done apart for it, in order, ``found`` what its steps worked out. What the turn leaves behind: ``trail``, what was decided and why, and ``effects``, what
    is to be done once the answer is on its way. ``sight`` gives what the flow knows beside the call.
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
        written = told.get("from", "")
        self.caller = Caller(e164(written) or _unnumbered(written), told.get("name", ""))
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


def _unnumbered(written: str) -> str:
    """What stands in a number's place: a login name; nothing where the caller withholds the number."""
    name = written.strip()
    return "" if name.lower().removeprefix("sip:").partition("@")[0] in _WITHHELD else name


def told(value: object) -> str:
    """A field from outside as text: cleaned, and not longer than anything real."""
    if isinstance(value, str):
        return clean(value[:LONGEST])
    if value is None or isinstance(value, (dict, list)):
        return ""
    return str(value).lower()[:LONGEST]


def masked(number: str) -> str:
    """A number for logs: its last four digits."""
    return f"…{number[-4:]}" if len(number) > 4 else "…" if number else ""  # noqa: PLR2004 - the four
