"""Mails and messages to chats: in a call, with a voicemail, after a call, and about a text message."""

from __future__ import annotations

import json

import pytest
from scenario_folders import run_scenario_file

from callflows.rehearsal.transcript_text import format_transcript
from callflows.telephony.notices import CHAT_NAMES, build_chat_request
from each_case import each_case

FLOW = """\
numbers: {+12015550142: {desk: "office@example.com, ann@example.com"}}
timezone: America/New_York
nodes:
  start:
    - when: caller.anonymous
      mail: {to: "{{ variables.desk }}", subject: "Hidden\\ncaller", text: Somebody hides.}
    - voicemail:
        greeting: Please leave a message.
        mail: {to: office@example.com, attach: true}
        notify: {url: "https://hooks.example.com/T0/B0", as: slack}
ended:
  - when: ended.message
    mail:
      to: [boss@example.com]
      subject: "{{ ended.seconds }} s from {{ caller.national }}"
      text: "Keys: {{ ended.keys | join }}"
  - when: ended.missed
    notify: {url: "https://matrix.example.com/send", as: matrix, text: "Missed {{ caller.national }}."}
messages:
  - keyword: mail
    mail: office@example.com
  - mail: {to: "{{ message.text[3:] }}", text: "{{ message.text }}"}
"""
AT = 'at: "2026-11-23 10:00"'


def run(path, scenario):
    (result,) = run_scenario_file(path, f"{FLOW}tests:\n  - {{name: one, {AT}, {scenario}}}\n")
    return result


def steps(result, verb):
    return [step for step in result.transcript.steps if step["verb"] == verb]


def test_a_voicemail_is_mailed_and_posted_with_transcript_and_link_when_the_call_is_over(tmp_path):
    result = run(tmp_path, 'keys: "#", transcript: Call me back.')
    office, boss = steps(result, "mail")
    assert (office["to"], office["subject"]) == ("office@example.com", "Voicemail from (201) 555-0999")
    assert office["text"].splitlines() == [
        "Voicemail from (201) 555-0999, to (201) 555-0142, 2026-11-23 10:00.",
        "",
        "“Call me back.”",
        "",
        "Recording of 2 s: https://recordings.example/voicemail.wav",
    ]
    assert office["attach"] == "https://recordings.example/voicemail.wav"
    (posted,) = steps(result, "notify")
    assert (posted["as"], posted["text"]) == ("slack", office["text"])
    assert boss["text"].splitlines()[0] == "Keys:"
    assert "https://recordings.example/voicemail.wav" in boss["text"]
    assert "attach" not in boss
    lines = [line.strip() for line in format_transcript(result.transcript)]
    assert any(line.startswith("then  mail to office@example.com: “Voicemail from (201) 555-0999”") for line in lines)


def test_a_mail_in_a_call_has_the_authors_words_in_one_line_of_subject(tmp_path):
    result = run(tmp_path, "from: anonymous, keys: '#', expect: [mail: {to: 'office@example.com, ann@example.com'}]")
    assert result.has_passed
    assert steps(result, "mail")[0]["subject"] == "Hidden caller"


@pytest.mark.parametrize(
    "scenario",
    [
        "keys: '#', expect: [mail: {subject: Voicemail from}, mail: {text: 'Keys:'}, not: {mail: {to: ann@example.com}}]",
        "keys: hangup 1s, expect: [notify: {as: matrix, text: 'Missed (201) 555-0999.'}, not: mail]",
        "text: mail this, expect: [mail: {subject: Text message from, text: mail this}]",
        "text: to you@example.com, expect: [mail: {to: you@example.com, text: to you@example.com}]",
        "text: to nobody, expect: [refused: there is no address to write to]",
    ],
)
def test_a_scenario_expects_mails_and_messages_to_chats(scenario, tmp_path):
    assert run(tmp_path, scenario).has_passed


@each_case("chat", CHAT_NAMES)
def test_each_chat_gets_the_text_in_its_own_shape(chat):
    text = "Voicemail from Zoë\n\n“Hi”"
    request = build_chat_request(chat, text, "msg_1")
    body = request.body.decode()
    if chat == "ntfy":
        assert (body, request.content_type) == (text, "text/plain; charset=utf-8")
        return
    posted = json.loads(body)
    texts = {
        "slack": lambda: posted["text"],
        "mattermost": lambda: posted["text"],
        "google-chat": lambda: posted["text"],
        "discord": lambda: posted["content"],
        "matrix": lambda: posted["body"] * (posted["msgtype"] == "m.text"),
        "teams": lambda: posted["attachments"][0]["content"]["body"][0]["text"].replace("\n\n\n\n", "\n\n"),
    }
    assert texts[chat]() == text
    assert (request.method, request.path_suffix) == (("PUT", "/msg_1") if chat == "matrix" else ("POST", ""))


def test_a_text_of_a_caller_calls_nobody_together_in_a_chat():
    text = "<!channel> <!subteam^S1> @everyone"
    assert json.loads(build_chat_request("slack", text, "msg_1").body) == {"text": "&lt;!channel> <!subteam^S1> @everyone"}
    for chat, broadcasts in (("mattermost", ("@all", "@Channel")), ("google-chat", ("<users/all>",))):
        body = json.loads(build_chat_request(chat, " ".join(broadcasts), "msg_1").body)["text"]
        assert not any(broadcast in body for broadcast in broadcasts)
    assert json.loads(build_chat_request("discord", text, "msg_1").body)["allowed_mentions"] == {
        "parse": ["users", "roles"]
    }
