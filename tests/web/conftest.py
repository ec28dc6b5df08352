from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def _isolated_data_folder(monkeypatch, tmp_path_factory):
    """A server that a test makes has a journal of its own."""
    monkeypatch.setenv("CALLFLOWS_DATA", str(tmp_path_factory.mktemp("data")))
