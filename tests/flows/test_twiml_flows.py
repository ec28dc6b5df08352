"""Answers of an app under ``twiml``, and the documents that Opentact gets instead."""

from __future__ import annotations

from urllib.parse import unquote_plus

import pytest
from flow_harness import BASE_URL, SIGNER, answer_as_xml, answer_node, compile_text, compile_valid_flow, make_turn
from twilio.request_validator import RequestValidator

from callflows.errors import TwimlError
from callflows.flows.compiler.compiling_flow import CompilerOptions
from callflows.flows.entry_points import NodeEntry
from callflows.flows.flow_compilation import compile_flow
from callflows.flows.twiml.twilio_requests import TwilioAccount, make_twilio_sid
from callflows.language import Callback, Gather, from_xml
from callflows.language.element import walk_elements
from callflows.sandbox.deferred_jobs import NeedsResult
from callflows.telephony.ports import LookupResult
from callflows.telephony.turn import Variables
from each_case import each_case

APP = "https://old.example.com/voice"
FLOW = f"numbers: +12015550123\ntwiml: {APP}\nfallback: [say: Sorry.]\n"
CALL = "0532f383-4c97-4935-8747-227c77ed108c"


def answered(twiml, flow=None, turn=None, **cookies):
    """The document for an answer of the app, after ``Answer``, without tickets, and the turn."""
    turn = turn or make_turn(answers=True, call=CALL)
    flow = flow or compile_valid_flow(FLOW)
    document = twiml if twiml.startswith("<Response") else f"<Response>{twiml}</Response>"
    result = LookupResult(document, ok=True, status=200, cookies=cookies)
    turn.deferred_results = [result]
    return answer_as_xml(flow, turn=turn), turn


def go_on(url, **fields):
    """The turn at a signed URL of a document."""
    ticket = url.partition("ticket=")[2]
    state = SIGNER.read_ticket("acme/start", ticket)
    turn = make_turn(answers=True, **{**state["t"], "ticket": ticket, **fields})
    turn.earlier_values = Variables(state["s"])
    turn.reset_progress()
    return turn


def follow(url, flow=None, twiml=None, **fields):
    """The answer at a signed URL of a document: of the app (``twiml``), or of the ticket alone; and the turn."""
    turn = go_on(url, **fields)
    flow = flow or compile_valid_flow(FLOW)
    if twiml is None:
        return answer_as_xml(flow, turn=turn, entry=NodeEntry(line_answered=True)), turn
    return answered(twiml, flow, turn)


def requested(turn, flow=None):
    """The request that a turn needs."""
    with pytest.raises(NeedsResult) as needed:
        (flow or compile_valid_flow(FLOW)).answer("start", turn)
    return needed.value.job


def urls(document):
    elements = [element for _, element in walk_elements(from_xml(f"<Response>{document}</Response>".encode()))]
    return [
        str(one.attributes["url"]) for one in elements if isinstance(one, (Callback, Gather)) and "url" in one.attributes
    ]


def notes(turn):
    return [detail["note"] for _, outcome, _, detail in turn.trail if outcome == "note"]


@each_case(
    ("twiml", "document"),
    [
        ("<Say voice='man' language='en-GB' loop='2'>Hi <b>you</b></Say>",
         '<Say lang="en-GB" gender="MALE" loop="2">Hi you</Say><Hangup/>'),
        ("<Pause length='2'/><Play>/beep one.mp3</Play>",
         '<Pause length="2000"/><Play>https://old.example.com/beep%20one.mp3</Play><Hangup/>'),
        ("<Say>Bye</Say><Reject reason='busy'/><Say>never</Say>", "<Say>Bye</Say><Hangup/>"),
        ("<Dial timeout='7'><Number>2015550188</Number><Number>+12015550190</Number></Dial>",
         '<Dial timeout="7000"><To>+12015550188</To><To>+12015550190</To><Error/></Dial><Hangup/>'),
        ("<Dial record='true'>+12015550188</Dial>",
         '<Record tag="conversation"><Dial timeout="30000"><To>+12015550188</To><Error/></Dial></Record><Hangup/>'),
        ("<Hangup/>", "<Hangup/>"),
    ],
)  # fmt: skip
def test_verbs_become_those_of_opentact(twiml, document):
    assert answered(twiml)[0] == document


