"""The parts that a server, a rehearsal and some commands create from the settings alike."""

from __future__ import annotations

import sys
from functools import partial
from typing import TYPE_CHECKING, Final

from callflows.effects.live_effects import LiveEffects
from callflows.flows.compiler.compiling_flow import CompilerOptions
from callflows.flows.loader.flow_library import FlowLibrary
from callflows.flows.messages.carrier_keywords import CarrierWords, extend_carrier_words
from callflows.flows.messages.message_rules import CarrierReplies
from callflows.flows.tickets import TicketSigner, load_or_create_secret_key
from callflows.flows.twiml.twilio_requests import TwilioAccount
from callflows.sandbox.sandbox_pool import SandboxPool

if TYPE_CHECKING:
    from collections.abc import Callable

    from callflows.flows.loader.folder_loader import ProgressCallback
    from callflows.journal.journal import Journal
    from callflows.opentact import Opentact
    from callflows.settings import Settings
    from callflows.telephony.call_traces import CallTraces
    from callflows.telephony.events import EffectResult


STOP_GRACE_SECONDS: Final = 5.0
"""Seconds that pending effects get to finish when the server stops."""


def _write_output_line(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def create_sandbox_pool(settings: Settings, report_output: Callable[[str], None] = _write_output_line) -> SandboxPool:
    """Create the pool for templates, Python flows and slow expressions; no process runs before ``start``.

    ``report_output`` is called with each line that their code prints, without characters that control a terminal; by
    default, the lines go to standard error.
    """
    return SandboxPool(
        "callflows.sandbox.job_runner:run_pickled_job",
        # The modules of all job classes: importing one in the job would make a caller wait.
        preload=(
            "callflows.flows.compiler.xml_templates",
            "callflows.flows.expressions.jinja_rendering",
            "callflows.flows.python_flow",
            "callflows.flows.steps.digit_matching",
        ),
        max_processes=settings.sandbox_processes,
        report_output=report_output,
    )


def create_opentact_client(settings: Settings) -> Opentact | None:
    """Create the client of Opentact's REST API; None without an account in the settings. Raises SettingsError."""
    if not settings.opentact_token.get_secret_value() and not settings.opentact_email:
        return None
    from callflows.opentact import Opentact  # noqa: PLC0415 - heavy, and most rehearsals do not need it

    return Opentact.from_settings(settings)


def create_live_effects(
    settings: Settings,
    opentact: Opentact | None = None,
    journal: Journal | None = None,
    traces: CallTraces | None = None,
) -> LiveEffects:
    """Create the handler of real effects: lookups, webhooks and messages."""
    sms = None
    if opentact is not None:
        from callflows.opentact.messages_api import create_sms_sender  # noqa: PLC0415 - heavy, and needs an account

        sms = create_sms_sender(opentact.messages)
    mails = None
    if settings.smtp_url.get_secret_value():
        from callflows.effects.mail_sender import MailSender, read_smtp_server  # noqa: PLC0415 - most servers send none

        mails = partial(MailSender, read_smtp_server(settings), settings.mail_from)
    keys = [key.get_secret_value() for key in settings.notify_key]

    def report_result(result: EffectResult) -> None:
        if journal is not None:
            journal.record_soon(result)
        if traces is not None:
            traces.add_effect(result)

    return LiveEffects(
        settings.private_lookups,
        keys,
        send_sms=sms,
        report_result=report_result,
        opt_outs=journal,
        idempotency_store=journal,
        outbox_folder=settings.data if journal is not None else None,
        make_mail_sender=mails,
        chat_tokens=dict(token.get_secret_value().split("=", 1) for token in settings.chat_tokens),
        twilio_auth_token=settings.twilio_auth_token.get_secret_value(),
        traces=traces,
    )


def create_automatic_replies(settings: Settings) -> CarrierReplies:
    """Create the default replies to STOP, START and HELP from the settings."""
    return CarrierReplies(settings.message_stopped, settings.message_started, settings.message_help)


def read_carrier_words(settings: Settings) -> CarrierWords:
    """Return the words for STOP, START and HELP, those of the settings included."""
    return extend_carrier_words(settings.message_stop_words, settings.message_start_words, settings.message_help_words)


def load_secret_keys(settings: Settings) -> list[bytes]:
    """Return the keys of the settings, or the stored key of the data folder. Raises SettingsError."""
    return [key.get_secret_value().encode() for key in settings.secret_keys] or [load_or_create_secret_key(settings.data)]


def create_ticket_signer(settings: Settings) -> TicketSigner:
    """Create the signer of tickets from the secret keys. Raises SettingsError."""
    return TicketSigner(load_secret_keys(settings))


def load_flow_library(settings: Settings, on_progress: ProgressCallback | None = None) -> FlowLibrary:
    """Load the flows of an installation. Raises SettingsError."""
    return FlowLibrary(
        settings.flows,
        create_compiler_options(settings),
        removal_grace_seconds=settings.removal_grace_seconds,
        on_progress=on_progress,
    )


def create_compiler_options(settings: Settings) -> CompilerOptions:
    """Return the options with which the flows of an installation are compiled. Raises SettingsError."""
    regions = frozenset(settings.dial_regions) or None
    return CompilerOptions(
        create_ticket_signer(settings),
        settings.apology,
        settings.dialect,
        dial_regions=regions,
        data_folder=settings.data,
        twilio_account=TwilioAccount(settings.twilio_account_sid, settings.twilio_auth_token.get_secret_value()),
    )
