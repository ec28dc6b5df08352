"""The common part of requests to other servers: the user agent and the limits. ``http_limits`` reads the answers.

The clients differ on purpose: lookups and webhooks go only to addresses that a guard allows (``effects/guarded_http.py``),
requests to Opentact bring a token and are retried only if safe (``opentact/rest_client.py``), ``callflows doctor`` looks at
our own server as a stranger does (``setup/server_probe.py``), and rehearsals play Opentact
(``rehearsal/platform_network.py``).
"""

from __future__ import annotations

from functools import cache
from importlib.metadata import version
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from ssl import SSLContext

USER_AGENT: Final = "callflows"
"""Name for servers of others, which need not know the version."""
MAX_OUTBOUND_BODY_BYTES: Final = 262_144
"""Bytes of a body that a flow sends."""
MAX_OUTBOUND_ANSWER_BYTES: Final = 65_536
"""Bytes of an answer to a flow, after decompression."""


def choose_tls_settings(url: str) -> SSLContext | bool:
    """Return ``verify`` of a client for one server: without TLS no certificates need to be read."""
    return get_tls_context() if url.startswith("https:") else False


@cache
def get_tls_context() -> SSLContext:
    """Return the TLS settings that all clients share: reading the certificates takes tens of milliseconds."""
    import httpx  # noqa: PLC0415 - heavy, and most commands send no request

    return httpx.create_ssl_context()


@cache  # the version is read from the disk
def get_versioned_user_agent() -> str:
    """Return the name for Opentact and for our own server."""
    return f"{USER_AGENT}/{version('callflows')}"
