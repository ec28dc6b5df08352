"""What is seen from outside: whether our server answers whom it should, and what Opentact's clock says."""

from __future__ import annotations

import secrets
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from app.errors import OutsideError
from app.probes import probe
from app.settings import is_loopback
from app.setup.asking import alive, asked
from app.setup.doctor.results import Finding

if TYPE_CHECKING:
    from app.settings import Settings
    from app.setup.doctor.results import Level

ASKEW, WRONG = 30.0, 300.0
"""Seconds by which a clock may be off: said, and too much for tickets, tokens and opening hours."""
_FORBIDDEN: Final = 403
_PROBLEM: Final = "application/problem+json"


async def reachable(settings: Settings) -> list[Finding]:
    """Whether our server is what answers at the public URL."""
    if not settings.public_url:
        return []
    why = await alive(settings.public_url)
    if not why:
        return [Finding("ok", f"{settings.public_url} answers")]
    here = "127.0.0.1" if settings.host in ("0.0.0.0", "::") else settings.host  # noqa: S104 - asked, not bound
    local = (
        await alive(f"http://{f'[{here}]' if ':' in here else here}:{settings.port}", 2.0) if settings.port else "no port"
    )
    mend = (
        "the server does not run here either: start it (callflows serve)"
        if local
        else f"the server itself answers on {here}:{settings.port}: look at the name, the firewall and the proxy before it"
    )
    return [Finding("error", f"{settings.public_url} cannot be reached from here: {why}", mend)]


async def closed(settings: Settings) -> list[Finding]:
    """Whether strangers are sent away: a call with a wrong token must be forbidden."""
    if not settings.public_url:
        return []
    wrong = probe(settings.token[0].get_secret_value()) if settings.token else f"wrong-{secrets.token_urlsafe(12)}"
    reply = await asked(f"{settings.public_url}/call", "POST", token=wrong)
    if reply.status == _FORBIDDEN:
        return [Finding("ok", "a call with a wrong token is forbidden")]
    said = f"a call with a wrong token is answered with {reply.status}, not {_FORBIDDEN}"
    return [Finding("error", said, "set CALLFLOWS_TOKEN for the server, and let the proxy hand on /call as it is asked")]


async def token_known(settings: Settings) -> list[Finding]:
    """Whether the server that runs has the token of these settings; it is only sent where nobody reads along."""
    host = urlsplit(settings.public_url)
    if not settings.token or not (host.scheme == "https" or is_loopback(host.hostname or "")):
        return []
    reply = await asked(f"{settings.public_url}/metrics", token=settings.token[0].get_secret_value())
    if reply.status == _FORBIDDEN and reply.headers.get("content-type", "").startswith(_PROBLEM):
        said = "the server that runs does not know the (first) token of these settings"
        return [Finding("error", said, "start it anew with this CALLFLOWS_TOKEN, or run doctor where its settings are")]
    known = "the server that runs knows the token" if reply.status == 200 else "whether it knows the token cannot be told"  # noqa: PLR2004 - HTTP
    return [Finding("ok", known)]


async def clock(settings: Settings) -> list[Finding]:
    """Our clock beside Opentact's, by the Date of its REST API."""
    try:
        reply = await asked(f"{settings.opentact_url}/")
    except OutsideError as error:
        mend = "see whether this machine reaches the internet, and whether CALLFLOWS_OPENTACT_URL is right"
        return [Finding("error", f"{settings.opentact_url} cannot be reached: {error}", mend)]
    try:
        theirs = parsedate_to_datetime(reply.headers.get("date", "")).timestamp()
    except (ValueError, TypeError):
        return [Finding("warning", "Opentact does not tell its time", "see that this machine's clock is set by NTP")]
    off = reply.at - reply.seconds / 2 - (theirs + 0.5)
    if abs(off) < ASKEW:
        return [Finding("ok", "this machine's clock and Opentact's agree")]
    said = f"this machine's clock is {abs(off):.0f} s {'ahead of' if off > 0 else 'behind'} Opentact's"
    level: Level = "error" if abs(off) >= WRONG else "warning"
    return [Finding(level, f"{said}: tokens, tickets and opening hours go by it", "set the clock by NTP")]
