"""What authors of Python flows import from callflows."""

from __future__ import annotations

import sys

import pytest

import callflows
from callflows import language
from callflows.flows.python_flow import flow
from callflows.telephony.turn import Turn
from waiting import run_process


def test_everything_of_the_language_and_what_a_python_flow_needs_is_there():
    assert {name: getattr(callflows, name) for name in callflows.__all__} == {
        **{name: getattr(language, name) for name in language.__all__},
        "Turn": Turn,
        "flow": flow,
    }


def test_a_star_brings_all_names():
    names: dict[str, object] = {}
    exec("from callflows import *", names)  # noqa: S102 - as an author writes it
    assert set(callflows.__all__) <= names.keys()


def test_a_name_that_is_not_there_is_an_import_error():
    with pytest.raises(ImportError, match="Sey"):
        exec("from callflows import Sey")  # noqa: S102 - as an author writes it


def test_the_pytest_plugin_loads_nothing_of_callflows_before_it_is_used():
    code = "import sys, callflows.testing.pytest_plugin; print(*sorted(sys.modules))"
    loaded = run_process([sys.executable, "-c", code], check=True).stdout.split()
    assert [name for name in loaded if name.startswith("callflows")] == [
        "callflows",
        "callflows.testing",
        "callflows.testing.pytest_plugin",
    ]
    assert not {"lxml", "pydantic", "jinja2", "yaml", "httpx"}.intersection(loaded)
