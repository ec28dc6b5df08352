"""``callflows serve``."""

from __future__ import annotations

import errno
import os
import socket
import sys
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from callflows.cli.cli_options import (
    FLOWS_OPTION,
    exit_with_notice,
    load_command_settings,
    print_notice,
    show_progress,
    write_notices_as_json,
)
from callflows.text import format_address, format_host

if TYPE_CHECKING:
    from callflows.flows.loader.folder_loader import LoadedFlows
    from callflows.settings import Settings
    from callflows.web.call_endpoint import CallEndpoint


_STOP_SECONDS: Final = 10
"""Time that requests get to end when the server is stopped; a connection that never sends its body is closed then."""


def serve(
    flows: FLOWS_OPTION = None,
    host: Annotated[str | None, typer.Option(help="The address to listen on. Default: the setting.")] = None,
    port: Annotated[int | None, typer.Option(help="The port to listen on. Default: the setting.")] = None,
    workers: Annotated[int | None, typer.Option(help="Processes that answer calls. Default: the setting.")] = None,
) -> None:
    """Answer calls with the flows. In Opentact, enter the printed URL as remote call control URL."""
    import uvicorn

    from callflows.cli.worker_processes import share_loaded_modules, stop_listening_before_workers
    from callflows.flows.tickets import load_or_create_secret_key
    from callflows.settings import check_token_of_public_server, load_log_format
    from callflows.web.call_protocol import choose_http_protocol
    from callflows.web.http_protocol import raise_open_files_limit
    from callflows.web.log_lines import configure_logging, log_uncaught_errors
    from callflows.web.shared_counts import remove_old_counts

    if load_log_format() == "json" and not sys.stderr.isatty():
        write_notices_as_json()
    settings = load_command_settings(flows=flows, host=host, port=port, workers=workers)
    check_token_of_public_server(settings)
    raise_open_files_limit()
    for name in ("flows", "host", "port", "workers"):
        os.environ[f"CALLFLOWS_{name.upper()}"] = str(getattr(settings, name))
    listening = _listen(settings.host, settings.port, "--port")
    if settings.console_address is not None:
        _listen(*settings.console_address, "CALLFLOWS_CONSOLE_PORT").close()  # each process opens it again
    server = _load_server(settings) if settings.workers == 1 else None
    options: dict[str, Any] = {
        "host": settings.host,
        "port": settings.port,
        "access_log": False,
        "log_level": "warning",
        "log_config": None,  # uvicorn's lines are written as ours, by configure_logging
        "proxy_headers": False,
        "server_header": False,
        "http": choose_http_protocol(),
        "timeout_graceful_shutdown": _STOP_SECONDS,
    }
    if server is not None:
        uvicorn.Server(uvicorn.Config(server, **options)).run(sockets=[listening])
        return
    if not settings.secret_keys:
        load_or_create_secret_key(settings.data)  # a key that cannot be kept is told once, and not by each worker
    configure_logging(sys.stderr, settings.log_format)
    log_uncaught_errors()
    remove_old_counts(settings.data)
    _print_greeting(settings, None)
    listening.close()  # uvicorn opens it again for its workers
    share_loaded_modules()
    stop_listening_before_workers()
    uvicorn.run("callflows.server:create_process_app", factory=True, workers=settings.workers, **options)


def _listen(host: str, port: int, setting: str) -> socket.socket:
    """Return the socket of an address. Exits with code 2 and the fix if the address cannot be had."""
    from callflows.web.http_protocol import bind_server_socket

    try:
        return bind_server_socket(host, port)
    except OSError as error:
        reason = error.strerror or str(error)
        if error.errno == errno.EADDRINUSE:
            reason = f"another program uses this port: stop that program, or choose another port with {setting}"
        elif error.errno == errno.EADDRNOTAVAIL or isinstance(error, socket.gaierror):
            reason = f"this machine has no such address ({reason}): give --host a host alone, as 127.0.0.1, 0.0.0.0 or ::1"
        exit_with_notice(f"callflows: cannot listen on {format_address(host, port)}: {reason}", 2)


def _load_server(settings: Settings) -> CallEndpoint:
    """Create the server; the flows are loaded once for both the greeting and the calls."""
    from callflows.installation_parts import load_flow_library
    from callflows.server import create_app

    with show_progress("loading") as on_progress:
        library = load_flow_library(settings, on_progress)
    server = create_app(settings, library, owns_process=True)
    _print_greeting(settings, library.loaded_flows)
    return server


def _print_greeting(settings: Settings, loaded: LoadedFlows | None) -> None:
    """Print the served flows and URLs; without loaded flows (several workers), without their numbers.

    Nothing is printed among log lines of JSON, which a program reads: then the log has the same facts.
    """
    if settings.log_format == "json" and not sys.stderr.isatty():
        return
    url = settings.public_url or f"http://{_name_reachable_host(settings.host)}:{settings.port}"
    flows = loaded.book.flows.values() if loaded else ()
    number = next((claim.number for flow in flows for claim in flow.claims if claim.number[-1].isdigit()), "")
    token = "token=$CALLFLOWS_TOKEN&" if settings.token else ""
    served = f"{sum(not flow.problems for flow in flows)} flow(s)" if loaded else "the flows"
    print_notice(f"callflows serves {served} of {settings.flows}/ on {format_address(settings.host, settings.port)}")
    print_notice(f"  remote call control URL: {url}/call")
    if settings.token:
        print_notice("    and after it ?token= with the value of CALLFLOWS_TOKEN")
    to = number.lstrip("+") or ("12015550123" if loaded else "NUMBER")
    print_notice(f'  try it, as a call would: curl "{url}/call?{token}from=%2B12015550999&to={to}"')
    if not loaded:
        print_notice("    with a number of callflows numbers for NUMBER")
    _print_console_link(settings)
    if loaded and not loaded.book.flows:
        print_notice("  there is no flow yet: begin one with callflows new front-desk --template front-desk")
    if loaded and loaded.problems:
        print_notice(f"  {len(loaded.problems)} problem(s): see the log, or callflows check")


def _print_console_link(settings: Settings) -> None:
    """Print how to open the console: on this machine by a link that signs in once, elsewhere by a password."""
    from callflows.settings import is_loopback_host

    host, port = settings.console_address or (settings.host, settings.port)
    public_url = settings.public_url if settings.console_address is None else ""
    if is_loopback_host(host):
        from callflows.installation_parts import load_secret_keys
        from callflows.web.console.console_sessions import LINK_SECONDS, SessionSigner

        code = SessionSigner(load_secret_keys(settings)).sign_link()
        print_notice(f"  console, by a link that works once, for {LINK_SECONDS // 60} minutes, on this machine:")
        print_notice(f"    http://{_name_reachable_host(host)}:{port}/console/login/link?code={code}")
    elif settings.console_password.get_secret_value() or settings.console_users_file.exists():
        print_notice(f"  console: {public_url or f'http://{_name_reachable_host(host)}:{port}'}/console/")


def _name_reachable_host(host: str) -> str:
    """Return the host for URLs on this machine: its own if the server listens on all addresses."""
    return "127.0.0.1" if host in ("0.0.0.0", "::") else format_host(host)  # noqa: S104 - asked, not bound
