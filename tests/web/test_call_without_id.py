"""With GET, a request has no call id: the tickets of a call identify it by its start."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from in_process_server import DESK, MONDAY, InProcessServer, list_spoken_texts

from callflows.journal.journal_rows import build_journal_entries
from callflows.journal.sql_store import SqlStore
from callflows.journal.stored_rows import CallFilter
from callflows.web.repeated_calls import CallsWithoutId

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


COUNTING = """
numbers: [+12015550123, +12015550124]
nodes: {start: [say: "{{ caller.calls_today }}"]}
"""


def test_a_repeated_first_request_is_one_call_in_the_count_of_the_day(tmp_path):
    now = [MONDAY]
    door = InProcessServer(tmp_path, COUNTING, clock=lambda: now[-1])

    def ring(**fields: str) -> str:
        return list_spoken_texts(door.read_call_document(**fields))[0]

    spellings = ["+12015550999", "12015550999", "+1 201 555 0999"]
    assert [ring(**{"from": spelling}) for spelling in spellings] == ["1", "1", "1"]
    assert ring(to="+12015550124") == "2"
    assert ring(**{"from": "+12015550998"}) == "1"
    now.append(now[-1] + timedelta(seconds=29))
    assert ring() == "1"
    now.append(now[-1] + timedelta(seconds=31))
    assert ring() == "3"
    assert ring(call="a") == "4"
    assert ring(call="b") == "5"


def test_processes_that_share_a_database_give_a_repeated_call_one_id():
    calls = [CallsWithoutId().identify_call("+12015550999", "+12015550123", at) for at in (60.0, 89.9, 91.0)]
    assert calls[0] == calls[1] != calls[2]
    others = {CallsWithoutId().identify_call(caller, number, 60.0) for caller, number in [("+1", "+2"), ("+2", "+1")]}
    assert len({*others, *calls}) == 4
