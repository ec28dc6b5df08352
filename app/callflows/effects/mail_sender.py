"""Delivery of mails to an SMTP server.

All attempts of a mail have the same Message-ID, by which mail servers and programs recognize a duplicate: if the
connection breaks after the text was sent, nobody knows whether the server took the mail, and it is sent again.
"""

from __future__ import annotations

import asyncio
import contextlib
import smtplib
import socket
import ssl
from email.message import EmailMessage
from email.utils import formatdate, parseaddr
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import unquote, urlsplit

from callflows.effects.signed_webhooks import make_webhook_id
from callflows.errors import OutboundRequestError, RetryLaterError
from callflows.log import get_logger
from callflows.outbound_http import USER_AGENT
from callflows.settings import is_loopback_host

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Mapping

    from callflows.effects.guarded_http import GuardedClient
    from callflows.settings import Settings
    from callflows.telephony.ports import Effect


_LOG: Final = get_logger("effects")
MAIL_TIMEOUT_SECONDS: Final = 30.0
"""Timeout of each step of the exchange with the SMTP server."""
_MAX_CONNECTIONS: Final = 4
_MAX_ATTACHMENT_BYTES: Final = 15_000_000
"""Larger recordings are not attached: most mailboxes refuse larger mails."""
_ATTACHMENT_SECONDS: Final = 30.0
_FIRST_PERMANENT_CODE: Final = 500
_AUTHENTICATION_CODES: Final = frozenset({530, 534, 535, 538})
"""The operator can put the login right while the mail waits."""


class SmtpServer(NamedTuple):
    """An SMTP server. ``is_encrypted``: TLS from the beginning; otherwise STARTTLS if the server offers it."""

    host: str
    port: int
    is_encrypted: bool
    user: str = ""
    password: str = ""


def read_smtp_server(settings: Settings) -> SmtpServer:
    """Return the SMTP server of the settings, which must name one."""
    parts = urlsplit(settings.smtp_url.get_secret_value())
    password = settings.smtp_password.get_secret_value()
    is_encrypted = parts.scheme == "smtps"
    user, own_password = unquote(parts.username or ""), unquote(parts.password or "")
    return SmtpServer(
        parts.hostname or "", parts.port or (465 if is_encrypted else 587), is_encrypted, user, password or own_password
    )


class MailSender:
    """Sends mails from ``sender`` (``Acme <phone@example.com>``). ``get_client`` downloads recordings to attach."""

    def __init__(
        self,
        server: SmtpServer,
        sender: str,
        get_client: Callable[[], Awaitable[GuardedClient]],
        *,
        tls_context: ssl.SSLContext | None = None,
    ) -> None:
        self._server = server
        self._sender = sender
        self._get_client = get_client
        self._tls_context = tls_context
        self._connections = asyncio.Semaphore(_MAX_CONNECTIONS)

    async def send_mail(self, effect: Effect) -> None:
        """Send a mail (the effect's payload) once.

        Raises RetryLaterError if another attempt may succeed, otherwise OutboundRequestError.
        """
        message = build_mail(effect.payload, self._sender, effect.key)
        for number, url in enumerate(effect.payload.get("attach", ()), 1):
            await self._attach_recording(message, str(url), number)
        async with self._connections:
            await asyncio.to_thread(self._deliver, message)

    async def _attach_recording(self, message: EmailMessage, url: str, number: int) -> None:
        """Attach a recording. If it cannot be downloaded, the text says so, and has the link."""
        try:
            recording = await self._download_recording(url)
        except OutboundRequestError as error:
            _LOG.warning("a recording is not attached to a mail", reason=str(error))
            body = message.get_body()
            if body is not None:
                body.set_content(f"{body.get_content().rstrip()}\n\n(Recording {number} could not be attached: {error}.)\n")
            return
        suffix = PurePosixPath(urlsplit(url).path).suffix.lower()
        suffix = suffix if suffix in _AUDIO_SUBTYPES else ".wav"
        name = f"recording-{number}{suffix}"
        message.add_attachment(recording, maintype="audio", subtype=_AUDIO_SUBTYPES[suffix], filename=name)

    async def _download_recording(self, url: str) -> bytes:
        client = await self._get_client()
        address = client.parse_url(url)
        async with client.get_host_semaphore(address.host):
            headers = {"user-agent": USER_AGENT.encode(), "accept-encoding": b"identity"}
            answer = await client.send_request(
                "GET", address, headers, b"", max_bytes=_MAX_ATTACHMENT_BYTES, seconds=_ATTACHMENT_SECONDS
            )
        if not answer.is_success or not answer.body:
            raise OutboundRequestError(f"status {answer.status}")
        return answer.body

    def _deliver(self, message: EmailMessage) -> None:
        """Deliver a message; blocks. Raises RetryLaterError or OutboundRequestError."""
        with _translate_smtp_errors(), open_smtp_connection(self._server, self._tls_context) as connection:
            refused = connection.send_message(message)
        if refused:
            reasons = ", ".join(sorted({str(code) for code, _ in refused.values()}))
            _LOG.error("the mail server refused some of the recipients", count=len(refused), reason=reasons)


