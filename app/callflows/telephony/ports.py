"""Protocols and data of effects outside a call: opt-outs, lookups, messages, webhooks and idempotency keys.

Flows only request effects. The server executes them; a rehearsal records them.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, Protocol, TypeAlias

from callflows.recent_keys import RecentKeys
from callflows.telephony.phone_numbers import parse_reported_number

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping


class OptOutRegistry(Protocol):
    """Stores pairs of numbers with an opt-out.

    ``number`` is ours, ``other_party`` is the other side; both are normalized by ``normalize_party``. ``timestamp`` is the
    time of the request in seconds since 1970. The request of a pair that ``OptOutRequest.replaces`` all others counts. A
    request that cannot be stored permanently raises: a STOP that is not stored must not be confirmed.
    """

    async def is_opted_out(self, number: str, other_party: str) -> bool:
        """Return True if messages from ``number`` to ``other_party`` are forbidden."""

    async def opt_out(self, number: str, other_party: str, timestamp: float) -> bool:
        """Forbid messages; return whether the state changed."""

    async def opt_in(self, number: str, other_party: str, timestamp: float) -> bool:
        """Allow messages again; return whether the state changed."""


class OptOutRequest(NamedTuple):
    """A STOP (``opts_out``) or START of a pair of numbers; ``timestamp`` is in seconds since 1970."""

    timestamp: float
    opts_out: bool

    def replaces(self, other: OptOutRequest) -> bool:
        """Return True if this request counts and the other does not.

        The latest request counts, whatever the order of arrival and the number of repetitions; of two requests at the same
        moment STOP counts.
        """
        return self > other


NO_OPT_OUT_REQUEST: Final = OptOutRequest(float("-inf"), opts_out=False)
"""The state of a pair without a request."""


SENT_TEXT_MEMORY_SECONDS: Final = 86_400.0
"""Time for which a ``SentTextRegistry`` knows a text."""


class SentTextRegistry(Protocol):
    """Counts the automatic texts of all processes of an installation."""

    async def count_text(
        self, conversation: str, digest: str, now: float, find_refusal: Callable[[Collection[tuple[float, str]]], str]
    ) -> str:
        """Count a text unless ``find_refusal`` has a reason against; return the reason, or "".

        ``find_refusal`` receives time and digest of the texts of the conversation, of all processes. Raises JournalError.
        """


class InMemoryOptOuts:
    """An ``OptOutRegistry`` in the memory of this process."""

    def __init__(self) -> None:
        self._latest_requests: dict[tuple[str, str], OptOutRequest] = {}

    async def is_opted_out(self, number: str, other_party: str) -> bool:
        return self._latest_requests.get((number, other_party), NO_OPT_OUT_REQUEST).opts_out

    async def opt_out(self, number: str, other_party: str, timestamp: float) -> bool:
        return self._record_request(number, other_party, OptOutRequest(timestamp, opts_out=True))

    async def opt_in(self, number: str, other_party: str, timestamp: float) -> bool:
        return self._record_request(number, other_party, OptOutRequest(timestamp, opts_out=False))

    def _record_request(self, number: str, other_party: str, request: OptOutRequest) -> bool:
        latest = self._latest_requests.get((number, other_party), NO_OPT_OUT_REQUEST)
        if not request.replaces(latest):
            return False
        self._latest_requests[number, other_party] = request
        return request.opts_out != latest.opts_out


class InMemoryIdempotencyStore:
    """An ``IdempotencyStore`` in the memory of this process."""

    def __init__(self) -> None:
        self._claimed_keys = RecentKeys()

    async def claim_key(self, kind: str, key: str) -> bool:
        return self._claimed_keys.add((kind, key))


def normalize_party(text: str) -> str:
    """Normalize one side of a message: a number to E.164, a short code or a name to lower case."""
    return parse_reported_number(text) or text.strip().lower()


@dataclasses.dataclass(frozen=True, slots=True)
class LookupRequest:
    """A request to another server; ``timeout_ms`` limits the whole lookup, ``step_path`` names the requesting step.

    ``left_ms`` is what is left of the time to answer the call, if that is less.

    ``variable`` is the flow's name for the answer; a rehearsal chooses its answer by ``variable``. ``default`` is the
    author's value for a failure, whose shape an answer must have; None accepts every shape. With ``wants_document`` the
    answer is the text of a document, whatever its type is called.
    """

    url: str
    method: str
    headers: tuple[tuple[str, str], ...]
    body: str
    timeout_ms: int
    step_path: str
    variable: str = ""
    default: Any = dataclasses.field(default=None, compare=False)
    wants_document: bool = False
    left_ms: int | None = dataclasses.field(default=None, compare=False)


@dataclasses.dataclass(frozen=True, slots=True)
class LookupResult:
    """Result of a lookup: plain data or a text; ``reason`` explains a failure (``ok`` is false).

    ``cookies`` are those that the server sets with a document; an empty value removes a cookie.
    """

    value: Any
    ok: bool
    status: int | None = None
    reason: str = ""
    duration_ms: float = 0.0
    cookies: Mapping[str, str] = dataclasses.field(default_factory=dict)


EffectChannel: TypeAlias = 'Literal["sms", "opt-out", "mail", "chat", "form", "webhook"]'
"""The ways of an effect. ``form`` is a webhook with a form as body, for an app under ``twiml``."""


@dataclasses.dataclass(frozen=True, slots=True)
class Effect:
    """An effect to execute once the answer is decided; a repeated request has the same ``key``.

    ``kind`` says what a flow asked for, ``channel`` how it is sent: a ``voicemail`` is a mail, a message to a chat or a
    webhook that waits for the recording, and a ``notify`` is one of the last two.

    ``previous_key`` is the key the effect would have had some time ago, if keys depend on time; an effect executed under
    ``previous_key`` counts as executed. ``reaches_opted_out`` marks the answers to STOP and HELP, which are sent although
    the recipient has opted out. ``call`` is the uuid of the call that caused the effect, if no turn of it did.
    """

    kind: Literal["sms", "notify", "mail", "voicemail", "opt-out"]
    key: str
    payload: Mapping[str, Any]
    previous_key: str = ""
    reaches_opted_out: bool = False
    call: str = ""

    @property
    def channel(self) -> EffectChannel:
        """The way on which the effect is sent. Only here its payload is looked at to find out."""
        if self.kind in ("sms", "opt-out"):
            return self.kind
        if "subject" in self.payload:
            return "mail"
        if "as" in self.payload:
            return "chat"
        return "form" if "form" in self.payload else "webhook"


class EffectSender(Protocol):
    """Sends the effects of flows (texts and webhooks), and runs the lookups of flows."""

    async def run_lookup(self, request: LookupRequest) -> LookupResult:
        """Return the answer of another server; never raises."""

    def queue_effect(self, effect: Effect) -> None:
        """Queue an effect; never waits, never raises."""


class HoldingEffectSender(EffectSender, Protocol):
    """An effect sender that can hold effects until they are queued; held effects survive the process."""

    def hold_effect(self, effect: Effect) -> None:
        """Hold an effect; never waits, never raises."""

    def cancel_effect(self, effect: Effect, reason: str) -> None:
        """Report a held effect as ``cancelled``; it is never executed."""

    def list_held_effects(self, call: str, min_seconds: float = 0.0) -> list[Effect]:
        """Return the effects of a call, or of all calls if ``call`` is empty, that have been held for so many seconds."""


class IdempotencyStore(Protocol):
    """Stores the keys of executed effects permanently, shared by all processes of an installation."""

    async def claim_key(self, kind: str, key: str) -> bool:
        """Claim a key of a kind; return whether this is the first claim."""
