"""The cheap faults of ``fault_suite.py``, one after another on one server, each for a moment."""

from __future__ import annotations

import sys

import pytest

if sys.platform != "linux":
    pytest.skip("limits of another process can be set on Linux only", allow_module_level=True)

from fault_suite import FAULTS
from faulty_server import FaultyServer


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    server = FaultyServer(tmp_path_factory.mktemp("faults"))
    yield server
    server.close()


@pytest.mark.parametrize(
    "name",
    ["a program raises", "a lookup hangs", "the database is locked", "the disk is full", "the flow folder is deleted"],
)
def test_every_call_gets_a_document_and_nothing_acknowledged_is_lost(server, name):
    fault = FAULTS[name]
    assert fault.is_felt is not None
    figures = server.measure(fault.break_it, 0.4, fault.is_felt)
    assert figures.asked > 3
    assert figures.broken == ()
    assert (figures.unreached, figures.lost, figures.doubled) == (0, 0, 0)
