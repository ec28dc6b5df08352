"""Signed URLs, used and abused."""

from __future__ import annotations

import json
import re
import time
from base64 import urlsafe_b64decode

import pytest
from hypothesis import given
from hypothesis import strategies as st
from in_process_server import (
    CALL_FIELDS,
    DESK,
    SAMPLES,
    InProcessServer,
    is_apology,
    is_fallback,
    list_callback_urls,
    list_spoken_texts,
    read_document,
    send_asgi_request,
)

from callflows.boot_clock import read_boot_seconds
from callflows.errors import ForgedTicketError
from callflows.flows import tickets
from callflows.flows.tickets import TICKET_LIFETIME_SECONDS, TicketSigner

OTHER = DESK.replace("12015550123", "12015550124").replace("desk", "counter")


@pytest.fixture
def door(tmp_path) -> InProcessServer:
    return InProcessServer(tmp_path, {"desk": DESK, "counter": OTHER})


@pytest.fixture
def url(door) -> str:
    (url, *_) = list_callback_urls(door.send_request())
    return url


def ticket(url: str) -> str:
    return url.partition("ticket=")[2].partition("&")[0]


def carried(url: str) -> dict:
    state = ticket(url).split(".")[1]
    return json.loads(urlsafe_b64decode(state + "==")) if state else {}


def test_a_ticket_leads_on(door, url):
    assert list_spoken_texts(read_document(door.send_request(url)))[0] == "Press 1."


def test_a_ticket_leads_on_with_what_opentact_appends(door, url):
    asked = f"{url}&dtmf=1&from=%2B12015550777&tn=12015550123&state=live&sca=app&call=uuid"
    assert list_spoken_texts(read_document(door.send_request(asked))) == list_spoken_texts(
        read_document(door.send_request(url))
    )


def test_a_ticket_leads_on_by_post_with_a_body(door, url):
    body = (SAMPLES / "call.json").read_bytes()
    assert list_spoken_texts(read_document(door.send_request(url, method="POST", content=body)))[0] == "Press 1."


def test_a_ticket_alone_opens_the_rest_of_a_call(tmp_path):
    door = InProcessServer(tmp_path, token=["t"])
    (url, *_) = list_callback_urls(door.send_request(client="203.0.113.9", params={**CALL_FIELDS, "token": "t"}))
    assert "token" not in url
    assert read_document(door.send_request(url, client="203.0.113.9"))


@pytest.mark.parametrize(
    "forged",
    [
        "",
        "x",
        ".",
        "..",
        "...",
        "0..",
        "7fffffff..AAAA",
        "%00",
        "%F0%9F%98%80",
        "%ED%A0%80.x.y",
        "x" * 50_000,
        "zz.e30.x",
        "-1.e30.x",
    ],
)
def test_a_forged_ticket_is_refused(door, forged):
    assert send_asgi_request(door.app, path="/call/desk/menu", query_string=f"ticket={forged}".encode())[0] == 403


def test_an_altered_ticket_is_refused_wherever_it_is_altered(door, url):
    good = ticket(url)
    for at in range(len(good)):
        other = "Q" if good[at] != "Q" else "g"
        altered = f"ticket={good[:at]}{other}{good[at + 1 :]}"
        assert send_asgi_request(door.app, path="/call/desk/menu", query_string=altered.encode())[0] == 403, (
            f"at {at}: {altered}"
        )


def test_a_shortened_or_lengthened_ticket_is_refused(door, url):
    good = ticket(url)
    for altered in (good[:-1], good[1:], good + "A", f"{good}.", f".{good}", good.upper()):
        assert door.send_request(url.replace(good, altered)).status_code == 403


def test_a_ticket_for_another_node_or_another_flow_is_refused(door, url):
    assert door.send_request(url.replace("/desk/menu", "/desk/end")).status_code == 403
    assert door.send_request(url.replace("/desk/menu", "/counter/menu")).status_code == 403
    assert door.send_request(url.replace("/desk/menu", "/desk/start")).status_code == 403
    assert door.send_request(url.replace("/desk/", "/DESK/")).status_code == 403


def test_names_that_run_together_do_not_make_a_ticket_good_elsewhere():
    signer = TicketSigner([b"k"])
    made = signer.sign_ticket("a/bc")
    for place in ("ab/c", "a/b", "a/bcd", "/abc"):
        with pytest.raises(ForgedTicketError):
            signer.read_ticket(place, made)


