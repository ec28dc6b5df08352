"""``callflows call`` with a scripted caller: its options, its output, and its limits."""

from __future__ import annotations

import json
import os
import stat

import pytest
from command_runner import run_command, run_command_process

from each_case import each_case
from plain_http_server import StaticPage, serve_pages
from shipped_flows import REPOSITORY_ROOT, copy_shipped_flows

FRONT_DESK = ("call", "+12015550123", "--flows", "callflows")
MONDAY = ("--at", "2026-11-23 10:00")
END = "<Response><Answer/><Hangup/></Response>"


@pytest.fixture(autouse=True)
def elsewhere_than_the_repository(tmp_path, monkeypatch):
    copy_shipped_flows(tmp_path)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def flows(tmp_path):
    folder = tmp_path / "flows"
    folder.mkdir()
    return folder


def flow(folder, steps, more="numbers: [+12015550123]"):
    (folder / "acme.yaml").write_text(f"{more}\nnodes:\n  start:\n    - {steps}\n")
    return ("call", "+12015550123", "--flows", str(folder))


def told(*arguments):
    """The call as JSON."""
    done = run_command(*arguments, "--format", "json")
    return json.loads(done.out)


def heard(call):
    return [step["text"] for step in call["steps"] if step["verb"] == "Say"]


def test_a_flow_that_is_called_by_its_name_is_told_by_its_number():
    done = run_command("call", "front-desk", "--flows", "callflows")
    assert done.code == 2
    assert done.err == "callflows: 'front-desk' is a flow, which is called by its number: callflows call +12015550123\n"


# What it prints


def test_a_call_is_told_line_by_line_and_ends_well():
    done = run_command(*FRONT_DESK, *MONDAY, "--keys", "1", "--name", "Ann")
    assert (done.code, done.err) == (0, "")
    assert [line[9:] for line in done.out.splitlines()] == [
        "answered",
        "“Welcome to Acme, Ann.”",
        "“For sales press 1. For support press 2. To leave a message press 0. To hear this again press hash.”",
        "pressed 1",
        "“One moment, I am connecting you to sales.”",
        "rings +1 201 555 0188, ann@acme.sip.opentact.org: answered by +1 201 555 0188, 30 s",
        "hangs up",
        "hung up",
    ]


def test_the_json_is_the_contract():
    call = told(*FRONT_DESK, *MONDAY, "--keys", "9,#,1", "--callee", "busy")
    assert {*call} == {"number", "from", "outcome", "seconds", "steps", "requests"}
    assert (call["number"], call["from"], call["outcome"]) == ("+12015550123", "+12015550999", "hung-up")
    assert all({"verb", "path"} <= {*step} for step in call["steps"])
    assert all({*asked} == {"method", "url", "status", "ms", "document", "trail"} for asked in call["requests"])
    dial = next(step for step in call["steps"] if step["verb"] == "Dial")
    assert (dial["to"], dial["result"]) == (["+12015550188", "ann@acme.sip.opentact.org"], "busy")
    gathered = [(step["digits"], step["result"]) for step in call["steps"] if step["verb"] == "Gather"]
    assert gathered == [("9", "no-match"), ("#", "matched"), ("1", "matched")]


@pytest.mark.parametrize("outcome", ["hung-up", "caller-hung-up", "loop", "error", "ended"])
def test_every_outcome_has_its_exit_code(outcome, flows):
    loop = '<Response><Callback url="HERE/loop"/></Response>'
    ends = {"loop": loop, "error": "no document", "ended": "<Response><Say>So.</Say></Response>"}
    with serve_pages({}) as there:
        there.pages |= {f"/{name}": StaticPage(document.replace("HERE", there.url)) for name, document in ends.items()}
        there.pages["/hung-up"] = StaticPage(END)
        there.pages["/caller-hung-up"] = StaticPage('<Response><Gather dtmf_length="1"/></Response>')
        asked = ("call", "1", "--url", f"{there.url}/{outcome}", "--flows", str(flows), "--keys", "hangup")
        done = run_command(*asked, "--format", "json")
        assert (json.loads(done.out)["outcome"], done.code) == (outcome, 1 if outcome in ("loop", "error") else 0)


def test_a_number_that_no_flow_has_is_said_and_an_error(flows):
    done = run_command("call", "+12015550199", *flow(flows, "hangup")[2:])
    assert done.code == 1
    assert "unknown-number: no flow has this number: +12015550199" in done.out
    assert "“We are sorry" in done.out


