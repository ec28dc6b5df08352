"""Endless calls and wrong answers end with a reason, and no call goes on for ever."""

from __future__ import annotations

import gzip
import socket
from datetime import UTC, datetime

import pytest
from interpreter_cases import CASE_TIME, InterpreterCase, PageNetwork, build_interpreter

from callflows.language.xml_writer import MAX_DOCUMENT_BYTES
from callflows.rehearsal import call_state, interpreter
from callflows.rehearsal.call_parties import ActionWindow, CallerHangUp, KeyInput
from callflows.rehearsal.platform_network import HttpNetwork
from callflows.rehearsal.rehearsed_call import Rehearsal
from callflows.rehearsal.scripted_parties import ScriptedCaller, parse_caller_script
from each_case import each_case
from plain_http_server import StaticPage, serve_pages
from waiting import run_bounded

END = "<Response><Hangup/></Response>"


def played(document, pages=(), **given):
    case = InterpreterCase("", {name.replace("_", "-"): value for name, value in given.items()}, document.encode(), {}, "")
    network = PageNetwork({f"https://a.test/{path}": (200, page.encode()) for path, page in dict(pages).items()})
    return run_bounded(build_interpreter(case, network=network).run_from_document(case.document))


def going(path, more=""):
    return f'<Response>{more}<Callback url="https://a.test/{path}?n=1"/></Response>'


# Loops


def test_documents_that_lead_to_each_other_are_named_in_their_order():
    told = played(going("menu"), {"menu": going("sales"), "sales": going("menu", "<Say>Again.</Say>")})
    assert told.outcome == "loop"
    assert told.error == "200 documents: they lead in a circle, sales -> menu -> sales (a loop?)"


def test_a_document_that_leads_to_itself_is_named():
    assert played(going("me"), {"me": going("me")}).error == "200 documents: they lead in a circle, me -> me (a loop?)"


def test_a_long_loop_is_named_by_its_first_dozen():
    pages = {f"p{i}": going(f"p{(i + 1) % 30}") for i in range(30)}
    told = played(going("p0"), pages)
    assert told.outcome == "loop"
    assert told.error.count("->") == 11


def test_a_menu_that_asks_for_itself_is_a_loop_as_long_as_somebody_presses_keys():
    class Presses(ScriptedCaller):
        async def choose_action(self, window):
            assert window.kind == "keys"
            return KeyInput("1")

    menu = '<Response><Gather dtmf_length="1" url="https://a.test/menu"/><Hangup/></Response>'
    case = InterpreterCase("", {}, menu.encode(), {}, "")
    line = build_interpreter(case, network=PageNetwork({"https://a.test/menu": (200, menu.encode())}))
    line.caller = Presses()
    told = run_bounded(line.run_from_document(case.document))
    assert (told.outcome, told.error) == ("loop", "200 documents: they lead in a circle, menu -> menu (a loop?)")


def test_steps_without_end_are_a_loop_that_is_named():
    told = played('<Response><Say>Hi.</Say><Gather numDigits="1" timeout="0" attempts="9999999999"/></Response>')
    assert told.outcome == "loop"
    assert told.error == f"{call_state.MAX_CALL_STEPS} steps, the last in Gather[1]; in the document (a loop?)"
    assert len(told.steps) <= call_state.MAX_CALL_STEPS + 1


def test_a_menu_that_repeats_a_long_prompt_ends_by_its_time():
    told = played(
        '<Response><Gather numDigits="1" timeout="80000000" attempts="99"><Play>https://a.test/a.wav</Play></Gather></Response>'
    )
    assert told.outcome == "loop"
    assert told.error == "168 hours, the last in Gather[0].Play[0]; in the document (a loop?)"
    assert len(told.steps) < 30


@each_case(
    ("verb", "hours"),
    [
        ('<Say loop="9999999999">1234567890</Say>', "1,666,667"),
        ('<Play loop="9999999999">https://a.test/a.wav</Play>', "13,888,889"),
        ('<Pause length="9999999999"/>', "2,778"),
        ('<Pause length="9999999999" dtmf_stop="#"/>', "2,778"),
        ('<Hold timeout="9999999999"/>', "2,778"),
        ('<Tone don="9999999999" doff="9999999999" loop="9999999999" timeout="9999999999"/>', "2,778"),
        ('<Answer delay="9999999999"/>', "2,778"),
        ('<Gather numDigits="1" timeout="9999999999"/>', "2,778"),
        ('<Record><Pause length="9999999999"/></Record>', "2,778"),
    ],
)
def test_a_command_of_months_is_named_and_nobody_waits_for_it(verb, hours):
    told = played(f"<Response>{verb}<Hangup/></Response>")
    assert told.outcome == "loop"
    assert told.error.endswith(f"would last {hours} hours, and a command is waited for 24")
    assert told.seconds == 0