_AUDIO_SUBTYPES: Final = {".wav": "wav", ".mp3": "mpeg", ".ogg": "ogg"}


def build_mail(payload: Mapping[str, Any], sender: str, key: str) -> EmailMessage:
    """Build the message of a mail's payload. Equal keys give the same Message-ID."""
    message = EmailMessage()
    message["From"] = sender
    message["To"] = ", ".join(map(str, payload.get("to", ())))
    message["Subject"] = " ".join(str(payload.get("subject", "")).split())
    message["Date"] = formatdate(localtime=False)
    message["Message-ID"] = f"<{make_webhook_id(key)}@{parseaddr(sender)[1].partition('@')[2] or 'callflows.invalid'}>"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(str(payload.get("text", "")))
    return message


@contextlib.contextmanager
def open_smtp_connection(server: SmtpServer, tls_context: ssl.SSLContext | None = None) -> Iterator[smtplib.SMTP]:
    """Connect and log in; blocks. Raises OSError, SMTPException, or RetryLaterError if others could read the password."""

    def choose_context() -> ssl.SSLContext:
        # Reading the certificates takes longer than all else of an attempt, so a connection without TLS reads none.
        return tls_context or ssl.create_default_context()

    name = socket.gethostname()
    connection: smtplib.SMTP = (
        smtplib.SMTP_SSL(server.host, server.port, name, timeout=MAIL_TIMEOUT_SECONDS, context=choose_context())
        if server.is_encrypted
        else smtplib.SMTP(server.host, server.port, name, timeout=MAIL_TIMEOUT_SECONDS)
    )
    with connection:
        connection.ehlo_or_helo_if_needed()
        if not server.is_encrypted and connection.has_extn("starttls"):
            connection.starttls(context=choose_context())
            connection.ehlo_or_helo_if_needed()
        elif server.user and not server.is_encrypted and not is_loopback_host(server.host):
            raise RetryLaterError("the mail server offers no TLS, and others could read the password on its way")
        if server.user:
            connection.login(server.user, server.password)
        yield connection


@contextlib.contextmanager
def _translate_smtp_errors() -> Iterator[None]:
    """Raise RetryLaterError for errors that may pass, OutboundRequestError for others."""
    try:
        yield
    except smtplib.SMTPRecipientsRefused as error:
        codes = {code for code, _ in error.recipients.values()}
        reason = f"the mail server refuses the recipients: {_format_replies(error.recipients.values())}"
        if min(codes, default=0) >= _FIRST_PERMANENT_CODE:
            raise OutboundRequestError(reason) from None
        raise RetryLaterError(reason) from None
    except smtplib.SMTPResponseException as error:
        reason = f"the mail server answers {_format_replies([(error.smtp_code, error.smtp_error)])}"
        if error.smtp_code >= _FIRST_PERMANENT_CODE and error.smtp_code not in _AUTHENTICATION_CODES:
            raise OutboundRequestError(reason) from None
        raise RetryLaterError(reason) from None
    except ssl.SSLError:
        raise RetryLaterError("the certificate of the mail server is not trusted") from None
    except (OSError, smtplib.SMTPException) as error:
        raise RetryLaterError(f"the mail server cannot be reached: {type(error).__name__}") from None


def _format_replies(replies: Any) -> str:  # noqa: ANN401 - pairs of a code and a text, which may be bytes
    texts = [f"{code} {text.decode('utf-8', 'replace') if isinstance(text, bytes) else text}" for code, text in replies]
    return ", ".join(sorted({" ".join(text.split())[:200] for text in texts}))


def describe_smtp_failure(server: SmtpServer) -> str:
    """Connect to a server, log in and leave; blocks. Return the reason of a failure, or an empty text."""
    try:
        with _translate_smtp_errors(), open_smtp_connection(server) as connection:
            connection.noop()
    except OutboundRequestError as error:
        return str(error)
    return ""