def test_a_fallback_is_said_and_an_error(flows):
    (flows / "acme.py").write_text(
        "from callflows import Response, Turn, flow\nacme = flow('acme', numbers=['rest'])\n"
        "@acme.node\nasync def start(turn: Turn) -> Response:\n    return 1 / 0\n"
    )
    done = run_command("call", "+12015550123", "--flows", str(flows))
    assert done.code == 1
    assert "fallback: ZeroDivisionError" in done.out


def test_what_is_wrong_with_the_flows_is_said_beside_the_call(flows):
    arguments = flow(flows, "say: Hello.")
    (flows / "broken.yaml").write_text("numbers: [+12015550124]\nnodes: {start: [goto: nowhere]}\n")
    done = run_command(*arguments)
    assert "broken.yaml" in done.err
    assert "“Hello.”" in done.out


def test_a_pipe_gets_no_colour_and_nobody_is_asked(flows):
    arguments = flow(flows, "menu: {prompt: Press., keys: {1: start}, otherwise: start}")
    done = run_command_process(
        *arguments, folder=flows, PATH="/usr/bin:/bin", PYTHONPATH=str(REPOSITORY_ROOT), FORCE_COLOR="1", TERM="xterm"
    )
    assert "\x1b" not in done.out + done.err
    assert "keys>" not in done.out


# Its options


def test_no_keys_are_nothing_pressed(flows):
    arguments = flow(
        flows, "menu: {prompt: Press., keys: {1: one}, attempts: 1, otherwise: none}\n  one: [hangup]\n  none: [say: None.]"
    )
    for keys in ((), ("--keys", "")):
        call = told(*arguments, *keys)
        assert [step["digits"] for step in call["steps"] if step["verb"] == "Gather"] == [""]
        assert heard(call) == ["Press.", "None."]


@each_case(
    ("at", "open_"),
    [
        ("2026-11-23 10:00", True),
        ("2026-11-23T10:00", True),
        ("2026-11-23 19:00", False),
        ("2026-11-23 15:00+00:00", True),
        ("2026-11-23T23:30+00:00", False),
        ("2026-11-23 23:59+09:00", True),
        ("2026-12-25 10:00", False),
    ],
)
def test_the_moment_is_on_the_flows_clock_unless_it_has_an_offset(at, open_):
    assert ("Welcome to Acme." in heard(told(*FRONT_DESK, "--at", at, "--keys", "1"))) == open_


def test_native_schedule_is_on_the_zone_that_is_given_else_utc(flows):
    command = flow(flows, "schedule: {time: '09:00:00-12:00:00', do: [say: Good morning.]}\n    - say: Hello.")
    for zone, said in ((), ["Hello."]), (("--zone", "America/New_York"), ["Good morning.", "Hello."]):
        assert heard(told(*command, "--at", "2026-11-23 15:00Z", *zone)) == said


@each_case(
    ("arguments", "said"),
    [
        (("--at", "tomorrow"), "--at: 'tomorrow' is not a time"),
        (("--at", "2026-11-23 10:00", "--url", "http://127.0.0.1:9/"), "--at sets the clock of the local engine"),
        (("--at", "2026-11-23 10:00", "--via", "http://127.0.0.1:9"), "but --via calls another server"),
        (("--from", "ann smith"), "'ann smith' is not a caller"),
        (("--from", "+1201"), "a SIP user as ann"),
        (("--from", "2015550111"), "write +12015550111"),
        (("--url", "http://127.0.0.1:9/", "--via", "http://127.0.0.1:9"), "exclude each other"),
        (("--via", "http://127.0.0.1:9"), "is a stand-in running there?"),
        (("--zone", "New York"), "'New York' is not a time zone: write it as America/New_York"),
        (("--zone", "UTC", "--via", "http://127.0.0.1:9"), "callflows stand-in --zone"),
        (("--keys", "1,x"), "'x' are not keys"),
        (("--callee", "asleep"), "asleep"),
        (("--attestation", "D"), "D"),
        (("--method", "PUT"), "PUT"),
        (("--format", "xml"), "xml"),
    ],
)
def test_what_is_used_wrongly_is_said_with_the_fix_and_nothing_rings(arguments, said):
    done = run_command(*FRONT_DESK, *arguments)
    assert done.code == 2
    assert said in done.err
    assert done.out == ""


@pytest.mark.parametrize(
    ("number", "said"), [("hello", "as +12015550123"), ("2015550123", "write +12015550123"), ("1", "")]
)
def test_what_is_no_number_is_not_rung(number, said, flows):
    done = run_command("call", number, *flow(flows, "hangup")[2:])
    assert (done.code, done.out) == (2, "")
    assert said in done.err


