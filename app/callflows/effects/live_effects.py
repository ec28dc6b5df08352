"""Real effects: lookups while a caller waits; messages and webhooks beside the answer.

``LiveEffects`` implements ``EffectSender`` of ``callflows.telephony.ports``. The network modules, and httpx, are loaded
when a flow first needs them.
"""

from __future__ import annotations

import asyncio
import collections
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from callflows.boot_clock import read_steady_time
from callflows.effects.address_guard import AddressGuard
from callflows.effects.effect_outbox import EffectOutbox
from callflows.effects.http_lookup import fetch_lookup
from callflows.effects.outbox_file import OutboxFile
from callflows.effects.signed_webhooks import WebhookSender
from callflows.errors import JournalError, OutboundRequestError, RecipientOptedOutError, RetryLaterError
from callflows.log import get_logger
from callflows.telephony.ports import normalize_party

if TYPE_CHECKING:
    import ssl
    from collections.abc import Awaitable, Callable, Mapping, Sequence
    from pathlib import Path

    from callflows.effects.address_guard import ResolveHost
    from callflows.effects.guarded_http import GuardedClient
    from callflows.effects.mail_sender import MailSender
    from callflows.settings import IPNetwork
    from callflows.telephony.call_traces import CallTraces
    from callflows.telephony.events import EffectResult
    from callflows.telephony.ports import Effect, IdempotencyStore, LookupRequest, LookupResult, OptOutRegistry


_LOG: Final = get_logger("effects")
__all__ = ["LiveEffects"]
_LOOKUP_CONNECTIONS: Final = (256, 32)
_WEBHOOK_CONNECTIONS: Final = (64, 4)
"""Maximum connections in all, and to one host."""
_SMS_CONNECTIONS: Final = 16
_SMS_TIMEOUT_SECONDS: Final = 120.0
"""Of one attempt that has its connection; Opentact's client has shorter limits of its own."""


