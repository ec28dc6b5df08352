"""The desired setup at Opentact, derived from the settings and flows of an installation."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, urlsplit

from callflows.errors import SettingsError
from callflows.settings import is_loopback_host

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from callflows.flows.flow_book import FlowBook
    from callflows.flows.loader.folder_loader import LoadedFlows
    from callflows.settings import Settings


DEFAULT_APP_NAME: Final = "callflows"
"""Name of the app without ``--app``."""
APP_TIMEOUT_MS: Final = 5_000
"""Time Opentact waits for an answer. Without a timeout, or with 0, callers wait in silence forever (API description)."""
MAX_CALL_LENGTH_FIELD: Final = "max_call_length_min"
"""App field that limits the length of calls. Opentact reports the field in events; accepting it is not documented."""
CALL_ENDPOINT_PATH: Final = "/call"
WEBHOOK_ENDPOINT_PATH: Final = "/webhook"
SMS_ENDPOINT_PATH: Final = "/sms"


@dataclasses.dataclass(frozen=True, slots=True)
class DesiredSetup:
    """An app (name or id; a new one is made from ``product``), its fields, and the flow of each number to be answered.

    ``broken_flows`` are flows that can only answer with their fallback. ``static_document`` is the document to store, of
    the flow ``static_flow``. ``max_minutes`` limits calls; 0 means 240 for a new app and no change for an existing one.
    Messages to the numbers of ``message_flows`` are reported to ``callback_url``, and sent in ``campaign`` if it is set.
    """

    app: str
    fields: Mapping[str, object]
    numbers: Mapping[str, str]
    broken_flows: frozenset[str] = frozenset()
    event_types: tuple[str, ...] = ()
    product: str = ""
    takes_numbers: bool = False
    static_flow: str = ""
    static_document: bytes | None = None
    message_flows: frozenset[str] = frozenset()
    callback_url: str = ""
    max_minutes: int = 0
    campaign: str = ""


def build_desired_setup(  # noqa: PLR0913 - an option of connect each
    settings: Settings,
    loaded: LoadedFlows,
    *,
    app: str = "",
    product: str = "",
    take: bool = False,
    static_flow: str = "",
    static_document: bytes | None = None,
    message_flows: Collection[str] = (),
    max_minutes: int = 0,
    campaign: str = "",
) -> DesiredSetup:
    """Build the desired setup of loaded flows; ``message_flows`` are the flows with rules for incoming messages.

    Raises SettingsError without flows, without a public URL, or without a token.
    """
    flows = loaded.book.flows
    if not flows:
        wrong = next((str(problem) for problem in loaded.problems), f"there is no flow in {settings.flows}")
        raise SettingsError(f"there is nothing to connect: {wrong}")
    fields = build_app_fields(settings) | ({MAX_CALL_LENGTH_FIELD: max_minutes} if max_minutes else {})
    return DesiredSetup(
        app=app,
        fields=fields,
        numbers=dict(iterate_exact_numbers(loaded.book)),
        broken_flows=frozenset(name for name, flow in flows.items() if flow.problems),
        event_types=settings.event_types,
        product=product,
        takes_numbers=take,
        static_flow=static_flow,
        static_document=static_document,
        message_flows=frozenset(message_flows),
        callback_url=build_endpoint_url(settings, SMS_ENDPOINT_PATH),
        max_minutes=max_minutes,
        campaign=campaign,
    )


def build_app_fields(settings: Settings) -> dict[str, object]:
    """Build the fields of the SIP Control App. Raises SettingsError without a usable public URL or a token.

    With ``CALLFLOWS_CONTROL=push`` there is no call control URL: calls wait until a document is posted.
    """
    if not settings.public_url:
        raise SettingsError(
            "CALLFLOWS_PUBLIC_URL is not set: set it to the address where Opentact reaches this server, as https://calls.example.com"
        )
    if not settings.token:
        command = "python3 -c 'import secrets; print(secrets.token_urlsafe(24))'"
        raise SettingsError(
            f"CALLFLOWS_TOKEN is not set: anybody could send requests to the server. Create a token with {command}"
        )
    if _is_local_url(settings.public_url) and not _is_local_url(settings.opentact_url):
        raise SettingsError(
            f"CALLFLOWS_PUBLIC_URL is {settings.public_url}, which is this machine: Opentact cannot reach it"
        )
    return {
        "is_active": True,
        "call_flow_url": build_endpoint_url(settings, CALL_ENDPOINT_PATH) if settings.control == "answer" else None,
        "call_flow_method": "POST",
        "call_flow_request_timeout": APP_TIMEOUT_MS,
        "webhook_url": build_endpoint_url(settings, WEBHOOK_ENDPOINT_PATH),
        "webhook_method": "POST",
        "webhook_request_timeout": APP_TIMEOUT_MS,
    }


def build_endpoint_url(settings: Settings, path: str, token_index: int = 0) -> str:
    """Return the URL of an endpoint for Opentact, including the token with the index ``token_index``."""
    return f"{settings.public_url}{path}?token={quote(settings.token[token_index].get_secret_value(), safe='')}"


def iterate_exact_numbers(book: FlowBook) -> Iterator[tuple[str, str]]:
    """Iterate over exactly claimed numbers with the flow of each; prefixes and ``rest`` are not exact."""
    for flow in book.flows.values():
        for claim in flow.claims:
            if claim.number[-1].isdecimal():
                holder = book.find_claiming_flow(claim.number) or flow
                yield claim.number, holder.name


def _is_local_url(url: str) -> bool:
    return is_loopback_host(urlsplit(url).hostname or "")