def test_each_step_tells_its_node_and_no_document_how_that_is_known(flows):
    steps = "menu: {prompt: Press., keys: {1: other}, attempts: 1, otherwise: other}\n  other:\n    - say: Other."
    for more in ((), ("--record",)):
        call = told(*flow(flows, steps), "--keys", "1", *more)
        assert [(step["verb"], step["node"]) for step in call["steps"] if step["verb"] in ("Gather", "Say")] == [
            ("Say", "start"),
            ("Gather", "start"),
            ("Say", "other"),
        ]
        assert all("<!--" not in asked["document"] for asked in call["requests"])
    assert "<!--" not in run_command(*flow(flows, steps), "--keys", "1", "--record", "--trace").out


def test_who_rings_is_told_to_the_flow(flows):
    arguments = flow(
        flows, 'say: "{{ caller.name }} {{ caller.number }} {{ caller.anonymous }} {{ call.attestation }} {{ number }}"'
    )
    assert heard(told(*arguments, "--from", "+12015550111", "--name", "Ann", "--attestation", "B")) == [
        "Ann +12015550111 False B +12015550123"
    ]
    assert heard(told(*arguments, "--from", "", "--method", "GET")) == ["  True unknown +12015550123"]
    assert told(*arguments, "--from", "")["from"] == ""
    assert heard(told(*arguments, "--from", "anonymous"))[0].startswith("  True")
    assert heard(told(*arguments, "--from", "ann"))[0].startswith(" ann False")
    assert heard(told("call", "+1 (201) 555-0123", *arguments[2:]))[0].endswith("+12015550123")


@pytest.mark.parametrize(
    ("callee", "seconds"), [("answer", "answered, 30 s"), ("busy", "busy"), ("no-answer", "nobody answers")]
)
def test_callees_do_what_they_are_told(callee, seconds, flows):
    arguments = flow(flows, "dial: {to: +12015550188, timeout: 20s}")
    assert f"rings +1 201 555 0188: {seconds}\n" in run_command(*arguments, "--callee", callee).out


def test_a_trace_shows_requests_decisions_with_values_documents_and_what_is_not_documented():
    out = run_command(*FRONT_DESK, *MONDAY, "--keys", "1", "--trace").out
    assert "POST http://rehearsal.localhost/call?from=%2B12015550999&to=12015550123  200" in out
    assert "start/0 when not hours.office.open: false  [hours.office = open: mon 09:00-18:00]" in out
    assert '    <Say lang="en-US" gender="FEMALE">Welcome to Acme.</Say>' in out
    assert "not documented: the caller ID that a callee is shown: it is the caller's number" in out
    assert "rehearsal.localhost" not in run_command(*FRONT_DESK, *MONDAY, "--keys", "#").out


def test_a_strict_platform_refuses_where_the_call_depends_on_what_is_not_documented():
    done = run_command(*FRONT_DESK, *MONDAY, "--keys", "", "--strict-platform")
    assert done.code == 1
    assert "the time for input: the documentation does not say" in done.out


def test_what_is_only_shown_is_said_and_refused_by_no_strict_platform():
    done = run_command(*FRONT_DESK, *MONDAY, "--keys", "1", "--strict-platform", "--trace")
    assert done.code == 0
    assert "not documented: the caller ID that a callee is shown" in done.out


def test_a_server_elsewhere_is_rung_with_its_token_and_without_flows_of_ones_own():
    with serve_pages({"/call": END}) as there:
        done = run_command("call", "+12015550123", "--url", f"{there.url}/call?token=t", "--method", "GET")
        assert (done.code, done.err) == (0, "")
        assert there.requests[0].target == "/call?token=t&from=%2B12015550999&to=12015550123"


# Speech


def espeak(folder):
    """An espeak-ng that writes down what it should speak, and speaks English only."""
    program = folder / "bin" / "espeak-ng"
    program.parent.mkdir()
    program.write_text(
        f'#!/bin/sh\ntext=$(cat)\necho "$2: $text" >> {folder}/spoken\ncase "$2" in en*) exit 0;; *) exit 1;; esac\n'
    )
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return program.parent