class LiveEffects:
    """Executes effects on the real network.

    ``private_networks`` are allowed although private. ``signing_keys`` (``whsec_…``) sign webhooks; without keys webhooks
    are not signed. ``send_sms`` sends a message and raises on failure; ``opt_outs`` knows recipients that want no messages.
    ``idempotency_store`` knows the effects executed by all processes; ``report_result`` is called with each result.
    ``make_mail_sender`` makes the sender of mails from a function for the HTTP client; ``chat_tokens`` has tokens by host.
    ``twilio_auth_token`` signs forms for apps under ``twiml``, ``traces`` gets each lookup. With an ``outbox_folder``
    pending effects survive the process, and are taken up by the next. ``resolve_host``, ``tls_context``, ``sleep`` and
    ``clock`` replace the system's resolver, the trusted certificates, the wait between attempts and the time.
    """

    def __init__(  # noqa: PLR0913 - most are keyword arguments
        self,
        private_networks: Sequence[IPNetwork] = (),
        signing_keys: Sequence[str] = (),
        *,
        send_sms: Callable[[Effect], Awaitable[None]] | None = None,
        opt_outs: OptOutRegistry | None = None,
        idempotency_store: IdempotencyStore | None = None,
        report_result: Callable[[EffectResult], None] | None = None,
        resolve_host: ResolveHost | None = None,
        tls_context: ssl.SSLContext | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        clock: Callable[[], float] = read_steady_time,
        outbox_folder: Path | None = None,
        make_mail_sender: Callable[[Callable[[], Awaitable[GuardedClient]]], MailSender] | None = None,
        chat_tokens: Mapping[str, str] = MappingProxyType({}),
        twilio_auth_token: str = "",
        traces: CallTraces | None = None,
    ) -> None:
        self._traces = traces
        self._guard = AddressGuard(private_networks, resolve_host)
        self._tls_context = tls_context
        self._send_sms = send_sms
        self._opt_outs = opt_outs
        self._unsigned_warning_unneeded = bool(signing_keys)
        self._outbox = EffectOutbox(
            self._run_effect,
            sleep,
            report_result,
            idempotency_store,
            OutboxFile(outbox_folder) if outbox_folder is not None else None,
            clock=clock,
        )
        self._webhook_sender = WebhookSender(
            self._get_webhook_client, signing_keys, chat_tokens, twilio_auth_token=twilio_auth_token
        )
        self._mail_sender = make_mail_sender(self._get_webhook_client) if make_mail_sender is not None else None
        self._sms_connections = asyncio.Semaphore(_SMS_CONNECTIONS)
        self._lookup_counts: collections.Counter[tuple[str, str]] = collections.Counter()
        self._clients_task: asyncio.Task[tuple[GuardedClient, GuardedClient]] | None = None

    async def run_lookup(self, request: LookupRequest) -> LookupResult:
        """Run a lookup within its timeout. Raises nothing but CancelledError."""
        try:
            if self._traces is None:
                result = await fetch_lookup(self._get_lookup_client, request)
            else:
                with self._traces.trace_lookup(request) as (traced_request, results):
                    result = await fetch_lookup(self._get_lookup_client, traced_request)
                    results.append(result)
        except asyncio.CancelledError:
            self._lookup_counts["lookup", "failed"] += 1
            raise
        self._lookup_counts["lookup", "ok" if result.ok else "failed"] += 1
        if not result.ok:
            _LOG.warning("lookup failed", place=request.step_path, reason=result.reason, ms=result.duration_ms)
        return result

    def queue_effect(self, effect: Effect) -> None:
        """Queue an effect from any thread; never raises.

        An effect with a known key is not executed again.
        """
        self._outbox.queue_effect(effect)

    def hold_effect(self, effect: Effect) -> None:
        """Hold an effect until it is queued; a held effect survives the process."""
        self._outbox.hold_effect(effect)

    def cancel_effect(self, effect: Effect, reason: str) -> None:
        """See ``HoldingEffectSender``."""
        self._outbox.cancel_effect(effect, reason)

    def list_held_effects(self, call: str, min_seconds: float = 0.0) -> list[Effect]:
        """See ``HoldingEffectSender``."""
        return self._outbox.list_held_effects(call, min_seconds)

    def count_results(self) -> Mapping[tuple[str, str], int]:
        """Count effects and lookups by kind and result.

        The results are ``sent, failed, refused, cancelled, expired, dropped, repeated``, of lookups ``ok, failed``.
        """
        return {**self._outbox.count_results(), **self._lookup_counts}

    def get_status(self) -> dict[str, int]:
        """Return the number of effects without a result (``waiting``), and the age of the oldest in seconds."""
        return self._outbox.get_status()

    async def start(self) -> None:
        """Start executing queued effects in the running event loop."""
        self._outbox.start()

    async def load_clients(self) -> None:
        """Load the HTTP clients in advance, so that the first caller of a flow with network access does not wait."""
        await self._get_clients()

    async def stop(self, grace_seconds: float) -> None:
        """Finish pending effects within ``grace_seconds``; the rest waits on the disk for the next start."""
        await self._outbox.stop(grace_seconds)
        if self._clients_task is not None:
            for wire in await self._clients_task:
                await wire.close()

    async def _get_clients(self) -> tuple[GuardedClient, GuardedClient]:
        """Return the clients of lookups and of webhooks, separate so that neither waits for the other."""
        if self._clients_task is None:
            self._clients_task = asyncio.create_task(asyncio.to_thread(self._create_clients))
        return await asyncio.shield(self._clients_task)

    def _create_clients(self) -> tuple[GuardedClient, GuardedClient]:
        from callflows.effects.guarded_http import GuardedClient  # noqa: PLC0415 - loads httpx, which is heavy

        lookup_client, webhook_client = (
            GuardedClient(self._guard, *bounds, tls_context=self._tls_context)
            for bounds in (_LOOKUP_CONNECTIONS, _WEBHOOK_CONNECTIONS)
        )
        return lookup_client, webhook_client

    async def _get_lookup_client(self) -> GuardedClient:
        return (await self._get_clients())[0]

    async def _get_webhook_client(self) -> GuardedClient:
        return (await self._get_clients())[1]

    async def _run_effect(self, effect: Effect) -> None:
        """Execute an effect. Raises OutboundRequestError with the reason of a failure."""
        match effect.channel:
            case "sms":
                await self._send_text_message(effect)
            case "opt-out":
                await self._store_opt_out(effect)
            case "mail":
                if self._mail_sender is None:
                    raise OutboundRequestError("this server cannot send mails: CALLFLOWS_SMTP_URL is not set")
                await self._mail_sender.send_mail(effect)
            case "chat":
                await self._webhook_sender.send_chat_message(effect)
            case "form":
                await self._webhook_sender.send_form(effect)
            case "webhook":
                self._warn_about_missing_key()
                await self._webhook_sender.send_webhook(effect)

    def _warn_about_missing_key(self) -> None:
        """Log once that webhooks are not signed."""
        if not self._unsigned_warning_unneeded:
            self._unsigned_warning_unneeded = True
            _LOG.warning("webhooks are not signed: CALLFLOWS_NOTIFY_KEY is not set")

    async def send_at_once(self, effect: Effect) -> None:
        """Execute an effect without the outbox. Raises OutboundRequestError with the reason of a failure."""
        await self._run_effect(effect)

    async def _store_opt_out(self, effect: Effect) -> None:
        """Store that a person wants no calls and texts. Raises RetryLaterError while the database is unavailable."""
        if self._opt_outs is None:
            raise OutboundRequestError("there is no database that could store the wish")
        number, other = (normalize_party(str(effect.payload.get(side, ""))) for side in ("from", "number"))
        try:
            await self._opt_outs.opt_out(number, other, float(effect.payload["at"]))
        except JournalError:
            raise RetryLaterError("the database cannot store the wish") from None

    async def _send_text_message(self, effect: Effect) -> None:
        number, to = (normalize_party(str(effect.payload.get(side, ""))) for side in ("from", "to"))
        if self._send_sms is None:
            raise OutboundRequestError(f"this server cannot send text messages (to {to}): it has no token of Opentact")
        async with self._sms_connections:
            if not effect.reaches_opted_out:
                await self._check_opt_out(number, to)
            self._outbox.mark_sending(effect)
            async with asyncio.timeout(_SMS_TIMEOUT_SECONDS):
                await self._send_sms(effect)

    async def _check_opt_out(self, number: str, to: str) -> None:
        """Raise RecipientOptedOutError after a STOP, RetryLaterError while nobody can tell."""
        try:
            if self._opt_outs is not None and await self._opt_outs.is_opted_out(number, to):
                raise RecipientOptedOutError(f"{to} sent STOP to {number} and gets no messages from it")
        except JournalError:
            raise RetryLaterError("the database cannot be asked who sent STOP") from None
