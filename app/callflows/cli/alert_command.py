"""``callflows alerts``: sends a test to whoever is told if a line is down."""

from __future__ import annotations

from callflows.cli.cli_options import exit_with_notice, load_command_settings


def alerts() -> None:
    """Send a test to CALLFLOWS_ALERT_URL, which is told if callers of a flow hear the fallback or nothing."""
    import asyncio
    from urllib.parse import urlsplit

    from callflows.errors import OutboundRequestError
    from callflows.installation_parts import create_live_effects
    from callflows.web.line_checker import build_alert

    settings = load_command_settings()
    alert = build_alert(settings, "lines.test", [])
    if alert is None:
        exit_with_notice(
            "callflows: CALLFLOWS_ALERT_URL is not set: nobody is told if a line is down; set it to a webhook", 2
        )
    host = urlsplit(settings.alert_url.get_secret_value()).netloc

    async def send() -> None:
        effects = create_live_effects(settings)
        try:
            await effects.send_at_once(alert)
        finally:
            await effects.stop(0.0)

    try:
        asyncio.run(send())
    except OutboundRequestError as error:
        exit_with_notice(f"callflows: {host} did not take the test: {error}", 1)
    signed = "signed" if settings.notify_key else "not signed: CALLFLOWS_NOTIFY_KEY is not set"
    print(f"{host} took the test ({signed})")
