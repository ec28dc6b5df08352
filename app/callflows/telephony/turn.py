"""A turn (one request of Opentact while it is answered) and the variables of a call.

A variable that was never set is MISSING: false and empty.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, Never

from callflows.telephony.calls import Caller, CurrentCall, LocalTime
from callflows.telephony.phone_numbers import PhoneNumber, parse_caller_number, parse_reported_number

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from zoneinfo import ZoneInfo


@lru_cache(maxsize=64)
def _local_time(second: int, zone: ZoneInfo | None) -> LocalTime:
    """Return the local time of a second; the turns of one second share the object."""
    return LocalTime(datetime.fromtimestamp(second, zone or UTC))


_CONTEXT_NAMES: Final = frozenset({"hours", "lists", "variables"})


def _owns_none(_number: str) -> bool:
    return False


class Turn:
    """One request of Opentact while it is answered.

    Input: ``request_fields`` are Opentact's fields (``from, to, tn, call, sca, dtmf, tag``) and ours (``name, started,
    attestation``, and ``calls``, the caller's calls today). ``auto_answer`` says whether the app answers calls by itself,
    None if unknown. ``get_base_url`` returns the URL under which Opentact reaches the server. ``entered_digits`` are the
    digits of the request. ``earlier_values`` are the variables set by earlier turns. ``resolve`` returns the flow's hours,
    lists and variables; ``owns_number`` says whether a flow of this server names a number in E.164, ``claims_number`` also
    whether the number is within a flow's prefix; ``make_ticket_url`` makes the URLs of a Python flow.
    ``is_line_check`` marks a call of our own that has no effects.

    Progress: ``values`` are the variables including this turn's changes (every change makes a new mapping),
    ``deferred_results`` the results of deferred work, in order, ``step_results`` the results of steps.

    Output: ``trail`` lists the decisions and their reasons, ``effects`` the effects to execute beside the answer,
    ``document_parts`` the texts of the rendered document, ``long_text_characters`` the length of long values in it.
    """

    __slots__ = (
        "_clock",
        "_get_base_url",
        "auto_answer",
        "call",
        "caller",
        "claims_number",
        "deferred_results",
        "document_parts",
        "earlier_values",
        "effects",
        "entered_digits",
        "hours",
        "is_line_check",
        "lists",
        "long_text_characters",
        "make_ticket_url",
        "now",
        "number",
        "owns_number",
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
    now: LocalTime
    """Time of the request in the flow's time zone; constant during the turn."""
    hours: Mapping[str, Any]
    """The flow's opening hours at this moment, by name."""
    lists: Mapping[str, Any]
    """The flow's lists at this moment, by name."""
    variables: Mapping[str, Any]
    """The variables defined in the flow, by name."""

    def __init__(
        self,
        request_fields: Mapping[str, str],
        *,
        get_base_url: Callable[[], str],
        auto_answer: bool | None = None,
        clock: Callable[[], datetime] | float | None = None,
    ) -> None:
        """``clock`` returns the time of the request, or is the time in seconds since 1970; the default is now."""
        self.request_fields = request_fields
        self.is_line_check = False
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
        self.owns_number: Callable[[str], bool] = _owns_none
        self.claims_number: Callable[[str], bool] = _owns_none
        self.make_ticket_url: Callable[[str, Mapping[str, Any]], str] | None = None
        self.deferred_results: list[Any] = []
        self._get_base_url = get_base_url
        self._clock = clock
        self.reset_progress()

    def add_field(self, name: str, value: str) -> None:
        """Add a field that only this server can set, never a request."""
        self.request_fields = {**self.request_fields, name: value}
        self.caller = Caller(self.caller.number, self.caller.name, self.request_fields.get("calls", ""))

    def reset_progress(self) -> None:
        """Discard the progress of this turn, to run it again from the start with the results of deferred work."""
        self.values = self.earlier_values
        self.results_used = 0
        self.step_results: dict[Any, Any] = {}
        self.trail: list[tuple[Any, ...]] = []
        self.effects: list[Any] = []
        self.document_parts: Sequence[str] = ()
        self.long_text_characters = 0

    def __getattr__(self, name: str) -> object:
        """Create rarely used attributes on first access; each is a plain attribute afterwards."""
        value: object
        if name == "call":
            value = self.call = CurrentCall(self.request_fields, self.caller.number, self.number)
        elif name == "now":
            value = self.now = _local_time(int(self.timestamp), self.zone)
        elif name in _CONTEXT_NAMES and self.resolve is not None:
            value = self.resolve(name, self)
            setattr(self, name, value)
        else:
            raise AttributeError(name)
        return value

    @property
    def timestamp(self) -> float:
        """Time of the request, in seconds since 1970."""
        if self._clock is None:
            self._clock = time.time()
        return self._clock if isinstance(self._clock, float) else self._clock().timestamp()

    @property
    def digits(self) -> str:
        return self.entered_digits

    def url(self, node: str, **values: Any) -> str:  # noqa: ANN401 - plain data
        """Return the signed URL of another node of a Python flow; the node finds ``values`` in ``turn.values``."""
        if self.make_ticket_url is None:
            raise LookupError("only a node of a program makes URLs")
        return self.make_ticket_url(node, values)

    @property
    def base_url(self) -> str:
        """``https://host`` without a trailing slash."""
        return self._get_base_url()


@lru_cache(maxsize=4096)
def _parse_called_number(text: str) -> PhoneNumber:
    return PhoneNumber(parse_reported_number(text) or text.strip())


class MissingValue:
    """Value of an unset variable, or of a field missing in looked-up data: false, empty, equal to None and ""."""

    __slots__ = ()
    FIELDS: Final[frozenset[str]] = frozenset()

    def __bool__(self) -> bool:
        return False

    def __str__(self) -> str:
        return ""

    __repr__ = __str__

    def __eq__(self, other: object) -> bool:
        return other is None or isinstance(other, MissingValue) or other == ""

    def __hash__(self) -> int:
        return 0

    def __len__(self) -> int:
        return 0

    def __iter__(self) -> Iterator[Never]:
        return iter(())

    def __contains__(self, _value: object) -> bool:
        return False

    def __reduce__(self) -> str:
        return "MISSING"

    def _compare_as_false(self, _other: object) -> bool:
        return False

    __lt__ = __le__ = __gt__ = __ge__ = _compare_as_false


MISSING: Final = MissingValue()


class Variables(dict[str, Any]):
    """Variables of a call by name; a missing name gives MISSING."""

    __slots__ = ()

    def __missing__(self, _name: str) -> MissingValue:
        return MISSING

    def __str__(self) -> str:
        return ", ".join(f"{name}: {value}" for name, value in self.items())


NO_VARIABLES: Final = Variables()
