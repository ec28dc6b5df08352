"""With GET, a request has no call id: the tickets of a call identify it by its start."""

from __future__ import annotations

import re

import pytest
from in_process_server import DESK, InProcessServer

from callflows.journal.journal_rows import build_journal_entries
from callflows.journal.sql_store import SqlStore
from callflows.journal.stored_rows import CallFilter

NOBODY = {"from": "anonymous", "to": "12015550123"}


def back(reply):
    return re.findall(r'(?:url|callback)="([^"]*/call/[^"]*)"', reply.text)[-1].replace("&amp;", "&")


@pytest.mark.parametrize("dialect", ["reference", "classic"])
def test_calls_of_callers_who_withhold_their_number_stay_apart_over_many_turns(tmp_path, dialect):
    answers, pressed = [], "&code=1" if dialect == "classic" else "&dtmf=1&from=anonymous&tn=12015550123"
    door = InProcessServer(tmp_path, DESK.replace("nodes:", f"dialect: {dialect}\nnodes:"), record_answer=answers.append)
    one, other = door.send_request(params=NOBODY), door.send_request(params=NOBODY)
    for _ in range(2):
        one, other = (door.send_request(f"{back(reply)}{pressed}") for reply in (one, other))
    door.send_request(f"{back(one)}{pressed}&call=one")
    store = SqlStore(f"sqlite:///{tmp_path}/journal.db")
    store.open()
    for answer in answers:
        store.write_entries(build_journal_entries(answer))
    assert sorted((row["id"].partition("-")[0], row["turns"], row["flow"]) for row in store.list_calls(CallFilter())) == [
        ("one", 4, "desk"),
        ("ours", 3, "desk"),
    ]
    assert all("began" not in str(store.load_call(row["id"])) for row in store.list_calls(CallFilter()))
    store.close()


def test_a_call_whose_uuid_is_told_carries_nothing_of_ours(tmp_path):
    door = InProcessServer(tmp_path)
    known, unknown = (len(back(door.send_request(params={**NOBODY, **more}))) for more in ({"call": "one"}, {}))
    assert known < unknown
