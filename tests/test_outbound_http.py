"""What all requests to other servers share."""

from __future__ import annotations

from importlib.metadata import version

from callflows.outbound_http import get_versioned_user_agent


def test_opentact_is_told_the_version():
    assert get_versioned_user_agent() == f"callflows/{version('callflows')}"
