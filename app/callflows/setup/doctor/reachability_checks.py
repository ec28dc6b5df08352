"""Checks from outside: the server's reachability and access control, and our clock compared with Opentact's."""

from __future__ import annotations

import secrets
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from callflows.effects.mail_sender import describe_smtp_failure, read_smtp_server
from callflows.errors import OutboundRequestError
from callflows.probe_tokens import make_probe_token
from callflows.settings import is_loopback_host
from callflows.setup.doctor.doctor_runner import DoctorFinding, run_in_daemon_thread
from callflows.setup.server_probe import explain_unreachable_server, probe_url

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from callflows.flows.loader.folder_loader import LoadedFlows
    from callflows.settings import Settings
    from callflows.setup.doctor.doctor_runner import DoctorLevel


CLOCK_WARNING_SECONDS, CLOCK_ERROR_SECONDS = 30.0, 300.0
"""Clock differences: a warning, and an error (too much for tickets, tokens and opening hours)."""
_FORBIDDEN_STATUS: Final = 403
_PROBLEM_MEDIA_TYPE: Final = "application/problem+json"


async def diagnose_reachability(settings: Settings) -> list[DoctorFinding]:
    """Check whether our server answers at the public URL."""
    if not settings.public_url:
        return []
    why = await explain_unreachable_server(settings.public_url)
    if not why:
        return [DoctorFinding("ok", f"{settings.public_url} answers")]
    here = "127.0.0.1" if settings.host in ("0.0.0.0", "::") else settings.host  # noqa: S104 - asked, not bound
    local = (
        await explain_unreachable_server(f"http://{f'[{here}]' if ':' in here else here}:{settings.port}", 2.0)
        if settings.port
        else "no port"
    )
    fix = (
        "the server does not run here either: start it (callflows serve)"
        if local
        else f"the server itself answers on {here}:{settings.port}: check the DNS name, the firewall and the proxy"
    )
    return [DoctorFinding("error", f"{settings.public_url} cannot be reached from here: {why}", fix)]


async def diagnose_access_control(settings: Settings) -> list[DoctorFinding]:
    """Check whether the server refuses a call with a wrong token."""
    if not settings.public_url:
        return []
    wrong = (
        make_probe_token(settings.token[0].get_secret_value()) if settings.token else f"wrong-{secrets.token_urlsafe(12)}"
    )
    reply = await probe_url(f"{settings.public_url}/call", "POST", token=wrong)
    if reply.status == _FORBIDDEN_STATUS:
        return [DoctorFinding("ok", "the server refuses a call with a wrong token")]
    message = f"the server answers a call with a wrong token with status {reply.status}, not {_FORBIDDEN_STATUS}"
    return [
        DoctorFinding("error", message, "set CALLFLOWS_TOKEN for the server, and let the proxy pass /call on unchanged")
    ]


async def diagnose_running_token(settings: Settings) -> list[DoctorFinding]:
    """Check whether the running server has the token of these settings.

    The token is sent only over TLS or on this machine.
    """
    host = urlsplit(settings.public_url)
    if not settings.token or not (host.scheme == "https" or is_loopback_host(host.hostname or "")):
        return []
    reply = await probe_url(f"{settings.public_url}/metrics", token=settings.token[0].get_secret_value())
    if reply.status == _FORBIDDEN_STATUS and reply.headers.get("content-type", "").startswith(_PROBLEM_MEDIA_TYPE):
        message = "the running server does not accept the (first) token of these settings"
        return [
            DoctorFinding(
                "error",
                message,
                "restart the server with this CALLFLOWS_TOKEN, or run doctor with the settings of the server",
            )
        ]
    known = (
        "the running server accepts the token"
        if reply.status == 200  # noqa: PLR2004 - HTTP
        else "callflows cannot check whether the running server accepts the token"
    )
    return [DoctorFinding("ok", known)]


async def diagnose_clock(settings: Settings) -> list[DoctorFinding]:
    """Compare our clock with the ``Date`` header of Opentact's REST API."""
    try:
        reply = await probe_url(f"{settings.opentact_url}/")
    except OutboundRequestError as error:
        fix = "check that this machine reaches the internet, and that CALLFLOWS_OPENTACT_URL is correct"
        return [DoctorFinding("error", f"{settings.opentact_url} cannot be reached: {error}", fix)]
    try:
        theirs = parsedate_to_datetime(reply.headers.get("date", "")).timestamp()
    except (ValueError, TypeError):
        return [DoctorFinding("warning", "Opentact does not report its time", "check that NTP sets this machine's clock")]
    off = reply.received_at - reply.elapsed_seconds / 2 - (theirs + 0.5)
    if abs(off) < CLOCK_WARNING_SECONDS:
        return [DoctorFinding("ok", "this machine's clock and Opentact's agree")]
    message = f"this machine's clock is {abs(off):.0f} s {'ahead of' if off > 0 else 'behind'} Opentact's"
    level: DoctorLevel = "error" if abs(off) >= CLOCK_ERROR_SECONDS else "warning"
    return [DoctorFinding(level, f"{message}: tokens, tickets and opening hours depend on it", "set the clock with NTP")]


async def diagnose_mail(settings: Settings, loaded: Callable[[], Awaitable[LoadedFlows]]) -> list[DoctorFinding]:
    """Check that the SMTP server accepts the login, if mail is set up or a flow sends mail."""
    has_server = bool(settings.smtp_url.get_secret_value())
    flows = sorted(flow.name for flow in (await loaded()).book.flows.values() if flow.needs.mail)
    if not has_server and flows:
        message = f"CALLFLOWS_SMTP_URL is not set, and these flows send mails: {', '.join(flows)}"
        return [DoctorFinding("error", message, "set it, as smtp://phone@mail.example.com:587")]
    if not has_server:
        return [DoctorFinding("ok", "no flow sends mails")]
    server = read_smtp_server(settings)
    reason = await run_in_daemon_thread(lambda: describe_smtp_failure(server))
    if reason:
        fix = "correct CALLFLOWS_SMTP_URL and CALLFLOWS_SMTP_PASSWORD, or start the mail server"
        return [DoctorFinding("error" if flows else "warning", f"{server.host}:{server.port}: {reason}", fix)]
    return [DoctorFinding("ok", f"{server.host}:{server.port} takes mails from {settings.mail_from}")]
