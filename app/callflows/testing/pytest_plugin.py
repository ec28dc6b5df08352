"""A pytest plugin: the fixture ``rehearse`` rings the flows of the folder in the settings (``callflows/`` by default)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from callflows.testing.rehearsal_phone import RehearsedCall


@pytest.fixture(scope="session", name="rehearse")
def provide_rehearse() -> Callable[..., RehearsedCall]:
    """Return a function that calls a number: ``rehearse("+12015550123", keys="1")``; ``flows=`` names another folder."""
    from callflows.settings import load_settings  # noqa: PLC0415 - only if the fixture is used
    from callflows.testing.rehearsal_phone import rehearse as ring  # noqa: PLC0415 - slow to import

    def ring_number(number: str, *, flows: str = "", **scenario_keys: Any) -> RehearsedCall:  # noqa: ANN401 - as a scenario's keys
        return ring(flows or load_settings().flows, number, **scenario_keys)

    return ring_number