def test_a_ringing_of_months_that_somebody_takes_is_none():
    document = '<Response><Dial timeout="9999999999"><To>1</To></Dial><Hangup/></Response>'
    assert played(document).outcome == "hung-up"
    assert played(document, callee="no-answer").outcome == "loop"


def test_a_voicemail_of_a_day_is_no_loop():
    voicemail = '<Response><Record><Pause length="86400000" dtmf_stop="#"/></Record><Say>Thanks.</Say><Hangup/></Response>'
    assert played(voicemail).outcome == "hung-up"
    assert played(voicemail, keys="wait 23h; hangup").outcome == "caller-hung-up"


def test_what_ends_is_no_loop_however_long_it_is():
    most = interpreter.MAX_CALL_DOCUMENTS
    pages = {f"p{i}": going(f"p{i + 1}") for i in range(most - 2)} | {f"p{most - 2}": END}
    assert played(going("p0"), pages).outcome == "hung-up"
    assert played(f"<Response>{'<Say>Hi.</Say>' * 4900}<Hangup/></Response>").outcome == "hung-up"


# What is wrong from the first answer on


def rung(url, method="POST", patience=10.0, *, reaches=True):
    async def ring():
        async with HttpNetwork(allow_external=reaches, base_url=url) as web:
            return await Rehearsal(number="+12015550123", url=url, method=method, timeout=patience).run(web)

    return run_bounded(ring())


FATE = "; Opentact does not document what the caller hears then, perhaps silence"


@each_case(
    ("page", "said"),
    [
        (StaticPage("<Response/>", 500), "the status is 500"),
        (StaticPage("Forbidden", 403), "the status is 403"),
        (StaticPage(END, 304), "the status is 304"),
        (
            StaticPage("<html><body>It works!</body></html>"),
            "the document cannot be read: line 1: the root is <html>",
        ),
        (StaticPage(""), "the document cannot be read: line 1: empty: there is nothing in it"),
        (StaticPage(" \n"), "the document cannot be read: line 2: empty"),
        (StaticPage("", 204), "the document cannot be read: line 1: empty"),
        (StaticPage("{}"), "the document cannot be read: line 1: not well-formed"),
        (
            StaticPage("<Response><Say>" + "a" * MAX_DOCUMENT_BYTES + "</Say></Response>"),
            f"the answer has over {MAX_DOCUMENT_BYTES} bytes",
        ),
        (StaticPage('<!DOCTYPE x [<!ENTITY y "z">]><Response/>'), "the document cannot be read: line 1: entities"),
        (StaticPage(END, delay_seconds=20.0), "there was no answer within 0.5 s"),
    ],
)
@each_case("method", ["GET", "POST"])
def test_a_first_answer_that_is_none_is_an_error_that_says_what_a_caller_meets(page, said, method):
    with serve_pages({"/call": page}) as there:
        told = rung(f"{there.url}/call", method, patience=0.5 if page.delay_seconds else 10.0)
    assert told.outcome == "error"
    assert told.error.startswith(f"{method} {there.url}/call: {said}")
    assert told.error.endswith(FATE)
    assert told.steps == []
    assert told.requests[0].error in told.error


def test_nobody_there_is_an_error():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        told = rung(f"http://127.0.0.1:{free.getsockname()[1]}/call")
    assert told.outcome == "error"
    assert "ConnectError" in told.error
    assert told.requests[0].status == 0


@pytest.mark.parametrize("url", ["http://[x/call", "ftp://a.test/", "call", "http://", "http://a.test:99999/"])
def test_what_is_no_url_is_an_error_and_not_a_crash(url):
    for reaches in (True, False):
        assert rung(url, reaches=reaches).outcome == "error"


def test_a_bomb_that_unpacks_is_too_long():
    bomb = StaticPage(gzip.compress(b" " * 50_000_000), headers={"content-encoding": "gzip"})
    with serve_pages({"/call": bomb}) as there:
        assert f"the answer has over {MAX_DOCUMENT_BYTES} bytes" in rung(f"{there.url}/call").error


def test_redirects_are_followed_also_to_another_host_and_not_for_ever():
    with serve_pages({"/": END}) as other, serve_pages({}) as there:
        there.pages |= {
            "/a": StaticPage("", 302, redirect_url="/b"),
            "/b": StaticPage("", 307, redirect_url=other.url + "/"),
            "/round": StaticPage("", 302, redirect_url="/round"),
        }
        told = rung(f"{there.url}/a", "GET")
        assert told.outcome == "hung-up"
        assert [r.target for r in other.requests] == ["/"]
        assert "more than 5 redirects" in rung(f"{there.url}/round").error
        assert len(there.requests) == 2 + 6


