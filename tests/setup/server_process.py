"""``callflows serve`` with one flow, for tests that ask it from outside."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from command_process import build_environment, run_serve

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextlib.contextmanager
def run_server_of_flow(folder: Path, flow: str, **settings: str) -> Iterator[str]:
    """Yield the URL of a server with one flow."""
    (folder / "callflows").mkdir()
    (folder / "callflows" / "desk.yaml").write_text(flow)
    with run_serve(folder, env=build_environment(**settings)) as (_, url):
        yield url
