"""For pytest: the fixture ``rehearse`` rings the flows of ``callflows/``, or of the folder in the settings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.testing.calls import Call


@pytest.fixture(scope="session")
def rehearse() -> Callable[..., Call]:
    """Ring a number: ``rehearse("+12015550123", keys="1")``; with ``flows="folder"`` those of another folder."""
    from app.settings import load  # noqa: PLC0415 - only where it is used
    from app.testing.calls import rehearse as ring  # noqa: PLC0415 - heavy

    def rung(number: str, *, flows: str = "", **said: Any) -> Call:  # noqa: ANN401 - as a scenario's keys
        return ring(flows or load().flows, number, **said)

    return rung
