"""The common part of requests to other servers: the user agent and the limits. ``http_limits`` reads the answers.

The clients differ on purpose: lookups and webhooks go only to addresses that a guard allows (``effects/guarded_http.py``),
requests to Opentact bring a token and are retried only if safe (``opentact/rest_client.py``), ``callflows doctor`` looks at
our own server as a stranger does (``setup/server_probe.py``), and rehearsals play Opentact
(``rehearsal/platform_network.py``).
"""

from __future__ import annotations

from importlib.metadata import version
from typing import Final

USER_AGENT: Final = "callflows"
"""Name for servers of others, which need not know the version."""
MAX_OUTBOUND_BODY_BYTES: Final = 262_144
"""Bytes of a body that a flow sends."""
MAX_OUTBOUND_ANSWER_BYTES: Final = 65_536
"""Bytes of an answer to a flow, after decompression."""


def get_versioned_user_agent() -> str:
    """Return the name for Opentact and for our own server."""
    return f"{USER_AGENT}/{version('callflows')}"
