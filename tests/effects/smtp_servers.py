"""An SMTP server on this machine, by aiosmtpd, that keeps what it is sent."""

from __future__ import annotations

import contextlib
import socket
from email import message_from_bytes, policy
from typing import TYPE_CHECKING, Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword

if TYPE_CHECKING:
    from collections.abc import Iterator
    from email.message import EmailMessage


class Mailbox:
    """What an SMTP server received; ``replies`` are its replies to the next texts and recipients, instead of 250."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []
        self.recipients: list[str] = []
        self.data_replies: list[str] = []
        self.recipient_replies: dict[str, str] = {}
        self.users: list[str] = []

    async def handle_RCPT(self, _server: Any, _session: Any, envelope: Any, address: str, _options: Any) -> str:  # noqa: N802 - aiosmtpd's name
        reply = self.recipient_replies.get(address, "250 OK")
        if reply.startswith("250"):
            envelope.rcpt_tos.append(address)
        return reply

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        reply = self.data_replies.pop(0) if self.data_replies else "250 OK"
        if reply.startswith("250"):
            self.mails.append(message_from_bytes(envelope.content, policy=policy.default))
            self.recipients += envelope.rcpt_tos
        return reply

    def authenticate(self, _server: Any, _session: Any, _envelope: Any, _mechanism: str, data: LoginPassword) -> AuthResult:
        self.users.append(data.login.decode())
        return AuthResult(success=data.password == b"right", handled=False)


@contextlib.contextmanager
def run_smtp_server(*, needs_login: bool = False) -> Iterator[tuple[Mailbox, str]]:
    """Run a server; yield its mailbox, and its address as host and port."""
    mailbox = Mailbox()
    options = (
        {"authenticator": mailbox.authenticate, "auth_required": True, "auth_require_tls": False} if needs_login else {}
    )
    with socket.socket() as free:  # aiosmtpd's controller cannot take a port of the system's choice
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    controller = Controller(mailbox, hostname="127.0.0.1", port=port, **options)
    controller.start()
    try:
        yield mailbox, f"127.0.0.1:{port}"
    finally:
        controller.stop()