def test_a_gather_goes_to_its_action_and_without_keys_to_what_follows():
    document, _ = answered("<Gather numDigits='4' action='pin?lang=en'><Say>PIN?</Say></Gather><Say>None.</Say>")
    (url,) = urls(document)
    assert document.replace(url, "URL") == (
        '<Say>PIN?</Say><Gather url="URL" dtmf_length="4" dtmf_stop="#"><Error/></Gather><Say>None.</Say><Hangup/>'
    )
    document, later = follow(url, twiml="<Say>Thanks</Say>", dtmf="0123")
    assert document == "<Say>Thanks</Say><Hangup/>"
    state = later.values["twiml"]
    assert (state["u"], state["s"]) == ("https://old.example.com/pin?lang=en", make_twilio_sid("CA", CALL))


def test_a_classic_gather_asks_without_keys_too_and_gets_what_follows():
    flow = compile_valid_flow(f"{FLOW}dialect: classic\n")
    document, _ = answered("<Gather numDigits='4'><Say>PIN?</Say></Gather><Say>None.</Say>", flow)
    (url,) = urls(document)
    assert follow(url, flow)[0] == "<Say>None.</Say><Hangup/>"
    assert "Digits=0012" in requested(go_on(url, code="12"), flow).body  # the dialect lost the zeros


def test_a_dial_with_an_action_tells_how_it_ended():
    document, _ = answered("<Dial action='/done'><Sip>sip:ann@acme.sip.opentact.org</Sip></Dial><Say>never</Say>",
                           compile_valid_flow(f"{FLOW}dial_policy: {{sip_hosts: acme.sip.opentact.org}}\n"))  # fmt: skip
    missed, done = urls(document)
    for url, status in ((missed, "no-answer"), (done, "completed")):
        assert f"DialCallStatus={status}" in requested(go_on(url)).body
    assert "never" not in document


def test_what_a_number_of_a_dial_asks_for_and_opentact_lacks_is_told_and_the_number_is_rung():
    number = "<Number url='/whisper' statusCallback='/s' sendDigits='12'>+12015550188</Number>"
    document, turn = answered(f"<Dial>{number}</Dial><Sms statusCallback='/t'>Now</Sms>")
    assert "<To>+12015550188</To>" in document
    told = "\n".join(notes(turn))
    for lost in ("<Number url>: who answers hears nothing", "<Number statusCallback>: ", "<Number sendDigits>: "):
        assert lost in told
    _, turn = answered("<Say>Hi</Say><Sms statusCallback='/t'>Now</Sms>")
    assert any("<Sms> statusCallback" in note for note in notes(turn))


def test_a_text_message_is_sent_when_the_call_comes_to_it():
    document, turn = answered("<Say>Hi</Say><Sms>Now</Sms><Gather><Say>?</Say></Gather><Sms to='+12015550188'>Later</Sms>")
    assert [effect.payload["text"] for effect in turn.effects] == ["Now"]
    (first,), (repeated,) = (follow(urls(document)[-1])[1].effects for _ in range(2))
    assert (first.payload["to"], first.payload["text"]) == ("+12015550188", "Later")
    assert first.key == repeated.key  # sent once, if Opentact repeats its request


def test_a_text_message_leaves_only_for_numbers_of_the_policy_and_from_a_number_of_ours():
    _, turn = answered("<Say>Hi</Say><Sms to='+18765550188'>No</Sms><Sms from='+12015550177'>Yes</Sms>")
    assert [(effect.payload["from"], effect.payload["text"]) for effect in turn.effects] == [("+12015550123", "Yes")]
    assert any("is in JM" in note for note in notes(turn))
    _, local = answered("<Say>Hi</Say><Sms to='(201) 555-0188'>Yes</Sms><Sms to='19005550188'>No</Sms>")
    assert [effect.payload["to"] for effect in local.effects] == ["+12015550188"]
    assert any("is no number of ours" in note for note in notes(turn))


@each_case(
    ("twiml", "problem"),
    [
        ("<Enqueue>support</Enqueue>", "<Enqueue>: Opentact has no queue"),
        ("<Dial><Conference>x</Conference></Dial>", "<Dial>: Opentact has no conference"),
        ("<Gather input='speech'><Say>Say yes</Say></Gather>", "it listens to speech"),
        ("<Dial>+18765550188</Dial>", "is in JM, which dial_policy does not allow"),
        ("<Dial>+12015550123</Dial>", "is a number of ours"),
        ("<Response/>", "nothing that a caller would hear"),
        ("<Pause/>", "nothing that a caller would hear"),
        ("<Play>ftp://old.example.com/hello.mp3</Play>", "nothing that a caller would hear; <Play> is left out"),
        ("<Response><Say>", "no TwiML"),
        ("<Response><!DOCTYPE x><Say/></Response>", "no TwiML"),
    ],
)
def test_what_cannot_be_translated_gives_the_fallback_at_once(twiml, problem):
    with pytest.raises(TwimlError, match=problem):
        answered(twiml)


