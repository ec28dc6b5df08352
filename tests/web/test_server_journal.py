"""A server records its calls, and answers them also if it cannot record them."""

from __future__ import annotations

import json
import socket
import sqlite3

from in_process_server import CALL_FIELDS
from test_serve_process import ASKED, TOKEN, serving

from command_process import run_callflows
from waiting import wait_until


def journal_of(http):
    return http.get("/readyz").json()["journal"]


def until(true):
    wait_until(true, "the journal")


def log_of(folder, *arguments, check=True, **environment):
    return run_callflows("log", "--format", "json", *arguments, cwd=folder, env=environment, check=check)


def told(folder, *arguments, **environment):
    return json.loads(log_of(folder, *arguments, **environment).stdout)


def test_the_calls_of_a_server_are_in_its_log(tmp_path):
    with serving(tmp_path, token=TOKEN) as served:
        served.http.get("/call", params={**ASKED, "call": "one"})
        flows = served.http.get("/readyz").json()["flows"]
        # Besides the call, the version of each flow that became live is written.
        until(
            lambda: f'callflows_journal_entries_total{{result="written"}} {flows + 1}.0' in served.http.get("/metrics").text
        )
        assert journal_of(served.http) == {"database": "ok", "waiting": 0, "spooled_bytes": 0, "dropped": 0}
    (row,) = told(tmp_path)
    assert (row["id"], row["from"], row["flow"], row["outcome"]) == ("one", CALL_FIELDS["from"], "desk", "unreported")
    story = told(tmp_path, "one")
    assert [entry["what"] for entry in story["story"]] == ["asked", "answered"]
    assert TOKEN not in json.dumps(story)


def test_without_a_database_calls_are_answered_and_remembered_when_it_is_back(tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    place = tmp_path / "taken"
    place.touch()
    url = f"sqlite:///{place}/journal.db"
    with serving(tmp_path, token=TOKEN, database_url=url, data=str(data)) as served:
        assert served.http.get("/call", params={**ASKED, "call": "one"}).status_code == 200
        until(lambda: journal_of(served.http)["spooled_bytes"])
        ready = served.http.get("/readyz")
        assert ready.status_code == 200
        assert ready.json()["journal"]["database"] == "gone"
        place.unlink()
        until(lambda: journal_of(served.http)["database"] == "ok" and not journal_of(served.http)["spooled_bytes"])
    assert [row["id"] for row in told(tmp_path, CALLFLOWS_DATABASE_URL=url)] == ["one"]
    assert "the database is gone" in served.log.read_text()


def test_a_database_that_is_locked_for_long_makes_no_caller_wait(tmp_path):
    with serving(tmp_path, token=TOKEN) as served:
        served.http.get("/call", params={**ASKED, "call": "one"})
        until(lambda: journal_of(served.http)["database"] == "ok")
        other = sqlite3.connect(tmp_path / "data" / "callflows.db", isolation_level=None)
        other.execute("BEGIN EXCLUSIVE")
        for number in range(50):
            reply = served.http.get("/call", params={**ASKED, "call": f"call-{number}"}, timeout=2)
            assert reply.status_code == 200
        other.execute("ROLLBACK")
        other.close()
        until(lambda: not journal_of(served.http)["waiting"] and not journal_of(served.http)["spooled_bytes"])
    assert len(told(tmp_path)) == 51


def test_a_postgresql_that_takes_connections_and_never_answers_holds_up_nobody(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"postgresql://user:secret@127.0.0.1:{silent.getsockname()[1]}/calls"
        with serving(tmp_path, token=TOKEN, database_url=url) as served:
            for number in range(20):
                reply = served.http.get("/call", params={**ASKED, "call": f"call-{number}"}, timeout=2)
                assert reply.status_code == 200
            for number in range(20):
                event = {"uuid": f"event-{number}", "type": "balance", "created_on": "2026-11-24T10:00:00Z", "payload": {}}
                assert served.http.post("/webhook", params={"token": TOKEN}, json=event).status_code == 200
            until(lambda: journal_of(served.http)["spooled_bytes"])
        spooled = [line for file in (tmp_path / "data").glob("*.spool") for line in file.read_text().splitlines()]
        done = log_of(tmp_path, check=False, CALLFLOWS_DATABASE_URL=url)
    assert sum('"events"' in line for line in spooled) == 20
    assert done.returncode == 2
    assert done.stderr.startswith("callflows: postgresql://user:***@127.0.0.1:")
    assert "cannot be read: connection timeout expired" in done.stderr


def test_two_workers_share_a_journal(tmp_path):
    with serving(tmp_path, token=TOKEN, workers="2") as served:
        for number in range(40):
            served.http.get("/call", params={**ASKED, "call": f"call-{number}"})
    assert len(told(tmp_path)) == 40
