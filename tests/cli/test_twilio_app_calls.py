"""An app that was written for Twilio's webhooks answers calls: rung whole, by ``callflows call --real``."""

from __future__ import annotations

import json

import pytest
from command_runner import run_command

from twilio_app import AUTH_TOKEN, run_twilio_app

NUMBER = "+12015550123"


@pytest.fixture(scope="module")
def app():
    with run_twilio_app() as running:
        yield running


@pytest.fixture
def ring(app, tmp_path, monkeypatch):
    """Rings the app's URL of a path; returns the call as JSON, and as text with ``text=True``."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CALLFLOWS_TWILIO_AUTH_TOKEN", AUTH_TOKEN)
    monkeypatch.setenv("CALLFLOWS_PRIVATE_LOOKUPS", "127.0.0.0/8")
    app.forms.clear()
    app.answers.clear()
    (tmp_path / "callflows").mkdir()

    def ring_app(path, *arguments, text=False, more=""):
        fallback = "fallback: [say: The old line is down.]\n"
        (tmp_path / "callflows" / "old.yaml").write_text(f"numbers: {NUMBER}\ntwiml: {app.url}{path}\n{more}{fallback}")
        done = run_command("call", NUMBER, "--real", *arguments, *([] if text else ["--format", "json"]))
        return done if text else json.loads(done.out)

    return ring_app


def heard(call):
    return [
        step.get("text") or step.get("record") or step["url"] for step in call["steps"] if step["verb"] in ("Say", "Play")
    ]


def test_a_phone_tree_asks_again_and_rings_sales(ring, app):
    call = ring("/voice", "--keys", ",1", "--callee", "answer")
    asked = "Hello 0999. For sales press 1, to leave a message press 2."
    assert heard(call) == [asked, "We did not hear a key.", asked, "Thank you for talking to sales."]
    assert [step["to"] for step in call["steps"] if step["verb"] == "Dial"] == [["+12015550188", "+12015550190"]]
    first, again = app.forms["/voice"]
    assert (first["CallStatus"], again["CallStatus"], first["Direction"]) == ("ringing", "in-progress", "inbound")
    assert (first["From"], first["To"], first["FromCountry"]) == ("+12015550999", NUMBER, "US")
    assert app.forms["/tree"][0]["Digits"] == "1"
    assert app.forms["/after_dial"][0]["DialCallStatus"] == "completed"
    sids = {form["CallSid"] for forms in app.forms.values() for form in forms}
    assert len(sids) == 1
    assert len(sids.pop()) == len("CA") + 32


def test_who_is_not_answered_gets_the_text_message_of_the_app(ring, app):
    call = ring("/voice", "--keys", "1", "--callee", "no-answer")
    assert heard(call)[-1] == "Nobody is there."
    assert app.forms["/after_dial"][0]["DialCallStatus"] == "no-answer"
    texts = [step for step in call["steps"] if step["verb"] == "sms"]
    assert [(step["to"], step["from"], step["text"]) for step in texts] == [
        ("+12015550999", NUMBER, "We missed your call.")
    ]


def test_a_number_that_the_dial_policy_forbids_is_not_rung(ring):
    call = ring("/voice", "--keys", "5")
    assert "Dial" not in [step["verb"] for step in call["steps"]]
    assert heard(call)[-1] == "The old line is down."
    assert "JM, which dial_policy does not allow" in call["requests"][-1]["error"]


def test_a_voicemail_can_be_heard_again_and_is_reported(ring, app):
    call = ring("/voice", "--keys", "2,#")
    assert heard(call)[1:] == ["Please leave a message.", "You said:", "voicemail"]
    assert app.forms["/message"][0]["CallStatus"] == "in-progress"  # asked with GET
    recording = app.forms["/thanks"][0]
    assert recording["RecordingSid"].startswith("RE")

    assert len(app.forms["/thanks"]) == 1
    (reported,) = app.forms["/recorded"]
    assert (reported["RecordingStatus"], reported["RecordingUrl"]) == ("completed", recording["RecordingUrl"])
    assert int(reported["RecordingDuration"]) > 0


def test_a_caller_who_hangs_up_after_the_message_has_left_it(ring, app):
    ring("/voice", "--keys", "2,hangup 9s")
    (hung_up,) = app.forms["/thanks"]
    assert (hung_up["CallStatus"], hung_up["Digits"], hung_up["RecordingDuration"]) == ("completed", "hangup", "8")


def test_a_survey_keeps_its_session(ring, app):
    call = ring("/survey", "--keys", "4,")
    assert heard(call) == [
        "Welcome to the survey.",
        "How many stars did the driver earn?",
        "And how many stars did the food earn?",
        "Thank you.",
    ]
    assert [*app.answers.values()] == [["4", ""]]


def test_a_verb_that_opentact_has_not_gives_the_fallback_when_the_call_comes_to_it(ring):
    call = ring("/odd")
    assert heard(call) == ["One moment.", "The old line is down."]
    assert "Opentact has no queue" in call["requests"][-1]["error"]
    done = ring("/odd", text=True)
    assert "Opentact has no queue: ring a group of people with dial instead" in done.out + done.err


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/page", "the app's answer is no TwiML: line 1: the document begins with <html>"),
        ("/nowhere", "status 404"),
    ],
)
def test_an_answer_that_is_no_document_gives_the_fallback(ring, path, said):
    call = ring(path)
    assert heard(call) == ["The old line is down."]
    assert said in call["requests"][0]["error"]


def test_a_wrong_token_is_named(ring, monkeypatch):
    monkeypatch.setenv("CALLFLOWS_TWILIO_AUTH_TOKEN", "another")
    call = ring("/voice")
    assert heard(call) == ["The old line is down."]
    assert "status 403: is CALLFLOWS_TWILIO_AUTH_TOKEN its token?" in call["requests"][0]["error"]


def test_an_app_inside_the_network_is_not_asked_without_permission(ring, app, monkeypatch):
    monkeypatch.delenv("CALLFLOWS_PRIVATE_LOOKUPS")
    assert heard(ring("/voice")) == ["The old line is down."]
    assert app.forms == {}


def test_a_scenario_has_the_answers_of_the_app(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "callflows").mkdir()
    (tmp_path / "callflows" / "old.yaml").write_text(
        "numbers: +12015550123\n"
        "twiml: https://old.example.com/voice\n"
        "tests:\n"
        "  - name: sales\n"
        "    keys: 1\n"
        "    lookups:\n"
        "      https://old.example.com/voice: <Response><Gather action='/tree'><Say>Press 1.</Say></Gather></Response>\n"
        "      https://old.example.com/tree: <Response><Dial>+12015550188</Dial></Response>\n"
        "    expect: [say: Press 1., dial: {to: +12015550188, result: answered}]\n"
    )
    done = run_command("test")
    assert done.out.splitlines()[-1] == "1 scenario(s), 0 failed", done.out + done.err
    assert done.code == 0
    explored = run_command("test", "--explore", "--examples", "3")
    assert (explored.code, "0 random caller(s), 0 flow(s) went wrong" in explored.out) == (0, True)
