"""What an installation wants of Opentact, by its settings and its flows."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, urlsplit

from app.errors import SettingsError
from app.settings import is_loopback

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from app.flows.book import FlowBook
    from app.flows.loader import Loaded
    from app.settings import Settings

NAME: Final = "callflows"
"""The app's name, unless another is wanted."""
TIMEOUT_MS: Final = 5_000
"""How long Opentact waits for an answer: none at all, or 0, would be silence without end (API description)."""
LONGEST: Final = "max_call_length_min"
"""The field of an app that bounds its calls. Opentact tells it in events; that it takes it is not documented."""
LASTS_MIN: Final = 240
"""Minutes that a call of an app which is made may last, unless another bound is wanted."""
CALL: Final = "/call"
WEBHOOK: Final = "/webhook"
SMS: Final = "/sms"


@dataclasses.dataclass(frozen=True, slots=True)
class Wanted:
    """An app of this name or id (made of ``product``), its fields, and the flow of each number that it shall answer.

    ``broken`` are flows that only say their fallback. ``document`` is the static one to be kept, of ``static``.
    ``max_minutes``: what a call may last; 0: 240 in an app that is made, and as it is in one that is there.
    Texts that come in to the numbers of flows that are ``reading`` them are told to ``callback``.
    """

    app: str
    fields: Mapping[str, object]
    numbers: Mapping[str, str]
    broken: frozenset[str] = frozenset()
    types: tuple[str, ...] = ()
    product: str = ""
    take: bool = False
    static: str = ""
    document: bytes | None = None
    reading: frozenset[str] = frozenset()
    callback: str = ""
    max_minutes: int = 0


def wanted_of(
    settings: Settings,
    loaded: Loaded,
    *,
    app: str = "",
    product: str = "",
    take: bool = False,
    static: str = "",
    document: bytes | None = None,
    reading: Collection[str] = (),
    max_minutes: int = 0,
) -> Wanted:
    """What is wanted for these flows, of which those named are ``reading`` texts that come in.

    Raises SettingsError where there are no flows, or an address or a token is missing.
    """
    flows = loaded.book.flows
    if not flows:
        wrong = next((str(problem) for problem in loaded.problems), f"there is no flow in {settings.flows}")
        raise SettingsError(f"there is nothing to connect: {wrong}")
    fields = fields_of(settings) | ({LONGEST: max_minutes} if max_minutes else {})
    return Wanted(
        app=app,
        fields=fields,
        numbers=dict(exact(loaded.book)),
        broken=frozenset(name for name, flow in flows.items() if flow.problems),
        types=settings.event_types,
        product=product,
        take=take,
        static=static,
        document=document,
        reading=frozenset(reading),
        callback=asked_at(settings, SMS),
        max_minutes=max_minutes,
    )


def fields_of(settings: Settings) -> dict[str, object]:
    """The fields of the SIP Control App. Raises SettingsError where an address or a token is missing.

    With ``CONTROL=push`` there is no URL to ask, so that calls are parked until a document is posted to them.
    """
    if not settings.public_url:
        raise SettingsError(
            "CALLFLOWS_PUBLIC_URL is not set: where does Opentact reach this server? As https://calls.example.com"
        )
    if not settings.token:
        made = "python3 -c 'import secrets; print(secrets.token_urlsafe(24))'"
        raise SettingsError(f"CALLFLOWS_TOKEN is not set: anybody could ask the server. Make one by {made}")
    if _here(settings.public_url) and not _here(settings.opentact_url):
        raise SettingsError(
            f"CALLFLOWS_PUBLIC_URL is {settings.public_url}, which is this machine: Opentact cannot reach it"
        )
    return {
        "is_active": True,
        "call_flow_url": asked_at(settings, CALL) if settings.control == "answer" else None,
        "call_flow_method": "POST",
        "call_flow_request_timeout": TIMEOUT_MS,
        "webhook_url": asked_at(settings, WEBHOOK),
        "webhook_method": "POST",
        "webhook_request_timeout": TIMEOUT_MS,
    }


def asked_at(settings: Settings, path: str, which: int = 0) -> str:
    """Where Opentact asks, with the token (the first, unless another) by which it is known."""
    return f"{settings.public_url}{path}?token={quote(settings.token[which].get_secret_value(), safe='')}"


def exact(book: FlowBook) -> Iterator[tuple[str, str]]:
    """The numbers that flows claim exactly, and the flow that has each; prefixes and ``rest`` claim none by themselves."""
    for flow in book.flows.values():
        for claim in flow.claims:
            if claim.number[-1].isdecimal():
                holder = book.claiming(claim.number) or flow
                yield claim.number, holder.name


def _here(url: str) -> bool:
    return is_loopback(urlsplit(url).hostname or "")
