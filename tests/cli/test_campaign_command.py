"""``callflows campaign``: what is shown before anybody is called."""

from __future__ import annotations

import json

import pytest
from command_runner import run_command

NUMBER = "+12015550123"
PROFILE = "0532f383-4c97-4935-8747-227c77ed108c"
FLOW = """numbers: +12015550123
receives: [first_name, town]
nodes:
  start:
    - say: Hello {{ first_name }}.
"""
PEOPLE = "phone,First name,shoe size\n+12015550901,Ann,39\n+12015550902,Ben,44\n+19005550000,Premium,0\n"
CREATE = ("campaign", "create", "hello", "--flow", "desk", "--list", "people.csv", "--from", NUMBER)


@pytest.fixture(autouse=True)
def installation(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "callflows").mkdir()
    (tmp_path / "callflows" / "desk.yaml").write_text(FLOW)
    (tmp_path / "people.csv").write_text(PEOPLE)


def test_a_campaign_is_shown_before_anybody_is_called():
    done = run_command(*CREATE, "--profile", PROFILE, "--attempts", "2", "--retry", "30m")
    assert done.code == 0, done.err
    lines = done.out.splitlines()
    assert lines[0] == f"campaign hello: call 2 number(s) from {NUMBER} with the flow desk"
    assert lines[1] == "each until somebody answers, at most 2 time(s), 0.5 h apart"
    assert "texts see first_name" in lines
    assert "the list has no column town, which the flow receives: it is empty" in lines
    assert "the flow receives no shoe_size: to use a column, write receives: [shoe_size] in its file" in lines
    assert lines[-1] == "nobody was called yet; to begin: callflows campaign run hello"
    assert "+19005550000 is not called" in done.err
    dry = run_command("campaign", "run", "hello", "--dry-run")
    assert (dry.code, "“Hello Ann.”" in dry.out) == (0, True)
    report = run_command("campaign", "report", "hello", "--format", "json")
    assert [(row["number"], row["state"], row["first_name"]) for row in json.loads(report.out)] == [
        ("+12015550901", "waiting", "Ann"), ("+12015550902", "waiting", "Ben")
    ]  # fmt: skip
    assert run_command("campaign", "cancel", "hello").out == "2 number(s) of hello will not be called\n"
    assert "2 cancelled" in run_command("campaign", "list").out


def test_a_forgotten_number_is_called_by_no_campaign():
    run_command(*CREATE, "--profile", PROFILE)
    assert run_command("forget", "+12015550901", "--yes").code == 0
    dry = run_command("campaign", "run", "hello", "--dry-run").out
    assert dry.startswith(f"campaign hello: call 1 number(s) from {NUMBER}")
    assert "+12015550902, who answers" in dry
    assert "2015550901" not in run_command("campaign", "report", "hello").out


def test_nothing_starts_without_a_confirmation_or_a_server():
    run_command(*CREATE, "--profile", PROFILE)
    done = run_command("campaign", "run", "hello", "--yes")
    assert (done.code, "CALLFLOWS_PUBLIC_URL is not set" in done.err) == (1, True)
    again = run_command(*CREATE, "--profile", PROFILE)
    assert (again.code, "there is a campaign hello already" in again.err) == (2, True)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (("--flow", "dask"), "there is no valid flow 'dask' in callflows/ (did you mean 'desk'?)"),
        (("--retry", "1m"), "--retry: '1m' is no time of at least 5m"),
        (("--hours", "20:00-09:00"), "--hours: '20:00-09:00' is no window of a day"),
        (("--zone", "Nowhere"), "'Nowhere' is not a time zone"),
        (("--list", "nobody.csv"), "nobody.csv: No such file"),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_stored(changed, said):
    done = run_command(*CREATE, "--profile", PROFILE, *changed)
    assert done.code > 0
    assert said in done.err
    assert run_command("campaign", "list").out == ""
