"""The examples of the page about the client run against the stand-in as they are."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from callflows.stand_in.stand_in_options import StandInNumber, StandInOptions
from doc_pages import DOCS, read_blocks

sys.path.insert(0, str(Path(__file__).parents[1] / "setup"))
from test_connect_with_stand_in import in_a_thread

PAGE = (DOCS / "opentact-client.md").read_text(encoding="utf-8")
EXAMPLES = [block for block in read_blocks(PAGE) if block.language == "python"]


@pytest.fixture(scope="module")
def stand_in():
    numbers = (StandInNumber(number="+12015550123"), StandInNumber(number="+12015550124"))
    with in_a_thread(StandInOptions(numbers=numbers)) as there:
        yield there


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: f"line-{example.line}")
def test_an_example_of_the_page_runs(example, stand_in, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CALLFLOWS_OPENTACT_URL", stand_in.rest_url)
    monkeypatch.setenv("CALLFLOWS_OPENTACT_EVENTS_URL", stand_in.events_url)
    monkeypatch.setenv("CALLFLOWS_OPENTACT_TOKEN", stand_in.platform.options.token)
    exec(compile(example.text, "example.py", "exec"), {"__name__": "__main__"})  # noqa: S102 - our own page
    assert capsys.readouterr().out


def test_the_errors_that_the_page_names_exist():
    from callflows import errors  # noqa: PLC0415 - looked up by name

    names = set(re.findall(r"`(Opentact\w*Error)`", PAGE))
    assert len(names) >= 5
    assert [name for name in names if not hasattr(errors, name)] == []