def test_what_cannot_be_translated_later_gives_the_fallback_later():
    document, turn = answered("<Say>Hi</Say><Connect><Stream url='wss://x'/></Connect><Say>never</Say>")
    assert document.startswith("<Say>Hi</Say><Callback")
    assert "never" not in document
    assert "<Error><Say>Sorry.</Say><Hangup/></Error>" in document  # also if this server is gone
    assert notes(turn) == ["not translated: <Connect>: Opentact does not stream the sound of a call"]
    with pytest.raises(TwimlError, match="does not stream"):
        follow(urls(document)[0])


def test_the_line_is_answered_before_the_first_word_and_not_before_a_dial():
    turn = make_turn(call=CALL)
    assert answered("<Say>Hi</Say>", turn=turn)[0].startswith("<Answer/><Say>")
    document, _ = answered("<Dial action='/x'>+12015550188</Dial>", turn=make_turn(call=CALL))
    assert not document.startswith("<Answer/>")
    state = SIGNER.read_ticket("acme/start", urls(document)[0].partition("ticket=")[2])
    assert state["e"] == [0, 0, 0]


def test_requests_are_signed_as_twilio_does_with_post_and_with_get():
    account = TwilioAccount("AC" + "0" * 32, "token")
    for method in ("POST", "GET"):
        text = f"numbers: +12015550123\ntwiml: {{url: 'https://old.example.com?a=b', method: {method}}}\n"
        options = CompilerOptions(SIGNER, "Sorry.", twilio_account=account)
        flow = compile_flow("acme", text.encode(), "acme.yaml", options).flow
        job = requested(make_turn(call=CALL, name="Jo & Ann ü"), flow)
        headers = dict(job.headers)
        fields = dict(pair.split("=", 1) for pair in job.body.split("&")) if job.body else {}
        parameters = {name: unquote_plus(value) for name, value in fields.items()}
        assert job.url.startswith("https://old.example.com/?a=b")
        assert RequestValidator("token").validate(job.url, parameters, headers["x-twilio-signature"])
        assert ("AccountSid=AC0" in job.url) is (method == "GET")
        assert (job.method, bool(job.body)) == (method, method == "POST")


def test_cookies_come_back_to_the_server_that_set_them_and_to_no_other():
    document, _ = answered("<Gather action='/a'/><Redirect>https://other.example.com/</Redirect>", session="abc", old="")
    here, there = urls(document)
    assert dict(requested(go_on(here, dtmf="1")).headers)["cookie"] == "session=abc"
    request = requested(go_on(there))
    assert "cookie" not in dict(request.headers)
    assert request.url == "https://other.example.com/"


def test_a_recording_has_a_link_before_it_is_reported_and_can_be_played():
    document, turn = answered("<Record action='/r' maxLength='20' transcribe='true' recordingStatusCallback='/s'/>")
    assert '<Record tag="voicemail" asr="true"><Pause length="20000" dtmf_stop="#"/></Record>' in document
    action, status = (effect.payload for effect in turn.effects)
    assert (action["url"], action["unless"]) == ("https://old.example.com/r", "after-voicemail")
    assert status["url"] == "https://old.example.com/s"
    link = status["form"]["RecordingUrl"]
    assert link.startswith(f"{BASE_URL}/recordings/{CALL}/voicemail/")
    assert SIGNER.is_signed_permanently(f"{CALL}/voicemail", link.rpartition("/")[2])
    document, _ = follow(urls(document)[0], twiml=f"<Play>{link}.mp3</Play><Play>https://x.example/1.mp3</Play>")
    assert document == '<Play record="voicemail"/><Play>https://x.example/1.mp3</Play><Hangup/>'


def test_what_is_too_long_for_a_ticket_is_said():
    with pytest.raises(TwimlError, match="too long to be carried"):
        answered(f"<Gather/><Sms>Now</Sms><Say>{'word ' * 600}</Say>")


def test_a_flow_that_asks_an_app_may_dial_only_what_its_policy_allows():
    problems = compile_text(f"numbers: rest\ntwiml: {APP}\n").rules
    assert problems == ["dial-policy-closed"]


def test_no_answer_of_the_app_gives_the_reason():
    with pytest.raises(TwimlError, match=r"https://old\.example\.com/voice: nobody answers"):
        answer_node(compile_valid_flow(FLOW), "start", make_turn())