def test_where_nothing_speaks_the_option_says_how_to_get_it(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    done = run_command(*FRONT_DESK, "--say")
    assert done.code == 2
    assert "apt-get install espeak-ng" in done.err
    assert done.out == ""


def test_what_is_said_is_spoken_in_its_language_else_in_english(monkeypatch, tmp_path, flows):
    monkeypatch.setenv("PATH", f"{espeak(tmp_path)}{os.pathsep}{os.environ['PATH']}")
    arguments = flow(flows, 'say: {text: "-v; Hola $(date)", lang: es-US}\n    - say: {text: Hello., lang: en-GB}')
    assert run_command(*arguments, "--say").code == 0
    assert (tmp_path / "spoken").read_text().splitlines() == [
        "es-us: -v; Hola $(date)",
        "es: -v; Hola $(date)",
        "en: -v; Hola $(date)",
        "en-gb: Hello.",
    ]


# Hostile servers


HOSTILE = "\x9b31m \u202eevil\u2066 \x85 \u2028 \x7f"


@pytest.mark.parametrize("output", ["text", "json"])
@pytest.mark.parametrize("trace", [(), ("--trace",)])
def test_nothing_that_a_server_says_moves_the_cursor_or_turns_the_writing_round(output, trace):
    document = f"""<Response><Say tag="{HOSTILE}">{HOSTILE}\r\n[2J</Say><Play record="{HOSTILE}"><Error play="true"/></Play>
    <Dial><To>ann{HOSTILE.replace(" ", "").replace(chr(0x85), "").replace(chr(0x2028), "")}@a.test</To></Dial>
    <Callback url="HERE/next{chr(0x9B)}31m"/><Hangup tag="{HOSTILE}"/></Response>"""
    with serve_pages({}) as there:
        there.pages["/call"] = StaticPage(document.replace("HERE", there.url), headers={"x": "y"})
        there.pages["/wrong"] = StaticPage(f"<Response><Say {chr(0x2040)}='\x9b'/><\u0e01\x9b/></Response>")
        there.pages["/status"] = StaticPage("", 302, redirect_url="http://127.0.0.1:9/%1b%9b?\x1b[2J")
        for path in ("/call", "/wrong", "/status"):
            done = run_command("call", "1", "--url", there.url + path, "--format", output, *trace)
            assert [c for c in done.out + done.err if not (c.isprintable() or c == "\n")] == []
            assert "\u202e" not in done.out
            if output == "json":
                json.loads(done.out)


def test_json_keeps_what_it_escapes():
    with serve_pages({"/call": f"<Response><Say>{HOSTILE}</Say><Hangup/></Response>"}) as there:
        assert heard(told("call", "1", "--url", f"{there.url}/call")) == [HOSTILE]


# Harmless


OUTSIDE = """
numbers: [+12015550123]
nodes:
  start:
    - lookup: {url: "HERE/crm", into: customer, timeout: 5s, default: {name: nobody}}
    - say: Hello {{ customer.name }}.
    - notify: {url: "HERE/notified", payload: {a: 1}}
"""


def test_nothing_outside_is_asked_or_told_unless_it_is_wanted(flows, monkeypatch):
    monkeypatch.setenv("CALLFLOWS_PRIVATE_LOOKUPS", "127.0.0.0/8")
    with serve_pages({"/crm": '{"name": "Ann"}', "/notified": ""}) as there:
        (flows / "acme.yaml").write_text(OUTSIDE.replace("HERE", there.url))
        arguments = ("call", "+12015550123", "--flows", str(flows))
        call = told(*arguments)
        assert heard(call) == ["Hello nobody."]
        assert [step["verb"] for step in call["steps"] if not step["path"]] == ["lookup", "notify"]
        assert there.requests == []
        assert heard(told(*arguments, "--real")) == ["Hello Ann."]
        assert sorted((asked.method, asked.target) for asked in there.requests) == [("GET", "/crm"), ("POST", "/notified")]


def test_a_voicemail_is_really_told_when_its_call_is_over_with_what_was_recorded(flows, monkeypatch):
    monkeypatch.setenv("CALLFLOWS_PRIVATE_LOOKUPS", "127.0.0.0/8")
    with serve_pages({"/left": ""}) as there:
        command = flow(flows, f"voicemail: {{greeting: Speak., max: 9s, notify: '{there.url}/left'}}")
        run_command(*command, "--real", "--keys", "")
    (asked,) = there.requests
    assert [(one["tag"], one["seconds"]) for one in json.loads(asked.body)["recordings"]] == [("voicemail", 9)]


def test_a_curl_is_asked_only_where_that_is_wanted(flows):
    with serve_pages({"/curled": ""}) as there:
        arguments = flow(flows, f"curl: {{url: '{there.url}/curled'}}\n    - hangup")
        assert run_command(*arguments).code == 0
        assert there.requests == []
        assert run_command(*arguments, "--real").code == 0
        assert [asked.target for asked in there.requests] == ["/curled"]


def test_a_rehearsal_keeps_nothing(flows, tmp_path):
    files = sorted(tmp_path.rglob("*"))
    run_command(*flow(flows, 'say: "{{ caller.calls_today }}"'))
    assert heard(told(*flow(flows, 'say: "{{ caller.calls_today }}"'))) == ["1"]
    assert sorted(tmp_path.rglob("*")) == sorted([*files, flows / "acme.yaml"])