def test_a_ticket_of_another_installation_is_refused(tmp_path, url):
    stranger = InProcessServer(tmp_path, secret_keys=["another key"])
    assert stranger.send_request(url).status_code == 403


def test_a_ticket_signed_with_an_older_key_is_still_good_and_new_ones_have_the_newest(tmp_path):
    old = InProcessServer(tmp_path, secret_keys=["old"])
    both = InProcessServer(tmp_path, secret_keys=["new", "old"])
    new = InProcessServer(tmp_path, secret_keys=["new"])
    (url, *_) = list_callback_urls(old.send_request())
    assert read_document(both.send_request(url))
    assert new.send_request(url).status_code == 403
    (url, *_) = list_callback_urls(both.send_request())
    assert read_document(new.send_request(url))
    assert old.send_request(url).status_code == 403


# Time


def test_a_ticket_is_good_for_a_day(door, url, monkeypatch):
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + TICKET_LIFETIME_SECONDS - 60)
    assert list_spoken_texts(read_document(door.send_request(url)))[0] == "Press 1."


def pass_time(monkeypatch, seconds):
    now, booted = time.time(), read_boot_seconds()
    monkeypatch.setattr(time, "time", lambda: now + seconds)
    monkeypatch.setattr(tickets, "clock_gettime", lambda _id: booted + seconds)


def test_a_ticket_that_is_too_old_gets_the_fallback_of_the_flow_and_a_warning(door, url, monkeypatch):
    pass_time(monkeypatch, TICKET_LIFETIME_SECONDS + 60)
    assert is_fallback(door.send_request(url))
    warnings = [line for line in door.read_log_lines() if line["level"] == "warning"]
    assert any(line.get("cause") == "ExpiredTicketError" for line in warnings)


def test_a_ticket_of_a_process_whose_clock_is_a_little_ahead_is_good(door, url, monkeypatch):
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now - 120)
    assert list_spoken_texts(read_document(door.send_request(url)))[0] == "Press 1."


@pytest.mark.parametrize("days", [-20_000, -400, -2, 2, 400, 20_000])
def test_a_call_goes_on_where_the_clock_of_the_machine_is_set_meanwhile(days, door, url, monkeypatch):
    """It began in 1970 and the clock is right now, or it was the other way round."""
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + days * 86_400)
    (again, *_) = list_callback_urls(door.send_request(url))
    assert list_spoken_texts(read_document(door.send_request(url)))[0] == "Press 1."
    monkeypatch.setattr(time, "time", lambda: now)
    assert not is_fallback(door.send_request(again))


def test_a_ticket_of_an_earlier_start_of_the_machine_is_judged_by_the_clock(door, url, monkeypatch):
    monkeypatch.setattr(tickets, "_TICKET_CLOCK_START", tickets._TICKET_CLOCK_START + 2**31)  # noqa: SLF001 - another start
    assert list_spoken_texts(read_document(door.send_request(url)))[0] == "Press 1."
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + TICKET_LIFETIME_SECONDS + 60)
    assert is_fallback(door.send_request(url))


# What has changed since


def test_a_ticket_of_another_version_leads_to_the_start_of_its_node(door, url):
    (door.folder / "desk.yaml").write_text(DESK.replace("Press 1.", "Press 1 now."), encoding="utf-8")
    door.flow_versions.book = door.load_flows().book
    assert list_spoken_texts(read_document(door.send_request(url)))[0] == "Press 1 now."


def test_a_ticket_whose_node_is_gone_gets_the_fallback_of_the_flow_and_a_warning(door, url):
    gone = DESK.replace("menu:\n", "choices:\n", 1).replace("goto: menu", "goto: choices").replace("1: menu", "1: choices")
    (door.folder / "desk.yaml").write_text(gone, encoding="utf-8")
    door.flow_versions.book = door.load_flows().book
    assert is_fallback(door.send_request(url))
    assert "warning" in [line["level"] for line in door.read_log_lines()]


def test_a_ticket_whose_flow_is_gone_gets_the_apology(door, url):
    (door.folder / "desk.yaml").unlink()
    door.flow_versions.book = door.load_flows().book
    assert is_apology(door.send_request(url))