def test_a_redirect_keeps_the_method_and_the_body_as_http_has_it():
    with serve_pages({"/end": END}) as there:
        there.pages |= {f"/{status}": StaticPage("", status, redirect_url="/end") for status in (301, 302, 303, 307, 308)}
        for status, method in [(301, "GET"), (302, "GET"), (303, "GET"), (307, "POST"), (308, "POST")]:
            assert rung(f"{there.url}/{status}").outcome == "hung-up"
            assert there.requests[-1].method == method
            assert bool(there.requests[-1].body) == (method == "POST")


def test_a_redirect_elsewhere_is_refused_where_nothing_else_is_reached():
    with serve_pages({"/": END}) as other, serve_pages({"/call": StaticPage("", 302, redirect_url=other.url)}) as there:
        told = rung(f"{there.url}/call", reaches=False)
        assert "a rehearsal does not reach other servers" in told.error
        assert other.requests == []


def test_what_a_server_gives_one_call_no_other_call_tells():
    with serve_pages({"/call": StaticPage(END, headers={"set-cookie": "caller=ann"})}) as there:

        async def twice():
            async with HttpNetwork(allow_external=True) as web:
                for _ in range(2):
                    await Rehearsal(number="1", url=f"{there.url}/call").run(web)

        run_bounded(twice())
        assert ["cookie" in asked.headers for asked in there.requests] == [False, False]


# Who waits


@each_case(
    ("acts", "patience", "awaiting", "does"),
    [
        ("", 12.0, ActionWindow("keys", "Gather", "", 10.0, 5.0), CallerHangUp(2.0)),
        ("", 16.0, ActionWindow("keys", "Gather", "", 10.0, 5.0), None),
        ("1", 12.0, ActionWindow("keys", "Gather", "", 10.0, 5.0), KeyInput("1")),
        ("1", 9.0, ActionWindow("keys", "Gather", "", 10.0, 5.0), CallerHangUp(0.0)),
        ("1", 12.0, ActionWindow("conversation", "Hold", "", 10.0, 5.0), CallerHangUp(2.0)),
        ([{"wait": "3s"}, "1"], 12.0, ActionWindow("keys", "Gather", "", 10.0, 5.0), CallerHangUp(2.0)),
        ([{"wait": "3s"}, "1"], None, ActionWindow("keys", "Gather", "", 10.0, 5.0), KeyInput("1", 3.0)),
        ([{"wait": "6s"}, "1"], None, ActionWindow("keys", "Gather", "", 10.0, 5.0), None),
        ([{"wait": "3s"}, "hangup"], None, ActionWindow("conversation", "Dial", "", 10.0, 5.0), CallerHangUp(3.0)),
        ("hangup", None, ActionWindow("conversation", "Dial", "", 10.0, 5.0), CallerHangUp(0.0)),
        ([{"wait": "2s"}, {"hangup": "30s"}], None, ActionWindow("keys", "Gather", "", 5.0, 40.0), CallerHangUp(32.0)),
        ([{"wait": "2s"}, {"hangup": "30s"}], None, ActionWindow("keys", "Gather", "", 5.0, 10.0), None),
        ([{"press": "1,2"}], None, ActionWindow("keys", "Gather", "", 10.0, 5.0), KeyInput("1")),
        ("1", None, ActionWindow("conversation", "Dial", "", 10.0, 5.0), None),
    ],
)
def test_a_caller_does_what_the_script_says_within_the_time(acts, patience, awaiting, does):
    assert run_bounded(ScriptedCaller(parse_caller_script(acts) if acts else (), patience).choose_action(awaiting)) == does


def test_a_caller_who_hangs_up_later_than_keys_are_awaited_is_still_there():
    class Later(ScriptedCaller):
        async def choose_action(self, window):
            return CallerHangUp(window.duration + 1)

    case = InterpreterCase(
        "", {}, b'<Response><Gather numDigits="1" timeout="3000"/><Say>Still there.</Say><Hangup/></Response>', {}, ""
    )
    line = build_interpreter(case)
    line.caller = Later()
    told = run_bounded(line.run_from_document(case.document))
    assert (told.outcome, told.steps[-2]["text"]) == ("hung-up", "Still there.")


def test_the_clock_of_a_call_begins_where_it_is_set_and_only_its_commands_move_it():
    case = InterpreterCase(
        "", {"at": "2026-12-24T23:59:59+00:00"}, b'<Response><Pause length="3600000"/><Hangup/></Response>', {}, ""
    )
    line = build_interpreter(case)
    assert run_bounded(line.run_from_document(case.document)).seconds == 3600
    assert line.clock.now() == datetime(2026, 12, 25, 0, 59, 59, tzinfo=UTC)
    assert CASE_TIME.tzinfo is UTC