def test_an_attempt_that_another_version_had_is_the_start_of_the_menu_now(tmp_path):
    big = "x" * 3000
    menu = (
        "numbers: rest\nnodes:\n  start:\n    - menu:\n        prompt: [First., Second., Third.]\n        keys:\n"
        + "".join(f"          {key}: n{key}\n" for key in range(8))
        + "".join(f"  n{key}: [say: {key}{big}]\n" for key in range(8))
        + "fallback: [say: The desk is sorry.]\n"
    )
    door = InProcessServer(tmp_path, menu)
    second = list_callback_urls(door.send_request())[-1]
    assert list_spoken_texts(read_document(door.send_request(second)))[0] == "Second."
    (door.folder / "desk.yaml").write_text(menu.replace("Third.", "3."), encoding="utf-8")
    door.flow_versions.book = door.load_flows().book
    assert list_spoken_texts(read_document(door.send_request(second)))[0] == "First."


# What a ticket carries


def test_a_ticket_carries_what_later_nodes_use_and_nothing_else(door):
    url = list_callback_urls(door.send_request(method="POST", content=(SAMPLES / "call.json").read_bytes()))[0]
    assert carried(url)["t"] == {"from": "+12015550999"}


def test_a_ticket_carries_the_name_where_a_later_node_speaks_it(tmp_path):
    door = InProcessServer(tmp_path, DESK.replace("caller.national", "caller.name"))
    url = list_callback_urls(door.send_request(method="POST", content=(SAMPLES / "call.json").read_bytes()))[0]
    assert carried(url)["t"] == {"name": "WIRELESS CALLER"}
    assert (
        list_spoken_texts(read_document(door.send_request(f"{url}&from=%2B12015550777")))[-1] == "Goodbye WIRELESS CALLER."
    )


@pytest.mark.parametrize("written", ["{{ caller['name'] }}", "{% set c = caller %}{{ c.name }}"])
def test_a_name_that_a_later_node_looks_at_in_another_way_is_carried_too(tmp_path, written):
    door = InProcessServer(tmp_path, DESK.replace("Goodbye {{ caller.national }}.", f'"Goodbye {written}."'))
    url = list_callback_urls(door.send_request(method="POST", content=(SAMPLES / "call.json").read_bytes()))[0]
    assert list_spoken_texts(read_document(door.send_request(url)))[-1] == "Goodbye WIRELESS CALLER."


def test_what_was_signed_wins_over_what_a_later_request_says(door, url):
    assert (
        list_spoken_texts(read_document(door.send_request(f"{url}&from=%2B12015550777&name=Mallory")))[-1]
        == "Goodbye (201) 555-0999."
    )


def test_whether_the_app_answers_by_itself_is_remembered_where_the_line_is_not_answered(tmp_path):
    chain = "".join(f"  n{i}: [goto: n{i + 1}]\n" for i in range(30))
    door = InProcessServer(tmp_path, f"numbers: rest\nnodes:\n  start: [goto: n0]\n{chain}  n30: [say: Hello.]\n")
    for told, answers in ((True, False), (False, True)):
        (url, *_) = list_callback_urls(door.send_request(method="POST", json={"sip_control_app": {"auto_answer": told}}))
        assert ("<Answer/>" in door.send_request(url).text) is answers
    (url, *_) = list_callback_urls(door.send_request())
    assert "<Answer/>" in door.send_request(url).text


def test_a_ticket_uses_no_parameter_that_opentact_uses(url):
    query = url.partition("?")[2]
    names = re.findall(r"(?:^|&)([^=&]+)=", query)
    assert names == ["ticket"]


def test_a_call_with_the_longest_of_everything_goes_on(tmp_path):
    door = InProcessServer(
        tmp_path, DESK.replace("caller.national", "caller.name }}{{ call.id }}{{ call.app }}{{ caller.national")
    )
    long = "\N{GRINNING FACE}" * 10_000
    body = {"from": long, "meta": {"cid_name": long}, "uuid": long, "sip_control_app": {"uuid": long}}
    reply = door.send_request(method="POST", params={"to": "12015550123"}, json=body)
    assert read_document(reply)


@given(st.text(max_size=60), st.text(max_size=60))
def test_no_ticket_that_was_not_signed_can_be_read(place, made_up):
    with pytest.raises(ForgedTicketError):
        TicketSigner([b"k"]).read_ticket(place, made_up)


@pytest.mark.parametrize("seconds", [600, 7200, 12 * 3600])
def test_a_clock_that_is_set_back_does_not_end_the_calls_that_are_running(door, url, monkeypatch, seconds):
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now - seconds)
    assert list_spoken_texts(read_document(door.send_request(url)))[0] == "Press 1."
